from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.kafka_consumer_groups import main as kafka_consumer_groups
from kafkalite.cli.kafka_consumer_groups import validate_regex
from kafkalite.cli.offset_reset import format_csv, parse_date_time, parse_topic_argument, read_plan, time_before

TOOL = "kafka_consumer_groups"
_MEMBER_ID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<= )[-_/+\w]{22}(?= )")
_SOURCE = re.compile(r"\n at \[Source: .*")  # where in the text Java's reader has found a fault
_ANY_ORDER = re.compile(r"(Valid \w+ are: |scenarios: |these options: |following options: )(.*)")


def normalised(text: str) -> str:
    """Without ids, and with what the original prints in random order sorted."""
    text = _MEMBER_ID.sub("#", _SOURCE.sub("", text))
    return _ANY_ORDER.sub(lambda match: match[1] + ", ".join(sorted(re.findall(r"[-\w]+", match[2]))), text)


@pytest.fixture
def join(stage: Any) -> Iterator[Callable[..., None]]:
    """Starts consumers that have their partitions when it returns; they leave by `join.leave` or after the test."""
    consumers: list[Consumer] = []

    def start(group_id: str, topics: list[str], **configs: str) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": stage.broker.bootstrap_servers,
                "group.id": group_id,
                "enable.auto.commit": False,
                **{key.replace("_", "."): value for key, value in configs.items()},
            }
        )
        consumers.append(consumer)
        consumer.subscribe(topics)
        for _ in range(400):
            consumer.poll(0.1)
            if consumer.assignment():
                return
        raise AssertionError("no assignment")

    def leave() -> None:
        while consumers:
            consumers.pop().close()

    start.leave = leave  # type: ignore[attr-defined]
    yield start
    leave()


@pytest.mark.oracle
def test_listing_prints_what_apache_kafka_prints(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        tool(TOOL, "--list")
        tool(TOOL, "--list", "--state")
        stage.create_topic("t")
        for group_id in ("alpha", "beta", "gamma", "a-group-with-a-long-name", "delta"):
            stage.commit(group_id, {("t", 0): 1})
        tool(TOOL, "--list")
        tool(TOOL, "--list", "--state")
        tool(TOOL, "--list", "--type")
        tool(TOOL, "--list", "--type", "--state")
        tool(TOOL, "--list", "--state", "Stable, empty")
        tool(TOOL, "--list", "--state=stable")
        tool(TOOL, "--list", "--type", "classic")
        tool(TOOL, "--list", "--type", "consumer,Classic", "--state", "Empty")
        tool(TOOL, "--list", "--state", "bad")
        tool(TOOL, "--list", "--type", "share")

    each_comparison.of(scenario, normalise=normalised)


@pytest.mark.oracle
def test_describing_groups_without_members_prints_what_apache_kafka_prints(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3)
        stage.create_topic("a-topic-with-a-long-name", 1)
        stage.produce("one", [1, 2, 3])
        stage.produce("one", [1], partition=2)
        stage.commit("first", {("one", 0): 1, ("one", 2): 1, ("one", 1): 0, ("a-topic-with-a-long-name", 0): 5})
        stage.commit("a-group-with-a-long-name", {("one", 1): 0})
        for what in ("--offsets", "--members", "--state"):
            tool(TOOL, "--describe", "--group", "first", what)
            tool(TOOL, "--describe", "--group", "first", what, "--verbose")
            tool(TOOL, "--describe", "--all-groups", what)
            tool(TOOL, "--describe", "--group", "nobody", what)
        tool(TOOL, "--describe", "--group", "first", "--group", "a-group-with-a-long-name")
        tool(TOOL, "--describe", "--group", "first", "--timeout", "x")

    each_comparison.of(scenario, normalise=normalised)


@pytest.mark.oracle
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_describing_groups_with_members_prints_what_apache_kafka_prints(
    each_comparison: Any, stage: Any, join: Any, protocol: str
) -> None:
    group = f"{protocol}-group"

    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3)
        stage.create_topic("two", 2)
        stage.produce("one", [1, 2, 3])
        configs = {"client_id": "first", "group_protocol": protocol}
        if protocol == "classic":
            configs |= {"partition_assignment_strategy": "range", "group_instance_id": "fixed"}
        join(group, ["one"], **configs)
        if protocol == "consumer":
            join(group, ["two"], client_id="second", group_protocol=protocol)
        for what in ("--offsets", "--members", "--state"):
            tool(TOOL, "--describe", "--group", group, what)
            tool(TOOL, "--describe", "--group", group, what, "--verbose")
        tool(TOOL, "--list", "--state", "--type")
        tool(TOOL, "--delete", "--group", group)
        tool(TOOL, "--delete-offsets", "--group", group, "--topic", "one")
        tool(TOOL, "--reset-offsets", "--group", group, "--topic", "one", "--to-earliest", "--execute")
        join.leave()
        if protocol == "classic":
            stage.remove_static_member(group, "fixed")

    def without_order_and_epochs(text: str) -> str:
        lines = re.sub(r"(?<= )[1-9](?= )", "N", normalised(text)).splitlines()
        return "\n".join(sorted(lines))

    each_comparison.of(scenario, normalise=without_order_and_epochs)


