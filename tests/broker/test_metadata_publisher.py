"""What a change of the metadata does to logs and configurations, and that it is done in steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kafkalite.broker.metadata_publisher import LOGS_PER_STEP, MAX_STEP_MS, TOPICS_PER_STEP
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import PartitionRecord, RemoveTopicRecord, TopicRecord
from kafkalite.storage.partition_log import PartitionLog
from offline_broker import OfflineBroker

TOPIC_ID = Uuid(b"0123456789abcdef")


def records_of(broker: OfflineBroker, name: str, partitions: int, **configs: str) -> list[MetadataRecord]:
    (directory,) = broker.broker.logs.directories
    assert directory.directory_id is not None
    return [
        TopicRecord(name=name, topic_id=TOPIC_ID),
        *(
            ConfigRecord(resource_type=2, resource_name=name, name=key.replace("_", "."), value=value)
            for key, value in configs.items()
        ),
        *(
            PartitionRecord(
                partition_id=index,
                topic_id=TOPIC_ID,
                replicas=[1],
                isr=[1],
                leader=1,
                leader_epoch=3,
                directories=[directory.directory_id],
            )
            for index in range(partitions)
        ),
    ]


def test_logs_are_there_with_their_settings_before_the_image_shows_their_partitions(
    offline_broker: OfflineBroker,
) -> None:
    broker = offline_broker.broker
    heard: list[tuple[bool, list[int]]] = []

    def listener(records: Sequence[MetadataRecord]) -> None:
        logs = [broker.logs.get(TopicPartition("t", index)) for index in range(3)]
        heard.append(("t" in broker.metadata.image.topics.by_name, [log.config.segment_ms for log in logs if log]))

    broker.metadata.add_listener(listener)
    topic = CreatableTopic(name="t", num_partitions=3, replication_factor=1)
    topic.configs = [CreatableTopicConfig(name="segment.ms", value="12345")]
    offline_broker.ask(CreateTopicsRequest(topics=[topic]))
    assert heard == [(True, [12345] * 3)]


def test_a_thousand_logs_are_made_and_taken_away_in_steps(offline_broker: OfflineBroker) -> None:
    broker = offline_broker.broker
    publisher = broker._publisher
    records = records_of(offline_broker, "t", 1_000, segment_ms="12345")
    made = [len(broker.logs.partitions_of("t")) for _ in publisher.prepare(records)]
    assert made == list(range(LOGS_PER_STEP, 1_001, LOGS_PER_STEP))
    assert len(broker.logs.partitions_of("t")) == 1_000
    for record in records:
        broker.metadata.image.replay(record)
    list(publisher.publish(records))
    log = broker.logs.get(TopicPartition("t", 999))
    assert log is not None
    assert (log.leader_epoch, log.config.segment_ms, log.topic_id) == (3, 12345, TOPIC_ID)

    removal = RemoveTopicRecord(topic_id=TOPIC_ID)
    assert list(publisher.prepare([removal])) == []
    broker.metadata.image.replay(removal)
    left = [len(broker.logs.partitions_of("t")) for _ in publisher.publish([removal])]
    assert left == [1_000 - count for count in range(LOGS_PER_STEP, 1_001, LOGS_PER_STEP)]
    assert broker.logs.partitions_of("t") == []


def test_the_logs_of_many_small_topics_are_taken_away_in_steps(offline_broker: OfflineBroker) -> None:
    broker = offline_broker.broker
    names = [f"t{number}" for number in range(50)]
    for name in names:
        offline_broker.create_topic(name)
    removals = [RemoveTopicRecord(topic_id=broker.metadata.image.topics.by_name[name].topic_id) for name in names]
    assert list(broker._publisher.prepare(removals)) == []
    for removal in removals:
        broker.metadata.image.replay(removal)
    left = [len(broker.logs) for _ in broker._publisher.publish(removals)]
    assert left == [50 - count for count in range(LOGS_PER_STEP, 51, LOGS_PER_STEP)]
    assert len(broker.logs) == 0


def test_on_a_slow_disk_others_have_their_turn_after_each_log(
    offline_broker: OfflineBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = offline_broker.broker
    create = PartitionLog.create

    def create_slowly(*arguments: Any, **facts: Any) -> PartitionLog:
        offline_broker.clock.advance(MAX_STEP_MS)
        return create(*arguments, **facts)

    monkeypatch.setattr(PartitionLog, "create", create_slowly)
    made = [len(broker.logs.partitions_of("t")) for _ in broker._publisher.prepare(records_of(offline_broker, "t", 5))]
    assert made == [1, 2, 3, 4, 5]


def test_only_the_topic_that_was_meant_loses_its_logs(offline_broker: OfflineBroker) -> None:
    for name in ("a", "b"):
        offline_broker.create_topic(name, 2)
    offline_broker.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="a")], timeout_ms=1000))
    offline_broker.create_topic("a")
    logs = offline_broker.broker.logs
    assert logs.partitions_of("a") == [TopicPartition("a", 0)]
    assert logs.partitions_of("b") == [TopicPartition("b", 0), TopicPartition("b", 1)]
    log = logs.get(TopicPartition("a", 0))
    assert log is not None and log.topic_id == offline_broker.broker.metadata.image.topics.topic_id("a")


def test_a_default_of_the_broker_reaches_all_topics_that_inherit_it(offline_broker: OfflineBroker) -> None:
    names = [f"t{number}" for number in range(TOPICS_PER_STEP * 2 + 1)]
    for name in names:
        offline_broker.create_topic(name)
    own = AlterableConfig(name="max.message.bytes", config_operation=0, value="7777")
    default = AlterableConfig(name="message.max.bytes", config_operation=0, value="5555")
    resources = [
        AlterConfigsResource(resource_type=2, resource_name="t0", configs=[own]),
        AlterConfigsResource(resource_type=4, resource_name="", configs=[default]),
    ]
    offline_broker.ask(IncrementalAlterConfigsRequest(resources=resources))
    found = [offline_broker.broker.logs.get(TopicPartition(name, 0)) for name in names]
    assert [log.config.max_message_bytes for log in found if log] == [7777] + [5555] * (len(names) - 1)
