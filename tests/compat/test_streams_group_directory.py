"""Streams groups in a data directory that kafkalite and Apache Kafka open in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apache_kafka import StartApacheKafka
from kafkalite_process import StartKafkalite
from streams_group_scenarios import StreamsGroupOnSide
from transcript import Side


def test_a_streams_group_goes_on_at_the_other_broker_without_a_new_epoch(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path
) -> None:
    """Both must come to the same hash of the topics and configurations: another one calls for another assignment."""
    directory = tmp_path / "node"
    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    group = StreamsGroupOnSide(side, "g")
    group.configure("streams.num.standby.replicas", "1")
    topology = group.topology(side.topic(4), is_stateful=True)
    group.join("a", topology)
    group.until_ready("a")
    group.join("b", topology)
    group.settle_members("a", "b")
    expected = _described(group)
    assert expected["group_state"] == "Stable"
    side.client.close()
    broker.stop()

    theirs = start_apache_kafka(directory=directory)
    side = Side("Apache Kafka", theirs.bootstrap_servers, "move")
    moved = StreamsGroupOnSide(side, "g", is_prompt=False)
    moved.epochs, moved.owned = group.epochs, group.owned
    assert _described(moved) == expected
    moved.settle_members("a", "b")
    assert _described(moved) == expected
    moved.beat("b", -1)
    moved.join("c", topology)
    moved.settle_members("a", "c")
    expected = _described(moved)
    assert expected["group_state"] == "Stable"
    side.client.close()
    theirs.stop()

    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    back = StreamsGroupOnSide(side, "g", is_prompt=False)
    back.epochs, back.owned = moved.epochs, moved.owned
    assert _described(back) == expected
    back.settle_members("a", "c")
    assert _described(back) == expected
    side.client.close()


def _described(group: StreamsGroupOnSide) -> dict[str, Any]:
    """All that is said of the group, but for how its topology is settled: the first heartbeat finds that out anew."""
    [described] = group.describe().groups
    said = {field.name: getattr(described, field.name) for field in described.fields if field.name != "topology"}
    return {**said, "members": sorted(said["members"], key=lambda member: str(member.member_id))}
