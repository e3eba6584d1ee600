"""Walks over the batches of a file: all of them, or those from an offset on."""

from __future__ import annotations

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.legacy_message_set import build_message_set
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.file_records import iter_file_batches
from kafkalite.storage.filesystem import File
from kafkalite.storage.memory_filesystem import MemoryFileSystem


def batch(first_offset: int, *, records: int = 1, size: int = 50) -> bytes:
    return build_batch(
        [Record(first_offset + index, 1_000, None, bytes(size)) for index in range(records)], base_offset=first_offset
    )


def file_of(*pieces: bytes) -> File:
    file = MemoryFileSystem().open("/00000000000000000000.log", create=True)
    file.append(*pieces)
    return file


def first_reaching(file: File, offset: int) -> int | None:
    """The base offset of the first batch that does not end before `offset`."""
    for _, header in iter_file_batches(file, 0, file.size, from_offset=offset):
        if header.last_offset >= offset:
            return header.base_offset
    return None


def test_whoever_looks_for_an_offset_finds_the_batch_that_holds_it_or_follows_the_gap() -> None:
    file = file_of(
        *(batch(first, records=3, size=size) for first, size in zip(range(0, 800, 4), range(200), strict=True))
    )
    for offset in range(800):
        expected = min(offset // 4 * 4 + (4 if offset % 4 == 3 else 0), 800)
        assert first_reaching(file, offset) == (expected if expected < 800 else None)


def test_batches_before_the_offset_looked_for_are_passed_over() -> None:
    pieces = [batch(first) for first in range(40)]
    file = file_of(*pieces)
    found = [header.base_offset for _, header in iter_file_batches(file, 0, file.size, from_offset=30)]
    assert found == [0, *range(30, 40)]
    found = [header.base_offset for _, header in iter_file_batches(file, 0, file.size)]
    assert found == list(range(40))


def test_batches_larger_than_what_is_read_at_once_are_not_lost() -> None:
    file = file_of(*(batch(first, size=20_000 if first % 3 else 10) for first in range(60)))
    assert [first_reaching(file, offset) for offset in range(60)] == list(range(60))


def test_message_sets_of_old_formats_among_the_batches_are_found() -> None:
    pieces = [build_message_set([Record(first, 1_000, None, b"v")], magic=1) for first in range(10)]
    file = file_of(*pieces, *(batch(first) for first in range(10, 20)))
    assert [first_reaching(file, offset) for offset in range(20)] == list(range(20))


def test_a_batch_that_is_not_all_there_is_neither_found_nor_passed_over() -> None:
    file = file_of(batch(0), batch(1), batch(2)[:-1])
    assert [first_reaching(file, offset) for offset in range(4)] == [0, 1, None, None]


@pytest.mark.parametrize(("length", "offset"), [(20, 3), (3, 3), (-1, 1)])
def test_bytes_that_are_no_batch_are_an_error_for_whoever_looks_behind_them(length: int, offset: int) -> None:
    damaged = bytearray(batch(1))
    damaged[8:12] = length.to_bytes(4, "big", signed=True)
    file = file_of(batch(0), bytes(damaged), batch(2), batch(3))
    assert first_reaching(file, 0) == 0
    with pytest.raises(KafkaError) as raised:
        first_reaching(file, offset)
    assert raised.value.error is ErrorCode.CORRUPT_MESSAGE
