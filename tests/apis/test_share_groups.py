"""Share groups on a broker without sockets: locks, waits, sessions and restarts, in time that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.apis.share_fetch import share_fetch as share_fetch_handler
from kafkalite.coordinator.share_coordinator import SharePartitionKey
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import SHARE_GROUP_STATE_TOPIC, TopicPartition, Uuid
from kafkalite.protocol.messages import share_acknowledge, share_fetch
from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.protocol.messages.share_acknowledge import ShareAcknowledgeRequest
from kafkalite.protocol.messages.share_fetch import ShareFetchRequest
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from offline_broker import OfflineBroker

ACCEPT, RELEASE = 1, 2
LOCK_MS = 30_000
Runs = list[tuple[int, int, int]]


class Member:
    """A member of the group `g`, with a session of its own."""

    def __init__(self, broker: OfflineBroker, name: str = "m", *, joins: bool = True) -> None:
        self.broker = broker
        self.name = name
        self.session_epoch = 0
        epoch = 0
        for topics in (["t"], None, None) if joins else ():
            request = ShareGroupHeartbeatRequest(
                group_id="g", member_id=name, member_epoch=epoch, subscribed_topic_names=topics
            )
            answer = broker.ask(request)
            assert answer.error_code == 0, answer
            epoch = answer.member_epoch
            broker.clock.advance(1000)

    @property
    def topic_id(self) -> Uuid:
        topic_id = self.broker.broker.metadata.image.topics.topic_id("t")
        assert topic_id is not None
        return topic_id

    def ask(self, *, wait_ms: int = 0, max_records: int = 500) -> Any:
        """ShareFetch: the answer, or a future of it."""
        wanted = share_fetch.FetchTopic(
            topic_id=self.topic_id, partitions=[share_fetch.FetchPartition(partition_index=0)]
        )
        request = ShareFetchRequest(
            group_id="g",
            member_id=self.name,
            share_session_epoch=self.session_epoch,
            max_wait_ms=wait_ms,
            min_bytes=1,
            max_records=max_records,
            batch_size=500,
            topics=[wanted],
        )
        self.session_epoch += 1
        # Not through its bytes: records leave as slices of segments.
        self.broker.context.api_version = 2
        return share_fetch_handler(self.broker.context, request)

    def fetch(self, **facts: Any) -> Runs:
        return runs(self.ask(**facts))

    def acknowledge(self, first: int, last: int, acknowledge_type: int) -> int:
        batch = share_acknowledge.AcknowledgementBatch(
            first_offset=first, last_offset=last, acknowledge_types=[acknowledge_type]
        )
        partition = share_acknowledge.AcknowledgePartition(partition_index=0, acknowledgement_batches=[batch])
        request = ShareAcknowledgeRequest(
            group_id="g",
            member_id=self.name,
            share_session_epoch=self.session_epoch,
            topics=[share_acknowledge.AcknowledgeTopic(topic_id=self.topic_id, partitions=[partition])],
        )
        self.session_epoch += 1
        answer = self.broker.ask(request)
        assert answer.error_code == 0, answer
        error_code: int = answer.responses[0].partitions[0].error_code
        return error_code


def runs(answer: Any) -> Runs:
    """What a member has got."""
    assert answer.error_code == 0, answer
    return [
        (run.first_offset, run.last_offset, run.delivery_count)
        for topic in answer.responses
        for partition in topic.partitions
        for run in partition.acquired_records
    ]


def produce(broker: OfflineBroker, count: int, timestamp: int = 0) -> None:
    records = [Record(index, timestamp or broker.clock.now_ms(), None, b"v", []) for index in range(count)]
    data = PartitionProduceData(index=0, records=build_batch(records))
    request = ProduceRequest(acks=1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=[data])])
    assert broker.ask(request, 12).responses[0].partition_responses[0].error_code == 0


def configure(broker: OfflineBroker, **configs: str) -> None:
    changes = [
        AlterableConfig(name=name.replace("_", "."), config_operation=0, value=value) for name, value in configs.items()
    ]
    resource = AlterConfigsResource(resource_type=32, resource_name="g", configs=changes)
    assert broker.ask(IncrementalAlterConfigsRequest(resources=[resource])).responses[0].error_code == 0


@pytest.fixture
def broker(offline_broker: OfflineBroker) -> OfflineBroker:
    offline_broker.create_topic("t")
    configure(offline_broker, share_auto_offset_reset="earliest")
    return offline_broker


async def test_a_waiting_member_gets_records_as_they_come(broker: OfflineBroker) -> None:
    member = Member(broker)
    pending = member.ask(wait_ms=5000)
    produce(broker, 3)
    assert runs(await asyncio.wait_for(pending, 5)) == [(0, 2, 1)]


async def test_a_wait_ends_without_records(broker: OfflineBroker) -> None:
    pending = Member(broker).ask(wait_ms=5000)
    broker.clock.advance(4999)
    await asyncio.sleep(0)
    assert not pending.done()
    broker.clock.advance(1)
    await asyncio.sleep(0)
    assert runs(pending.result()) == []


async def test_records_of_a_lock_that_ends_go_to_whoever_waits(broker: OfflineBroker) -> None:
    produce(broker, 3)
    first, second = Member(broker, "m"), Member(broker, "n")
    assert first.fetch() == [(0, 2, 1)]
    pending = second.ask(wait_ms=2 * LOCK_MS)
    broker.clock.advance(LOCK_MS - 1)
    await asyncio.sleep(0)
    assert not pending.done()
    broker.clock.advance(1)
    assert runs(await asyncio.wait_for(pending, 5)) == [(0, 2, 2)]
    assert first.acknowledge(0, 2, ACCEPT) == ErrorCode.INVALID_RECORD_STATE
    assert second.acknowledge(0, 2, ACCEPT) == ErrorCode.NONE


async def test_a_member_whose_connection_goes_loses_its_records(broker: OfflineBroker) -> None:
    produce(broker, 3)
    assert Member(broker, "m").fetch() == [(0, 2, 1)]
    [on_disconnect] = broker.context.disconnect_watchers
    on_disconnect(broker.context)
    assert Member(broker, "n").fetch() == [(0, 2, 2)]


async def test_what_was_acknowledged_stays_so_after_a_restart(broker: OfflineBroker) -> None:
    produce(broker, 10)
    member = Member(broker)
    member.fetch()
    assert member.acknowledge(0, 3, ACCEPT) == 0
    assert member.acknowledge(6, 7, ACCEPT) == 0
    assert member.acknowledge(4, 4, RELEASE) == 0
    broker.restart()
    assert Member(broker, "n").fetch() == [(4, 4, 2), (5, 5, 1), (8, 9, 1)]


async def test_the_group_follows_the_start_of_the_log(broker: OfflineBroker) -> None:
    produce(broker, 5)
    produce(broker, 5)
    member = Member(broker)
    assert member.fetch(max_records=1) == [(0, 4, 1)]
    assert member.acknowledge(0, 4, RELEASE) == 0
    partition = DeleteRecordsPartition(partition_index=0, offset=5)
    topic = DeleteRecordsTopic(name="t", partitions=[partition])
    answer = broker.ask(DeleteRecordsRequest(topics=[topic], timeout_ms=1000))
    assert answer.topics[0].partitions[0].error_code == 0
    assert member.fetch() == []
    assert member.fetch() == [(5, 9, 1)]


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        ("earliest", [(0, 2, 1)]),
        ("latest", []),
        ("by_duration:PT1H", [(1, 2, 1)]),
        ("by_duration:P1D", [(0, 2, 1)]),
        ("by_duration:p2dt-47h", [(1, 2, 1)]),
    ],
)
async def test_where_a_group_begins(broker: OfflineBroker, reset: str, expected: Runs) -> None:
    configure(broker, share_auto_offset_reset=reset)
    now_ms = broker.clock.now_ms()
    for age_ms in (2 * 3_600_000, 1_800_000, 1_000):
        produce(broker, 1, now_ms - age_ms)
    assert Member(broker).fetch() == expected


async def test_a_share_partition_goes_with_its_topic(broker: OfflineBroker) -> None:
    produce(broker, 3)
    member = Member(broker)
    member.fetch()
    key = SharePartitionKey("g", member.topic_id, 0)
    shards = [context.shard for context in broker.broker.share_coordinator.runtime.contexts()]
    assert any(key in shard.states for shard in shards)
    broker.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], timeout_ms=1000))
    assert not any(key in shard.states for shard in shards)
    assert not broker.broker.share_partitions.can_acquire(key)


async def test_there_are_no_more_sessions_than_allowed(new_offline_broker: Callable[..., OfflineBroker]) -> None:
    broker = new_offline_broker({"group.share.max.share.sessions": "1", "group.share.max.size": "1"})
    broker.create_topic("t")
    Member(broker, "m").ask()
    pending = Member(broker, "n", joins=False).ask(wait_ms=1000)
    broker.clock.advance(1000)
    await asyncio.sleep(0)
    assert pending.result().error_code == ErrorCode.SHARE_SESSION_LIMIT_REACHED


async def test_state_that_has_been_overtaken_is_deleted_in_time(
    new_offline_broker: Callable[..., OfflineBroker],
) -> None:
    broker = new_offline_broker({"share.coordinator.snapshot.update.records.per.snapshot": "2"})
    broker.create_topic("t")
    configure(broker, share_auto_offset_reset="earliest")
    produce(broker, 9)
    member = Member(broker)
    member.fetch()
    for offset in range(9):
        assert member.acknowledge(offset, offset, ACCEPT) == 0
    index = broker.broker.share_coordinator.runtime.partition_for(str(SharePartitionKey("g", member.topic_id, 0)))
    log = broker.broker.logs.get(TopicPartition(SHARE_GROUP_STATE_TOPIC, index))
    assert log is not None
    assert log.log_start_offset == 0
    broker.clock.advance(300_000)
    assert log.log_start_offset > 5
    broker.restart()
    assert Member(broker, "n").fetch() == []
