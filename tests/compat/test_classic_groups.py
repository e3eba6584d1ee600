"""JoinGroup, SyncGroup, Heartbeat and LeaveGroup beside Apache Kafka: every version, whole rebalances, refusals."""

from __future__ import annotations

import time

import pytest

from group_scenarios import GroupOnSide, subscription
from transcript import Compare, Side

DATA = subscription("t")


@pytest.mark.parametrize("version", range(10))
def test_a_first_join_is_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        first = group.ask(group.join_request(), version)
        if first.error_code:
            group.ask(group.join_request(first.member_id), version)
        group.ask(group.join_request("no-such-member"), version)
        group.leave((first.member_id, None), version=5)

    compare(scenario)


@pytest.mark.parametrize("version", range(10))
def test_refused_joins_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        group.ask(group.join_request("no-such-member"), version, label="unknown member of no group")
        group.ask(group.join_request(session_timeout_ms=5_999), version, label="short session")
        group.ask(group.join_request(session_timeout_ms=1_800_001), version, label="long session")
        group.ask(group.join_request(protocols={}), version, label="no protocols")
        group.ask(group.join_request(protocol_type=""), version, label="no protocol type")
        group.stable(1)
        group.ask(group.join_request(protocols={"other": b""}), version, label="no common protocol")
        group.ask(group.join_request(protocol_type="connect"), version, label="another protocol type")
        group.ask(group.join_request("no-such-member"), version, label="unknown member")
        if version >= 5:
            group.ask(group.join_request("m", instance_id="i"), version, label="unknown instance")
            pending = group.new_member_id()
            group.ask(group.join_request(pending, instance_id="i"), version, label="pending member turns static")
        group.group_id = ""
        group.ask(group.join_request(), version, label="empty group id")

    compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_a_generation_of_two_is_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        answers = group.form({}, {})
        leader, follower = (answer.member_id for answer in answers)
        generation_id = answers[0].generation_id
        assignments = {leader: b"one", follower: b"two", "stranger": b"three"}
        waiting = group.later(group.sync_request(follower, generation_id), version)
        group.ask(group.sync_request(leader, generation_id, assignments), version, label="leader")
        side.note("follower", waiting.answer())
        group.ask(group.sync_request(follower, generation_id), version, label="again")
        group.ask(group.sync_request(follower, generation_id + 1), version, label="another generation")
        group.ask(group.sync_request("no-such-member", generation_id), version, label="unknown member")
        group.ask(group.sync_request(follower, generation_id, protocol_name="other"), version, label="other name")
        group.ask(group.sync_request(follower, generation_id, protocol_type="other"), version, label="other type")
        group.ask(group.sync_request(follower, generation_id, protocol_name=None), version, label="no name")
        group.ask(group.sync_request(follower, generation_id, protocol_type=None), version, label="no type")
        group.group_id = f"{side.namespace}-no-such-group"
        group.ask(group.sync_request(follower, generation_id), version, label="no group")
        group.group_id = ""
        group.ask(group.sync_request(follower, generation_id), version, label="empty group id")

    compare(scenario)


@pytest.mark.parametrize("version", range(5))
def test_heartbeats_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        group.ask(group.heartbeat_request("m", 1), version, label="no group")
        pending = group.new_member_id()
        group.ask(group.heartbeat_request(pending, 0), version, label="pending member")
        group.leave((pending, None), version=3)
        members, generation_id = group.stable(2)
        group.ask(group.heartbeat_request(members[1], generation_id), version, label="stable")
        group.ask(group.heartbeat_request(members[1], generation_id - 1), version, label="old generation")
        group.ask(group.heartbeat_request(members[1], generation_id + 1), version, label="coming generation")
        group.ask(group.heartbeat_request("m", generation_id), version, label="unknown member")
        if version >= 3:
            group.ask(group.heartbeat_request(members[1], generation_id, "i"), version, label="unknown instance")
        waiting = group.later(group.join_request(members[0]), 9)
        group.ask(group.heartbeat_request(members[1], generation_id), version, label="rebalancing")
        group.leave((members[1], None), version=3)
        side.note("the leader's join", waiting.answer())
        group.ask(group.heartbeat_request(members[0], generation_id + 1), version, label="assignment awaited")
        group.group_id = ""
        group.ask(group.heartbeat_request("m", 1), version, label="empty group id")

    compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_leaving_is_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        group.leave(("m", None), version=version, label="no group")
        pending = group.new_member_id()
        group.leave((pending, None), version=version, label="pending member")
        group.leave((pending, None), version=version, label="no longer pending")
        members, generation_id = group.stable(3)
        group.leave(("m", None), version=version, label="unknown member")
        group.ask(group.heartbeat_request(members[0], generation_id), label="still stable")
        group.leave((members[2], None), version=version, label="a member")
        group.ask(group.heartbeat_request(members[0], generation_id), label="rebalancing")
        if version >= 3:
            identities = (("", None), ("", "i"), (members[1], None), ("m", None), (members[1], None))
            group.leave(*identities, version=version, label="several")
            group.leave(version=version, label="nobody")
        group.group_id = ""
        group.leave(("m", None), version=version, label="empty group id")

    compare(scenario)


