"""What is TLS's own on a connection: handshakes that fail, are not finished, or show who the client is."""

from __future__ import annotations

import logging
import random
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from certificates import BROKER_NAMES, CLIENT_NAME, Certificates
from kafkalite.client.wire_client import DisconnectedError, SslHandshakeError, WireClient
from kafkalite.config.config_value import ConfigException
from kafkalite.errors import ErrorCode
from kafkalite.network import tls_connection
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.metadata import MetadataRequest
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.testing import KafkaliteServer
from request_frames import frame_of

METADATA = MetadataRequest(topics=[])


@pytest.fixture
def kafka(certificates: Certificates, request: pytest.FixtureRequest) -> Iterator[KafkaliteServer]:
    """A broker with an SSL listener; `indirect` parameters are its ssl.* properties."""
    properties = certificates.broker_properties(**getattr(request, "param", {}))
    with KafkaliteServer(config=properties) as server:
        yield server


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "kafkalite.network"):
        yield caplog


def lines_of(log: pytest.LogCaptureFixture) -> list[str]:
    """What the network has said, without the client's port."""
    return [
        record.getMessage().partition(" on SSL: ")[2] for record in log.records if record.name == "kafkalite.network"
    ]


def next_lines_of(log: pytest.LogCaptureFixture) -> list[str]:
    """The same, once there is any: the broker speaks after a client has gone."""
    deadline = time.monotonic() + 10
    while not lines_of(log) and time.monotonic() < deadline:
        time.sleep(0.01)
    return lines_of(log)


VALUE = bytes(range(256)) * 400


def large_frame(correlation_id: int) -> bytes:
    """A request of 100 KB: a record for topic t."""
    batch = build_batch([Record(0, 1_000, None, VALUE, [])])
    data = TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=batch)])
    return frame_of(ProduceRequest(acks=-1, timeout_ms=1_000, topic_data=[data]), 9, correlation_id)


def correlation_ids(received: bytes) -> list[int]:
    """Those of the responses that have been received whole."""
    found = []
    while len(received) >= 4 and len(received) >= 4 + (size := int.from_bytes(received[:4], "big")):
        found.append(int.from_bytes(received[4:8], "big"))
        received = received[4 + size :]
    return found


