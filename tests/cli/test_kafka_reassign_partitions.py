from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.reassignment_plan import (
    Move,
    brokers_in,
    check_executable,
    format_plan,
    parse_plan,
    planned_moves,
    propose,
    throttled_replicas,
)
from kafkalite.client.reassignment_admin import Reassignment, Replica
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest

TOOL = "kafka_reassign_partitions"
_TRACE = re.compile(
    r"^(\tat .*|\t\.\.\. \d+ more|(Caused by: )?(java|org|com)\.[\w.$]+(Exception|Error).*)\n?", re.MULTILINE
)


def without_traces(text: str) -> str:
    """The original prints stack traces on stdout."""
    return _TRACE.sub("", text).strip("\n")


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Writes a JSON file and gives its path."""

    def write(name: str, **fields: Any) -> str:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(fields))
        return str(path)

    return write


def entry(topic: str, partition: int, *replicas: int, **more: Any) -> dict[str, Any]:
    return {"topic": topic, "partition": partition, "replicas": list(replicas), **more}


@pytest.mark.oracle
def test_partitions_are_reassigned_as_apache_kafka_does(each_comparison: Any, stage: Any, file: Any) -> None:
    plans = {
        "same": [entry("one", 0, 1), entry("one", 1, 1)],
        "unknown broker": [entry("one", 0, 7)],
        "unknown topic": [entry("none", 0, 1)],
        "unknown partition": [entry("one", 9, 1)],
        "repeated": [entry("one", 0, 1), entry("one", 0, 1)],
        "repeated replica": [entry("one", 0, 1, 1)],
        "no replicas": [entry("one", 0)],
        "nothing": [],
        "bad log dirs": [entry("one", 0, 1, log_dirs=["a", "b"])],
        "no such log dir": [entry("one", 0, 1, log_dirs=["/none"])],
    }
    paths = {name: file(name.replace(" ", "-"), partitions=plan) for name, plan in plans.items()}
    paths["version"] = file("version", partitions=[], version=2)
    topics = file("topics", topics=[{"topic": "one"}, {"topic": "two"}], version=1)
    unknown_topics = file("unknown-topics", topics=[{"topic": "none"}])
    twice = file("twice", topics=[{"topic": "one"}, {"topic": "one"}])

    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3)
        stage.create_topic("two")

        def reassign(*words: str) -> None:
            tool(TOOL, *words)

        reassign("--list")
        reassign("--generate", "--topics-to-move-json-file", topics, "--broker-list", "1")
        reassign("--generate", "--topics-to-move-json-file", topics, "--broker-list", "1,2", "--disable-rack-aware")
        reassign("--generate", "--topics-to-move-json-file", unknown_topics, "--broker-list", "1")
        reassign("--generate", "--topics-to-move-json-file", twice, "--broker-list", "1")
        reassign("--generate", "--topics-to-move-json-file", topics, "--broker-list", "1,1")
        reassign("--generate", "--topics-to-move-json-file", topics, "--broker-list", "x")
        for name, path in paths.items():
            reassign("--execute", "--reassignment-json-file", path)
            if name not in ("unknown broker", "bad log dirs", "repeated", "version"):
                reassign("--verify", "--reassignment-json-file", path, "--preserve-throttles")
        reassign("--execute", "--reassignment-json-file", paths["same"], "--throttle", "1000")
        throttled = (
            "--replica-alter-log-dirs-throttle",
            "2000",
            "--additional",
            "--disallow-replication-factor-change",
        )
        reassign("--execute", "--reassignment-json-file", paths["same"], *throttled)
        reassign("--verify", "--reassignment-json-file", paths["same"])
        reassign("--cancel", "--reassignment-json-file", paths["same"])
        reassign("--cancel", "--reassignment-json-file", paths["same"], "--preserve-throttles")
        reassign("--verify", "--reassignment-json-file", "/no/such/file")

    each_comparison.of(scenario, normalise=without_traces)


@pytest.mark.oracle
def test_replicas_move_between_directories_as_on_apache_kafka(
    start_apache_kafka: Callable[..., Any], compare_tools_on: Callable[..., Any], tmp_path: Path, file: Any
) -> None:
    directory = tmp_path / "kafka"
    first, second = str(directory / "data"), str(directory / "data-2")
    broker = start_apache_kafka(directory=directory, properties={"log.dirs": f"{first},{second}"})
    comparison = compare_tools_on(broker)
    there = file("there", partitions=[entry("one", 0, 1, log_dirs=[second]), entry("one", 1, 1, log_dirs=[first])])

    def settled(text: str) -> str:
        # The broker chooses the first directory, and so what has to be moved.
        text = re.sub(r"completed successfully|is not being moved.*", "MOVED", without_traces(text))
        return re.sub(r"DIRECTORY/data(-2)?(?=\"\]|\.$)", "DIR", text, flags=re.MULTILINE)

    def wait_for_moves() -> None:
        with WireClient(broker.bootstrap_servers) as client:
            deadline_s = time.monotonic() + 30
            while any(
                partition.is_future_key
                for result in client.send(DescribeLogDirsRequest(topics=None)).results
                for topic in result.topics
                for partition in topic.partitions
            ):
                assert time.monotonic() < deadline_s
                time.sleep(0.05)

    def scenario(tool: Any) -> None:
        comparison.stage.create_topic("one", 2)
        tool(TOOL, "--execute", "--reassignment-json-file", there)
        wait_for_moves()
        tool(TOOL, "--verify", "--reassignment-json-file", there)

    comparison.of(scenario, normalise=settled)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--list", "--verify"],
        ["--list", "--bootstrap-controller", "c:1"],
        ["--verify"],
        ["--generate", "--broker-list", "1"],
        ["--list", "--throttle", "1"],
        ["--verify", "--reassignment-json-file", "f", "--additional"],
        ["--generate", "--topics-to-move-json-file", "f", "--broker-list", "1", "--timeout", "1"],
        ["--nothing"],
    ],
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    comparison.of(lambda tool: tool(TOOL, *words))


ZERO, ONE = TopicPartition("t", 0), TopicPartition("t", 1)


def test_a_plan_reads_what_it_writes() -> None:
    text = format_plan({ONE: [2, 3], ZERO: [1]}, {Replica(3, *ONE): "/d"})
    assert text == (
        '{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1],"log_dirs":["any"]},'
        '{"topic":"t","partition":1,"replicas":[2,3],"log_dirs":["any","/d"]}]}'
    )
    plan = parse_plan(text)
    assert plan.assignment == {ZERO: [1], ONE: [2, 3]}
    assert plan.log_dirs == {Replica(3, *ONE): "/d"}
    check_executable(plan)


def test_a_plan_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ToolError, match="t-0 contains multiple entries for 1"):
        check_executable(parse_plan(json.dumps({"partitions": [entry("t", 0, 1, 1)]})))


def test_a_proposal_spreads_partitions_over_brokers_and_racks() -> None:
    brokers = [(1, "a"), (2, "a"), (3, "b"), (4, "b")]
    proposal = propose({ZERO: [1, 2], ONE: [1, 2]}, brokers, lambda count: count - 1)
    assert proposal == {ZERO: [4, 1], ONE: [1, 3]}
    with pytest.raises(KafkaError, match="The target replication factor of 2 cannot be reached because only 1"):
        propose({ZERO: [1, 2]}, [(1, None)], lambda count: 0)


def test_throttles_name_who_sends_and_who_receives() -> None:
    under_way = {ONE: Reassignment([1, 2, 3], [3], [1])}
    moves = planned_moves(under_way, {ZERO: [4, 2]}, {ZERO: [1, 2]})
    assert moves == {ONE: Move({1, 2}, {3}), ZERO: Move({1, 2}, {4})}
    assert throttled_replicas(moves) == {"t": ("0:1,0:2,1:1,1:2", "0:4,1:3")}
    assert brokers_in(moves) == [1, 2, 3, 4]
