"""LZ4 frames as Kafka's clients read and write them: independent blocks of 64 KiB, no checksums of blocks or content.

    frame    = 04 22 4d 18, FLG, BD, [content size int64], header checksum int8, blocks, end mark 00 00 00 00,
               [content checksum]
    block    = size int32 little-endian (top bit: stored as it is), bytes, [block checksum]

The header checksum is the second byte of the XXH32 of FLG, BD and content size. In messages of magic 0 it was computed
over the four magic bytes too, a mistake that became the format: there it is written so and not checked when read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cramjam

from kafkalite.records.compression import Allocate, Buffer, decompression_error, too_large

MAGIC: Final = b"\x04\x22\x4d\x18"
BLOCK_SIZE: Final = 64 * 1024
FAST_LEVEL: Final = 9
INCOMPRESSIBLE: Final = 0x80000000
MAX_RATIO: Final = 256
"""No LZ4 sequence says more about the output with one byte of input."""

_CHECKED: Final = 0x10 | 0x08 | 0x04
"""Flags of what the library checks: blocks by their checksums, the content's size and its checksum."""
_DESCRIPTOR: Final = b"\x60\x40"  # version 1, independent blocks; 64 KiB blocks


def compress(data: Buffer, *, level: int = FAST_LEVEL, magic: int = 2) -> bytes:
    """`data` as one frame; level 9 is the fast compressor, any other from 1 to 17 the high-compression one."""
    view = memoryview(data)
    parts: list[bytes] = [MAGIC, _DESCRIPTOR, _header_checksum(MAGIC + _DESCRIPTOR if magic == 0 else _DESCRIPTOR)]
    for start in range(0, len(view), BLOCK_SIZE):
        block = view[start : start + BLOCK_SIZE]
        compressed = (
            bytes(cramjam.lz4.compress_block(block, store_size=False))
            if level == FAST_LEVEL
            else _compress_block_at(block, level)
        )
        if len(compressed) < len(block):
            parts.append(len(compressed).to_bytes(4, "little"))
            parts.append(compressed)
        else:
            parts.append((len(block) | INCOMPRESSIBLE).to_bytes(4, "little"))
            parts.append(bytes(block))
    parts.append(b"\x00\x00\x00\x00")
    return b"".join(parts)


def _compress_block_at(block: memoryview, level: int) -> bytes:
    # The library takes a level for frames only: a frame of its own around so little data has just one block.
    frame = bytes(cramjam.lz4.compress(block, level=level))
    size = int.from_bytes(frame[7:11], "little")
    return bytes(block) if size & INCOMPRESSIBLE else frame[11 : 11 + size]


def decompress(
    data: Buffer, max_size: int, *, has_legacy_checksum: bool = False, allocate: Allocate = bytearray
) -> memoryview:
    """The content of the first frame in `data`; what follows its end mark is ignored, as in the Java client.

    The walk over the block sizes refuses what the Java client refuses (another version, dependent blocks) and bounds
    the output before anything is allocated.
    """
    frame = memoryview(data)
    if len(frame) < 7:
        raise decompression_error("Stream ended prematurely")
    if bytes(frame[:4]) != MAGIC:
        raise decompression_error("Stream unsupported (invalid magic bytes)")
    flags, block_descriptor = frame[4], frame[5]
    if flags & 3:
        raise decompression_error("Reserved bits must be 0")
    if not flags & 0x20:
        raise decompression_error("Dependent block stream is unsupported")
    if flags >> 6 != 1:
        raise decompression_error(f"Version {flags >> 6} is unsupported")
    if block_descriptor & 0x8F or block_descriptor >> 4 < 4:
        raise decompression_error("Block size value must be between 4 and 7")
    max_block_size = 1 << (2 * (block_descriptor >> 4) + 8)
    header_end = 14 if flags & 0x08 else 6
    if len(frame) <= header_end:
        raise decompression_error("Stream ended prematurely")
    checksum = _header_checksum(bytes(frame[4:header_end]))
    if frame[header_end] != checksum[0] and not has_legacy_checksum:
        raise decompression_error("Stream frame descriptor corrupted")

    position = header_end + 1
    checksum_size = 4 if flags & 0x10 else 0
    bound = 0
    stored: memoryview | None = None
    while True:
        size = int.from_bytes(frame[position : position + 4], "little")
        is_stored = size & INCOMPRESSIBLE
        size &= ~INCOMPRESSIBLE
        position += 4
        if position > len(frame):
            raise decompression_error("Stream ended prematurely")
        if size == 0:
            break
        if size > max_block_size:
            raise decompression_error(f"Block size {size} exceeded max: {max_block_size}")
        position += size + checksum_size
        if position > len(frame):
            raise decompression_error("Stream ended prematurely")
        stored = frame[position - size : position] if is_stored and not bound and not flags & _CHECKED else None
        bound += size if is_stored else min(max_block_size, MAX_RATIO * size)
    if stored is not None and bound <= max_size:  # the one block is what does not compress: there is nothing to do
        return stored
    frame_end = position + (4 if flags & 0x04 else 0)

    exact: Buffer = frame[:frame_end]
    if frame[header_end] != checksum[0]:  # of magic 0: the one that the library expects is put in place
        exact = b"".join((frame[:header_end], checksum, frame[header_end + 1 : frame_end]))
    out = allocate(min(bound, max_size))
    if not out:
        return _check_empty(bound, max_size)
    try:
        written: int = cramjam.lz4.decompress_into(exact, out)
    except cramjam.DecompressionError as error:
        if bound > max_size and "whole buffer" in str(error):
            raise too_large(max_size) from None
        raise decompression_error(str(error)) from None
    return memoryview(out)[:written]


def _check_empty(bound: int, max_size: int) -> memoryview:
    if bound:
        raise too_large(max_size)
    return memoryview(b"")


@lru_cache(maxsize=64)
def _header_checksum(descriptor: bytes) -> bytes:
    return bytes((_xxh32_short(descriptor) >> 8 & 0xFF,))


def _xxh32_short(data: bytes) -> int:
    """XXH32 with seed 0 of fewer than sixteen bytes, which is all that a frame header can have."""
    mask = 0xFFFFFFFF
    value = (0x165667B1 + len(data)) & mask
    position = 0
    while position + 4 <= len(data):
        value = (value + int.from_bytes(data[position : position + 4], "little") * 0xC2B2AE3D) & mask
        value = ((value << 17 | value >> 15) & mask) * 0x27D4EB2F & mask
        position += 4
    for byte in data[position:]:
        value = (value + byte * 0x165667B1) & mask
        value = ((value << 11 | value >> 21) & mask) * 0x9E3779B1 & mask
    value = (value ^ value >> 15) * 0x85EBCA77 & mask
    value = (value ^ value >> 13) * 0xC2B2AE3D & mask
    return value ^ value >> 16
