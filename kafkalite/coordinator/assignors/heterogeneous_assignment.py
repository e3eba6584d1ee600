"""The uniform assignor's way with members of different subscriptions: topic by topic, to whoever has least.

First everyone keeps what it may keep, then free partitions go to the least loaded subscribers of their topic, and then
partitions move from the most to the least loaded subscribers of a topic, over all topics again and again, until
nothing moves. Apache Kafka's UniformHeterogeneousAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kafkalite.coordinator.assignors.partition_assignor import Assignment, GroupSpec
from kafkalite.identifiers import Uuid

MAX_ITERATION_COUNT: Final = 16
"""Rounds over all topics; overlapping subscriptions may take long to settle."""
NOBODY: Final = -1


class HeterogeneousAssignment:
    """An assignment in the making. Members and their loads go by number."""

    def __init__(self, spec: GroupSpec) -> None:
        self._spec = spec
        self._member_ids = list(spec.members)
        self._subscribers: dict[Uuid, list[int]] = {}
        for number, member in enumerate(spec.members.values()):
            for topic_id in member.topic_ids:
                self._subscribers.setdefault(topic_id, []).append(number)
        self._loads = [0] * len(self._member_ids)
        self._owners = {topic_id: [NOBODY] * spec.partition_counts[topic_id] for topic_id in self._subscribers}

    def build(self) -> dict[str, Assignment]:
        """The whole assignment."""
        self._keep()
        self._assign_free()
        self._balance()
        assignments: dict[str, dict[Uuid, list[int]]] = {member_id: {} for member_id in self._member_ids}
        for topic_id, owners in self._owners.items():
            for partition, owner in enumerate(owners):
                if owner != NOBODY:
                    assignments[self._member_ids[owner]].setdefault(topic_id, []).append(partition)
        return {
            member_id: {topic_id: tuple(partitions) for topic_id, partitions in assignment.items()}
            for member_id, assignment in assignments.items()
        }

    def _sorted(self, topic_ids: Iterable[Uuid]) -> list[Uuid]:
        """Topics with most partitions per subscriber first, then those with few subscribers."""

        def rank(topic_id: Uuid) -> tuple[float, int, Uuid]:
            count = len(self._subscribers[topic_id])
            return -len(self._owners[topic_id]) / count, count, topic_id

        return sorted(topic_ids, key=rank)

    def _keep(self) -> None:
        for number, member in enumerate(self._spec.members.values()):
            subscribed = frozenset(member.topic_ids)
            for topic_id, partitions in member.assignment.items():
                if topic_id not in subscribed:
                    continue
                owners = self._owners[topic_id]
                for partition in partitions:
                    if partition < len(owners):
                        owners[partition] = number
                        self._loads[number] += 1

    def _assign_free(self) -> None:
        free = {topic_id: [p for p, owner in enumerate(o) if owner == NOBODY] for topic_id, o in self._owners.items()}
        for topic_id in self._sorted(topic_id for topic_id, partitions in free.items() if partitions):
            balancer = _Balancer(self._loads, self._subscribers[topic_id])
            for partition in free[topic_id]:
                self._assign(topic_id, partition, balancer.next_least_loaded())

    def _assign(self, topic_id: Uuid, partition: int, number: int) -> None:
        owners = self._owners[topic_id]
        if owners[partition] != NOBODY:
            self._loads[owners[partition]] -= 1
        owners[partition] = number
        self._loads[number] += 1

    def _balance(self) -> None:
        topic_ids = self._sorted(topic_id for topic_id, numbers in self._subscribers.items() if len(numbers) >= 2)
        last_changed: Uuid | None = None
        for _ in range(MAX_ITERATION_COUNT):
            for topic_id in topic_ids:
                if topic_id == last_changed:
                    return  # All topics have been looked at since, and nothing has moved.
                if self._balance_topic(topic_id) or last_changed is None:
                    last_changed = topic_id

    def _balance_topic(self, topic_id: Uuid) -> int:
        """Moves partitions of one topic to its least loaded subscribers; how many."""
        balancer = _Balancer(self._loads, self._subscribers[topic_id])
        if balancer.imbalance <= 1:
            return 0
        owned: dict[int, list[int]] = {}
        for partition, owner in enumerate(self._owners[topic_id]):
            owned.setdefault(owner, []).append(partition)
        moved_count = 0
        while not balancer.is_balanced:
            giver = balancer.next_most_loaded()
            while giver is not None and not owned.get(giver):
                balancer.exclude_most_loaded()
                giver = balancer.next_most_loaded()
            if giver is None:
                break
            partition = owned[giver].pop()
            receiver = balancer.next_least_loaded()
            if balancer.is_balanced:
                break
            self._assign(topic_id, partition, receiver)
            moved_count += 1
        return moved_count


class _Balancer:
    """Goes round the least loaded subscribers of a topic, and round the most loaded ones.

    Members are sorted by load. The least loaded range begins on the left: when each member in it has got a partition
    its level rises by one, and it grows by those who are at that level already. The most loaded range begins on the
    right and sinks likewise. Once the levels differ by no more than one, the topic is balanced.
    """

    def __init__(self, loads: Sequence[int], subscribers: Iterable[int]) -> None:
        self._loads = loads
        members = self._members = sorted(subscribers, key=lambda number: (loads[number], number))
        lowest, highest = loads[members[0]], loads[members[-1]]
        self.imbalance = highest - lowest
        self._low_end, self._low_level, self._next_low = 0, lowest - 1, 0
        self._high_start, self._high_end = len(members), len(members)
        self._high_level, self._next_high = highest + 1, len(members) - 1

    @property
    def is_balanced(self) -> bool:
        """Whether moving a partition from the most to the least loaded would change nothing for the better."""
        return self._high_level - self._low_level <= 1

    def next_least_loaded(self) -> int:
        """Who is to get the next partition."""
        members, loads = self._members, self._loads
        if self._next_low >= self._low_end:
            self._low_level += 1
            while self._low_end < len(members) and loads[members[self._low_end]] == self._low_level:
                self._low_end += 1
            self._next_low = 0
        self._next_low += 1
        return members[self._next_low - 1]

    def next_most_loaded(self) -> int | None:
        """Who is to give the next partition; None where nobody has any to give."""
        members, loads = self._members, self._loads
        if self._next_high < self._high_start:
            if self._high_end <= self._high_start and self._high_start > 0:
                # All of the range were excluded: go on with whoever is next, whatever its load.
                self._high_level = loads[members[self._high_start - 1]]
            else:
                self._high_level -= 1
            while self._high_start > 0 and loads[members[self._high_start - 1]] == self._high_level:
                self._high_start -= 1
            self._next_high = self._high_end - 1
        if self._next_high < 0:
            return None
        self._next_high -= 1
        return members[self._next_high + 1]

    def exclude_most_loaded(self) -> None:
        """Whoever `next_most_loaded` named last has nothing of this topic to give."""
        members, index, end = self._members, self._next_high + 1, self._high_end - 1
        members[index], members[end] = members[end], members[index]
        self._high_end -= 1
