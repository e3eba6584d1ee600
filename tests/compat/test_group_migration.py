"""Classic groups that turn into consumer groups and back, member by member (KIP-848)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from consumer_group_scenarios import MixedGroup, assignment
from group_scenarios import subscription
from transcript import Compare, Scenario, Side


def compare_in_equal_order(compare: Callable[[Scenario], None], scenario: Scenario) -> None:
    """Compares until the brokers agree, at most 30 times.

    Which of several members gets a partition goes by the hashes of their ids, and brokers make those up for classic
    members: the answers can only be equal where the ids happen to be in the same order.
    """
    for _ in range(29):
        with contextlib.suppress(AssertionError):
            return compare(scenario)
    return compare(scenario)


def test_a_classic_group_moves_member_by_member_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        side.note(topic, side.topic_id(topic))
        group = MixedGroup(side)
        facts: dict[str, Any] = {"protocols": {"range": subscription(topic)}}
        members, generation = group.classic_group(assignment(topic, 0, 1), assignment(topic, 2, 3), **facts)
        group.join("new", topic, label="a first member of the consumer protocol")
        group.both("turned into a consumer group")
        group.heartbeat(members[0], generation, label="the first is to join again")
        group.heartbeat(members[1], generation, label="the second is to join again")
        group.ask(group.sync_request(members[0], generation), 5, label="a sync instead")
        first = group.rejoin(members[0], **facts)
        group.both("the first has joined again")
        second = group.rejoin(members[1], **facts)
        group.both("the second has joined again")
        for member, joined in ((members[0], first), (members[1], second)):
            group.heartbeat(member, joined.generation_id, label="a step is left?")
        first = group.rejoin(members[0], label="the first once more", **facts)
        second = group.rejoin(members[1], label="the second once more", **facts)
        group.beat("new", label="the new one gets what they gave up")
        group.both("balanced")
        group.heartbeat(members[0], first.generation_id - 1, label="an old generation")
        group.heartbeat("nobody", first.generation_id, label="nobody")
        group.heartbeat("new", first.generation_id, label="a member of the other protocol")
        group.ask(group.sync_request("new", first.generation_id), 5, label="a sync of the other protocol")
        group.ask(group.sync_request(members[0], 99), 5, label="a sync of another generation")
        wrong = group.sync_request(members[0], first.generation_id, protocol_name="sticky")
        group.ask(wrong, 5, label="a sync of another assignor")
        group.leave((members[0], None), ("nobody", None), ("", "nobody"), label="the first leaves")
        group.beat("new", label="the new one after that")
        group.both("one classic member is left")
        group.leave((members[1], None), label="the second leaves")
        group.beat("new", label="alone")
        group.both("all have moved")

    compare_in_equal_order(compare, scenario)


def test_a_consumer_group_moves_back_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        side.note(topic, side.topic_id(topic))
        group = MixedGroup(side)
        facts: dict[str, Any] = {"protocols": {"range": subscription(topic)}}
        group.join("old", topic)
        member_id = group.new_member_id(**facts)
        group.rejoin(member_id, **facts)
        group.beat("old", label="is to give up some", owned={topic: [0, 1]})
        group.both("a classic member has joined")
        group.beat("old", -1, label="the last of the consumer protocol leaves")
        group.settle()
        group.both("turned into a classic group")
        group.heartbeat(member_id, 3, label="is to join again")
        joined = group.ask(group.join_request(member_id, **facts), 9, label="joins again")
        group.ask(group.sync_request(member_id, joined.generation_id, {member_id: assignment(topic, 0)}), 5)
        group.both("stable")
        group.beat("old", 3, label="who has left")

    compare(scenario)


@pytest.mark.parametrize("reason", ["type", "no common", "malformed", "version", "empty"])
def test_classic_members_that_do_not_fit_are_refused_alike(compare: Compare, reason: str) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(1)
        group = MixedGroup(side)
        group.join("old", topic)
        facts: dict[str, Any] = {"protocols": {"range": subscription(topic)}}
        if reason == "no common":
            group.rejoin(group.new_member_id(**facts), **facts)
            facts = {"protocols": {"sticky": subscription(topic)}}
        elif reason == "type":
            facts["protocol_type"] = "connect"
        else:
            data = {"malformed": b"\x00\x00\x00", "version": b"\xff\xff", "empty": b""}[reason]
            facts = {"protocols": {"range": data}}
        answer = group.ask(group.join_request(**facts), 9, label="a first join")
        if answer.member_id:
            group.ask(group.join_request(answer.member_id, **facts), 9, label="a second join")

    compare(scenario)


@pytest.mark.parametrize("reason", ["type", "malformed", "user data", "joining"])
def test_classic_groups_that_cannot_move_stay_alike(compare: Compare, reason: str) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        group = MixedGroup(side)
        facts: dict[str, Any] = {"protocols": {"range": subscription(topic)}}
        given = assignment(topic, 0, 1)
        if reason == "type":
            facts["protocol_type"] = "connect"
        elif reason == "malformed":
            facts = {"protocols": {"range": b"\x00\x00\x00"}}
        elif reason == "user data":
            given = assignment(topic, 0, 1, user_data=b"mine")
        if reason == "joining":
            group.form(facts)
        else:
            group.classic_group(given, **facts)
        group.join("new", topic)
        group.both("afterwards")

    compare_in_equal_order(compare, scenario)


def test_static_members_change_protocols_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        side.note(topic, side.topic_id(topic))
        group = MixedGroup(side)
        facts: dict[str, Any] = {"protocols": {"range": subscription(topic)}, "instance_id": "i"}
        group.join("other", topic, instance_id="j")
        old = group.rejoin("", label="a static classic member", **facts)
        group.beat("other", label="gives up", instance_id="j", owned={topic: [0, 1]})
        old = group.rejoin(old.member_id, label="gets its share", **facts)
        group.both("two static members")
        group.join("new", topic, label="the consumer protocol takes the instance over", instance_id="i")
        group.both("taken over")
        group.heartbeat(old.member_id, old.generation_id, label="the old member", instance_id="i")
        back = group.rejoin("", label="and back", **facts)
        group.both("back")
        facts["instance_id"] = "j"
        last = group.rejoin("", label="the last one, too", **facts)
        group.settle()
        group.both("a classic group")
        group.heartbeat(back.member_id, back.generation_id, label="one", instance_id="i")
        group.heartbeat(last.member_id, last.generation_id, label="the other", instance_id="j")

    compare(scenario)


def test_classic_members_time_out_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        group = MixedGroup(side)
        facts: dict[str, Any] = {"protocols": {"range": subscription(topic)}, "rebalance_timeout_ms": 1_000}
        members, generation = group.classic_group(assignment(topic, 0, 1, 2, 3), **facts)
        group.join("new", topic)
        group.heartbeat(members[0], generation, label="is to join again")
        time.sleep(1.5)
        group.heartbeat(members[0], generation, label="has not joined")
        group.beat("new", label="gets all")
        joined = group.ask(group.join_request(group.new_member_id(**facts), **facts), 9, label="joins")
        time.sleep(1.5)
        group.heartbeat(joined.member_id, joined.generation_id, label="has not synced")
        group.both("alone")

    compare(scenario)
