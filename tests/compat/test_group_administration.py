"""FindCoordinator, DescribeGroups, ListGroups and DeleteGroups beside Apache Kafka."""

from __future__ import annotations

import pytest

from group_scenarios import GroupOnSide, subscription
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from transcript import Compare, Side


def commit(side: Side, group_id: str, topic: str) -> None:
    """An offset of a group, by a tool."""
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="")
    topics = [OffsetCommitRequestTopic(name=topic, partitions=[partition])]
    side.send(OffsetCommitRequest(group_id=group_id, topics=topics), 9)
    GroupOnSide(side, group_id).settle()


@pytest.mark.parametrize("version", range(7))
def test_coordinators_are_found_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        GroupOnSide(side)
        if version < 4:
            side.ask(FindCoordinatorRequest(key="g"), version)
            side.ask(FindCoordinatorRequest(key=""), version, label="empty key")
        else:
            side.ask(FindCoordinatorRequest(coordinator_keys=["g", "h", ""]), version)
            side.ask(FindCoordinatorRequest(coordinator_keys=[]), version, label="no keys")
        if version >= 1:
            for key_type in (-1, 2, 3, 100):
                keys = {"key": "g"} if version < 4 else {"coordinator_keys": ["g", "h"]}
                side.ask(FindCoordinatorRequest(key_type=key_type, **keys), version, label=f"key type {key_type}")
        if version >= 4:
            for key in (
                "",
                "g",
                "g:t:0",
                "g:AAAAAAAAAAAAAAAAAAAAAA:x",
                ":AAAAAAAAAAAAAAAAAAAAAA:0",
                "g:AAAAAAAAAAAA:0",
            ):
                side.ask(FindCoordinatorRequest(key_type=2, coordinator_keys=[key]), version, label=f"share key {key}")

    compare(scenario)


@pytest.mark.parametrize("version", range(7))
def test_groups_are_described_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        facts = {"include_authorized_operations": True} if version >= 3 else {}

        def describe(label: str, *group_ids: str) -> None:
            group.settle()
            side.ask(DescribeGroupsRequest(groups=list(group_ids), **facts), version, label=label)

        describe("no group", group.group_id, "")
        describe("nothing")
        pending = group.new_member_id()
        describe("a pending member", group.group_id)
        group.leave((pending, None))
        members, _ = group.stable(2, protocols={"range": subscription("t") + b"\xff\x00tail", "other": b"other"})
        describe("stable", group.group_id)
        waiting = group.later(group.join_request(members[0]), 9)
        describe("joins are awaited", group.group_id)
        group.leave((members[1], None))
        waiting.answer()
        describe("the assignment is awaited", group.group_id)
        group.leave((members[0], None))
        describe("empty", group.group_id)
        topic = side.topic()
        commit(side, f"{group.group_id}-simple", topic)
        describe("simple", f"{group.group_id}-simple")
        group.ask(group.join_request(instance_id="static"), 9)
        describe("static", group.group_id)

    compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_groups_are_listed_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        topic = side.topic()
        commit(side, f"{group.group_id}-simple", topic)
        group.stable(1)
        connect = GroupOnSide(side, f"{group.group_id}-connect")
        members, _ = connect.stable(1, protocol_type="connect")
        connect.leave((members[0], None))
        filters: list[dict[str, list[str]]] = [{}]
        if version >= 4:
            filters += [
                {"states_filter": ["Stable"]},
                {"states_filter": ["EMPTY", "stable"]},
                {"states_filter": ["nonsense"]},
            ]
        if version >= 5:
            filters += [
                {"types_filter": ["Classic"]},
                {"types_filter": ["consumer", "classic"]},
                {"types_filter": ["consumer"]},
                {"types_filter": ["nonsense"]},
                {"types_filter": ["classic"], "states_filter": ["empty"]},
            ]
        for each_group in (group, connect, GroupOnSide(side, f"{group.group_id}-simple")):
            each_group.settle()
        for each in filters:
            response = side.send(ListGroupsRequest(**each), version)
            response.groups = [listed for listed in response.groups if listed.group_id.startswith(group.group_id)]
            side.note(f"listed with {each}", response)

    compare(scenario)


@pytest.mark.parametrize("version", range(4))
def test_groups_are_deleted_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        topic = side.topic()
        simple = f"{group.group_id}-simple"
        commit(side, simple, topic)
        members, _ = group.stable(1)
        names = [group.group_id, simple, f"{group.group_id}-none", "", simple]
        side.ask(DeleteGroupsRequest(groups_names=names), version)
        side.ask(DeleteGroupsRequest(groups_names=[]), version, label="nothing")
        group.leave((members[0], None))
        side.ask(DeleteGroupsRequest(groups_names=[group.group_id]), version, label="an empty group")
        side.ask(DeleteGroupsRequest(groups_names=[group.group_id]), version, label="once more")
        group.settle()
        side.ask(DescribeGroupsRequest(groups=[group.group_id, simple]), 6)

    compare(scenario)
