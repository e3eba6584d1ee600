"""Sarama: the other Go client, which speaks the versions of the Kafka release that it is told; sarama/ drives it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from client_scenarios import ALL_CODECS, check_admin_report, check_codecs_report, check_group_report, run_program
from toolchains import build_folder

pytestmark = [
    pytest.mark.toolchain("go"),
    pytest.mark.parametrize("release", ["2.1.0", "4.3.0"]),
]
Program = list[str]


@pytest.fixture(scope="module")
def sarama() -> Program:
    """The program, built once."""
    sources = Path(__file__).parent / "sarama"

    def build(folder: Path) -> None:
        environment = {**os.environ, "CGO_ENABLED": "0"}
        subprocess.run(["go", "build", "-o", str(folder / "sarama"), "."], cwd=sources, env=environment, check=True)

    return [str(build_folder(sources, build) / "sarama")]


def test_reads_back_what_it_produced_with_every_codec(
    bootstrap_servers: str, sarama: Program, topic: str, release: str
) -> None:
    report = run_program(sarama, bootstrap_servers, "codecs", topic, release, codecs=ALL_CODECS)
    check_codecs_report(report, ALL_CODECS)


def test_shares_a_topic_in_a_group_of_two_and_resumes(
    bootstrap_servers: str, sarama: Program, topic: str, group: str, release: str
) -> None:
    check_group_report(run_program(sarama, bootstrap_servers, "group", topic, group, release))


def test_administers_topics_and_groups(
    bootstrap_servers: str, sarama: Program, topic: str, group: str, release: str
) -> None:
    report = run_program(sarama, bootstrap_servers, "admin", topic, group, release)
    check_admin_report(report, bootstrap_servers, without=["max_timestamp"])
