"""Whatever members of a consumer group do, in whatever order and however late."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consumer_group_simulation import ConsumerGroupSimulation, SimulatedMember, durable_state
from kafkalite.coordinator.consumer_group import ConsumerGroup
from kafkalite.errors import ErrorCode, KafkaError

TOPICS = ("one", "two", "three")
MEMBERS = st.integers(0, 4)
SUBSCRIPTIONS = st.lists(st.sampled_from(TOPICS), unique=True, max_size=3)


class ConsumerGroupMachine(RuleBasedStateMachine):
    """Members join, go on, change their minds, lose answers, leave, fall silent; topics grow; the broker restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = ConsumerGroupSimulation()
        for number, topic in enumerate(TOPICS, 2):
            self.simulation.topic(topic, number)
        self.members: dict[int, SimulatedMember] = {}
        self.group_epoch = 0
        self.member_epochs: dict[str, int] = {}
        self.incarnation = 0

    @property
    def group(self) -> ConsumerGroup | None:
        group = self.simulation.shard.groups.groups.get("g")
        return group if isinstance(group, ConsumerGroup) else None

    @rule(number=MEMBERS, topics=SUBSCRIPTIONS, assignor=st.sampled_from([None, "uniform", "range"]))
    def join(self, number: int, topics: list[str], assignor: str | None) -> None:
        self.incarnation += 1
        member = SimulatedMember(f"m{number}-{self.incarnation}", topics, f"i{number}" if number > 2 else None)
        try:
            self.simulation.rejoin(member, server_assignor=assignor)
        except KafkaError as error:
            assert error.error is ErrorCode.UNRELEASED_INSTANCE_ID
            assert member.instance_id is not None
            return
        self.members[number] = member

    @rule(number=MEMBERS)
    def go_on(self, number: int) -> None:
        member = self.members.get(number)
        if member is None:
            return
        error = self.simulation.go_on(member)
        assert error in (0, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND)
        if error:
            del self.members[number]

    @rule(number=MEMBERS)
    def lose_an_answer(self, number: int) -> None:
        """The member does not hear what its heartbeat has done: the next one is accepted, or fences it."""
        member = self.members.get(number)
        if member is not None:
            epoch, owned = member.epoch, member.owned
            self.go_on(number)
            member.epoch, member.owned, member.has_lost_answer = epoch, owned, True

    @rule(number=MEMBERS, topics=SUBSCRIPTIONS)
    def subscribe(self, number: int, topics: list[str]) -> None:
        member = self.members.get(number)
        if member is not None:
            try:
                facts = {"instance_id": member.instance_id, "topic_partitions": member.owned_partitions()}
                member.take(
                    self.simulation.beat(member.member_id, member.epoch, subscribed_topic_names=topics, **facts)
                )
                member.topics = topics
            except KafkaError:
                del self.members[number]

    @rule(number=MEMBERS, is_for_good=st.booleans())
    def leave(self, number: int, is_for_good: bool) -> None:
        member = self.members.pop(number, None)
        if member is not None:
            epoch = -1 if is_for_good or member.instance_id is None else -2
            try:
                self.simulation.beat(member.member_id, epoch, instance_id=member.instance_id)
            except KafkaError as error:
                assert error.error in (
                    ErrorCode.UNKNOWN_MEMBER_ID,
                    ErrorCode.FENCED_INSTANCE_ID,
                    ErrorCode.GROUP_ID_NOT_FOUND,
                )

    @rule(delay_ms=st.sampled_from([1_000, 20_000, 31_000, 46_000]))
    def wait(self, delay_ms: int) -> None:
        self.simulation.advance(delay_ms)

    @rule(topic=st.sampled_from(TOPICS))
    def grow(self, topic: str) -> None:
        count = len(self.simulation.image.topics.by_name[topic].partitions)
        self.simulation.more_partitions(topic, min(count + 1, 9))

    @rule()
    def restart(self) -> None:
        before = self.group
        self.simulation = self.simulation.restarted()  # type: ignore[assignment]
        if before is not None:
            assert self.group is not None
            assert durable_state(self.group) == durable_state(before)

    @precondition(lambda self: bool(self.members))
    @rule()
    def settle(self) -> None:
        """Left alone, the group becomes stable, and every partition that is wanted has the owner it was meant for."""
        for _ in range(60):
            for number in list(self.members):
                self.go_on(number)
            self.simulation.advance(1_000)  # a minute: whoever is silent is out in the end
        if not self.members:
            return
        group = self.group
        assert group is not None
        assert group.state_name == "Stable"
        owners = self.simulation.owners()
        for member in self.members.values():
            for topic in member.topics:
                image = self.simulation.image.topics.by_name[topic]
                assert all((image.topic_id, index) in owners for index in image.partitions)
            assert {(t, p) for t, ps in member.owned.items() for p in ps} == {
                partition for partition, owner in owners.items() if owner == member.member_id
            }

    @invariant()
    def no_partition_has_two_owners(self) -> None:
        group = self.group
        if group is None:
            return
        owners = self.simulation.owners()
        assert {(t, p) for t, ps in group.partition_epochs.items() for p in ps} == set(owners)
        for member_id, assignment in group.target_assignment.items():
            assert member_id in group.members
            assert all(assignment.values())
        targets = [(t, p) for a in group.target_assignment.values() for t, ps in a.items() for p in ps]
        assert len(targets) == len(set(targets))

    @invariant()
    def epochs_never_fall(self) -> None:
        group = self.group
        if group is None:
            # An empty group is deleted after a while; one of the same name begins anew.
            self.group_epoch = 0
            self.member_epochs.clear()
            return
        assert group.group_epoch >= self.group_epoch
        assert group.assignment_epoch <= group.group_epoch
        self.group_epoch = group.group_epoch
        for member in group.members.values():
            if member.member_epoch >= 0:
                assert self.member_epochs.get(member.member_id, 0) <= member.member_epoch <= group.group_epoch
                self.member_epochs[member.member_id] = member.member_epoch


ConsumerGroupMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestConsumerGroup = ConsumerGroupMachine.TestCase
