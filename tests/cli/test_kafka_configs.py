"""kafka-configs beside Apache Kafka's ConfigCommand, both on the same Apache Kafka."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kafkalite.cli.config_command_options import ConfigCommandOptions

TOPIC = ("--entity-type", "topics", "--entity-name", "t")


def configs(tool: Any, *arguments: str) -> None:
    tool("kafka_configs", *arguments)


@pytest.mark.oracle
def test_configurations_of_topics_are_shown_and_changed_alike(comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("t", retention_ms="1000")
        stage.create_topic("other")
        configs(tool, "--describe", *TOPIC)
        configs(tool, "--describe", "--topic", "t")
        configs(tool, "--describe", "--topic", "t", "--all")
        configs(tool, "--describe", "--entity-type", "topics")
        configs(tool, "--describe", "--topic", "no-such-topic")
        configs(tool, "--describe", "--topic", "no-such-topic", "--all")
        configs(tool, "--describe", "--topic", "bad name")
        configs(tool, "--alter", *TOPIC, "--add-config", "retention.ms=5,cleanup.policy=[compact,delete]")
        configs(tool, "--describe", "--topic", "t")
        configs(tool, "--alter", "--topic", "t", "--delete-config", "retention.ms,cleanup.policy")
        configs(tool, "--alter", "--topic", "t", "--delete-config", "retention.ms", "--add-config", "retention.ms=7")
        configs(tool, "--alter", "--topic", "t", "--add-config", "retention.ms=x")
        configs(tool, "--alter", "--topic", "t", "--add-config", "no.such=x")
        configs(tool, "--alter", "--topic", "t", "--add-config", "no.such")
        configs(tool, "--alter", "--topic", "t", "--add-config", "a=b=c")
        configs(tool, "--alter", "--topic", "t", "--add-config", "a b=c")
        configs(tool, "--alter", "--topic", "t", "--add-config", "retention.ms = 8 ,")
        configs(tool, "--alter", "--topic", "no-such-topic", "--add-config", "retention.ms=5")
        configs(tool, "--describe", "--topic", "t")

    comparison.of(scenario)


@pytest.mark.oracle
def test_configurations_of_brokers_are_shown_and_changed_alike(comparison: Any) -> None:
    def scenario(tool: Any) -> None:
        configs(tool, "--describe", "--broker", "1")
        configs(tool, "--describe", "--broker", "1", "--all")
        configs(tool, "--describe", "--broker-defaults")
        configs(tool, "--describe", "--entity-type", "brokers", "--entity-default")
        configs(tool, "--describe", "--entity-type", "brokers")
        configs(tool, "--describe", "--broker", "7")
        configs(tool, "--describe", "--broker", "x")
        configs(tool, "--alter", "--broker-defaults", "--add-config", "log.cleaner.threads=2")
        configs(tool, "--alter", "--broker", "1", "--add-config", "log.cleaner.threads=2")
        configs(tool, "--describe", "--broker", "1")
        configs(tool, "--alter", "--broker", "1", "--add-config", "node.id=2")
        configs(tool, "--alter", "--broker", "1", "--delete-config", "log.cleaner.threads")
        configs(
            tool, "--alter", "--entity-type", "brokers", "--entity-default", "--delete-config", "log.cleaner.threads"
        )
        configs(tool, "--describe", "--entity-type", "brokers")

    comparison.of(scenario)


@pytest.mark.oracle
def test_levels_of_loggers_are_shown_and_changed_alike(comparison: Any) -> None:
    def scenario(tool: Any) -> None:
        configs(tool, "--describe", "--broker-logger", "1")
        configs(tool, "--alter", "--broker-logger", "1", "--add-config", "kafka.server.KafkaApis=DEBUG")
        configs(tool, "--alter", "--broker-logger", "1", "--delete-config", "kafka.server.KafkaApis")
        configs(tool, "--alter", "--broker-logger", "1", "--add-config", "no.such=DEBUG,root=WARN")
        configs(tool, "--alter", "--broker-logger", "1", "--add-config", "root=LOUD")
        configs(tool, "--describe", "--entity-type", "broker-loggers")

    comparison.of(scenario)


@pytest.mark.oracle
def test_configurations_of_groups_and_client_metrics_are_shown_and_changed_alike(comparison: Any) -> None:
    def scenario(tool: Any) -> None:
        configs(tool, "--describe", "--group", "g")
        configs(tool, "--alter", "--group", "g", "--add-config", "consumer.session.timeout.ms=50000")
        configs(tool, "--describe", "--group", "g")
        configs(tool, "--describe", "--entity-type", "groups")
        configs(tool, "--alter", "--group", "g", "--add-config", "consumer.session.timeout.ms=5")
        configs(tool, "--alter", "--group", "g", "--delete-config", "consumer.session.timeout.ms")
        configs(tool, "--describe", "--client-metrics", "m")
        configs(tool, "--alter", "--client-metrics", "m", "--add-config", "metrics=[a,b],interval.ms=1000")
        configs(tool, "--describe", "--client-metrics", "m")
        configs(tool, "--describe", "--entity-type", "client-metrics")
        configs(tool, "--alter", "--client-metrics", "m", "--add-config", "interval.ms=1")
        configs(tool, "--alter", "--client-metrics", "m", "--delete-config", "metrics,interval.ms")

    comparison.of(scenario)


@pytest.mark.oracle
def test_quotas_and_credentials_are_shown_and_changed_alike(comparison: Any) -> None:
    user_and_client = ("--entity-type", "users", "--entity-name", "u", "--entity-type", "clients", "--entity-name", "c")

    def scenario(tool: Any) -> None:
        configs(tool, "--alter", "--user", "u", "--add-config", "producer_byte_rate=1024,consumer_byte_rate=2048.5")
        configs(tool, "--alter", "--client", "c", "--add-config", "request_percentage=20000000")
        configs(tool, "--alter", *user_and_client, "--add-config", "producer_byte_rate=5")
        configs(tool, "--alter", "--user-defaults", "--add-config", "producer_byte_rate=7")
        configs(tool, "--alter", "--ip", "127.0.0.1", "--add-config", "connection_creation_rate=9")
        configs(tool, "--alter", "--ip-defaults", "--add-config", "connection_creation_rate=8")
        configs(tool, "--describe", "--user", "u")
        configs(tool, "--describe", "--client", "c")
        configs(tool, "--describe", "--user-defaults")
        configs(tool, "--describe", *user_and_client)
        configs(tool, "--describe", "--entity-type", "users")
        configs(tool, "--describe", "--entity-type", "ips")
        configs(tool, "--alter", "--user", "u", "--add-config", "producer_byte_rate=x")
        configs(tool, "--alter", "--user", "u", "--add-config", "producer_byte_rate=1_000")
        configs(tool, "--alter", "--user", "u", "--add-config", "producer_byte_rate=1e3f")
        configs(tool, "--alter", "--user", "u", "--add-config", "no_such_rate=1")
        configs(tool, "--alter", "--user", "u", "--delete-config", "no_such_rate")
        configs(tool, "--alter", "--client", "c", "--add-config", "SCRAM-SHA-256=password=x")
        configs(tool, "--alter", "--client", "c", "--delete-config", "SCRAM-SHA-256,x")
        configs(tool, "--alter", "--ip", "127.0.0.1", "--add-config", "producer_byte_rate=1")
        configs(tool, "--alter", "--user", "u", "--add-config", "SCRAM-SHA-256=[iterations=8192,password=secret]")
        configs(tool, "--alter", "--user", "u", "--add-config", "SCRAM-SHA-512=password=secret")
        configs(tool, "--alter", "--user", "u", "--add-config", "SCRAM-SHA-256=[iterations=1,password=secret]")
        configs(tool, "--alter", "--user", "u", "--add-config", "SCRAM-SHA-256=secret")
        configs(tool, "--alter", "--user", "u", "--add-config", "SCRAM-SHA-256=[iterations=8192,password=]")
        configs(tool, "--alter", "--user-defaults", "--add-config", "SCRAM-SHA-256=password=secret")
        configs(tool, "--alter", "--user", "u", "--add-config", "SCRAM-SHA-256=password=x,producer_byte_rate=1")
        configs(tool, "--describe", "--user", "u")
        configs(tool, "--alter", "--user", "u", "--delete-config", "SCRAM-SHA-256,SCRAM-SHA-512")
        configs(tool, "--alter", "--user", "u", "--delete-config", "SCRAM-SHA-256")
        configs(tool, "--alter", "--user", "u", "--delete-config", "producer_byte_rate,consumer_byte_rate")
        configs(tool, "--alter", "--user", "u", "--delete-config", "producer_byte_rate")
        configs(tool, "--alter", "--client", "c", "--delete-config", "request_percentage")
        configs(tool, "--alter", *user_and_client, "--delete-config", "producer_byte_rate")
        configs(tool, "--alter", "--user-defaults", "--delete-config", "producer_byte_rate")
        configs(tool, "--alter", "--ip", "127.0.0.1", "--delete-config", "connection_creation_rate")
        configs(tool, "--alter", "--ip-defaults", "--delete-config", "connection_creation_rate")
        configs(tool, "--describe", "--user", "u")

    comparison.of(scenario)


@pytest.mark.oracle
def test_command_lines_that_do_not_fit_are_refused_alike(comparison: Any) -> None:
    def scenario(tool: Any) -> None:
        for line in (
            *("--describe --alter --topic t", "--topic t", "--describe --topic t --add-config a=b"),
            *("--describe", "--describe --entity-type planets", "--describe --topic t --topic u"),
            *("--describe --topic t --broker 1", "--describe --entity-type topics --topic t"),
            *("--describe --entity-type topics --entity-type topics", "--alter --topic t"),
            *("--alter --entity-type topics --add-config a=b", "--alter --entity-type brokers --add-config a=b"),
            *("--alter --broker x --add-config a=b", "--describe --entity-type topics --entity-default"),
            *("--describe --entity-type broker-loggers --entity-name x", "--alter --user u"),
            "--describe --broker 2147483648",
            "--alter --topic t --add-config a=b --add-config-file f",
            "--alter --entity-type users --entity-type clients --entity-name u --add-config producer_byte_rate=1",
            *("--describe --topic t --bootstrap-controller localhost:1", "--no-such-option"),
            "--alter --topic t --add-config-file /no/such/file",
        ):
            configs(tool, *line.split())

    comparison.of(scenario)


def test_names_belong_to_types_in_the_order_in_which_both_come() -> None:
    line = "--bootstrap-server x:1 --alter --entity-type clients --entity-default --entity-type users --entity-name u"
    options = ConfigCommandOptions([*line.split(), "--add-config", "producer_byte_rate=1"])
    assert options.entity_types == ["clients", "users"]
    assert options.entity_names == ["", "u"]


def test_values_with_commas_stand_in_square_brackets(tmp_path: Path) -> None:
    file = tmp_path / "configs.properties"
    file.write_text("a=1\nb=[2]\n")
    line = ["--bootstrap-server", "x:1", "--alter", "--topic", "t"]
    options = ConfigCommandOptions([*line, "--add-config", "k1=v1,k2=[a=b,c],k3="])
    assert options.configs_to_add() == {"k1": "v1", "k2": "a=b,c", "k3": ""}
    options = ConfigCommandOptions([*line, "--add-config-file", str(file)])
    assert options.configs_to_add() == {"a": "1", "b": "[2]"}


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    from kafkalite.cli.kafka_configs import main

    assert main(["--help"]) == 1
    options = re.findall(r"^--\w[\w-]*", capsys.readouterr().err, re.MULTILINE)
    assert len(options) == 26
