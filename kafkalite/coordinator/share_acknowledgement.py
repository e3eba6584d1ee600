"""What a member says of records that it has got: which ones it may speak of, and what becomes of them.

Apache Kafka's SharePartition.acknowledge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from kafkalite.coordinator.in_flight_records import (
    ACQUIRED,
    ARCHIVED,
    ARCHIVING,
    AVAILABLE,
    NO_MEMBER,
    InFlightBatch,
    InFlightState,
)
from kafkalite.coordinator.share_partition import SharePartition, StateChange
from kafkalite.coordinator.share_state_batches import RecordState
from kafkalite.errors import ErrorCode, KafkaError


class AcknowledgeType(IntEnum):
    """What a member says of a record."""

    GAP = 0  # there is no record at the offset
    ACCEPT = 1
    RELEASE = 2
    REJECT = 3
    RENEW = 4


_ACKNOWLEDGED_STATE: Final = {
    AcknowledgeType.GAP: ARCHIVED,
    AcknowledgeType.ACCEPT: RecordState.ACKNOWLEDGED,
    AcknowledgeType.RELEASE: AVAILABLE,
    AcknowledgeType.REJECT: ARCHIVED,
}


class AcknowledgementBatch(NamedTuple):
    """What a member says of some records: one type for all of them, or one for each."""

    first_offset: int
    last_offset: int
    acknowledge_types: Sequence[int]

    def type_at(self, offset: int) -> int:
        types = self.acknowledge_types
        return types[offset - self.first_offset] if len(types) > 1 else types[0]


def acknowledge(
    partition: SharePartition, member_id: str, acknowledgements: Iterable[AcknowledgementBatch], now_ms: int
) -> StateChange:
    """Raises KafkaError, and changes nothing, where a member may not say that of these records."""
    change = StateChange(partition.delivery_complete_count)
    acknowledging = _Acknowledging(partition, member_id, change, now_ms)
    try:
        for acknowledgement in acknowledgements:
            if acknowledgement.last_offset >= partition.start_offset:
                for batch in _batches_of(partition, acknowledgement):
                    if batch.last_offset >= partition.start_offset:
                        acknowledging.take(acknowledgement, batch)
    except KafkaError:
        partition.complete(change, is_persisted=False)
        raise
    return change


def _batches_of(partition: SharePartition, acknowledgement: AcknowledgementBatch) -> list[InFlightBatch]:
    first_offset, last_offset = acknowledgement.first_offset, acknowledgement.last_offset
    floor = partition.batches.floor(first_offset)
    if floor is None and first_offset < partition.start_offset <= last_offset:
        floor = partition.batches.floor(partition.start_offset)
    if floor is None:
        raise _invalid_state("Batch record not found. The request batch offsets are not found in the cache.")
    found = partition.batches.between(floor.first_offset, last_offset)
    if found[-1].last_offset < first_offset:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "Batch record not found. The first offset in request is past acquired records.",
        )
    if found[-1].last_offset < last_offset:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "Batch record not found. The last offset in request is past acquired records.",
        )
    return found


class _Acknowledging:
    """One member's acknowledgements, as far as they have come."""

    __slots__ = ("_change", "_member_id", "_now_ms", "_partition")

    def __init__(self, partition: SharePartition, member_id: str, change: StateChange, now_ms: int) -> None:
        self._partition = partition
        self._member_id = member_id
        self._change = change
        self._now_ms = now_ms

    def take(self, acknowledgement: AcknowledgementBatch, batch: InFlightBatch) -> None:
        """Takes in what is said of the records of one batch."""
        start_offset = self._partition.start_offset
        first_offset, last_offset = acknowledgement.first_offset, acknowledgement.last_offset
        common = batch.common
        if common is not None:
            if common.member_id == NO_MEMBER:
                raise _invalid_state("The batch cannot be acknowledged. The batch is not in the acquired state.")
            if common.member_id != self._member_id:
                raise _invalid_state("Member is not the owner of batch record")
            if (
                batch.is_within(first_offset, last_offset)
                and len(acknowledgement.acknowledge_types) == 1
                and not batch.begins_before(start_offset)
            ):
                self._apply(acknowledgement.acknowledge_types[0], batch.first_offset, batch.last_offset, common)
                return
            batch.split()
        for offset, state in batch.own_states(max(first_offset, start_offset), last_offset):
            if state.state is not ACQUIRED:
                raise _invalid_state("The offset cannot be acknowledged. The offset is not acquired.")
            if state.member_id != self._member_id:
                raise _invalid_state("Member is not the owner of offset")
            self._apply(acknowledgement.type_at(offset), offset, offset, state)

    def _apply(self, acknowledge_type: int, first_offset: int, last_offset: int, state: InFlightState) -> None:
        partition = self._partition
        if acknowledge_type == AcknowledgeType.RENEW:
            if not partition.settings.is_renew_enabled:
                raise _invalid_state("Renewing acquisition locks is not enabled for the group.")
            state.lock_deadline_ms = partition.lock(first_offset, last_offset, self._now_ms)
            return
        new_state = _ACKNOWLEDGED_STATE[AcknowledgeType(acknowledge_type)]
        if acknowledge_type == AcknowledgeType.REJECT and partition.settings.has_dead_letter_queue:
            new_state = ARCHIVING
        partition.finish(first_offset, last_offset, state, new_state, self._change)


def _invalid_state(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_RECORD_STATE, message)
