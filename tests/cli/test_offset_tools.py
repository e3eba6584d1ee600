"""kafka-get-offsets, kafka-delete-records and kafka-log-dirs beside Apache Kafka's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.kafka_delete_records import parse_offsets
from kafkalite.cli.kafka_get_offsets import parse_rules
from kafkalite.identifiers import TopicPartition
from tool_comparison import run_ours


@pytest.mark.oracle
def test_getting_offsets_prints_what_apache_kafka_prints(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("one", 12, retention_ms="-1")
        stage.create_topic("one.more", 2, retention_ms="-1")
        stage.create_topic("two")
        stage.produce("one", [1000, 3000, 2000])
        stage.produce("one", [1000], partition=10)
        stage.commit("group", {("two", 0): 0})

        def get(*words: str) -> None:
            tool("kafka_get_offsets", "--exclude-internal-topics", *words)

        get()
        for time in ("latest", "earliest", "max-timestamp", "earliest-local", "latest-tiered", "-1", "-2", "-3"):
            get("--time", time)
        for time in ("2000", "5000", "x", "1.5", "", "9" * 20):
            get("--time", time)
        get("--topic", "one")
        get("--topic", "o.*,two")
        get("--topic", "nothing")
        get("--topic", "(")
        get("--topic", "one", "--partitions", "0,10,77")
        get("--partitions", "0")
        get("--partitions", "a")
        for rules in (
            "one:0",
            "one:1-3",
            "one:10-",
            "one:-2",
            ":0",
            "one.*,two:0",
            "one:x",
            "one:1:2",
            "two,nothing:",
            ",",
            "",
        ):
            get("--topic-partitions", rules)
        get("--topic-partitions", "one", "--topic", "one")
        # How much stands there depends on what was tested before, where it begins does not.
        tool("kafka_get_offsets", "--topic", "__consumer_offsets", "--partitions", "0", "--time", "earliest")

    each_comparison.of(scenario)


@pytest.mark.oracle
@pytest.mark.parametrize("tool_name", ["kafka_get_offsets", "kafka_delete_records", "kafka_log_dirs"])
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, tool_name: str) -> None:
    def scenario(tool: Any) -> None:
        tool(tool_name, "--help")
        tool(tool_name, "--nothing")
        tool(tool_name, "--command-config")
        tool(tool_name, "--command-config", "/no/such/file")
        tool(tool_name, "--bootstrap-server", "b:1")
        if tool_name != "kafka_get_offsets":
            tool(tool_name)

    comparison.of(scenario)


@pytest.mark.oracle
def test_deleting_records_prints_and_does_what_apache_kafka_does(
    each_comparison: Any, stage: Any, tmp_path: Path
) -> None:
    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    partition = '{"topic": "one", "partition": %d, "offset": %s}'
    some = ",".join([partition % (0, 2), partition % (1, -1), partition % (2, 99)])
    twice = ",".join([partition % (0, 1), partition % (0, 2)])
    files = [
        file("some", f'{{"partitions": [{some}], "version": 1}}'),
        file("twice", f'{{"partitions": [{twice}]}}'),
        file("none", '{"partitions": []}'),
        file("version", '{"partitions": [], "version": 2}'),
        file("no-partitions", '{"version": 1}'),
        file("no-topic", '{"partitions": [{"partition": 1, "offset": 1}]}'),
        file("text", '{"partitions": [%s]}' % (partition % (0, '"x"'))),
        file("object", '{"partitions": {"a": 1}}'),
        file("array", "[1]"),
        file("bad", "{"),
        str(tmp_path / "missing"),
    ]

    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3)
        stage.produce("one", [-1] * 4)
        stage.produce("one", [-1] * 4, partition=1)
        for path in files:
            tool("kafka_delete_records", "--offset-json-file", path)
        tool("kafka_get_offsets", "--topic", "one", "--time", "earliest")

    # The original prints the partitions in an order that each of its processes chooses anew; ours are sorted.
    each_comparison.of(scenario, normalise=lambda text: "\n".join(sorted(text.splitlines())))


@pytest.mark.oracle
def test_log_dirs_are_printed_as_apache_kafka_prints_them(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("one", 12)
        stage.create_topic("two", 3)
        stage.produce("one", [1_700_000_000_000] * 4)
        topics = ("--topic-list", "one,,two,nothing")
        tool("kafka_log_dirs", "--describe", *topics)
        tool("kafka_log_dirs", "--describe", "--broker-list", "1", *topics)
        tool("kafka_log_dirs", "--describe", "--broker-list", "1,7,5", *topics)
        tool("kafka_log_dirs", "--describe", "--broker-list", "x", *topics)

    each_comparison.of(scenario)


_API = re.compile(r"\t(\w+)\((\d+)\): ([^\n]*)")


@pytest.mark.oracle
def test_api_versions_are_printed_as_apache_kafka_prints_them(comparison: Any) -> None:
    def without_what_the_release_before_does_not_know(text: str) -> str:
        # The original's tools are one release behind the broker: it does not know some APIs and versions.
        return _API.sub(lambda match: re.sub(r" \[usable: \d+\]|^UNSUPPORTED", "", match[3]), text)

    comparison.of(
        lambda tool: tool("kafka_broker_api_versions"), normalise=without_what_the_release_before_does_not_know
    )


def test_rules_choose_partitions() -> None:
    def chosen(rules: str) -> list[int]:
        is_wanted = parse_rules(rules, excludes_internal=False)
        return [index for index in range(6) if is_wanted(TopicPartition("t", index))]

    assert chosen("t") == [0, 1, 2, 3, 4, 5]
    assert chosen("t:2") == [2]
    assert chosen("t:2-4") == [2, 3]
    assert chosen("x,t:4-") == [4, 5]
    assert chosen(":-2") == [0, 1]
    assert chosen("t:0,t:5") == [0, 5]
    assert chosen("x") == []


def test_offsets_to_delete_to_come_from_json() -> None:
    assert parse_offsets('{"partitions": [{"topic": "foo", "partition": 1, "offset": 7}]}') == {("foo", 1): 7}
    with pytest.raises(ToolError, match="No such field exists: `offset`"):
        parse_offsets('{"partitions": [{"topic": "foo", "partition": 1}]}')


@pytest.mark.parametrize("content", [b"\xff", b'{"partitions":[]}\xff', b"[" * 5000])
@pytest.mark.parametrize(
    ("module", "words", "complaint"),
    [
        ("kafka_delete_records", ["--offset-json-file"], "The input string is not a valid JSON"),
        (
            "kafka_leader_election",
            ["--election-type", "preferred", "--path-to-json-file"],
            "Replica election data is empty",
        ),
        ("kafka_reassign_partitions", ["--execute", "--reassignment-json-file"], "not a valid JSON"),
    ],
)
def test_a_file_that_is_no_json_is_answered_without_a_traceback(
    module: str, words: list[str], complaint: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "file.json").write_bytes(content)
    output = run_ours(module, "--bootstrap-server", "127.0.0.1:1", *words, str(tmp_path / "file.json"))
    assert output.exit_code == 1
    assert complaint in output.stdout + output.stderr