@pytest.mark.oracle
def test_resetting_offsets_prints_and_does_what_apache_kafka_does(
    each_comparison: Any, stage: Any, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("one,0,2\none,2,99\n")
    files = {
        "negative": "one,0,-1\n",
        "lost": "nix,0,1\n",
        "short": "one,0\n",
        "shorter": "one\n",
        "words": "one,0,x\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    plan_of_two = tmp_path / "two.csv"
    plan_of_two.write_text('first,one,0,1\n"other",one,1,0\n')

    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3, retention_ms="-1")
        stage.create_topic("a-topic-with-a-long-name", 1)
        stage.produce("one", [1_000, 2_000, 3_000, 4_000])
        stage.produce("one", [1_500, 2_500], partition=2)
        stage.commit("first", {("one", 0): 1, ("one", 2): 1, ("a-topic-with-a-long-name", 0): 0})

        def reset(*words: str) -> None:
            tool(TOOL, "--reset-offsets", *words)

        for scenario_words in (
            ["--to-earliest"],
            ["--to-latest"],
            ["--to-current"],
            ["--to-offset", "1"],
            ["--to-offset", "100"],
            ["--to-offset", "-5"],
            ["--shift-by", "1"],
            ["--shift-by=-3"],
            ["--to-datetime", "1970-01-01T00:00:02.000"],
            ["--to-datetime", "1970-01-01T01:00:02.500+01:00"],
            ["--to-datetime", "1970-01-01T00:00:09.000Z"],
            ["--to-datetime", "1970-01-01T01:00:02.500 +01:00"],
            ["--to-datetime", "1970-01-01"],
            ["--to-datetime", "1970-01-01T99"],
            ["--by-duration", "PT1H"],
            ["--by-duration", "P365000D"],
            ["--by-duration", "1h"],
            ["--by-duration", "P2DT-47H"],
            ["--by-duration", "P999999999999D"],
            ["--by-duration", "P106751991167301D"],
        ):
            reset("--group", "first", "--all-topics", "--dry-run", *scenario_words)
            reset("--group", "first", "--topic", "one:0,2", "--dry-run", *scenario_words)
        reset("--group", "first", "--topic", "one", "--to-latest")
        reset("--group", "first", "--topic", "one", "--shift-by", "1", "--dry-run")
        reset("--group", "first", "--topic", "one", "--to-current", "--dry-run")
        reset("--group", "new", "--topic", "one", "--topic", "a-topic-with-a-long-name", "--to-latest", "--execute")
        reset("--group", "first", "--group", "new", "--topic", "one", "--to-earliest", "--execute")
        tool(TOOL, "--describe", "--all-groups")
        reset("--all-groups", "--all-topics", "--to-latest", "--dry-run", "--export")
        reset("--group", "first", "--all-topics", "--to-latest", "--dry-run", "--export")
        reset("--group", "first", "--topic", "a-topic-with-a-long-name", "--to-latest", "--dry-run", "--export")
        reset("--group", "first", "--from-file", str(plan), "--dry-run")
        reset("--group", "first", "--from-file", str(plan), "--execute")
        for name in (*files, "missing"):
            reset("--group", "first", "--from-file", str(tmp_path / f"{name}.csv"), "--dry-run")
        reset("--group", "first", "--topic", "", "--to-latest", "--dry-run")
        reset("--group", "first", "--group", "other", "--from-file", str(plan_of_two), "--dry-run")
        reset("--group", "nobody", "--group", "other", "--from-file", str(plan_of_two), "--dry-run")
        reset("--group", "first", "--topic", "missing", "--to-latest", "--execute")
        reset("--group", "first", "--topic", "missing:0", "--to-latest", "--execute")
        reset("--group", "first", "--topic", "one:7", "--to-latest", "--execute")
        reset("--group", "first", "--topic", "one:x", "--to-latest", "--execute")
        reset("--group", "first", "--topic", "one:1:2", "--to-latest", "--execute")
        reset("--group", "nobody", "--all-topics", "--to-latest", "--execute")
        reset("--group", "first", "--to-latest", "--execute")
        reset("--group", "first", "--all-topics", "--execute")
        tool(TOOL, "--describe", "--group", "first")

    each_comparison.of(scenario, normalise=normalised)


@pytest.mark.oracle
def test_deleting_prints_and_does_what_apache_kafka_does(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3)
        stage.create_topic("two", 1)
        for group_id in ("alpha", "beta", "gamma", "delta"):
            stage.commit(group_id, {("one", 0): 1, ("one", 2): 1, ("two", 0): 0})
        tool(TOOL, "--delete-offsets", "--group", "alpha", "--topic", "one")
        tool(TOOL, "--delete-offsets", "--group", "alpha", "--topic", "two:0,1")
        tool(TOOL, "--delete-offsets", "--group", "alpha", "--topic", "one", "--topic", "missing")
        tool(TOOL, "--delete-offsets", "--group", "nobody", "--topic", "one:0")
        tool(TOOL, "--describe", "--group", "alpha")
        tool(TOOL, "--delete", "--group", "alpha")
        tool(TOOL, "--delete", "--group", "beta", "--group", "nobody")
        tool(TOOL, "--delete", "--group", "nobody", "--group", "no-one")
        tool(TOOL, "--delete", "--all-groups")
        tool(TOOL, "--list")

    each_comparison.of(scenario, normalise=normalised)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--list", "--describe", "--all-groups"],
        ["--describe"],
        ["--describe", "--group", "g", "--members", "--state"],
        ["--describe", "--group", "g", "--state", "stable"],
        ["--delete"],
        ["--delete", "--group", "g", "--topic", "t"],
        ["--delete-offsets", "--group", "g"],
        ["--reset-offsets", "--group", "g", "--dry-run", "--execute"],
        ["--reset-offsets", "--to-latest"],
        ["--reset-offsets", "--group", "g", "--to-latest", "--to-earliest", "--dry-run"],
        ["--reset-offsets", "--group", "g", "--all-groups", "--to-latest", "--dry-run"],
        ["--list", "--group", "g"],
        ["--list", "--topic", "t"],
        ["--list", "--members"],
        ["--describe", "--group", ""],
        ["--describe", "--group", "g", "--type"],
        ["--validate-regex", "a.*"],
        ["--validate-regex", "("],
        ["--validate-regex", "[a"],
        ["--validate-regex", "*"],
        ["--validate-regex", "(?=a)"],
        ["--validate-regex", "\\1"],
        ["--validate-regex", "a)"],
    ],
)
def test_command_lines_that_need_no_group_are_answered_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    comparison.of(lambda tool: tool(TOOL, *words), normalise=normalised)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "No content to map due to end-of-input"),
        ("\n", "No content to map due to end-of-input"),
        ("\none,0,1\n", "No content to map due to end-of-input"),
        ("one,0,1\n\n", "No content to map due to end-of-input"),
        ("one,0,x\n", 'Cannot deserialize value of type `int` from String "x": not a valid `int` value'),
        ("one,0,1\none,0,x\n", 'Cannot deserialize value of type `long` from String "x": not a valid `long` value'),
        ("one,0,9223372036854775808\n", "Cannot deserialize value of type `int`"),
        ("one,0,1,2,3\n", "Too many entries"),
        ("one,0,-1\n", "Invalid negative offset"),
    ],
)
def test_a_plan_with_an_unreadable_line_is_refused_as_a_whole(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(text)
    with pytest.raises(ToolError) as refusal:
        read_plan(str(path), ["group"])
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "groups", "plan"),
    [
        ("one,2,7\none,0\ntwo\n", ["g"], {"g": {("one", 2): 7, ("one", 0): 0, ("two", 0): 0}}),
        ("one, 3 ,+5\n", ["g"], {"g": {("one", 3): 5}}),
        ('g,"a,b",1,2\nh,one\n', ["g", "h"], {"g": {("a,b", 1): 2}, "h": {("one", 0): 0}}),
        ("g,one,1,2\n", ["g"], {"g": {("one", 1): 2}}),
    ],
)
def test_what_is_missing_at_the_end_of_a_plans_line_is_zero(
    text: str, groups: list[str], plan: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(text)
    assert read_plan(str(path), groups) == plan


def test_offsets_cannot_be_deleted_without_a_broker(tmp_path: Path, capsys: Any) -> None:
    config = tmp_path / "hurry.properties"
    config.write_text("default.api.timeout.ms=50\nrequest.timeout.ms=50\n")
    words = ["--bootstrap-server", "127.0.0.1:1", "--command-config", str(config), "--timeout", "50"]
    delete = ["--delete-offsets", "--group", "g", "--topic", "t", "--topic", "u:3"]
    assert kafka_consumer_groups([*words, *delete]) == 0
    timeout = "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment. Call:"
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "",
        "Error: Encountered some unknown error: REQUEST_TIMED_OUT",
        "",
        "TOPIC           PARTITION  STATUS",
        f"t               -          Error: {timeout} listNodes",
        f"u               3          Error: {timeout} offsetDelete(api=FIND_COORDINATOR)",
    ]


