"""franz-go, a Go client that checks every answer strictly: a program of ours drives it, and its own tests do."""

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
def franz_go_programs() -> Path:
    """The folder with our program and franz-go's own tests, built once."""
    sources = Path(__file__).parent / "franz_go"

    def build(folder: Path) -> None:
        environment = {**os.environ, "CGO_ENABLED": "0"}
        for command in (
            ["go", "build", "-o", str(folder / "franz_go"), "."],
            ["go", "test", "-c", "-o", str(folder / "kgo.test"), "github.com/twmb/franz-go/pkg/kgo"],
        ):
            subprocess.run(command, cwd=sources, env=environment, check=True)

    return build_folder(sources, build)


@pytest.fixture
def franz_go(franz_go_programs: Path) -> Program:
    """The program that drives the client."""
    return [str(franz_go_programs / "franz_go")]


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


@pytest.mark.parametrize("records", [2_000, pytest.param(200_000, marks=pytest.mark.stress)])
def test_its_own_tests_of_groups_and_transactions_pass(
    bootstrap_servers: str, franz_go_programs: Path, records: int
) -> None:
    """Chains of groups of each protocol whose members join and leave, without transactions and with them."""
    environment = {**os.environ, "KGO_SEEDS": bootstrap_servers, "KGO_TEST_RF": "1", "KGO_TEST_RECORDS": str(records)}
    names = ["TestGroupETL", "TestTxnEtl"]
    command = [
        str(franz_go_programs / "kgo.test"),
        "-test.run",
        f"^({'|'.join(names)})$",
        "-test.v",
        "-test.timeout",
        "9m",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    for name in names:
        assert f"--- PASS: {name} " in done.stdout
