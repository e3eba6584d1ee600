"""kcat: what people type to look at a topic; on Debian it comes with a librdkafka some years old."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client_scenarios import ALL_CODECS, PARTITIONS, wait_until

pytestmark = pytest.mark.toolchain("kcat")
Kcat = Callable[..., str]
StartMember = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def kcat(bootstrap_servers: str) -> Kcat:
    """Runs kcat to its end and returns what it prints."""

    def run(*arguments: str, stdin: str = "") -> str:
        command = ["kcat", "-b", bootstrap_servers, "-X", "fetch.wait.max.ms=50", *arguments]
        finished = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
        assert finished.returncode == 0, f"{' '.join(command)}\n{finished.stderr}"
        return finished.stdout

    return run


@pytest.fixture
def start_member(bootstrap_servers: str, topic: str, group: str) -> Iterator[StartMember]:
    """Starts a balanced kcat consumer that prints its records to a file."""
    members: list[subprocess.Popen[str]] = []

    def start(output: Path) -> subprocess.Popen[str]:
        settings = ["-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=100", "-X", "fetch.wait.max.ms=50"]
        command = ["kcat", "-b", bootstrap_servers, "-u", *settings, "-f", "%p %s\n", "-G", group, topic]
        with output.open("w") as out, output.with_suffix(".log").open("w") as log:
            member = subprocess.Popen(command, stdout=out, stderr=log, text=True)
        members.append(member)
        return member

    yield start
    for member in members:
        member.kill()
        member.wait()


@pytest.mark.parametrize("codec", ALL_CODECS)
def test_reads_back_what_it_produced(kcat: Kcat, topic: str, codec: str) -> None:
    lines = "".join(f"key-{number}:value {number}\n" for number in range(50))
    kcat("-P", "-t", topic, "-p", "0", "-K", ":", "-z", codec, "-H", "codec=" + codec, "-H", "n=1", stdin=lines)
    kcat("-P", "-t", topic, "-p", "0", "-z", codec, "-X", "enable.idempotence=true", stdin="the last one\n")
    records = [json.loads(line) for line in kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J").splitlines()]
    assert [record["payload"] for record in records] == [f"value {number}" for number in range(50)] + ["the last one"]
    assert [record["key"] for record in records] == [f"key-{number}" for number in range(50)] + [None]
    assert [record["offset"] for record in records] == list(range(51))
    assert all(record["headers"] == ["codec", codec, "n", "1"] for record in records[:50])


def test_starts_at_an_offset_counted_from_either_end(kcat: Kcat, topic: str) -> None:
    kcat("-P", "-t", topic, "-p", "0", stdin="a\nb\nc\nd\n")
    assert kcat("-C", "-t", topic, "-o", "-1", "-e", "-q") == "d\n"
    assert kcat("-C", "-t", topic, "-o", "1", "-c", "2", "-q") == "b\nc\n"
    assert kcat("-Q", "-t", f"{topic}:0:-1") == f"{topic} [0] offset 4\n"
    assert kcat("-Q", "-t", f"{topic}:0:-2") == f"{topic} [0] offset 0\n"


def test_lists_brokers_and_topics(
    kcat: Kcat, bootstrap_servers: str, topic: str, create_topic: Callable[[str, int], None]
) -> None:
    create_topic(topic, 3)
    metadata = json.loads(kcat("-L", "-J", "-t", topic))
    assert metadata["brokers"] == [{"id": 1, "name": bootstrap_servers}]
    (listed,) = metadata["topics"]
    assert listed["topic"] == topic
    assert [(entry["partition"], entry["leader"], entry["isrs"]) for entry in listed["partitions"]] == [
        (partition, 1, [{"id": 1}]) for partition in range(3)
    ]


def test_shares_a_topic_in_a_group_of_two_and_resumes(
    kcat: Kcat, topic: str, create_topic: Callable[[str, int], None], start_member: StartMember, tmp_path: Path
) -> None:
    create_topic(topic, PARTITIONS)
    first_output, second_output, resumed_output = (tmp_path / name for name in ("first", "second", "resumed"))

    def assigned(output: Path) -> set[int]:
        last_event = output.with_suffix(".log").read_text().rpartition("rebalanced")[2]
        if "assigned:" not in last_event:
            return set()
        return {partition for partition in range(PARTITIONS) if f"{topic} [{partition}]" in last_event}

    def values(output: Path) -> list[str]:
        return [line.split()[1] for line in output.read_text().splitlines()]

    def produce(prefix: str) -> list[str]:
        produced = []
        for partition in range(PARTITIONS):
            batch = [f"{prefix}-{partition}-{number}" for number in range(10)]
            kcat("-P", "-t", topic, "-p", str(partition), stdin="\n".join(batch))
            produced += batch
        return produced

    first = start_member(first_output)
    wait_until(lambda: len(assigned(first_output)) == PARTITIONS)
    second = start_member(second_output)
    wait_until(lambda: len(assigned(first_output)) == len(assigned(second_output)) == PARTITIONS // 2)
    before = produce("before")
    wait_until(lambda: len(values(first_output)) + len(values(second_output)) >= len(before))
    assert sorted(values(first_output) + values(second_output)) == sorted(before)
    second.terminate()
    wait_until(lambda: len(assigned(first_output)) == PARTITIONS)
    first.terminate()
    assert [first.wait(10), second.wait(10)] == [0, 0]
    after = produce("after")
    start_member(resumed_output)
    wait_until(lambda: len(values(resumed_output)) >= len(after))
    assert sorted(values(resumed_output)) == sorted(after)
