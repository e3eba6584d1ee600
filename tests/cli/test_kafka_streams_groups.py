from __future__ import annotations

import re
import time
import uuid
from typing import Any

import pytest

from kafkalite.cli.kafka_streams_groups import is_internal_topic
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    Subtopology,
    TopicInfo,
    Topology,
)

TOOL = "kafka_streams_groups"
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def comparable(text: str) -> str:
    """Without ids and epochs, and with what the original prints in random order sorted."""
    text = re.sub(r"(?<= )[1-9](?= )", "N", _UUID.sub("#", text))
    return re.sub(
        r"(Valid states are: |scenarios: )(.*)", lambda m: m[1] + str(sorted(re.findall(r"[-\w]+", m[2]))), text
    )


class Application:
    """A member of a streams group that reads `input` and repartitions and keeps state in topics of its own."""

    def __init__(self, bootstrap_servers: str, group_id: str) -> None:
        self._client = WireClient(bootstrap_servers, client_id="application")
        self._group_id = group_id
        self._member_id = str(uuid.uuid4())
        self._epoch = 0
        self._tasks: list[Any] | None = []

    def _heartbeat(self, **more: Any) -> Any:
        request = StreamsGroupHeartbeatRequest(
            group_id=self._group_id, member_id=self._member_id, member_epoch=self._epoch, **more
        )
        response = self._client.send(request)
        assert response.error_code == 0, response.error_message
        return response

    def join(self) -> None:
        """Returns once all tasks are this member's."""
        subtopology = Subtopology(
            subtopology_id="0",
            source_topics=["input"],
            repartition_source_topics=[TopicInfo(name=f"{self._group_id}-x-repartition", partitions=2)],
            state_changelog_topics=[TopicInfo(name=f"{self._group_id}-x-changelog")],
        )
        response = self._heartbeat(
            topology=Topology(epoch=1, subtopologies=[subtopology]),
            process_id=str(uuid.uuid4()),
            rebalance_timeout_ms=60_000,
            active_tasks=[],
            standby_tasks=[],
            warmup_tasks=[],
        )
        deadline_s = time.monotonic() + 30
        while not response.active_tasks:
            assert time.monotonic() < deadline_s, response
            self._epoch = response.member_epoch
            time.sleep(0.1)
            response = self._heartbeat()
        self._epoch = response.member_epoch
        self._heartbeat(active_tasks=response.active_tasks, standby_tasks=[], warmup_tasks=[])

    def leave(self) -> None:
        self._epoch = -1
        self._heartbeat()
        self._client.close()


@pytest.mark.oracle
def test_streams_groups_are_handled_as_apache_kafka_does(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        def streams(*words: str) -> None:
            tool(TOOL, *words)

        stage.create_topic("input", 2, retention_ms="-1")
        stage.produce("input", [1000, 2000, 3000])
        stage.commit("classic", {("input", 0): 1})
        streams("--list")
        application = Application(stage.broker.bootstrap_servers, "app")
        application.join()
        streams("--list")
        for what in ("--offsets", "--members", "--state"):
            streams("--describe", "--group", "app", what)
            streams("--describe", "--all-groups", what, "--verbose")
            streams("--describe", "--group", "nobody", what)
        streams("--delete", "--group", "app")
        streams("--reset-offsets", "--group", "app", "--all-input-topics", "--to-earliest", "--execute")
        application.leave()
        streams("--list", "--state")
        streams("--list", "--state", "empty")
        streams("--list", "--state", "odd")
        for what in ("--offsets", "--members", "--state"):
            streams("--describe", "--group", "app", what)
        streams("--reset-offsets", "--group", "app", "--input-topic", "input", "--to-latest", "--execute")
        stage.commit("app", {("input", 0): 1, ("input", 1): 0})
        for scenario_words in (
            ["--to-earliest"],
            ["--to-latest"],
            ["--to-offset", "2"],
            ["--shift-by", "1"],
            ["--to-datetime", "1970-01-01T00:00:02.500"],
            ["--by-duration", "P1D"],
            ["--to-current"],
            [],
        ):
            streams("--reset-offsets", "--group", "app", "--all-input-topics", "--dry-run", *scenario_words)
        streams("--reset-offsets", "--group", "app", "--input-topic", "input:0", "--to-latest", "--execute")
        streams("--reset-offsets", "--group", "app", "--all-input-topics", "--to-latest", "--execute", "--export")
        streams("--reset-offsets", "--group", "app", "--input-topic", "missing", "--to-latest", "--execute")
        streams("--reset-offsets", "--group", "app", "--to-latest", "--execute")
        delete_one = ("--delete-internal-topic", "missing")
        streams("--reset-offsets", "--group", "app", "--all-input-topics", "--to-latest", "--execute", *delete_one)
        streams("--delete-offsets", "--group", "app", "--input-topic", "input:1")
        streams("--delete-offsets", "--group", "app", "--all-input-topics")
        streams("--delete-offsets", "--group", "app", "--input-topic", "missing")
        streams("--delete-offsets", "--group", "nobody", "--input-topic", "input")
        streams("--delete", "--group", "app", "--group", "classic", "--delete-all-internal-topics")
        streams("--delete", "--all-groups")
        tool("kafka_topics", "--list", "--exclude-internal")

    each_comparison.of(scenario, normalise=comparable)


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
        ["--delete", "--group", "g", "--all-input-topics"],
        ["--delete-offsets", "--group", "g"],
        ["--delete-offsets", "--group", "g", "--group", "h", "--input-topic", "t"],
        ["--reset-offsets", "--group", "g", "--dry-run", "--execute"],
        ["--reset-offsets", "--group", "g"],
        ["--reset-offsets", "--dry-run"],
        ["--reset-offsets", "--dry-run", "--group", "g", "--to-latest", "--to-earliest"],
        ["--reset-offsets", "--dry-run", "--group", "g", "--to-latest", "--delete-all-internal-topics"],
        ["--list", "--delete-all-internal-topics"],
        ["--list", "--delete-internal-topic", "t"],
        ["--list", "--dry-run"],
        ["--list", "--group", "g"],
        ["--list", "--members"],
        ["--nothing"],
    ],
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str]) -> None:
    comparison.of(lambda tool: tool(TOOL, *words), normalise=comparable)


def test_internal_topics_are_known_by_their_names() -> None:
    assert is_internal_topic("app-store-changelog", "app")
    assert is_internal_topic("app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000012-topic", "app")
    assert not is_internal_topic("app-changelog-2", "app")
    assert not is_internal_topic("other-store-changelog", "app")
