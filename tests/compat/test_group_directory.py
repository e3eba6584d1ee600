"""Groups and offsets in a data directory that Apache Kafka and kafkalite open in turns."""

from __future__ import annotations

from pathlib import Path

from apache_kafka import StartApacheKafka
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