class OneRead:
    """A client that decides what the broker receives with one read. It has made a topic t and has sent a large frame,
    so that the next ones get buffers of their own."""

    def __init__(self, kafka: KafkaliteServer, certificates: Certificates) -> None:
        self._kafka = kafka
        context = certificates.client_context()
        with WireClient(kafka.bootstrap_servers, ssl_context=context) as client:
            topic = CreatableTopic(name="t", num_partitions=1, replication_factor=1)
            assert client.send(CreateTopicsRequest(topics=[topic])).topics[0].error_code == 0
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._socket = socket.create_connection(("127.0.0.1", kafka.port), timeout=10)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._socket.sendall(self._outgoing.read())
                self._incoming.write(self._socket.recv(65536))
        self._socket.sendall(self._outgoing.read() + self.seal(frame_of(METADATA, 9, 0)))
        assert correlation_ids(self.read_record()) == [0]
        sealed = self.seal(large_frame(0))
        self.deliver(sealed[:50_000])
        self.deliver(sealed[50_000:])
        assert correlation_ids(self.read_record()) == [0]

    def seal(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._outgoing.read()

    def last_word(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._outgoing.read()

    def deliver(self, *pieces: bytes | bytearray) -> None:
        """Has the broker find these bytes as if a read of the socket had brought them."""
        sealed = b"".join(pieces)

        def read() -> None:
            server = self._kafka._server
            assert server is not None
            port = self._socket.getsockname()[1]
            [connection] = [each for each in server._listeners[0]._connections if each._context.client_port == port]
            connection.get_buffer(-1)[: len(sealed)] = sealed
            connection.buffer_updated(len(sealed))

        self._kafka._loop.call_soon_threadsafe(read)

    def read_record(self) -> bytes:
        """What the broker has sealed together; b"" at the end."""
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._incoming.write(self._socket.recv(65536))
            except ssl.SSLZeroReturnError:
                return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def principals(kafka: KafkaliteServer) -> list[str]:
    """Whom the broker takes its clients for."""
    server = kafka._server
    assert server is not None
    return [connection._context.principal for connection in server._listeners[0]._connections]


def test_plaintext_ends_that_connection_with_one_line(kafka: KafkaliteServer, log: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", kafka.port), timeout=10) as connection:
        connection.sendall(frame_of(METADATA, 9, 1))
        alert = read_to_end(connection)
    assert alert == b"" or alert[0] == 0x15
    assert lines_of(log) == ["SSL handshake failed: wrong version number"]


def test_http_ends_that_connection_with_one_line(kafka: KafkaliteServer, log: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", kafka.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_to_end(connection)
    assert lines_of(log) == ["SSL handshake failed: http request"]


def test_a_client_that_goes_without_a_word_leaves_no_line(
    kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
) -> None:
    socket.create_connection(("127.0.0.1", kafka.port), timeout=10).close()
    with WireClient(kafka.bootstrap_servers, ssl_context=certificates.client_context()) as client:
        assert client.send(METADATA).brokers[0].port == kafka.port
    assert lines_of(log) == []


def test_a_handshake_that_is_not_finished_in_time_is_ended(
    kafka: KafkaliteServer, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_connection, "HANDSHAKE_TIMEOUT_S", 0.05)
    with socket.create_connection(("127.0.0.1", kafka.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01")
        assert read_to_end(connection) == b""
    assert lines_of(log) == ["closed the connection: no SSL handshake within 0.05 s"]


def test_a_client_that_has_shaken_hands_is_not_ended_for_being_idle(
    kafka: KafkaliteServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_connection, "HANDSHAKE_TIMEOUT_S", 0.2)
    with WireClient(kafka.bootstrap_servers, ssl_context=certificates.client_context()) as client:
        client.send(METADATA)
        with socket.create_connection(("127.0.0.1", kafka.port), timeout=10) as stalled:
            assert read_to_end(stalled) == b""  # it came later, and its time is over
        assert client.send(METADATA).brokers[0].port == kafka.port


def test_bytes_that_are_no_records_end_the_connection(
    kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
) -> None:
    raw = socket.create_connection(("127.0.0.1", kafka.port), timeout=10)
    with certificates.client_context().wrap_socket(raw, server_hostname="localhost") as connection:
        connection.sendall(frame_of(METADATA, 9, 1))
        assert connection.recv(4)
        socket.socket.sendall(connection, b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError):
            while connection.recv(65536):
                pass
    assert lines_of(log) == ["SSL failed: decryption failed or bad record mac"]


def test_a_client_that_does_not_trust_the_broker_is_told_so(
    kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
) -> None:
    stranger = ssl.create_default_context(cafile=str(certificates.stranger_authority))
    with pytest.raises(SslHandshakeError, match="self-signed certificate in certificate chain"):
        WireClient(kafka.bootstrap_servers, ssl_context=stranger).send(METADATA)
    assert next_lines_of(log) == ["SSL handshake failed: tlsv1 alert unknown ca"]


def test_a_stop_says_goodbye(certificates: Certificates) -> None:
    with KafkaliteServer(config=certificates.broker_properties()) as kafka:
        raw = socket.create_connection(("127.0.0.1", kafka.port), timeout=10)
        connection = certificates.client_context().wrap_socket(raw, server_hostname="localhost")
        connection.sendall(frame_of(METADATA, 9, 1))
        assert connection.recv(65536)
    assert connection.recv(1) == b""  # the end, and not that somebody has cut the line: that would be an error
    connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_are_spoken(
    kafka: KafkaliteServer, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    with WireClient(kafka.bootstrap_servers, ssl_context=context) as client:
        assert client.send(METADATA).brokers[0].port == kafka.port


@pytest.mark.parametrize("kafka", [{"enabled_protocols": "TLSv1.3"}], indirect=True)
def test_a_version_that_is_not_enabled_is_refused(
    kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
) -> None:
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(SslHandshakeError, match="alert protocol version"):
        WireClient(kafka.bootstrap_servers, ssl_context=context).send(METADATA)
    assert lines_of(log) == ["SSL handshake failed: unsupported protocol"]


def test_a_client_may_change_keys_and_ask_the_broker_to(kafka: KafkaliteServer, certificates: Certificates) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{kafka.port}", "-CAfile", str(certificates.authority)]
    number = 0x7A7B7C7D
    with subprocess.Popen(
        [*command, "-tls1_3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as client:
        assert client.stdin is not None and client.stdout is not None
        received = b""
        for sent in (frame_of(METADATA, 9, number), b"K\n", frame_of(METADATA, 9, number + 1)):
            client.stdin.write(sent)
            answer = b"KEYUPDATE" if sent == b"K\n" else sent[8:12]  # the correlation id
            while answer not in received:
                data = client.stdout.read(65536)
                assert data, received
                received += data
        client.stdin.close()
        client.kill()


def client_hello(certificates: Certificates) -> bytes:
    """What a client says first."""
    outgoing = ssl.MemoryBIO()
    client = certificates.client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_damaged_handshakes_harm_nobody_else(
    kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
) -> None:
    whole = client_hello(certificates)
    chance = random.Random(1)
    with WireClient(kafka.bootstrap_servers, ssl_context=certificates.client_context()) as client:
        for _ in range(300):
            damaged = bytearray(whole)
            for _ in range(chance.choice([1, 2, 20])):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            with socket.create_connection(("127.0.0.1", kafka.port), timeout=10) as connection:
                connection.sendall(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])])
        assert client.send(METADATA).brokers[0].port == kafka.port
    assert [record for record in log.records if record.exc_info] == []
    assert {line.partition(":")[0] for line in lines_of(log)} <= {"SSL handshake failed"}


def test_damaged_records_end_their_connection_alone(
    kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
) -> None:
    chance = random.Random(2)
    frame = frame_of(METADATA, 9, 1)
    with WireClient(kafka.bootstrap_servers, ssl_context=certificates.client_context()) as client:
        for _ in range(50):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = certificates.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
            with socket.create_connection(("127.0.0.1", kafka.port), timeout=10) as connection:
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        connection.sendall(outgoing.read())
                        incoming.write(connection.recv(65536))
                connection.sendall(outgoing.read())
                tls.write(frame * chance.choice([1, 10, 1000]))
                sealed = bytearray(outgoing.read())
                sealed[chance.randrange(len(sealed) // 2, len(sealed))] ^= 1 << chance.randrange(8)
                connection.sendall(sealed)
                connection.shutdown(socket.SHUT_WR)
                read_to_end(connection)
        assert client.send(METADATA).brokers[0].port == kafka.port
    assert [record for record in log.records if record.exc_info] == []
    assert {line.partition(":")[0] for line in lines_of(log)} == {"SSL failed"}


class TestLargeFramesOfOneRead:
    """They are answered with one write."""

    def test_their_answers_leave_as_one_record(self, kafka: KafkaliteServer, certificates: Certificates) -> None:
        with OneRead(kafka, certificates) as client:
            client.deliver(*(client.seal(large_frame(number)) for number in (1, 2, 3)))
            assert correlation_ids(client.read_record()) == [1, 2, 3]

    def test_one_that_came_whole_does_not_wait_for_the_rest_of_the_next(
        self, kafka: KafkaliteServer, certificates: Certificates
    ) -> None:
        with OneRead(kafka, certificates) as client:
            client.deliver(client.seal(large_frame(1)), client.seal(large_frame(2)[:1_000]))
            assert correlation_ids(client.read_record()) == [1]

    def test_answers_with_records_stay_behind_them(
        self, kafka: KafkaliteServer, certificates: Certificates, tmp_path: Path
    ) -> None:
        fetch = FetchRequest(
            max_bytes=1 << 20,
            topics=[FetchTopic(topic="t", partitions=[FetchPartition(partition=0, partition_max_bytes=1 << 20)])],
        )
        properties = certificates.broker_properties()
        with (
            KafkaliteServer(str(tmp_path / "data"), config=properties) as on_disk,
            OneRead(on_disk, certificates) as client,
        ):
            frames = [large_frame(1), large_frame(2), frame_of(fetch, 12, 3), frame_of(METADATA, 9, 4)]
            client.deliver(*map(client.seal, frames))
            received = client.read_record()
            while len(ids := correlation_ids(received)) < 4:
                received += client.read_record()
            assert ids == [1, 2, 3, 4]
            assert received.count(VALUE) == 3  # of the two, and of the one that `OneRead` has sent

    @pytest.mark.parametrize(
        "frames",
        [(large_frame(1), large_frame(2)), (frame_of(METADATA, 9, 1), frame_of(METADATA, 9, 2))],
        ids=["large", "small"],
    )
    def test_a_bad_record_behind_a_whole_frame_ends_the_connection_with_one_line(
        self,
        kafka: KafkaliteServer,
        log: pytest.LogCaptureFixture,
        certificates: Certificates,
        frames: tuple[bytes, bytes],
    ) -> None:
        with OneRead(kafka, certificates) as client:
            whole, damaged = client.seal(frames[0]), bytearray(client.seal(frames[1]))
            damaged[-1] ^= 1
            client.deliver(whole, damaged)
            with pytest.raises(ssl.SSLError, match="bad record mac"):
                while client.read_record():
                    pass
            with WireClient(kafka.bootstrap_servers, ssl_context=certificates.client_context()) as other:
                assert other.send(METADATA).brokers[0].port == kafka.port
        assert lines_of(log) == ["SSL failed: decryption failed or bad record mac"]
        assert [record for record in log.records if record.exc_info] == []

    def test_what_came_before_something_that_is_no_request_is_answered(
        self, kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
    ) -> None:
        with OneRead(kafka, certificates) as client:
            client.deliver(client.seal(large_frame(1)), client.seal(large_frame(2) + b"\xff\xff\xff\xff"))
            assert correlation_ids(client.read_record()) == [1, 2]
            assert client.read_record() == b""
        assert lines_of(log) == ["closed the connection: Invalid receive (size = -1)"]

    def test_what_came_before_the_clients_last_word_is_answered(
        self, kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
    ) -> None:
        with OneRead(kafka, certificates) as client:
            client.deliver(client.seal(large_frame(1)), client.seal(large_frame(2)), client.last_word())
            assert correlation_ids(client.read_record()) == [1, 2]
        assert lines_of(log) == []


def test_a_broker_without_an_ssl_listener_loads_nothing_of_tls() -> None:
    program = """
import sys
from kafkalite.testing import KafkaliteServer
with KafkaliteServer():
    print(*sorted(name for name in sys.modules if "tls" in name or "ssl_" in name))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if name.startswith("kafkalite")] == []


class TestClientAuthentication:
    """ssl.client.auth, and who the broker then takes a client for."""

    @pytest.mark.parametrize(
        ("kafka", "key", "principal"),
        [
            ({"client_auth": "none"}, None, "User:ANONYMOUS"),
            ({"client_auth": "none"}, "client", "User:ANONYMOUS"),
            ({"client_auth": "requested"}, None, "User:ANONYMOUS"),
            ({"client_auth": "requested"}, "client", f"User:{CLIENT_NAME}"),
            ({"client_auth": "required"}, "client", f"User:{CLIENT_NAME}"),
            (
                {"client_auth": "required", "principal_mapping_rules": "RULE:^CN=(.*?),.*$/$1/U"},
                "client",
                "User:ALICE",
            ),
        ],
        indirect=["kafka"],
    )
    def test_the_certificate_says_who_it_is(
        self, kafka: KafkaliteServer, certificates: Certificates, key: str | None, principal: str
    ) -> None:
        context = certificates.client_context(certificates.client if key else None)
        with WireClient(kafka.bootstrap_servers, ssl_context=context) as client:
            client.send(METADATA)
            assert principals(kafka) == [principal]

    @pytest.mark.parametrize(
        ("kafka", "key", "line"),
        [
            ({"client_auth": "required"}, None, "peer did not return a certificate"),
            ({"client_auth": "required"}, "stranger", "unable to get local issuer certificate"),
            ({"client_auth": "requested"}, "stranger", "unable to get local issuer certificate"),
        ],
        indirect=["kafka"],
    )
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_who_shows_none_or_a_wrong_one_is_not_let_in(
        self,
        kafka: KafkaliteServer,
        log: pytest.LogCaptureFixture,
        certificates: Certificates,
        key: str | None,
        line: str,
        version: ssl.TLSVersion,
    ) -> None:
        context = certificates.client_context(certificates.stranger if key else None)
        context.minimum_version = context.maximum_version = version
        with pytest.raises((SslHandshakeError, DisconnectedError)):
            WireClient(kafka.bootstrap_servers, ssl_context=context).send(METADATA)
        assert lines_of(log) == [f"SSL handshake failed: {line}"]
        assert set(principals(kafka)) <= {"User:ANONYMOUS"}

    @pytest.mark.parametrize(
        "kafka", [{"client_auth": "required", "principal_mapping_rules": "RULE:^CN=bob$/bob/"}], indirect=True
    )
    def test_who_no_rule_knows_is_not_served(
        self, kafka: KafkaliteServer, log: pytest.LogCaptureFixture, certificates: Certificates
    ) -> None:
        context = certificates.client_context(certificates.client)
        with pytest.raises(DisconnectedError):
            WireClient(kafka.bootstrap_servers, ssl_context=context).send(METADATA)
        [line] = lines_of(log)
        assert line.startswith(f"closed the connection: No rules apply to {CLIENT_NAME}")


def test_every_listener_names_its_own_address(certificates: Certificates) -> None:
    properties = certificates.broker_properties() | {
        "listeners": "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,INSIDE://127.0.0.1:0",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SSL:SSL,INSIDE:SSL",
    }
    with KafkaliteServer(config=properties) as kafka:
        assert kafka._server is not None
        ports = [port for _, port in kafka._server.addresses]
        contexts = [None, certificates.client_context(), certificates.client_context()]
        for port, context in zip(ports, contexts, strict=True):
            with WireClient("127.0.0.1", port, ssl_context=context) as client:
                assert [broker.port for broker in client.send(METADATA).brokers] == [port]
                assert [broker.port for broker in client.send(DescribeClusterRequest()).brokers] == [port]
                [coordinator] = client.send(FindCoordinatorRequest(coordinator_keys=["g"])).coordinators
                assert coordinator.port == port
        registration = kafka._server.broker.metadata.image.cluster.brokers[1]
        assert [(each.name, each.port, each.security_protocol) for each in registration.listeners] == [
            ("PLAINTEXT", ports[0], 0),
            ("SSL", ports[1], 1),
            ("INSIDE", ports[2], 1),
        ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_client_is_told_the_name_by_which_it_came(
    kafka: KafkaliteServer, certificates: Certificates, host: str
) -> None:
    with WireClient(host, kafka.port, ssl_context=certificates.client_context()) as client:
        assert [(broker.host, broker.port) for broker in client.send(METADATA).brokers] == [(host, kafka.port)]


def test_a_listener_may_have_properties_of_its_own(certificates: Certificates) -> None:
    properties = certificates.broker_properties() | {
        "listeners": "SSL://127.0.0.1:0,MUTUAL://127.0.0.1:0",
        "listener.security.protocol.map": "SSL:SSL,MUTUAL:SSL",
        "listener.name.mutual.ssl.client.auth": "required",
    }
    with KafkaliteServer(config=properties) as kafka:
        assert kafka._server is not None
        (_, ssl_port), (_, mutual_port) = kafka._server.addresses
        with WireClient("127.0.0.1", ssl_port, ssl_context=certificates.client_context()) as client:
            client.send(METADATA)
        with pytest.raises((SslHandshakeError, DisconnectedError)):
            WireClient("127.0.0.1", mutual_port, ssl_context=certificates.client_context()).send(METADATA)
        with_key = certificates.client_context(certificates.client)
        with WireClient("127.0.0.1", mutual_port, ssl_context=with_key) as client:
            client.send(METADATA)


def test_a_store_that_is_not_there_stops_the_start(certificates: Certificates, tmp_path: Path) -> None:
    properties = certificates.broker_properties() | {"ssl.keystore.location": str(tmp_path / "none.pem")}
    with pytest.raises(ConfigException) as refused:
        KafkaliteServer(config=properties).start()
    assert str(refused.value) == (
        f"Listener SSL: Failed to load PEM SSL keystore {tmp_path}/none.pem: No such file or directory"
    )


class TestCertificatesThatChange:
    """New key stores while the broker runs, by IncrementalAlterConfigs of the listener's properties."""

    LOCATION = "listener.name.ssl.ssl.keystore.location"

    def set_location(self, kafka: KafkaliteServer, certificates: Certificates, path: Path) -> tuple[int, str]:
        """Error code and message of the change."""
        config = AlterableConfig(name=self.LOCATION, config_operation=0, value=str(path))
        resource = AlterConfigsResource(resource_type=4, resource_name="1", configs=[config])
        with WireClient(kafka.bootstrap_servers, ssl_context=certificates.client_context()) as client:
            [response] = client.send(IncrementalAlterConfigsRequest(resources=[resource])).responses
        return response.error_code, response.error_message or ""

    def shown_certificate(self, kafka: KafkaliteServer, certificates: Certificates) -> bytes | None:
        raw = socket.create_connection(("127.0.0.1", kafka.port), timeout=10)
        with certificates.client_context().wrap_socket(raw, server_hostname="localhost") as connection:
            return connection.getpeercert(binary_form=True)

    def test_who_connects_then_sees_the_new_one_and_who_is_there_stays(
        self, kafka: KafkaliteServer, certificates: Certificates
    ) -> None:
        successor = certificates.signed("successor", "/CN=localhost", "authority", BROKER_NAMES)
        with WireClient(kafka.bootstrap_servers, ssl_context=certificates.client_context()) as client:
            client.send(METADATA)
            assert self.set_location(kafka, certificates, successor) == (0, "")
            assert client.send(METADATA).brokers[0].port == kafka.port
        pem = successor.read_text()
        shown = self.shown_certificate(kafka, certificates)
        assert shown == ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])
        kafka.stop()
        kafka.start()
        assert self.shown_certificate(kafka, certificates) == shown

    def test_a_file_that_has_changed_is_read_again_when_its_name_is_set_again(
        self, kafka: KafkaliteServer, certificates: Certificates, tmp_path: Path
    ) -> None:
        store = tmp_path / "store.pem"
        store.write_text(certificates.broker.read_text())
        assert self.set_location(kafka, certificates, store) == (0, "")
        before = self.shown_certificate(kafka, certificates)
        new = certificates.signed("renewed", "/CN=localhost", "authority", BROKER_NAMES)
        store.write_text(new.read_text())
        assert self.shown_certificate(kafka, certificates) == before
        assert self.set_location(kafka, certificates, store) == (0, "")
        assert self.shown_certificate(kafka, certificates) != before

    @pytest.mark.parametrize(
        ("subject", "names", "reason"),
        [
            (
                "/CN=elsewhere",
                BROKER_NAMES,
                "Keystore DistinguishedName does not match:  existing={DN=CN=localhost}, new={DN=CN=elsewhere}",
            ),
            (
                "/CN=localhost",
                "subjectAltName=DNS:localhost",
                "Keystore SubjectAltNames do not match:  existing={SAN=[[2, localhost], [7, 127.0.0.1]]}, "
                "new={SAN=[[2, localhost]]}",
            ),
        ],
    )
    def test_another_brokers_certificate_is_refused(
        self, kafka: KafkaliteServer, certificates: Certificates, subject: str, names: str, reason: str
    ) -> None:
        before = self.shown_certificate(kafka, certificates)
        error_code, message = self.set_location(
            kafka, certificates, certificates.signed("other", subject, "authority", names)
        )
        assert error_code == ErrorCode.INVALID_REQUEST
        assert f"Validation of dynamic config update of SSLFactory failed: {reason}" in message
        assert self.shown_certificate(kafka, certificates) == before

    @pytest.mark.parametrize("kafka", [{"allow_dn_changes": "true", "allow_san_changes": "true"}], indirect=True)
    def test_it_is_taken_where_that_is_allowed(self, kafka: KafkaliteServer, certificates: Certificates) -> None:
        other = certificates.signed("other", "/CN=elsewhere", "authority", "subjectAltName=DNS:localhost")
        before = self.shown_certificate(kafka, certificates)
        assert self.set_location(kafka, certificates, other) == (0, "")
        assert self.shown_certificate(kafka, certificates) != before

    def test_a_store_that_cannot_be_read_is_refused(self, kafka: KafkaliteServer, certificates: Certificates) -> None:
        error_code, message = self.set_location(kafka, certificates, certificates.folder / "nowhere.pem")
        assert error_code == ErrorCode.INVALID_REQUEST
        assert "nowhere.pem: No such file or directory" in message
