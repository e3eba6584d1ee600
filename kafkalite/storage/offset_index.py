"""The offset index of a segment (`.index`): where a batch is found, for one batch in every `index.interval.bytes`.

    entry, 8 bytes: relative offset int32 (last offset of a batch minus the segment's base offset)
                    position int32 (where that batch begins in the .log file)

Entries rise in both columns. The index lives in memory as two columns and is written behind: it can always be built
again from the segment. What matters on disk is that a segment below the recovery point has its index complete.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import lt
from typing import Final, NamedTuple

ENTRY_SIZE: Final = 8
_MAX_RELATIVE_OFFSET: Final = 0x7FFFFFFF
_MAX_CHECKED_ENTRIES: Final = 1 << 16


class CorruptIndexError(Exception):
    """An index file that does not belong to its segment as it is; the remedy is to build it again."""


def without_reserved_room(data: bytes, entry_size: int) -> bytes:
    """An index file's entries, without the zeros that Apache Kafka reserves behind them while it writes."""
    size = len(data.rstrip(b"\0"))
    return data[: size + -size % entry_size]


def rises(column: Sequence[int]) -> bool:
    """Whether each number is above the one before; of a very long column the end is looked at."""
    end = column[-_MAX_CHECKED_ENTRIES:]
    return all(map(lt, end, end[1:]))


class OffsetPosition(NamedTuple):
    offset: int
    position: int


class OffsetIndex:
    """A sparse map from offsets to positions."""

    __slots__ = ("_positions", "_relative_offsets", "base_offset", "max_entries", "written_entries")

    def __init__(self, base_offset: int, max_index_bytes: int) -> None:
        self.base_offset = base_offset
        self.max_entries = max_index_bytes // ENTRY_SIZE
        self.written_entries = 0
        self._relative_offsets = array("i")
        self._positions = array("i")

    @classmethod
    def decode(cls, data: bytes, base_offset: int, max_index_bytes: int, log_size: int) -> OffsetIndex:
        """Reads a file; raises CorruptIndexError. Zeros at the end (room that Apache Kafka reserves) are left out."""
        if len(data) % ENTRY_SIZE:
            raise CorruptIndexError(f"its {len(data)} bytes are no multiple of {ENTRY_SIZE}")
        index = cls(base_offset, max_index_bytes)
        columns = array("i", without_reserved_room(data, ENTRY_SIZE))
        if sys.byteorder == "little":
            columns.byteswap()
        # An entry at position 0 is never written: the first one comes after a batch.
        offsets, positions = columns[0::2], columns[1::2]
        if positions and (offsets[0] < 0 or positions[0] <= 0 or positions[-1] >= log_size):
            raise CorruptIndexError(f"its entries do not lie in a log of {log_size} bytes")
        if not (rises(offsets) and rises(positions)):
            raise CorruptIndexError("its entries do not rise")
        index._relative_offsets, index._positions = offsets, positions
        index.written_entries = len(positions)
        return index

    def __len__(self) -> int:
        return len(self._positions)

    def is_written(self) -> bool:
        """Whether the file holds all entries."""
        return self.written_entries == len(self._positions)

    @property
    def room(self) -> int:
        """How many more entries fit."""
        return self.max_entries - len(self._positions)

    def can_append_offset(self, offset: int) -> bool:
        """Whether an offset is within 2^31 of the base offset."""
        return 0 <= offset - self.base_offset <= _MAX_RELATIVE_OFFSET

    def append(self, offset: int, position: int) -> None:
        self._relative_offsets.append(offset - self.base_offset)
        self._positions.append(position)

    def last_entry(self) -> OffsetPosition:
        if not self._positions:
            return OffsetPosition(self.base_offset, 0)
        return OffsetPosition(self.base_offset + self._relative_offsets[-1], self._positions[-1])

    def entries(self) -> list[OffsetPosition]:
        return [
            OffsetPosition(self.base_offset + offset, position)
            for offset, position in zip(self._relative_offsets, self._positions, strict=True)
        ]

    def lookup(self, offset: int) -> int:
        """The position of the last indexed batch that is not behind `offset`: where to begin the search for it."""
        slot = bisect_right(self._relative_offsets, offset - self.base_offset)
        return self._positions[slot - 1] if slot else 0

    def lookup_entry(self, offset: int) -> OffsetPosition:
        """As `lookup`, with the offset that the entry gives as its batch's last; (base offset, 0) without an entry."""
        slot = bisect_right(self._relative_offsets, offset - self.base_offset)
        if not slot:
            return OffsetPosition(self.base_offset, 0)
        return OffsetPosition(self.base_offset + self._relative_offsets[slot - 1], self._positions[slot - 1])

    def upper_bound_offset(self, position: int) -> int | None:
        """The last offset of the first indexed batch at or behind `position`, None if there is none."""
        slot = bisect_left(self._positions, position)
        return self.base_offset + self._relative_offsets[slot] if slot < len(self._positions) else None

    def truncate_to(self, offset: int) -> None:
        """Forgets what belongs to `offset` and behind it."""
        self._truncate_to_entries(bisect_left(self._relative_offsets, offset - self.base_offset))

    def truncate_to_position(self, position: int) -> None:
        """Forgets entries that point to `position` or behind it."""
        self._truncate_to_entries(bisect_left(self._positions, position))

    def _truncate_to_entries(self, entries: int) -> None:
        del self._relative_offsets[entries:], self._positions[entries:]
        self.written_entries = min(self.written_entries, entries)

    def encode(self, first_entry: int = 0) -> bytes:
        """The bytes of the entries from `first_entry` on."""
        columns = array("i", bytes(2 * 4 * (len(self._positions) - first_entry)))
        columns[0::2] = self._relative_offsets[first_entry:]
        columns[1::2] = self._positions[first_entry:]
        if sys.byteorder == "little":
            columns.byteswap()
        return columns.tobytes()
