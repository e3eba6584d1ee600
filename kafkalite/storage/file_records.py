"""Batches in an open file: a walk over their headers that leaves the bodies unread, and one that checks them."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from kafkalite.errors import KafkaError
from kafkalite.records.record_batch import (
    HEADER_SIZE_UP_TO_MAGIC,
    LOG_OVERHEAD,
    MIN_LEGACY_RECORD_SIZE,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    check_crc,
    corrupt_record,
    read_header,
    too_small,
)
from kafkalite.storage.filesystem import File

_FIRST_CHUNK_SIZE: Final = 8 * 1024
_MAX_CHUNK_SIZE: Final = 256 * 1024
_unpack_place: Final = Struct(">qi4xb6xi").unpack_from
"""Of a header: base offset, length, magic and last offset delta."""


class InvalidBatchError(Exception):
    """Where the valid batches of a file end before the file does, and why."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"at position {position}: {reason}")
        self.position = position
        self.reason = reason


def iter_valid_batches(file: File, position: int, end: int) -> Iterator[tuple[int, BatchHeader, bytes, int]]:
    """Each batch between `position` and `end` whose checksum is right: position, header, bytes and place in them.

    Reads everything once, in large pieces. Raises InvalidBatchError before `end` where the next one is torn or damaged.
    """
    chunk, chunk_start = b"", position
    while position < end:
        relative = position - chunk_start
        available = len(chunk) - relative
        size = LOG_OVERHEAD + int.from_bytes(chunk[relative + 8 : relative + 12], "big", signed=True)
        if available < LOG_OVERHEAD or available < size:
            if available >= LOG_OVERHEAD and size > end - position:  # a length out of nowhere is not read for
                raise InvalidBatchError(position, f"{end - position} bytes are no whole batch")
            wanted = min(max(_MAX_CHUNK_SIZE, size if available >= LOG_OVERHEAD else 0), end - position)
            if available == wanted:
                raise InvalidBatchError(position, f"{available} bytes are no whole batch")
            chunk, chunk_start = file.pread(wanted, position), position
            if len(chunk) < wanted:
                end = position + len(chunk)  # the file is shorter than its size said
            continue
        try:
            header = read_header(chunk, relative)
            check_crc(chunk, relative, header)
        except KafkaError as error:
            raise InvalidBatchError(position, error.message) from None
        yield position, header, chunk, relative
        position += size


def iter_file_batches(
    file: File, position: int, end: int, chunk_size: int = _FIRST_CHUNK_SIZE, *, from_offset: int = -1
) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each whole batch between `position` (where one begins) and `end`; of those behind the
    first one, who looks for `from_offset` is spared most that end before it.

    Stops before an incomplete batch; raises KafkaError(CORRUPT_MESSAGE) where there is none. CRCs are not looked at.
    """
    chunk, chunk_start = b"", position
    while end - position >= HEADER_SIZE_UP_TO_MAGIC:
        relative = position - chunk_start
        if relative + RECORD_BATCH_OVERHEAD > len(chunk):
            if 0 < relative <= len(chunk) and chunk_size < _MAX_CHUNK_SIZE:
                chunk_size *= 2  # small batches: the walk goes through all bytes anyway
            chunk = file.pread(min(max(chunk_size, RECORD_BATCH_OVERHEAD), end - position), position)
            chunk_start, relative = position, 0
            if len(chunk) < HEADER_SIZE_UP_TO_MAGIC:
                return
        length = int.from_bytes(chunk[relative + 8 : relative + 12], "big", signed=True)
        if length < MIN_LEGACY_RECORD_SIZE:
            raise corrupt_record(f"Found record size {length} smaller than minimum record overhead "
                                 f"({MIN_LEGACY_RECORD_SIZE}) in file {file.path}.")  # fmt: skip
        if position + LOG_OVERHEAD + length > end:
            return
        header = read_header(chunk, relative)
        if header.magic == 2 and length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD:
            raise too_small(length + LOG_OVERHEAD)
        yield position, header
        position += LOG_OVERHEAD + length
        if from_offset >= 0:
            position = chunk_start + _pass_over(chunk, position - chunk_start, end - chunk_start, from_offset)


def _pass_over(chunk: bytes, position: int, end: int, offset: int) -> int:
    """The place of the first batch from `position` on that does not end before `offset`, or that has to be looked at
    for another reason: it is not wholly before `end`, its header is not in the chunk, or is none of format 2."""
    last = len(chunk) - RECORD_BATCH_OVERHEAD
    while position <= last:
        base_offset, length, magic, last_offset_delta = _unpack_place(chunk, position)
        behind = position + LOG_OVERHEAD + length
        if (
            base_offset + last_offset_delta >= offset
            or magic != 2
            or length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD
            or behind > end
        ):
            break
        position = behind
    return position
