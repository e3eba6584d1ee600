"""The APIs of transactions on a broker without sockets: what ends up in logs and offsets, in time, after restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.broker.transaction_coordinator import TransactionCoordinator
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kafkalite.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest
from kafkalite.protocol.messages.describe_transactions import DescribeTransactionsRequest
from kafkalite.protocol.messages.end_txn import EndTxnRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.list_transactions import ListTransactionsRequest
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from kafkalite.records.control_record import read_end_transaction_marker
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_batch, iter_batches
from kafkalite.storage.partition_log import PartitionLog
from offline_broker import OfflineBroker

OLDER, NEWER = 3, 5
"""Versions of EndTxn of both generations."""


class Producer:
    """A transactional producer, as clients of both generations behave."""

    def __init__(self, broker: OfflineBroker, transactional_id: str = "x") -> None:
        self.broker = broker
        self.transactional_id = transactional_id
        self.sequence = 0
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=60_000)
        response = broker.ask(request, 5)
        while response.error_code == ErrorCode.CONCURRENT_TRANSACTIONS:
            response = broker.ask(request, 5)
        assert response.error_code == 0
        self.producer_id, self.epoch = response.producer_id, response.producer_epoch

    def add(self, topic: str, index: int = 0) -> int:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.producer_id,
            v3_and_below_producer_epoch=self.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=[index])],
        )
        [of_topic] = self.broker.ask(request, 3).results_by_topic_v3_and_below
        error_code: int = of_topic.results_by_partition[0].partition_error_code
        return error_code

    def write(self, topic: str, *values: str, version: int = 12) -> int:
        records = [
            Record(index, self.broker.clock.now_ms(), None, value.encode(), []) for index, value in enumerate(values)
        ]
        batch = build_batch(
            records,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=self.sequence,
            is_transactional=True,
        )
        request = ProduceRequest(
            transactional_id=self.transactional_id,
            acks=-1,
            topic_data=[TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=batch)])],
        )
        error_code: int = self.broker.ask(request, version).responses[0].partition_responses[0].error_code
        if not error_code:
            self.sequence += len(values)
        return error_code

    def commit_offset(self, offset: int, version: int = 5) -> int:
        partition = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="")
        request = TxnOffsetCommitRequest(
            transactional_id=self.transactional_id,
            group_id="g",
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            topics=[TxnOffsetCommitRequestTopic(name="in", partitions=[partition])],
        )
        error_code: int = self.broker.ask(request, version).topics[0].partitions[0].error_code
        return error_code

    def end(self, *, committed: bool = True, version: int = NEWER) -> int:
        response = self.broker.ask(
            EndTxnRequest(
                transactional_id=self.transactional_id,
                producer_id=self.producer_id,
                producer_epoch=self.epoch,
                committed=committed,
            ),
            version,
        )
        if version >= NEWER and not response.error_code:
            self.producer_id, self.epoch, self.sequence = response.producer_id, response.producer_epoch, 0
        error_code: int = response.error_code
        return error_code


def log_of(broker: OfflineBroker, topic: str, index: int = 0) -> PartitionLog:
    log = broker.broker.logs.get(TopicPartition(topic, index))
    assert log is not None
    return log


def contents(broker: OfflineBroker, topic: str) -> list[str]:
    """The values in a log, and its markers in brackets."""
    found = []
    data = log_of(broker, topic).read(0, 1 << 20).records.read()
    for position, header in iter_batches(data):
        for record in decode_batch(data, position, header):
            if header.is_control:
                found.append(f"[{read_end_transaction_marker(record).type.name.lower()}]")
            else:
                found.append((record.value or b"").decode())
    return found


def offset_of(broker: OfflineBroker, *, require_stable: bool = False) -> tuple[int, int]:
    """The group's offset and its error code."""
    request = OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group_id="g", topics=None)], require_stable=require_stable
    )
    topics = broker.ask(request, 9).groups[0].topics
    if not topics:
        return -1, 0
    [partition] = topics[0].partitions
    return partition.committed_offset, partition.error_code


def state_of(broker: OfflineBroker, transactional_id: str = "x") -> str:
    request = DescribeTransactionsRequest(transactional_ids=[transactional_id])
    state: str = broker.ask(request).transaction_states[0].transaction_state
    return state


@pytest.fixture
def broker(offline_broker: OfflineBroker) -> OfflineBroker:
    offline_broker.create_topic("in")
    offline_broker.create_topic("out")
    return offline_broker


