"""ListOffsets of more partitions than are looked up in one step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from kafkalite.apis.list_offsets import LOOKUPS_PER_STEP
from kafkalite.broker.api_registry import served_apis
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from offline_broker import OfflineBroker

PARTITIONS = LOOKUPS_PER_STEP * 3 + 1


async def test_many_are_looked_up_by_time_while_others_have_their_turn(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t", PARTITIONS)
    broker = offline_broker.broker
    for index in range(PARTITIONS):
        log = broker.logs.get(TopicPartition("t", index))
        assert log is not None
        records = [Record(offset, 1_000 + offset, None, b"x") for offset in range(5)]
        log.append(build_batch(records), now_ms=broker.clock.now_ms())
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def ask(timestamp: int) -> Any:
        partitions = [ListOffsetsPartition(partition_index=index, timestamp=timestamp) for index in range(PARTITIONS)]
        topics = [ListOffsetsTopic(name="t", partitions=partitions)]
        offline_broker.context.api_version = 9
        return served_apis()[ListOffsetsRequest.api_key].handler(
            offline_broker.context, ListOffsetsRequest(replica_id=-1, topics=topics)
        )

    running = asyncio.ensure_future(others())
    for timestamp, offset in ((1_003, 3), (-3, 4)):
        turns = 0
        answer = ask(timestamp)
        assert isinstance(answer, Awaitable)
        (topic,) = (await answer).topics
        assert [(one.partition_index, one.offset) for one in topic.partitions] == [
            (index, offset) for index in range(PARTITIONS)
        ]
        assert turns >= 3
    running.cancel()
    assert [one.offset for one in ask(-1).topics[0].partitions] == [5] * PARTITIONS
