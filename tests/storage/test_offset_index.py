"""The offset index: its bytes, its look-ups, and what it does not believe."""

from __future__ import annotations

import pytest

from kafkalite.storage.offset_index import CorruptIndexError, OffsetIndex


@pytest.fixture
def index() -> OffsetIndex:
    index = OffsetIndex(1000, 80)
    for offset, position in ((1010, 100), (1020, 250), (1035, 400)):
        index.append(offset, position)
    return index


def test_an_entry_is_a_relative_offset_and_a_position(index: OffsetIndex) -> None:
    assert index.encode().hex() == "0000000a00000064" + "00000014000000fa" + "0000002300000190"
    assert index.encode(2).hex() == "0000002300000190"
    assert (
        OffsetIndex.decode(index.encode(), 1000, 80, 500).entries()
        == index.entries()
        == [
            (1010, 100),
            (1020, 250),
            (1035, 400),
        ]
    )


def test_a_lookup_leads_to_the_last_batch_that_is_not_behind(index: OffsetIndex) -> None:
    found = {offset: index.lookup(offset) for offset in (0, 1000, 1009, 1010, 1011, 1020, 1034, 1035, 5000)}
    assert found == {0: 0, 1000: 0, 1009: 0, 1010: 100, 1011: 100, 1020: 250, 1034: 250, 1035: 400, 5000: 400}
    assert OffsetIndex(1000, 80).lookup(1001) == 0


def test_the_upper_bound_of_a_position_is_the_next_indexed_batch(index: OffsetIndex) -> None:
    assert [index.upper_bound_offset(position) for position in (0, 100, 101, 400, 401)] == [
        1010,
        1010,
        1020,
        1035,
        None,
    ]


def test_truncation_forgets_the_offset_and_what_follows(index: OffsetIndex) -> None:
    index.written_entries = 3
    index.truncate_to(1020)
    assert (index.entries(), index.written_entries) == ([(1010, 100)], 1)
    index.truncate_to_position(100)
    assert index.entries() == []


def test_an_index_is_full_at_its_size_and_takes_offsets_within_31_bits(index: OffsetIndex) -> None:
    small = OffsetIndex(0, 17)
    small.append(1, 1)
    assert small.room > 0
    small.append(2, 2)
    assert small.room == 0
    assert index.can_append_offset(1000 + 0x7FFFFFFF)
    assert not index.can_append_offset(1000 + 0x80000000)
    assert not index.can_append_offset(999)


def test_room_that_was_reserved_is_no_entry(index: OffsetIndex) -> None:
    assert OffsetIndex.decode(index.encode() + bytes(80), 1000, 80, 500).entries() == index.entries()
    assert OffsetIndex.decode(bytes(80), 1000, 80, 500).entries() == []


@pytest.mark.parametrize(
    "data",
    [
        "0000000a000000",
        "0000000a000000640000000a000000fa",
        "0000000a000000640000000b00000064",
        "0000000a000001f4",
        "8000000a00000064",
        "0000000a80000064",
    ],
)
def test_entries_that_do_not_rise_or_point_behind_the_log_are_refused(data: str) -> None:
    with pytest.raises(CorruptIndexError):
        OffsetIndex.decode(bytes.fromhex(data), 1000, 80, 500)
