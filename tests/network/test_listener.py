"""Listening sockets are as the configuration says."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from certificates import Certificates
from kafkalite.client.wire_client import WireClient
from kafkalite.network import congestion_control, listener
from kafkalite.network.connection import LARGE_FRAME
from kafkalite.network.sockets import WIDE_RECEIVE_BUFFER
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.testing import KafkaliteServer

KEY = "socket.listen.backlog.size"
RECEIVE_BUFFER_KEY = "socket.receive.buffer.bytes"
SEND_BUFFER_KEY = "socket.send.buffer.bytes"
Value = TypeVar("Value")


def of_sockets(port: int, ask: Callable[[socket.socket], Value], *, listening: bool = True) -> list[Value]:
    """What this process's sockets on a port answer: those that listen, or those of connections."""
    answers: list[Value] = []
    for name in os.listdir("/proc/self/fd"):
        try:
            copy = os.dup(int(name))
        except OSError:
            continue
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            os.close(copy)
            continue
        with socket.socket(fileno=copy) as sock:
            if (
                sock.family == socket.AF_INET
                and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == listening
                and sock.getsockname()[1] == port
            ):
                answers.append(ask(sock))
    return answers


def backlog(sock: socket.socket) -> int:
    """How many connections may wait to be accepted: of a socket that listens, tcpi_sacked is that length."""
    length: int = struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 28)[0]
    return length


def receive_buffer(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def send_buffer(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def given_when_asked_for(option: int, size: int | None) -> int:
    """What the system's sockets have that were given a buffer of a size, or none."""
    with socket.socket() as asked:
        if size is not None:
            asked.setsockopt(socket.SOL_SOCKET, option, size)
        return asked.getsockopt(socket.SOL_SOCKET, option)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's tcp_info")
@pytest.mark.parametrize(("config", "size"), [({}, 1_024), ({KEY: 7}, 7), ({KEY: 50}, 50), ({KEY: 300}, 300)])
def test_as_many_connections_may_wait_to_be_accepted_as_configured(
    tmp_path: Path, config: dict[str, int], size: int
) -> None:
    with KafkaliteServer(str(tmp_path / "data"), config=config) as server:
        assert of_sockets(server.port, backlog) == [size]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux gives twice of what is asked for, up to its limit")
@pytest.mark.parametrize(
    ("security_protocol", "config", "size"),
    [
        ("PLAINTEXT", {}, 100 * 1024),
        ("SSL", {}, 200 * 1024),
        ("SSL", {RECEIVE_BUFFER_KEY: 100 * 1024}, 100 * 1024),
        ("SSL", {RECEIVE_BUFFER_KEY: 50_000}, 50_000),
    ],
)
def test_sockets_receive_as_much_ahead_as_configured_and_with_tls_twice_as_much_where_nothing_is(
    tmp_path: Path, certificates: Certificates, security_protocol: str, config: dict[str, int], size: int
) -> None:
    properties = certificates.broker_properties() if security_protocol == "SSL" else {}
    with KafkaliteServer(str(tmp_path / "data"), config={**properties, **config}) as server:
        assert of_sockets(server.port, receive_buffer) == [given_when_asked_for(socket.SO_RCVBUF, size)]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux gives twice of what is asked for, up to its limit")
@pytest.mark.parametrize(
    ("config", "size_of_frame", "size"),
    [
        ({}, LARGE_FRAME + 1, WIDE_RECEIVE_BUFFER),
        ({}, LARGE_FRAME, 100 * 1024),
        ({RECEIVE_BUFFER_KEY: 100 * 1024}, LARGE_FRAME + 1, 100 * 1024),
        ({RECEIVE_BUFFER_KEY: 50_000}, 1_000_000, 50_000),
    ],
)
def test_who_sends_large_frames_may_send_more_ahead_where_nothing_is_configured(
    tmp_path: Path, config: dict[str, int], size_of_frame: int, size: int
) -> None:
    with (
        KafkaliteServer(str(tmp_path / "data"), config=config) as server,
        socket.create_connection((server.host, server.port)) as client,
    ):

        def buffers() -> list[int]:
            # A connection is there, and has its buffer, when the second has been let in and answered.
            with WireClient(server.host, server.port) as other:
                assert other.send(ApiVersionsRequest(), 0).error_code == 0
                return sorted(of_sockets(server.port, receive_buffer, listening=False))

        begins_with = given_when_asked_for(socket.SO_RCVBUF, config.get(RECEIVE_BUFFER_KEY, 100 * 1024))
        assert buffers() == [begins_with, begins_with]
        client.sendall(struct.pack(">i", size_of_frame) + bytes(100))
        assert buffers() == sorted([begins_with, given_when_asked_for(socket.SO_RCVBUF, size)])


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({}, None),
        ({SEND_BUFFER_KEY: -1}, None),
        ({SEND_BUFFER_KEY: 100 * 1024}, 100 * 1024),
        ({SEND_BUFFER_KEY: 9_999}, 9_999),
    ],
)
def test_sockets_send_as_much_ahead_as_configured_or_as_the_system_chooses(
    tmp_path: Path, config: dict[str, int], size: int | None
) -> None:
    with KafkaliteServer(str(tmp_path / "data"), config=config) as server:
        assert of_sockets(server.port, send_buffer) == [given_when_asked_for(socket.SO_SNDBUF, size)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not let a socket choose")
@pytest.mark.parametrize("is_configured_with_pacing", [True, False])
@pytest.mark.parametrize("is_from_same_machine", [True, False])
def test_only_what_stays_on_the_machine_has_no_pacing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_configured_with_pacing: bool, is_from_same_machine: bool
) -> None:
    with socket.socket() as sock:
        configured = congestion_control.congestion_control(sock)
    monkeypatch.setattr(congestion_control, "PACING", {configured} if is_configured_with_pacing else set())
    monkeypatch.setattr(listener, "is_from_same_machine", lambda peer, local: is_from_same_machine)
    with KafkaliteServer(str(tmp_path / "data")) as server, WireClient(server.host, server.port) as client:
        assert client.send(ApiVersionsRequest(client_software_name="a", client_software_version="1"), 3).error_code == 0
        has_none = is_configured_with_pacing and is_from_same_machine
        expected = congestion_control.WITHOUT_PACING if has_none else configured
        assert of_sockets(server.port, congestion_control.congestion_control, listening=False) == [expected]


@pytest.mark.parametrize(
    ("peer_host", "local_host", "is_same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", True),
        ("::1", "::1", True),
        ("192.168.7.4", "192.168.7.4", True),
        ("192.168.7.5", "192.168.7.4", False),
        ("fe80::2", "fe80::1", False),
        ("unknown", "localhost", False),
    ],
)
def test_a_machine_that_reaches_itself_is_known_by_its_addresses(
    peer_host: str, local_host: str, is_same: bool
) -> None:
    assert congestion_control.is_from_same_machine(peer_host, local_host) == is_same