async def test_a_newer_producers_transaction_needs_neither_adding_call(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    assert producer.write("out", "a", "b") == ErrorCode.NONE
    assert producer.commit_offset(5) == ErrorCode.NONE
    assert log_of(broker, "out").last_stable_offset == 0
    assert offset_of(broker) == (-1, 0)
    assert producer.end() == ErrorCode.NONE
    assert contents(broker, "out") == ["a", "b", "[commit]"]
    assert log_of(broker, "out").last_stable_offset == 3
    assert offset_of(broker, require_stable=True) == (5, 0)
    assert (producer.epoch, state_of(broker)) == (1, "CompleteCommit")


async def test_an_older_producer_has_to_add_what_it_writes_to(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    assert producer.write("out", "a", version=9) == ErrorCode.INVALID_TXN_STATE
    assert producer.write("out", "a", version=11) == ErrorCode.TRANSACTION_ABORTABLE
    assert producer.commit_offset(5, version=3) == ErrorCode.INVALID_TXN_STATE
    assert producer.add("out") == ErrorCode.NONE
    assert producer.write("out", "a", version=9) == ErrorCode.NONE
    request = AddOffsetsToTxnRequest(
        transactional_id="x", group_id="g", producer_id=producer.producer_id, producer_epoch=producer.epoch
    )
    assert broker.ask(request).error_code == ErrorCode.NONE
    assert producer.commit_offset(5, version=3) == ErrorCode.NONE
    assert producer.end(version=OLDER) == ErrorCode.NONE
    assert contents(broker, "out") == ["a", "[commit]"]
    assert offset_of(broker) == (5, 0)
    assert (producer.epoch, state_of(broker)) == (0, "CompleteCommit")


@pytest.mark.parametrize("version", [OLDER, NEWER])
async def test_an_abort_leaves_nothing_behind_but_its_markers(broker: OfflineBroker, version: int) -> None:
    producer = Producer(broker)
    producer.write("out", "a")
    producer.commit_offset(5)
    assert offset_of(broker, require_stable=True) == (-1, 0)
    assert producer.end(committed=False, version=version) == ErrorCode.NONE
    assert contents(broker, "out") == ["a", "[abort]"]
    aborted = log_of(broker, "out").read(0, 1 << 20, isolation_level=1).aborted_transactions
    assert aborted is not None
    assert [(transaction.producer_id, transaction.first_offset) for transaction in aborted] == [
        (producer.producer_id, 0)
    ]
    assert offset_of(broker) == (-1, 0)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_decision_is_carried_out_after_a_restart(
    broker: OfflineBroker, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer(broker)
    producer.write("out", "a")
    producer.commit_offset(5)

    def fail(*_: object, **__: object) -> None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)

    with monkeypatch.context() as patch:
        patch.setattr(TransactionCoordinator, "write_marker", fail)
        assert producer.end(committed=committed) == ErrorCode.NONE
        assert state_of(broker) == ("PrepareCommit" if committed else "PrepareAbort")
        broker.close()
    broker._start()
    broker.clock.advance(0)
    assert state_of(broker) == ("CompleteCommit" if committed else "CompleteAbort")
    assert contents(broker, "out") == ["a", "[commit]" if committed else "[abort]"]
    assert offset_of(broker, require_stable=True) == (5 if committed else -1, 0)


async def test_an_open_transaction_goes_on_after_a_restart(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    producer.write("out", "a")
    broker.restart()
    broker.clock.advance(0)
    assert state_of(broker) == "Ongoing"
    assert producer.write("out", "b") == ErrorCode.NONE
    assert producer.end() == ErrorCode.NONE
    assert contents(broker, "out") == ["a", "b", "[commit]"]
    broker.restart()
    broker.clock.advance(0)
    assert (state_of(broker), contents(broker, "out")) == ("CompleteCommit", ["a", "b", "[commit]"])


async def test_a_transaction_ends_by_its_timeout(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    producer.write("out", "a")
    broker.clock.advance(75_000)
    assert (state_of(broker), contents(broker, "out")) == ("CompleteAbort", ["a", "[abort]"])
    assert producer.write("out", "b") == ErrorCode.INVALID_PRODUCER_EPOCH
    assert producer.end() in (ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_TXN_STATE)


async def test_another_producer_of_the_same_id_aborts_and_fences_the_first(broker: OfflineBroker) -> None:
    first = Producer(broker)
    first.write("out", "a")
    second = Producer(broker)
    assert contents(broker, "out") == ["a", "[abort]"]
    assert first.write("out", "b") == ErrorCode.INVALID_PRODUCER_EPOCH
    assert second.write("out", "c") == ErrorCode.NONE
    assert second.end() == ErrorCode.NONE
    assert contents(broker, "out") == ["a", "[abort]", "c", "[commit]"]


async def test_transactions_of_different_producers_do_not_mix(broker: OfflineBroker) -> None:
    one, two = Producer(broker, "one"), Producer(broker, "two")
    one.write("out", "1a")
    two.write("out", "2a")
    one.write("out", "1b")
    two.end(committed=False)
    assert log_of(broker, "out").last_stable_offset == 0
    one.end()
    assert log_of(broker, "out").last_stable_offset == 5
    assert contents(broker, "out") == ["1a", "2a", "1b", "[abort]", "[commit]"]


async def test_a_transaction_with_a_deleted_topic_can_be_ended(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    producer.write("out", "a")
    broker.ask(DeleteTopicsRequest(topic_names=["out"], timeout_ms=1000), 5)
    assert producer.end() == ErrorCode.NONE
    assert state_of(broker) == "CompleteCommit"


async def test_fenced_producers_are_told_so_as_their_version_understands(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    producer.epoch += 5
    assert producer.end(version=1) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert producer.end(version=2) == ErrorCode.PRODUCER_FENCED
    request = InitProducerIdRequest(
        transactional_id="x", transaction_timeout_ms=1000, producer_id=producer.producer_id, producer_epoch=9
    )
    assert broker.ask(request, 3).error_code == ErrorCode.INVALID_PRODUCER_EPOCH
    assert broker.ask(request, 4).error_code == ErrorCode.PRODUCER_FENCED


async def test_partitions_are_added_all_or_none(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    transaction = AddPartitionsToTxnTransaction(
        transactional_id="x",
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        topics=[
            AddPartitionsToTxnTopic(name="out", partitions=[0, 9]),
            AddPartitionsToTxnTopic(name="in", partitions=[0]),
        ],
    )

    def ask(**facts: Any) -> dict[tuple[str, int], int]:
        for name, value in facts.items():
            setattr(transaction, name, value)
        [result] = broker.ask(AddPartitionsToTxnRequest(transactions=[transaction])).results_by_transaction
        return {
            (topic.name, partition.partition_index): partition.partition_error_code
            for topic in result.topic_results
            for partition in topic.results_by_partition
        }

    assert ask() == {
        ("out", 0): ErrorCode.OPERATION_NOT_ATTEMPTED,
        ("out", 9): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("in", 0): ErrorCode.OPERATION_NOT_ATTEMPTED,
    }
    assert state_of(broker) == "Empty"
    transaction.topics[0].partitions = [0]
    assert ask(verify_only=True) == {
        ("out", 0): ErrorCode.TRANSACTION_ABORTABLE,
        ("in", 0): ErrorCode.TRANSACTION_ABORTABLE,
    }
    assert ask(verify_only=False) == {("out", 0): 0, ("in", 0): 0}
    assert ask(verify_only=True) == {("out", 0): 0, ("in", 0): 0}


async def test_transactions_are_listed(broker: OfflineBroker) -> None:
    assert broker.ask(ListTransactionsRequest()).transaction_states == []
    Producer(broker, "one").write("out", "a")
    Producer(broker, "two")
    response = broker.ask(ListTransactionsRequest(state_filters=["Ongoing", "Nonsense"]))
    assert [t.transactional_id for t in response.transaction_states] == ["one"]
    assert response.unknown_state_filters == ["Nonsense"]
    response = broker.ask(ListTransactionsRequest(transactional_id_pattern="t.o"))
    assert [t.transactional_id for t in response.transaction_states] == ["two"]
    response = broker.ask(ListTransactionsRequest(transactional_id_pattern="("))
    assert response.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION


async def test_of_a_transaction_that_is_named_twice_the_last_is_done_and_the_first_is_told_of(
    broker: OfflineBroker,
) -> None:
    producer = Producer(broker)
    transactions = [
        AddPartitionsToTxnTransaction(
            transactional_id="x",
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            topics=[AddPartitionsToTxnTopic(name=name, partitions=[0])],
        )
        for name in ("in", "out")
    ]
    results = broker.ask(AddPartitionsToTxnRequest(transactions=transactions)).results_by_transaction
    assert [[topic.name for topic in result.topic_results] for result in results] == [["in"], ["in"]]
    [state] = broker.ask(DescribeTransactionsRequest(transactional_ids=["x"])).transaction_states
    assert [topic.topic for topic in state.topics] == ["out"]


async def test_a_hanging_transaction_is_ended_by_a_marker(broker: OfflineBroker) -> None:
    producer = Producer(broker)
    producer.write("out", "a")

    def end(version: int = 1, **facts: int) -> int:
        marker = WritableTxnMarker(
            **{"producer_id": producer.producer_id, "producer_epoch": producer.epoch, **facts},
            transaction_result=False,
            coordinator_epoch=0,
            topics=[WritableTxnMarkerTopic(name="out", partition_indexes=[0])],
        )
        response = broker.ask(WriteTxnMarkersRequest(markers=[marker]), version)
        error_code: int = response.markers[0].topics[0].partitions[0].error_code
        return error_code

    assert end(producer_epoch=-1) == ErrorCode.UNKNOWN_SERVER_ERROR
    assert end(version=2, transaction_version=-1) == ErrorCode.UNKNOWN_SERVER_ERROR
    assert contents(broker, "out") == ["a"]
    assert end() == ErrorCode.NONE
    assert contents(broker, "out") == ["a", "[abort]"]


async def test_offsets_for_what_does_not_exist_are_refused_apart(
    new_offline_broker: Callable[..., OfflineBroker],
) -> None:
    broker = new_offline_broker()
    producer = Producer(broker)
    assert producer.commit_offset(5) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    broker.create_topic("in")
    assert producer.commit_offset(5) == ErrorCode.NONE
    producer.epoch += 1
    assert producer.commit_offset(5) == ErrorCode.INVALID_PRODUCER_EPOCH
