"""ListOffsets beside Apache Kafka: every version, special timestamps, errors."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kafkalite.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from transcript import Compare, Side

TIMESTAMPS = (-1, -2, -3, -4, -5, -6, -7, 0, 999, 1000, 1001, 2001, 2002, 2500, 3000, 3001, 10_000)


def request(topic: str, *timestamps: int, isolation_level: int = 0, **facts: int) -> ListOffsetsRequest:
    partitions = [ListOffsetsPartition(partition_index=0, timestamp=at, **facts) for at in timestamps]
    return ListOffsetsRequest(
        replica_id=-1, isolation_level=isolation_level, topics=[ListOffsetsTopic(name=topic, partitions=partitions)]
    )


def filled_topic(side: Side, **configs: Any) -> str:
    topic = side.topic(**configs)
    side.produce(topic, "a", "b", "c", timestamp=1000)
    side.produce(topic, "d", "e", "f", timestamp=2000)
    side.produce(topic, "g", timestamp=3000)
    side.produce(topic, "h", "i", timestamp=2500)
    return topic


@pytest.mark.parametrize("version", range(1, 12))
def test_every_timestamp_is_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side)
        for timestamp in TIMESTAMPS:
            for isolation_level in (0, 1) if version >= 2 else (0,):
                wanted = request(topic, timestamp, isolation_level=isolation_level)
                side.ask(wanted, version, label=f"{timestamp} at isolation level {isolation_level}")

    compare(scenario)


@pytest.mark.parametrize("version", [1, 4, 5, 8, 11])
def test_an_empty_log_is_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        for timestamp in TIMESTAMPS:
            side.ask(request(topic, timestamp), version, label=str(timestamp))

    compare(scenario)


@pytest.mark.parametrize("version", [1, 7, 11])
def test_errors_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side)
        side.ask(request("no-such-topic", -1), version, label="unknown topic")
        side.ask(request(topic, -1, -1), version, label="the same partition twice")
        side.ask(request("", -1), version, label="no name")
        wanted = request(topic, -1)
        wanted.topics[0].partitions[0].partition_index = 7
        side.ask(wanted, version, label="unknown partition")
        if version >= 4:
            for epoch in (0, 1, 100):
                side.ask(request(topic, -1, current_leader_epoch=epoch), version, label=f"leader epoch {epoch}")

    compare(scenario)


def test_look_ups_after_deleted_records_are_answered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side)
        deletion = DeleteRecordsTopic(name=topic, partitions=[DeleteRecordsPartition(partition_index=0, offset=4)])
        side.ask(DeleteRecordsRequest(topics=[deletion], timeout_ms=10_000))
        for timestamp in TIMESTAMPS:
            side.ask(request(topic, timestamp), label=str(timestamp))

    compare(scenario)


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_look_ups_within_compressed_batches_are_answered_alike(compare: Compare, codec: int) -> None:
    from kafkalite.records.compression import CompressionType

    def scenario(side: Side) -> None:
        topic = side.topic()
        side.produce(topic, "a" * 100, "b", "c", timestamp=1000, compression=CompressionType(codec))
        side.produce(topic, "d", "e", timestamp=2000, compression=CompressionType(codec))
        for timestamp in TIMESTAMPS:
            side.ask(request(topic, timestamp), label=str(timestamp))

    compare(scenario)
