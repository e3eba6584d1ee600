from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest

TOOL = "kafka_share_groups"


def in_any_order(text: str) -> str:
    """The original names states in random order."""
    return re.sub(r"(Valid states are: )(.*)", lambda m: m[1] + ", ".join(sorted(m[2].split(", "))), text)


def without_member_ids(text: str) -> str:
    return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "#", text)


@pytest.mark.oracle
def test_share_groups_without_members_are_handled_as_apache_kafka_does(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3, retention_ms="-1")
        stage.create_topic("a-topic-with-a-long-name")
        stage.produce("one", [1000, 2000, 3000])
        stage.commit("classic", {("one", 0): 1})
        tool(TOOL, "--list")

        def reset(*words: str) -> None:
            tool(TOOL, "--reset-offsets", *words)

        reset("--group", "first", "--topic", "one", "--to-latest", "--dry-run")
        reset("--group", "first", "--topic", "one", "--to-latest", "--execute")
        reset("--group", "first", "--topic", "a-topic-with-a-long-name", "--to-earliest", "--execute")
        reset("--group", "first", "--topic", "one:0", "--to-datetime", "1970-01-01T00:00:02.000", "--execute")
        reset("--group", "first", "--all-topics", "--to-earliest", "--dry-run")
        reset("--group", "first", "--topic", "missing", "--to-earliest", "--execute")
        reset("--group", "first", "--topic", "one:9", "--to-earliest", "--execute")
        reset("--group", "classic", "--topic", "one", "--to-earliest", "--execute")
        reset("--group", "second", "--topic", "one:1,2", "--to-earliest", "--execute")
        tool(TOOL, "--list")
        tool(TOOL, "--list", "--state")
        tool(TOOL, "--list", "--state", "empty")
        tool(TOOL, "--list", "--state", "stable,Dead")
        tool(TOOL, "--list", "--state", "odd")
        for what in ("--offsets", "--members", "--state"):
            tool(TOOL, "--describe", "--group", "first", what)
            tool(TOOL, "--describe", "--all-groups", what, "--verbose")
            tool(TOOL, "--describe", "--group", "nobody", what)
        tool(TOOL, "--describe", "--group", "classic")
        tool(TOOL, "--delete-offsets", "--group", "first", "--topic", "one")
        tool(TOOL, "--delete-offsets", "--group", "first", "--topic", "missing", "--topic", "a-topic-with-a-long-name")
        tool(TOOL, "--delete-offsets", "--group", "nobody", "--topic", "one")
        tool(TOOL, "--describe", "--group", "first")
        tool(TOOL, "--delete", "--group", "nobody")
        tool(TOOL, "--delete", "--group", "second", "--group", "classic")
        tool(TOOL, "--delete", "--all-groups")
        tool(TOOL, "--list")

    each_comparison.of(scenario, normalise=in_any_order)


@pytest.mark.oracle
def test_share_groups_with_members_are_described_as_apache_kafka_does(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        stage.create_topic("one", 3)
        member_id = str(uuid.uuid4())
        with WireClient(stage.broker.bootstrap_servers, client_id="sharer") as member:

            def heartbeat(epoch: int, topics: list[str] | None = None) -> Any:
                request = ShareGroupHeartbeatRequest(
                    group_id="shared", member_id=member_id, member_epoch=epoch, subscribed_topic_names=topics
                )
                response = member.send(request)
                assert response.error_code == 0, response.error_message
                return response

            epoch = heartbeat(0, ["one"]).member_epoch
            while not (response := heartbeat(epoch)).assignment:
                epoch = response.member_epoch
            for what in ("--offsets", "--members", "--state"):
                tool(TOOL, "--describe", "--group", "shared", what)
                tool(TOOL, "--describe", "--group", "shared", what, "--verbose")
            tool(TOOL, "--delete", "--group", "shared")
            tool(TOOL, "--reset-offsets", "--group", "shared", "--topic", "one", "--to-latest", "--execute")
            heartbeat(-1)

    each_comparison.of(scenario, normalise=without_member_ids)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--list", "--describe", "--all-groups"],
        ["--describe"],
        ["--describe", "--group", "g", "--members", "--state"],
        ["--describe", "--group", "g", "--state", "stable"],
        ["--delete"],
        ["--delete", "--group", "g", "--all-groups"],
        ["--delete", "--group", "g", "--topic", "t"],
        ["--delete-offsets", "--group", "g"],
        ["--reset-offsets", "--group", "g", "--dry-run", "--execute"],
        ["--reset-offsets", "--group", "g"],
        ["--reset-offsets", "--dry-run"],
        ["--reset-offsets", "--dry-run", "--group", "g"],
        ["--reset-offsets", "--dry-run", "--group", "g", "--topic", "t"],
        ["--reset-offsets", "--dry-run", "--group", "g", "--topic", "t", "--to-latest", "--to-earliest"],
        ["--list", "--group", "g"],
        ["--list", "--members"],
        ["--nothing"],
    ],
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    comparison.of(lambda tool: tool(TOOL, *words))