@pytest.mark.parametrize("version", [5, 8, 9])
def test_static_members_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        first = group.later(group.join_request(instance_id="a"), version).answer()
        side.note("first", first)
        group.ask(group.sync_request(first.member_id, 1, {first.member_id: b"a"}, instance_id="a"), 5)
        joining = group.later(group.join_request(instance_id="b"), version)
        group.ask(group.heartbeat_request(first.member_id, 1, "a"), label="told to join")
        again = group.later(group.join_request(first.member_id, instance_id="a"), version).answer()
        second = joining.answer()
        side.note("second", second)
        side.note("first again", again)
        group.sync_all([first.member_id, second.member_id], 2)
        back = group.ask(group.join_request(instance_id="b"), version, label="the follower is back")
        group.ask(group.heartbeat_request(second.member_id, 2, "b"), label="its old id is fenced")
        group.ask(group.sync_request(second.member_id, 2, instance_id="b"), 5, label="its old id is fenced in sync")
        group.ask(group.join_request(second.member_id, instance_id="b"), version, label="its old id cannot join")
        group.ask(group.heartbeat_request(second.member_id, 2), label="its old id is unknown without the instance")
        group.ask(group.sync_request(back.member_id, 2, instance_id="b"), 5, label="its assignment")
        group.ask(group.heartbeat_request(back.member_id, 2, "b"), label="it goes on")
        group.ask(group.join_request(instance_id="a"), version, label="the leader is back")
        group.leave((second.member_id, "b"), version=5, label="a fenced member leaves")
        group.leave(("", "b"), version=5, label="an administrator removes the member")
        group.leave(("", "b"), version=5, label="once more")

    compare(scenario)


def test_rejoining_is_answered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        members, generation_id = group.stable(2)
        group.ask(group.join_request(members[1]), 9, label="an unchanged follower")
        changed = group.join_request(members[1], protocols={"range": subscription("u")})
        group.join_all(changed, group.join_request(members[0]))
        group.ask(group.join_request(members[0]), 9, label="a lost answer, the leader's")
        group.ask(changed, 9, label="a lost answer, the follower's")
        waiting = group.later(group.sync_request(members[1], generation_id + 1), 5)
        joining = group.later(group.join_request(members[0], protocols={"range": subscription("v")}), 9)
        side.note("the follower's sync", waiting.answer())
        group.ask(group.sync_request(members[1], generation_id + 1), 5, label="a sync while joins are awaited")
        side.note("the follower", group.later(changed, 9).answer())
        side.note("the leader", joining.answer())

    compare(scenario)


@pytest.mark.parametrize(
    "votes",
    [
        (["range", "sticky"], ["sticky", "range"]),
        (["a", "b", "c"], ["c", "b"], ["b", "c"]),
        (["range", "roundrobin"], ["roundrobin", "range"]),
        (["cooperative-sticky", "range"], ["range", "cooperative-sticky"]),
        (["x", "range"], ["range"]),
    ],
)
def test_protocols_are_chosen_alike(compare: Compare, votes: tuple[list[str], ...]) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        protocols = [dict.fromkeys(vote, DATA) for vote in votes]
        group.form(*({"protocols": each} for each in protocols))

    compare(scenario)


def test_timeouts_are_kept_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        members, generation_id = group.stable(2, session_timeout_ms=6_000, rebalance_timeout_ms=2_000)
        began = time.monotonic()
        slow = group.later(
            group.join_request(members[0], session_timeout_ms=6_000, rebalance_timeout_ms=2_000), 9
        ).answer()
        took = time.monotonic() - began
        side.note("after the rebalance timeout", 1.8 < took < 5)
        side.note("the leader's join", slow)
        group.ask(group.heartbeat_request(members[1], generation_id), label="who did not join is gone")
        group.ask(group.sync_request(members[0], generation_id + 1, {members[0]: b"all"}), 5)
        time.sleep(7)
        group.ask(group.heartbeat_request(members[0], generation_id + 1), label="a session has ended")

    compare(scenario)
