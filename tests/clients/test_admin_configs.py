"""Configurations described and altered by the admin clients of other libraries, in the versions that they speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource as AioConfigResource
from aiokafka.admin.config_resource import ConfigResourceType as AioConfigResourceType
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from kafka.admin import ConfigResource as PythonConfigResource
from kafka.admin import ConfigResourceType as PythonConfigResourceType
from kafka.admin import KafkaAdminClient

CreateTopic = Callable[[str, int], None]


@pytest.fixture
def admin(bootstrap_servers: str, topic: str, create_topic: CreateTopic) -> AdminClient:
    create_topic(topic, 1)
    return AdminClient({"bootstrap.servers": bootstrap_servers})


def described(admin: AdminClient, kind: Any, name: str) -> dict[str, Any]:
    resource = ConfigResource(kind, name)
    found: dict[str, Any] = admin.describe_configs([resource])[resource].result(10)
    return found


def test_confluent_kafka_alters_incrementally(admin: AdminClient, topic: str) -> None:
    changes = [
        ConfigEntry("retention.ms", "5000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    admin.incremental_alter_configs([resource])[resource].result(10)
    configs = described(admin, ResourceType.TOPIC, topic)
    assert (configs["retention.ms"].value, configs["retention.ms"].is_default) == ("5000", False)
    assert configs["cleanup.policy"].value == "delete,compact"
    assert configs["segment.bytes"].is_default


def test_confluent_kafka_describes_a_broker(admin: AdminClient) -> None:
    configs = described(admin, ResourceType.BROKER, "1")
    assert configs["node.id"].value == "1"
    assert configs["node.id"].is_read_only
    assert configs["ssl.key.password"].is_sensitive
    assert len(configs) > 300


def test_confluent_kafka_is_told_what_is_wrong(admin: AdminClient, topic: str) -> None:
    changes = [ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    with pytest.raises(Exception, match=r"Invalid value soon for configuration retention\.ms: Not a number"):
        admin.incremental_alter_configs([resource])[resource].result(10)


@pytest.fixture
def python_admin(bootstrap_servers: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    yield client
    client.close()


def test_kafka_python_alters_and_describes(admin: AdminClient, python_admin: KafkaAdminClient, topic: str) -> None:
    python_admin.alter_configs([PythonConfigResource(PythonConfigResourceType.TOPIC, topic, {"retention.ms": "6000"})])
    assert described(admin, ResourceType.TOPIC, topic)["retention.ms"].value == "6000"
    found = python_admin.describe_configs([PythonConfigResource(PythonConfigResourceType.TOPIC, topic)])
    assert found["topic"][topic]["retention.ms"]["value"] == "6000"


def test_aiokafka_alters_and_describes(bootstrap_servers: str, admin: AdminClient, topic: str) -> None:
    async def alter_and_describe() -> dict[str, str]:
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
        await client.start()
        try:
            altered = AioConfigResource(AioConfigResourceType.TOPIC, topic, {"retention.ms": "7000"})
            await client.alter_configs([altered])
            [response] = await client.describe_configs([AioConfigResource(AioConfigResourceType.TOPIC, topic)])
        finally:
            await client.close()
        [(_, _, _, _, entries)] = response.resources
        return {entry[0]: entry[1] for entry in entries}

    assert asyncio.run(alter_and_describe())["retention.ms"] == "7000"
    assert described(admin, ResourceType.TOPIC, topic)["retention.ms"].value == "7000"
