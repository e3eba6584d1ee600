"""The simple assignor of share groups: every partition to as many members as it takes for all to have work.

Where there are more members than partitions, partitions are shared; each member gets its share of the places, and
keeps what it has as far as that goes. Members of different subscriptions are served topic by topic. Apache Kafka's
SimpleAssignor (KIP-932).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from kafkalite.coordinator.assignors.partition_assignor import Assignment, GroupSpec, SubscriptionType
from kafkalite.identifiers import Uuid

TopicIdPartition: TypeAlias = "tuple[Uuid, int]"


def assign_simply(spec: GroupSpec, assignable: Mapping[Uuid, Iterable[int]]) -> dict[str, Assignment]:
    """Who reads which of the `assignable` partitions."""
    topic_ids = list(dict.fromkeys(topic_id for member in spec.members.values() for topic_id in member.topic_ids))
    targets = {
        topic_id: [(topic_id, index) for index in sorted(assignable.get(topic_id, ())) if index < count]
        for topic_id in topic_ids
        for count in (spec.partition_counts[topic_id],)
    }
    if spec.subscription_type is SubscriptionType.HOMOGENEOUS:
        rounds = [([partition for topic_id in topic_ids for partition in targets[topic_id]], list(spec.members))]
    else:
        rounds = [
            (targets[topic_id], [name for name, member in spec.members.items() if topic_id in member.topic_ids])
            for topic_id in topic_ids
        ]
    assigned: dict[str, dict[Uuid, list[int]]] = {member_id: {} for member_id in spec.members}
    for partitions, member_ids in rounds:
        topics = {topic_id for topic_id, _ in partitions}
        held = [
            [
                (topic_id, index)
                for topic_id, indexes in spec.members[member_id].assignment.items()
                if topic_id in topics
                for index in indexes
            ]
            for member_id in member_ids
        ]
        for member_id, now_held in zip(member_ids, _spread(partitions, held), strict=True):
            for topic_id, index in now_held:
                assigned[member_id].setdefault(topic_id, []).append(index)
    return {
        member_id: {topic_id: tuple(sorted(indexes)) for topic_id, indexes in topics_of.items()}
        for member_id, topics_of in assigned.items()
    }


def _spread(
    partitions: Sequence[TopicIdPartition], held: Sequence[Sequence[TopicIdPartition]]
) -> list[list[TopicIdPartition]]:
    """What each of the members, which hold something already, is to have of these partitions."""
    member_count = len(held)
    if not member_count or not partitions:
        return [[] for _ in held]
    sharing = -(-member_count // len(partitions))
    places = sharing * len(partitions)
    # The places are divided as evenly as whole numbers allow: ceilings of multiples of places / members.
    wanted = [
        -(-places * (number + 1) // member_count) + (-places * number // member_count) for number in range(member_count)
    ]
    known = frozenset(partitions)
    kept = [[one for one in mine if one in known] for mine in held]
    for mine, count in zip(kept, wanted, strict=True):
        del mine[: max(0, len(mine) - count)]
    holders: dict[TopicIdPartition, list[int]] = {partition: [] for partition in partitions}
    for number, mine in enumerate(kept):
        for partition in mine:
            holders[partition].append(number)
    for partition, numbers in holders.items():
        for number in numbers[: max(0, len(numbers) - sharing)]:
            kept[number].remove(partition)
            numbers.remove(number)
    unfilled = [number for number, mine in enumerate(kept) if len(mine) < wanted[number]]
    at = 0
    for partition, numbers in holders.items():
        for _ in range(sharing - len(numbers)):
            free = next((i for i in range(at, at + len(unfilled)) if unfilled[i % len(unfilled)] not in numbers), None)
            if free is None:
                break
            at = free % len(unfilled)
            number = unfilled[at]
            kept[number].append(partition)
            numbers.append(number)
            if len(kept[number]) >= wanted[number]:
                del unfilled[at]
            else:
                at += 1
            at = at % len(unfilled) if unfilled else 0
    return kept
