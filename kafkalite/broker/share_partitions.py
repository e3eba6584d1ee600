"""The share partitions that are being read: loaded from the share coordinator when first fetched from, then kept.

Here the rules of `coordinator/share_partition` meet log, clock and share coordinator: records are acquired from what
the log has, what changes is written before it is answered, and locks end in time. Apache Kafka's SharePartitionManager.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from kafkalite.broker.clock import Timer
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.share_group_dlq_manager import ShareGroupDLQManager
from kafkalite.broker.share_sessions import SessionKey, ShareSessionCache
from kafkalite.config.duration import NANOS_PER_MILLI, parse_duration_ns
from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.share_acknowledgement import AcknowledgementBatch, acknowledge
from kafkalite.coordinator.share_acquisition import (
    AcquiredRecords,
    AcquireLimits,
    FetchedBatch,
    acquire,
    without_aborted,
)
from kafkalite.coordinator.share_coordinator import SharePartitionKey, ShareStateWrite
from kafkalite.coordinator.share_partition import (
    DeadLetters,
    SharePartition,
    SharePartitionSettings,
    StateChange,
)
from kafkalite.coordinator.share_state_batches import UNINITIALIZED_START_OFFSET
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import RemoveTopicRecord
from kafkalite.records.record_batch import BatchHeader, iter_batches
from kafkalite.storage.end_transaction_marker import read_end_transaction_marker
from kafkalite.storage.log_slice import EMPTY_SLICE, LogSlice
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.transaction_index import AbortedTxn

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

logger = logging.getLogger(__name__)

READ_COMMITTED: Final = "read_committed"
READ_SIZE: Final = 1 << 20
"""Records are read in pieces of about this size: a member seldom gets more at a time."""
_LOST: Final = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.FENCED_STATE_EPOCH,
        ErrorCode.GROUP_ID_NOT_FOUND,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
)
"""After one of these errors what is known here of a share partition does not hold any more."""


class _Loaded:
    """A share partition with its log and the timer of its earliest lock."""

    __slots__ = ("key", "log", "partition", "timer")

    def __init__(self, key: SharePartitionKey, log: PartitionLog, partition: SharePartition) -> None:
        self.key = key
        self.log = log
        self.partition = partition
        self.timer: Timer | None = None


class InitializationError(KafkaError):
    """The state of a share partition cannot be had; those who ask for others too may not wait to hear of it."""


class FetchedRecords:
    """What has been read for a share partition: the slice of the log, its batches, and aborted transactions."""

    __slots__ = ("aborted", "batches", "fetch_offset", "slice")

    def __init__(
        self,
        fetch_offset: int,
        records: LogSlice,
        batches: Sequence[tuple[int, BatchHeader]],
        aborted: Sequence[FetchedBatch],
    ) -> None:
        self.fetch_offset = fetch_offset
        self.slice = records
        self.batches = batches
        self.aborted = aborted

    def cut(self, first_offset: int, last_offset: int) -> LogSlice:
        """The stretch of the slice with the batches between two offsets."""
        begin = end = 0
        for position, header in self.batches:
            if header.base_offset <= first_offset:
                begin = position
            if header.base_offset <= last_offset:
                end = position + header.size_in_bytes
        return LogSlice(self.slice.file, self.slice.position + begin, end - begin)


class SharePartitions:
    """All share partitions and sessions. Everything happens on the event loop's thread."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._loaded: dict[SharePartitionKey, _Loaded] = {}
        self._dead_letter_queues = ShareGroupDLQManager(broker)
        self.sessions = ShareSessionCache(broker.config.group_share_max_share_sessions)

    def start(self) -> None:
        """The metadata is known: share partitions follow the deletion of topics."""
        self._broker.metadata.add_listener(self._on_metadata_change)

    def resign_offline(self) -> None:
        """Share partitions whose log directory has failed are not served any more."""
        for key, loaded in list(self._loaded.items()):
            if self._broker.logs.is_offline(loaded.log.topic_partition):
                self.forget(key)

    def close(self) -> None:
        """The broker stops: locks end no more."""
        for key in list(self._loaded):
            self.forget(key)

    def _on_metadata_change(self, records: Sequence[MetadataRecord]) -> None:
        topic_ids = {record.topic_id for record in records if isinstance(record, RemoveTopicRecord)}
        for key in [key for key in self._loaded if key.topic_id in topic_ids]:
            self.forget(key)

    def group_config(self, group_id: str) -> GroupConfig:
        """What a group obeys."""
        return self._broker.group_coordinator.group_config(group_id)

    def _settings(self, group_id: str) -> SharePartitionSettings:
        config = self.group_config(group_id)
        return SharePartitionSettings(
            max_delivery_count=config.share_delivery_count_limit,
            max_in_flight_records=config.share_partition_max_record_locks,
            record_lock_duration_ms=config.share_record_lock_duration_ms,
            is_renew_enabled=config.share_renew_acknowledge_enable,
            has_dead_letter_queue=bool(config.errors_deadletterqueue_topic_name),
        )

    # Loading

    def load(self, key: SharePartitionKey, topic: str) -> None:
        """Has a share partition ready; raises KafkaError, InitializationError where its state cannot be had."""
        if key in self._loaded:
            return
        log = self._broker.leader_log(topic, key.partition)
        if log.topic_id != key.topic_id:  # another topic has the name by now
            raise InitializationError(ErrorCode.UNKNOWN_SERVER_ERROR)
        try:
            state = self._broker.share_coordinator.read(key, log.leader_epoch)
        except KafkaError as error:
            raise _persister_error(error) from error
        start_offset = state.start_offset
        if start_offset == UNINITIALIZED_START_OFFSET:
            start_offset = self._first_offset(log, self.group_config(key.group_id).share_auto_offset_reset)
        group_id = key.group_id
        try:
            partition = SharePartition(start_offset, state.state_epoch, state.batches, lambda: self._settings(group_id))
        except ValueError as error:
            logger.error("The state of %s cannot be: %s", key, error)
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) from error
        loaded = self._loaded[key] = _Loaded(key, log, partition)
        self._write_dead_letters(loaded, partition.unwritten_dead_letters)

    def _first_offset(self, log: PartitionLog, reset: str) -> int:
        """Where a group begins that has never read the partition: share.auto.offset.reset."""
        if reset == "latest":
            return log.high_watermark
        if reset == "earliest":
            return log.log_start_offset
        duration_ms = parse_duration_ns(reset.removeprefix("by_duration:")) // NANOS_PER_MILLI
        found = log.offset_for_timestamp(self._broker.clock.now_ms() - duration_ms)
        if found is None:
            raise KafkaError(ErrorCode.OFFSET_NOT_AVAILABLE)
        return found.offset

    def forget(self, key: SharePartitionKey) -> None:
        """What is known here of a share partition does not hold any more; whoever waits for it looks again."""
        loaded = self._loaded.pop(key, None)
        if loaded is not None:
            if loaded.timer is not None:
                loaded.timer.cancel()
            self._notify(loaded)

    def _notify(self, loaded: _Loaded) -> None:
        self._broker.fetch_purgatory.notify(loaded.log.topic_partition)

    # Fetching

    def can_acquire(self, key: SharePartitionKey) -> bool:
        """Whether a member may get records of a share partition that has been loaded."""
        loaded = self._loaded.get(key)
        return loaded is not None and loaded.partition.can_acquire

    def read(self, key: SharePartitionKey, max_bytes: int, min_bytes: int) -> FetchedRecords:
        """Reads what may be delivered next, at least one batch if there is one; raises KafkaError.

        Where the log begins later by now, the share partition follows it, and there is nothing this time.
        """
        loaded = self._loaded[key]
        offset = loaded.partition.next_fetch_offset()
        is_committed_only = self.group_config(key.group_id).share_isolation_level == READ_COMMITTED
        limit = min(max_bytes, max(READ_SIZE, min_bytes))
        try:
            found = loaded.log.read(offset, limit, isolation_level=int(is_committed_only))
        except KafkaError as error:
            if error.error is not ErrorCode.OFFSET_OUT_OF_RANGE:
                raise
            loaded.partition.truncate_before(loaded.log.log_start_offset)
            return FetchedRecords(offset, EMPTY_SLICE, (), ())
        data = found.records.read()
        batches = list(iter_batches(data))
        aborted = _aborted_batches(data, batches, found.aborted_transactions or ())
        return FetchedRecords(offset, found.records, batches, aborted)

    def acquire(
        self, key: SharePartitionKey, member_id: str, fetched: FetchedRecords, limits: AcquireLimits
    ) -> list[AcquiredRecords]:
        """Gives a member records out of what has been read."""
        loaded = self._loaded[key]
        batches = [FetchedBatch(header.base_offset, header.last_offset) for _, header in fetched.batches]
        now_ms = self._broker.clock.steady_ms()
        acquired = acquire(loaded.partition, member_id, batches, fetched.fetch_offset, limits, now_ms)
        if acquired and fetched.aborted:
            acquired = without_aborted(loaded.partition, acquired, fetched.aborted)
        self._arm(loaded)
        return acquired

    # Acknowledging

    def acknowledge(self, key: SharePartitionKey, member_id: str, batches: Sequence[AcknowledgementBatch]) -> None:
        """What a member says of its records is written; raises KafkaError, and then nothing has changed."""
        loaded = self._loaded.get(key)
        if loaded is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        change = acknowledge(loaded.partition, member_id, batches, self._broker.clock.steady_ms())
        self._write(loaded, change)
        self._arm(loaded)

    def _write(self, loaded: _Loaded, change: StateChange) -> None:
        if not change.batches:
            return
        partition = loaded.partition
        write = ShareStateWrite(
            partition.state_epoch,
            loaded.log.leader_epoch,
            partition.start_offset,
            partition.delivery_complete_count,
            change.batches,
        )
        try:
            self._broker.share_coordinator.write(loaded.key, write)
        except KafkaError as error:
            partition.complete(change, is_persisted=False)
            mapped = _persister_error(error)
            if mapped.error in _LOST:
                self.forget(loaded.key)
            raise mapped from error
        partition.complete(change, is_persisted=True)
        self._notify(loaded)
        self._write_dead_letters(loaded, change.dead_letters)

    def _write_dead_letters(self, loaded: _Loaded, dead_letters: Sequence[DeadLetters]) -> None:
        """Records that the group has given up go to its dead letter queue, and are then archived."""
        config = self.group_config(loaded.key.group_id)
        for letters in dead_letters:
            archive = partial(self._archive_dead_letters, loaded, letters)
            self._dead_letter_queues.enqueue(loaded.key, config, loaded.log, letters, archive)

    def _archive_dead_letters(self, loaded: _Loaded, letters: DeadLetters) -> None:
        if self._loaded.get(loaded.key) is not loaded:
            return
        try:
            self._write(loaded, loaded.partition.archive_dead_letters(letters))
        except KafkaError as error:
            logger.error("That dead letters of %s are written cannot be: %s", loaded.key, error)

    def release_session(self, session_key: SessionKey) -> bool:
        """A member's session ends, and with it what it holds; false where it has none."""
        session = self.sessions.remove(session_key)
        if session is None:
            return False
        group_id, member_id = session_key
        for topic_id, index in session.partitions:
            loaded = self._loaded.get(SharePartitionKey(group_id, topic_id, index))
            if loaded is not None:
                try:
                    self._write(loaded, loaded.partition.release(member_id))
                except KafkaError as error:
                    logger.warning("Records of %s that %s had stay locked: %s", loaded.key, member_id, error)
        return True

    def on_disconnect(self, context: RequestContext) -> None:
        """A connection has gone: its sessions end, and groups without sessions are forgotten here."""
        for session in self.sessions.of_connection(context):
            self.release_session(session.key)
            group_id = session.key[0]
            if not self.sessions.has_group(group_id):
                for key in [key for key in self._loaded if key.group_id == group_id]:
                    self.forget(key)

    # Locks

    def _arm(self, loaded: _Loaded) -> None:
        """Makes sure that the loop comes by when the earliest lock ends."""
        if loaded.timer is None:
            deadline_ms = loaded.partition.next_deadline_ms
            if deadline_ms is not None:
                delay_ms = max(0, deadline_ms - self._broker.clock.steady_ms())
                loaded.timer = self._broker.clock.call_later(delay_ms, self._expire_locks, loaded)

    def _expire_locks(self, loaded: _Loaded) -> None:
        loaded.timer = None
        if self._loaded.get(loaded.key) is not loaded:
            return
        change = loaded.partition.expire_locks(self._broker.clock.steady_ms())
        try:
            self._write(loaded, change)
        except KafkaError as error:
            logger.warning("That locks of %s have ended cannot be written: %s", loaded.key, error)
            self._notify(loaded)
            self._write_dead_letters(loaded, change.dead_letters)
        self._arm(loaded)


