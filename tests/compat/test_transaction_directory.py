"""Transactions in a data directory that Apache Kafka and kafkalite open in turns: decided ones, and ones still open."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from apache_kafka import StartApacheKafka
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.describe_transactions import DescribeTransactionsRequest
from kafkalite.protocol.messages.end_txn import EndTxnRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_batch, iter_batches
from kafkalite_process import StartKafkalite
from transcript import Side

RETRIABLE = {
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
}


def persistently(side: Side, request: Any, version: int, error_code: Any) -> Any:
    """Sends a request until its answer is no longer that the broker is not ready."""
    deadline = time.monotonic() + 30
    while True:
        response = side.send(request, version)
        if error_code(response) not in RETRIABLE or time.monotonic() > deadline:
            return response
        time.sleep(0.05)


class Producer:
    """A transactional producer that outlives its broker."""

    def __init__(self, side: Side, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self.sequence = 0
        # Apache Kafka makes the coordinator's topic when it is asked for the coordinator.
        persistently(side, FindCoordinatorRequest(key=transactional_id, key_type=1), 3, lambda r: r.error_code)
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=600_000)
        response = persistently(side, request, 4, lambda response: response.error_code)
        assert response.error_code == 0
        self.producer_id, self.epoch = response.producer_id, response.producer_epoch

    def write(self, side: Side, topic: str, value: str) -> None:
        records = [Record(0, int(time.time() * 1000), None, value.encode(), [])]
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
            timeout_ms=30_000,
            topic_data=[TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=batch)])],
        )
        response = persistently(side, request, 12, lambda r: r.responses[0].partition_responses[0].error_code)
        assert response.responses[0].partition_responses[0].error_code == 0, response
        self.sequence += 1

    def end(self, side: Side, *, committed: bool = True) -> None:
        request = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            committed=committed,
        )
        response = persistently(side, request, 5, lambda response: response.error_code)
        assert response.error_code == 0, response
        self.producer_id, self.epoch, self.sequence = response.producer_id, response.producer_epoch, 0


def state(side: Side, transactional_id: str) -> tuple[str, int, int, list[tuple[str, list[int]]]]:
    """State, producer and partitions of a transactional id, once it is not being ended."""
    deadline = time.monotonic() + 30
    while True:
        [found] = side.send(DescribeTransactionsRequest(transactional_ids=[transactional_id]), 0).transaction_states
        is_settled = found.error_code not in RETRIABLE and not found.transaction_state.startswith("Prepare")
        if is_settled or time.monotonic() > deadline:
            topics = [(topic.topic, topic.partitions) for topic in found.topics]
            return found.transaction_state, found.producer_id, found.producer_epoch, topics
        time.sleep(0.05)


def expect_values(side: Side, topic: str, *values: str) -> None:
    """Waits for what a reader of committed records is given: Apache Kafka's watermarks come up some time after it."""
    deadline = time.monotonic() + 10
    while committed_values(side, topic) != list(values) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert committed_values(side, topic) == list(values)


def committed_values(side: Side, topic: str) -> list[str]:
    """What a reader of committed records is given."""
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)
    topics = [FetchTopic(topic=topic, partitions=[partition])]
    request = FetchRequest(max_wait_ms=0, isolation_level=1, topics=topics)
    response = persistently(side, request, 11, lambda response: response.responses[0].partitions[0].error_code)
    data = response.responses[0].partitions[0]
    aborted = {(each.producer_id, each.first_offset) for each in data.aborted_transactions or ()}
    hidden: set[int] = set()
    values = []
    for position, header in iter_batches(bytes(data.records or b"")):
        if (header.producer_id, header.base_offset) in aborted:
            hidden.add(header.producer_id)
        if header.is_control:
            hidden.discard(header.producer_id)
        elif header.producer_id not in hidden:
            records = decode_batch(bytes(data.records), position, header)
            values += [(record.value or b"").decode() for record in records]
    return values


@pytest.mark.parametrize("first", ["kafkalite", "Apache Kafka"])
def test_transactions_go_from_one_broker_to_the_other(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, first: str
) -> None:
    directory = tmp_path / "node"
    starters = {"kafkalite": start_kafkalite, "Apache Kafka": start_apache_kafka}
    second = next(name for name in starters if name != first)

    broker = starters[first](directory=directory)
    side = Side(first, broker.bootstrap_servers, "move")
    topic = side.topic()
    done, open_one = Producer(side, "done"), Producer(side, "open")
    done.write(side, topic, "a")
    done.end(side)
    done.write(side, topic, "b")
    done.end(side, committed=False)
    open_one.write(side, topic, "c")
    expected = {name: state(side, name) for name in ("done", "open")}
    assert expected["done"] == ("CompleteAbort", done.producer_id, done.epoch, [])
    assert expected["open"] == ("Ongoing", open_one.producer_id, open_one.epoch, [(topic, [0])])
    expect_values(side, topic, "a")
    side.client.close()
    broker.stop()

    broker = starters[second](directory=directory)
    side = Side(second, broker.bootstrap_servers, "move")
    assert {name: state(side, name) for name in ("done", "open")} == expected
    expect_values(side, topic, "a")
    open_one.write(side, topic, "d")
    open_one.end(side)
    done.write(side, topic, "e")
    done.end(side)
    assert state(side, "open")[0] == "CompleteCommit"
    expect_values(side, topic, "a", "c", "d", "e")
    side.client.close()
    broker.stop()

    broker = starters[first](directory=directory)
    side = Side(first, broker.bootstrap_servers, "move")
    expect_values(side, topic, "a", "c", "d", "e")
    open_one.write(side, topic, "f")
    open_one.end(side)
    assert state(side, "open") == ("CompleteCommit", open_one.producer_id, open_one.epoch, [])
    side.client.close()
