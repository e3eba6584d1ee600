"""The uniform assignor: members differ by at most one partition, and partitions stay where they are if they may.

Where all members are subscribed to the same topics, each has a quota: what exceeds it is taken away, what is free fills
up those below it. Other groups are balanced topic by topic. Apache Kafka's UniformAssignor.
"""

from __future__ import annotations

from kafkalite.coordinator.assignors.heterogeneous_assignment import HeterogeneousAssignment
from kafkalite.coordinator.assignors.partition_assignor import Assignment, GroupSpec, SubscriptionType
from kafkalite.coordinator.string_hash import hash_set_order
from kafkalite.identifiers import Uuid


def assign_uniformly(spec: GroupSpec) -> dict[str, Assignment]:
    """Shares out all partitions evenly, moving as few as possible."""
    if not spec.members:
        return {}
    if spec.subscription_type is SubscriptionType.HETEROGENEOUS:
        return HeterogeneousAssignment(spec).build()
    topic_ids = next(iter(spec.members.values())).topic_ids
    if not topic_ids:
        return {}
    assignments, free, unfilled = _keep_within_quotas(spec, topic_ids)
    _fill_up(assignments, free, unfilled)
    return {
        member_id: {topic_id: tuple(sorted(partitions)) for topic_id, partitions in assignment.items() if partitions}
        for member_id, assignment in assignments.items()
    }


_Assignments = dict[str, dict[Uuid, set[int]]]


def _keep_within_quotas(
    spec: GroupSpec, topic_ids: tuple[Uuid, ...]
) -> tuple[_Assignments, list[tuple[Uuid, int]], list[tuple[str, int]]]:
    """What members keep, which partitions are free, and which members may have how many more."""
    owned = {
        (topic_id, partition)
        for member in spec.members.values()
        for topic_id, partitions in member.assignment.items()
        for partition in partitions
    }
    free: list[tuple[Uuid, int]] = []
    total = 0
    for topic_id in topic_ids:
        count = spec.partition_counts[topic_id]
        total += count
        free += [(topic_id, partition) for partition in range(count) if (topic_id, partition) not in owned]
    minimum, extra_count = divmod(total, len(spec.members))
    subscribed = frozenset(topic_ids)
    assignments: _Assignments = {}
    unfilled: list[tuple[str, int]] = []
    for index, (member_id, member) in enumerate(spec.members.items()):
        quota = minimum
        has_extra = extra_count > 0
        if has_extra:
            quota += 1
        kept: dict[Uuid, set[int]] = {}
        for topic_id, partitions in member.assignment.items():
            if topic_id not in subscribed:
                continue
            if len(partitions) <= quota:
                quota -= len(partitions)
                kept[topic_id] = set(partitions)
                continue
            ordered = hash_set_order(partitions)
            kept[topic_id] = set(ordered[:quota])
            free += [(topic_id, partition) for partition in ordered[quota:]]
            quota = 0
        if quota > 0 and has_extra and len(spec.members) - index > extra_count:
            # Somebody else may already have the extra partition; the last ones have to take those that are left.
            quota -= 1
            has_extra = False
        if quota > 0:
            unfilled.append((member_id, quota))
        if has_extra:
            extra_count -= 1
        assignments[member_id] = kept
    return assignments, free, unfilled


def _fill_up(assignments: _Assignments, free: list[tuple[Uuid, int]], unfilled: list[tuple[str, int]]) -> None:
    position = 0
    for member_id, quota in unfilled:
        assignment = assignments[member_id]
        for topic_id, partition in free[position : position + quota]:
            assignment.setdefault(topic_id, set()).add(partition)
        position += quota
