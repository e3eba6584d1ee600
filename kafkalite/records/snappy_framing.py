"""Snappy as Kafka's clients write it: blocks behind a header of the snappy-java (xerial) library, or one raw block.

    header   = 82 53 4e 41 50 50 59 00, version int32 (1), compatible version int32 (1)
    block    = size int32, raw snappy block of that size (it begins with its uncompressed length)

A header may stand again between blocks: streams may be concatenated.
"""

from __future__ import annotations

from typing import Final

import cramjam

from kafkalite.records.compression import Allocate, Buffer, decompression_error, too_large

MAGIC: Final = b"\x82SNAPPY\x00"
HEADER: Final = MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
BLOCK_SIZE: Final = 32 * 1024


def compress(data: Buffer) -> bytes:
    """`data` in framed blocks of 32 KiB, as SnappyOutputStream cuts them."""
    view = memoryview(data)
    parts: list[bytes] = [HEADER]
    for start in range(0, len(view), BLOCK_SIZE):
        block = bytes(cramjam.snappy.compress_raw(view[start : start + BLOCK_SIZE]))
        parts.append(len(block).to_bytes(4, "big"))
        parts.append(block)
    return b"".join(parts)


def decompress(data: Buffer, max_size: int, *, allocate: Allocate = bytearray) -> memoryview:
    """The content of framed or raw snappy; the declared lengths are added up against `max_size` before anything is
    unfolded."""
    view = memoryview(data)
    blocks = _blocks(view) if bytes(view[:8]) == MAGIC else [view]
    lengths: list[int] = []
    total = 0
    for block in blocks:
        length = _declared_length(block)
        total += length
        if total > max_size:
            raise too_large(max_size)
        # Snappy cannot unfold a byte to more than about 21: a larger claim is a lie not worth an allocation.
        if length > 32 * len(block) + 64:
            raise decompression_error("a snappy block declares more than it can hold")
        lengths.append(length)
    target = memoryview(allocate(total))
    position = 0
    for block, length in zip(blocks, lengths, strict=True):
        try:
            written = cramjam.snappy.decompress_raw_into(block, target[position : position + length])
        except (cramjam.DecompressionError, ValueError) as error:
            raise decompression_error(str(error)) from None
        if written != length:
            raise decompression_error("a snappy block is shorter than it declares")
        position += length
    return target


def _blocks(view: memoryview) -> list[memoryview]:
    blocks: list[memoryview] = []
    position = 0
    end = len(view)
    while position < end:
        if end - position < 4:
            break  # SnappyInputStream takes the beginning of a block's size for the end
        if bytes(view[position : position + 8]) == MAGIC:
            if end - position < len(HEADER):
                raise decompression_error("a snappy frame ends inside its header")
            position += len(HEADER)
            continue
        size = int.from_bytes(view[position : position + 4], "big")
        position += 4
        if size > end - position:
            raise decompression_error("a snappy frame ends inside a block")
        blocks.append(view[position : position + size])
        position += size
    return blocks


def _declared_length(block: memoryview) -> int:
    length = shift = 0
    for byte in block[:5]:
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length
        shift += 7
    raise decompression_error("a snappy block has no valid length")
