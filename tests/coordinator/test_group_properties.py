"""Random stories of two groups: whatever happens, everyone is answered once, generations rise, and replay agrees."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from group_simulation import GroupSimulation, subscription
from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.classic_group_state import EMPTY, PREPARING_REBALANCE, STABLE
from kafkalite.coordinator.coordinator_result import Deferred
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.errors import ErrorCode, KafkaError

GROUPS = st.sampled_from(["g", "h"])
INSTANCES = st.sampled_from([None, None, None, "i1", "i2"])
PROTOCOLS = st.sampled_from(
    [
        {"range": subscription("t")},
        {"range": subscription("u")},
        {"sticky": subscription("t"), "range": subscription("t")},
        {"sticky": subscription("t")},
    ]
)
CHOICE = st.integers(0, 1000)


class GroupStories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        config = GroupCoordinatorConfig(initial_rebalance_delay_ms=500, max_size=4, offsets_retention_ms=200_000)
        self.simulation = GroupSimulation(config)
        self.asked: list[Deferred[Any]] = []
        self.answers: list[int] = []
        self.generations: dict[str, int] = {}

    def ask(self, reply: Deferred[Any]) -> None:
        """Counts how often a request is answered."""
        number = len(self.asked)
        self.asked.append(reply)
        self.answers.append(0)

        def answered(_: Any) -> None:
            self.answers[number] += 1

        reply.on_done(answered)

    def member_of(self, group_id: str, choice: int) -> str:
        """A member id that the group knows or once knew, or none."""
        group = self.simulation.shard.groups.groups.get(group_id)
        assert group is None or isinstance(group, ClassicGroup)
        known = [] if group is None else [*group.members, *group.pending_join_members]
        known += ["client-id1", ""]
        return known[choice % len(known)]

    @rule(group_id=GROUPS, choice=CHOICE, instance_id=INSTANCES, protocols=PROTOCOLS, version=st.sampled_from([3, 9]))
    def join(
        self, group_id: str, choice: int, instance_id: str | None, protocols: dict[str, bytes], version: int
    ) -> None:
        try:
            self.ask(
                self.simulation.join(
                    self.member_of(group_id, choice),
                    group_id=group_id,
                    instance_id=instance_id,
                    protocols=protocols,
                    session_timeout_ms=6_000 + choice,
                    rebalance_timeout_ms=10_000 + choice,
                    version=version,
                )
            )
        except KafkaError as error:
            assert error.error is ErrorCode.UNKNOWN_SERVER_ERROR

    @rule(group_id=GROUPS, choice=CHOICE, fails=st.integers(0, 9))
    def sync(self, group_id: str, choice: int, fails: int) -> None:
        group = self.simulation.shard.groups.groups.get(group_id)
        generation_id = group.generation_id if isinstance(group, ClassicGroup) else 0
        member_id = self.member_of(group_id, choice)
        if fails == 0:
            self.simulation.append_error = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
        assignments = {member: f"{member}@{generation_id}".encode() for member in getattr(group, "members", ())}
        self.ask(
            self.simulation.sync(
                member_id, generation_id, assignments, group_id=group_id, protocol_type=None, protocol_name=None
            )
        )
        self.simulation.append_error = None

    @precondition(lambda self: "g" in self.simulation.shard.groups.groups)
    @rule()
    def all_sync(self) -> None:
        """Members that can, sync, the leader last."""
        group = self.simulation.group()
        for member in sorted(group.members.values(), key=lambda member: member.member_id == group.leader_id):
            assignments = {each: each.encode() for each in group.members}
            self.ask(
                self.simulation.sync(
                    member.member_id,
                    group.generation_id,
                    assignments,
                    instance_id=member.group_instance_id,
                    protocol_type=None,
                    protocol_name=None,
                )
            )

    @rule(choice=CHOICE)
    def heartbeat(self, choice: int) -> None:
        group = self.simulation.shard.groups.groups.get("g")
        generation_id = group.generation_id if isinstance(group, ClassicGroup) else 0
        self.simulation.heartbeat(self.member_of("g", choice), generation_id)

    @precondition(lambda self: "g" in self.simulation.shard.groups.groups)
    @rule(choice=CHOICE)
    def leave(self, choice: int) -> None:
        self.simulation.leave(self.member_of("g", choice))

    @rule(group_id=GROUPS, choice=CHOICE, offset=st.integers(0, 9))
    def commit(self, group_id: str, choice: int, offset: int) -> None:
        group = self.simulation.shard.groups.groups.get(group_id)
        member_id = self.member_of(group_id, choice)
        generation_id = group.generation_id if isinstance(group, ClassicGroup) and member_id else -1
        try:
            self.simulation.commit(
                {("t", choice % 3): offset, ("u", 0): offset},
                group_id=group_id,
                member_id=member_id,
                generation_id=generation_id,
            )
        except KafkaError as error:
            assert error.error in (
                ErrorCode.UNKNOWN_MEMBER_ID,
                ErrorCode.REBALANCE_IN_PROGRESS,
                ErrorCode.GROUP_ID_NOT_FOUND,
            )

    @rule(group_id=GROUPS)
    def delete(self, group_id: str) -> None:
        group = self.simulation.shard.groups.groups.get(group_id)
        if self.simulation.run(self.simulation.shard.delete_group(group_id)).error_code == 0:
            assert group is not None
            self.generations.pop(group_id)

    @rule(delay_ms=st.sampled_from([0, 1, 499, 501, 3_000, 7_000, 11_000, 700_000]))
    def wait(self, delay_ms: int) -> None:
        self.simulation.advance(delay_ms)
        for group_id in self.generations.keys() - self.simulation.shard.groups.groups.keys():
            del self.generations[group_id]

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        assert all(count == int(reply.is_done) for reply, count in zip(self.asked, self.answers, strict=True))

    @invariant()
    def generations_never_fall(self) -> None:
        for group in self.simulation.shard.groups.groups.values():
            assert isinstance(group, ClassicGroup)
            assert group.generation_id >= self.generations.get(group.group_id, 0)
            self.generations[group.group_id] = group.generation_id

    @invariant()
    def a_groups_books_are_in_order(self) -> None:
        for group in self.simulation.shard.groups.groups.values():
            assert isinstance(group, ClassicGroup)
            members = group.members
            assert group.awaiting_join_count == sum(m.awaiting_join is not None for m in members.values())
            assert len(members) <= 4
            assert (group.leader_id in members) if members else group.leader_id is None
            assert group.static_members == {
                m.group_instance_id: m.member_id for m in members.values() if m.group_instance_id is not None
            }
            assert set(group.pending_sync_members) <= set(members)
            assert group.state is not EMPTY or not members
            if group.state is PREPARING_REBALANCE:
                assert ("join", group.group_id, "") in self.simulation.timers
            for member in members.values():
                assert (group.group_id, member.member_id) in self.simulation.timers or member.has_satisfied_heartbeat()

    @invariant()
    def replaying_the_log_gives_the_live_state(self) -> None:
        live, loaded = self.simulation.shard, self.simulation.restarted().shard
        assert loaded.offsets.offsets == live.offsets.offsets
        assert loaded.groups.groups.keys() == live.groups.groups.keys()
        for group_id, group in live.groups.groups.items():
            read = loaded.groups.groups[group_id]
            assert isinstance(group, ClassicGroup)
            assert isinstance(read, ClassicGroup)
            if group.state in (STABLE, EMPTY):
                assert described(read) == described(group)
            else:
                assert read.generation_id <= group.generation_id

    def teardown(self) -> None:
        """With enough time everyone has an answer, and every member that is silent is gone."""
        self.simulation.advance(700_000)
        self.nobody_is_answered_twice()
        assert all(reply.is_done for reply in self.asked)
        for group in self.simulation.shard.groups.groups.values():
            assert isinstance(group, ClassicGroup)
            assert (group.members, group.pending_join_members, group.state) == ({}, {}, EMPTY)


def described(group: ClassicGroup) -> dict[str, Any]:
    """What of a group outlives a restart."""
    return {
        "state": group.state,
        "generation": group.generation_id,
        "leader": group.leader_id,
        "protocol": (group.protocol_type, group.protocol_name) if group.state is STABLE else None,
        "topics": group.subscribed_topics if group.state is STABLE else None,
        "members": {
            m.member_id: (
                m.group_instance_id,
                m.client_id,
                m.client_host,
                m.session_timeout_ms,
                m.rebalance_timeout_ms,
                m.metadata(group.protocol_name),
                m.assignment,
            )
            for m in group.members.values()
        },
    }


TestGroupStories = GroupStories.TestCase
TestGroupStories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
