"""A broker in the test's own process, and raw connections to it: plain ones, and ones over TLS, for the same tests."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from certificates import Certificates
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.testing import KafkaliteServer
from request_frames import frame_of


@pytest.fixture(params=["PLAINTEXT", "SSL"])
def security_protocol(request: pytest.FixtureRequest) -> str:
    """How clients speak with the broker of a test."""
    return str(request.param)


@pytest.fixture
def ssl_context(security_protocol: str, request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    """The clients' side of TLS, where the test has it."""
    if security_protocol == "PLAINTEXT":
        return None
    certificates: Certificates = request.getfixturevalue("certificates")
    return certificates.client_context()


@pytest.fixture
def kafka(security_protocol: str, tmp_path: object, request: pytest.FixtureRequest) -> Iterator[KafkaliteServer]:
    """A running broker whose data is on disk, so that answers leave their files by sendfile."""
    config: dict[str, object] = {"socket.request.max.bytes": 1_000_000}
    if security_protocol == "SSL":
        certificates: Certificates = request.getfixturevalue("certificates")
        config.update(certificates.broker_properties())
    with KafkaliteServer(str(tmp_path) + "/data", config=config) as server:
        yield server


@pytest.fixture
def connect(kafka: KafkaliteServer, ssl_context: ssl.SSLContext | None) -> Iterator[Callable[[], RawConnection]]:
    """Opens connections that end with the test."""
    opened: list[RawConnection] = []

    def open_one() -> RawConnection:
        opened.append(RawConnection(kafka.port, ssl_context))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def client(kafka: KafkaliteServer, ssl_context: ssl.SSLContext | None) -> Iterator[WireClient]:
    with WireClient(kafka.bootstrap_servers, ssl_context=ssl_context) as opened:
        yield opened


@pytest.fixture
def topic(client: WireClient) -> str:
    """A topic with one partition."""
    request = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=1, replication_factor=1)])
    [created] = client.send(request).topics
    assert created.error_code == 0
    return "t"


class RawConnection:
    """A socket that sends what the test means to send, whole or in pieces."""

    def __init__(self, port: int, ssl_context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ssl_context is not None:
            self.socket = ssl_context.wrap_socket(self.socket, server_hostname="localhost")
        self._received = b""

    frame = staticmethod(frame_of)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """The payload of the next frame."""
        while len(self._received) < 4 or len(self._received) < 4 + self._size():
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError
            self._received += data
        size = self._size()
        payload, self._received = self._received[4 : 4 + size], self._received[4 + size :]
        return payload

    def receive_correlation_id(self) -> int:
        return int.from_bytes(self.receive()[:4], "big", signed=True)

    def is_closed_by_the_broker(self) -> bool:
        """Waits for the end of the connection; false where an answer comes instead."""
        try:
            return self.socket.recv(1) == b""
        except (ConnectionResetError, ssl.SSLEOFError):
            return True

    def close(self) -> None:
        self.socket.close()

    def _size(self) -> int:
        return int.from_bytes(self._received[:4], "big", signed=True)
