"""The transaction coordinator of one `__transaction_state` partition: who may write, what is open, how it ends.

    InitProducerId          Empty, Complete* -> Empty, with the next epoch; Ongoing is aborted, and the client retries
    AddPartitionsToTxn      Empty, Complete*, Ongoing -> Ongoing
    EndTxn                  Ongoing -> PrepareCommit or PrepareAbort, in the log before anybody is told
    markers written         PrepareCommit -> CompleteCommit, PrepareAbort -> CompleteAbort

A decision in the log is carried out whatever happens: after a restart too, until all markers are written.
State changes only with a record in the log. Apache Kafka's TransactionCoordinator and TransactionStateManager.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.transaction_metadata import (
    EPOCH_BUMP_MIN_VERSION,
    MAX_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_TIMEOUT_MS,
    TransactionMetadata,
    is_epoch_exhausted,
)
from kafkalite.coordinator.transaction_state import (
    COMPLETE_ABORT,
    COMPLETE_COMMIT,
    EMPTY,
    ONGOING,
    PREPARE_COMMIT,
    STATES_BY_TITLE,
    TransactionState,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import ProducerIdAndEpoch, TopicPartition
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, by_number, decode_record
from kafkalite.protocol.coordinator_records.transaction_log import RECORD_TYPES, TransactionLogKey, TransactionLogValue
from kafkalite.protocol.messages import describe_transactions, list_transactions

logger = logging.getLogger(__name__)

MARKER_RETRY_BACKOFF_MS: Final = 100
ABORT_KEY: Final = "abort-timed-out-transactions"
EXPIRATION_KEY: Final = "remove-expired-transactional-ids"
_RECORD_TYPES: Final = by_number(RECORD_TYPES)


class TransactionConfig(NamedTuple):
    """Settings of the transaction coordinator, with Apache Kafka's defaults; their properties' names beside them."""

    max_timeout_ms: int = 900_000  # transaction.max.timeout.ms
    transactional_id_expiration_ms: int = 604_800_000  # transactional.id.expiration.ms
    abort_interval_ms: int = 10_000  # transaction.abort.timed.out.transaction.cleanup.interval.ms
    expiration_interval_ms: int = 3_600_000  # transaction.remove.expired.transaction.cleanup.interval.ms
    is_two_phase_commit_enabled: bool = False  # transaction.two.phase.commit.enable


NO_PRODUCER: Final = ProducerIdAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)

MarkerWriter = Callable[[TransactionMetadata, Collection[TopicPartition]], frozenset[TopicPartition]]
"""Writes a prepared transaction's markers into partitions; gives those where it has to be tried again."""


