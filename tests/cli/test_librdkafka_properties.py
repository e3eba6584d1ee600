from __future__ import annotations

import sys

import confluent_kafka
import pytest

from kafkalite.cli import librdkafka_properties
from kafkalite.cli.command_line import CommandExit
from kafkalite.cli.librdkafka_properties import (
    ClientErrorLog,
    consumer_properties,
    new_client,
    producer_properties,
    to_librdkafka,
)


def test_common_names_pass_and_javas_own_are_translated() -> None:
    java = {
        "bootstrap.servers": "a:1",
        "max.request.size": "5",
        "fetch.max.wait.ms": "7",
        "send.buffer.bytes": "9",
        "key.deserializer": "x",
        "max.poll.records": "1",
    }
    assert to_librdkafka(java) == {
        "bootstrap.servers": "a:1",
        "message.max.bytes": "5",
        "fetch.wait.max.ms": "7",
        "socket.send.buffer.bytes": "9",
    }


@pytest.mark.parametrize(
    ("classes", "strategies"),
    [
        ("org.apache.kafka.clients.consumer.RangeAssignor", "range"),
        ("org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "cooperative-sticky"),
        ("org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
         "range"),
        ("roundrobin", "roundrobin"),
        ("org.apache.kafka.clients.consumer.StickyAssignor", "range"),
    ],
)  # fmt: skip
def test_assignors_are_known_by_their_classes(classes: str, strategies: str) -> None:
    assert to_librdkafka({"partition.assignment.strategy": classes}) == {"partition.assignment.strategy": strategies}


def test_a_jaas_configuration_gives_user_and_password() -> None:
    jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="al\'ice" password="s=3 ;t";'
    assert to_librdkafka({"sasl.jaas.config": jaas, "sasl.mechanism": "PLAIN"}) == {
        "sasl.username": "al'ice",
        "sasl.password": "s=3 ;t",
        "sasl.mechanism": "PLAIN",
    }


def test_an_empty_endpoint_identification_means_none() -> None:
    name = "ssl.endpoint.identification.algorithm"
    assert to_librdkafka({name: ""}) == {name: "none"}
    assert to_librdkafka({name: "https"}) == {name: "https"}


def test_keys_go_to_the_partitions_where_the_java_producer_sends_them() -> None:
    assert producer_properties({})["partitioner"] == "murmur2_random"


@pytest.mark.parametrize(
    ("properties", "is_idempotent"),
    [
        ({}, True),
        ({"acks": "-1"}, True),
        ({"acks": "1"}, False),
        ({"retries": "0"}, False),
        ({"max.in.flight.requests.per.connection": "6"}, False),
    ],
)
def test_a_producer_is_idempotent_unless_something_stands_against_it(
    properties: dict[str, str], is_idempotent: bool
) -> None:
    assert (producer_properties(properties).get("enable.idempotence") == "true") is is_idempotent


def test_what_was_said_about_idempotence_stays() -> None:
    assert producer_properties({"enable.idempotence": "false"})["enable.idempotence"] == "false"


def test_records_time_out_after_the_delivery_timeout_or_the_time_to_block() -> None:
    assert producer_properties({"max.block.ms": "70000"})["message.timeout.ms"] == "70000"
    properties = producer_properties({"max.block.ms": "10", "delivery.timeout.ms": "20"})
    assert "message.timeout.ms" not in properties
    assert properties["delivery.timeout.ms"] == "20"


@pytest.mark.parametrize("max_block_ms", ["0", "1", "1000"])
def test_a_record_has_the_time_to_be_sent_however_short_the_time_to_block(max_block_ms: str) -> None:
    configured = {"max.block.ms": max_block_ms, "linger.ms": "1000", "request.timeout.ms": "1500"}
    properties = producer_properties(configured)
    assert properties["message.timeout.ms"] == "2500"
    confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": "0", **properties})


def test_consumers_have_javas_defaults() -> None:
    properties = consumer_properties({"group.id": "g"})
    assert properties["isolation.level"] == "read_uncommitted"
    assert properties["auto.offset.reset"] == "latest"
    assert properties["allow.auto.create.topics"] == "true"
    assert "session.timeout.ms" not in consumer_properties({"group.protocol": "consumer"})


@pytest.mark.parametrize("properties", [{}, {"group.protocol": "consumer"}, {"group.protocol": "classic"}])
def test_librdkafka_takes_the_defaults(properties: dict[str, str]) -> None:
    servers = {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}
    confluent_kafka.Consumer({**servers, **consumer_properties({"group.id": "g", **properties})}).close()
    confluent_kafka.Producer({**servers, **producer_properties({})})


def test_unknown_properties_are_dropped_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    properties = {"bootstrap.servers": "127.0.0.1:1", "no.such.property": "1", "log_level": "0"}
    producer = new_client(confluent_kafka.Producer, properties)
    assert isinstance(producer, confluent_kafka.Producer)
    expected = "Warning: The configuration 'no.such.property' was supplied but isn't a known config.\n"
    assert capsys.readouterr().err == expected


def test_a_bad_value_ends_the_tool_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandExit) as end:
        new_client(confluent_kafka.Producer, {"bootstrap.servers": "127.0.0.1:1", "linger.ms": "soon"})
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("Failed to construct the client: ")
    assert error.count("\n") == 1


def test_without_confluent_kafka_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(CommandExit):
        librdkafka_properties.confluent_kafka()
    expected = "This tool needs the package confluent-kafka: pip install confluent-kafka\n"
    assert capsys.readouterr().err == expected


class _Error:
    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text

    def name(self) -> str:
        return self._name

    def str(self) -> str:
        return self._text


def test_an_error_that_repeats_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    say = ClientErrorLog("tool")
    say(_Error("_TRANSPORT", "host:1/bootstrap: Connection refused (after 3ms in state CONNECT)"))
    say(_Error("_ALL_BROKERS_DOWN", "1/1 brokers are down"))
    say(
        _Error(
            "_TRANSPORT",
            "host:1/bootstrap: Connection refused (after 7ms in state CONNECT, 1 identical error(s) suppressed)",
        )
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("WARN host:1/bootstrap: Connection refused (tool)")
