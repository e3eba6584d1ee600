"""The same random stories of a classic group on Apache Kafka and kafkalite: who is answered what, and when."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from group_scenarios import GroupOnSide, Later, subscription
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]
STEPS = 30
QUIET_S = 0.15
PROTOCOLS = [
    {"range": subscription("t")},
    {"range": subscription("u")},
    {"sticky": subscription("t"), "range": subscription("t")},
    {"range": subscription("t"), "sticky": subscription("t")},
]


class Member:
    """Somebody with a member id, an instance id or none, and at most one request that waits."""

    def __init__(self, instance_id: str | None) -> None:
        self.instance_id = instance_id
        self.member_id = ""
        self.generation_id = -1
        self.is_leader = False
        self.waiting: tuple[str, Later] | None = None


class Story:
    """One side of a story; `chance` is seeded alike on both sides, and drawn from alike."""

    def __init__(self, side: Side, seed: int) -> None:
        self.side = side
        self.chance = random.Random(seed)
        self.topic = side.topic(1)
        self.group = GroupOnSide(side)
        self.members: list[Member] = []
        self.gone: list[Member] = []

    def run(self) -> None:
        for number in range(STEPS):
            steps = [self.newcomer, self.join, self.join, self.sync, self.sync, self.sync]
            step = self.chance.choice([*steps, self.heartbeat, self.commit, self.leave])
            step()
            self.settle(f"after step {number}, {step.__name__}")
        for member in list(self.members):
            self.group.leave((member.member_id, member.instance_id), label="the end")
        self.settle("after the end")

    def settle(self, label: str) -> None:
        """Notes who has been answered what until all is quiet, and what the group looks like then."""
        quiet_since = time.monotonic()
        answered: list[tuple[int, str, Later]] = []
        while time.monotonic() < quiet_since + QUIET_S:
            for number, member in enumerate(self.members):
                if member.waiting is not None and member.waiting[1].is_answered:
                    answered.append((number, *member.waiting))
                    member.waiting = None
                    quiet_since = time.monotonic()
            time.sleep(0.005)
        for number, what, later in sorted(answered, key=lambda each: each[:2]):
            answer = later.answer()
            member = self.members[number]
            self.side.note(f"{label}: {what} of {number}", answer)
            if what == "join" and not answer.error_code:
                member.member_id, member.generation_id = answer.member_id, answer.generation_id
                member.is_leader = answer.leader == answer.member_id
        self.group.settle()
        described = self.side.send(DescribeGroupsRequest(groups=[self.group.group_id]), 5)
        self.side.note(f"{label}: the group", described)
        waiting = [number for number, member in enumerate(self.members) if member.waiting is not None]
        self.side.note(f"{label}: who waits", str(waiting))

    def free(self) -> Member | None:
        """Somebody who does not wait."""
        free = [member for member in self.members if member.waiting is None]
        return self.chance.choice(free) if free else None

    def newcomer(self) -> None:
        """A new member, or one that comes back under its instance id."""
        draw = self.chance.random()
        instance_id = None if draw < 0.6 else "a" if draw < 0.8 else "b"
        protocols = self.chance.choice(PROTOCOLS)
        if len(self.members) >= 4:
            return
        member = Member(instance_id)
        if instance_id is None:
            answer = self.group.ask(self.group.join_request(protocols=protocols), 9, label="newcomer")
            member.member_id = answer.member_id
            if answer.error_code != 79:  # MEMBER_ID_REQUIRED
                return
        for other in self.members:
            if instance_id is not None and other.instance_id == instance_id and other.waiting is not None:
                return  # whose request is answered first cannot be told
        self.members.append(member)
        self.send_join(member, protocols)

    def send_join(self, member: Member, protocols: dict[str, bytes]) -> None:
        request = self.group.join_request(
            member.member_id,
            instance_id=member.instance_id,
            protocols=protocols,
            session_timeout_ms=600_000,
            rebalance_timeout_ms=600_000,
        )
        member.waiting = ("join", self.group.later(request, 9))

    def join(self) -> None:
        protocols = self.chance.choice(PROTOCOLS)
        member = self.free()
        if member is not None:
            self.send_join(member, protocols)

    def sync(self) -> None:
        member = self.free()
        draw = self.chance.random()
        if member is None:
            return
        assignments: dict[str, bytes] = {}
        if member.is_leader:
            assignments = {each.member_id: f"for {number}".encode() for number, each in enumerate(self.members)}
        request = self.group.sync_request(
            member.member_id,
            member.generation_id + (draw > 0.9),
            assignments,
            instance_id=member.instance_id,
            protocol_name=None,
            protocol_type=None,
        )
        member.waiting = ("sync", self.group.later(request, 4))

    def heartbeat(self) -> None:
        member = self.free()
        if member is not None:
            request = self.group.heartbeat_request(member.member_id, member.generation_id, member.instance_id)
            self.group.ask(request, 4, label="heartbeat")

    def commit(self) -> None:
        member = self.free()
        facts: dict[str, Any] = {}
        if member is not None and self.chance.random() < 0.8:
            facts = {"member_id": member.member_id, "generation_id_or_member_epoch": member.generation_id}
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="")
        topics = [OffsetCommitRequestTopic(name=self.topic, partitions=[partition])]
        self.group.ask(OffsetCommitRequest(group_id=self.group.group_id, topics=topics, **facts), 9, label="commit")

    def leave(self) -> None:
        member = self.free()
        if member is not None:
            self.members.remove(member)
            self.group.leave((member.member_id, member.instance_id), label="leave")


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(3, 40))])
def test_a_random_story_is_answered_alike(compare: Compare, seed: int) -> None:
    compare(lambda side: Story(side, seed).run())
