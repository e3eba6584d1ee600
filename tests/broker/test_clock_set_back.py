"""The machine's clock is set back while the broker runs: what depends on it waits no longer than it should.

Sessions, rebalances and intervals are measured in time that only grows. What stands in records and is compared with the
clock (retention, a transaction's timeout) waits until the clock has caught up, as in Apache Kafka, but nothing is lost,
deleted early or stuck for what comes after.
"""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.broker.api_registry import served_apis
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from kafkalite.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.list_transactions import ListTransactionsRequest
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.partition_log import PartitionLog
from log_rounds import cleanup_logs, delete_due_files, flush_dirty_logs
from offline_broker import OfflineBroker

HOUR_MS = 3_600_000


def create(broker: OfflineBroker, name: str, **configs: str) -> PartitionLog:
    wanted = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1, configs=wanted)
    assert broker.ask(CreateTopicsRequest(topics=[topic])).topics[0].error_code == 0
    log = broker.broker.logs.get(TopicPartition(name, 0))
    assert log is not None
    return log


def produce(broker: OfflineBroker, name: str, value: bytes = b"x", timestamp_ms: int | None = None) -> Any:
    """The partition's answer; the client's clock goes with the broker's unless a timestamp is given."""
    record = Record(0, broker.clock.now_ms() if timestamp_ms is None else timestamp_ms, None, value)
    data = PartitionProduceData(records=build_batch([record]))
    request = ProduceRequest(acks=-1, topic_data=[TopicProduceData(name=name, partition_data=[data])])
    return broker.ask(request, 9).responses[0].partition_responses[0]


def offset_at(broker: OfflineBroker, name: str, timestamp_ms: int) -> int:
    topic = ListOffsetsTopic(name=name, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp_ms)])
    offset: int = broker.ask(ListOffsetsRequest(topics=[topic])).topics[0].partitions[0].offset
    return offset


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timestamp_type", ["CreateTime", "LogAppendTime"])
def test_records_go_on_with_earlier_timestamps_and_are_found_by_time_also_after_a_restart(
    offline_broker: OfflineBroker, timestamp_type: str
) -> None:
    create(offline_broker, "t", message_timestamp_type=timestamp_type)
    before_ms = offline_broker.clock.now_ms()
    for _ in range(3):
        assert produce(offline_broker, "t").error_code == 0
        offline_broker.clock.advance(1000)
    offline_broker.clock.set_back(HOUR_MS)
    after_ms = offline_broker.clock.now_ms()
    answers = [produce(offline_broker, "t") for _ in range(3)]
    assert [answer.base_offset for answer in answers] == [3, 4, 5]
    if timestamp_type == "LogAppendTime":
        assert {answer.log_append_time_ms for answer in answers} == {after_ms}
    for _ in range(2):
        assert offset_at(offline_broker, "t", before_ms + 1500) == 2
        assert offset_at(offline_broker, "t", before_ms) == offset_at(offline_broker, "t", after_ms) == 0
        offline_broker.restart()


def test_a_client_whose_clock_was_not_set_back_is_told_that_its_records_come_from_the_future(
    offline_broker: OfflineBroker,
) -> None:
    create(offline_broker, "t")
    client_ms = offline_broker.clock.now_ms()
    offline_broker.clock.set_back(2 * HOUR_MS)
    answer = produce(offline_broker, "t", timestamp_ms=client_ms)  # message.timestamp.after.max.ms: an hour
    assert answer.error_code == ErrorCode.INVALID_TIMESTAMP
    offline_broker.clock.advance(HOUR_MS)
    assert produce(offline_broker, "t", timestamp_ms=client_ms).base_offset == 0


def test_retention_deletes_nothing_early_and_goes_on_when_the_clock_has_caught_up(
    offline_broker: OfflineBroker,
) -> None:
    log = create(offline_broker, "t", retention_ms="60000", segment_bytes="1048576", segment_ms="10000")
    logs, clock = offline_broker.broker.logs, offline_broker.clock
    for _ in range(3):
        produce(offline_broker, "t")
        clock.advance(11_000)
    clock.set_back(HOUR_MS)
    produce(offline_broker, "t")
    clock.advance(59_000)
    assert cleanup_logs(logs, clock.now_ms()) == 0 and log.log_start_offset == 0
    clock.advance(HOUR_MS)
    assert cleanup_logs(logs, clock.now_ms()) > 0
    assert (log.log_start_offset, log.log_end_offset) == (4, 4)


