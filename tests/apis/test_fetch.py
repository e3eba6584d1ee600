"""Fetch with numbers that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.broker.api_registry import served_apis
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from offline_broker import OfflineBroker


@pytest.fixture
def broker(offline_broker: OfflineBroker) -> OfflineBroker:
    offline_broker.create_topic("t")
    batch = build_batch([Record(0, offline_broker.clock.now_ms(), None, b"x")])
    data = TopicProduceData(name="t", partition_data=[PartitionProduceData(records=batch)])
    offline_broker.ask(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[data]), 9)
    return offline_broker


def fetch(broker: OfflineBroker, *, partition: dict[str, int] | None = None, **facts: int) -> Any:
    wanted = FetchPartition(**{"partition_max_bytes": 1000, **(partition or {})})
    return broker.ask(FetchRequest(topics=[FetchTopic(topic="t", partitions=[wanted])], **facts), 12)


@pytest.mark.parametrize("session_id", [0x7FFFFFFF, 0x7FFFFFF8, -0x80000000, -0x0FFFFFFF])
def test_a_session_id_that_no_session_can_have_is_a_mistake_of_the_whole_request(
    broker: OfflineBroker, session_id: int
) -> None:
    for epoch in (-1, 0, 1):
        response = fetch(broker, session_id=session_id, session_epoch=epoch)
        assert response.error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        assert response.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_SERVER_ERROR


@pytest.mark.parametrize("session_id", [0x7FFFFFF7, 5, -1, -0x0FFFFFFE])
def test_any_other_session_id_is_only_not_known(broker: OfflineBroker, session_id: int) -> None:
    assert fetch(broker, session_id=session_id, session_epoch=1).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert fetch(broker, session_id=session_id, session_epoch=-1).error_code == ErrorCode.NONE


def test_nobody_reads_less_than_nothing(broker: OfflineBroker) -> None:
    def error(**facts: Any) -> int:
        code: int = fetch(broker, **facts).responses[0].partitions[0].error_code
        return code

    assert error(max_bytes=-1) == ErrorCode.UNKNOWN_SERVER_ERROR
    assert error(partition={"partition_max_bytes": -1}) == ErrorCode.UNKNOWN_SERVER_ERROR
    assert error(partition={"partition_max_bytes": 0}) == ErrorCode.NONE
    assert error(partition={"partition_max_bytes": -1, "fetch_offset": 9}) == ErrorCode.OFFSET_OUT_OF_RANGE


def test_a_limit_below_nothing_concerns_the_first_partition_alone(broker: OfflineBroker) -> None:
    wanted = [FetchPartition(partition=0, partition_max_bytes=1000) for _ in range(2)]
    broker.create_topic("u")
    batch = build_batch([Record(0, broker.clock.now_ms(), None, b"x")])
    data = TopicProduceData(name="u", partition_data=[PartitionProduceData(records=batch)])
    broker.ask(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[data]), 9)
    topics = [FetchTopic(topic=name, partitions=[one]) for name, one in zip("tu", wanted, strict=True)]
    first, second = (
        topic.partitions[0] for topic in broker.ask(FetchRequest(max_bytes=-1, topics=topics), 12).responses
    )
    assert (first.error_code, len(first.records)) == (ErrorCode.UNKNOWN_SERVER_ERROR, 0)
    assert (second.error_code, len(second.records)) == (ErrorCode.NONE, len(batch))


def test_any_negative_epoch_of_a_leader_is_none(broker: OfflineBroker) -> None:
    response = fetch(broker, partition={"current_leader_epoch": -5})
    assert response.responses[0].partitions[0].error_code == ErrorCode.NONE


def test_a_version_that_knows_no_divergence_cannot_tell_a_session_of_it(broker: OfflineBroker) -> None:
    beyond = {"fetch_offset": 50, "last_fetched_epoch": 0, "partition_max_bytes": 1000}
    session_id = fetch(broker, partition=beyond, session_epoch=0).session_id
    request = FetchRequest(session_id=session_id, session_epoch=1)
    response = broker.ask(request, 11)
    assert (response.error_code, response.session_id) == (ErrorCode.UNSUPPORTED_VERSION, session_id)
    request.session_epoch = 2
    assert broker.ask(request, 12).responses[0].partitions[0].diverging_epoch.end_offset == 1


def test_a_batch_that_is_larger_than_what_may_be_read_comes_without_aborted_transactions(
    broker: OfflineBroker,
) -> None:
    wanted = [FetchPartition(fetch_offset=offset, partition_max_bytes=size) for offset, size in [(0, 1000), (0, 5)]]
    request = FetchRequest(isolation_level=1, topics=[FetchTopic(topic="t", partitions=wanted[:1])])
    [whole] = broker.ask(request, 12).responses[0].partitions
    assert (len(whole.records) > 5, whole.aborted_transactions) == (True, [])
    broker.create_topic("u")
    batch = build_batch([Record(0, broker.clock.now_ms(), None, b"x")])
    data = TopicProduceData(name="u", partition_data=[PartitionProduceData(records=batch)])
    broker.ask(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[data]), 9)
    request.topics.append(FetchTopic(topic="u", partitions=wanted[1:]))
    expected: list[tuple[int, list[Any] | None]] = [(5, None), (0, [])]
    for size, aborted in expected:
        wanted[1].partition_max_bytes = size
        broker.context.api_version = 12
        answer: Any = served_apis()[FetchRequest.api_key].handler(broker.context, request)
        [partition] = answer.responses[1].partitions
        assert (len(partition.records), partition.aborted_transactions) == (0, aborted)
