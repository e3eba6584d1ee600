"""Whatever members of a streams group do, in whatever order and however late."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kafkalite.coordinator.streams.streams_group import StreamsGroup
from kafkalite.errors import ErrorCode, KafkaError
from streams_group_simulation import WITH_STATE, SimulatedThread, StreamsGroupSimulation, durable_state

MEMBERS = st.integers(0, 5)


class StreamsGroupMachine(RuleBasedStateMachine):
    """Members of three processes join, go on, lose answers, leave, fall silent; topics grow; the broker restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = StreamsGroupSimulation()
        self.simulation.topic("in", 5)
        self.simulation.topic("changelog", 5)
        self.threads: dict[int, SimulatedThread] = {}
        self.group_epoch = 0
        self.member_epochs: dict[str, int] = {}
        self.incarnation = 0
        self.uninformed: set[str] = set()
        """Members that have lost an answer; as in Apache Kafka 4.4 they are not told once more what stood in it."""

    @property
    def group(self) -> StreamsGroup | None:
        group = self.simulation.shard.groups.groups.get("g")
        return group if isinstance(group, StreamsGroup) else None

    @rule(number=MEMBERS)
    def join(self, number: int) -> None:
        self.incarnation += 1
        instance_id = f"i{number}" if number > 3 else None
        try:
            self.threads[number] = self.simulation.thread(
                f"m{number}-{self.incarnation}", WITH_STATE, f"p{number % 3}", instance_id
            )
        except KafkaError as error:
            assert error.error is ErrorCode.UNRELEASED_INSTANCE_ID
            assert instance_id is not None

    @rule(number=MEMBERS)
    def go_on(self, number: int) -> None:
        thread = self.threads.get(number)
        if thread is None:
            return
        error = self.simulation.thread_goes_on(thread)
        assert error in (0, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND)
        if error:
            del self.threads[number]

    @rule(number=MEMBERS)
    def lose_an_answer(self, number: int) -> None:
        """The member goes on as if its heartbeat had never been sent: the next one is accepted or fences it."""
        thread = self.threads.get(number)
        if thread is not None:
            before = thread.epoch, thread.active, thread.standby
            self.go_on(number)
            self.uninformed.add(thread.member_id)
            thread.epoch, thread.active, thread.standby = before

    @rule(number=MEMBERS, is_for_good=st.booleans())
    def leave(self, number: int, is_for_good: bool) -> None:
        thread = self.threads.pop(number, None)
        if thread is not None:
            epoch = -1 if is_for_good or thread.instance_id is None else -2
            try:
                self.simulation.streams_beat(thread.member_id, epoch, instance_id=thread.instance_id)
            except KafkaError as error:
                assert error.error in (
                    ErrorCode.UNKNOWN_MEMBER_ID,
                    ErrorCode.FENCED_INSTANCE_ID,
                    ErrorCode.GROUP_ID_NOT_FOUND,
                )

    @rule(delay_ms=st.sampled_from([1_000, 20_000, 31_000, 46_000]))
    def wait(self, delay_ms: int) -> None:
        self.simulation.advance(delay_ms)

    @rule()
    def grow(self) -> None:
        count = min(len(self.simulation.image.topics.by_name["in"].partitions) + 1, 9)
        self.simulation.more_partitions("in", count)
        self.simulation.more_partitions("changelog", count)

    @rule(replicas=st.sampled_from(["0", "1", "2"]))
    def configure(self, replicas: str) -> None:
        self.simulation.group_overrides["streams.num.standby.replicas"] = replicas

    @rule()
    def restart(self) -> None:
        before = self.group
        self.simulation = self.simulation.restarted()  # type: ignore[assignment]
        if before is not None:
            assert self.group is not None
            assert durable_state(self.group) == durable_state(before)

    @precondition(lambda self: bool(self.threads))
    @rule()
    def settle(self) -> None:
        """Left alone, the group becomes stable, and all tasks are run, by those that they were meant for."""
        for _ in range(60):
            for number in list(self.threads):
                self.go_on(number)
            self.simulation.advance(1_000)  # a minute: whoever is silent is out in the end
        if not self.threads:
            return
        group = self.group
        assert group is not None
        assert group.state_name == "Stable"
        runners = self.simulation.task_runners()
        assert set(runners) == {("0", p) for p in self.simulation.image.topics.by_name["in"].partitions}
        for thread in self.threads.values():
            if thread.member_id in self.uninformed:
                continue
            assert {(name, p) for name, found in thread.active.items() for p in found} == {
                task for task, runner in runners.items() if runner == thread.member_id
            }

    @invariant()
    def no_task_is_run_twice(self) -> None:
        group = self.group
        if group is None:
            return
        self.simulation.task_runners()
        targets = [(n, p) for t in group.target_assignment.values() for n, found in t.active.items() for p in found]
        assert len(targets) == len(set(targets))
        assert set(group.target_assignment) <= set(group.members)

    @invariant()
    def epochs_never_fall(self) -> None:
        group = self.group
        if group is None:
            return
        assert group.group_epoch >= self.group_epoch
        assert group.assignment_epoch <= group.group_epoch
        self.group_epoch = group.group_epoch
        for member in group.members.values():
            if member.member_epoch >= 0:
                assert self.member_epochs.get(member.member_id, 0) <= member.member_epoch <= group.group_epoch
                self.member_epochs[member.member_id] = member.member_epoch


StreamsGroupMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestStreamsGroup = StreamsGroupMachine.TestCase