def test_files_of_deleted_segments_go_away_after_their_delay(offline_broker: OfflineBroker) -> None:
    create(offline_broker, "t", retention_ms="1000", segment_ms="10000", file_delete_delay_ms="60000")
    logs, clock = offline_broker.broker.logs, offline_broker.clock
    for _ in range(2):
        produce(offline_broker, "t")
        clock.advance(11_000)
    assert cleanup_logs(logs, clock.now_ms()) > 0 and delete_due_files(logs, clock.now_ms()) == 0
    waiting = len(logs.context.pending_deletions)
    clock.set_back(HOUR_MS)
    assert delete_due_files(logs, clock.now_ms()) == 0
    clock.advance(59_000)
    assert delete_due_files(logs, clock.now_ms()) == 0
    clock.advance(1_000)
    assert delete_due_files(logs, clock.now_ms()) == waiting > 0


def test_flush_ms_is_kept(offline_broker: OfflineBroker) -> None:
    log = create(offline_broker, "t", flush_ms="5000")
    logs, clock = offline_broker.broker.logs, offline_broker.clock
    clock.advance(10_000)
    flush_dirty_logs(logs, clock.now_ms())
    produce(offline_broker, "t")
    clock.set_back(HOUR_MS)
    produce(offline_broker, "t")
    clock.advance(5_000)
    flush_dirty_logs(logs, clock.now_ms())
    assert log.recovery_point == 2
    produce(offline_broker, "t")
    flush_dirty_logs(logs, clock.now_ms())
    assert log.recovery_point == 2  # the time counts from the last flush again
    clock.advance(5_000)
    flush_dirty_logs(logs, clock.now_ms())
    assert log.recovery_point == 3


def test_fetch_sessions_that_nobody_uses_make_room_for_others(new_offline_broker: Any) -> None:
    broker = new_offline_broker({"max.incremental.fetch.session.cache.slots": "1"})
    create(broker, "t")
    topic = broker.broker.metadata.image.topics.by_name["t"]
    handler = served_apis()[FetchRequest.api_key].handler
    wanted = [FetchTopic(topic_id=topic.topic_id, partitions=[FetchPartition(partition=0, partition_max_bytes=100)])]

    def new_session() -> int:
        broker.context.api_key, broker.context.api_version = FetchRequest.api_key, 16
        # Not `ask`: the records of an answer go to a connection, not into bytes.
        answer: Any = handler(broker.context, FetchRequest(max_wait_ms=0, min_bytes=0, session_epoch=0, topics=wanted))
        session_id: int = answer.session_id
        return session_id

    assert new_session() != 0
    broker.clock.set_back(HOUR_MS)
    assert new_session() == 0  # the other one has been used within two minutes
    broker.clock.advance(121_000)
    assert new_session() != 0


# --- groups -----------------------------------------------------------------------------------------------------------


async def test_members_sessions_end_in_time_and_their_successors_rebalance(offline_broker: OfflineBroker) -> None:
    clock = offline_broker.clock

    def join(member_id: str = "", instance_id: str | None = "i") -> Any:
        protocols = [JoinGroupRequestProtocol(name="range", metadata=b"")]
        facts: dict[str, Any] = {"session_timeout_ms": 10_000, "rebalance_timeout_ms": 30_000}
        return offline_broker.ask(
            JoinGroupRequest(
                group_id="g",
                member_id=member_id,
                group_instance_id=instance_id,
                protocol_type="consumer",
                protocols=protocols,
                **facts,
            )
        )

    def beat(member_id: str) -> int:
        request = HeartbeatRequest(group_id="g", member_id=member_id, generation_id=1, group_instance_id="i")
        error_code: int = offline_broker.ask(request).error_code
        return error_code

    joining = join()
    clock.advance(0)
    member_id = (await joining).member_id
    assignments = [SyncGroupRequestAssignment(member_id=member_id, assignment=b"all")]
    sync = SyncGroupRequest(
        group_id="g",
        generation_id=1,
        member_id=member_id,
        group_instance_id="i",
        protocol_type="consumer",
        protocol_name="range",
        assignments=assignments,
    )
    assert offline_broker.ask(sync).error_code == 0
    clock.advance(9_000)
    clock.set_back(HOUR_MS)
    assert beat(member_id) == 0  # and the session goes on from here
    successor = join(instance_id="j")  # waits for the first member
    clock.advance(9_999)
    assert not successor.done()
    clock.advance(1)  # the session of the first is over, nobody else is waited for
    answer = await successor
    assert (answer.error_code, answer.generation_id, len(answer.members)) == (0, 2, 1)
    assert beat(member_id) == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_member_that_joins_a_consumer_group_is_assigned_partitions_within_the_interval(
    offline_broker: OfflineBroker,
) -> None:
    create(offline_broker, "t")

    def beat(member_id: str, epoch: int = 0, **facts: Any) -> Any:
        request = ConsumerGroupHeartbeatRequest(group_id="g", member_id=member_id, member_epoch=epoch, **facts)
        answer = offline_broker.ask(request)
        assert answer.error_code == 0, answer
        return answer

    def join(member_id: str) -> Any:
        return beat(member_id, rebalance_timeout_ms=10_000, subscribed_topic_names=["t"], topic_partitions=[])

    first = join("a")
    while not (first.assignment and first.assignment.topic_partitions):
        offline_broker.clock.advance(1_000)
        first = beat("a", first.member_epoch)
    offline_broker.clock.set_back(HOUR_MS)
    second = join("b")
    assert second.member_epoch == first.member_epoch + 1
    # Two members in a topic of one partition: whoever is to have it, both are in the new assignment's epoch.
    assert beat("a", first.member_epoch).member_epoch == second.member_epoch


