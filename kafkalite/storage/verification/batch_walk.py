"""A walk over a segment that goes on behind damage: each sound batch, and each stretch of bytes that is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from kafkalite.errors import KafkaError
from kafkalite.records.record_batch import (
    LOG_OVERHEAD,
    MAGIC_POSITION,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    is_valid,
    read_header,
)
from kafkalite.storage.file_records import InvalidBatchError, iter_valid_batches
from kafkalite.storage.filesystem import File

_SEARCH_CHUNK_SIZE: Final = 1 << 20
_MAX_SEARCHED_BATCH_SIZE: Final = 64 << 20


class SoundBatch(NamedTuple):
    """A batch whose checksum is right; `buffer` holds it at `relative`, until the next one is asked for."""

    position: int
    header: BatchHeader
    buffer: bytes
    relative: int


class DamagedBytes(NamedTuple):
    """Bytes that are no batch. `end` is where the next sound batch begins, None if there is none."""

    position: int
    end: int | None
    reason: str
    offset: int | None
    """The offset that the damaged batch's own header gives it, where it still looks like one."""


def walk_batches(file: File, size: int, base_offset: int, behind: int) -> Iterator[SoundBatch | DamagedBytes]:
    """All of a segment whose offsets lie in [`base_offset`, `behind`), in pieces of bounded size."""
    position = 0
    while position < size:
        try:
            for batch_position, header, buffer, relative in iter_valid_batches(file, position, size):
                yield SoundBatch(batch_position, header, buffer, relative)
            return
        except InvalidBatchError as error:
            damaged = error
        follower = _find_batch(file, damaged.position, size, base_offset, behind)
        prefix = file.pread(RECORD_BATCH_OVERHEAD, damaged.position)
        yield DamagedBytes(damaged.position, follower, damaged.reason, _offset_in(prefix, base_offset, behind))
        if follower is None:
            return
        position = follower


def _offset_in(prefix: bytes, base_offset: int, behind: int) -> int | None:
    try:
        header = read_header(prefix)
    except KafkaError:
        return None
    return header.base_offset if base_offset <= header.base_offset < behind else None


def _find_batch(file: File, damaged: int, size: int, base_offset: int, behind: int) -> int | None:
    """Where the next sound batch begins: where the damaged one ends by its length, else wherever one is found."""
    length = int.from_bytes(file.pread(LOG_OVERHEAD, damaged)[8:12], "big", signed=True)
    if length > 0 and damaged + LOG_OVERHEAD + length < size:
        position = damaged + LOG_OVERHEAD + length
        if _is_batch(file, position, size, base_offset, behind):
            return position
    start = damaged + 1
    while size - start >= RECORD_BATCH_OVERHEAD:
        chunk = file.pread(min(_SEARCH_CHUNK_SIZE + RECORD_BATCH_OVERHEAD, size - start), start)
        if len(chunk) < RECORD_BATCH_OVERHEAD:
            return None
        found = chunk.find(b"\x02", MAGIC_POSITION)
        while found >= 0:
            relative = found - MAGIC_POSITION
            if len(chunk) - relative < RECORD_BATCH_OVERHEAD:
                break
            header = read_header(chunk, relative)
            if (
                base_offset <= header.base_offset <= header.last_offset < behind
                and RECORD_BATCH_OVERHEAD <= header.size_in_bytes <= _MAX_SEARCHED_BATCH_SIZE
                and _is_batch(file, start + relative, size, base_offset, behind)
            ):
                return start + relative
            found = chunk.find(b"\x02", found + 1)
        start += len(chunk) - RECORD_BATCH_OVERHEAD + 1
    return None


def _is_batch(file: File, position: int, size: int, base_offset: int, behind: int) -> bool:
    prefix = file.pread(RECORD_BATCH_OVERHEAD, position)
    if len(prefix) < RECORD_BATCH_OVERHEAD:
        return False
    try:
        header = read_header(prefix)
    except KafkaError:
        return False
    if header.magic != 2 or not base_offset <= header.base_offset <= header.last_offset < behind:
        return False
    if not RECORD_BATCH_OVERHEAD <= header.size_in_bytes <= size - position:
        return False
    return is_valid(file.pread(header.size_in_bytes, position), 0, header)
