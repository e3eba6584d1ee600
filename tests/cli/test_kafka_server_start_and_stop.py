"""kafka-server-start and kafka-server-stop: brokers in the foreground and in the background, and how they are found."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker_process import answers_api_versions, free_port
from kafkalite.cli import kafka_server_start, kafka_server_stop
from kafkalite.cli.kafka_server_stop import BrokerProcess, broker_arguments, running_brokers

PYTHON = "/venv/bin/python"
SERVER_MODULE = "kafkalite.cli.kafkalite_server"
LAUNCHED = f"import sys; from {SERVER_MODULE} import main; sys.exit(main())"


@pytest.mark.parametrize(
    "words",
    [
        [PYTHON, "-m", SERVER_MODULE, "server.properties"],
        [PYTHON, "-P", "-c", LAUNCHED, "server.properties"],
        ["python3.11", "-m", "kafkalite.cli.kafka_server_start", "server.properties"],
        [PYTHON, "/venv/bin/kafkalite-server", "server.properties"],
        [PYTHON, "/venv/bin/kafka-server-start", "server.properties"],
    ],
)
def test_a_broker_is_known_by_its_command_line(words: list[str]) -> None:
    assert broker_arguments(words) == ["server.properties"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["vi", "kafkalite-server"],
        ["java", "kafka.Kafka", "server.properties"],
        [PYTHON, "-m", "pytest", "tests/kafkalite-server"],
        [PYTHON, "-m", "kafkalite.cli.kafka_topics", "--list"],
        [PYTHON, "-c", "print('kafkalite-server')"],
        [PYTHON, "-P", "-c"],
        [PYTHON, "/venv/bin/kafka-server-start", "-daemon", "server.properties"],
        [PYTHON],
    ],
)
def test_other_processes_are_none(words: list[str]) -> None:
    assert broker_arguments(words) is None


def test_brokers_are_found_among_all_processes(tmp_path: Path) -> None:
    for pid, words in {
        "10": [PYTHON, "-m", SERVER_MODULE, "a.properties"],
        "11": ["bash"],
        "12": [PYTHON, "-m", SERVER_MODULE, "b.properties", "--override", "node.id=7"],
        "self": [PYTHON, "-m", SERVER_MODULE],
    }.items():
        folder = tmp_path / pid
        folder.mkdir()
        (folder / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
        (folder / "cwd").symlink_to(tmp_path)
    (tmp_path / "13").mkdir()  # a process that ends while its command line is read
    found = sorted(running_brokers(tmp_path))
    assert [(broker.pid, broker.arguments) for broker in found] == [
        (10, ["a.properties"]),
        (12, ["b.properties", "--override", "node.id=7"]),
    ]
    assert found[0].folder == tmp_path


def test_a_brokers_node_id_comes_from_its_file_and_its_overrides(tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text("node.id=5\nprocess.roles=broker\n")

    def node_id(*arguments: str) -> str:
        return BrokerProcess(1, list(arguments), tmp_path).property("node.id", "1")

    assert node_id("server.properties") == "5"
    assert node_id("server.properties", "--override", "node.id=6") == "6"
    assert node_id("server.properties", "--override=node.id=7") == "7"
    assert node_id("missing.properties") == "1"


def test_nothing_to_stop_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    # No broker has this number.
    assert kafka_server_stop.main([f"--node-id={random.randrange(10**8, 10**9)}"]) == 1
    assert capsys.readouterr().out == "No kafka server to stop\n"


def test_starting_needs_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert kafka_server_start.main([]) == 1
    expected = "USAGE: kafka-server-start [-daemon] server.properties [--override property=value]*\n"
    assert capsys.readouterr().out == expected


class Broker:
    """A configuration with a node id that no other broker on this machine has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.node_id = random.randrange(10**8, 10**9)
        self.configuration = folder / "server.properties"
        self.configuration.write_text(
            f"node.id={self.node_id}\nlisteners=PLAINTEXT://127.0.0.1:1\nlog.dirs={folder / 'data'}\n"
        )

    def start_command(self, *options: str) -> list[str]:
        override = ["--override", f"listeners=PLAINTEXT://127.0.0.1:{self.port}"]
        module = [sys.executable, "-P", "-m", "kafkalite.cli.kafka_server_start"]
        return [*module, *options, str(self.configuration), *override]

    def wait_until(self, is_up: bool) -> None:
        deadline = time.monotonic() + 30
        while answers_api_versions(self.port) is not is_up:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def processes(self) -> list[BrokerProcess]:
        return [found for found in running_brokers() if found.property("node.id", "") == str(self.node_id)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    for process in broker.processes():
        os.kill(process.pid, signal.SIGKILL)


def test_a_broker_in_the_foreground_is_stopped_by_its_node_id(broker: Broker) -> None:
    process = subprocess.Popen(broker.start_command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    broker.wait_until(is_up=True)
    assert [found.pid for found in broker.processes()] == [process.pid]
    assert kafka_server_stop.main(["--node-id", str(broker.node_id)]) == 0
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, output + errors
    assert (broker.folder / "data" / ".kafka_cleanshutdown").exists()


def test_a_broker_in_the_background_outlives_the_command_that_started_it(broker: Broker) -> None:
    logs = broker.folder / "logs"
    started = subprocess.run(
        broker.start_command("-daemon"), env={**os.environ, "LOG_DIR": str(logs)}, capture_output=True, timeout=30
    )
    assert (started.returncode, started.stdout, started.stderr) == (0, b"", b"")
    broker.wait_until(is_up=True)
    (process,) = broker.processes()
    assert os.getsid(process.pid) == process.pid, "it has no terminal to lose"
    assert f"127.0.0.1:{broker.port}" in (logs / "kafkaServer.out").read_text()
    assert kafka_server_stop.main(["--node-id", str(broker.node_id)]) == 0
    broker.wait_until(is_up=False)
