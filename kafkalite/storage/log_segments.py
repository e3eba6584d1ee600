"""The segments of one log, in the order of their offsets (LogSegments). There is always one; the last is the active."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import overload

from kafkalite.storage.log_segment import LogSegment


class LogSegments(Sequence[LogSegment]):
    """A log's segments: a sequence, and found by the offsets that they hold."""

    __slots__ = ("_base_offsets", "_segments", "active")

    def __init__(self, segments: list[LogSegment]) -> None:
        """Takes the list over."""
        self._segments = segments
        self._base_offsets = [segment.base_offset for segment in segments]
        self.active = segments[-1]
        """The one that is appended to."""

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[LogSegment]:
        return iter(self._segments)

    @overload
    def __getitem__(self, slot: int) -> LogSegment: ...
    @overload
    def __getitem__(self, slot: slice) -> list[LogSegment]: ...
    def __getitem__(self, slot: int | slice) -> LogSegment | list[LogSegment]:
        return self._segments[slot]

    def slot_of(self, offset: int) -> int:
        """Which of the segments would hold `offset`: the first one where it lies before all."""
        return max(0, bisect_right(self._base_offsets, offset) - 1)

    def floor(self, offset: int) -> LogSegment:
        """The segment that would hold `offset`: the first one where it lies before all."""
        slot = bisect_right(self._base_offsets, offset)
        return self._segments[slot - 1 if slot else 0]

    def higher(self, offset: int) -> LogSegment | None:
        """The first segment that begins behind `offset`."""
        slot = bisect_right(self._base_offsets, offset)
        return self._segments[slot] if slot < len(self._segments) else None

    def from_offset(self, offset: int) -> list[LogSegment]:
        """The segment that would hold `offset`, and those behind it."""
        slot = bisect_right(self._base_offsets, offset)
        return self._segments[slot - 1 if slot else 0 :]

    def add(self, segment: LogSegment) -> None:
        """Goes on with a new active segment."""
        self._segments.append(segment)
        self._base_offsets.append(segment.base_offset)
        self.active = segment

    def drop_first(self, count: int) -> None:
        """Takes the first segments out of the log, not all of them; their files are the caller's."""
        del self._segments[:count], self._base_offsets[:count]

    def replace(self, old: list[LogSegment], new: LogSegment) -> bool:
        """Puts one segment in the place of neighbouring ones, whose files are the caller's.

        Changes nothing and gives False unless all of them are still here, and inactive."""
        first = bisect_right(self._base_offsets, old[0].base_offset) - 1
        behind = first + len(old)
        if first < 0 or behind >= len(self._segments) or self._segments[first:behind] != old:
            return False
        self._segments[first:behind] = [new]
        self._base_offsets[first:behind] = [new.base_offset]
        return True
