"""What is known of a transactional id, and what it turns into by each event; a value that is never changed.

Two generations of the protocol (KIP-890): in the older one (transaction versions 0 and 1) a producer keeps its epoch
until it is initialised anew; in the newer one (2) every end of a transaction raises the epoch, so that what was sent
for an earlier transaction can never end up in a later one. At the last epoch the producer gets a new id.
Apache Kafka's TransactionMetadata.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final, NamedTuple

from kafkalite.coordinator.transaction_state import (
    COMPLETE_ABORT,
    COMPLETE_COMMIT,
    EMPTY,
    ONGOING,
    PREPARE_ABORT,
    PREPARE_COMMIT,
    PREVIOUS_STATES,
    TransactionState,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.coordinator_records.transaction_log import PartitionsSchema, TransactionLogValue

NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
NO_TIMESTAMP: Final = -1
MAX_EPOCH: Final = 32767
EPOCH_BUMP_MIN_VERSION: Final = 2
"""The transaction version from which on every end of a transaction raises the producer's epoch."""
NO_TIMEOUT_MS: Final = 2**31 - 1
"""The timeout of transactions in two phases, which only their owner ends."""


def is_epoch_exhausted(producer_epoch: int) -> bool:
    """Whether no producer may be given a higher epoch; the last one is kept for fencing."""
    return producer_epoch >= MAX_EPOCH - 1


