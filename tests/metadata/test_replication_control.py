"""Topics are created, grow and go by records; a cluster of several brokers is served by the same rules.

What Apache Kafka answers to the same requests, texts included, is compared in tests/compat/test_topics.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection

import pytest

from cluster_image_builder import ClusterImageBuilder, NewCluster
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata import replication_control
from kafkalite.metadata.controller_result import ControllerResult
from kafkalite.metadata.partition_registration import UNASSIGNED_DIRECTORY
from kafkalite.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from kafkalite.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from kafkalite.protocol.metadata_records.nodes import BrokerRegistrationChangeRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import ClearElrRecord, PartitionRecord, RemoveTopicRecord, TopicRecord

TOPIC_ID = Uuid(b"\x00" * 15 + b"\xff")


def create(
    cluster: ClusterImageBuilder,
    *topics: CreatableTopic,
    describable: Collection[str] | None = None,
    validate_only: bool = False,
    **properties: str,
) -> ControllerResult[CreateTopicsResponse]:
    ids = (Uuid(TOPIC_ID[:15] + bytes((255 - index,))) for index in itertools.count())
    return replication_control.create_topics(
        cluster.image,
        BrokerConfig({name.replace("_", "."): value for name, value in properties.items()}),
        CreateTopicsRequest(topics=list(topics), validate_only=validate_only),
        describable=describable,
        new_topic_id=lambda: next(ids),
    )


def wanted(name: str = "orders", partitions: int = -1, factor: int = -1, **configs: str) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def test_a_topic_is_its_name_its_configuration_and_its_partitions_in_this_order(cluster: NewCluster) -> None:
    one = cluster(1)
    result = create(one, wanted(partitions=2, retention_ms="5", min_insync_replicas="1"))
    directory = one.directory(1)
    assert result.records == [
        TopicRecord(name="orders", topic_id=TOPIC_ID),
        ConfigRecord(resource_type=2, resource_name="orders", name="retention.ms", value="5"),
        ConfigRecord(resource_type=2, resource_name="orders", name="min.insync.replicas", value="1"),
        ClearElrRecord(topic_name="orders"),
        *(
            PartitionRecord(
                partition_id=index,
                topic_id=TOPIC_ID,
                replicas=[1],
                isr=[1],
                leader=1,
                leader_epoch=0,
                partition_epoch=0,
                directories=[directory],
            )
            for index in range(2)
        ),
    ]
    [topic] = result.response.topics
    assert (topic.topic_id, topic.num_partitions, topic.replication_factor) == (TOPIC_ID, 2, 1)
    configs = {config.name: (config.value, config.config_source) for config in topic.configs or ()}
    assert configs["retention.ms"] == ("5", 1)
    assert configs["cleanup.policy"] == ("delete", 5)
    one.replay(result.records)
    assert create(one, wanted()).response.topics[0].error_code == ErrorCode.TOPIC_ALREADY_EXISTS


def test_defaults_come_from_the_broker(cluster: NewCluster) -> None:
    result = create(cluster(1, 2, 3), wanted(), num_partitions="4", default_replication_factor="2")
    partitions = [record for record in result.records if isinstance(record, PartitionRecord)]
    assert [partition.replicas for partition in partitions] == [[1, 2]] * 4


def test_validating_appends_nothing(cluster: NewCluster) -> None:
    result = create(cluster(1), wanted(), validate_only=True)
    assert result.records == []
    assert result.response.topics[0].error_code == 0


def test_one_refused_topic_leaves_the_others(cluster: NewCluster) -> None:
    result = create(cluster(1), wanted("not valid"), wanted("good"))
    assert [topic.error_code for topic in result.response.topics] == [ErrorCode.INVALID_TOPIC_EXCEPTION, 0]
    assert [record.name for record in result.records if isinstance(record, TopicRecord)] == ["good"]


def test_a_client_that_may_not_see_configurations_is_told_so(cluster: NewCluster) -> None:
    [topic] = create(cluster(1), wanted(), describable=()).response.topics
    assert topic.topic_config_error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert (topic.configs, topic.num_partitions, topic.replication_factor) == ([], -1, -1)


def test_with_several_directories_the_broker_chooses(cluster: NewCluster) -> None:
    one = cluster()
    one.register(1, directories=2)
    partition = create(one, wanted()).records[-1]
    assert isinstance(partition, PartitionRecord)
    assert partition.directories == [UNASSIGNED_DIRECTORY]


def test_nothing_is_placed_on_a_broker_whose_directories_are_all_cordoned(cluster: NewCluster) -> None:
    one = cluster(1)
    one.replay([BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=11, cordoned_log_dirs=[one.directory(1)])])
    [topic] = create(one, wanted()).response.topics
    assert topic.error_code == ErrorCode.INVALID_REPLICATION_FACTOR
    assert topic.error_message == (
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log "
        "directories cordoned."
    )


def test_no_partition_is_created_while_all_brokers_are_fenced(cluster: NewCluster) -> None:
    one = cluster()
    one.register(1, fenced=True)
    [topic] = create(one, wanted()).response.topics
    assert topic.error_code == ErrorCode.INVALID_REPLICATION_FACTOR


def test_fenced_replicas_are_not_in_sync(cluster: NewCluster) -> None:
    two = cluster(2)
    two.register(1, fenced=True)
    partition = create(two, wanted(factor=2)).records[-1]
    assert isinstance(partition, PartitionRecord)
    assert (partition.replicas, partition.isr, partition.leader) == ([2, 1], [2], 2)


def test_too_many_partitions_refuse_the_whole_request(cluster: NewCluster) -> None:
    with pytest.raises(KafkaError) as refusal:
        create(cluster(1), wanted("a", 6000), wanted("b", 4001))
    assert refusal.value.error == ErrorCode.POLICY_VIOLATION


def test_nobody_gets_more_partitions_at_once_than_memory_holds(cluster: NewCluster) -> None:
    one = cluster(1)
    one.add_topic("orders", [1])
    many = CreatePartitionsTopic(name="orders", count=2**31 - 1, assignments=None)
    request = CreatePartitionsRequest(topics=[many], validate_only=True)
    result = replication_control.create_partitions(one.image, request)
    assert (result.records, result.response[0].error_code) == ([], ErrorCode.UNKNOWN_SERVER_ERROR)


def test_more_partitions_follow_the_existing_ones(cluster: NewCluster) -> None:
    one = cluster(1)
    topic_id = one.add_topic("orders", [1], [1])
    request = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="orders", count=4, assignments=None)])
    result = replication_control.create_partitions(one.image, request)
    assert [result.error_code for result in result.response] == [0]
    one.replay(result.records)
    partitions = one.image.topics.by_id[topic_id].partitions
    assert list(partitions) == [0, 1, 2, 3]
    assert partitions[3].directories == (one.directory(1),)


def test_topics_are_deleted_by_id(cluster: NewCluster) -> None:
    one = cluster(1)
    topic_id = one.add_topic("orders", [1])
    result = replication_control.delete_topics(one.image, [topic_id, TOPIC_ID])
    assert result.records == [RemoveTopicRecord(topic_id=topic_id)]
    assert [error.error for error in result.response.values()] == [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_ID]
