"""The entries of a segment's indexes, held against its batches while they are walked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.offset_index import OffsetPosition
from kafkalite.storage.time_index import NO_TIMESTAMP, TimestampOffset
from kafkalite.storage.transaction_index import AbortedTxn

Complain = Callable[[str, int | None], None]
"""Told what is wrong with an entry, and the offset that it names."""


class OffsetIndexCheck:
    """Whether each entry leads to a batch, by its last offset."""

    def __init__(self, entries: Sequence[OffsetPosition], complain: Complain) -> None:
        self._entries = entries
        self._complain = complain
        self._slot = 0
        self._position = entries[0].position if entries else -1
        self._expected: OffsetPosition | None = None
        """An entry whose batch has been met, but not its offset yet: older brokers indexed several batches, written at
        once, under the last one's offset."""
        for previous, entry in pairwise(entries):
            if entry.offset <= previous.offset or entry.position <= previous.position:
                complain(f"entry {tuple(entry)} does not rise over {tuple(previous)}", entry.offset)

    def take_in(self, position: int, header: BatchHeader) -> None:
        expected = self._expected
        if expected is not None:
            self._expected = None
            self._compare(expected, header)
        while 0 <= self._position <= position:
            entry = self._entries[self._slot]
            self._slot += 1
            self._position = self._entries[self._slot].position if self._slot < len(self._entries) else -1
            if entry.position == position:
                self._compare(entry, header)
            else:
                self._complain(f"entry {tuple(entry)} leads into the middle of a batch", entry.offset)

    def _compare(self, entry: OffsetPosition, header: BatchHeader) -> None:
        if header.last_offset < entry.offset:
            self._expected = entry
        elif header.last_offset > entry.offset:
            self._complain(f"entry {tuple(entry)} leads to the batch that ends with {header.last_offset}", entry.offset)

    def skip(self, end_position: int) -> None:
        """Nothing can be said of entries before this position: they lead into damage."""
        self._expected = None
        while 0 <= self._position < end_position:
            self._slot += 1
            self._position = self._entries[self._slot].position if self._slot < len(self._entries) else -1

    def finish(self) -> None:
        left = [self._expected] if self._expected is not None else []
        for entry in [*left, *self._entries[self._slot :]]:
            self._complain(f"entry {tuple(entry)} leads to no batch", entry.offset)


class TimeIndexCheck:
    """Whether each entry names the largest timestamp up to its offset, and the last one that of the segment."""

    def __init__(self, entries: Sequence[TimestampOffset], complain: Complain) -> None:
        self._entries = entries
        self._complain = complain
        self._slot = 0
        self._offset = entries[0].offset if entries else -1
        self._largest = NO_TIMESTAMP
        for previous, entry in pairwise(entries):
            if entry.timestamp <= previous.timestamp or entry.offset < previous.offset:
                complain(f"entry {tuple(entry)} does not rise over {tuple(previous)}", entry.offset)

    def take_in(self, header: BatchHeader) -> None:
        largest = self._largest
        if header.max_timestamp > largest:
            self._largest = header.max_timestamp
        while 0 <= self._offset <= header.last_offset:
            entry = self._entries[self._slot]
            self._advance()
            if entry.offset < header.base_offset and header.magic == 2:
                self._complain(f"entry {tuple(entry)} names an offset that no batch has", entry.offset)
            elif entry.timestamp != header.max_timestamp:
                self._complain(f"entry {tuple(entry)} names a batch of timestamp {header.max_timestamp}", entry.offset)
            elif largest > entry.timestamp:
                self._complain(f"entry {tuple(entry)} comes behind a batch of timestamp {largest}", entry.offset)

    def _advance(self) -> None:
        self._slot += 1
        self._offset = self._entries[self._slot].offset if self._slot < len(self._entries) else -1

    def finish(self, *, is_complete: bool) -> None:
        """`is_complete`: the last entry must name the segment's largest timestamp."""
        for entry in self._entries[self._slot :]:
            self._complain(f"entry {tuple(entry)} names an offset that no batch has", entry.offset)
        last = self._entries[-1].timestamp if self._entries else NO_TIMESTAMP
        if is_complete and self._slot == len(self._entries) and last < self._largest:
            self._complain(f"its last timestamp is {last}, the segment's largest is {self._largest}", None)


def compare_aborted_transactions(
    entries: Sequence[AbortedTxn], expected: Sequence[AbortedTxn], complain: Complain
) -> None:
    """Whether a transaction index has exactly the transactions that the log says were aborted."""
    by_marker = {entry.last_offset: entry for entry in expected}
    for entry in entries:
        known = by_marker.pop(entry.last_offset, None)
        if known is None:
            complain(f"{entry} has no abort marker in the log", entry.last_offset)
        elif known != entry:
            complain(f"{entry} should be {known}", entry.last_offset)
    for missing in by_marker.values():
        complain(f"{missing} is missing", missing.last_offset)
