"""The share coordinator of one `__share_group_state` partition: what has been kept of share partitions (KIP-932).

Each share partition has a snapshot and, after it, updates, which only name what has changed; after so many updates
comes the next snapshot. State epochs fence those who initialise it, leader epochs those who read and write it. Apache
Kafka's ShareCoordinatorShard and ShareGroupOffset.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, NamedTuple

from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.share_state_batches import (
    UNINITIALIZED_START_OFFSET,
    PersisterStateBatch,
    combine_state_batches,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, by_number, decode_record
from kafkalite.protocol.coordinator_records.share_state import (
    RECORD_TYPES,
    ShareSnapshotKey,
    ShareSnapshotValue,
    ShareUpdateKey,
    ShareUpdateValue,
    StateBatch,
)

COLD_SNAPSHOTS_KEY: Final = "cold-snapshots"
UNINITIALIZED_COUNT: Final = -1
NO_LEADER_EPOCH: Final = -1
NO_STATE_EPOCH: Final = -1
_RECORD_TYPES: Final = by_number(RECORD_TYPES)


class ShareCoordinatorConfig(NamedTuple):
    """Settings of the share coordinator, with Apache Kafka's defaults."""

    updates_per_snapshot: int = 500  # share.coordinator.snapshot.update.records.per.snapshot
    cold_snapshot_interval_ms: int = 300_000  # share.coordinator.cold.partition.snapshot.interval.ms


class SharePartitionKey(NamedTuple):
    """A partition of a topic, as a group reads it; `str` decides where its state is kept."""

    group_id: str
    topic_id: Uuid
    partition: int

    def __str__(self) -> str:
        return f"{self.group_id}:{self.topic_id}:{self.partition}"


class ShareGroupOffset(NamedTuple):
    """What has been kept of a share partition."""

    snapshot_epoch: int
    state_epoch: int
    leader_epoch: int
    start_offset: int
    delivery_complete_count: int
    batches: tuple[PersisterStateBatch, ...]
    create_timestamp_ms: int
    write_timestamp_ms: int


class ShareStateWrite(NamedTuple):
    """What is to be written of a share partition; -1 where the start is not named."""

    state_epoch: int
    leader_epoch: int
    start_offset: int
    delivery_complete_count: int
    batches: Collection[PersisterStateBatch]


