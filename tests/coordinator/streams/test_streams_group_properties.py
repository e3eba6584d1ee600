"""Whatever members of a streams group do, in whatever order and however late."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from kafkalite.coordinator.streams.streams_group import StreamsGroup
from kafkalite.errors import ErrorCode, KafkaError
from modern_group_machine import MEMBERS, ModernGroupMachine
from streams_group_simulation import WITH_STATE, SimulatedThread, StreamsGroupSimulation, durable_state


class StreamsGroupMachine(ModernGroupMachine[StreamsGroupSimulation, StreamsGroup, SimulatedThread]):
    """Members of three processes join, go on, lose answers, leave, fall silent; topics grow; the broker restarts."""

    def __init__(self) -> None:
        super().__init__(StreamsGroupSimulation(), StreamsGroup)
        self.simulation.topic("in", 5)
        self.simulation.topic("changelog", 5)
        self.uninformed: set[str] = set()
        """Members that have lost an answer; as in Apache Kafka 4.4 they are not told once more what stood in it."""

    def beat_on(self, client: SimulatedThread) -> int:
        return self.simulation.thread_goes_on(client)

    def beat_goodbye(self, client: SimulatedThread, epoch: int) -> None:
        self.simulation.streams_beat(client.member_id, epoch, instance_id=client.instance_id)

    def durable_state(self, group: StreamsGroup) -> dict[str, Any]:
        return durable_state(group)

    @rule(number=MEMBERS)
    def join(self, number: int) -> None:
        self.incarnation += 1
        instance_id = f"i{number}" if number > 3 else None
        try:
            self.clients[number] = self.simulation.thread(
                f"m{number}-{self.incarnation}", WITH_STATE, f"p{number % 3}", instance_id
            )
        except KafkaError as error:
            assert error.error is ErrorCode.UNRELEASED_INSTANCE_ID
            assert instance_id is not None

    @rule(number=MEMBERS)
    def lose_an_answer(self, number: int) -> None:
        """The member goes on as if its heartbeat had never been sent: the next one is accepted or fences it."""
        thread = self.clients.get(number)
        if thread is not None:
            before = thread.epoch, thread.active, thread.standby
            self.go_on(number)
            self.uninformed.add(thread.member_id)
            thread.epoch, thread.active, thread.standby = before

    @rule()
    def grow(self) -> None:
        count = min(len(self.simulation.image.topics.by_name["in"].partitions) + 1, 9)
        self.simulation.more_partitions("in", count)
        self.simulation.more_partitions("changelog", count)

    @rule(replicas=st.sampled_from(["0", "1", "2"]))
    def configure(self, replicas: str) -> None:
        self.simulation.group_overrides["streams.num.standby.replicas"] = replicas

    def check_settled(self, group: StreamsGroup) -> None:
        """All tasks are run, by those that they were meant for."""
        runners = self.simulation.task_runners()
        assert set(runners) == {("0", p) for p in self.simulation.image.topics.by_name["in"].partitions}
        for thread in self.clients.values():
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


StreamsGroupMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestStreamsGroup = StreamsGroupMachine.TestCase
