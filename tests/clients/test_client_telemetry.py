"""Metrics that real clients push (KIP-714), asked for by a subscription and read from the topic that keeps them."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from apache_kafka import java_command
from client_scenarios import ALL_CODECS, run_program, wait_until
from kafkalite.broker.client_telemetry_reporter import CLIENT_TELEMETRY_TOPIC
from kafkalite.client.wire_client import WireClient
from kafkalite.config.definitions.metrics import CLIENT_TELEMETRY_REPORTER
from kafkalite.identifiers import Uuid
from kafkalite.protocol.api_keys import ApiKey
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.metadata import MetadataRequest
from kafkalite_process import KafkaliteProcess, StartKafkalite

BROKER, CLIENT_METRICS = 4, 16


@pytest.fixture
def broker(start_kafkalite: StartKafkalite) -> KafkaliteProcess:
    """A broker that keeps what clients push, and asks them for everything."""
    broker = start_kafkalite(properties={"metric.reporters": CLIENT_TELEMETRY_REPORTER})
    set_configs(broker.bootstrap_servers, CLIENT_METRICS, "all", {"metrics": "*", "interval.ms": "200"})
    return broker


def set_configs(bootstrap_servers: str, resource_type: int, name: str, configs: dict[str, str]) -> None:
    altered = [AlterableConfig(name=key, config_operation=0, value=value) for key, value in configs.items()]
    resource = AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=altered)
    with WireClient(bootstrap_servers) as client:
        [answer] = client.send(IncrementalAlterConfigsRequest(resources=[resource])).responses
    assert answer.error_code == 0, answer


def announced(bootstrap_servers: str) -> set[int]:
    with WireClient(bootstrap_servers) as client:
        request = ApiVersionsRequest(client_software_name="tests", client_software_version="1")
        return {api.api_key for api in client.send(request).api_keys}


class Telemetry:
    """What the topic holds so far."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": "g", "enable.metrics.push": False}
        )
        self._consumer.assign([TopicPartition(CLIENT_TELEMETRY_TOPIC, 0, 0)])
        self.points: list[dict[str, Any]] = []

    def of(self, software: str) -> list[dict[str, Any]]:
        """The numbers that clients of that name have pushed."""
        for message in self._consumer.consume(10_000, timeout=0.2):
            if message.error() is None:
                point = json.loads(message.value() or b"")
                assert message.key() == point["client_instance_id"].encode()
                self.points.append(point)
        return [point for point in self.points if point["client_software_name"] == software]

    def close(self) -> None:
        self._consumer.close()


def test_librdkafka_pushes_its_metrics_into_the_topic(broker: KafkaliteProcess, topic: str) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "client.id": "thermometer"})
    telemetry = Telemetry(broker.bootstrap_servers)

    def has_pushed() -> bool:
        producer.produce(topic, b"x")
        producer.flush()
        return bool(telemetry.of("confluent-kafka-python"))

    wait_until(has_pushed)
    [*_, point] = telemetry.of("confluent-kafka-python")
    telemetry.close()
    assert point["client_id"] == "thermometer"
    assert point["client_source_address"] == "127.0.0.1"
    assert len(Uuid.parse(point["client_instance_id"])) == 16
    assert {point["name"].rsplit(".", 1)[0] for point in telemetry.points} >= {
        "org.apache.kafka.producer.connection.creation"
    }
    assert {point["kind"] for point in telemetry.points} <= {"gauge", "delta"}
    assert all(isinstance(point["value"], int | float) for point in telemetry.points)


@pytest.mark.oracle
@pytest.mark.toolchain("javac")
def test_java_clients_push_their_metrics_into_the_topic(
    broker: KafkaliteProcess, java_programs: Path, topic: str
) -> None:
    program = java_command("KafkaClients", extra_class_path=str(java_programs))
    telemetry = Telemetry(broker.bootstrap_servers)
    numbers = count()
    kinds = ("org.apache.kafka.producer.", "org.apache.kafka.consumer.")

    def have_pushed() -> bool:
        """A client that is closed before it knows what is wanted of it pushes nothing: others get another chance."""
        run_program(program, broker.bootstrap_servers, "codecs", f"{topic}-{next(numbers)}", codecs=ALL_CODECS)
        names = {point["name"] for point in telemetry.of("apache-kafka-java")}
        return all(any(name.startswith(kind) for name in names) for kind in kinds)

    wait_until(have_pushed)
    telemetry.close()


def test_the_apis_are_announced_while_somebody_takes_what_clients_push(start_kafkalite: StartKafkalite) -> None:
    servers = start_kafkalite().bootstrap_servers
    telemetry = {ApiKey.GET_TELEMETRY_SUBSCRIPTIONS, ApiKey.PUSH_TELEMETRY}
    assert len(announced(servers)) == 77
    assert not announced(servers) & telemetry
    set_configs(servers, BROKER, "", {"metric.reporters": CLIENT_TELEMETRY_REPORTER})
    assert announced(servers) >= telemetry
    set_configs(servers, BROKER, "", {"metric.reporters": ""})
    assert len(announced(servers)) == 77
    with WireClient(servers) as client:
        assert not client.send(MetadataRequest(topics=None)).topics