class ShareCoordinatorShard:
    """The share partitions of one partition of the topic. `partition_count` tells of a topic how many it has."""

    __slots__ = (
        "_config",
        "_last_offset",
        "_leader_epochs",
        "_partition_count",
        "_snapshot_offsets",
        "_state_epochs",
        "_update_counts",
        "states",
        "timers",
    )

    def __init__(
        self, timers: CoordinatorTimers, config: ShareCoordinatorConfig, partition_count: Callable[[Uuid], int]
    ) -> None:
        self.timers = timers
        self.states: dict[SharePartitionKey, ShareGroupOffset] = {}
        self._config = config
        self._partition_count = partition_count
        self._leader_epochs: dict[SharePartitionKey, int] = {}
        self._state_epochs: dict[SharePartitionKey, int] = {}
        self._update_counts: dict[SharePartitionKey, int] = {}
        self._snapshot_offsets: dict[SharePartitionKey, int] = {}
        self._last_offset = 0

    # Requests

    def initialize(
        self, key: SharePartitionKey, state_epoch: int, start_offset: int, now_ms: int
    ) -> CoordinatorResult[None]:
        """Begins a share partition, or begins it anew; raises KafkaError."""
        _check_not_negative("partition id", key.partition)
        _check_not_negative("state epoch", state_epoch)
        if self._state_epochs.get(key, NO_STATE_EPOCH) > state_epoch:
            raise KafkaError(ErrorCode.FENCED_STATE_EPOCH)
        self._check_topic(key)
        known = self.states.get(key)
        is_begun = start_offset != UNINITIALIZED_START_OFFSET
        state = ShareGroupOffset(
            snapshot_epoch=0 if known is None else known.snapshot_epoch + 1,
            state_epoch=state_epoch,
            leader_epoch=0,
            start_offset=start_offset,
            delivery_complete_count=0 if is_begun else UNINITIALIZED_COUNT,
            batches=(),
            create_timestamp_ms=now_ms,
            write_timestamp_ms=now_ms,
        )
        return CoordinatorResult([_snapshot_record(key, state)])

    def read(self, key: SharePartitionKey, leader_epoch: int, now_ms: int) -> CoordinatorResult[ShareGroupOffset]:
        """What has been kept; remembers the leader epoch of whoever asks. Raises KafkaError."""
        _check_not_negative("partition id", key.partition)
        _check_not_negative("leader epoch", leader_epoch)
        state = self.states.get(key)
        if state is None:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Read operation on uninitialized share partition not allowed.")
        self._check_leader_epoch(key, leader_epoch)
        self._check_topic(key)
        if leader_epoch == self._leader_epochs.get(key):
            return CoordinatorResult(reply=state)
        write = ShareStateWrite(state.state_epoch, leader_epoch, state.start_offset, state.delivery_complete_count, ())
        return CoordinatorResult([self._record(key, state, write, leader_epoch, now_ms)], state)

    def summary(self, key: SharePartitionKey) -> ShareGroupOffset | None:
        """What has been kept, for administrators; None where nothing has. Raises KafkaError."""
        _check_not_negative("partition id", key.partition)
        self._check_topic(key)
        return self.states.get(key)

    def write(self, key: SharePartitionKey, write: ShareStateWrite, now_ms: int) -> CoordinatorResult[None]:
        """Keeps what has changed; raises KafkaError."""
        _check_not_negative("partition id", key.partition)
        _check_not_negative("leader epoch", write.leader_epoch)
        _check_not_negative("state epoch", write.state_epoch)
        state = self.states.get(key)
        if state is None:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Write operation on uninitialized share partition not allowed.")
        self._check_leader_epoch(key, write.leader_epoch)
        if self._state_epochs[key] > write.state_epoch:
            raise KafkaError(ErrorCode.FENCED_STATE_EPOCH)
        self._check_topic(key)
        for batch in write.batches:
            if batch.first_offset > batch.last_offset:  # Apache Kafka fails over such batches.
                raise KafkaError(
                    ErrorCode.UNKNOWN_SERVER_ERROR,
                    f"Unable to write share group state: a batch ends at offset {batch.last_offset}, before it begins "
                    f"at {batch.first_offset}",
                )
        return CoordinatorResult([self._record(key, state, write, state.leader_epoch, now_ms)])

    def delete(self, key: SharePartitionKey) -> CoordinatorResult[None]:
        """Forgets a share partition, if it is known; raises KafkaError."""
        _check_not_negative("partition id", key.partition)
        self._check_topic(key)
        return CoordinatorResult([_tombstone(key)] if key in self.states else [])

    def delete_topics(self, topic_ids: Collection[Uuid]) -> CoordinatorResult[None]:
        """Topics have just been deleted: what has been kept of their partitions goes."""
        records = [_tombstone(key) for key in self.states if key.topic_id in topic_ids]
        return CoordinatorResult(records, is_atomic=False)

    def snapshot_cold_partitions(self, now_ms: int) -> CoordinatorResult[None]:
        """New snapshots of share partitions that have none in this while, so that what lies before them can go."""
        self._schedule_cold_snapshots()
        if all(state.create_timestamp_ms != state.write_timestamp_ms for state in self.states.values()):
            return CoordinatorResult()
        records = [
            _snapshot_record(key, state._replace(snapshot_epoch=state.snapshot_epoch + 1, write_timestamp_ms=now_ms))
            for key, state in self.states.items()
            if now_ms - state.write_timestamp_ms >= self._config.cold_snapshot_interval_ms
        ]
        return CoordinatorResult(records, is_atomic=False)

    @property
    def redundant_offset(self) -> int:
        """All records before this offset have been overtaken by later ones."""
        return min(self._snapshot_offsets.values(), default=self._last_offset)

    def _schedule_cold_snapshots(self) -> None:
        interval_ms = self._config.cold_snapshot_interval_ms
        self.timers.schedule(COLD_SNAPSHOTS_KEY, interval_ms, self.snapshot_cold_partitions)

    def _check_leader_epoch(self, key: SharePartitionKey, leader_epoch: int) -> None:
        if self._leader_epochs.get(key, NO_LEADER_EPOCH) > leader_epoch:
            raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH)

    def _check_topic(self, key: SharePartitionKey) -> None:
        if key.partition >= self._partition_count(key.topic_id):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)

    def _record(
        self, key: SharePartitionKey, state: ShareGroupOffset, write: ShareStateWrite, leader_epoch: int, now_ms: int
    ) -> CoordinatorRecord:
        """A snapshot where enough updates have been written since the last one, else an update."""
        if self._update_counts.get(key, 0) < self._config.updates_per_snapshot:
            batches = combine_state_batches((), write.batches, write.start_offset)
            value = ShareUpdateValue(
                snapshot_epoch=state.snapshot_epoch,
                leader_epoch=leader_epoch,
                start_offset=write.start_offset,
                delivery_complete_count=write.delivery_complete_count,
                state_batches=_encoded(batches),
            )
            return CoordinatorRecord(
                ShareUpdateKey(group_id=key.group_id, topic_id=key.topic_id, partition=key.partition), value
            )
        start_offset = write.start_offset if write.start_offset >= 0 else state.start_offset
        return _snapshot_record(
            key,
            ShareGroupOffset(
                snapshot_epoch=state.snapshot_epoch + 1,
                state_epoch=state.state_epoch,
                leader_epoch=leader_epoch,
                start_offset=start_offset,
                delivery_complete_count=write.delivery_complete_count,
                batches=tuple(combine_state_batches(state.batches, write.batches, start_offset)),
                create_timestamp_ms=now_ms,
                write_timestamp_ms=now_ms,
            ),
        )

    # Replay

    def decode(self, key: bytes, value: bytes | None) -> tuple[CoordinatorKey, CoordinatorValue | None] | None:
        """A record's key and value; None for a type that is not known."""
        return decode_record(_RECORD_TYPES, key, value)

    def replay(
        self, record_offset: int, producer_id: int, key: CoordinatorKey, value: CoordinatorValue | None, now_ms: int
    ) -> None:
        """Brings one record into the state."""
        if isinstance(key, ShareSnapshotKey):
            assert value is None or isinstance(value, ShareSnapshotValue)
            self._replay_snapshot(SharePartitionKey(key.group_id, key.topic_id, key.partition), value, record_offset)
        elif isinstance(key, ShareUpdateKey) and isinstance(value, ShareUpdateValue):
            self._replay_update(SharePartitionKey(key.group_id, key.topic_id, key.partition), value)

    def _replay_snapshot(self, key: SharePartitionKey, value: ShareSnapshotValue | None, record_offset: int) -> None:
        self._last_offset = record_offset
        if value is None:
            for known in (
                self.states,
                self._leader_epochs,
                self._state_epochs,
                self._update_counts,
                self._snapshot_offsets,
            ):
                known.pop(key, None)
            return
        self._snapshot_offsets[key] = record_offset
        _raise_to(self._leader_epochs, key, value.leader_epoch)
        _raise_to(self._state_epochs, key, value.state_epoch)
        self.states[key] = ShareGroupOffset(
            value.snapshot_epoch,
            value.state_epoch,
            value.leader_epoch,
            value.start_offset,
            value.delivery_complete_count,
            tuple(_decoded(value.state_batches)),
            value.create_timestamp,
            value.write_timestamp,
        )
        if self._update_counts.get(key, 0) >= self._config.updates_per_snapshot:
            self._update_counts[key] = 0

    def _replay_update(self, key: SharePartitionKey, value: ShareUpdateValue) -> None:
        _raise_to(self._leader_epochs, key, value.leader_epoch)
        self._state_epochs.setdefault(key, NO_STATE_EPOCH)
        self._update_counts[key] = self._update_counts.get(key, 0) + 1
        batches = _decoded(value.state_batches)
        state = self.states.get(key)
        if state is None:
            self.states[key] = ShareGroupOffset(
                value.snapshot_epoch,
                0,
                value.leader_epoch,
                value.start_offset,
                value.delivery_complete_count,
                tuple(batches),
                0,
                0,
            )
            return
        is_named = value.start_offset >= 0
        start_offset = value.start_offset if is_named else state.start_offset
        self.states[key] = state._replace(
            start_offset=start_offset,
            delivery_complete_count=value.delivery_complete_count,
            leader_epoch=state.leader_epoch if value.leader_epoch == NO_LEADER_EPOCH else value.leader_epoch,
            batches=tuple(combine_state_batches(state.batches, batches, start_offset)),
        )

    def replay_end_transaction_marker(self, producer_id: int, *, is_commit: bool) -> None:
        """No transactions write here."""

    def on_loaded(self, now_ms: int) -> None:
        """All records have been replayed."""
        self._schedule_cold_snapshots()

    def on_written(self) -> None:
        """Nothing waits for records to be appended."""

    def on_unloaded(self) -> None:
        """Nobody waits here."""


