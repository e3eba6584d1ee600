"""Whatever members of a consumer group do, in whatever order and however late."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from consumer_group_simulation import ConsumerGroupSimulation, SimulatedMember, durable_state
from kafkalite.coordinator.consumer_group import ConsumerGroup
from kafkalite.errors import ErrorCode, KafkaError
from modern_group_machine import MEMBERS, ModernGroupMachine

TOPICS = ("one", "two", "three")
SUBSCRIPTIONS = st.lists(st.sampled_from(TOPICS), unique=True, max_size=3)


class ConsumerGroupMachine(ModernGroupMachine[ConsumerGroupSimulation, ConsumerGroup, SimulatedMember]):
    """Members join, go on, change their minds, lose answers, leave, fall silent; topics grow; the broker restarts."""

    def __init__(self) -> None:
        super().__init__(ConsumerGroupSimulation(), ConsumerGroup)
        for number, topic in enumerate(TOPICS, 2):
            self.simulation.topic(topic, number)

    def beat_on(self, client: SimulatedMember) -> int:
        return self.simulation.go_on(client)

    def beat_goodbye(self, client: SimulatedMember, epoch: int) -> None:
        self.simulation.beat(client.member_id, epoch, instance_id=client.instance_id)

    def durable_state(self, group: ConsumerGroup) -> dict[str, Any]:
        return durable_state(group)

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
        self.clients[number] = member

    @rule(number=MEMBERS)
    def lose_an_answer(self, number: int) -> None:
        """The member does not hear what its heartbeat has done: the next one is accepted, or fences it."""
        member = self.clients.get(number)
        if member is not None:
            epoch, owned = member.epoch, member.owned
            self.go_on(number)
            member.epoch, member.owned, member.has_lost_answer = epoch, owned, True

    @rule(number=MEMBERS, topics=SUBSCRIPTIONS)
    def subscribe(self, number: int, topics: list[str]) -> None:
        member = self.clients.get(number)
        if member is not None:
            try:
                response = self.simulation.beat(
                    member.member_id,
                    member.epoch,
                    instance_id=member.instance_id,
                    subscribed_topic_names=topics,
                    topic_partitions=member.owned_partitions(),
                )
                member.take(response)
                member.topics = topics
            except KafkaError:
                del self.clients[number]

    @rule(topic=st.sampled_from(TOPICS))
    def grow(self, topic: str) -> None:
        count = len(self.simulation.image.topics.by_name[topic].partitions)
        self.simulation.more_partitions(topic, min(count + 1, 9))

    def check_settled(self, group: ConsumerGroup) -> None:
        """Every partition that is wanted has the owner it was meant for."""
        owners = self.simulation.owners()
        for member in self.clients.values():
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


ConsumerGroupMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestConsumerGroup = ConsumerGroupMachine.TestCase