def test_a_time_lies_a_duration_before_another() -> None:
    now_ns = 1_700_000_000_000_999_999
    assert time_before("PT1H2M3.5S", now_ns) == 1_699_996_276_500
    assert time_before("P2D", now_ns) == 1_699_827_200_000
    assert time_before("-pt1s", now_ns) == 1_700_000_001_000
    assert time_before("P365000D", now_ns) == -29_836_000_000_000


@pytest.mark.parametrize(
    ("duration", "class_name", "message"),
    [
        ("1H", "java.time.format.DateTimeParseException", "Text cannot be parsed to a Duration"),
        ("P106751991167301D", "java.time.format.DateTimeParseException", "Text cannot be parsed to a Duration: days"),
        ("P106751991167300D", "java.time.DateTimeException", "Instant exceeds minimum or maximum instant"),
        ("-P106751991167300D", "java.lang.ArithmeticException", "long overflow"),
        ("PT-9223372036854775.808S", "java.lang.ArithmeticException", "long overflow"),
    ],
)
def test_a_time_that_java_does_not_have_is_refused(duration: str, class_name: str, message: str) -> None:
    with pytest.raises(ToolError) as raised:
        time_before(duration, 1_700_000_000_000_000_000)
    assert (raised.value.class_name, str(raised.value)) == (class_name, message)


