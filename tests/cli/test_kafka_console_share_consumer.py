"""kafka-console-share-consumer beside Apache Kafka's, and on kafkalite: what it prints, what it acknowledges."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from kafkalite.client.admin import Admin
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch

TOOL = "kafka_console_share_consumer"
GROUP = 32
SERIALIZATION = "org.apache.kafka.common.serialization"
EVERYTHING = [
    f"--formatter-property=print.{column}=true"
    for column in ("timestamp", "partition", "offset", "delivery", "epoch", "headers", "key")
]
DELIVERIES = ["--formatter-property=print.delivery=true"]
LIMITS = ["--timeout-ms", "20000"]
RECORDS = [
    Record(0, 1_000, b"key", b"value", (("h1", b"v1"), ("h2", None))),
    Record(1, 2_000, None, b"12345678"),
    Record(2, 3_000, b"k", None),
    Record(3, 4_000, b"", "\u00e4\u00f6\u00fc".encode()),
]


def produce(broker: Any, topic: str, records: Sequence[Record]) -> None:
    data = PartitionProduceData(index=0, records=build_batch(records))
    request = ProduceRequest(acks=-1, timeout_ms=30_000)
    request.topic_data = [TopicProduceData(name=topic, partition_data=[data])]
    with WireClient(broker.bootstrap_servers) as client:
        assert client.send(request, 12).responses[0].partition_responses[0].error_code == 0


def read_from_the_beginning(broker: Any, topic: str, *groups: str) -> None:
    """Prepares groups so far that their members are given the topic with their first heartbeat, not 5 s later."""
    earliest = AlterableConfig(name="share.auto.offset.reset", config_operation=0, value="earliest")
    at_once = AlterableConfig(name="share.assignment.interval.ms", config_operation=0, value="0")
    resources = [
        AlterConfigsResource(resource_type=GROUP, resource_name=group, configs=[earliest, at_once]) for group in groups
    ]
    with Admin(broker.bootstrap_servers) as admin:
        response = admin.send(IncrementalAlterConfigsRequest(resources=resources), call="incrementalAlterConfigs")
        assert [answer.error_code for answer in response.responses] == [0] * len(groups)
        for group in groups:
            join(admin, group, topic)


def join(admin: Admin, group: str, topic: str) -> None:
    """Is a member until there is something to do, and leaves."""
    deadline_s = time.monotonic() + 30
    member_id, epoch = str(uuid.uuid4()), 0
    topics: list[str] | None = [topic]
    while epoch >= 0:
        request = ShareGroupHeartbeatRequest(
            group_id=group, member_id=member_id, member_epoch=epoch, subscribed_topic_names=topics
        )
        response = admin.send_to_coordinator(group, request, call="shareGroupHeartbeat")
        assert response.error_code == 0, response
        has_partitions = response.assignment is not None and response.assignment.topic_partitions
        epoch, topics = -1 if has_partitions else response.member_epoch, None
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    admin.send_to_coordinator(
        group,
        ShareGroupHeartbeatRequest(group_id=group, member_id=member_id, member_epoch=-1),
        call="shareGroupHeartbeat",
    )


def ours(broker: Any, *arguments: str) -> list[str]:
    module = f"kafkalite.cli.{TOOL}"
    return [sys.executable, "-P", "-m", module, "--bootstrap-server", broker.bootstrap_servers, *arguments]


def run_ours(broker: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(ours(broker, *arguments), capture_output=True, text=True, timeout=60)


def counts(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Processed")]


@pytest.fixture
def name(stage: Any) -> str:
    """Of a topic and a group that nobody else has."""
    return f"shared-{uuid.uuid4().hex[:8]}"


@pytest.mark.oracle
@pytest.mark.parametrize(
    "options",
    [
        ["--max-messages", "4", *EVERYTHING],
        ["--max-messages", "2", *EVERYTHING],
        ["--max-messages", "0"],
        ["--max-messages", "6", "--release", *EVERYTHING],
        ["--max-messages", "4", "--reject", "--property", "print.delivery=true"],
        ["--max-messages", "1", "--enable-systest-events"],
        ["--max-messages", "4", "--formatter", "org.apache.kafka.tools.consumer.NoOpMessageFormatter"],
        ["--max-messages", "4", "--value-deserializer", f"{SERIALIZATION}.LongDeserializer"],
        ["--max-messages=4", "--value-deserializer", f"{SERIALIZATION}.LongDeserializer", "--reject-message-on-error"],
        ["--max-messages", "4", "--command-property", "max.poll.records=1", "--formatter-property=null.literal=<null>"],
        ["--max-messages", "4", "--command-property=share.acquire.mode=record_limit", *EVERYTHING],
        ["--max-messages", "4", "--command-property=enable.auto.commit=true"],
    ],
    ids=" ".join,
)
def test_both_share_consumers_print_the_same(
    options: list[str], tools_kafka: Any, java_tools: Any, stage: Any, name: str
) -> None:
    stage.broker = tools_kafka
    stage.create_topic(name)
    produce(tools_kafka, name, RECORDS)
    read_from_the_beginning(tools_kafka, name, f"java-{name}", f"our-{name}")
    arguments = ["--topic", name, *LIMITS, *options]
    servers = ("--bootstrap-server", tools_kafka.bootstrap_servers)
    expected = java_tools.run(TOOL, *servers, *arguments, "--group", f"java-{name}")
    shown = run_ours(tools_kafka, *arguments, "--group", f"our-{name}")
    # The event is printed by a hook that runs when a JVM ends; warnings are for stderr.
    lines = [line for line in expected.stdout.splitlines() if not line.startswith("Option --property is deprecated")]
    assert [line for line in shown.stdout.splitlines() if line != "shutdown_complete"] == lines
    assert shown.returncode == expected.exit_code
    assert counts(shown.stderr) == counts(expected.stderr)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("acknowledgement", "left"),
    [([], "2"), (["--release"], "4"), (["--reject"], "2")],
    ids=["accept", "release", "reject"],
)
def test_what_one_member_leaves_the_next_one_gets(
    acknowledgement: list[str], left: str, tools_kafka: Any, java_tools: Any, stage: Any, name: str
) -> None:
    stage.broker = tools_kafka
    stage.create_topic(name)
    produce(tools_kafka, name, RECORDS)
    read_from_the_beginning(tools_kafka, name, f"java-{name}", f"our-{name}")
    arguments = ["--topic", name, *LIMITS, *EVERYTHING]
    runs = (["--max-messages", "2", *acknowledgement], ["--max-messages", left])
    servers = ("--bootstrap-server", tools_kafka.bootstrap_servers)
    theirs = [
        java_tools.run(TOOL, *servers, *arguments, "--group", f"java-{name}", *options).stdout for options in runs
    ]
    assert [run_ours(tools_kafka, *arguments, "--group", f"our-{name}", *options).stdout for options in runs] == theirs


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--nothing"],
        ["--bootstrap-server", "h:1"],
        ["--topic", "t"],
        ["--topic"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--reject", "--release"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--consumer-property", "a=b", "--command-property", "a=b"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--consumer-config", "a", "--command-config", "a"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--property", "a=b", "--formatter-property", "a=b"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--command-config", "/no/such/file"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--formatter-config", "/no/such/file"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--formatter", "NoSuchFormatter"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--group", "a", "--command-property", "group.id=b"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--max-messages", "x"],
        ["--topic", "t", "--bootstrap-server", "h:1", "--command-property", "auto.offset.reset=earliest"],
        ["--topic", "t", "--bootstrap-server", "no-such-host.invalid:1"],
    ],
    ids=" ".join,
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    comparison.of(lambda tool: tool(TOOL, *words), adds_bootstrap=False)


@pytest.fixture
def shared(tools_kafkalite: Any, stage: Any, name: str) -> Any:
    """A kafkalite with a topic and a group of that name, which has four records to read."""
    stage.broker = tools_kafkalite
    stage.create_topic(name)
    produce(tools_kafkalite, name, RECORDS)
    read_from_the_beginning(tools_kafkalite, name, name)
    return tools_kafkalite


@pytest.mark.oracle
def test_apache_kafkas_share_consumer_and_ours_take_turns_on_kafkalite(shared: Any, java_tools: Any, name: str) -> None:
    servers = ("--bootstrap-server", shared.bootstrap_servers)
    arguments = ("--topic", name, "--group", name, *LIMITS, *DELIVERIES, "--max-messages")
    java = java_tools.run(TOOL, *servers, *arguments, "2", "--release")
    assert java.stdout == "Delivery:1\tvalue\nDelivery:1\t12345678\n"
    assert run_ours(shared, *arguments, "1").stdout == "Delivery:2\tvalue\n"
    java = java_tools.run(TOOL, *servers, *arguments, "1")
    # Each had acquired the whole batch, and gave back what it had not shown.
    assert java.stdout == "Delivery:3\t12345678\n"


def test_a_member_ends_when_no_record_comes_any_more(shared: Any, name: str) -> None:
    arguments = ("--topic", name, "--group", name, *DELIVERIES, "--timeout-ms", "1000")
    three = ("--command-property=max.poll.records=3", "--command-property=share.acquire.mode=record_limit")
    first = run_ours(shared, *arguments, "--max-messages", "3", "--release", *three)
    assert (first.returncode, len(first.stdout.splitlines())) == (0, 3)
    rest = run_ours(shared, *arguments)
    assert rest.stdout.splitlines() == [
        "Delivery:2\tvalue",
        "Delivery:2\t12345678",
        "Delivery:2\tnull",
        "Delivery:1\t\u00e4\u00f6\u00fc",
    ]
    assert rest.stderr.endswith(
        "ERROR Error processing message, terminating consumer process:  "
        "(org.apache.kafka.tools.consumer.ConsoleShareConsumer)\n"
        "org.apache.kafka.common.errors.TimeoutException\nProcessed a total of 4 messages\n"
    )
    nothing = run_ours(shared, *arguments)
    assert (nothing.stdout, nothing.returncode) == ("", 0)


def test_a_record_that_cannot_be_shown_ends_the_member_or_is_rejected(shared: Any, name: str) -> None:
    arguments = ("--topic", name, "--group", name, "--value-deserializer", f"{SERIALIZATION}.LongDeserializer")
    failed = run_ours(shared, *arguments)
    assert (failed.stdout, failed.returncode) == ("", 1)
    assert failed.stderr.endswith("Processed a total of 1 messages\n")
    rejected = run_ours(shared, *arguments, "--reject-message-on-error", "--max-messages", "4")
    assert rejected.stdout.splitlines() == ["3544952156018063160"]
    assert rejected.returncode == 0
    left = run_ours(shared, "--topic", name, "--group", name, "--timeout-ms", "500")
    assert left.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_member_with_its_count(number: signal.Signals, shared: Any, name: str) -> None:
    member = subprocess.Popen(
        ours(shared, "--topic", name, "--group", name, "--enable-systest-events"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert member.stdout is not None
    shown = [member.stdout.readline() for _ in RECORDS]
    member.send_signal(number)
    out, err = member.communicate(timeout=30)
    assert shown == ["value\n", "12345678\n", "null\n", "\u00e4\u00f6\u00fc\n"]
    assert (out, err) == ("shutdown_complete\n", "Processed a total of 4 messages\n")
    assert member.returncode == 128 + number
    # It has left its group, which could not be deleted otherwise, and acknowledged what it showed.
    assert run_ours(shared, "--topic", name, "--group", name, "--timeout-ms", "500").stdout == ""


def test_the_output_closed_ends_the_member_and_what_was_not_written_is_read_by_another(shared: Any, name: str) -> None:
    arguments = ("--topic", name, "--group", name)
    member = subprocess.Popen(ours(shared, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert member.stdout is not None and member.stderr is not None
    shown = [member.stdout.readline() for _ in RECORDS]
    assert shown[0] == "value\n"
    member.stdout.close()
    produce(shared, name, [Record(0, 5_000, None, b"unread")])
    errors = member.stderr.read()
    member.stderr.close()
    assert member.wait(30) == 0
    assert errors == "Unable to write to standard out, closing consumer.\nProcessed a total of 5 messages\n"
    rest = run_ours(shared, *arguments, "--max-messages", "1", "--timeout-ms", "10000", *DELIVERIES)
    assert rest.stdout == "Delivery:2\tunread\n"


def test_a_broker_that_is_not_there_is_said() -> None:
    command = [sys.executable, "-P", "-m", f"kafkalite.cli.{TOOL}", "--bootstrap-server", "127.0.0.1:1"]
    ended = subprocess.run(
        [*command, "--topic", "t", "--timeout-ms", "1000"], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, "")
    assert re.search(
        r"WARN \[ShareConsumer clientId=console-share-consumer\] Connection to node -1 \(127.0.0.1:1\) could not be",
        ended.stderr,
    )
    assert ended.stderr.endswith("TimeoutException\nProcessed a total of 0 messages\n")
