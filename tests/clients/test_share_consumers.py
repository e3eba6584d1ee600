"""Share groups with Apache Kafka's own client, KafkaShareConsumer, and with Admin."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from apache_kafka import BROKER_VERSION, TOOLS_VERSION, java_command

pytestmark = [pytest.mark.oracle, pytest.mark.toolchain("javac")]


Program = list[str]


@pytest.fixture(params=[BROKER_VERSION, TOOLS_VERSION])
def share_consumers(request: pytest.FixtureRequest, java_programs: Path) -> Program:
    """The program that drives the clients."""
    return java_command("ShareConsumers", extra_class_path=str(java_programs), clients_version=request.param)


def run(program: Program, *arguments: str) -> list[dict[str, object]]:
    """The lines of JSON that the program prints."""
    command = [*program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_two_members_share_the_records(
    bootstrap_servers: str, share_consumers: Program, topic: str, group: str
) -> None:
    [report] = run(share_consumers, bootstrap_servers, "implicit", topic, group)
    assert report == {"distinct": 100, "delivered": 100}


def test_a_member_accepts_releases_and_rejects(
    bootstrap_servers: str, share_consumers: Program, topic: str, group: str
) -> None:
    [report] = run(share_consumers, bootstrap_servers, "explicit", topic, group)
    assert report == {"accepted": 90, "rejected": 10, "first": 100, "second": 10}


def test_administrators_see_move_and_delete_offsets(
    bootstrap_servers: str, share_consumers: Program, topic: str, group: str
) -> None:
    _, report = run(share_consumers, bootstrap_servers, "admin", topic, group)
    assert report == {
        "state": "Empty",
        "members": 0,
        "listed": True,
        "lags": "{0=0, 1=0}",
        "altered": "{0=40, 1=0}",
        "deleted": "{}",
        "left": False,
    }
