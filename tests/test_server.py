"""The server's life: many connections at its end, limits on connections, idle ones, ports that are taken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import eventually
from kafkalite.client.wire_client import BrokerUnreachableError, WireClient, WireClientError
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.server import Server
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.testing import KafkaliteServer


@pytest.fixture
def kafka() -> Iterator[KafkaliteServer]:
    with KafkaliteServer() as server:
        yield server


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(5)
    try:
        return connection.recv(1) != b""
    except ConnectionResetError:
        return False
    except TimeoutError:
        return True


def test_a_stop_ends_a_thousand_connections_and_leaves_a_clean_directory(tmp_path: Path) -> None:
    server = KafkaliteServer(tmp_path / "data").start()
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1000)]
    server.stop()
    assert not any(is_open(connection) for connection in connections)
    for connection in connections:
        connection.close()
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_a_stop_answers_what_waits(kafka: KafkaliteServer) -> None:
    client = WireClient(kafka.bootstrap_servers)
    client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    request = FetchRequest(
        max_wait_ms=600_000, min_bytes=1, max_bytes=1000, topics=[FetchTopic(topic="t", partitions=[partition])]
    )
    correlation_id = client.send_request(request, 12)
    client_2 = WireClient(kafka.bootstrap_servers)
    client_2.send(MetadataRequest(topics=[]))  # the fetch has been read by now
    kafka.stop()
    response = client.receive_response(FetchResponse, 12, correlation_id)
    assert response.responses[0].partitions[0].error_code == 0


def test_more_connections_than_allowed_are_refused() -> None:
    with KafkaliteServer(config={"max.connections": 2}) as server:
        first, second, third = (socket.create_connection(("127.0.0.1", server.port)) for _ in range(3))
        assert not is_open(third)
        first.close()
        second.close()
        third.close()
        with WireClient(server.bootstrap_servers) as client:
            assert client.send(DescribeClusterRequest()).error_code == 0


def test_more_connections_from_one_address_than_allowed_are_refused() -> None:
    with KafkaliteServer(config={"max.connections.per.ip": 1}) as server:
        first = socket.create_connection(("127.0.0.1", server.port))
        second = socket.create_connection(("127.0.0.1", server.port))
        assert not is_open(second)
        first.close()
        second.close()


def test_an_idle_connection_is_ended_and_a_busy_one_is_not() -> None:
    with KafkaliteServer(config={"connections.max.idle.ms": 400}) as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        with WireClient(server.bootstrap_servers) as busy:
            while is_open_now(idle):
                assert busy.send(DescribeClusterRequest()).error_code == 0
            assert busy.is_connected
        idle.close()


def is_open_now(connection: socket.socket) -> bool:
    connection.settimeout(0.02)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True


async def test_a_port_that_is_taken_stops_the_start_with_one_line_and_unlocks_the_directory(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        properties = {"listeners": f"PLAINTEXT://127.0.0.1:{port}", "log.dirs": str(tmp_path)}
        with pytest.raises(OSError, match=f"Cannot listen on 127.0.0.1:{port}: Address already in use"):
            await Server(BrokerConfig(properties)).start()
    lock = LocalFileSystem().lock(str(tmp_path / ".lock"))
    assert lock is not None
    lock.release()


async def test_a_host_that_has_no_address_is_named(tmp_path: Path) -> None:
    properties = {"listeners": "PLAINTEXT://no-such-host.invalid:9", "log.dirs": str(tmp_path)}
    with pytest.raises(OSError, match=r"Cannot listen on no-such-host\.invalid:9: "):
        await Server(BrokerConfig(properties)).start()


async def test_a_port_that_is_taken_is_found_before_the_logs_are_touched(tmp_path: Path) -> None:
    with KafkaliteServer(tmp_path) as kafka, WireClient(kafka.bootstrap_servers) as client:
        client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert tmp_path / ".kafka_cleanshutdown" in files
    with socket.create_server(("127.0.0.1", 0)) as taken:
        properties = {"listeners": f"PLAINTEXT://127.0.0.1:{taken.getsockname()[1]}", "log.dirs": str(tmp_path)}
        with pytest.raises(OSError, match="Address already in use"):
            await Server(BrokerConfig(properties)).start()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


async def test_the_broker_runs_on_asyncios_own_loop_too(tmp_path: Path) -> None:
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio")
    server = Server(BrokerConfig({"listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": str(tmp_path)}))
    await server.start()
    try:
        [(host, port)] = server.addresses
        cluster = await asyncio.to_thread(lambda: WireClient(host, port).send(DescribeClusterRequest()))
        assert [broker.port for broker in cluster.brokers] == [port]
    finally:
        await server.stop()


def test_each_client_is_told_the_address_by_which_it_came() -> None:
    with KafkaliteServer(host="0.0.0.0") as server:
        for address in ("127.0.0.1", "127.0.0.2"):
            with WireClient(address, server.port) as client:
                [broker] = client.send(MetadataRequest(topics=[])).brokers
                assert (broker.host, broker.port) == (address, server.port)


def test_advertised_listeners_count_before_that() -> None:
    config = {"advertised.listeners": "PLAINTEXT://kafka.example.org:1234"}
    with KafkaliteServer(config=config) as server, WireClient(server.bootstrap_servers) as client:
        [broker] = client.send(MetadataRequest(topics=[])).brokers
        assert (broker.host, broker.port) == ("kafka.example.org", 1234)


def set_listeners(client: WireClient, text: str | None) -> None:
    config = AlterableConfig(name="listeners", config_operation=0 if text else 1, value=text)
    request = IncrementalAlterConfigsRequest(
        resources=[AlterConfigsResource(resource_type=4, resource_name="1", configs=[config])]
    )
    [answer] = client.send(request).responses
    assert answer.error_code == 0, answer


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def listens(port: int) -> bool:
    try:
        with WireClient("127.0.0.1", port) as client:
            return bool(client.send(DescribeClusterRequest()).error_code == 0)
    except BrokerUnreachableError:
        return False


def test_listeners_come_and_go_while_the_broker_runs(tmp_path: Path) -> None:
    port, extra = free_port(), free_port()
    base = f"PLAINTEXT://127.0.0.1:{port}"
    config = {"listeners": base, "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,EXTRA:PLAINTEXT"}
    with (
        KafkaliteServer(str(tmp_path), config=config, port=port) as server,
        WireClient(server.bootstrap_servers) as client,
    ):
        set_listeners(client, f"{base},EXTRA://127.0.0.1:{extra}")
        eventually(lambda: listens(extra))
        with WireClient("127.0.0.1", extra) as guest:
            [broker] = guest.send(MetadataRequest(topics=[])).brokers
            assert (broker.host, broker.port) == ("127.0.0.1", extra)
            set_listeners(client, base)
            eventually(lambda: not listens(extra))
            with pytest.raises(WireClientError):
                guest.send(DescribeClusterRequest())
        set_listeners(client, f"{base},EXTRA://127.0.0.1:{extra}")
        eventually(lambda: listens(extra))
        set_listeners(client, None)
        eventually(lambda: not listens(extra))
        assert listens(port)


def test_a_listener_whose_port_is_taken_is_missing_and_stops_no_later_start(tmp_path: Path) -> None:
    port = free_port()
    base = f"PLAINTEXT://127.0.0.1:{port}"
    config = {"listeners": base, "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,EXTRA:PLAINTEXT"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        extra = taken.getsockname()[1]
        for _ in range(2):
            with (
                KafkaliteServer(str(tmp_path), config=config, port=port) as server,
                WireClient(server.bootstrap_servers) as client,
            ):
                set_listeners(client, f"{base},EXTRA://127.0.0.1:{extra}")
                assert listens(port)
    with KafkaliteServer(str(tmp_path), config=config, port=port):
        assert listens(extra)


def test_a_listener_without_certificates_is_missing_and_the_others_are_there(tmp_path: Path) -> None:
    port, secure, extra = free_port(), free_port(), free_port()
    base = f"PLAINTEXT://127.0.0.1:{port}"
    protocols = "PLAINTEXT:PLAINTEXT,SECURE:SSL,EXTRA:PLAINTEXT"
    config = {"listeners": base, "listener.security.protocol.map": protocols}
    for _ in range(2):
        with (
            KafkaliteServer(str(tmp_path), config=config, port=port) as server,
            WireClient(server.bootstrap_servers) as client,
        ):
            set_listeners(client, f"{base},SECURE://127.0.0.1:{secure},EXTRA://127.0.0.1:{extra}")
            eventually(lambda: listens(extra))
            assert not listens(secure)