class TransactionMetadata(NamedTuple):
    """A transactional id; times in wall-clock milliseconds."""

    transactional_id: str
    producer_id: int
    timeout_ms: int
    last_update_ms: int
    previous_producer_id: int = NO_PRODUCER_ID
    next_producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH
    last_producer_epoch: int = NO_PRODUCER_EPOCH
    state: TransactionState = EMPTY
    partitions: frozenset[TopicPartition] = frozenset()
    start_ms: int = NO_TIMESTAMP
    client_version: int = 0

    @property
    def is_epoch_exhausted(self) -> bool:
        """See the function of the same name."""
        return is_epoch_exhausted(self.producer_epoch)

    def _enter(self, state: TransactionState, **changes: object) -> TransactionMetadata:
        if self.state not in PREVIOUS_STATES[state]:
            raise RuntimeError(f"transactional id {self.transactional_id} cannot go from {self.state} to {state}")
        changes.setdefault("previous_producer_id", self.producer_id)
        return self._replace(state=state, **changes)  # type: ignore[arg-type]

    def increment_epoch(self, timeout_ms: int, expected_epoch: int | None, now_ms: int) -> TransactionMetadata:
        """A producer is initialised and gets the next epoch, or, repeating a request, the one it was given.

        Raises PRODUCER_FENCED where the producer's epoch is neither the present nor the last one (KIP-360).
        """
        epoch, last_epoch = self.producer_epoch + 1, NO_PRODUCER_EPOCH
        if expected_epoch is not None:
            if self.producer_epoch == NO_PRODUCER_EPOCH or expected_epoch == self.producer_epoch:
                last_epoch = self.producer_epoch
            elif expected_epoch == self.last_producer_epoch:
                epoch, last_epoch = self.producer_epoch, self.last_producer_epoch
            else:
                raise KafkaError(ErrorCode.PRODUCER_FENCED)
        return self._enter(
            EMPTY,
            producer_epoch=epoch,
            last_producer_epoch=last_epoch,
            timeout_ms=timeout_ms,
            partitions=frozenset(),
            start_ms=NO_TIMESTAMP,
            last_update_ms=now_ms,
        )

    def rotate_producer_id(
        self, producer_id: int, timeout_ms: int, now_ms: int, *, keeps_last_epoch: bool
    ) -> TransactionMetadata:
        """A producer is initialised whose id has no epochs left: it gets another id."""
        return self._enter(
            EMPTY,
            producer_id=producer_id,
            producer_epoch=0,
            last_producer_epoch=self.producer_epoch if keeps_last_epoch else NO_PRODUCER_EPOCH,
            timeout_ms=timeout_ms,
            partitions=frozenset(),
            start_ms=NO_TIMESTAMP,
            last_update_ms=now_ms,
        )

    def add_partitions(
        self, partitions: frozenset[TopicPartition], now_ms: int, client_version: int
    ) -> TransactionMetadata:
        """Partitions join the transaction, or begin it."""
        return self._enter(
            ONGOING,
            partitions=self.partitions | partitions,
            start_ms=self.start_ms if self.state is ONGOING else now_ms,
            last_update_ms=now_ms,
            client_version=client_version,
        )

    def prepare_end(
        self, *, is_commit: bool, client_version: int, next_producer_id: int, now_ms: int, has_partitions: bool = True
    ) -> TransactionMetadata:
        """The transaction is decided. Without partitions it never began, so it is taken to begin now."""
        epoch, last_epoch = self.producer_epoch, self.last_producer_epoch
        if client_version >= EPOCH_BUMP_MIN_VERSION:
            epoch, last_epoch = min(self.producer_epoch + 1, MAX_EPOCH), self.producer_epoch
        return self._enter(
            PREPARE_COMMIT if is_commit else PREPARE_ABORT,
            producer_epoch=epoch,
            last_producer_epoch=last_epoch,
            start_ms=self.start_ms if has_partitions else now_ms,
            next_producer_id=next_producer_id,
            last_update_ms=now_ms,
            client_version=client_version,
        )

    def complete(self, now_ms: int) -> TransactionMetadata:
        """All markers are written. A producer whose epochs are used up goes on with its new id."""
        producer_id, epoch = self.producer_id, self.producer_epoch
        if self.client_version >= EPOCH_BUMP_MIN_VERSION and self.next_producer_id != NO_PRODUCER_ID:
            producer_id, epoch = self.next_producer_id, 0
        return self._enter(
            COMPLETE_COMMIT if self.state is PREPARE_COMMIT else COMPLETE_ABORT,
            producer_id=producer_id,
            producer_epoch=epoch,
            next_producer_id=NO_PRODUCER_ID,
            partitions=frozenset(),
            last_update_ms=now_ms,
        )

    def to_record(self, version: int) -> TransactionLogValue:
        """As it stands in `__transaction_state`; the last epoch is not written."""
        partitions = None
        if self.state is not EMPTY:
            partitions = [
                PartitionsSchema(topic=topic, partition_ids=[partition.partition for partition in of_topic])
                for topic, of_topic in groupby(sorted(self.partitions), key=lambda partition: partition.topic)
            ]
        value = TransactionLogValue(
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            transaction_timeout_ms=self.timeout_ms,
            transaction_status=self.state.value,
            transaction_partitions=partitions,
            transaction_last_update_timestamp_ms=self.last_update_ms,
            transaction_start_timestamp_ms=self.start_ms,
        )
        if version >= 1:
            value.previous_producer_id = self.previous_producer_id
            value.next_producer_id = self.next_producer_id
            value.client_transaction_version = self.client_version
        return value

    @classmethod
    def from_record(cls, transactional_id: str, value: TransactionLogValue) -> TransactionMetadata:
        """The transactional id as a record has it."""
        return cls(
            transactional_id,
            value.producer_id,
            value.transaction_timeout_ms,
            value.transaction_last_update_timestamp_ms,
            previous_producer_id=value.previous_producer_id,
            next_producer_id=value.next_producer_id,
            producer_epoch=value.producer_epoch,
            state=TransactionState(value.transaction_status),
            partitions=frozenset(
                TopicPartition(of_topic.topic, index)
                for of_topic in value.transaction_partitions or ()
                for index in of_topic.partition_ids
            ),
            start_ms=value.transaction_start_timestamp_ms,
            client_version=value.client_transaction_version,
        )
