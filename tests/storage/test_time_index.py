"""The time index: its bytes, its look-ups, and what it does not believe."""

from __future__ import annotations

import pytest

from kafkalite.storage.offset_index import CorruptIndexError
from kafkalite.storage.time_index import TimeIndex


@pytest.fixture
def index() -> TimeIndex:
    index = TimeIndex(1000, 120)
    for timestamp, offset in ((50, 1010), (60, 1020), (75, 1020)):
        index.maybe_append(timestamp, offset)
    return index


def test_an_entry_is_a_timestamp_and_a_relative_offset(index: TimeIndex) -> None:
    assert index.encode().hex() == "00000000000000320000000a000000000000003c00000014000000000000004b00000014"
    decoded = TimeIndex.decode(index.encode(), 1000, 120)
    assert decoded.entries() == index.entries() == [(50, 1010), (60, 1020), (75, 1020)]
    assert index.encode(2).hex() == "000000000000004b00000014"


def test_timestamps_that_do_not_rise_are_left_out(index: TimeIndex) -> None:
    index.maybe_append(75, 1030)
    index.maybe_append(70, 1040)
    assert index.last_entry() == (75, 1020)


def test_a_lookup_gives_the_last_entry_that_is_not_later(index: TimeIndex) -> None:
    assert [tuple(index.lookup(timestamp)) for timestamp in (49, 50, 59, 75, 1000)] == [
        (-1, 1000),
        (50, 1010),
        (50, 1010),
        (75, 1020),
        (75, 1020),
    ]
    assert TimeIndex(7, 120).last_entry() == (-1, 7)


def test_one_slot_stays_free_for_the_end_of_the_segment() -> None:
    index = TimeIndex(0, 36)
    index.maybe_append(1, 1)
    assert index.room > 0
    index.maybe_append(2, 2)
    assert index.room == 0


def test_truncation_forgets_the_offset_and_what_follows(index: TimeIndex) -> None:
    index.truncate_to(1020)
    assert index.entries() == [(50, 1010)]


def test_room_that_was_reserved_is_no_entry(index: TimeIndex) -> None:
    assert TimeIndex.decode(index.encode() + bytes(120), 1000, 120).entries() == index.entries()
    assert TimeIndex.decode(bytes(120), 1000, 120).entries() == []
    assert TimeIndex.decode(bytes(12), 1000, 120).entries() == [(0, 1000)]


@pytest.mark.parametrize(
    "data",
    [
        "00000000000000320000",
        "00000000000000320000000a00000000000000320000000b",
        "00000000000000320000000a00000000000000330000000900",
        "ffffffffffffffff0000000a",
    ],
)
def test_entries_that_do_not_rise_are_refused(data: str) -> None:
    with pytest.raises(CorruptIndexError):
        TimeIndex.decode(bytes.fromhex(data), 1000, 120)
