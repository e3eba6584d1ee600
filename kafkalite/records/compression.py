"""The codecs of record batches: none, gzip, snappy, lz4 and zstd, with Kafka's numbers, names and levels.

`compress` writes what the Java client writes, `decompress` reads what it reads, and refuses to write more than it is
told: a batch of a few kilobytes can claim gigabytes. The libraries are loaded when a codec is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final, TypeAlias

from kafkalite.errors import ErrorCode, KafkaError

Buffer: TypeAlias = bytes | bytearray | memoryview
Allocate: TypeAlias = Callable[[int], bytearray | memoryview]
"""Gives memory of a size, to be written to."""

DEFAULT_MAX_DECOMPRESSED_SIZE: Final = 256 * 1024 * 1024
"""How much one batch may unfold to; Apache Kafka streams and has no bound."""


class CompressionType(IntEnum):
    """A codec by its number in a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4

    @property
    def codec_name(self) -> str:
        """The name that configuration and tools use."""
        return self.name.lower()

    @classmethod
    def for_name(cls, name: str) -> CompressionType:
        """The codec of a configured name; raises ValueError."""
        try:
            return _BY_NAME[name]
        except KeyError:
            raise ValueError(f"Unknown compression name: {name}") from None


_BY_NAME: Final = {codec.name.lower(): codec for codec in CompressionType}

NONE: Final = CompressionType.NONE
GZIP: Final = CompressionType.GZIP
SNAPPY: Final = CompressionType.SNAPPY
LZ4: Final = CompressionType.LZ4
ZSTD: Final = CompressionType.ZSTD

COMPRESSION_TYPES: Final = tuple(CompressionType)

DEFAULT_LEVELS: Final = {GZIP: -1, LZ4: 9, ZSTD: 3}
"""The levels that stand for a codec's usual speed; lz4's 9 is the fast compressor, any other number the slow one."""


def decompression_error(detail: str) -> KafkaError:
    """The error for bytes that their codec does not understand, or that unfold to more than is allowed.

    Apache Kafka answers these with UNKNOWN_SERVER_ERROR; CORRUPT_MESSAGE would make producers retry for ever.
    """
    return KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"Failed to decompress record stream: {detail}")


def compress(codec: int, data: Buffer, *, level: int | None = None, magic: int = 2) -> bytes:
    """`data` under `codec`, at the codec's usual level unless one is given; `magic` 0 has its own lz4 frames."""
    if codec == NONE:
        return bytes(data)
    if codec == GZIP:
        import zlib

        compressor = zlib.compressobj(DEFAULT_LEVELS[GZIP] if level is None else level, zlib.DEFLATED, 31)
        return compressor.compress(data) + compressor.flush()
    if codec == SNAPPY:
        from kafkalite.records import snappy_framing

        return snappy_framing.compress(data)
    if codec == LZ4:
        from kafkalite.records import lz4_frame

        return lz4_frame.compress(data, level=DEFAULT_LEVELS[LZ4] if level is None else level, magic=magic)
    if codec == ZSTD:
        import cramjam

        return bytes(cramjam.zstd.compress(data, DEFAULT_LEVELS[ZSTD] if level is None else level))
    raise unknown_compression_type(codec)


def decompress(codec: int, data: Buffer, *, max_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE, magic: int = 2) -> bytes:
    """What `data` unfolds to; raises KafkaError where it is damaged or exceeds `max_size` bytes."""
    return bytes(_decompress(codec, data, max_size, magic, bytearray))


class ScratchBuffer:
    """Memory for what is looked at once: `decompress` into it maps no pages, which costs more than the codec does.

    What it gave is overwritten by what it gives next."""

    __slots__ = ("_buffer",)

    _MAX_KEPT: Final = 4 * 1024 * 1024

    def __init__(self) -> None:
        self._buffer = bytearray()

    def decompress(self, codec: int, data: Buffer, *, max_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE) -> Buffer:
        """What `data` unfolds to, valid until the next call; raises as `decompress` does."""
        return _decompress(codec, data, max_size, 2, self._allocate)

    def _allocate(self, size: int) -> memoryview:
        if size > self._MAX_KEPT:
            return memoryview(bytearray(size))
        if size > len(self._buffer):
            self._buffer = bytearray(max(size, min(2 * len(self._buffer), self._MAX_KEPT)))
        return memoryview(self._buffer)[:size]


def _decompress(codec: int, data: Buffer, max_size: int, magic: int, allocate: Allocate) -> Buffer:
    if codec == NONE:
        return data
    if codec == GZIP:
        return _gunzip(data, max_size)
    if codec == SNAPPY:
        from kafkalite.records import snappy_framing

        return snappy_framing.decompress(data, max_size, allocate=allocate)
    if codec == LZ4:
        from kafkalite.records import lz4_frame

        return lz4_frame.decompress(data, max_size, has_legacy_checksum=magic == 0, allocate=allocate)
    if codec == ZSTD:
        return _decompress_zstd(data, max_size, allocate)
    raise unknown_compression_type(codec)


def unknown_compression_type(codec: int) -> KafkaError:
    """The error for the numbers 5 to 7 in a batch's attributes."""
    return KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"Unknown compression type id: {codec}")


def too_large(max_size: int) -> KafkaError:
    """The error for a batch that would unfold to more than `max_size` bytes."""
    return decompression_error(f"the records would take more than {max_size} bytes")


def _gunzip(data: Buffer, max_size: int) -> bytes:
    import zlib

    out: list[bytes] = []
    left = max_size
    rest = bytes(data)
    while True:
        member = zlib.decompressobj(31)
        try:
            # One byte more than allowed tells "exactly full" from "too much".
            part = member.decompress(rest, left + 1)
        except zlib.error as error:
            raise decompression_error(str(error)) from None
        left -= len(part)
        if left < 0:
            raise too_large(max_size)
        if not member.eof:
            raise decompression_error("Unexpected end of ZLIB input stream")
        out.append(part)
        rest = member.unused_data
        # What follows a member is another one, or is ignored, as by Java's GZIPInputStream.
        if rest[:2] != b"\x1f\x8b":
            return out[0] if len(out) == 1 else b"".join(out)


def _decompress_zstd(data: Buffer, max_size: int, allocate: Allocate) -> memoryview:
    import cramjam

    capacity = _zstd_content_size(data)
    if capacity is not None and capacity > max_size:
        raise too_large(max_size)
    if capacity is None:
        capacity = min(max_size, max(4 * len(data), 64 * 1024))
    while True:
        out = allocate(capacity)
        try:
            size: int = cramjam.zstd.decompress_into(data, out)
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise decompression_error(str(error)) from None
            if capacity >= max_size:
                raise too_large(max_size) from None
            capacity = min(max_size, max(64 * 1024, capacity * 8))
            continue
        return memoryview(out)[:size]


def _zstd_content_size(data: Buffer) -> int | None:
    """The size that a frame's header declares, if it does: a hint for the buffer, checked by decoding."""
    if len(data) < 18 or bytes(data[:4]) != b"\x28\xb5\x2f\xfd":
        return None
    descriptor = data[4]
    is_single_segment = descriptor >> 5 & 1
    field_size = (is_single_segment, 2, 4, 8)[descriptor >> 6]
    if not field_size:
        return None
    position = 5 + (1 - is_single_segment) + (0, 1, 2, 4)[descriptor & 3]
    declared = int.from_bytes(data[position : position + field_size], "little")
    return declared + 256 if field_size == 2 else declared
