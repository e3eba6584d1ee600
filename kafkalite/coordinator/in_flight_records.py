"""Records between the start and the end of a share partition: who has them, how often they were delivered.

A batch has one state for all its records until members treat them differently; from then on each record has its own.
Apache Kafka's InFlightBatch and InFlightState.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import Final

from kafkalite.coordinator.share_state_batches import PersisterStateBatch, RecordState

NO_MEMBER: Final = ""

AVAILABLE = RecordState.AVAILABLE
ACQUIRED = RecordState.ACQUIRED
ARCHIVING = RecordState.ARCHIVING
ARCHIVED = RecordState.ARCHIVED


class InFlightState:
    """The delivery of a record, or of a batch of records; `lock_deadline_ms` counts while a member has it."""

    __slots__ = ("delivery_count", "lock_deadline_ms", "member_id", "state")

    def __init__(
        self, state: RecordState, delivery_count: int, member_id: str = NO_MEMBER, lock_deadline_ms: int = -1
    ) -> None:
        self.state = state
        self.delivery_count = delivery_count
        self.member_id = member_id
        self.lock_deadline_ms = lock_deadline_ms

    def acquire(self, member_id: str, lock_deadline_ms: int) -> None:
        """A member gets it."""
        self.state = ACQUIRED
        self.delivery_count += 1
        self.member_id = member_id
        self.lock_deadline_ms = lock_deadline_ms

    def finish(self, state: RecordState, max_delivery_count: int, given_up: RecordState = ARCHIVED) -> None:
        """The member has it no more; what would be available but has been delivered too often is given up."""
        if state is AVAILABLE and self.delivery_count >= max_delivery_count:
            state = given_up
        self.state = state
        self.member_id = NO_MEMBER

    def archive(self) -> None:
        """It will not be delivered any more."""
        self.state = ARCHIVED
        self.member_id = NO_MEMBER

    def copy(self) -> InFlightState:
        return InFlightState(self.state, self.delivery_count, self.member_id, self.lock_deadline_ms)

    def restore(self, saved: InFlightState) -> None:
        """Becomes what it was when it was copied."""
        self.state = saved.state
        self.delivery_count = saved.delivery_count
        self.member_id = saved.member_id


class InFlightBatch:
    """The records from `first_offset` to `last_offset`, both included."""

    __slots__ = ("_common", "_own", "first_offset", "last_offset")

    def __init__(self, first_offset: int, last_offset: int, state: InFlightState) -> None:
        self.first_offset = first_offset
        self.last_offset = last_offset
        self._common: InFlightState | None = state
        self._own: list[InFlightState] = []

    @property
    def size(self) -> int:
        """How many offsets it spans."""
        return self.last_offset - self.first_offset + 1

    @property
    def common(self) -> InFlightState | None:
        """The state of all records, or None where each has its own."""
        return self._common

    def is_within(self, first_offset: int, last_offset: int) -> bool:
        """Whether all of it lies between two offsets."""
        return first_offset <= self.first_offset and self.last_offset <= last_offset

    def begins_before(self, offset: int) -> bool:
        """Whether an offset cuts it in two."""
        return self.first_offset < offset <= self.last_offset

    def split(self) -> None:
        """Gives each record a state of its own."""
        if self._common is not None:
            self._own = [self._common.copy() for _ in range(self.size)]
            self._common = None

    def keep_first(self, count: int) -> None:
        """The member gets the first `count` records only: the others count as never delivered."""
        self.split()
        for state in self._own[count:]:
            state.restore(InFlightState(AVAILABLE, state.delivery_count - 1))

    def state_at(self, offset: int) -> InFlightState:
        return self._own[offset - self.first_offset] if self._common is None else self._common

    def own_states(self, first_offset: int, last_offset: int) -> Iterator[tuple[int, InFlightState]]:
        """The records between two offsets with their own states; only once the batch has been split."""
        first = max(first_offset, self.first_offset)
        for offset in range(first, min(last_offset, self.last_offset) + 1):
            yield offset, self._own[offset - self.first_offset]

    def runs(self) -> Iterator[tuple[int, int, InFlightState]]:
        """First offset, last offset and state: the whole batch, or record by record."""
        if self._common is not None:
            yield self.first_offset, self.last_offset, self._common
        else:
            for index, state in enumerate(self._own):
                yield self.first_offset + index, self.first_offset + index, state


class InFlightBatches:
    """Batches by their first offset. They do not overlap."""

    __slots__ = ("_batches", "_first_offsets")

    def __init__(self) -> None:
        self._first_offsets: list[int] = []
        self._batches: dict[int, InFlightBatch] = {}

    def __bool__(self) -> bool:
        return bool(self._first_offsets)

    def __len__(self) -> int:
        return len(self._first_offsets)

    def __iter__(self) -> Iterator[InFlightBatch]:
        return iter([self._batches[first_offset] for first_offset in self._first_offsets])

    @property
    def first(self) -> InFlightBatch:
        return self._batches[self._first_offsets[0]]

    @property
    def last(self) -> InFlightBatch:
        return self._batches[self._first_offsets[-1]]

    def add(self, batch: InFlightBatch) -> None:
        if batch.first_offset not in self._batches:
            insort(self._first_offsets, batch.first_offset)
        self._batches[batch.first_offset] = batch

    def clear(self) -> None:
        self._first_offsets.clear()
        self._batches.clear()

    def floor(self, offset: int) -> InFlightBatch | None:
        """The last batch that begins at or before an offset."""
        index = bisect_right(self._first_offsets, offset)
        return self._batches[self._first_offsets[index - 1]] if index else None

    def between(self, first_offset: int, last_offset: int) -> list[InFlightBatch]:
        """The batches that begin between two offsets, both included."""
        begin = bisect_right(self._first_offsets, first_offset - 1)
        end = bisect_right(self._first_offsets, last_offset)
        return [self._batches[offset] for offset in self._first_offsets[begin:end]]

    def next_first_offset(self, offset: int) -> int:
        """Where the batch after an offset begins; there must be one."""
        return self._first_offsets[bisect_right(self._first_offsets, offset)]

    def drop_before(self, offset: int) -> None:
        """Forgets the batches that begin before an offset."""
        count = bisect_right(self._first_offsets, offset - 1)
        for first_offset in self._first_offsets[:count]:
            del self._batches[first_offset]
        del self._first_offsets[:count]


def state_batch(first_offset: int, last_offset: int, state: InFlightState) -> PersisterStateBatch:
    """What is written of a run of records."""
    return PersisterStateBatch(first_offset, last_offset, state.delivery_count, state.state)
