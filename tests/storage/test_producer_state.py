"""Idempotent and transactional producers: duplicates, sequences, epochs, open transactions, verification, expiry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.storage.log_append_info import LogAppendInfo
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_snapshot import CorruptSnapshotError, decode_snapshot, encode_snapshot
from kafkalite.storage.producer_state import AppendOrigin, VerificationState
from kafkalite.storage.producer_state_entry import ProducerStateEntry
from log_disk import BatchMaker, Disk, EndMarkerMaker

MAX_SEQUENCE = 0x7FFFFFFF


class Producer:
    """Appends batches of one producer id to a log and gives back what is answered."""

    def __init__(
        self, log: PartitionLog, batch: BatchMaker, end_marker: EndMarkerMaker, now_ms: int, producer_id: int = 9
    ) -> None:
        self.log = log
        self._batch = batch
        self._end_marker = end_marker
        self._now_ms = now_ms
        self._producer_id = producer_id

    def send(
        self,
        sequence: int,
        *,
        epoch: int = 0,
        count: int = 1,
        in_transaction: bool = False,
        guard: VerificationState | None = None,
    ) -> LogAppendInfo:
        values = [b"x"] * count
        records = self._batch(
            *values,
            producer_id=self._producer_id,
            epoch=epoch,
            sequence=sequence,
            is_transactional=in_transaction,
            timestamp=self._now_ms,
        )
        return self.log.append(records, now_ms=self._now_ms, verification_guard=guard)

    def end(
        self, *, is_commit: bool = True, epoch: int = 0, coordinator_epoch: int = 0, version: int = 1
    ) -> LogAppendInfo:
        records = self._end_marker(self._producer_id, epoch, is_commit=is_commit, coordinator_epoch=coordinator_epoch)
        return self.log.append(
            records, now_ms=self._now_ms, origin=AppendOrigin.COORDINATOR, transaction_version=version
        )

    def refusal(self, send: Callable[..., LogAppendInfo], *arguments: Any, **options: Any) -> ErrorCode:
        end = self.log.log_end_offset
        with pytest.raises(KafkaError) as raised:
            send(*arguments, **options)
        assert self.log.log_end_offset == end
        return raised.value.error


@pytest.fixture
def log(memory_disk: Disk) -> PartitionLog:
    log = memory_disk.open_log()
    log.producer_state.is_verification_enabled = False
    return log


@pytest.fixture
def producer(log: PartitionLog, batch: BatchMaker, end_marker: EndMarkerMaker, memory_disk: Disk) -> Producer:
    return Producer(log, batch, end_marker, memory_disk.now_ms)


def test_each_of_the_last_five_batches_is_known_again_with_its_first_offset(
    producer: Producer, log: PartitionLog
) -> None:
    for sequence in range(0, 14, 2):
        producer.send(sequence, count=2)
    for sequence in range(4, 14, 2):
        answer = producer.send(sequence, count=2)
        assert (answer.is_duplicate, answer.first_offset, answer.last_offset) == (True, sequence, sequence + 1)
    assert log.log_end_offset == 14
    assert producer.refusal(producer.send, 2, count=2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producer.refusal(producer.send, 12, count=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_gap_in_the_sequence_is_refused(producer: Producer) -> None:
    producer.send(0)
    assert producer.refusal(producer.send, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producer.send(1).first_offset == 1


def test_an_unknown_producer_may_begin_anywhere(producer: Producer) -> None:
    assert producer.send(17).first_offset == 0
    assert producer.send(18).first_offset == 1


def test_the_sequence_goes_on_at_zero_behind_the_largest_number(producer: Producer) -> None:
    producer.send(MAX_SEQUENCE - 1, count=2)
    assert producer.send(0).first_offset == 2
    assert producer.send(MAX_SEQUENCE - 1, count=2).is_duplicate


def test_the_sequence_of_one_batch_may_run_over_the_largest_number(producer: Producer) -> None:
    producer.send(MAX_SEQUENCE, count=3)
    assert producer.send(2).first_offset == 3
    assert producer.send(MAX_SEQUENCE, count=3).is_duplicate


def test_a_new_epoch_begins_at_zero_and_ends_the_old_one(producer: Producer) -> None:
    producer.send(0)
    assert producer.refusal(producer.send, 1, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producer.send(0, epoch=1).first_offset == 1
    assert producer.refusal(producer.send, 1, epoch=0) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert producer.refusal(producer.send, 0, epoch=0) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_the_last_stable_offset_waits_for_the_earliest_open_transaction(
    producer: Producer, log: PartitionLog, batch: BatchMaker, end_marker: EndMarkerMaker, memory_disk: Disk
) -> None:
    other = Producer(log, batch, end_marker, memory_disk.now_ms, producer_id=10)
    log.append(batch(b"plain"), now_ms=memory_disk.now_ms)
    producer.send(0, in_transaction=True)
    other.send(0, in_transaction=True)
    producer.send(1, in_transaction=True)
    assert log.last_stable_offset == 1
    producer.end()
    assert log.last_stable_offset == 2
    assert log.read(0, 1 << 20, isolation_level=1).records.size == log.read(2, 1 << 20).records.position
    other.end(is_commit=False)
    assert log.last_stable_offset == log.log_end_offset == 6


def test_only_committed_reads_name_aborted_transactions(producer: Producer, log: PartitionLog) -> None:
    producer.send(0, in_transaction=True)
    producer.send(1, in_transaction=True)
    producer.end(is_commit=False)
    producer.send(2)
    assert log.read(0, 1 << 20).aborted_transactions is None
    for offset in (0, 1, 2):
        (aborted,) = log.read(offset, 1 << 20, isolation_level=1).aborted_transactions or []
        assert aborted == (9, 0, 2, 3)
    assert log.read(3, 1 << 20, isolation_level=1).aborted_transactions == []
    assert log.read(4, 1 << 20, isolation_level=1).aborted_transactions == []


def test_writes_outside_of_the_open_transaction_are_refused(producer: Producer) -> None:
    producer.send(0, in_transaction=True)
    assert producer.refusal(producer.send, 1) is ErrorCode.INVALID_TXN_STATE


def test_markers_of_old_epochs_and_of_old_coordinators_are_refused(producer: Producer) -> None:
    producer.send(0, epoch=3, in_transaction=True)
    assert producer.refusal(producer.end, epoch=2) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert producer.refusal(producer.end, epoch=3, version=2) is ErrorCode.INVALID_PRODUCER_EPOCH
    producer.end(epoch=4, coordinator_epoch=5, version=2)
    producer.end(epoch=4, coordinator_epoch=5, version=2)  # repeated: the transaction has ended already
    fenced = producer.refusal(producer.end, epoch=4, coordinator_epoch=4)
    assert fenced is ErrorCode.TRANSACTION_COORDINATOR_FENCED
    assert producer.send(0, epoch=4, in_transaction=True).is_duplicate is False
    assert producer.refusal(producer.send, 1, epoch=3, in_transaction=True) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_transaction_begins_only_with_the_guard_that_is_current(
    producer: Producer, log: PartitionLog, memory_disk: Disk
) -> None:
    log.producer_state.is_verification_enabled = True
    assert producer.refusal(producer.send, 0, in_transaction=True) is ErrorCode.INVALID_TXN_STATE
    guard = log.start_transaction_verification(9, 0, 0, False, memory_disk.now_ms)
    assert guard is log.start_transaction_verification(9, 0, 0, False, memory_disk.now_ms)
    producer.send(0, in_transaction=True, guard=guard)
    assert log.start_transaction_verification(9, 1, 0, False, memory_disk.now_ms) is None
    producer.send(1, in_transaction=True)
    producer.end()
    assert producer.refusal(producer.send, 2, in_transaction=True, guard=guard) is ErrorCode.INVALID_TXN_STATE


def test_with_transactions_of_version_2_an_unknown_producer_begins_at_zero(
    producer: Producer, log: PartitionLog, memory_disk: Disk
) -> None:
    log.producer_state.is_verification_enabled = True
    guard = log.start_transaction_verification(9, 5, 0, True, memory_disk.now_ms)
    refused = producer.refusal(producer.send, 5, in_transaction=True, guard=guard)
    assert refused is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_while_verification_runs_no_later_sequence_overtakes_the_first(
    producer: Producer, log: PartitionLog, memory_disk: Disk
) -> None:
    log.producer_state.is_verification_enabled = True
    guard = log.start_transaction_verification(9, 3, 0, False, memory_disk.now_ms)
    log.start_transaction_verification(9, 4, 0, False, memory_disk.now_ms)
    refused = producer.refusal(producer.send, 4, in_transaction=True, guard=guard)
    assert refused is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producer.send(3, in_transaction=True, guard=guard).first_offset == 0


def test_producers_expire_but_for_those_with_an_open_transaction(
    producer: Producer, log: PartitionLog, batch: BatchMaker, end_marker: EndMarkerMaker, memory_disk: Disk
) -> None:
    other = Producer(log, batch, end_marker, memory_disk.now_ms, producer_id=10)
    producer.send(5)
    other.send(0, in_transaction=True)
    day_ms = 24 * 3600 * 1000
    log.producer_state.remove_expired(memory_disk.now_ms + day_ms - 1)
    assert [entry.producer_id for entry in log.active_producers()] == [9, 10]
    log.producer_state.remove_expired(memory_disk.now_ms + day_ms)
    assert [entry.producer_id for entry in log.active_producers()] == [10]
    assert producer.send(77).first_offset == 2


def test_a_snapshot_keeps_the_last_batch_and_the_open_transaction() -> None:
    entry = ProducerStateEntry(7, 2, 4, 1000, 55)
    entry.add_batch(2, 11, 60, 2, 1234)
    data = encode_snapshot([entry, ProducerStateEntry(8, 0, 3, 99)])
    assert len(data) == 10 + 2 * 46
    assert data[:2] == b"\x00\x01" and data[6:10] == b"\x00\x00\x00\x02"
    first, second = decode_snapshot(data)
    assert repr(first) == repr(entry)
    assert (second.producer_id, second.batches, second.current_txn_first_offset) == (8, [], -1)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"\x00\x02" + data[2:]]
)
def test_a_damaged_snapshot_is_refused(damage: Callable[[bytes], bytes]) -> None:
    data = encode_snapshot([ProducerStateEntry(8, 0, 3, 99)])
    for damaged in (damage(data), b"", data[:13] + b"\xff" + data[14:]):
        with pytest.raises(CorruptSnapshotError):
            decode_snapshot(damaged)
