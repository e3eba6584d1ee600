"""DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources over the wire, and what they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kafkalite.client.wire_client import DisconnectedError, WireClient
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages import alter_configs, incremental_alter_configs
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
)
from kafkalite.protocol.messages.list_config_resources import ListConfigResourcesRequest
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.testing import KafkaliteServer

TOPIC, BROKER, CLIENT_METRICS, GROUP = 2, 4, 16, 32
SET, DELETE, APPEND = 0, 1, 2


@pytest.fixture
def filesystem() -> MemoryFileSystem:
    return MemoryFileSystem()


@pytest.fixture
def server(filesystem: MemoryFileSystem) -> Iterator[KafkaliteServer]:
    with KafkaliteServer(config={"offsets.topic.num.partitions": 1}, filesystem=filesystem) as server:
        yield server


@pytest.fixture
def client(server: KafkaliteServer) -> Iterator[WireClient]:
    with WireClient(server.bootstrap_servers) as client:
        create_topic(client, "t")
        yield client


def create_topic(client: WireClient, name: str, **configs: str) -> None:
    topic = CreatableTopic(
        name=name,
        num_partitions=1,
        replication_factor=1,
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )
    assert client.send(CreateTopicsRequest(topics=[topic], timeout_ms=1000)).topics[0].error_code == 0


def describe(
    client: WireClient, kind: int, name: str, keys: list[str] | None = None, **facts: bool
) -> dict[str, DescribeConfigsResourceResult]:
    resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
    result = client.send(DescribeConfigsRequest(resources=[resource], **facts)).results[0]
    assert result.error_code == 0, result.error_message
    return {config.name: config for config in result.configs}


def change(
    client: WireClient, kind: int, name: str, *changes: tuple[str, int, str | None], validate_only: bool = False
) -> tuple[int, str | None]:
    request = incremental_alter_configs.IncrementalAlterConfigsRequest(
        resources=[
            incremental_alter_configs.AlterConfigsResource(
                resource_type=kind,
                resource_name=name,
                configs=[
                    incremental_alter_configs.AlterableConfig(name=config, config_operation=operation, value=value)
                    for config, operation, value in changes
                ],
            )
        ],
        validate_only=validate_only,
    )
    [answer] = client.send(request).responses
    assert (answer.resource_type, answer.resource_name) == (kind, name)
    return answer.error_code, answer.error_message


def produce(client: WireClient, topic: str, size: int) -> int:
    batch = build_batch([Record(0, 1_000, None, bytes(size), [])])
    data = PartitionProduceData(index=0, records=batch)
    request = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name=topic, partition_data=[data])])
    code: int = client.send(request, 12).responses[0].partition_responses[0].error_code
    return code


def test_only_the_asked_for_properties_are_described(client: WireClient) -> None:
    assert set(describe(client, TOPIC, "t", ["retention.ms", "no.such"])) == {"retention.ms"}
    assert len(describe(client, TOPIC, "t")) > 30


def test_synonyms_and_documentation_are_given_where_they_are_asked_for(client: WireClient) -> None:
    plain = describe(client, TOPIC, "t", ["max.message.bytes"])["max.message.bytes"]
    assert (plain.synonyms, plain.documentation) == ([], None)
    full = describe(client, TOPIC, "t", ["max.message.bytes"], include_synonyms=True, include_documentation=True)
    assert [(s.name, s.value, s.source) for s in full["max.message.bytes"].synonyms] == [
        ("message.max.bytes", "1048588", 5)
    ]
    assert full["max.message.bytes"].documentation == "Largest record batch the topic takes, after compression."


def test_listeners_are_described_as_they_were_given(client: WireClient) -> None:
    listeners = describe(client, BROKER, "1", ["listeners"])["listeners"]
    assert (listeners.value, listeners.config_source) == ("PLAINTEXT://127.0.0.1:0", 4)


def test_a_changed_topic_is_obeyed_at_once(client: WireClient) -> None:
    assert produce(client, "t", 5000) == ErrorCode.NONE
    assert change(client, TOPIC, "t", ("max.message.bytes", SET, "1000")) == (0, None)
    assert produce(client, "t", 5000) == ErrorCode.MESSAGE_TOO_LARGE
    assert change(client, TOPIC, "t", ("max.message.bytes", DELETE, None)) == (0, None)
    assert produce(client, "t", 5000) == ErrorCode.NONE


def test_a_changed_broker_is_obeyed_by_the_topics_that_inherit_from_it(client: WireClient) -> None:
    create_topic(client, "own", max_message_bytes="9000")
    assert change(client, BROKER, "", ("message.max.bytes", SET, "1000")) == (0, None)
    assert produce(client, "t", 5000) == ErrorCode.MESSAGE_TOO_LARGE
    assert produce(client, "own", 5000) == ErrorCode.NONE
    assert change(client, BROKER, "1", ("message.max.bytes", SET, "8000")) == (0, None)
    assert produce(client, "t", 5000) == ErrorCode.NONE


def test_a_dry_run_checks_and_changes_nothing(client: WireClient) -> None:
    assert change(client, TOPIC, "t", ("retention.ms", SET, "5"), validate_only=True) == (0, None)
    assert describe(client, TOPIC, "t", ["retention.ms"])["retention.ms"].value == "604800000"
    assert change(client, TOPIC, "t", ("retention.ms", SET, "x"), validate_only=True) == (
        ErrorCode.INVALID_CONFIG,
        "Invalid value x for configuration retention.ms: Not a number of type LONG",
    )


def test_resources_of_one_request_do_not_depend_on_each_other(client: WireClient) -> None:
    request = alter_configs.AlterConfigsRequest(
        resources=[
            alter_configs.AlterConfigsResource(
                resource_type=TOPIC,
                resource_name=name,
                configs=[alter_configs.AlterableConfig(name="retention.ms", value="5")],
            )
            for name in ("t", "no-such-topic", "twice", "twice")
        ]
    )
    answers = [(answer.error_code, answer.error_message) for answer in client.send(request).responses]
    assert answers == [
        (ErrorCode.NONE, None),
        (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'no-such-topic' does not exist."),
        (ErrorCode.INVALID_REQUEST, "Each resource must appear at most once."),
        (ErrorCode.INVALID_REQUEST, "Each resource must appear at most once."),
    ]
    assert describe(client, TOPIC, "t", ["retention.ms"])["retention.ms"].value == "5"


def test_legacy_alterations_reset_what_they_do_not_name(client: WireClient) -> None:
    change(client, TOPIC, "t", ("segment.ms", SET, "1000"))
    resource = alter_configs.AlterConfigsResource(
        resource_type=TOPIC,
        resource_name="t",
        configs=[alter_configs.AlterableConfig(name="retention.ms", value="5")],
    )
    client.send(alter_configs.AlterConfigsRequest(resources=[resource]))
    described = describe(client, TOPIC, "t", ["segment.ms", "retention.ms"])
    assert (described["segment.ms"].value, described["retention.ms"].value) == ("604800000", "5")


def test_what_was_set_is_there_after_a_restart(server: KafkaliteServer, client: WireClient) -> None:
    change(client, TOPIC, "t", ("cleanup.policy", APPEND, "compact"))
    change(client, BROKER, "", ("log.retention.ms", SET, "70000"))
    change(client, GROUP, "g", ("consumer.session.timeout.ms", SET, "50000"))
    client.close()
    server.stop()
    server.start()
    with WireClient(server.bootstrap_servers) as again:
        assert describe(again, TOPIC, "t", ["cleanup.policy"])["cleanup.policy"].value == "delete,compact"
        assert describe(again, TOPIC, "t", ["retention.ms"])["retention.ms"].value == "70000"
        session = describe(again, GROUP, "g", ["consumer.session.timeout.ms"])["consumer.session.timeout.ms"]
        assert (session.value, session.config_source) == ("50000", 8)


def test_resources_are_listed_by_type(client: WireClient) -> None:
    change(client, GROUP, "g", ("consumer.session.timeout.ms", SET, "50000"))
    change(client, CLIENT_METRICS, "m", ("interval.ms", SET, "1000"))

    def listed(types: list[int], version: int = 1) -> list[tuple[int, str]]:
        response = client.send(ListConfigResourcesRequest(resource_types=types), version)
        assert response.error_code == 0
        return sorted((entry.resource_type, entry.resource_name) for entry in response.config_resources)

    assert listed([]) == [(2, "t"), (4, "1"), (8, "1"), (16, "m"), (32, "g")]
    assert listed([GROUP, TOPIC]) == [(2, "t"), (32, "g")]
    assert listed([], version=0) == [(16, "m")]
    response = client.send(ListConfigResourcesRequest(resource_types=[7]), 1)
    assert (response.error_code, response.config_resources) == (ErrorCode.UNSUPPORTED_VERSION, [])


def test_an_unknown_type_spoils_the_whole_description(client: WireClient) -> None:
    request = DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=kind, resource_name="t", configuration_keys=None) for kind in (2, 3)
        ]
    )
    results = client.send(request).results
    assert [(result.error_code, result.configs) for result in results] == [(ErrorCode.INVALID_REQUEST, [])] * 2


def test_limits_of_connections_are_obeyed_at_once(server: KafkaliteServer, client: WireClient) -> None:
    def is_let_in() -> bool:
        with WireClient(server.bootstrap_servers, timeout_s=5) as another:
            try:
                return bool(another.send(ListConfigResourcesRequest()).error_code == 0)
            except DisconnectedError:
                return False

    assert is_let_in()
    assert change(client, BROKER, "", ("max.connections.per.ip", SET, "1")) == (0, None)
    assert not is_let_in()
    assert change(client, BROKER, "", ("max.connections.per.ip.overrides", SET, "127.0.0.1:2")) == (0, None)
    assert is_let_in()
    assert change(client, BROKER, "1", ("max.connections", SET, "1")) == (0, None)
    assert not is_let_in()