class TransactionCoordinatorShard:
    """The transactional ids of one partition.

    `transaction_version` gives the finalized level of that feature, `new_producer_id` an id never given before.
    """

    __slots__ = (
        "_config",
        "_new_producer_id",
        "_transaction_version",
        "_unmarked",
        "_write_markers",
        "timers",
        "transactions",
    )

    def __init__(
        self,
        timers: CoordinatorTimers,
        config: TransactionConfig,
        *,
        new_producer_id: Callable[[], int],
        transaction_version: Callable[[], int],
        write_markers: MarkerWriter,
    ) -> None:
        self.timers = timers
        self._config = config
        self._new_producer_id = new_producer_id
        self._transaction_version = transaction_version
        self._write_markers = write_markers
        self.transactions: dict[str, TransactionMetadata] = {}
        self._unmarked: dict[str, frozenset[TopicPartition]] = {}

    # InitProducerId

    def init_producer_id(
        self,
        transactional_id: str,
        timeout_ms: int,
        expected: ProducerIdAndEpoch | None,
        now_ms: int,
        *,
        enables_two_phase_commit: bool = False,
        keeps_prepared: bool = False,
    ) -> CoordinatorResult[ProducerIdAndEpoch]:
        """A producer begins or goes on with a transactional id; whoever used it before is fenced.

        Raises KafkaError. A result without a reply means that an open transaction is aborted first: the client is to be
        told CONCURRENT_TRANSACTIONS, and comes back.
        """
        config = self._config
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        if enables_two_phase_commit and not config.is_two_phase_commit_enabled:
            raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        if keeps_prepared:
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
        if enables_two_phase_commit:
            timeout_ms = NO_TIMEOUT_MS
        elif not 0 < timeout_ms <= config.max_timeout_ms:
            raise KafkaError(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        metadata = self.transactions.get(transactional_id)
        if metadata is None:
            metadata = TransactionMetadata(transactional_id, self._new_producer_id(), timeout_ms, now_ms)
        if expected is not None and not _may_be(metadata, expected):
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        if metadata.state.is_prepared:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        if metadata.state is ONGOING:
            return self._write(self._fenced(metadata, now_ms))
        if metadata.is_epoch_exhausted and (expected is None or expected.producer_epoch == metadata.producer_epoch):
            initialised = metadata.rotate_producer_id(
                self._new_producer_id(), timeout_ms, now_ms, keeps_last_epoch=expected is not None
            )
        elif metadata.is_epoch_exhausted:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        else:
            initialised = metadata.increment_epoch(
                timeout_ms, None if expected is None else expected.producer_epoch, now_ms
            )
        return self._write(initialised, ProducerIdAndEpoch(initialised.producer_id, initialised.producer_epoch))

    def _fenced(self, metadata: TransactionMetadata, now_ms: int) -> TransactionMetadata:
        """An open transaction is aborted over its producer's head, which can do nothing with its epoch any longer."""
        version = self._transaction_version()
        if version < EPOCH_BUMP_MIN_VERSION:
            version = 0
            epoch = min(metadata.producer_epoch + 1, MAX_EPOCH)
            metadata = metadata._replace(producer_epoch=epoch, last_producer_epoch=NO_PRODUCER_EPOCH)
        return metadata.prepare_end(
            is_commit=False,
            client_version=version,
            next_producer_id=self._next_producer_id(metadata) if version else NO_PRODUCER_ID,
            now_ms=now_ms,
        )

    def _next_producer_id(self, metadata: TransactionMetadata) -> int:
        return self._new_producer_id() if metadata.is_epoch_exhausted else NO_PRODUCER_ID

    # Partitions

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: frozenset[TopicPartition],
        client_version: int,
        now_ms: int,
    ) -> CoordinatorResult[ProducerIdAndEpoch]:
        """Partitions join the transaction; raises KafkaError where this producer may not add them now."""
        metadata = self._of(transactional_id, producer)
        if metadata.state is ONGOING and partitions <= metadata.partitions:
            return NO_EFFECTS
        return self._write(metadata.add_partitions(partitions, now_ms, client_version))

    def verify_partitions(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        """Whether partitions are in the transaction: TRANSACTION_ABORTABLE for those that are not."""
        added = self._of(transactional_id, producer).partitions
        return {
            partition: ErrorCode.NONE if partition in added else ErrorCode.TRANSACTION_ABORTABLE
            for partition in partitions
        }

    def _of(self, transactional_id: str, producer: ProducerIdAndEpoch) -> TransactionMetadata:
        """The id's metadata, if the producer is its present one and no end is under way."""
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        metadata = self.transactions.get(transactional_id)
        if metadata is None or metadata.producer_id != producer.producer_id:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if metadata.producer_epoch != producer.producer_epoch:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        if metadata.state.is_prepared:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        return metadata

    # EndTxn

    def end_transaction(
        self, transactional_id: str, producer: ProducerIdAndEpoch, *, is_commit: bool, client_version: int, now_ms: int
    ) -> CoordinatorResult[ProducerIdAndEpoch]:
        """Decides the transaction; the reply is who the producer is from now on (nobody in the older generation).

        Raises KafkaError. A request that is repeated because its answer got lost is answered again.
        """
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        metadata = self.transactions.get(transactional_id)
        if metadata is None:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if client_version < EPOCH_BUMP_MIN_VERSION:
            return self._end_keeping_epoch(metadata, producer, is_commit, now_ms)
        return self._end_raising_epoch(metadata, producer, is_commit, client_version, now_ms)

    def _end_keeping_epoch(
        self, metadata: TransactionMetadata, producer: ProducerIdAndEpoch, is_commit: bool, now_ms: int
    ) -> CoordinatorResult[ProducerIdAndEpoch]:
        if metadata.producer_id != producer.producer_id:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if metadata.producer_epoch != producer.producer_epoch:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        if metadata.state is ONGOING:
            prepared = metadata.prepare_end(
                is_commit=is_commit, client_version=0, next_producer_id=NO_PRODUCER_ID, now_ms=now_ms
            )
            return self._write(prepared, NO_PRODUCER)
        if metadata.state is EMPTY or not _is_end(metadata.state, is_commit):
            raise KafkaError(ErrorCode.INVALID_TXN_STATE)
        if metadata.state.is_prepared:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        return CoordinatorResult(reply=NO_PRODUCER)

    def _end_raising_epoch(
        self,
        metadata: TransactionMetadata,
        producer: ProducerIdAndEpoch,
        is_commit: bool,
        client_version: int,
        now_ms: int,
    ) -> CoordinatorResult[ProducerIdAndEpoch]:
        state, epoch = metadata.state, producer.producer_epoch
        # The answer to the last end got lost: the producer does not know its new epoch, or id, yet.
        is_retry_after_rotation = (
            metadata.previous_producer_id == producer.producer_id
            and epoch == MAX_EPOCH - 1
            and metadata.producer_epoch == 0
        )
        is_retry_after_bump = metadata.producer_epoch == epoch + 1
        is_retry = is_retry_after_bump or is_retry_after_rotation
        if metadata.producer_id != producer.producer_id and not is_retry_after_rotation:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        is_current = epoch == metadata.producer_epoch
        if state.is_prepared:
            is_valid = is_retry_after_bump
        else:
            is_valid = is_current or (state in (COMPLETE_COMMIT, COMPLETE_ABORT) and is_retry)
        if not is_valid:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        if state is not ONGOING:
            if is_retry and _is_end(state, is_commit):
                if state.is_prepared:
                    raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
                return CoordinatorResult(reply=ProducerIdAndEpoch(metadata.producer_id, metadata.producer_epoch))
            if is_commit or is_retry:
                raise KafkaError(ErrorCode.INVALID_TXN_STATE)
        prepared = metadata.prepare_end(
            is_commit=is_commit,
            client_version=client_version,
            next_producer_id=self._next_producer_id(metadata),
            now_ms=now_ms,
            has_partitions=state is ONGOING,
        )
        completed = prepared.complete(now_ms)
        return self._write(prepared, ProducerIdAndEpoch(completed.producer_id, completed.producer_epoch))

    # Writing

    def _write(
        self, metadata: TransactionMetadata, reply: ProducerIdAndEpoch | None = None
    ) -> CoordinatorResult[ProducerIdAndEpoch]:
        """Puts metadata into the log, and into the state once it is there."""

        def on_appended(error: KafkaError | None) -> None:
            if error is None:
                self._install(metadata)

        return CoordinatorResult([self._record(metadata)], reply, on_appended=on_appended, is_replayed=False)

    def _record(self, metadata: TransactionMetadata) -> CoordinatorRecord:
        version = 1 if self._transaction_version() >= 1 else 0
        key = TransactionLogKey(transactional_id=metadata.transactional_id)
        return CoordinatorRecord(key, metadata.to_record(version), version)

    def _install(self, metadata: TransactionMetadata) -> None:
        self.transactions[metadata.transactional_id] = metadata
        if metadata.state.is_prepared:
            self._unmarked[metadata.transactional_id] = metadata.partitions
            self._schedule_markers(metadata.transactional_id, 0)

    def _schedule_markers(self, transactional_id: str, delay_ms: int) -> None:
        self.timers.schedule(
            ("markers", transactional_id), delay_ms, lambda now_ms: self._carry_out(transactional_id, now_ms)
        )

    def _carry_out(self, transactional_id: str, now_ms: int) -> CoordinatorResult[None]:
        """Writes the markers of a decided transaction, and when all are written, completes it."""
        metadata = self.transactions.get(transactional_id)
        if metadata is None or not metadata.state.is_prepared:
            return NO_EFFECTS
        unmarked = self._unmarked.get(transactional_id, metadata.partitions)
        if unmarked:
            unmarked = self._unmarked[transactional_id] = self._write_markers(metadata, unmarked)
        if unmarked:
            self._schedule_markers(transactional_id, MARKER_RETRY_BACKOFF_MS)
            return NO_EFFECTS
        completed = metadata.complete(now_ms)

        def on_appended(error: KafkaError | None) -> None:
            if error is None:
                self._unmarked.pop(transactional_id, None)
                self.transactions[transactional_id] = completed
            else:
                self._schedule_markers(transactional_id, MARKER_RETRY_BACKOFF_MS)

        return CoordinatorResult([self._record(completed)], on_appended=on_appended, is_replayed=False)

    # Time

    def on_loaded(self, now_ms: int) -> None:
        """All records have been replayed: decided transactions are carried out, and time begins to run."""
        for metadata in list(self.transactions.values()):
            if metadata.state.is_prepared:
                self._install(metadata)
        self._schedule_abort()
        self._schedule_expiration()

    def on_written(self) -> None:
        """Nothing waits for records to be appended."""

    def on_unloaded(self) -> None:
        """Nobody waits for answers of this coordinator."""

    def _schedule_abort(self) -> None:
        self.timers.schedule(ABORT_KEY, self._config.abort_interval_ms, self._abort_timed_out)

    def _abort_timed_out(self, now_ms: int) -> CoordinatorResult[None]:
        self._schedule_abort()
        fenced = [
            self._fenced(metadata, now_ms)
            for metadata in self.transactions.values()
            if metadata.state is ONGOING
            and metadata.timeout_ms != NO_TIMEOUT_MS
            and metadata.start_ms + metadata.timeout_ms < now_ms
        ]

        def on_appended(error: KafkaError | None) -> None:
            if error is None:
                for metadata in fenced:
                    logger.info("Rolling back the transaction of %s after its timeout", metadata.transactional_id)
                    self._install(metadata)

        records = [self._record(metadata) for metadata in fenced]
        return CoordinatorResult(records, on_appended=on_appended, is_replayed=False, is_atomic=False)

    def _schedule_expiration(self) -> None:
        self.timers.schedule(EXPIRATION_KEY, self._config.expiration_interval_ms, self._remove_expired)

    def _remove_expired(self, now_ms: int) -> CoordinatorResult[None]:
        self._schedule_expiration()
        limit_ms = now_ms - self._config.transactional_id_expiration_ms
        records = [
            CoordinatorRecord(TransactionLogKey(transactional_id=metadata.transactional_id), None)
            for metadata in self.transactions.values()
            if metadata.state.is_expiration_allowed and metadata.last_update_ms <= limit_ms
        ]
        return CoordinatorResult(records, is_atomic=False)

    # Administration

    def describe(self, transactional_id: str) -> describe_transactions.TransactionState:
        """One transactional id of DescribeTransactions."""
        described = describe_transactions.TransactionState(transactional_id=transactional_id)
        metadata = self.transactions.get(transactional_id)
        if not transactional_id:
            described.error_code = ErrorCode.INVALID_REQUEST
        elif metadata is None:
            described.error_code = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        else:
            topics: dict[str, list[int]] = {}
            for topic, index in sorted(metadata.partitions):
                topics.setdefault(topic, []).append(index)
            described.producer_id = metadata.producer_id
            described.producer_epoch = metadata.producer_epoch
            described.transaction_state = metadata.state.title
            described.transaction_timeout_ms = metadata.timeout_ms
            described.transaction_start_time_ms = metadata.start_ms
            described.topics = [
                describe_transactions.TopicData(topic=topic, partitions=of_topic) for topic, of_topic in topics.items()
            ]
        return described

    def list_transactions(
        self,
        states: Collection[str],
        producer_ids: Collection[int],
        duration_ms: int,
        matches: Callable[[str], bool] | None,
        now_ms: int,
    ) -> list[list_transactions.TransactionState]:
        """Those that pass all filters; empty filters, a negative duration and no matcher let everything pass."""
        wanted = {STATES_BY_TITLE[title] for title in states if title in STATES_BY_TITLE}
        return [
            list_transactions.TransactionState(
                transactional_id=metadata.transactional_id,
                producer_id=metadata.producer_id,
                transaction_state=metadata.state.title,
            )
            for metadata in self.transactions.values()
            if (not producer_ids or metadata.producer_id in producer_ids)
            and (not states or metadata.state in wanted)
            and (duration_ms < 0 or now_ms - metadata.start_ms > duration_ms)
            and (matches is None or matches(metadata.transactional_id))
        ]

    # Replay

    def decode(self, key: bytes, value: bytes | None) -> tuple[CoordinatorKey, CoordinatorValue | None] | None:
        """A record's key and value; None for a type that is not known."""
        return decode_record(_RECORD_TYPES, key, value)

    def replay(
        self, record_offset: int, producer_id: int, key: CoordinatorKey, value: CoordinatorValue | None, now_ms: int
    ) -> None:
        """Brings one record of the partition into the state."""
        assert isinstance(key, TransactionLogKey)
        if value is None:
            self.transactions.pop(key.transactional_id, None)
            self._unmarked.pop(key.transactional_id, None)
            return
        assert isinstance(value, TransactionLogValue)
        metadata = TransactionMetadata.from_record(key.transactional_id, value)
        self.transactions[key.transactional_id] = metadata

    def replay_end_transaction_marker(self, producer_id: int, *, is_commit: bool) -> None:
        """Nobody writes to this topic in a transaction."""


def _may_be(metadata: TransactionMetadata, producer: ProducerIdAndEpoch) -> bool:
    """Whether a producer that names itself may be the id's present one, perhaps after an answer that got lost."""
    return (
        metadata.producer_epoch == NO_PRODUCER_EPOCH
        or producer.producer_id == metadata.producer_id
        or (producer.producer_id == metadata.previous_producer_id and is_epoch_exhausted(producer.producer_epoch))
    )


def _is_end(state: TransactionState, is_commit: bool) -> bool:
    """Whether a state is the outcome that was asked for, under way or reached."""
    return (state in (PREPARE_COMMIT, COMPLETE_COMMIT)) == is_commit
