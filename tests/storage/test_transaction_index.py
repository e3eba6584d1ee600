"""The transaction index: its bytes and the aborted transactions of a range."""

from __future__ import annotations

import pytest

from kafkalite.storage.offset_index import CorruptIndexError
from kafkalite.storage.transaction_index import AbortedTxn, TransactionIndex

ENTRIES = [AbortedTxn(1, 0, 10, 11), AbortedTxn(2, 5, 20, 12), AbortedTxn(3, 12, 30, 31), AbortedTxn(4, 40, 50, 51)]


@pytest.fixture
def index() -> TransactionIndex:
    index = TransactionIndex(0)
    for entry in ENTRIES:
        index.append(entry)
    return index


def collect(index: TransactionIndex, start: int, upper_bound: int) -> tuple[list[int], bool]:
    found: list[AbortedTxn] = []
    is_complete = index.collect(start, upper_bound, found)
    return [entry.producer_id for entry in found], is_complete


def test_an_entry_is_a_version_and_four_numbers(index: TransactionIndex) -> None:
    assert index.encode(3).hex() == "0000" + "".join(f"{number:016x}" for number in (4, 40, 50, 51))
    assert TransactionIndex.decode(index.encode(), 0).aborted_transactions == ENTRIES


def test_a_range_finds_the_transactions_that_overlap_it(index: TransactionIndex) -> None:
    assert collect(index, 0, 100) == ([1, 2, 3, 4], False)
    assert collect(index, 0, 4) == ([1], True)
    assert collect(index, 11, 13) == ([2, 3], True)
    assert collect(index, 31, 40) == ([], True)
    assert collect(TransactionIndex(0), 0, 5) == ([], False)


def test_entries_rise_in_their_last_offset(index: TransactionIndex) -> None:
    with pytest.raises(ValueError, match="is not behind"):
        index.append(AbortedTxn(9, 1, 50, 60))


def test_truncation_forgets_markers_at_the_offset_and_behind(index: TransactionIndex) -> None:
    index.truncate_to(20)
    assert [entry.producer_id for entry in index.aborted_transactions] == [1]


@pytest.mark.parametrize("base_offset, data", [(0, bytes(33)), (0, b"\x00\x01" + bytes(32)), (11, None)])
def test_what_is_no_index_of_the_segment_is_refused(
    index: TransactionIndex, base_offset: int, data: bytes | None
) -> None:
    with pytest.raises(CorruptIndexError):
        TransactionIndex.decode(index.encode() if data is None else data, base_offset)