def test_dates_are_utc_unless_they_say_otherwise() -> None:
    assert parse_date_time("1970-01-01T00:00:01.000") == 1000
    assert parse_date_time("1970-01-01T00:00:01.5") == 1005
    assert parse_date_time("2026-02-28T23:00:00.000-01:30") == parse_date_time("2026-03-01T00:30:00.000Z")
    assert parse_date_time("1970-01-01T02:00:00.000+02") == 0
    for text in ("1970-01-01", "1970-02-30T00:00:00.000", "1970-01-01T00:00:00"):
        with pytest.raises(ToolError, match=r"java\.text\.ParseException"):
            parse_date_time(text)


def test_topic_arguments_name_partitions() -> None:
    assert parse_topic_argument("t:0,12") == [("t", 0), ("t", 12)]
    with pytest.raises(ToolError, match="Invalid topic arg 't:1:2', expected topic name and partitions"):
        parse_topic_argument("t:1:2")


def test_csv_values_are_quoted_where_they_could_be_mistaken() -> None:
    assert format_csv([("a-b.c", 1, 2), ("a,b", 0, 3), ('a"b', 0, 3), ("x" * 25, 0, 0), ("a b", 1, 1)]) == (
        f'a-b.c,1,2\n"a,b",0,3\n"a""b",0,3\n"{"x" * 25}",0,0\n"a b",1,1\n'
    )


def test_a_regular_expression_is_judged_without_a_broker(capsys: Any) -> None:
    validate_regex("a|b")
    validate_regex("(a")
    assert capsys.readouterr().out == (
        "The regular expression `a|b` is valid.\nThe regular expression `(a` is invalid: missing closing ).\n"
    )
