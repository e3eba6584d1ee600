from __future__ import annotations

import re
from typing import Any

import pytest

_UUID = re.compile(r"(TopicId: |TopicId '|--topic-id=)[-_\w]{22}")


def without_ids(text: str) -> str:
    return _UUID.sub(r"\1#", text)


def topic_id(text: str) -> str:
    match = re.search(r"TopicId: (\S+)", text)
    assert match is not None
    return match[1]


@pytest.mark.oracle
def test_creating_listing_and_deleting_print_what_apache_kafka_prints(each_comparison: Any) -> None:
    def scenario(tool: Any) -> None:
        tool("kafka_topics", "--list")
        tool("kafka_topics", "--create", "--topic", "plain")
        tool("kafka_topics", "--create", "--topic", "plain")
        tool("kafka_topics", "--create", "--topic", "plain", "--if-not-exists")
        tool("kafka_topics", "--create", "--topic", "a.b_c", "--partitions=3", "--replication-factor=1")
        tool("kafka_topics", "--create", "--topic", "many", "--partitions", "0")
        tool("kafka_topics", "--create", "--topic", "many", "--partitions", "x")
        tool("kafka_topics", "--create", "--topic", "many", "--replication-factor", "0")
        tool("kafka_topics", "--create", "--topic", "many", "--replication-factor", "2")
        tool("kafka_topics", "--create", "--topic", "many", "--replica-assignment", "1,1,1")
        tool("kafka_topics", "--create", "--topic", "more", "--replica-assignment", "1:1")
        tool("kafka_topics", "--create", "--topic", "more", "--replica-assignment", "1,1:2")
        tool("kafka_topics", "--create", "--topic", "more", "--replica-assignment", "9")
        tool("kafka_topics", "--create", "--topic", "more", "--replica-assignment", "1_0")
        tool("kafka_topics", "--create", "--topic", "trailing", "--replica-assignment", "1,1,,")
        tool("kafka_topics", "--create", "--topic", "")
        tool("kafka_topics", "--create", "--topic", "bad name")
        tool("kafka_topics", "--create", "--topic", ".")
        tool(
            "kafka_topics",
            "--create",
            "--topic",
            "c",
            "--config",
            "retention.ms=10",
            "--config",
            "cleanup.policy=compact",
        )
        tool("kafka_topics", "--create", "--topic", "d", "--config", "retention.ms")
        tool("kafka_topics", "--create", "--topic", "d", "--config", "retention.ms=x")
        tool("kafka_topics", "--create", "--topic", "d", "--config", "unknown=x")
        tool("kafka_topics", "--list")
        tool("kafka_topics", "--list", "--exclude-internal")
        tool("kafka_topics", "--list", "--topic", "p.*,man.*")
        tool("kafka_topics", "--list", "--topic", "'plain'")
        tool("kafka_topics", "--list", "--topic", "nothing")
        tool("kafka_topics", "--list", "--topic", "(")
        tool("kafka_topics", "--delete", "--topic", "nothing")
        tool("kafka_topics", "--delete", "--topic", "nothing", "--if-exists")
        tool("kafka_topics", "--delete", "--topic", "pl.*")
        tool("kafka_topics", "--list")

    each_comparison.of(scenario)


@pytest.mark.oracle
def test_describing_and_altering_print_what_apache_kafka_prints(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        tool("kafka_topics", "--describe")
        for name in ("one", "two", "three", "four", "five"):
            stage.create_topic(name, 2)
        configs = {"retention_ms": "10", "cleanup_policy": "compact", "segment_bytes": "1048576"}
        stage.create_topic("own", max_message_bytes="2000", **configs)
        tool("kafka_topics", "--describe", "--exclude-internal")
        described = tool("kafka_topics", "--describe", "--topic", "own")
        tool("kafka_topics", "--describe", "--topic", "t.*")
        tool("kafka_topics", "--describe", "--topics-with-overrides", "--exclude-internal")
        for report in ("under-replicated", "unavailable", "under-min-isr", "at-min-isr"):
            tool("kafka_topics", "--describe", f"--{report}-partitions", "--exclude-internal")
        tool("kafka_topics", "--describe", "--under-replicated-partitions", "--at-min-isr-partitions", "--topic", "one")
        tool("kafka_topics", "--describe", "--topic", "one", "--partition-size-limit-per-response", "1")
        tool("kafka_topics", "--describe", "--topic", "nothing")
        tool("kafka_topics", "--describe", "--topic", "nothing", "--if-exists")
        tool("kafka_topics", "--describe", "--if-exists")
        outputs = tool("kafka_topics", "--describe", "--topic", "nothing", "--if-exists", "--topic-id", "x" * 22)
        assert outputs.exit_code == 0
        tool("kafka_topics", "--alter", "--topic", "one", "--partitions", "4")
        tool("kafka_topics", "--alter", "--topic", "one", "--partitions", "3")
        tool("kafka_topics", "--alter", "--topic", "one", "--partitions", "4")
        tool("kafka_topics", "--alter", "--topic", "one", "--partitions", "5", "--replica-assignment", "1,1,1,1,1")
        tool("kafka_topics", "--alter", "--topic", "one", "--partitions", "6", "--replica-assignment", "1,1,1,1,1,7")
        tool("kafka_topics", "--alter", "--topic", "nothing", "--partitions", "3")
        tool("kafka_topics", "--alter", "--topic", "nothing", "--partitions", "3", "--if-exists")
        tool("kafka_topics", "--describe", "--topic", "one")
        assert topic_id(described.stdout)

    def comparable(text: str) -> str:
        if each_comparison.ignores_order:
            text = re.sub(r"(?<=Configs: )\S+", lambda match: ",".join(sorted(match[0].split(","))), text)
        return without_ids(text)

    each_comparison.of(scenario, normalise=comparable)


@pytest.mark.oracle
def test_a_topic_is_described_by_its_id(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("byid", 2)
        described = tool("kafka_topics", "--describe", "--topic", "byid")
        by_id = tool("kafka_topics", "--describe", "--topic-id=" + topic_id(described.stdout))
        assert by_id.stdout.replace("N/A", "") == described.stdout
        tool("kafka_topics", "--describe", "--topic-id=" + "x" * 22)
        tool("kafka_topics", "--describe", "--if-exists", "--topic-id=" + "x" * 22)
        tool("kafka_topics", "--describe", "--topic-id", "x" * 30)
        tool("kafka_topics", "--describe", "--topic-id", "not-an-id")
        tool("kafka_topics", "--describe", "--topic-id", "no id")

    each_comparison.of(scenario, normalise=without_ids)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--list", "--create"],
        ["--create"],
        ["--delete"],
        ["--alter", "--topic", "t"],
        ["--list", "--config", "a=b"],
        ["--list", "--partitions", "3"],
        ["--alter", "--topic", "t", "--partitions", "3", "--replication-factor", "1"],
        ["--create", "--topic", "t", "--replica-assignment", "1", "--partitions", "1"],
        ["--list", "--under-replicated-partitions"],
        ["--describe", "--under-replicated-partitions", "--topics-with-overrides"],
        ["--describe", "--topics-with-overrides", "--at-min-isr-partitions"],
        ["--create", "--topic", "t", "--if-exists"],
        ["--delete", "--topic", "t", "--if-not-exists"],
        ["--delete", "--topic", "t", "--exclude-internal"],
        ["--list", "--delete-config", "x"],
        ["--topic"],
        ["--list", "--topic", "a", "--topic", "b"],
    ],
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    comparison.of(lambda tool: tool("kafka_topics", *words))
