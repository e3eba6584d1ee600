"""KafkaliteServer: a broker inside a test's process."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from kafkalite.client.wire_client import BrokerUnreachableError, DisconnectedError, WireClient
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.server import Server
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


def test_a_restart_keeps_the_address() -> None:
    kafka = KafkaliteServer().start()
    first = kafka.bootstrap_servers
    kafka.stop()
    kafka.start()
    assert kafka.bootstrap_servers == first
    assert topics(kafka) == []
    kafka.stop()


def test_an_exception_in_the_block_passes_and_the_broker_ends() -> None:
    with pytest.raises(KeyError, match="mine"), KafkaliteServer() as kafka:
        raise KeyError("mine")
    assert not kafka.is_running
    with pytest.raises(BrokerUnreachableError):
        topics(kafka)


async def test_a_cancelled_block_ends_the_broker() -> None:
    kafka = KafkaliteServer()
    entered = asyncio.Event()

    async def use() -> None:
        async with kafka:
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not kafka.is_running


async def test_a_plain_block_works_within_a_running_event_loop() -> None:
    with KafkaliteServer() as kafka:
        create_topic(kafka, "a")
        assert await asyncio.to_thread(topics, kafka) == ["a"]


def test_what_its_end_fails_with_is_raised_by_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(server: Server) -> None:
        await stop(server)
        raise OSError("the disk has gone")

    stop = Server.stop
    monkeypatch.setattr(Server, "stop", fail)
    kafka = KafkaliteServer().start()
    with pytest.raises(OSError, match="the disk has gone"):
        kafka.stop()
    assert not kafka.is_running
    monkeypatch.undo()
    with kafka:
        assert topics(kafka) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_forked_child_neither_ends_the_broker_nor_holds_its_sockets() -> None:
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    with KafkaliteServer() as kafka, WireClient(kafka.bootstrap_servers) as client:
        client.send(MetadataRequest(topics=[]))
        child = os.fork()
        if child == 0:
            try:
                was_running = kafka.is_running
                kafka.stop()
                create_topic(kafka, "of-the-child")
                os.write(to_parent, b"running" if was_running else b"done")
                os.read(from_parent, 1)  # lives on while the parent ends its broker
            finally:
                os._exit(0)
        assert os.read(from_child, 10) == b"done"
        assert topics(kafka) == ["of-the-child"]
        kafka.stop()
        with pytest.raises(DisconnectedError):
            client.send(MetadataRequest(topics=[]))
        with pytest.raises(BrokerUnreachableError):
            topics(kafka)
        with kafka:
            assert topics(kafka) == ["of-the-child"]
    os.write(to_child, b".")
    os.waitpid(child, 0)
    for descriptor in (from_child, to_parent, from_parent, to_child):
        os.close(descriptor)
