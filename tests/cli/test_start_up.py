"""An admin tool is done in a moment, so it must not load what it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "asyncio",
    "concurrent.futures",
    "confluent_kafka",
    "cramjam",
    "email",
    "http",
    "logging",
    "ssl",
    "uvloop",
    "yaml",
)
JOPTSIMPLE_TOOLS = (
    "kafka_acls",
    "kafka_broker_api_versions",
    "kafka_client_metrics",
    "kafka_console_share_consumer",
    "kafka_consumer_groups",
    "kafka_delegation_tokens",
    "kafka_delete_records",
    "kafka_get_offsets",
    "kafka_groups",
    "kafka_leader_election",
    "kafka_log_dirs",
    "kafka_reassign_partitions",
    "kafka_replica_verification",
    "kafka_share_groups",
    "kafka_streams_groups",
    "kafka_topics",
)
ARGPARSE4J_TOOLS = ("kafka_cluster", "kafka_features", "kafka_metadata_quorum", "kafka_transactions")


def imported_by(module: str) -> set[str]:
    code = f"import sys, kafkalite.cli.{module}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return set(output.split())


@pytest.mark.parametrize("module", [*JOPTSIMPLE_TOOLS, *ARGPARSE4J_TOOLS])
def test_an_admin_tool_loads_no_event_loop_and_nothing_else_heavy(module: str) -> None:
    imported = imported_by(module)
    assert f"kafkalite.cli.{module}" in imported
    assert imported.isdisjoint(HEAVY)
    assert ("argparse" in imported) == (module in ARGPARSE4J_TOOLS)
