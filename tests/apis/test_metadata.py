"""Metadata: topics are kept as they stand in answers, and described anew when something about them has changed."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.broker.authorized_operations import NOT_ASKED_FOR, TOPIC_OPERATIONS
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponseTopic
from offline_broker import OfflineBroker


def described(broker: OfflineBroker, version: int, **facts: Any) -> MetadataResponseTopic:
    request = MetadataRequest(topics=[MetadataRequestTopic(name="t")], **facts)
    topic: MetadataResponseTopic = broker.ask(request, version).topics[0]
    return topic


def partitions_of(topic: MetadataResponseTopic) -> list[tuple[int, int, int]]:
    return [(one.error_code, one.partition_index, one.leader_id) for one in topic.partitions]


async def grow(broker: OfflineBroker, count: int) -> None:
    grown = CreatePartitionsTopic(name="t", count=count, assignments=None)
    answer = broker.ask(CreatePartitionsRequest(topics=[grown], timeout_ms=1000))
    assert (answer if hasattr(answer, "results") else await answer).results[0].error_code == 0


@pytest.mark.parametrize("version", range(14))
async def test_a_topic_is_described_alike_until_it_changes(offline_broker: OfflineBroker, version: int) -> None:
    broker = offline_broker
    node_id = broker.broker.node_id
    broker.create_topic("t", partitions=2)
    first = described(broker, version)
    assert (first.name, partitions_of(first)) == ("t", [(0, 0, node_id), (0, 1, node_id)])
    assert described(broker, version) == first
    await grow(broker, 4)
    assert partitions_of(described(broker, version)) == [(0, index, node_id) for index in range(4)]


async def test_versions_and_what_was_asked_for_are_kept_apart(offline_broker: OfflineBroker) -> None:
    broker = offline_broker
    broker.create_topic("t")
    for _ in range(2):
        assert described(broker, 9).topic_id == Uuid.ZERO
        assert described(broker, 10).topic_id != Uuid.ZERO
        assert described(broker, 10).topic_authorized_operations == NOT_ASKED_FOR
        with_operations = described(broker, 10, include_topic_authorized_operations=True)
        assert with_operations.topic_authorized_operations == TOPIC_OPERATIONS


async def test_partitions_whose_directory_fails_lose_their_leader_at_once(offline_broker: OfflineBroker) -> None:
    broker = offline_broker
    broker.create_topic("t")
    topic = described(broker, 12)
    assert partitions_of(topic) == [(0, 0, broker.broker.node_id)]
    broker.broker.logs.set_offline(TopicPartition("t", 0), topic.topic_id)
    assert partitions_of(described(broker, 12)) == [(ErrorCode.LEADER_NOT_AVAILABLE, 0, -1)]
    broker.broker.logs.forget_offline(topic.topic_id)
    assert partitions_of(described(broker, 12)) == [(0, 0, broker.broker.node_id)]
