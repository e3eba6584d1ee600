"""Apache Kafka's own Java clients, 4.4.0 and 4.3.1: the newest version of every API; a program of ours drives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from apache_kafka import BROKER_VERSION, TOOLS_VERSION, java_command
from client_scenarios import (
    ALL_CODECS,
    check_admin_report,
    check_codecs_report,
    check_group_report,
    check_transactions_report,
    run_program,
)

pytestmark = [pytest.mark.oracle, pytest.mark.toolchain("javac")]
Program = list[str]


@pytest.fixture(params=[BROKER_VERSION, TOOLS_VERSION])
def java_clients(request: pytest.FixtureRequest, java_programs: Path) -> Program:
    """The program that drives the clients."""
    return java_command("KafkaClients", extra_class_path=str(java_programs), clients_version=request.param)


def test_reads_back_what_it_produced_with_every_codec(
    bootstrap_servers: str, java_clients: Program, topic: str
) -> None:
    check_codecs_report(run_program(java_clients, bootstrap_servers, "codecs", topic, codecs=ALL_CODECS), ALL_CODECS)


@pytest.mark.parametrize("assignor", ["RangeAssignor", "CooperativeStickyAssignor", "uniform"])
def test_shares_a_topic_in_a_group_of_two_and_resumes(
    bootstrap_servers: str, java_clients: Program, topic: str, group: str, assignor: str
) -> None:
    check_group_report(run_program(java_clients, bootstrap_servers, "group", topic, group, assignor))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_copies_a_topic_exactly_once_in_transactions(
    bootstrap_servers: str, java_clients: Program, topic: str, group: str, protocol: str
) -> None:
    check_transactions_report(run_program(java_clients, bootstrap_servers, "transactions", topic, group, protocol))


def test_administers_topics_and_groups(bootstrap_servers: str, java_clients: Program, topic: str, group: str) -> None:
    check_admin_report(run_program(java_clients, bootstrap_servers, "admin", topic, group), bootstrap_servers)