def _check_not_negative(name: str, value: int) -> None:
    if value < 0:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"The {name} cannot be a negative number.")


def _raise_to(epochs: dict[SharePartitionKey, int], key: SharePartitionKey, epoch: int) -> None:
    if epochs.setdefault(key, epoch) < epoch:
        epochs[key] = epoch


def _snapshot_record(key: SharePartitionKey, state: ShareGroupOffset) -> CoordinatorRecord:
    return CoordinatorRecord(
        ShareSnapshotKey(group_id=key.group_id, topic_id=key.topic_id, partition=key.partition),
        ShareSnapshotValue(
            snapshot_epoch=state.snapshot_epoch,
            state_epoch=state.state_epoch,
            leader_epoch=state.leader_epoch,
            start_offset=state.start_offset,
            delivery_complete_count=state.delivery_complete_count,
            create_timestamp=state.create_timestamp_ms,
            write_timestamp=state.write_timestamp_ms,
            state_batches=_encoded(state.batches),
        ),
    )


def _tombstone(key: SharePartitionKey) -> CoordinatorRecord:
    return CoordinatorRecord(
        ShareSnapshotKey(group_id=key.group_id, topic_id=key.topic_id, partition=key.partition), None
    )


def _encoded(batches: Iterable[PersisterStateBatch]) -> list[StateBatch]:
    return [
        StateBatch(
            first_offset=batch.first_offset,
            last_offset=batch.last_offset,
            delivery_state=batch.delivery_state,
            delivery_count=batch.delivery_count,
        )
        for batch in batches
    ]


def _decoded(batches: Iterable[Any]) -> list[PersisterStateBatch]:
    return [
        PersisterStateBatch(batch.first_offset, batch.last_offset, batch.delivery_count, batch.delivery_state)
        for batch in batches
    ]
