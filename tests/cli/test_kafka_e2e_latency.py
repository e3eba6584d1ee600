"""kafka-e2e-latency beside Apache Kafka's, and on kafkalite."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from kafkalite.cli.kafka_e2e_latency import LatencyFailure, Payload, as_named, check_received, print_results

TOOL = "kafka_e2e_latency"
REQUIRED = ["--bootstrap-server=h:1", "--topic=t", "--num-records=5", "--producer-acks=1", "--record-size=5"]


def run_ours(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", f"kafkalite.cli.{TOOL}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def with_other(*changed: str) -> list[str]:
    """The required options, some with other values: an option may be given only once."""
    names = {word.partition("=")[0] for word in changed}
    # The original looks for a name that is a word of its own before it takes words for positions.
    words = [word for word in REQUIRED if word.partition("=")[0] not in names]
    return [*words[0].split("="), *words[1:], *changed]


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--nothing"],
        ["a", "b"],
        ["a", "b", "1", "1", "5", "f", "g"],
        ["--topic", "t"],
        ["--topic", "t", "--nothing"],
        ["--topic"],
        with_other("--producer-acks=0"),
        with_other("--producer-acks=-1"),
        with_other("--num-records=0"),
        with_other("--num-records=many"),
        with_other("--record-size=-1"),
        with_other("--record-key-size=-1"),
        with_other("--record-header-key-size=-1"),
        with_other("--record-header-size=-2"),
        with_other("--num-headers=-1"),
        with_other("--num-headers", "-1"),
        with_other("--command-config=/no/such/file"),
        ["h:1", "t", "5", "2", "5"],
    ],
    ids=" ".join,
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    def without_warning(text: str) -> str:
        return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("WARNING: Positional"))

    comparison.of(lambda tool: tool(TOOL, *words), normalise=without_warning, adds_bootstrap=False)


@pytest.mark.oracle
@pytest.mark.parametrize("fixture", ["tools_kafka", "tools_kafkalite"])
def test_both_tools_print_lines_of_the_same_form(
    fixture: str, request: pytest.FixtureRequest, java_tools: Any, stage: Any, tmp_path: Path
) -> None:
    broker = request.getfixturevalue(fixture)
    config = tmp_path / "client.properties"
    config.write_text("client.id=latency\n")

    def shape(text: str) -> str:
        return re.sub(r"[\d.]+(E-\d+)?", "0", text)

    names = [f"latency-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    headers = ["--num-headers", "2", "--record-header-key-size", "3", "--record-header-size", "-1"]
    # The original fails now and then on a topic of its own making, of which not all of Apache Kafka knows yet.
    stage.broker = broker
    for name in names:
        stage.create_topic(name)
    for options in ([], ["--record-key-size", "4", *headers], ["--command-config", str(config)]):
        required = ["--num-records", "5", "--producer-acks", "all", "--record-size", "100"]
        arguments = [["--topic", name, *required, *options] for name in names]
        servers = ("--bootstrap-server", broker.bootstrap_servers)
        theirs, ours = java_tools.run(TOOL, *servers, *arguments[0]), run_ours(*servers, *arguments[1])
        assert ours.returncode == theirs.exit_code == 0, ours.stderr
        assert shape(ours.stdout.replace(names[1], "TOPIC")) == shape(theirs.stdout.replace(names[0], "TOPIC"))


def test_a_topic_is_created_once_and_read_from_its_end(tools_kafkalite: Any) -> None:
    name = f"latency-{uuid.uuid4().hex[:8]}"
    words = (tools_kafkalite.bootstrap_servers, name, "1001", "1", "10")
    first, second = run_ours(*words), run_ours(*words)
    created = f'Topic "{name}" does not exist. Will create topic with 1 partition(s) and replication factor = 1\n'
    measured = (
        r"0\t[\d.]+(e-\d+)?\n1000\t[\d.]+(e-\d+)?\n"
        r"Avg latency: \d+\.\d{4} ms\nPercentiles: 50th = \d+, 99th = \d+, 99\.9th = \d+\n"
    )
    assert re.fullmatch(re.escape(created) + measured, first.stdout)
    assert re.fullmatch(measured, second.stdout)
    assert first.stderr.startswith("WARNING: Positional argument usage is deprecated")
    assert (first.returncode, second.returncode) == (0, 0)


def test_positional_words_are_named_in_their_order() -> None:
    words = ["h:1", "t", "5", "all", "9", "file"]
    names = ["--bootstrap-server", "--topic", "--num-records", "--producer-acks", "--record-size", "--command-config"]
    assert as_named(words) == [word for pair in zip(names, words, strict=True) for word in pair]
    assert as_named(words[:5])[-2:] == ["--record-size", "9"]
    assert as_named(["--help"]) == ["--help"]


class Message:
    """What a consumer has read."""

    def __init__(self, key: bytes | None, value: bytes, headers: list[tuple[str, bytes | None]] | None) -> None:
        self._fields = (key, value, headers)

    def key(self) -> bytes | None:
        return self._fields[0]

    def value(self) -> bytes:
        return self._fields[1]

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self._fields[2]


PLAIN = Payload(b"K", b"V", [])
WITH_HEADERS = Payload(b"", b"V", [("a", b"\xff1"), ("b", None)])


def test_what_comes_back_as_it_was_sent_is_accepted() -> None:
    check_received(PLAIN, [Message(b"K", b"V", None)])
    check_received(WITH_HEADERS, [Message(None, b"V", [("a", b"\xff1"), ("b", None)])])


@pytest.mark.parametrize(
    ("sent", "read", "complaint"),
    [
        (PLAIN, [], "poll() timed out before finding a result (timeout:[60000ms])"),
        (
            PLAIN,
            [Message(b"K", b"W", None)],
            "The message value read [W] did not match the message value sent [V]",
        ),
        (PLAIN, [Message(None, b"V", None)], "The message key read [] did not match the message key sent [K]"),
        (WITH_HEADERS, [Message(None, b"V", None)], "Expected message headers but received none"),
        (
            WITH_HEADERS,
            [Message(None, b"V", [("a", None)])],
            "The message header read [a:null] did not match the message header sent [a:[-1, 49]]",
        ),
        (
            WITH_HEADERS,
            [Message(None, b"V", [("a", b"\xff1")])],
            "Header count mismatch between sent and received messages",
        ),
        (
            PLAIN,
            [Message(b"K", b"V", None)] * 3,
            "Only one result was expected during this test. We found [3]",
        ),
    ],
)
def test_what_comes_back_otherwise_ends_the_tool(sent: Payload, read: list[Any], complaint: str) -> None:
    with pytest.raises(LatencyFailure) as failure:
        check_received(sent, read)
    assert str(failure.value) == complaint


def test_percentiles_are_whole_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    print_results([9.99, *[1.5] * 98, 3.2])
    assert capsys.readouterr().out == "Avg latency: 1.6019 ms\nPercentiles: 50th = 1, 99th = 9, 99.9th = 9\n"
