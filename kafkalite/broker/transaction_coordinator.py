"""The transaction coordinator as handlers call it, and what only a broker can do for it: markers in partitions' logs.

On one node a marker is written by a call, not by a request to another broker: a transaction's decision is carried out
before its producer hears of it, except where a partition's log takes no marker just now. Apache Kafka's
TransactionCoordinator with its TransactionMarkerChannelManager and AddPartitionsToTxnManager.
"""

from __future__ import annotations

import logging
from asyncio import Future
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from kafkalite.broker.coordinator_runtime import CoordinatorContext
from kafkalite.broker.coordinator_service import CoordinatorService
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.write_support import WriteSupport
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.coordinator.coordinator_result import CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.transaction_coordinator import (
    TransactionConfig,
    TransactionCoordinatorShard,
)
from kafkalite.coordinator.transaction_metadata import TransactionMetadata
from kafkalite.coordinator.transaction_state import PREPARE_COMMIT
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC, ProducerIdAndEpoch, TopicPartition
from kafkalite.protocol.messages import describe_transactions, list_transactions
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import RemoveTopicRecord
from kafkalite.records.control_record import ControlRecordType, EndTransactionMarker, build_end_transaction_marker
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin, VerificationState

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

logger = logging.getLogger(__name__)

TRANSACTION_VERSION_FEATURE: Final = "transaction.version"
_ENDED_ELSEWHERE: Final = (ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED)


