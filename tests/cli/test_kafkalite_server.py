"""kafkalite-server: its command line, what it says, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kafkalite import __version__
from kafkalite.cli import kafkalite_server
from kafkalite.client.admin import Admin
from kafkalite.client.group_admin import alter_offsets
from kafkalite.client.wire_client import WireClient
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

STARTED = re.compile(r"Started on (\S+):(\d+) with data in (\S+): (\d+) topics, (\d+) ms")


class Server:
    """A kafkalite-server process with its data in `folder`, on a port of its own choice."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        overrides = ["listeners=PLAINTEXT://127.0.0.1:0", f"log.dirs={folder / 'data'}"]
        words = [word for override in overrides for word in ("--override", override)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "kafkalite.cli.kafkalite_server", *words, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_started(self) -> re.Match[str]:
        assert self.process.stderr is not None
        seen = ""
        for line in self.process.stderr:
            seen += line
            if found := STARTED.search(line):
                return found
        raise AssertionError(f"it did not start: {seen}")

    def wait_until_said(self, text: str) -> None:
        assert self.process.stderr is not None
        assert any(text in line for line in self.process.stderr)

    def end(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output, errors


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.process.kill()
        server.process.communicate()


def test_help_and_version_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert kafkalite_server.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: kafkalite-server [CONFIG] [--override key=value]...")
    assert kafkalite_server.main(["--version"]) == 0
    assert capsys.readouterr().out == f"kafkalite {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--unknown"], "unknown option --unknown"),
        (["--override"], "--override needs a value"),
        (["a.properties", "b.properties"], "one CONFIG is enough, but got a.properties and b.properties"),
    ],
)
def test_an_unusable_command_line_is_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kafkalite_server.main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"kafkalite-server: {complaint}\n\nusage: ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["/no/such/file"], "/no/such/file: No such file or directory"),
        (["--override", "num.partitions=many"], "Invalid value many for configuration num.partitions"),
        (["--override", "num.partitions=0"], "Invalid value 0 for configuration num.partitions"),
        (["--logging", "/no/such/file"], "logging cannot be set up: /no/such/file: No such file or directory"),
    ],
)
def test_what_stops_the_start_is_said_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kafkalite_server.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"kafkalite-server: {complaint}")
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path, servers: list[Server]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        servers.append(Server(tmp_path, "--override", f"listeners=PLAINTEXT://127.0.0.1:{port}"))
        code, output, errors = servers[0].end()
    assert (code, output) == (1, "")
    (line,) = errors.splitlines()
    assert "Cannot start: " in line
    assert "ddress already in use" in line


def cannot_start(server: Server) -> str:
    """The one line of a server that does not start, behind its time."""
    code, output, errors = server.end()
    assert (code, output) == (1, ""), errors
    (line,) = errors.splitlines()
    return line.partition(" ERROR ")[2]


def test_a_data_directory_that_another_broker_uses_is_said_in_one_line(tmp_path: Path, servers: list[Server]) -> None:
    servers.append(Server(tmp_path))
    servers[0].wait_until_started()
    servers.append(Server(tmp_path))
    assert cannot_start(servers[1]) == (
        f"Cannot start: Failed to acquire lock on file .lock in {tmp_path / 'data'}. "
        "A Kafka instance in another process or thread is using this directory."
    )


def test_the_data_of_another_node_is_said_in_one_line(tmp_path: Path, servers: list[Server]) -> None:
    servers.append(Server(tmp_path))
    servers[0].wait_until_started()
    servers[0].process.terminate()
    servers[0].end()
    servers.append(Server(tmp_path, "--override", "node.id=7"))
    reason = cannot_start(servers[1])
    assert reason.startswith("Cannot start: ")
    assert "node" in reason


