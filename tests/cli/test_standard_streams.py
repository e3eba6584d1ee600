from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.metadata import MetadataRequest

CLOSED = [(1,), (2,), (0, 1), (0, 1, 2)]


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", f"kafkalite.cli.{module}", *arguments]


def close(descriptors: tuple[int, ...]) -> Any:
    def before_the_program() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return before_the_program


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_tools_do_their_work_without_their_streams(closed: tuple[int, ...], tools_kafkalite: Any) -> None:
    topic = "streamless-" + "".join(map(str, closed))
    words = ["--bootstrap-server", tools_kafkalite.bootstrap_servers]
    for module, *options in (
        ("kafka_topics", "--create", "--topic", topic),
        ("kafka_get_offsets", "--topic", topic),
        ("kafka_console_consumer", "--topic", topic, "--max-messages", "0"),
    ):
        ended = subprocess.run(command(module, *words, *options), capture_output=True, preexec_fn=close(closed))
        assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
    assert topic in subprocess.run(command("kafka_topics", *words, "--list"), capture_output=True, text=True).stdout


def test_a_full_disk_under_the_output_is_said_in_one_line(tools_kafkalite: Any) -> None:
    words = ["--bootstrap-server", tools_kafkalite.bootstrap_servers, "--list"]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(command("kafka_topics", *words), stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (1, "No space left on device\n")


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_a_broker_without_its_streams_starts_serves_and_stops(closed: tuple[int, ...], tmp_path: Path) -> None:
    where = tmp_path / "port"
    properties = [f"log.dirs={tmp_path / 'data'}", "listeners=PLAINTEXT://127.0.0.1:0"]
    logging = tmp_path / "logging.yaml"
    logging.write_text(
        "version: 1\nhandlers: {file: {class: logging.FileHandler, filename: '" + str(where) + "'}}\n"
        "root: {level: INFO, handlers: [file]}\n"
    )
    overrides = [word for text in properties for word in ("--override", text)]
    process = subprocess.Popen(
        command("kafkalite_server", *overrides, "--logging", str(logging)), preexec_fn=close(closed)
    )
    try:
        deadline_s = time.monotonic() + 20
        while not (where.exists() and "Started on" in where.read_text()):
            assert process.poll() is None and time.monotonic() < deadline_s
            time.sleep(0.02)
        address = where.read_text().split("Started on ")[1].split()[0]
        with WireClient(address) as client:
            assert client.send(MetadataRequest(topics=[])).brokers
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()
