"""The range assignor: of each topic every subscriber gets one run of partitions, the same for topics of equal size.

Members are taken in the order of their instance ids, those without one after them by member id. So topics that are
partitioned alike are read alike, and joins between them find both sides. Apache Kafka's RangeAssignor.
"""

from __future__ import annotations

from collections import Counter

from kafkalite.coordinator.assignors.partition_assignor import Assignment, GroupSpec
from kafkalite.identifiers import Uuid


def assign_ranges(spec: GroupSpec) -> dict[str, Assignment]:
    """Shares out each topic's partitions in runs; the first subscribers get one more where it does not divide."""
    subscribers: Counter[Uuid] = Counter(topic_id for member in spec.members.values() for topic_id in member.topic_ids)
    quotas = {topic_id: divmod(spec.partition_counts[topic_id], count) for topic_id, count in subscribers.items()}
    taken: Counter[Uuid] = Counter()
    next_partitions: Counter[Uuid] = Counter()
    assignments: dict[str, Assignment] = {}
    for member_id in sorted(spec.members, key=lambda member_id: _rank(spec, member_id)):
        assignment: dict[Uuid, tuple[int, ...]] = {}
        for topic_id in spec.members[member_id].topic_ids:
            quota, extra = quotas[topic_id]
            size = quota + (taken[topic_id] < extra)
            taken[topic_id] += 1
            if size:
                start = next_partitions[topic_id]
                assignment[topic_id] = tuple(range(start, start + size))
                next_partitions[topic_id] = start + size
        assignments[member_id] = assignment
    return assignments


def _rank(spec: GroupSpec, member_id: str) -> tuple[bool, str]:
    instance_id = spec.members[member_id].instance_id
    return (True, member_id) if instance_id is None else (False, instance_id)
