"""OffsetCommit of many partitions: in steps, with all answers in the end."""

from __future__ import annotations

import asyncio

from kafkalite.broker.api_registry import served_apis
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.records.record_batch import iter_batches
from offline_broker import OfflineBroker


def commit_of(**topics: range) -> OffsetCommitRequest:
    return OffsetCommitRequest(
        group_id="g",
        topics=[
            OffsetCommitRequestTopic(
                name=name,
                partitions=[
                    OffsetCommitRequestPartition(partition_index=index, committed_offset=index + 7)
                    for index in partitions
                ],
            )
            for name, partitions in topics.items()
        ],
    )


def committed(broker: OfflineBroker) -> dict[str, dict[int, int]]:
    [group] = broker.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)]), 9).groups
    return {
        topic.name: {one.partition_index: one.committed_offset for one in topic.partitions} for topic in group.topics
    }


async def test_many_partitions_are_committed_in_steps_and_answered_together(offline_broker: OfflineBroker) -> None:
    broker = offline_broker
    broker.create_topic("many", partitions=1200)
    broker.create_topic("few", partitions=2)
    response = await broker.ask(commit_of(few=range(2), many=range(1201), unknown=range(1)), 9)
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    answered = {
        topic.name: {one.partition_index: one.error_code for one in topic.partitions} for topic in response.topics
    }
    assert answered == {
        "few": dict.fromkeys(range(2), 0),
        "many": {**dict.fromkeys(range(1200), 0), 1200: unknown},
        "unknown": {0: unknown},
    }
    assert committed(broker) == {
        "few": {0: 7, 1: 8},
        "many": {index: index + 7 for index in range(1200)},
    }


async def test_a_commit_goes_on_without_its_client(offline_broker: OfflineBroker) -> None:
    broker = offline_broker
    broker.create_topic("many", partitions=600)
    broker.ask(commit_of(many=range(1)), 9)
    logs = [log for log in broker.broker.logs.logs() if log.topic_partition.topic == "__consumer_offsets"]
    broker.context.api_version = 9
    request = commit_of(many=range(600))
    answer = served_apis()[request.api_key].handler(broker.context, request)
    assert isinstance(answer, asyncio.Future)
    answer.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert committed(broker) == {"many": {index: index + 7 for index in range(600)}}
    counts = [
        header.records_count for log in logs for _, header in iter_batches(log.read(0, 1 << 20).records.read() or b"")
    ]
    assert counts == [1, 500, 100]