def test_unreadable_meta_properties_are_said_in_one_line(tmp_path: Path, servers: list[Server]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=9\n")
    servers.append(Server(tmp_path))
    assert "meta.properties" in cannot_start(servers[0])


def test_the_start_is_one_line_with_address_data_topics_and_time(tmp_path: Path, servers: list[Server]) -> None:
    servers.append(Server(tmp_path))
    host, port, data, topics, _ = servers[0].wait_until_started().groups()
    assert (host, data, topics) == ("127.0.0.1", str(tmp_path / "data"), "0")
    with socket.create_connection((host, int(port)), timeout=5):
        pass


def test_a_start_with_groups_is_one_line_too(tmp_path: Path, servers: list[Server]) -> None:
    for _ in range(2):
        servers.append(Server(tmp_path))
        host, port = servers[-1].wait_until_started().groups()[:2]
        with Admin(f"{host}:{port}") as admin:
            topic = MetadataRequest(topics=[MetadataRequestTopic(name="t")])
            admin.send(topic, call="metadata")
            for number in range(5):
                assert not any(alter_offsets(admin, f"group-{number}", {TopicPartition("t", 0): 1}).values())
        servers[-1].process.send_signal(signal.SIGTERM)
        code, _, errors = servers[-1].end()
        assert (code, [line.partition("INFO ")[2] for line in errors.splitlines()]) == (0, ["Stopped"])


def test_an_unknown_property_warns_and_does_not_stop_the_start(tmp_path: Path, servers: list[Server]) -> None:
    servers.append(Server(tmp_path, "--override", "no.such.property=1"))
    assert servers[0].process.stderr is not None
    warning = servers[0].process.stderr.readline()
    assert "WARNING" in warning
    assert "no.such.property" in warning
    servers[0].wait_until_started()


def test_logging_follows_a_file(tmp_path: Path, servers: list[Server]) -> None:
    (tmp_path / "logging.yaml").write_text(
        "version: 1\n"
        "formatters: {bare: {format: 'said %(message)s'}}\n"
        "handlers: {file: {class: logging.FileHandler, filename: broker.log, formatter: bare}}\n"
        "root: {level: INFO, handlers: [file]}\n"
    )
    servers.append(Server(tmp_path, "--logging", "logging.yaml"))
    log = tmp_path / "broker.log"
    deadline = time.monotonic() + 20
    while not (log.exists() and "said Started on 127.0.0.1:" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    servers[0].process.terminate()
    assert servers[0].end() == (0, "", "")


@contextmanager
def on_hangup(handler: signal.Handlers) -> Iterator[None]:
    """What children that are started meanwhile inherit, however the tests were started."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_cleanly(number: signal.Signals, tmp_path: Path, servers: list[Server]) -> None:
    with on_hangup(signal.SIG_DFL):
        servers.append(Server(tmp_path))
    servers[0].wait_until_started()
    servers[0].process.send_signal(number)
    code, output, errors = servers[0].end()
    assert (code, output) == (0, "")
    assert errors.endswith("Stopped\n")
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_nohup_keeps_it_running_when_its_terminal_goes(tmp_path: Path, servers: list[Server]) -> None:
    with on_hangup(signal.SIG_IGN):
        servers.append(Server(tmp_path))
    host, port = servers[0].wait_until_started().groups()[:2]
    servers[0].process.send_signal(signal.SIGHUP)
    with WireClient(host, int(port)) as client:
        assert client.send(MetadataRequest(topics=[])).brokers
    servers[0].process.terminate()
    assert servers[0].end()[0] == 0


def test_a_signal_while_logs_are_loaded_stops_it_and_leaves_them_as_they_were(
    tmp_path: Path, servers: list[Server]
) -> None:
    servers.append(Server(tmp_path))
    host, port = servers[0].wait_until_started().groups()[:2]
    with WireClient(host, int(port)) as client:
        client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
    servers[0].process.terminate()
    servers[0].end()
    topic_id = tmp_path / "data" / "t-0" / "partition.metadata"
    content = topic_id.read_bytes()
    topic_id.unlink()
    os.mkfifo(topic_id)  # reading it takes until somebody writes it
    servers.append(Server(tmp_path))
    servers[1].wait_until_said("Listening on 127.0.0.1:")
    servers[1].process.terminate()
    servers[1].wait_until_said("Loading logs is interrupted")
    with topic_id.open("wb") as pipe:
        pipe.write(content)
    code, _, said = servers[1].end()
    assert code == 0 and said.endswith("Stopped before the start was over\n") and "Traceback" not in said
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()
    assert not (tmp_path / "data" / ".lock").exists()


def test_open_connections_do_not_hold_up_the_stop(tmp_path: Path, servers: list[Server]) -> None:
    servers.append(Server(tmp_path))
    host, port = servers[0].wait_until_started().groups()[:2]
    connections = [socket.create_connection((host, int(port)), timeout=20) for _ in range(500)]
    try:
        started = time.monotonic()
        servers[0].process.terminate()
        assert servers[0].end()[0] == 0
        assert time.monotonic() - started < 10, "connections are closed, not waited for"
    finally:
        for connection in connections:
            connection.close()
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()
