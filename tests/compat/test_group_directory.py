"""Groups and offsets in a data directory that Apache Kafka and kafkalite open in turns."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from apache_kafka import StartApacheKafka
from consumer_group_scenarios import ConsumerGroupOnSide
from group_scenarios import GroupOnSide
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite_process import StartKafkalite
from transcript import Side


def commit(side: Side, group_id: str, topic: str, offset: int) -> None:
    """An offset by a tool."""
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=offset, committed_leader_epoch=0, committed_metadata=f"at {offset}"
    )
    topics = [OffsetCommitRequestTopic(name=topic, partitions=[partition])]
    response = side.send(OffsetCommitRequest(group_id=group_id, topics=topics), 9)
    assert response.topics[0].partitions[0].error_code == 0


def offsets(side: Side, group_id: str) -> dict[str, tuple[int, int, str | None]]:
    """(offset, leader epoch, metadata) of partition 0 by topic."""
    GroupOnSide(side, group_id)
    group = OffsetFetchRequestGroup(group_id=group_id, topics=None)
    [response] = side.send(OffsetFetchRequest(groups=[group]), 9).groups
    return {
        topic.name: (partition.committed_offset, partition.committed_leader_epoch, partition.metadata)
        for topic in response.topics
        for partition in topic.partitions
    }


def described(side: Side, group_id: str) -> tuple[str, str, str, list[tuple[str, str | None, bytes, bytes]]]:
    """State, protocol type, protocol and members of a group."""
    GroupOnSide(side, group_id).settle()
    [group] = side.send(DescribeGroupsRequest(groups=[group_id]), 6).groups
    members = [(m.member_id, m.group_instance_id, m.member_metadata, m.member_assignment) for m in group.members]
    return group.group_state, group.protocol_type, group.protocol_data, members


def test_groups_and_offsets_go_from_one_broker_to_the_other_and_back(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path
) -> None:
    directory = tmp_path / "node"
    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    group = GroupOnSide(side, "tools")
    topic = side.topic()
    commit(side, "tools", topic, 5)
    group = GroupOnSide(side, "members")
    joined = group.later(group.join_request(instance_id="i", session_timeout_ms=600_000), 9).answer()
    group.ask(group.sync_request(joined.member_id, 1, {joined.member_id: b"all"}, instance_id="i"), 5)
    expected = described(side, "members")
    assert expected[0] == "Stable"
    side.client.close()
    broker.stop()

    theirs = start_apache_kafka(directory=directory)
    side = Side("Apache Kafka", theirs.bootstrap_servers, "move")
    assert offsets(side, "tools") == {topic: (5, 0, "at 5")}
    assert described(side, "members") == expected
    group = GroupOnSide(side, "members")
    assert group.ask(group.heartbeat_request(joined.member_id, 1, "i")).error_code == 0
    commit(side, "tools", topic, 6)
    commit(side, "new", topic, 7)
    side.client.close()
    theirs.stop()

    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    assert offsets(side, "tools") == {topic: (6, 0, "at 6")}
    assert offsets(side, "new") == {topic: (7, 0, "at 7")}
    assert described(side, "members") == expected
    group = GroupOnSide(side, "members")
    assert group.ask(group.heartbeat_request(joined.member_id, 1, "i")).error_code == 0
    side.client.close()


def test_consumer_groups_go_on_at_the_other_broker_without_a_new_epoch(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path
) -> None:
    """Above all both must come to the same hash of the topics: another one would call for another assignment."""
    directory = tmp_path / "node"
    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    topic, wide = side.topic(3), side.topic(40)
    group = ConsumerGroupOnSide(side, "g")
    for member in "ab":
        group.join(member, topic, wide, instance_id=f"i-{member}")
    while "Stable" not in (state := _settled(group, "ab")):
        assert "Reconciling" in state
    expected = _members(group)
    side.client.close()
    broker.stop()

    theirs = start_apache_kafka(directory=directory)
    side = Side("Apache Kafka", theirs.bootstrap_servers, "move")
    moved = ConsumerGroupOnSide(side, "g", is_prompt=False)
    moved.epochs = group.epochs
    assert _members(moved) == expected
    assert "Stable" in _settled(moved, "ab")
    assert _members(moved) == expected
    moved.beat("b", -1, instance_id="i-b")
    moved.join("c", topic, subscribed_topic_regex="move-.*")
    assert "Stable" in _settled(moved, "ac")
    expected = _members(moved)
    side.client.close()
    theirs.stop()

    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    back = ConsumerGroupOnSide(side, "g", is_prompt=False)
    back.epochs = moved.epochs
    assert _members(back) == expected
    assert "Stable" in _settled(back, "ac")
    assert _members(back) == expected
    side.client.close()


def _settled(group: ConsumerGroupOnSide, members: str) -> str:
    """The group's state after members have gone on a few times, owning what they are to have."""
    for _ in range(8):
        for member in members:
            targets = {m.member_id: m.target_assignment.topic_partitions for m in group.describe().groups[0].members}
            instance_id = None if member == "c" else f"i-{member}"
            group.beat(member, instance_id=instance_id, topic_partitions=targets[member])
        time.sleep(0.05)
    return str(group.describe().groups[0].group_state)


def _members(group: ConsumerGroupOnSide) -> Any:
    """All that is said of the group, in a fixed order."""
    [described] = group.describe().groups
    members = sorted(
        (
            member.member_id,
            member.member_epoch,
            member.subscribed_topic_regex,
            sorted((t.topic_id, sorted(t.partitions)) for t in member.assignment.topic_partitions),
            sorted((t.topic_id, sorted(t.partitions)) for t in member.target_assignment.topic_partitions),
        )
        for member in described.members
    )
    return described.group_epoch, described.assignment_epoch, described.assignor_name, members
