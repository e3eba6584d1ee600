from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from apache_kafka import java_command
from kafkalite.cli.kafka_replica_verification import FetchedReplica, ReplicasDiverge, verify
from kafkalite.identifiers import TopicPartition
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, read_header

TOOL = "kafka_replica_verification"
ORIGINAL = "org.apache.kafka.tools.ReplicaVerificationTool"
PARTITION = TopicPartition("t", 0)


def batch(offset: int, value: bytes = b"v", count: int = 1) -> bytes:
    records = [Record(offset + index, 1_000, None, value) for index in range(count)]
    return build_batch(records, base_offset=offset)


def ours(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", f"kafkalite.cli.{TOOL}", *arguments]


def first_report(command: list[str]) -> tuple[list[str], int]:
    """The first two lines without their times, and how the tool ends when it is told to."""
    tool = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert tool.stdout is not None
        lines = [tool.stdout.readline() for _ in range(2)]
    finally:
        tool.send_signal(signal.SIGTERM)
        _, errors = tool.communicate(timeout=60)
    assert "This tool is deprecated" in errors
    return [re.sub(r"^[-\d]{10} [:\d]{8},\d{3}: ", "TIME: ", line) for line in lines], tool.returncode


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--nothing"],
        ["--topics-include", "t"],
        ["--broker-list", "somewhere"],
        ["--broker-list", " "],
        ["--broker-list", "HOST:PORT", "--topics-include", "("],
        ["--broker-list", "HOST:PORT", "--topics-include", "no-such-topic"],
        ["--broker-list", "HOST:PORT", "--time", "yesterday"],
    ],
    ids=" ".join,
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    def scenario(tool: Any) -> None:
        comparison.stage.create_topic("one")
        tool(TOOL, *(comparison.broker.bootstrap_servers if word == "HOST:PORT" else word for word in words))

    def without_warning(text: str) -> str:
        return "\n".join(line for line in text.splitlines() if "WARN This tool is deprecated" not in line)

    comparison.of(scenario, normalise=without_warning, adds_bootstrap=False)


@pytest.mark.oracle
def test_replicas_of_one_broker_agree_as_apache_kafkas_tool_says(comparison: Any, stage: Any) -> None:
    stage.broker = comparison.broker
    stage.create_topic("verified")
    stage.produce("verified", [1_000, 2_000, 3_000])
    words = ["--broker-list", comparison.broker.bootstrap_servers, "--topics-include", "verified"]
    words += ["--time", "-2", "--report-interval-ms", "1", "--max-wait-ms", "100"]
    shown, code = first_report(ours(*words))
    expected, expected_code = first_report(java_command(ORIGINAL, *words))
    assert shown == expected
    assert shown[1] == "TIME: max lag is 0 for partition verified-0 at offset 3 among 1 partitions\n"
    assert code == expected_code % 256 == 143


def test_a_kafkalite_is_verified_from_its_ends_on(tools_kafkalite: Any, stage: Any) -> None:
    stage.broker = tools_kafkalite
    stage.create_topic("verified-here", 2)
    stage.produce("verified-here", [1_000, 2_000])
    words = ["--broker-list", tools_kafkalite.bootstrap_servers, "--topics-include", "verified-here"]
    lines, code = first_report(ours(*words, "--report-interval-ms", "1", "--max-wait-ms", "10"))
    assert lines[0] == "TIME: verification process is started\n"
    assert re.fullmatch(
        r"TIME: max lag is 0 for partition verified-here-[01] at offset [02] among 2 partitions\n", lines[1]
    )
    assert code == 128 + signal.SIGTERM


def unchanged(text: str) -> None:
    raise AssertionError(text)


def test_replicas_are_compared_up_to_the_lowest_high_watermark() -> None:
    records = batch(5, count=2) + batch(7) + batch(8)
    replicas = {1: FetchedReplica(9, records), 2: FetchedReplica(8, records)}
    assert verify(PARTITION, 5, replicas, unchanged) == 8


def test_a_replica_that_has_less_is_waited_for() -> None:
    replicas = {1: FetchedReplica(7, batch(5) + batch(6)), 2: FetchedReplica(6, batch(5)), 3: FetchedReplica(7, b"")}
    assert verify(PARTITION, 5, replicas, unchanged) == 5
    del replicas[3]
    assert verify(PARTITION, 5, replicas, unchanged) == 6


def test_batches_with_other_contents_are_reported_and_passed() -> None:
    reported: list[str] = []
    one, other = batch(5), batch(5, b"w")
    replicas = {1: FetchedReplica(7, one + batch(6)), 2: FetchedReplica(7, other + batch(6))}
    assert verify(PARTITION, 5, replicas, reported.append) == 7
    assert reported == [
        f"partition t-0 has unmatched checksum at offset 5; replica 1's checksum {read_header(one).crc};"
        f" replica 2's checksum {read_header(other).crc}"
    ]


def test_batches_that_end_elsewhere_end_the_verification() -> None:
    replicas = {1: FetchedReplica(9, batch(5)), 2: FetchedReplica(9, batch(5, count=2))}
    with pytest.raises(
        ReplicasDiverge, match=r"^partition t-0: replica 1's offset 5 doesn't match replica 2's offset 6$"
    ):
        verify(PARTITION, 5, replicas, unchanged)
