"""KafkaJS: the JavaScript client, with old versions of most APIs; a program of ours (kafkajs/) drives it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from client_scenarios import (
    check_admin_report,
    check_codecs_report,
    check_group_report,
    check_transactions_report,
    run_program,
)
from toolchains import build_folder

pytestmark = pytest.mark.toolchain("node", "npm")
Program = list[str]


@pytest.fixture(scope="module")
def kafkajs() -> Program:
    """The program, with its packages installed once."""
    sources = Path(__file__).parent / "kafkajs"

    def build(folder: Path) -> None:
        shutil.copytree(sources, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run(command, cwd=folder, check=True)

    return ["node", str(build_folder(sources, build) / "main.js")]


def test_reads_back_what_it_produced_with_every_codec(bootstrap_servers: str, kafkajs: Program, topic: str) -> None:
    codecs = ("none", "gzip", "snappy")  # the others are native add-ons
    check_codecs_report(run_program(kafkajs, bootstrap_servers, "codecs", topic, codecs=codecs), codecs)


def test_shares_a_topic_in_a_group_of_two_and_resumes(
    bootstrap_servers: str, kafkajs: Program, topic: str, group: str
) -> None:
    check_group_report(run_program(kafkajs, bootstrap_servers, "group", topic, group))


def test_copies_a_topic_exactly_once_in_transactions(
    bootstrap_servers: str, kafkajs: Program, topic: str, group: str
) -> None:
    check_transactions_report(run_program(kafkajs, bootstrap_servers, "transactions", topic, group))


def test_administers_topics_and_groups(bootstrap_servers: str, kafkajs: Program, topic: str, group: str) -> None:
    report = run_program(kafkajs, bootstrap_servers, "admin", topic, group)
    check_admin_report(report, bootstrap_servers, without=["max_timestamp"])
