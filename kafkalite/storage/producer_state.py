"""The producers of one partition (ProducerStateManager): duplicates, sequence and epoch rules, open transactions.

Checking and taking in are two steps: `check_data_batch` and `check_marker` change nothing, so that a batch that cannot
be written leaves no trace; `add_data_batch` and `add_marker` follow the write. What is known here equals what taking in
all batches of the log gives, starting from the latest snapshot.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.end_transaction_marker import EndTransactionMarker
from kafkalite.storage.log_context import DEFAULT_PRODUCER_ID_EXPIRATION_MS
from kafkalite.storage.producer_state_entry import NO_OFFSET, BatchMetadata, ProducerStateEntry
from kafkalite.storage.transaction_index import AbortedTxn

TRANSACTION_VERSION_UNKNOWN: Final = -1
_MAX_SEQUENCE: Final = 0x7FFFFFFF
_MAX_EPOCH: Final = 0x7FFF


class AppendOrigin(Enum):
    """Who appends, and so what is checked."""

    REPLICATION = "replication"
    COORDINATOR = "coordinator"
    CLIENT = "client"
    RAFT_LEADER = "raft leader"


class VerificationState:
    """A producer whose transactional write waits for the word that its transaction has this partition (KIP-890).

    The object itself is the guard: an append passes with the one that is current for its producer.
    """

    __slots__ = ("created_ms", "epoch", "lowest_sequence", "supports_epoch_bump")

    def __init__(self, created_ms: int, lowest_sequence: int, epoch: int, supports_epoch_bump: bool) -> None:
        self.created_ms = created_ms
        self.lowest_sequence = lowest_sequence
        self.epoch = epoch
        self.supports_epoch_bump = supports_epoch_bump

    def note(self, sequence: int, epoch: int) -> None:
        if epoch == self.epoch and sequence < self.lowest_sequence:
            self.lowest_sequence = sequence
        if epoch > self.epoch:
            self.epoch = epoch
            self.lowest_sequence = sequence


class ProducerStateManager:
    """The state of all producers of one partition."""

    __slots__ = (
        "expiration_ms",
        "is_verification_enabled",
        "map_end_offset",
        "ongoing_transactions",
        "producers",
        "topic_partition",
        "verification_states",
    )

    def __init__(
        self,
        topic_partition: TopicPartition,
        *,
        expiration_ms: int = DEFAULT_PRODUCER_ID_EXPIRATION_MS,
        is_verification_enabled: bool = True,
    ) -> None:
        self.topic_partition = topic_partition
        self.expiration_ms = expiration_ms
        self.is_verification_enabled = is_verification_enabled
        self.producers: dict[int, ProducerStateEntry] = {}
        self.ongoing_transactions: dict[int, int] = {}
        """First offset -> producer id, in the order of the offsets."""
        self.verification_states: dict[int, VerificationState] = {}
        self.map_end_offset = 0
        """The end of the log up to which this is the state."""

    # --- what is known ---

    def first_unstable_offset(self) -> int | None:
        """Where the earliest open transaction began: the last stable offset while there is one."""
        for offset in self.ongoing_transactions:
            return offset
        return None

    def has_ongoing_transaction(self, producer_id: int, producer_epoch: int) -> bool:
        entry = self.producers.get(producer_id)
        return entry is not None and entry.current_txn_first_offset >= 0 and entry.producer_epoch == producer_epoch

    def is_empty(self) -> bool:
        return not self.producers

    # --- verification of transactional writes ---

    def start_verification(
        self, producer_id: int, sequence: int, epoch: int, supports_epoch_bump: bool, now_ms: int
    ) -> VerificationState | None:
        """The guard with which the producer's write passes once the coordinator has agreed; None: no word needed.

        Raises KafkaError(INVALID_PRODUCER_EPOCH) for an epoch that is over.
        """
        entry = self.producers.get(producer_id)
        if entry is not None and epoch < entry.producer_epoch:
            raise self._old_epoch(producer_id, epoch, entry.producer_epoch)
        if self.has_ongoing_transaction(producer_id, epoch) or not self.is_verification_enabled:
            return None
        state = self.verification_states.get(producer_id)
        if state is None:
            state = VerificationState(now_ms, sequence, epoch, supports_epoch_bump)
            self.verification_states[producer_id] = state
        else:
            state.note(sequence, epoch)
        return state

    def _old_epoch(self, producer_id: int, epoch: int, current_epoch: int) -> KafkaError:
        return KafkaError(
            ErrorCode.INVALID_PRODUCER_EPOCH,
            f"Epoch of producer {producer_id} is {epoch}, which is smaller than the last seen epoch {current_epoch}",
        )

    # --- data batches ---

    def check_data_batch(
        self,
        header: BatchHeader,
        offset: int,
        origin: AppendOrigin,
        verification_guard: VerificationState | None = None,
    ) -> BatchMetadata | None:
        """Whether a producer's batch may be appended at `offset`; if it repeats one of the last five, that one.

        Raises KafkaError: OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE.
        """
        producer_id, producer_epoch, first_sequence = header.producer_id, header.producer_epoch, header.base_sequence
        entry = self.producers.get(producer_id)
        is_transactional = header.attributes & 0x10
        if origin is AppendOrigin.CLIENT and entry is not None:
            last_sequence = (first_sequence + header.last_offset_delta) & _MAX_SEQUENCE
            duplicate = entry.find_duplicate(producer_epoch, first_sequence, last_sequence)
            if duplicate is not None:
                return duplicate
        if is_transactional and not (
            entry is not None and entry.current_txn_first_offset >= 0 and entry.producer_epoch == producer_epoch
        ):
            self._check_transaction_start(entry, header, origin, verification_guard)
        if entry is not None and producer_epoch < entry.producer_epoch and origin is not AppendOrigin.REPLICATION:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {producer_id} at offset {offset} in {self.topic_partition} is {producer_epoch}, "
                f"which is < the last seen epoch {entry.producer_epoch} (TV{TRANSACTION_VERSION_UNKNOWN})",
            )
        if origin is AppendOrigin.CLIENT:
            self._check_sequence(entry, producer_id, producer_epoch, first_sequence, offset)
        if entry is not None and entry.current_txn_first_offset >= 0 and not is_transactional:
            raise KafkaError(
                ErrorCode.INVALID_TXN_STATE,
                f"Expected transactional write from producer {producer_id} at offset {offset} in partition "
                f"{self.topic_partition}",
            )
        return None

    def _check_transaction_start(
        self,
        entry: ProducerStateEntry | None,
        header: BatchHeader,
        origin: AppendOrigin,
        verification_guard: VerificationState | None,
    ) -> None:
        if origin not in (AppendOrigin.CLIENT, AppendOrigin.COORDINATOR):
            return
        if entry is not None and header.producer_epoch < entry.producer_epoch:
            raise self._old_epoch(header.producer_id, header.producer_epoch, entry.producer_epoch)
        if self.is_verification_enabled and (
            verification_guard is None or self.verification_states.get(header.producer_id) is not verification_guard
        ):
            raise KafkaError(ErrorCode.INVALID_TXN_STATE, "Record was not part of an ongoing transaction")

    def _check_sequence(
        self, entry: ProducerStateEntry | None, producer_id: int, producer_epoch: int, sequence: int, offset: int
    ) -> None:
        if self.verification_states:
            self._check_sequence_of_unverified(entry, producer_id, sequence, offset)
        if entry is None or entry.producer_epoch == -1:
            return  # nothing is known of this producer (any more): whatever it begins with is right
        if producer_epoch != entry.producer_epoch:
            if sequence:
                raise self._out_of_order(
                    f"Invalid sequence number for new epoch of producer {producer_id} at offset {offset} in partition "
                    f"{self.topic_partition}: {producer_epoch} (request epoch), {sequence} (seq. number), "
                    f"{entry.producer_epoch} (current producer epoch)"
                )
            return
        batches = entry.batches
        last_sequence = batches[-1].last_sequence if batches else -1
        if sequence != last_sequence + 1 and (sequence or last_sequence != _MAX_SEQUENCE):
            raise self._out_of_order(
                f"Out of order sequence number for producer {producer_id} at offset {offset} in partition "
                f"{self.topic_partition}: {sequence} (incoming seq. number), {last_sequence} (current end sequence "
                "number)"
            )

    def _check_sequence_of_unverified(
        self, entry: ProducerStateEntry | None, producer_id: int, sequence: int, offset: int
    ) -> None:
        state = self.verification_states.get(producer_id)
        if state is None:
            return
        if state.supports_epoch_bump and sequence and (entry is None or not entry.batches):
            raise self._out_of_order(
                f"Invalid sequence number for producer {producer_id} at offset {offset} in partition "
                f"{self.topic_partition}: {sequence} (incoming seq. number). Expected sequence 0 for transactions v2 "
                "idempotent producer with no existing state."
            )
        if sequence > state.lowest_sequence:
            raise self._out_of_order(
                f"Out of order sequence number for producer {producer_id} at offset {offset} in partition "
                f"{self.topic_partition}: {sequence} (incoming seq. number), {state.lowest_sequence} (earliest seen "
                "sequence)"
            )

    def _out_of_order(self, message: str) -> KafkaError:
        return KafkaError(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, message)

    def add_data_batch(self, header: BatchHeader, first_offset: int) -> None:
        """Takes in a batch that was appended at `first_offset`."""
        producer_id = header.producer_id
        entry = self.producers.get(producer_id)
        if entry is None:
            entry = self.producers[producer_id] = ProducerStateEntry(producer_id)
        delta = header.last_offset_delta
        sequence = header.base_sequence
        last_sequence = -1 if sequence < 0 else (sequence + delta) & _MAX_SEQUENCE
        entry.add_batch(header.producer_epoch, last_sequence, first_offset + delta, delta, header.max_timestamp)
        if header.attributes & 0x10:
            if entry.current_txn_first_offset < 0:
                entry.current_txn_first_offset = first_offset
                self.ongoing_transactions[first_offset] = producer_id
            self.verification_states.pop(producer_id, None)

    # --- transaction markers ---

    def check_marker(
        self,
        header: BatchHeader,
        marker: EndTransactionMarker,
        offset: int,
        origin: AppendOrigin,
        transaction_version: int = TRANSACTION_VERSION_UNKNOWN,
    ) -> None:
        """Whether a transaction marker may be appended.

        Raises KafkaError: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED. From transaction version 2 on a
        marker carries a higher epoch than the producer's writes; the repeated one of a finished transaction passes.
        """
        if origin is AppendOrigin.REPLICATION:
            return
        entry = self.producers.get(header.producer_id)
        current_epoch = entry.producer_epoch if entry is not None else -1
        epoch = header.producer_epoch
        has_open_transaction = entry is not None and entry.current_txn_first_offset >= 0
        if transaction_version >= 2:
            is_repeated = epoch == current_epoch and (not has_open_transaction or epoch == _MAX_EPOCH)
            is_invalid = epoch <= current_epoch and not is_repeated
        else:
            is_invalid = epoch < current_epoch
        if is_invalid:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {header.producer_id} at offset {offset} in {self.topic_partition} is {epoch}, "
                f"which is {'<=' if transaction_version >= 2 else '<'} the last seen epoch {current_epoch} "
                f"(TV{max(0, transaction_version)})",
            )
        if entry is not None and entry.coordinator_epoch > marker.coordinator_epoch:
            raise KafkaError(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"Invalid coordinator epoch for producerId {header.producer_id} at offset {offset} in partition "
                f"{self.topic_partition}: {marker.coordinator_epoch} (zombie), {entry.coordinator_epoch} (current)",
            )

    def add_marker(self, header: BatchHeader, marker: EndTransactionMarker, offset: int) -> AbortedTxn | None:
        """Takes in a marker that was appended at `offset`; the entry for the transaction index if it is an abort."""
        producer_id = header.producer_id
        entry = self.producers.get(producer_id)
        if entry is None:
            entry = self.producers[producer_id] = ProducerStateEntry(producer_id)
        first_offset = entry.current_txn_first_offset
        entry.end_transaction(header.producer_epoch, marker.coordinator_epoch, header.max_timestamp)
        if header.attributes & 0x10:
            state = self.verification_states.get(producer_id)
            if state is not None and not (state.supports_epoch_bump and state.epoch == header.producer_epoch):
                del self.verification_states[producer_id]
        if first_offset == NO_OFFSET:
            return None
        self.ongoing_transactions.pop(first_offset, None)
        if marker.is_commit:
            return None
        first_unstable = self.first_unstable_offset()
        last_stable_offset = offset + 1 if first_unstable is None else first_unstable
        return AbortedTxn(producer_id, first_offset, offset, last_stable_offset)

    # --- any batch ---

    def add_batch(self, header: BatchHeader, marker: EndTransactionMarker | None) -> AbortedTxn | None:
        """Takes in a batch of the log (and what it says if it is a marker); the transaction index's entry if it is an
        abort."""
        if header.producer_id < 0:
            return None
        if not header.is_control:
            self.add_data_batch(header, header.base_offset)
            return None
        return None if marker is None else self.add_marker(header, marker, header.base_offset)

    # --- expiry, loading ---

    def remove_expired(self, now_ms: int) -> None:
        """Forgets producers that have not written for `producer.id.expiration.ms` and have no open transaction."""
        expiration_ms = self.expiration_ms
        expired = [producer_id for producer_id, entry in self.producers.items() if self._is_expired(entry, now_ms)]
        for producer_id in expired:
            del self.producers[producer_id]
        states = self.verification_states
        for producer_id in [key for key, state in states.items() if now_ms - state.created_ms >= expiration_ms]:
            del states[producer_id]

    def _is_expired(self, entry: ProducerStateEntry, now_ms: int) -> bool:
        return entry.current_txn_first_offset < 0 and now_ms - entry.last_timestamp >= self.expiration_ms

    def clear(self, map_end_offset: int) -> None:
        """Forgets all producers; verification goes on."""
        self.producers.clear()
        self.ongoing_transactions.clear()
        self.map_end_offset = map_end_offset

    def load(self, entries: list[ProducerStateEntry], map_end_offset: int, now_ms: int) -> None:
        """Takes the place of what was known: a snapshot at `map_end_offset`, without what has expired."""
        self.clear(map_end_offset)
        for entry in entries:
            if not self._is_expired(entry, now_ms):
                self.producers[entry.producer_id] = entry
        opened = [entry for entry in self.producers.values() if entry.current_txn_first_offset >= 0]
        for entry in sorted(opened, key=lambda entry: entry.current_txn_first_offset):
            self.ongoing_transactions[entry.current_txn_first_offset] = entry.producer_id
