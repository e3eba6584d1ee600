"""Share groups without log, loop or clock: joining, assignments, initialising partitions, sessions, replay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from group_simulation import GroupSimulation
from kafkalite.coordinator.assignors.partition_assignor import GroupSpec, MemberSpec, SubscriptionType
from kafkalite.coordinator.assignors.simple_assignor import assign_simply
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.share_group import ShareGroup
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from kafkalite.protocol.metadata_records.topics import PartitionRecord, RemoveTopicRecord, TopicRecord

SESSION_MS = 45_000
TOPICS = {name: Uuid(bytes([number + 1]) * 16) for number, name in enumerate("abc")}


class Shares(GroupSimulation):
    """A coordinator with topics, driven as the broker drives it: what is to be initialised is, unless that fails."""

    can_initialize = True

    def add_topic(self, name: str, partitions: int) -> None:
        topic_id = TOPICS[name]
        existing = self.image.topics.topic(name)
        records: list[Any] = [] if existing else [TopicRecord(name=name, topic_id=topic_id)]
        first = len(existing.partitions) if existing else 0
        records += (
            PartitionRecord(topic_id=topic_id, partition_id=index, replicas=[1], isr=[1], leader=1)
            for index in range(first, partitions)
        )
        self._apply(records)

    def remove_topic(self, name: str) -> None:
        self._apply([RemoveTopicRecord(topic_id=TOPICS[name])])
        self.run(self.shard.delete_topics([TOPICS[name]], self.image.topics.by_name.__contains__))

    def _apply(self, records: list[Any]) -> None:
        for record in records:
            self.image.replay(record)
        self.metadata_version += 1
        self.shard.groups.on_topics_changed(self.metadata.on_change(records))

    def heartbeat(self, member_id: str, epoch: int, topics: list[str] | None = None) -> ShareGroupHeartbeatResponse:  # type: ignore[override]
        request = ShareGroupHeartbeatRequest(
            group_id="g", member_id=member_id, member_epoch=epoch, subscribed_topic_names=topics
        )
        groups = self.shard.groups.share_groups
        reply = self.run(groups.heartbeat(self.sender(), request))
        if reply.initializing:
            note = groups.initialized if self.can_initialize else groups.uninitialized
            self.run(note("g", reply.initializing))
        response: ShareGroupHeartbeatResponse = reply.response
        return response

    @property
    def share_group(self) -> ShareGroup:
        return self.shard.groups.share_groups.group("g")


def shares(**config: Any) -> Shares:
    return Shares(GroupCoordinatorConfig(**config), group_overrides={"share.assignment.interval.ms": "0"})


def assigned(response: ShareGroupHeartbeatResponse) -> dict[Uuid, list[int]] | None:
    if response.assignment is None:
        return None
    return {topic.topic_id: topic.partitions for topic in response.assignment.topic_partitions}


def test_a_member_gets_partitions_once_their_state_is_kept() -> None:
    group = shares()
    group.add_topic("a", 3)
    first = group.heartbeat("m", 0, ["a"])
    assert (first.member_epoch, assigned(first)) == (2, {})
    second = group.heartbeat("m", 2)
    assert (second.member_epoch, assigned(second)) == (3, {TOPICS["a"]: [0, 1, 2]})
    assert assigned(group.heartbeat("m", 3)) is None


def test_partitions_that_could_not_be_initialised_are_tried_again() -> None:
    group = shares()
    group.add_topic("a", 1)
    group.can_initialize = False
    epoch = group.heartbeat("m", 0, ["a"]).member_epoch
    assert group.heartbeat("m", epoch).member_epoch == epoch
    group.can_initialize = True
    group.heartbeat("m", epoch)
    assert assigned(group.heartbeat("m", epoch)) == {TOPICS["a"]: [0]}


def test_members_beyond_the_partitions_share_them() -> None:
    group = shares()
    group.add_topic("a", 1)
    epochs = {name: group.heartbeat(name, 0, ["a"]).member_epoch for name in ("m", "n")}
    for _ in range(3):
        epochs = {name: group.heartbeat(name, epoch).member_epoch for name, epoch in epochs.items()}
    members = group.share_group.members
    assert [members[name].assigned_partitions for name in epochs] == [{TOPICS["a"]: (0,)}] * 2


def test_a_silent_member_is_out_after_its_session() -> None:
    group = shares()
    group.add_topic("a", 1)
    group.heartbeat("m", 0, ["a"])
    group.advance(SESSION_MS - 1)
    assert group.share_group.state_name == "Stable"
    group.advance(1)
    assert group.share_group.state_name == "Empty"
    with pytest.raises(KafkaError) as refused:
        group.heartbeat("m", 2)
    assert refused.value.error is ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("epoch", [9, 1])
def test_a_member_at_another_epoch_is_fenced(epoch: int) -> None:
    group = shares()
    group.add_topic("a", 1)
    group.heartbeat("m", 0, ["a"])
    group.heartbeat("m", 2)
    with pytest.raises(KafkaError) as refused:
        group.heartbeat("m", epoch)
    assert refused.value.error is ErrorCode.FENCED_MEMBER_EPOCH


def test_a_full_group_lets_nobody_else_in() -> None:
    group = shares(share_group_max_size=1)
    group.add_topic("a", 1)
    group.heartbeat("m", 0, ["a"])
    with pytest.raises(KafkaError) as refused:
        group.heartbeat("n", 0, ["a"])
    assert refused.value.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert group.heartbeat("m", 0, ["a"]).error_code == 0


def test_what_groups_know_of_a_topic_goes_with_it() -> None:
    group = shares()
    group.add_topic("a", 2)
    group.heartbeat("m", 0, ["a"])
    group.heartbeat("m", 2)
    group.remove_topic("a")
    state = group.share_group.state_metadata
    assert state is not None
    assert (state.initialized, state.initializing) == ({}, {})
    assert assigned(group.heartbeat("m", 3)) == {}


assignments = st.dictionaries(
    st.sampled_from(list(TOPICS.values())), st.sets(st.integers(0, 5)).map(lambda s: tuple(sorted(s))), max_size=3
)


@st.composite
def group_specs(draw: st.DrawFn) -> GroupSpec:
    counts = {topic_id: draw(st.integers(1, 6)) for topic_id in TOPICS.values()}
    is_same = draw(st.booleans())
    common = tuple(draw(st.lists(st.sampled_from(list(TOPICS.values())), unique=True)))
    members = {}
    for number in range(draw(st.integers(1, 9))):
        own = tuple(draw(st.lists(st.sampled_from(list(TOPICS.values())), unique=True)))
        members[f"m{number}"] = MemberSpec(common if is_same else own, draw(assignments))
    kind = SubscriptionType.HOMOGENEOUS if is_same else SubscriptionType.HETEROGENEOUS
    return GroupSpec(members, kind, counts)


@settings(max_examples=200, deadline=None)
@given(group_specs())
def test_every_partition_has_members_and_members_have_about_as_much(spec: GroupSpec) -> None:
    assignable = {topic_id: range(count) for topic_id, count in spec.partition_counts.items()}
    result = assign_simply(spec, assignable)
    assert result.keys() == spec.members.keys()
    for topic_id, count in spec.partition_counts.items():
        subscribers = [name for name, member in spec.members.items() if topic_id in member.topic_ids]
        holders = {index: [n for n in result if index in result[n].get(topic_id, ())] for index in range(count)}
        for held in holders.values():
            assert set(held) <= set(subscribers)
            assert bool(held) == bool(subscribers)
        if spec.subscription_type is SubscriptionType.HETEROGENEOUS and subscribers:
            sizes = [len(result[name].get(topic_id, ())) for name in subscribers]
            assert max(sizes) - min(sizes) <= 1
    if spec.subscription_type is SubscriptionType.HOMOGENEOUS and next(iter(spec.members.values())).topic_ids:
        sizes = [sum(map(len, topics.values())) for topics in result.values()]
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1
    settled = GroupSpec(
        {name: member._replace(assignment=result[name]) for name, member in spec.members.items()},
        spec.subscription_type,
        spec.partition_counts,
    )
    assert assign_simply(settled, assignable) == result, "an assignment that is right already stays"


names = st.sampled_from(["m0", "m1", "m2", "m3"])


class ShareGroupMachine(RuleBasedStateMachine):
    """Members come, go, fall silent and change their minds while topics grow."""

    @initialize()
    def begin(self) -> None:
        self.group = shares()
        self.epochs: dict[str, int] = {}
        self.highest = 0
        for name in TOPICS:
            self.group.add_topic(name, 2)

    @rule(name=names, topics=st.sets(st.sampled_from(list(TOPICS)), min_size=1))
    def join(self, name: str, topics: set[str]) -> None:
        self.epochs[name] = self.group.heartbeat(name, 0, sorted(topics)).member_epoch

    @rule(name=names)
    def go_on(self, name: str) -> None:
        if name in self.epochs:
            self.epochs[name] = self.group.heartbeat(name, self.epochs[name]).member_epoch

    @rule(name=names)
    def leave(self, name: str) -> None:
        if self.epochs.pop(name, None) is not None:
            assert self.group.heartbeat(name, -1).member_epoch == -1

    @rule(name=st.sampled_from(list(TOPICS)))
    def grow(self, name: str) -> None:
        topic = self.group.image.topics.topic(name)
        assert topic is not None
        self.group.add_topic(name, min(6, len(topic.partitions) + 1))

    @rule(ms=st.integers(1, SESSION_MS))
    def wait(self, ms: int) -> None:
        self.group.advance(ms)
        if "g" in self.group.shard.groups.groups:
            self.epochs = {name: epoch for name, epoch in self.epochs.items() if name in self.group.share_group.members}

    @rule()
    def restart(self) -> None:
        before = self._state()
        self.group = self.group.restarted()
        assert self._state() == before

    def _state(self) -> Any:
        if "g" not in self.group.shard.groups.groups:
            return None
        group = self.group.share_group
        state = group.state_metadata
        return (
            group.group_epoch,
            group.assignment_epoch,
            group.members,
            group.target_assignment,
            group.subscriptions,
            state and [(topic_id, topic.partitions) for topic_id, topic in state.initialized.items()],
        )

    @invariant()
    def epochs_never_fall(self) -> None:
        if hasattr(self, "group") and "g" in self.group.shard.groups.groups:
            group = self.group.share_group
            assert group.group_epoch >= self.highest
            assert group.assignment_epoch <= group.group_epoch
            self.highest = group.group_epoch
            assert self.epochs == {name: member.member_epoch for name, member in group.members.items()}

    def teardown(self) -> None:
        if not getattr(self, "epochs", None):
            return
        for _ in range(6):
            for name in list(self.epochs):
                self.go_on(name)
        group = self.group.share_group
        for topic_id, topic in self.group.image.topics.by_id.items():
            if topic.name not in group.subscriptions:
                continue
            held = [
                index for member in group.members.values() for index in member.assigned_partitions.get(topic_id, ())
            ]
            assert set(held) == set(range(len(topic.partitions)))


TestShareGroup = ShareGroupMachine.TestCase
TestShareGroup.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
