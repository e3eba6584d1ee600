"""Kafka Connect: a file's lines through a topic into another file, with a standalone worker and with a distributed one.

The workers keep their place over a restart: each line arrives once, in order. The distributed worker keeps everything
in topics of the broker: configurations, offsets and states, which it makes itself, compacted.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from apache_kafka import java_command
from broker_process import free_port
from client_scenarios import wait_until

pytestmark = [pytest.mark.oracle]
Run = Callable[..., "subprocess.Popen[bytes]"]
CLI = "org.apache.kafka.connect.cli"
START_TIMEOUT_S = 90


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Run]:
    """Starts a worker with these files of properties; `stop` ends it as Ctrl-C does."""
    running: list[subprocess.Popen[bytes]] = []

    def run(main_class: str, *properties: Path) -> subprocess.Popen[bytes]:
        command = java_command(f"{CLI}.{main_class}", *map(str, properties))
        with (tmp_path / f"worker-{len(running)}.log").open("wb") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()


def write_properties(path: Path, properties: dict[str, object]) -> Path:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    return path


def worker_properties(bootstrap_servers: str, **properties: object) -> dict[str, object]:
    return {
        "bootstrap.servers": bootstrap_servers,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.flush.interval.ms": 200,
        "plugin.discovery": "service_load",
        "listeners": f"http://127.0.0.1:{free_port()}",
        **{name.replace("_", "."): value for name, value in properties.items()},
    }


def source_properties(topic: str, path: Path) -> dict[str, object]:
    return {"connector.class": "FileStreamSource", "tasks.max": 1, "topic": topic, "file": path}


def sink_properties(topic: str, path: Path) -> dict[str, object]:
    # What a sink has read when it stops is committed then; until it commits, a killed one would write it again.
    return {"connector.class": "FileStreamSink", "tasks.max": 1, "topics": topic, "file": path}


def lines(first: int, end: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, end))


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)


def test_a_standalone_worker_copies_a_file_and_goes_on_after_a_restart(
    bootstrap_servers: str, topic: str, worker: Run, tmp_path: Path
) -> None:
    source, sink = tmp_path / "source.txt", tmp_path / "sink.txt"
    offsets = tmp_path / "connect.offsets"
    properties = [
        write_properties(
            tmp_path / "worker.properties",
            worker_properties(bootstrap_servers, offset_storage_file_filename=offsets),
        ),
        write_properties(
            tmp_path / "source.properties", {"name": f"{topic}-source", **source_properties(topic, source)}
        ),
        write_properties(tmp_path / "sink.properties", {"name": f"{topic}-sink", **sink_properties(topic, sink)}),
    ]
    source.write_text(lines(0, 500))
    first = worker("ConnectStandalone", *properties)
    wait_until(lambda: sink.exists() and sink.read_text() == lines(0, 500), timeout_s=START_TIMEOUT_S)
    with source.open("a") as file:
        file.write(lines(500, 700))
    wait_until(lambda: sink.read_text() == lines(0, 700))
    stop(first)
    with source.open("a") as file:
        file.write(lines(700, 800))
    worker("ConnectStandalone", *properties)
    wait_until(lambda: sink.read_text() == lines(0, 800), timeout_s=START_TIMEOUT_S)


def test_a_distributed_worker_keeps_connectors_and_places_in_topics_of_the_broker(
    bootstrap_servers: str, topic: str, group: str, worker: Run, tmp_path: Path
) -> None:
    source, sink = tmp_path / "source.txt", tmp_path / "sink.txt"
    described = worker_properties(
        bootstrap_servers,
        group_id=group,
        config_storage_topic=f"{group}-configs",
        offset_storage_topic=f"{group}-offsets",
        status_storage_topic=f"{group}-status",
        config_storage_replication_factor=1,
        offset_storage_replication_factor=1,
        status_storage_replication_factor=1,
        scheduled_rebalance_max_delay_ms=0,
    )
    properties = write_properties(tmp_path / "worker.properties", described)
    rest = str(described["listeners"])

    def ask(method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            rest + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def states(name: str) -> list[str]:
        try:
            status = ask("GET", f"/connectors/{name}/status")
        except OSError:  # not up yet, or nothing known of the connector yet
            return []
        return [status["connector"]["state"], *(task["state"] for task in status["tasks"])]

    def is_up() -> bool:
        try:
            return isinstance(ask("GET", "/connectors"), list)
        except OSError:
            return False

    source.write_text(lines(0, 300))
    first = worker("ConnectDistributed", properties)
    wait_until(is_up, timeout_s=START_TIMEOUT_S)
    for name, configuration in (("source", source_properties(topic, source)), ("sink", sink_properties(topic, sink))):
        wanted = {key: str(value) for key, value in configuration.items()}
        ask("PUT", f"/connectors/{name}/config", wanted)
    wait_until(lambda: sink.exists() and sink.read_text() == lines(0, 300), timeout_s=START_TIMEOUT_S)
    assert states("source") == states("sink") == ["RUNNING", "RUNNING"]
    stop(first)
    with source.open("a") as file:
        file.write(lines(300, 400))
    worker("ConnectDistributed", properties)
    wait_until(lambda: sink.read_text() == lines(0, 400), timeout_s=START_TIMEOUT_S)

    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    topics = admin.list_topics().topics
    expected = {f"{group}-configs": 1, f"{group}-offsets": 25, f"{group}-status": 5}
    assert {name: len(topics[name].partitions) for name in expected} == expected
    for name in expected:
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        assert admin.describe_configs([resource])[resource].result()["cleanup.policy"].value == "compact"
