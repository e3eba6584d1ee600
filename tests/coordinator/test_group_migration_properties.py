"""Random stories of a group whose members speak both protocols: it turns from one kind into the other and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consumer_group_simulation import ConsumerGroupSimulation, SimulatedMember, durable_state
from group_simulation import GroupSimulation, subscription
from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.consumer_group import ConsumerGroup
from kafkalite.coordinator.coordinator_result import Deferred
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.consumer_protocol import AssignmentTopicPartition, ConsumerProtocolAssignment
from kafkalite.protocol.messages.join_group import JoinGroupResponse

TOPIC, PARTITIONS = "t", 4
NUMBERS = st.integers(0, 2)
REFUSALS = {
    ErrorCode.FENCED_MEMBER_EPOCH,
    ErrorCode.GROUP_ID_NOT_FOUND,
    ErrorCode.ILLEGAL_GENERATION,
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    ErrorCode.MEMBER_ID_REQUIRED,
    ErrorCode.REBALANCE_IN_PROGRESS,
    ErrorCode.UNKNOWN_MEMBER_ID,
}


@dataclass
class ClassicClient:
    """A member of the classic protocol as it sees itself."""

    member_id: str = ""
    generation_id: int = -1
    leads: tuple[str, ...] = ()
    """Whose assignments it hands out."""
    joining: Deferred[JoinGroupResponse] | None = None

    def take(self) -> None:
        """Reads the answer to its JoinGroup, if that is there."""
        if self.joining is None or not self.joining.is_done:
            return
        answer, self.joining = self.joining.value, None
        if answer.error_code == 0 or answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            self.generation_id = answer.generation_id
            self.leads = tuple(member.member_id for member in answer.members)
        else:
            assert answer.error_code in REFUSALS
            self.member_id, self.generation_id = "", -1


class MixedGroupMachine(RuleBasedStateMachine):
    """Up to three members of each protocol join, go on, leave and fall silent; the broker restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = ConsumerGroupSimulation(GroupCoordinatorConfig(initial_rebalance_delay_ms=0))
        self.simulation.topic(TOPIC, PARTITIONS)
        self.classic: dict[int, ClassicClient] = {}
        self.modern: dict[int, SimulatedMember] = {}
        self.asked: list[Deferred[Any]] = []
        self.answers: list[int] = []
        self.epoch = 0
        self.empty_kind: type | None = None
        self.incarnation = 0

    @property
    def group(self) -> ClassicGroup | ConsumerGroup | None:
        group = self.simulation.shard.groups.groups.get("g")
        assert group is None or isinstance(group, ClassicGroup | ConsumerGroup)
        return group

    def ask(self, reply: Deferred[Any]) -> None:
        """Counts how often a request is answered."""
        number = len(self.asked)
        self.asked.append(reply)
        self.answers.append(0)

        def answered(_: Any) -> None:
            self.answers[number] += 1

        reply.on_done(answered)

    @rule(number=NUMBERS)
    def classic_joins(self, number: int) -> None:
        client = self.classic.setdefault(number, ClassicClient())
        client.take()
        if client.joining is None:
            protocols = {"range": subscription(TOPIC)}
            try:
                client.joining = GroupSimulation.join(self.simulation, client.member_id, protocols=protocols)
            except KafkaError as error:
                assert error.error in REFUSALS
                del self.classic[number]
                return
            self.ask(client.joining)
            client.take()

    @rule(number=NUMBERS)
    def classic_syncs(self, number: int) -> None:
        client = self.classic.get(number)
        if client is None:
            return
        client.take()
        if client.joining is None and client.member_id:
            assignments = {}
            for index, member_id in enumerate(client.leads):
                partitions = list(range(PARTITIONS))[index :: len(client.leads)]
                topics = [AssignmentTopicPartition(topic=TOPIC, partitions=partitions)]
                assignments[member_id] = b"\0\0" + ConsumerProtocolAssignment(assigned_partitions=topics).encode(0)
            try:
                self.ask(self.simulation.sync(client.member_id, client.generation_id, assignments))
            except KafkaError as error:
                assert error.error in REFUSALS

    @rule(number=NUMBERS)
    def classic_beats(self, number: int) -> None:
        client = self.classic.get(number)
        if client is not None and client.member_id:
            error = self.simulation.heartbeat(client.member_id, client.generation_id)
            assert error == 0 or error in REFUSALS
            if error == ErrorCode.UNKNOWN_MEMBER_ID:
                client.member_id = ""

    @rule(number=NUMBERS)
    def classic_leaves(self, number: int) -> None:
        client = self.classic.pop(number, None)
        if client is not None and client.member_id:
            try:
                self.simulation.leave(client.member_id)
            except KafkaError as error:
                assert error.error in REFUSALS

    @rule(number=NUMBERS)
    def modern_joins(self, number: int) -> None:
        self.incarnation += 1
        member = SimulatedMember(f"m{number}-{self.incarnation}", [TOPIC])
        try:
            self.simulation.rejoin(member)
        except KafkaError as error:
            assert error.error in REFUSALS
            return
        self.modern[number] = member

    @rule(number=NUMBERS)
    def modern_goes_on(self, number: int) -> None:
        member = self.modern.get(number)
        if member is not None:
            error = self.simulation.go_on(member)
            assert error == 0 or error in REFUSALS
            if error:
                del self.modern[number]

    @rule(number=NUMBERS)
    def modern_leaves(self, number: int) -> None:
        member = self.modern.pop(number, None)
        if member is not None:
            try:
                self.simulation.beat(member.member_id, -1)
            except KafkaError as error:
                assert error.error in REFUSALS

    @rule(delay_ms=st.sampled_from([100, 4_000, 11_000, 46_000, 61_000]))
    def wait(self, delay_ms: int) -> None:
        self.simulation.advance(delay_ms)

    @rule()
    def restart(self) -> None:
        """Nobody who waits hears from the broker that has gone."""
        before = self.group
        self.simulation = self.simulation.restarted()
        after = self.group
        if isinstance(before, ConsumerGroup):
            assert isinstance(after, ConsumerGroup)
            assert durable_state(after) == durable_state(before)
        elif isinstance(before, ClassicGroup) and isinstance(after, ClassicGroup):
            assert after.generation_id <= before.generation_id
            self.epoch = after.generation_id  # a generation that nobody got an assignment of is not in the log
        self.asked.clear()
        self.answers.clear()
        for client in self.classic.values():
            client.joining = None

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        assert all(count == int(reply.is_done) for reply, count in zip(self.asked, self.answers, strict=True))

    @invariant()
    def epochs_never_fall(self) -> None:
        group = self.group
        if group is None:
            self.epoch = 0
            return
        epoch = group.group_epoch if isinstance(group, ConsumerGroup) else group.generation_id
        if self.empty_kind not in (None, type(group)):
            self.epoch = 0  # who finds an empty group of the other kind begins a new one in its place
        self.empty_kind = None if group.members else type(group)
        assert epoch >= self.epoch
        self.epoch = epoch
        if isinstance(group, ConsumerGroup):
            assert all(member.member_epoch <= epoch for member in group.members.values())

    @invariant()
    def no_partition_has_two_owners(self) -> None:
        group = self.group
        if isinstance(group, ConsumerGroup):
            owners = self.simulation.owners()
            assert {(t, p) for t, ps in group.partition_epochs.items() for p in ps} == set(owners)

    @invariant()
    def it_is_a_consumer_group_as_long_as_anybody_speaks_that_protocol(self) -> None:
        group = self.group
        if isinstance(group, ClassicGroup):
            known = set(group.members)
            assert not known & {member.member_id for member in self.modern.values()}
        elif group is not None and group.members:
            assert any(not member.uses_classic_protocol for member in group.members.values())

    def teardown(self) -> None:
        """With enough time everyone has an answer, and all who are silent are gone."""
        self.simulation.advance(700_000)
        self.nobody_is_answered_twice()
        assert all(reply.is_done for reply in self.asked)
        group = self.group
        assert group is None or not group.members


MixedGroupMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestMixedGroup = MixedGroupMachine.TestCase