def _persister_error(error: KafkaError) -> InitializationError:
    """An error of the share coordinator as members hear of it."""
    match error.error:
        case ErrorCode.NOT_COORDINATOR | ErrorCode.COORDINATOR_NOT_AVAILABLE | ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            return InitializationError(ErrorCode.COORDINATOR_NOT_AVAILABLE, error.message)
        case ErrorCode.GROUP_ID_NOT_FOUND | ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            return InitializationError(error.error, error.message)
        case ErrorCode.FENCED_LEADER_EPOCH | ErrorCode.FENCED_STATE_EPOCH:
            return InitializationError(ErrorCode.NOT_LEADER_OR_FOLLOWER, error.message)
    return InitializationError(ErrorCode.UNKNOWN_SERVER_ERROR, error.message)


def _aborted_batches(
    data: bytes, batches: Sequence[tuple[int, BatchHeader]], aborted: Sequence[AbortedTxn]
) -> list[FetchedBatch]:
    """The batches among those read that belong to aborted transactions."""
    found: list[FetchedBatch] = []
    pending = sorted(aborted, key=lambda transaction: transaction.first_offset, reverse=True)
    producers: set[int] = set()
    if not pending:
        return found
    for position, header in batches:
        if not header.has_producer_id:
            continue
        while pending and pending[-1].first_offset <= header.last_offset:
            producers.add(pending.pop().producer_id)
        if header.is_control:
            marker = read_end_transaction_marker(data, position, header)
            if marker is not None and not marker.is_commit:
                producers.discard(header.producer_id)
        elif header.is_transactional and header.producer_id in producers:
            found.append(FetchedBatch(header.base_offset, header.last_offset))
    return found
