"""KafkaliteServer: a broker inside a test's process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kafkalite.client.wire_client import BrokerUnreachableError, WireClient
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.testing import KafkaliteServer


def topics(server: KafkaliteServer) -> list[str]:
    with WireClient(server.bootstrap_servers) as client:
        return [topic.name for topic in client.send(MetadataRequest(topics=None)).topics]


def create_topic(server: KafkaliteServer, name: str) -> None:
    with WireClient(server.bootstrap_servers) as client:
        [topic] = client.send(MetadataRequest(topics=[MetadataRequestTopic(name=name)])).topics
        assert topic.error_code == 0


def test_it_serves_until_its_block_ends() -> None:
    with KafkaliteServer() as kafka:
        assert kafka.bootstrap_servers == f"127.0.0.1:{kafka.port}"
        create_topic(kafka, "a")
        assert topics(kafka) == ["a"]
    with pytest.raises(BrokerUnreachableError):
        topics(kafka)


async def test_it_works_in_asynchronous_code() -> None:
    async with KafkaliteServer() as kafka:
        assert topics(kafka) == []


def test_several_know_nothing_of_each_other() -> None:
    with KafkaliteServer() as one, KafkaliteServer() as other:
        create_topic(one, "a")
        assert (topics(one), topics(other)) == (["a"], [])


def test_what_is_in_memory_outlives_a_restart_of_the_same_object() -> None:
    kafka = KafkaliteServer()
    with kafka:
        create_topic(kafka, "kept")
    with kafka:
        assert topics(kafka) == ["kept"]


def test_what_is_in_a_directory_outlives_the_object(tmp_path: Path) -> None:
    with KafkaliteServer(tmp_path) as kafka:
        create_topic(kafka, "kept")
    with KafkaliteServer(tmp_path) as kafka:
        assert topics(kafka) == ["kept"]


def test_properties_are_given_as_python_values() -> None:
    with KafkaliteServer(config={"num.partitions": 3, "auto.create.topics.enable": True}) as kafka:
        create_topic(kafka, "wide")
        with WireClient(kafka.bootstrap_servers) as client:
            [topic] = client.send(MetadataRequest(topics=[MetadataRequestTopic(name="wide")])).topics
            assert len(topic.partitions) == 3


def test_what_keeps_it_from_starting_is_raised_and_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")
    before = threading.active_count()
    with pytest.raises(Exception, match="7"):
        KafkaliteServer(tmp_path).start()
    assert threading.active_count() == before


def test_stopping_twice_is_harmless_and_starting_twice_is_not() -> None:
    kafka = KafkaliteServer().start()
    with pytest.raises(RuntimeError, match="runs already"):
        kafka.start()
    kafka.stop()
    kafka.stop()
    assert not kafka.is_running