class TransactionCoordinator(CoordinatorService[TransactionCoordinatorShard]):
    """All transactional ids, each in its shard."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(
            broker,
            TRANSACTION_STATE_TOPIC,
            load_buffer_size=broker.config.transaction_state_log_load_buffer_size,
        )
        self.config = transaction_config(broker.config)

    def _new_shard(self, timers: CoordinatorTimers) -> TransactionCoordinatorShard:
        return TransactionCoordinatorShard(
            timers,
            self.config,
            new_producer_id=self._broker.producer_ids.next_id,
            transaction_version=self._transaction_version,
            write_markers=self._write_markers,
        )

    def _transaction_version(self) -> int:
        return self._broker.metadata.image.features.level(TRANSACTION_VERSION_FEATURE)

    def _on_metadata_change(self, records: Sequence[MetadataRecord]) -> None:
        if any(isinstance(record, RemoveTopicRecord) for record in records) and not self._has_topic:
            self.runtime.unload()

    # Requests

    def init_producer_id(
        self,
        transactional_id: str,
        timeout_ms: int,
        expected: ProducerIdAndEpoch | None,
        *,
        enables_two_phase_commit: bool = False,
        keeps_prepared: bool = False,
    ) -> ProducerIdAndEpoch:
        """InitProducerId with a transactional id; raises KafkaError."""
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        partition = self.runtime.context_for(transactional_id)
        result = partition.shard.init_producer_id(
            transactional_id,
            timeout_ms,
            expected,
            self._broker.clock.now_ms(),
            enables_two_phase_commit=enables_two_phase_commit,
            keeps_prepared=keeps_prepared,
        )
        producer = self._run(partition, result)
        if producer is None:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        return producer

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Iterable[TopicPartition],
        client_version: int,
    ) -> None:
        """AddPartitionsToTxn; raises KafkaError."""
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        partition = self.runtime.context_for(transactional_id)
        now_ms = self._broker.clock.now_ms()
        added = frozenset(partitions)
        result = partition.shard.add_partitions(transactional_id, producer, added, client_version, now_ms)
        self._run(partition, result)

    def verify_partitions(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        """Whether partitions are in a transaction; raises KafkaError."""
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        shard = self.runtime.context_for(transactional_id).shard
        return shard.verify_partitions(transactional_id, producer, partitions)

    def end_transaction(
        self, transactional_id: str, producer: ProducerIdAndEpoch, *, is_commit: bool, client_version: int
    ) -> ProducerIdAndEpoch:
        """EndTxn; who the producer is from now on. Raises KafkaError."""
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        partition = self.runtime.context_for(transactional_id)
        now_ms = self._broker.clock.now_ms()
        result = partition.shard.end_transaction(
            transactional_id, producer, is_commit=is_commit, client_version=client_version, now_ms=now_ms
        )
        ended = self._run(partition, result)
        assert ended is not None
        return ended

    def _run(
        self,
        partition: CoordinatorContext[TransactionCoordinatorShard],
        result: CoordinatorResult[ProducerIdAndEpoch],
    ) -> ProducerIdAndEpoch | None:
        try:
            answer = partition.run(result)
        except KafkaError as error:
            raise KafkaError(operation_error(error)) from error
        assert not isinstance(answer, Future)
        partition.run_due()
        return answer

    def describe(self, transactional_id: str) -> describe_transactions.TransactionState:
        """One transactional id of DescribeTransactions."""
        if not transactional_id:
            return describe_transactions.TransactionState(
                transactional_id=transactional_id, error_code=ErrorCode.INVALID_REQUEST
            )
        try:
            return self.runtime.context_for(transactional_id).shard.describe(transactional_id)
        except KafkaError as error:
            return describe_transactions.TransactionState(transactional_id=transactional_id, error_code=error.error)

    def list_transactions(
        self,
        states: Collection[str],
        producer_ids: Collection[int],
        duration_ms: int,
        matches: Callable[[str], bool] | None,
    ) -> list[list_transactions.TransactionState]:
        """ListTransactions."""
        now_ms = self._broker.clock.now_ms()
        return [
            transaction
            for context in self.runtime.contexts()
            for transaction in context.shard.list_transactions(states, producer_ids, duration_ms, matches, now_ms)
        ]

    # Writes of producers

    def start_write(
        self,
        log: PartitionLog,
        transactional_id: str | None,
        producer: ProducerIdAndEpoch,
        base_sequence: int,
        support: WriteSupport,
    ) -> VerificationState | None:
        """Makes sure that a transaction under way has this partition, adding it where the request can do that.

        What it gives goes with the append; None where nothing has to be proved. Raises KafkaError.
        """
        if transactional_id is None:
            return None
        if not support.supports_epoch_bump and not self._broker.config.transaction_partition_verification_enable:
            return None
        guard = log.start_transaction_verification(
            producer.producer_id,
            base_sequence,
            producer.producer_epoch,
            support.supports_epoch_bump,
            self._broker.clock.now_ms(),
        )
        if guard is None:
            return None
        try:
            if support.supports_epoch_bump:
                self.add_partitions(transactional_id, producer, [log.topic_partition], client_version=2)
                return guard
            error = self.verify_partitions(transactional_id, producer, [log.topic_partition])[log.topic_partition]
        except KafkaError as refusal:
            error = refusal.error
        if error is ErrorCode.PRODUCER_FENCED:
            error = ErrorCode.INVALID_PRODUCER_EPOCH
        if error is ErrorCode.TRANSACTION_ABORTABLE and support is WriteSupport.DEFAULT_ERROR:
            error = ErrorCode.INVALID_TXN_STATE
        if error is not ErrorCode.NONE:
            raise KafkaError(error)
        return guard

    # Markers

    def _write_markers(
        self, metadata: TransactionMetadata, partitions: Collection[TopicPartition]
    ) -> frozenset[TopicPartition]:
        state_partition = self.runtime.partition_for(metadata.transactional_id)
        state_log = self._broker.logs.get(TopicPartition(TRANSACTION_STATE_TOPIC, state_partition))
        coordinator_epoch = 0 if state_log is None else state_log.leader_epoch
        unwritten = set()
        for partition in partitions:
            try:
                self.write_marker(
                    partition,
                    ProducerIdAndEpoch(metadata.producer_id, metadata.producer_epoch),
                    is_commit=metadata.state is PREPARE_COMMIT,
                    coordinator_epoch=coordinator_epoch,
                    transaction_version=metadata.client_version,
                )
            except KafkaError as error:
                if error.error in _ENDED_ELSEWHERE or (
                    error.error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                    and self._broker.metadata.image.topics.partition(partition) is None
                ):
                    logger.info("No marker of %s in %s: %s", metadata.transactional_id, partition, error)
                else:
                    logger.warning("A marker of %s in %s has to wait: %s", metadata.transactional_id, partition, error)
                    unwritten.add(partition)
        return frozenset(unwritten)

    def write_marker(
        self,
        partition: TopicPartition,
        producer: ProducerIdAndEpoch,
        *,
        is_commit: bool,
        coordinator_epoch: int,
        transaction_version: int,
    ) -> None:
        """Ends a producer's transaction in one partition; raises KafkaError."""
        log = self._broker.leader_log(partition.topic, partition.partition)
        now_ms = self._broker.clock.now_ms()
        marker_type = ControlRecordType.COMMIT if is_commit else ControlRecordType.ABORT
        batch = build_end_transaction_marker(
            EndTransactionMarker(marker_type, coordinator_epoch),
            producer_id=producer.producer_id,
            producer_epoch=producer.producer_epoch,
            timestamp_ms=now_ms,
        )
        if partition.topic == GROUP_METADATA_TOPIC:
            # Loaded before the marker is in the log: or else it would take effect twice.
            context = self._broker.group_coordinator.runtime.context(partition.partition)
            log.append(batch, now_ms=now_ms, origin=AppendOrigin.COORDINATOR, transaction_version=transaction_version)
            context.shard.replay_end_transaction_marker(producer.producer_id, is_commit=is_commit)
            return
        log.append(batch, now_ms=now_ms, origin=AppendOrigin.COORDINATOR, transaction_version=transaction_version)


def transaction_config(config: BrokerConfig) -> TransactionConfig:
    """The coordinator's settings out of the broker's."""
    return TransactionConfig(
        max_timeout_ms=config.transaction_max_timeout_ms,
        transactional_id_expiration_ms=config.transactional_id_expiration_ms,
        abort_interval_ms=config.transaction_abort_timed_out_transaction_cleanup_interval_ms,
        expiration_interval_ms=config.transaction_remove_expired_transaction_cleanup_interval_ms,
        is_two_phase_commit_enabled=config.transaction_two_phase_commit_enable,
    )
