"""CreateTopics, CreatePartitions, DeleteTopics, Metadata, DescribeTopicPartitions and DescribeCluster over the wire.

What Apache Kafka answers to the same requests is compared in tests/compat; this is what stands on its own: that a
change holds for the next request, also after a restart, and what a single node does better.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import GROUP_METADATA_TOPIC, SHARE_GROUP_STATE_TOPIC, TRANSACTION_STATE_TOPIC, Uuid
from kafkalite.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from kafkalite.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from kafkalite.protocol.messages.describe_topic_partitions import DescribeTopicPartitionsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.testing import KafkaliteServer
from kafkalite_process import StartKafkalite
from offline_broker import OfflineBroker


@pytest.fixture
def kafka() -> Iterator[KafkaliteServer]:
    with KafkaliteServer(config={"num.partitions": 3}) as server:
        yield server


@pytest.fixture
def client(kafka: KafkaliteServer) -> Iterator[WireClient]:
    with WireClient(kafka.bootstrap_servers) as connected:
        yield connected


def create(client: WireClient, *names: str, partitions: int = 1, **configs: str) -> list[Any]:
    topics = [
        CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
        )
        for name in names
    ]
    results: list[Any] = client.send(CreateTopicsRequest(topics=topics, timeout_ms=1000)).topics
    return results


def describe(client: WireClient, *names: str, auto: bool = False) -> dict[str, Any]:
    topics = [MetadataRequestTopic(name=name) for name in names]
    request = MetadataRequest(topics=topics if names else None, allow_auto_topic_creation=auto)
    return {topic.name: topic for topic in client.send(request).topics}


def test_a_topic_can_be_used_when_its_creation_is_answered(client: WireClient) -> None:
    [created] = create(client, "orders", partitions=2)
    found = describe(client, "orders")["orders"]
    assert (created.error_code, created.error_message, found.error_code) == (0, None, 0)
    assert found.topic_id == created.topic_id
    assert [(p.partition_index, p.leader_id, p.leader_epoch, p.isr_nodes) for p in found.partitions] == [
        (0, 1, 0, [1]),
        (1, 1, 0, [1]),
    ]


def test_a_topic_that_is_asked_for_exists_in_the_same_answer(client: WireClient) -> None:
    answer = describe(client, "made-on-demand", "not valid", auto=True)
    assert answer["made-on-demand"].error_code == 0
    assert len(answer["made-on-demand"].partitions) == 3
    assert answer["not valid"].error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert list(describe(client)) == ["made-on-demand"]


def test_without_leave_nothing_is_created(client: WireClient) -> None:
    assert describe(client, "unknown")["unknown"].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert describe(client) == {}


def test_the_broker_can_forbid_creation_on_demand() -> None:
    with (
        KafkaliteServer(config={"auto.create.topics.enable": "false"}) as kafka,
        WireClient(kafka.bootstrap_servers) as client,
    ):
        assert describe(client, "unknown", auto=True)["unknown"].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_creation_on_demand_that_fails_is_an_unknown_topic() -> None:
    with (
        KafkaliteServer(config={"default.replication.factor": "3"}) as kafka,
        WireClient(kafka.bootstrap_servers) as client,
    ):
        assert describe(client, "x", auto=True)["x"].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert describe(client) == {}


@pytest.mark.parametrize(
    ("name", "partitions", "configs"),
    [
        (
            GROUP_METADATA_TOPIC,
            7,
            {"cleanup.policy": "compact", "segment.bytes": "104857600", "compression.type": "producer"},
        ),
        (
            TRANSACTION_STATE_TOPIC,
            5,
            {
                "unclean.leader.election.enable": "false",
                "compression.type": "uncompressed",
                "cleanup.policy": "compact",
                "min.insync.replicas": "1",
                "segment.bytes": "104857600",
            },
        ),
        (
            SHARE_GROUP_STATE_TOPIC,
            3,
            {
                "cleanup.policy": "delete",
                "compression.type": "producer",
                "segment.bytes": "104857600",
                "min.insync.replicas": "1",
                "retention.ms": "-1",
            },
        ),
    ],
)
def test_internal_topics_come_with_their_configuration(name: str, partitions: int, configs: dict[str, str]) -> None:
    properties = {
        "offsets.topic.num.partitions": 7,
        "transaction.state.log.num.partitions": 5,
        "share.coordinator.state.topic.num.partitions": 3,
    }
    with KafkaliteServer(config=properties) as kafka, WireClient(kafka.bootstrap_servers) as client:
        topic = describe(client, name, auto=True)[name]
        assert (topic.error_code, topic.is_internal, len(topic.partitions)) == (0, True, partitions)
        resource = DescribeConfigsResource(resource_type=2, resource_name=name, configuration_keys=None)
        [result] = client.send(DescribeConfigsRequest(resources=[resource])).results
        assert {config.name: config.value for config in result.configs if config.config_source == 1} == configs


def test_changes_survive_a_restart(tmp_path: Path) -> None:
    with KafkaliteServer(tmp_path) as kafka, WireClient(kafka.bootstrap_servers) as client:
        create(client, "kept", partitions=2, retention_ms="5")
        create(client, "grown", "gone")
        wanted = CreatePartitionsTopic(name="grown", count=3, assignments=None)
        client.send(CreatePartitionsRequest(topics=[wanted], timeout_ms=30_000))
        client.send(DeleteTopicsRequest(topics=[DeleteTopicState(name="gone")], timeout_ms=30_000))
        before = describe(client)
    with KafkaliteServer(tmp_path) as kafka, WireClient(kafka.bootstrap_servers) as client:
        after = describe(client)
    assert {name: (topic.topic_id, len(topic.partitions)) for name, topic in after.items()} == {
        "kept": (before["kept"].topic_id, 2),
        "grown": (before["grown"].topic_id, 3),
    }
    assert {p.leader_epoch for topic in after.values() for p in topic.partitions} == {2}


def test_a_topic_created_again_is_another_one(client: WireClient) -> None:
    [first] = create(client, "orders")
    [deleted] = client.send(
        DeleteTopicsRequest(topics=[DeleteTopicState(name=None, topic_id=first.topic_id)], timeout_ms=30_000)
    ).responses
    assert (deleted.error_code, deleted.name) == (0, "orders")
    [second] = create(client, "orders")
    assert second.error_code == 0
    assert second.topic_id != first.topic_id
    by_id = [MetadataRequestTopic(name=None, topic_id=topic_id) for topic_id in (first.topic_id, second.topic_id)]
    unknown, known = client.send(MetadataRequest(topics=by_id)).topics
    assert (unknown.error_code, unknown.name) == (ErrorCode.UNKNOWN_TOPIC_ID, None)
    assert (known.error_code, known.name) == (0, "orders")


def test_deletion_can_be_switched_off() -> None:
    with (
        KafkaliteServer(config={"delete.topic.enable": "false"}) as kafka,
        WireClient(kafka.bootstrap_servers) as client,
    ):
        [created] = create(client, "orders")
        for version, error in ((1, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)):
            request = DeleteTopicsRequest(topic_names=["orders"], timeout_ms=30_000)
            [response] = client.send(request, version).responses
            assert response.error_code == error
        state = DeleteTopicState(name=None, topic_id=created.topic_id)
        [response] = client.send(DeleteTopicsRequest(topics=[state], timeout_ms=30_000)).responses
        assert (response.error_code, response.topic_id) == (ErrorCode.TOPIC_DELETION_DISABLED, created.topic_id)


def test_each_client_is_told_the_address_by_which_it_came(kafka: KafkaliteServer) -> None:
    for name in ("127.0.0.1", "localhost"):
        with WireClient(f"{name}:{kafka.port}") as client:
            [broker] = client.send(MetadataRequest(topics=[])).brokers
            assert (broker.node_id, broker.host, broker.port) == (1, "127.0.0.1", kafka.port)
            [described] = client.send(DescribeClusterRequest()).brokers
            assert (described.broker_id, described.host, described.port) == (1, "127.0.0.1", kafka.port)


def test_advertised_listeners_are_told_instead() -> None:
    properties = {"advertised.listeners": "PLAINTEXT://broker.example:19092", "broker.rack": "r1"}
    with KafkaliteServer(config=properties) as kafka, WireClient(kafka.bootstrap_servers) as client:
        [broker] = client.send(MetadataRequest(topics=[])).brokers
        assert (broker.host, broker.port, broker.rack) == ("broker.example", 19092, "r1")
        assert client.send(DescribeClusterRequest()).brokers[0].rack == "r1"


def test_all_topics_are_described_by_name_in_pages(kafka: KafkaliteServer, client: WireClient) -> None:
    create(client, "c", "a", "b", partitions=2)
    request = DescribeTopicPartitionsRequest(response_partition_limit=3)
    first = client.send(request)
    assert [(topic.name, len(topic.partitions)) for topic in first.topics] == [("a", 2), ("b", 1)]
    request.cursor = first.next_cursor
    second = client.send(request)
    assert [(topic.name, [p.partition_index for p in topic.partitions]) for topic in second.topics] == [
        ("b", [1]),
        ("c", [0, 1]),
    ]
    assert second.next_cursor is None


def test_ids_are_never_zero_and_all_different(client: WireClient) -> None:
    ids = [topic.topic_id for topic in create(client, *[f"topic-{index}" for index in range(50)])]
    assert len(set(ids)) == 50
    assert Uuid.ZERO not in ids
    assert not any(str(topic_id).startswith("-") for topic_id in ids)


def test_the_metadata_may_have_a_directory_of_its_own(tmp_path: Path) -> None:
    config = {"log.dirs": f"{tmp_path}/records", "metadata.log.dir": f"{tmp_path}/metadata"}
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        [created] = create(client, "orders")
        assert created.error_code == 0
        with pytest.raises(LogDirectoryError, match=r"Failed to acquire lock on file \.lock in"):
            KafkaliteServer(tmp_path, config={**config, "log.dirs": f"{tmp_path}/others"}).start()
    assert (tmp_path / "metadata" / "meta.properties").exists()
    assert (tmp_path / "metadata" / "__cluster_metadata-0").is_dir()
    assert (tmp_path / "records" / "orders-0").is_dir()
    assert not (tmp_path / "metadata" / ".lock").exists()
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        assert describe(client)["orders"].topic_id == created.topic_id


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_lost_partition_metadata_is_written_again(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "orders-0" / "partition.metadata"
    with KafkaliteServer(tmp_path) as kafka, WireClient(kafka.bootstrap_servers) as client:
        [created] = create(client, "orders")
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with KafkaliteServer(tmp_path) as kafka, WireClient(kafka.bootstrap_servers) as client:
        assert path.read_text() == f"version: 0\ntopic_id: {created.topic_id}"
        [deleted] = client.send(
            DeleteTopicsRequest(topics=[DeleteTopicState(name="orders")], timeout_ms=30_000)
        ).responses
        assert deleted.error_code == 0
        assert not path.exists()


def test_partitions_on_a_failed_disk_have_no_leader(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("orders", 2)
    request = MetadataRequest(topics=[MetadataRequestTopic(name="orders")])
    assert [p.leader_id for p in offline_broker.ask(request).topics[0].partitions] == [1, 1]
    log = offline_broker.broker.leader_log("orders", 1)
    offline_broker.broker.logs.context.report_failure(log.log_directory, OSError(errno.EIO, "I/O error"), False)
    partitions = offline_broker.ask(request).topics[0].partitions
    partitions += offline_broker.ask(DescribeTopicPartitionsRequest(topics=[])).topics[0].partitions
    assert len(partitions) == 4
    for partition in partitions:
        assert partition.error_code == ErrorCode.LEADER_NOT_AVAILABLE
        assert (partition.leader_id, partition.replica_nodes, partition.offline_replicas) == (-1, [1], [1])


def test_of_many_that_create_the_same_topic_at_once_one_is_told_that_it_did(start_kafkalite: StartKafkalite) -> None:
    broker = start_kafkalite()
    outcomes: list[int] = []

    def create_all() -> None:
        with WireClient(broker.bootstrap_servers) as client:
            for number in range(20):
                partitions = 40 if number % 5 == 0 else 1  # in one step or in many
                outcomes.extend(one.error_code for one in create(client, f"topic-{number}", partitions=partitions))

    threads = [threading.Thread(target=create_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [0] * 20 + [ErrorCode.TOPIC_ALREADY_EXISTS] * 60
    broker.kill()
    broker.start()
    with WireClient(broker.bootstrap_servers) as client:
        assert len(client.send(MetadataRequest(topics=None)).topics) == 20
