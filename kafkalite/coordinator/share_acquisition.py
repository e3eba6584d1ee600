"""Giving records of a share partition to a member: which ones, how many, and in which batches.

Records that are to be delivered again come first, then new ones up to the limits. New records are taken in whole record
batches of the log, unless the member asks for no more records than it named (RECORD_LIMIT, KIP-1206). Records whose
deliveries have failed repeatedly are delivered in ever smaller portions, the last time alone, so that one bad record
does not spoil its neighbours. Apache Kafka's SharePartition.acquire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from kafkalite.coordinator.in_flight_records import ACQUIRED, AVAILABLE, InFlightBatch, InFlightState
from kafkalite.coordinator.share_partition import SharePartition

MIN_THROTTLED_DELIVERIES: Final = 2


class ShareAcquireMode(IntEnum):
    """How a member wants its records counted."""

    BATCH_OPTIMIZED = 0
    RECORD_LIMIT = 1


class FetchedBatch(NamedTuple):
    """A record batch of the log: its first and its last offset."""

    base_offset: int
    last_offset: int


class AcquiredRecords(NamedTuple):
    """Records that a member has got, both offsets included."""

    first_offset: int
    last_offset: int
    delivery_count: int


class AcquireLimits(NamedTuple):
    """How much a member wants: records in all, and records for each batch of the answer."""

    max_records: int
    batch_size: int
    mode: ShareAcquireMode = ShareAcquireMode.BATCH_OPTIMIZED


def acquire(
    partition: SharePartition,
    member_id: str,
    fetched: Sequence[FetchedBatch],
    fetch_offset: int,
    limits: AcquireLimits,
    now_ms: int,
) -> list[AcquiredRecords]:
    """Gives a member records out of what has been read from `fetch_offset` on; nothing where limits are reached."""
    if limits.max_records <= 0 or not fetched or fetched[-1].last_offset < partition.start_offset:
        return []
    last_offset = fetched[-1].last_offset
    max_records = min(limits.max_records, partition.settings.max_in_flight_records - partition.in_flight_count)
    if max_records <= 0:
        if fetch_offset > partition.end_offset:
            return []
        max_records = min(limits.max_records, partition.end_offset - fetch_offset + 1)
        last_offset = min(last_offset, partition.end_offset)
    return _Acquisition(partition, member_id, fetched, limits, now_ms).run(fetch_offset, last_offset, max_records)


class _Acquisition:
    """One member's records in the making."""

    __slots__ = (
        "_acquired",
        "_count",
        "_fetched",
        "_is_record_limit",
        "_limits",
        "_member_id",
        "_now_ms",
        "_partition",
    )

    def __init__(
        self,
        partition: SharePartition,
        member_id: str,
        fetched: Sequence[FetchedBatch],
        limits: AcquireLimits,
        now_ms: int,
    ) -> None:
        self._partition = partition
        self._member_id = member_id
        self._fetched = fetched
        self._limits = limits
        self._is_record_limit = limits.mode is ShareAcquireMode.RECORD_LIMIT
        self._now_ms = now_ms
        self._acquired: list[AcquiredRecords] = []
        self._count = 0

    def run(self, fetch_offset: int, last_offset: int, max_records: int) -> list[AcquiredRecords]:
        partition = self._partition
        first_fetched = base_offset = self._fetched[0].base_offset
        # The log has no records before its first batch any more: compaction has removed them.
        if partition.archive(fetch_offset, base_offset - 1, AVAILABLE, is_counted=True):
            partition.request_search()
        floor = partition.batches.floor(base_offset)
        if floor is None:
            base_offset = max(base_offset, partition.start_offset)
        elif floor.last_offset >= base_offset:
            base_offset = floor.first_offset
        known = partition.batches.between(min(first_fetched, base_offset), last_offset)
        if not known:
            self._acquire_new(base_offset, last_offset, max_records)
            return self._acquired
        gap_offset = base_offset
        for batch in known:
            if self._count >= max_records:
                break
            if partition.has_gap:
                if gap_offset < batch.first_offset:
                    self._acquire_new(gap_offset, batch.first_offset - 1, max_records - self._count)
                gap_offset = batch.last_offset + 1
                if self._count >= max_records:
                    break
            is_throttled = self._is_throttled(batch, first_fetched, last_offset)
            if is_throttled and self._count > 0:
                max_records = 0
                break
            count_before = self._count
            self._acquire_again(batch, first_fetched, last_offset, max_records - self._count, is_throttled=is_throttled)
            if is_throttled and self._count > count_before:
                max_records = 0
                break
        if self._count < max_records and known[-1].last_offset < last_offset:
            self._acquire_new(known[-1].last_offset + 1, last_offset, max_records - self._count)
        if self._acquired:
            partition.move_gap(self._acquired[-1].last_offset + 1)
        return self._acquired

    # Records that are delivered again

    def _acquire_again(
        self, batch: InFlightBatch, first_offset: int, last_offset: int, remaining: int, *, is_throttled: bool
    ) -> None:
        common = batch.common
        if common is not None:
            if common.state is not AVAILABLE:
                return
            if (
                batch.is_within(first_offset, last_offset)
                and not is_throttled
                and not (self._is_record_limit and batch.size > remaining)
            ):
                self._lock(batch.first_offset, batch.last_offset, common)
                self._acquired.append(AcquiredRecords(batch.first_offset, batch.last_offset, common.delivery_count))
                self._count += batch.size
                return
            batch.split()
        self._acquire_some(batch, first_offset, last_offset, remaining)

    def _acquire_some(self, batch: InFlightBatch, first_offset: int, last_offset: int, remaining: int) -> None:
        max_deliveries = self._partition.settings.max_delivery_count
        throttled_from = _throttled_deliveries(max_deliveries)
        portion: int | None = None
        found: list[AcquiredRecords] = []
        for offset, state in batch.own_states(first_offset, last_offset):
            if state.state is not AVAILABLE:
                continue
            deliveries = state.delivery_count
            is_last_delivery = max_deliveries > 2 and deliveries == max_deliveries - 1
            if is_last_delivery and found:
                break
            if deliveries >= throttled_from and portion is None:
                portion = max(1, batch.size >> (deliveries - throttled_from + 1))
            self._lock(offset, offset, state)
            found.append(AcquiredRecords(offset, offset, state.delivery_count))
            if is_last_delivery or len(found) == portion or (self._is_record_limit and len(found) == remaining):
                break
        self._acquired += _joined(found)
        self._count += len(found)

    def _lock(self, first_offset: int, last_offset: int, state: InFlightState) -> None:
        state.acquire(self._member_id, self._partition.lock(first_offset, last_offset, self._now_ms))

    def _is_throttled(self, batch: InFlightBatch, first_offset: int, last_offset: int) -> bool:
        throttled_from = _throttled_deliveries(self._partition.settings.max_delivery_count)
        if batch.common is not None:
            return batch.common.state is AVAILABLE and batch.common.delivery_count >= throttled_from
        states = (state for _, state in batch.own_states(first_offset, last_offset))
        return any(state.state is AVAILABLE and state.delivery_count >= throttled_from for state in states)

    # Records that are delivered for the first time

    def _acquire_new(self, first_offset: int, last_offset: int, max_records: int) -> None:
        partition = self._partition
        if not partition.batches:
            first_offset = max(first_offset, partition.end_offset)
        last = last_offset
        if max_records < last - first_offset + 1:
            last = self._end_of_batch(first_offset + max_records - 1)
            if partition.has_gap:
                last = min(last, last_offset)
        acquired = self._cut(first_offset, last)
        for records in acquired:
            deadline_ms = partition.lock(records.first_offset, records.last_offset, self._now_ms)
            state = InFlightState(ACQUIRED, 1, self._member_id, deadline_ms)
            partition.batches.add(InFlightBatch(records.first_offset, records.last_offset, state))
        if self._is_record_limit and last - first_offset + 1 > max_records:
            begun = partition.batches.floor(first_offset)
            assert begun is not None
            begun.keep_first(max_records)
            partition.request_search()
            acquired = [AcquiredRecords(first_offset, first_offset + max_records - 1, 1)]
        if partition.batches.first.first_offset == first_offset:
            partition.start_offset = first_offset
        partition.end_offset = max(partition.end_offset, last)
        if self._is_record_limit:
            last = acquired[0].last_offset
        partition.move_gap(last + 1)
        self._acquired += acquired
        self._count += last - first_offset + 1

    def _end_of_batch(self, offset: int) -> int:
        """The last offset of the log's batch in which an offset lies."""
        for batch in self._fetched:
            if batch.base_offset <= offset <= batch.last_offset:
                return batch.last_offset
        return offset

    def _cut(self, first_offset: int, last_offset: int) -> list[AcquiredRecords]:
        """New records in batches of about the size that the member wants, ending where batches of the log end."""
        cut: list[AcquiredRecords] = []
        if not self._is_record_limit and last_offset - first_offset + 1 > self._limits.batch_size:
            for batch in self._fetched:
                if batch.base_offset > last_offset:
                    break
                if batch.base_offset - first_offset >= self._limits.batch_size:
                    cut.append(AcquiredRecords(first_offset, batch.base_offset - 1, 1))
                    first_offset = batch.base_offset
        cut.append(AcquiredRecords(first_offset, last_offset, 1))
        return cut


