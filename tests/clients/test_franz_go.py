"""franz-go: a Go client that checks every answer strictly; a program of ours (franz_go/) drives it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from client_scenarios import (
    ALL_CODECS,
    check_admin_report,
    check_codecs_report,
    check_group_report,
    check_transactions_report,
    run_program,
)
from toolchains import build_folder

pytestmark = pytest.mark.toolchain("go")
Program = list[str]


@pytest.fixture(scope="module")
def franz_go() -> Program:
    """The program, built once."""
    sources = Path(__file__).parent / "franz_go"

    def build(folder: Path) -> None:
        environment = {**os.environ, "CGO_ENABLED": "0"}
        command = ["go", "build", "-o", str(folder / "franz_go"), "."]
        subprocess.run(command, cwd=sources, env=environment, check=True)

    return [str(build_folder(sources, build) / "franz_go")]


def test_reads_back_what_it_produced_with_every_codec(bootstrap_servers: str, franz_go: Program, topic: str) -> None:
    check_codecs_report(run_program(franz_go, bootstrap_servers, "codecs", topic, codecs=ALL_CODECS), ALL_CODECS)


@pytest.mark.parametrize("balancer", ["range", "sticky", "cooperative-sticky"])
def test_shares_a_topic_in_a_group_of_two_and_resumes(
    bootstrap_servers: str, franz_go: Program, topic: str, group: str, balancer: str
) -> None:
    check_group_report(run_program(franz_go, bootstrap_servers, "group", topic, group, balancer))


def test_administers_topics_and_groups(bootstrap_servers: str, franz_go: Program, topic: str, group: str) -> None:
    check_admin_report(run_program(franz_go, bootstrap_servers, "admin", topic, group), bootstrap_servers)


def test_copies_a_topic_exactly_once_in_transactions(
    bootstrap_servers: str, franz_go: Program, topic: str, group: str
) -> None:
    check_transactions_report(run_program(franz_go, bootstrap_servers, "transactions", topic, group))