def test_a_member_that_joins_a_share_group_is_assigned_partitions_within_the_interval(
    offline_broker: OfflineBroker,
) -> None:
    create(offline_broker, "t")

    def beat(member_id: str, epoch: int = 0, **facts: Any) -> Any:
        answer = offline_broker.ask(
            ShareGroupHeartbeatRequest(group_id="g", member_id=member_id, member_epoch=epoch, **facts)
        )
        assert answer.error_code == 0, answer
        return answer

    first = beat(str(Uuid(bytes(15) + b"a")), subscribed_topic_names=["t"])
    offline_broker.clock.advance(1_000)
    offline_broker.clock.set_back(HOUR_MS)
    second = beat(str(Uuid(bytes(15) + b"b")), subscribed_topic_names=["t"])
    assert second.member_epoch > first.member_epoch
    assert [topic.partitions for topic in second.assignment.topic_partitions] == [[0]]


def test_expressions_that_a_group_subscribes_to_are_resolved_in_time(offline_broker: OfflineBroker) -> None:
    create(offline_broker, "t1")
    create(offline_broker, "u1")

    def beat(member_id: str, epoch: int, **facts: Any) -> Any:
        request = ConsumerGroupHeartbeatRequest(group_id="g", member_id=member_id, member_epoch=epoch, **facts)
        answer = offline_broker.ask(request)
        assert answer.error_code == 0, answer
        return answer

    def partitions_within_10_s(member_id: str, regex: str) -> int:
        answer = beat(member_id, 0, rebalance_timeout_ms=10_000, subscribed_topic_regex=regex, topic_partitions=[])
        for _ in range(10):
            if answer.assignment is not None and answer.assignment.topic_partitions:
                return sum(len(topic.partitions) for topic in answer.assignment.topic_partitions)
            offline_broker.clock.advance(1_000)
            answer = beat(member_id, answer.member_epoch)
        return 0

    assert partitions_within_10_s("a", "t.*") == 1
    offline_broker.clock.advance(10_000)
    offline_broker.clock.set_back(HOUR_MS)
    assert partitions_within_10_s("b", "u.*") == 1


# --- transactions -----------------------------------------------------------------------------------------------------


def test_transactions_time_out_by_the_clock_as_in_apache_kafka_and_new_ones_in_their_time(
    offline_broker: OfflineBroker,
) -> None:
    create(offline_broker, "t")
    clock = offline_broker.clock

    def begin(transactional_id: str) -> None:
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=60_000)
        producer = offline_broker.ask(request, 5)
        add = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=transactional_id,
            v3_and_below_producer_id=producer.producer_id,
            v3_and_below_producer_epoch=producer.producer_epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name="t", partitions=[0])],
        )
        answer = offline_broker.ask(add, 3).results_by_topic_v3_and_below[0].results_by_partition[0]
        assert answer.partition_error_code == 0

    def ongoing() -> set[str]:
        answer = offline_broker.ask(ListTransactionsRequest(state_filters=["Ongoing"]))
        return {state.transactional_id for state in answer.transaction_states}

    begin("before")
    clock.set_back(HOUR_MS)
    begin("after")
    clock.advance(50_000)
    assert ongoing() == {"before", "after"}
    clock.advance(30_000)
    assert ongoing() == {"before"}
    clock.advance(HOUR_MS)
    assert ongoing() == set()
