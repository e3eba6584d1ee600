"""The time index of a segment (`.timeindex`): up to which offset every timestamp is at most the entry's.

    entry, 12 bytes: timestamp int64 (the largest of the segment so far)
                     relative offset int32 (last offset of the batch that holds it, minus the base offset)

Timestamps rise from entry to entry and offsets do not fall. Kept in memory and written behind, as the offset index is;
one more entry is appended when the segment becomes inactive, so that its last one names its largest timestamp.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from kafkalite.storage.offset_index import CorruptIndexError, rises, without_reserved_room

ENTRY_SIZE: Final = 12
NO_TIMESTAMP: Final = -1


class TimestampOffset(NamedTuple):
    timestamp: int
    offset: int


class TimeIndex:
    """A sparse map from timestamps to offsets."""

    __slots__ = ("_relative_offsets", "_timestamps", "base_offset", "max_entries", "written_entries")

    def __init__(self, base_offset: int, max_index_bytes: int) -> None:
        self.base_offset = base_offset
        self.max_entries = max_index_bytes // ENTRY_SIZE
        self.written_entries = 0
        self._timestamps = array("q")
        self._relative_offsets = array("i")

    @classmethod
    def decode(cls, data: bytes, base_offset: int, max_index_bytes: int) -> TimeIndex:
        """Reads a file; raises CorruptIndexError. Zeros at the end (room that Apache Kafka reserves) are left out."""
        if len(data) % ENTRY_SIZE:
            raise CorruptIndexError(f"its {len(data)} bytes are no multiple of {ENTRY_SIZE}")
        index = cls(base_offset, max_index_bytes)
        if len(data) > ENTRY_SIZE:  # a single (0, 0) is a batch at the epoch
            data = without_reserved_room(data, ENTRY_SIZE)
        count = len(data) // ENTRY_SIZE
        timestamps, offsets = bytearray(8 * count), bytearray(4 * count)
        for byte in range(8):
            timestamps[byte::8] = data[byte::ENTRY_SIZE]
        for byte in range(4):
            offsets[byte::4] = data[8 + byte :: ENTRY_SIZE]
        index._timestamps.frombytes(timestamps)
        index._relative_offsets.frombytes(offsets)
        index._swap(index._timestamps, index._relative_offsets)
        if count and (index._timestamps[0] < 0 or index._relative_offsets[0] < 0):
            raise CorruptIndexError("its first entry is negative")
        if not rises(index._timestamps) or index._relative_offsets[-1:] < index._relative_offsets[:1]:
            raise CorruptIndexError("its entries do not rise")
        index.written_entries = count
        return index

    @staticmethod
    def _swap(timestamps: array[int], relative_offsets: array[int]) -> None:
        """From the byte order of the file to the machine's, or back."""
        if sys.byteorder == "little":
            timestamps.byteswap()
            relative_offsets.byteswap()

    def __len__(self) -> int:
        return len(self._timestamps)

    def is_written(self) -> bool:
        """Whether the file holds all entries."""
        return self.written_entries == len(self._timestamps)

    @property
    def room(self) -> int:
        """How many more entries fit before the one that is kept free for the segment's end."""
        return self.max_entries - 1 - len(self._timestamps)

    def maybe_append(self, timestamp: int, offset: int) -> None:
        """Appends an entry if the timestamp is above the last one's."""
        if timestamp > (self._timestamps[-1] if self._timestamps else NO_TIMESTAMP):
            self._timestamps.append(timestamp)
            self._relative_offsets.append(offset - self.base_offset)

    def last_entry(self) -> TimestampOffset:
        if not self._timestamps:
            return TimestampOffset(NO_TIMESTAMP, self.base_offset)
        return TimestampOffset(self._timestamps[-1], self.base_offset + self._relative_offsets[-1])

    def entries(self) -> list[TimestampOffset]:
        return [
            TimestampOffset(timestamp, self.base_offset + offset)
            for timestamp, offset in zip(self._timestamps, self._relative_offsets, strict=True)
        ]

    def lookup(self, timestamp: int) -> TimestampOffset:
        """The last entry whose timestamp is at most `timestamp`: all batches up to its offset are that old or older."""
        slot = bisect_right(self._timestamps, timestamp)
        if not slot:
            return TimestampOffset(NO_TIMESTAMP, self.base_offset)
        return TimestampOffset(self._timestamps[slot - 1], self.base_offset + self._relative_offsets[slot - 1])

    def truncate_to(self, offset: int) -> None:
        """Forgets what belongs to `offset` and behind it."""
        entries = bisect_left(self._relative_offsets, offset - self.base_offset)
        del self._timestamps[entries:], self._relative_offsets[entries:]
        self.written_entries = min(self.written_entries, entries)

    def encode(self, first_entry: int = 0) -> bytes:
        """The bytes of the entries from `first_entry` on."""
        timestamps, offsets = self._timestamps[first_entry:], self._relative_offsets[first_entry:]
        self._swap(timestamps, offsets)
        timestamp_bytes, offset_bytes = timestamps.tobytes(), offsets.tobytes()
        data = bytearray(ENTRY_SIZE * len(timestamps))
        for byte in range(8):
            data[byte::ENTRY_SIZE] = timestamp_bytes[byte::8]
        for byte in range(4):
            data[8 + byte :: ENTRY_SIZE] = offset_bytes[byte::4]
        return bytes(data)
