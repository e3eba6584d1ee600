"""A partition as one share group reads it: which records its members have, and which they are done with (KIP-932).

Records between the start offset (all before it are done with) and the end offset are in flight. `acquire` gives records
to a member and locks them for a time; members acknowledge them, or lose them when they go, or when the lock's time is
over. What has to be kept stands in a `StateChange`: whoever drives the share partition writes its batches and then
tells `complete` whether that went well. Apache Kafka's SharePartition; its parts are in_flight_records,
share_acquisition and share_acknowledgement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple

from kafkalite.coordinator.in_flight_records import (
    ACQUIRED,
    ARCHIVED,
    ARCHIVING,
    AVAILABLE,
    InFlightBatch,
    InFlightBatches,
    InFlightState,
    state_batch,
)
from kafkalite.coordinator.share_state_batches import PersisterStateBatch, RecordState

NO_OFFSET: Final = -1
CLIENT_REJECT: Final = "Offset rejected by client."
DELIVERY_COUNT_EXCEEDED: Final = "Offset delivery count exceeded the threshold."


class SharePartitionSettings(NamedTuple):
    """A group's settings, in force at this moment; with Apache Kafka's defaults."""

    max_delivery_count: int = 5  # share.delivery.count.limit
    max_in_flight_records: int = 2000  # share.partition.max.record.locks
    record_lock_duration_ms: int = 30_000  # share.record.lock.duration.ms
    is_renew_enabled: bool = True  # share.renew.acknowledge.enable
    has_dead_letter_queue: bool = False  # errors.deadletterqueue.topic.name


class DeadLetters(NamedTuple):
    """Records that the group has given up, and for which dead letters are to be written before they are archived."""

    first_offset: int
    last_offset: int
    state: InFlightState
    cause: str

    @property
    def delivery_count(self) -> int:
        return self.state.delivery_count


class StateChange:
    """Batches to be written, and how to take the change back where they could not be.

    Once they are written, `dead_letters` are to be, and then `SharePartition.archive_dead_letters` is the next change.
    """

    __slots__ = ("batches", "dead_letters", "delivery_complete_count", "undo")

    def __init__(self, delivery_complete_count: int) -> None:
        self.batches: list[PersisterStateBatch] = []
        self.undo: list[tuple[InFlightState, InFlightState]] = []
        self.dead_letters: list[DeadLetters] = []
        self.delivery_complete_count = delivery_complete_count
        """As it was before the change."""


class SharePartition:
    """The state of one share partition, begun from what has been kept of it."""

    __slots__ = (
        "_find_next_fetch_offset",
        "_lock_sequence",
        "_locks",
        "_settings",
        "batches",
        "delivery_complete_count",
        "end_offset",
        "gap_end_offset",
        "gap_start_offset",
        "start_offset",
        "state_epoch",
        "unwritten_dead_letters",
    )

    def __init__(
        self,
        start_offset: int,
        state_epoch: int,
        state_batches: Sequence[PersisterStateBatch],
        settings: Callable[[], SharePartitionSettings],
    ) -> None:
        """Raises ValueError where the batches cannot be those of a share partition that begins at `start_offset`."""
        self.start_offset = start_offset
        self.end_offset = start_offset
        self.state_epoch = state_epoch
        self.delivery_complete_count = 0
        self.batches = InFlightBatches()
        self.gap_start_offset = NO_OFFSET
        """Where offsets begin of which nothing has been kept although later ones are in flight; see `has_gap`."""
        self.gap_end_offset = NO_OFFSET
        self.unwritten_dead_letters: list[DeadLetters] = []
        """Those of records whose giving up has been kept, but not that it is over."""
        self._settings = settings
        self._find_next_fetch_offset = False
        self._locks: list[tuple[int, int, int, int]] = []
        self._lock_sequence = 0
        self._load(state_batches)

    def _load(self, state_batches: Sequence[PersisterStateBatch]) -> None:
        next_offset = self.start_offset
        for batch in state_batches:
            if batch.first_offset < self.start_offset or batch.last_offset < batch.first_offset:
                raise ValueError(f"{batch} in a share partition that begins at {self.start_offset}")
            if self.gap_start_offset == NO_OFFSET and batch.first_offset > next_offset:
                self.gap_start_offset = next_offset
            next_offset = batch.last_offset + 1
            state = InFlightState(RecordState(batch.delivery_state), batch.delivery_count)
            self.batches.add(InFlightBatch(batch.first_offset, batch.last_offset, state))
            if state.state.is_terminal:
                self.delivery_complete_count += batch.last_offset - batch.first_offset + 1
            elif state.state is ARCHIVING:
                is_exceeded = state.delivery_count >= self.settings.max_delivery_count
                cause = DELIVERY_COUNT_EXCEEDED if is_exceeded else CLIENT_REJECT
                self.unwritten_dead_letters.append(DeadLetters(batch.first_offset, batch.last_offset, state, cause))
        if self.batches:
            self._find_next_fetch_offset = True
            self.end_offset = self.batches.last.last_offset
            self.gap_end_offset = self.end_offset
            self._move_start_offset()

    # What is to be read

    @property
    def settings(self) -> SharePartitionSettings:
        return self._settings()

    @property
    def has_gap(self) -> bool:
        """Whether records are still to be read although later ones were, before a restart."""
        return self.gap_start_offset != NO_OFFSET and self.gap_end_offset == self.end_offset

    @property
    def in_flight_count(self) -> int:
        """How many offsets lie between the start and the end."""
        return self.end_offset - self.start_offset + 1 if self.batches else 0

    @property
    def can_acquire(self) -> bool:
        """Whether a member may get records: there are some to deliver again, or not too many in flight."""
        if self.next_fetch_offset() != self.end_offset + 1:
            return True
        return self.in_flight_count < self.settings.max_in_flight_records

    def request_search(self) -> None:
        """A record has become available behind the end: the next fetch looks for it."""
        self._find_next_fetch_offset = True

    def next_fetch_offset(self) -> int:
        """The first record that may be delivered: one that is available again, or the one after the end."""
        if not self.batches or self.start_offset > self.batches.last.last_offset:
            self._find_next_fetch_offset = False
            return self.end_offset
        if self._find_next_fetch_offset:
            gap_start_offset = self.gap_start_offset
            for batch in self.batches:
                if self.has_gap:
                    if batch.first_offset > gap_start_offset:
                        return gap_start_offset
                    gap_start_offset = max(batch.last_offset + 1, gap_start_offset)
                for first_offset, _, state in batch.runs():
                    if state.state is AVAILABLE:
                        return first_offset
            self._find_next_fetch_offset = False
        return self.end_offset + 1

    def move_gap(self, offset: int) -> None:
        """Records up to `offset` have been delivered: if that is within the gap, it begins there from now on."""
        if self.gap_start_offset != NO_OFFSET:
            if self.gap_end_offset == self.end_offset and offset <= self.gap_end_offset:
                self.gap_start_offset = offset
            else:
                self.gap_start_offset = NO_OFFSET

    # Locks

    def lock(self, first_offset: int, last_offset: int, now_ms: int) -> int:
        """Notes that records are about to be locked; until when."""
        deadline_ms = now_ms + self.settings.record_lock_duration_ms
        self._lock_sequence += 1
        heappush(self._locks, (deadline_ms, self._lock_sequence, first_offset, last_offset))
        return deadline_ms

    @property
    def next_deadline_ms(self) -> int | None:
        """When the earliest lock ends, perhaps one that has been given up; None where there is none."""
        return self._locks[0][0] if self._locks else None

    def expire_locks(self, now_ms: int) -> StateChange:
        """Takes records from members that have had them for too long."""
        change = StateChange(self.delivery_complete_count)
        while self._locks and self._locks[0][0] <= now_ms:
            _, _, first_offset, last_offset = heappop(self._locks)
            floor = self.batches.floor(first_offset)
            for batch in self.batches.between(first_offset if floor is None else floor.first_offset, last_offset):
                self._release(batch, change, lambda state: state.lock_deadline_ms <= now_ms)
        change.undo.clear()  # A lock that has ended has ended, whether that could be written or not.
        return change

    # What becomes of records that members had

    def release(self, member_id: str) -> StateChange:
        """Takes all records from a member that goes."""
        change = StateChange(self.delivery_complete_count)
        for batch in self.batches:
            self._release(batch, change, lambda state: state.member_id == member_id)
        return change

    def _release(self, batch: InFlightBatch, change: StateChange, is_meant: Callable[[InFlightState], bool]) -> None:
        common = batch.common
        if common is not None:
            if common.state is not ACQUIRED or not is_meant(common):
                return
            if batch.begins_before(self.start_offset):
                batch.split()
        for first_offset, last_offset, state in batch.runs():
            if state.state is ACQUIRED and is_meant(state):
                released = ARCHIVED if last_offset < self.start_offset else AVAILABLE
                self.finish(first_offset, last_offset, state, released, change)

    def finish(
        self, first_offset: int, last_offset: int, state: InFlightState, new_state: RecordState, change: StateChange
    ) -> None:
        """A member has done with records that it had acquired, in one way or another."""
        change.undo.append((state, state.copy()))
        settings = self.settings
        given_up = ARCHIVING if settings.has_dead_letter_queue else ARCHIVED
        state.finish(new_state, settings.max_delivery_count, given_up)
        if state.state is ARCHIVING:
            cause = CLIENT_REJECT if new_state is ARCHIVING else DELIVERY_COUNT_EXCEEDED
            change.dead_letters.append(DeadLetters(first_offset, last_offset, state, cause))
        change.batches.append(state_batch(first_offset, last_offset, state))
        if state.state.is_terminal:
            self.delivery_complete_count += self._count_from_start(first_offset, last_offset)
        elif state.state is AVAILABLE:
            self._find_next_fetch_offset = True

    def archive_dead_letters(self, letters: DeadLetters) -> StateChange:
        """Dead letters have been written for records: that is over."""
        change = StateChange(self.delivery_complete_count)
        letters.state.archive()
        change.batches.append(state_batch(letters.first_offset, letters.last_offset, letters.state))
        self.delivery_complete_count += self._count_from_start(letters.first_offset, letters.last_offset)
        return change

    def _count_from_start(self, first_offset: int, last_offset: int) -> int:
        return max(0, last_offset - max(self.start_offset, first_offset) + 1)

    def complete(self, change: StateChange, *, is_persisted: bool) -> None:
        """The change's batches have been written, or could not be: then, records are where they were before."""
        if is_persisted:
            self._move_start_offset()
            return
        for state, saved in reversed(change.undo):
            state.restore(saved)
        if change.undo:
            self.delivery_complete_count = change.delivery_complete_count

    # Where it begins

    def archive(self, first_offset: int, last_offset: int, state: RecordState, *, is_counted: bool) -> bool:
        """Archives the records between two offsets that are in `state`; whether there were any."""
        is_any = False
        for batch in self.batches:
            if batch.first_offset > last_offset:
                break
            common = batch.common
            if common is not None:
                if common.state is not state or batch.last_offset < first_offset:
                    continue
                if batch.is_within(first_offset, last_offset):
                    common.archive()
                    is_any = True
                    self.delivery_complete_count += batch.size if is_counted else 0
                    continue
                batch.split()
            for _, own in batch.own_states(first_offset, last_offset):
                if own.state is state:
                    own.archive()
                    is_any = True
                    self.delivery_complete_count += 1 if is_counted else 0
        return is_any

    def truncate_before(self, log_start_offset: int) -> None:
        """The log begins later now: what was available before its start is gone, what members have they may keep."""
        if log_start_offset <= self.start_offset:
            return
        if not self.batches:
            self.start_offset = self.end_offset = log_start_offset
            self.delivery_complete_count = 0
            return
        removed = sum(
            max(0, min(log_start_offset - 1, last_offset) - max(self.start_offset, first_offset) + 1)
            for batch in self.batches
            for first_offset, last_offset, state in batch.runs()
            if state.state.is_terminal
        )
        if self.archive(self.start_offset, log_start_offset - 1, AVAILABLE, is_counted=False):
            self._find_next_fetch_offset = True
        self.start_offset = log_start_offset
        self.delivery_complete_count -= removed
        self.end_offset = max(self.end_offset, log_start_offset)

    def _move_start_offset(self) -> None:
        """Lets the start follow the records that are done with, and forgets batches that are done with as a whole."""
        floor = self.batches.floor(self.start_offset)
        if floor is None or not floor.state_at(min(self.start_offset, floor.last_offset)).state.is_terminal:
            return
        last_offset, count = self._last_done()
        if last_offset == NO_OFFSET:
            return
        if last_offset == self.batches.last.last_offset:
            self.start_offset = self.end_offset = last_offset + 1
            self.batches.clear()
            self.delivery_complete_count = 0
            return
        batch = self.batches.floor(last_offset)
        assert batch is not None
        if last_offset == batch.last_offset:
            self.start_offset = max(self.start_offset, self.batches.next_first_offset(last_offset))
            if self.has_gap:
                self.start_offset = min(self.gap_start_offset, self.start_offset)
            self.batches.drop_before(last_offset + 1)
        else:
            self.start_offset = max(self.start_offset, last_offset + 1)
            self.batches.drop_before(batch.first_offset)
        self.delivery_complete_count -= count

    def _last_done(self) -> tuple[int, int]:
        """The last record before which all are done with, and how many of those have been counted."""
        found, count = NO_OFFSET, 0
        for batch in self.batches:
            if self.has_gap and batch.last_offset >= self.gap_start_offset:
                break
            for first_offset, last_offset, state in batch.runs():
                if not state.state.is_terminal:
                    return found, count
                found = last_offset
                count += self._count_from_start(first_offset, last_offset)
        return found, count
