"""kafka-verifiable-producer and kafka-verifiable-consumer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.cli import kafka_verifiable_consumer, kafka_verifiable_producer


def events_of(text: str) -> list[dict[str, Any]]:
    """The events without their times, which must be there and rise."""
    events = [json.loads(line) for line in text.splitlines()]
    times = [event.pop("timestamp") for event in events]
    assert times == sorted(times)
    assert all(time > 1_600_000_000_000 for time in times)
    return events


@pytest.fixture
def servers(tools_kafkalite: Any) -> str:
    return str(tools_kafkalite.bootstrap_servers)


@pytest.fixture
def topic(stage: Any, on_empty_kafkalite: Any) -> str:
    """A topic of the test's own: a client that lingers would make it again when it is deleted."""
    name = f"numbers-{uuid.uuid4()}"
    stage.create_topic(name)
    return name


def test_what_is_produced_is_acknowledged_and_consumed(servers: str, topic: str, capsys: Any) -> None:
    words = ["--bootstrap-server", servers, "--topic", topic, "--max-messages", "3"]
    assert kafka_verifiable_producer.main([*words, "--value-prefix", "7", "--repeating-keys", "2"]) == 0
    produced = events_of(capsys.readouterr().out)
    sent = [("0", "7.0"), ("1", "7.1"), ("0", "7.2")]
    assert produced[:-1] == [
        {"name": "startup_complete"},
        *(
            {
                "name": "producer_send_success",
                "key": key,
                "value": value,
                "offset": offset,
                "topic": topic,
                "partition": 0,
            }
            for offset, (key, value) in enumerate(sent)
        ),
        {"name": "shutdown_complete"},
    ]
    summary = produced[-1]
    assert summary.pop("avg_throughput") > 0
    assert summary == {"name": "tool_data", "sent": 3, "acked": 3, "target_throughput": -1}

    assert kafka_verifiable_consumer.main([*words, "--group-id", "readers", "--verbose"]) == 0
    consumed = events_of(capsys.readouterr().out)
    partitions = [{"topic": topic, "partition": 0}]
    assert consumed[:2] == [
        {"name": "startup_complete"},
        {"name": "partitions_assigned", "partitions": partitions},
    ]
    records = [event for event in consumed if event["name"] == "record_data"]
    assert [(event["key"], event["value"], event["offset"]) for event in records] == [
        (key, value, offset) for offset, (key, value) in enumerate(sent)
    ]
    commits = [event for event in consumed if event["name"] == "offsets_committed"]
    assert commits[-1] == {
        "name": "offsets_committed",
        "offsets": [{"topic": topic, "partition": 0, "offset": 3}],
        "success": True,
    }
    assert sum(event["count"] for event in consumed if event["name"] == "records_consumed") == 3
    assert consumed[-2:] == [{"name": "partitions_revoked", "partitions": partitions}, {"name": "shutdown_complete"}]


def test_consuming_stops_at_the_limit_and_goes_on_there(servers: str, topic: str, capsys: Any) -> None:
    words = ["--bootstrap-server", servers, "--topic", topic, "--max-messages"]
    assert kafka_verifiable_producer.main([*words, "5", "--message-create-time", "1000"]) == 0
    capsys.readouterr()
    for limit, values in (("2", ["0", "1"]), ("3", ["2", "3", "4"])):
        assert kafka_verifiable_consumer.main([*words, limit, "--group-id", "readers", "--verbose"]) == 0
        events = events_of(capsys.readouterr().out)
        assert [event["value"] for event in events if event["name"] == "record_data"] == values


def test_a_signal_ends_a_producer_in_good_order(servers: str, topic: str) -> None:
    command = [sys.executable, "-m", "kafkalite.cli.kafka_verifiable_producer", "--bootstrap-server", servers]
    with subprocess.Popen(
        [*command, "--topic", topic, "--throughput", "50"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(10) == 128 + signal.SIGTERM
    events = events_of("".join(lines) + rest)
    acked = [event for event in events if event["name"] == "producer_send_success"]
    assert [event["name"] for event in events[-2:]] == ["shutdown_complete", "tool_data"]
    assert events[-1]["sent"] == events[-1]["acked"] == len(acked) >= 3


def test_what_cannot_be_sent_is_said_with_the_reason(servers: str, topic: str, capsys: Any, tmp_path: Any) -> None:
    config = tmp_path / "producer.properties"
    config.write_text("message.timeout.ms=300\nsocket.connection.setup.timeout.ms=1000\n")
    words = ["--bootstrap-server", "127.0.0.1:1", "--topic", topic, "--max-messages", "1"]
    assert kafka_verifiable_producer.main([*words, "--command-config", str(config)]) == 0
    events = events_of(capsys.readouterr().out)
    (failure,) = [event for event in events if event["name"] == "producer_send_error"]
    assert failure["exception"] == "class org.apache.kafka.common.errors.TimeoutException"
    assert (failure["key"], failure["value"], failure["topic"]) == (None, "0", topic)
    assert events[-1]["acked"] == 0


@pytest.mark.parametrize("main", [kafka_verifiable_producer.main, kafka_verifiable_consumer.main])
def test_without_arguments_they_explain_themselves(main: Callable[..., int], capsys: Any) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: kafka-verifiable-")
    assert main(["--bootstrap-server", "b:1"]) == 1
    assert "argument --topic is required" in capsys.readouterr().err


def fields_of(events: list[dict[str, Any]]) -> list[tuple[str, set[str]]]:
    """Name and fields of events. The originals have the fields in the order in which Java lists a class's methods, and
    that is not the same in each process."""
    return [(event["name"], set(event)) for event in events]


@pytest.mark.oracle
def test_the_originals_print_the_same_events(servers: str, topic: str, run_java_tool: Any, capsys: Any) -> None:
    words = ["--bootstrap-server", servers, "--topic", topic, "--max-messages", "3"]
    readers = ["--group-id", "readers", "--verbose"]
    theirs = run_java_tool("org.apache.kafka.tools.VerifiableProducer", *words)
    assert theirs.returncode == 0
    assert kafka_verifiable_producer.main(words) == 0
    expected, events = events_of(theirs.stdout), events_of(capsys.readouterr().out)
    assert fields_of(events) == fields_of(expected)

    theirs = run_java_tool("org.apache.kafka.tools.VerifiableConsumer", *words, *readers)
    assert theirs.returncode == 0
    assert kafka_verifiable_consumer.main([*words, *readers]) == 0
    expected = [event for event in events_of(theirs.stdout) if event["name"] != "shutdown_requested"]
    by_name = dict(fields_of(expected))
    fields = fields_of(events_of(capsys.readouterr().out))
    assert {name for name, _ in fields} == set(by_name)
    assert all(names == by_name[name] for name, names in fields)