def without_aborted(
    partition: SharePartition, acquired: Iterable[AcquiredRecords], aborted: Sequence[FetchedBatch]
) -> list[AcquiredRecords]:
    """Takes the records of aborted transactions from the member that has just got them: nobody is to have them."""
    left: list[AcquiredRecords] = []
    for batch in aborted:
        partition.archive(batch.base_offset, batch.last_offset, ACQUIRED, is_counted=True)
    for records in acquired:
        first_offset = records.first_offset
        for batch in aborted:
            if batch.last_offset < first_offset or batch.base_offset > records.last_offset:
                continue
            if first_offset < batch.base_offset:
                left.append(records._replace(first_offset=first_offset, last_offset=batch.base_offset - 1))
            first_offset = batch.last_offset + 1
        if first_offset <= records.last_offset:
            left.append(records._replace(first_offset=first_offset))
    return left


def _throttled_deliveries(max_delivery_count: int) -> int:
    return max(MIN_THROTTLED_DELIVERIES, (max_delivery_count + 1) // 2)


def _joined(records: Iterable[AcquiredRecords]) -> list[AcquiredRecords]:
    """Neighbours with the same number of deliveries as one."""
    joined: list[AcquiredRecords] = []
    for current in records:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.last_offset + 1 == current.first_offset
            and before.delivery_count == current.delivery_count
        ):
            joined[-1] = before._replace(last_offset=current.last_offset)
        else:
            joined.append(current)
    return joined
