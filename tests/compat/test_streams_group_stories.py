"""Random stories of streams groups, told to Apache Kafka and to kafkalite: threads of three processes come and go."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from kafkalite.protocol.messages.streams_group_heartbeat import Endpoint, Subtopology, Topology
from streams_group_scenarios import StreamsGroupOnSide, internal_topic
from transcript import Compare, Side

STEPS = 40


@pytest.mark.parametrize("seed", range(6))
def test_random_stories_are_told_alike(compare: Compare, seed: int) -> None:
    compare(lambda side: Story(side, Random(seed)).tell())


class Story:
    """What happens depends on the seed and on answers that have to be equal."""

    def __init__(self, side: Side, random: Random) -> None:
        self.random = random
        self.group = StreamsGroupOnSide(side)
        self.configure()
        # The changelog topics are there from the start: Apache Kafka makes them one after the other behind its answers,
        # and each may be an epoch of its own.
        subtopologies = []
        for number in range(random.choice([1, 2])):
            partitions = random.choice([1, 3, 6])
            changelogs = (
                [internal_topic(side.topic(partitions), cleanup_policy="compact")] if random.random() < 0.6 else []
            )
            subtopologies.append(
                Subtopology(
                    subtopology_id=str(number),
                    source_topics=[side.topic(partitions)],
                    state_changelog_topics=changelogs,
                )
            )
            for each in [*subtopologies[-1].source_topics, *(changelog.name for changelog in changelogs)]:
                self.group.wait_until_seen(each)
        self.topology = Topology(subtopologies=subtopologies)
        self.instances: dict[str, str | None] = {}
        self.count = 0

    def tell(self) -> None:
        group = self.group
        group.join("first", self.topology, is_noted=False)
        group.until_ready("first")
        group.go_on("first")
        group.beat("first", -1)
        for step in range(STEPS):
            self.step()
            if self.random.random() < 0.2:
                group.describe(f"step {step}")
        for _ in range(4):
            for member_id in sorted(self.instances):
                group.go_on(member_id, instance_id=self.instances[member_id])
        group.describe("the end")

    def step(self) -> None:
        chance = self.random.random()
        if chance < 0.25 or not self.instances:
            self.join()
            return
        member_id = self.random.choice(sorted(self.instances))
        if chance < 0.75:
            self.beat(member_id, "goes on", owns=True)
        elif chance < 0.8:
            self.beat(member_id, "says nothing")
        elif chance < 0.85:
            self.beat(member_id, "is behind", self.group.epochs[member_id] - 1, owns=True)
        elif chance < 0.95:
            is_for_good = self.instances[member_id] is None or self.random.random() < 0.5
            self.beat(member_id, "leaves", -1 if is_for_good else -2)
            self.instances.pop(member_id, None)
        else:
            self.configure()

    def join(self) -> None:
        """A new member, perhaps under an instance id that nobody bears just now."""
        self.count += 1
        member_id, instance_id = f"m{self.count}", self.random.choice([None, None, "i", "j"])
        if instance_id in self.instances.values():
            instance_id = None
        facts: dict[str, Any] = {}
        if self.random.random() < 0.3:
            facts["user_endpoint"] = Endpoint(host=member_id, port=self.count)
        process_id = f"p{self.random.randrange(3)}"
        answer = self.group.join(member_id, self.topology, process_id=process_id, instance_id=instance_id, **facts)
        if answer.error_code == 0:
            self.instances[member_id] = instance_id

    def beat(self, member_id: str, what: str, epoch: int | None = None, *, owns: bool = False) -> None:
        active, standby = self.group.owned[member_id]
        facts: dict[str, Any] = {"active": active, "standby": standby} if owns else {}
        instance_id = self.instances[member_id]
        answer = self.group.beat(member_id, epoch, instance_id=instance_id, label=f"{member_id} {what}", **facts)
        if answer.error_code:
            del self.instances[member_id]

    def configure(self) -> None:
        self.group.configure("streams.num.standby.replicas", str(self.random.choice([0, 1, 2])))
