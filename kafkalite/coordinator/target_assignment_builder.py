"""Computes the target assignment of a consumer group for a new epoch, and the records that tell what it changes.

Apache Kafka's TargetAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kafkalite.coordinator.assignors.partition_assignor import (
    Assignment,
    GroupSpec,
    MemberSpec,
    PartitionAssignor,
    SubscriptionType,
)
from kafkalite.coordinator.consumer_group import UNRESOLVED, ConsumerGroup, ResolvedRegularExpression
from kafkalite.coordinator.consumer_group_member import ConsumerGroupMember
from kafkalite.coordinator.consumer_group_records import target_assignment_metadata_record, target_assignment_record
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.identifiers import Uuid


class TargetAssignment(NamedTuple):
    """An assignment of all members, and the records that lead to it."""

    assignment: dict[str, Assignment]
    records: list[CoordinatorRecord]


def build_target_assignment(
    group: ConsumerGroup,
    updated: ConsumerGroupMember,
    *,
    group_epoch: int,
    subscription_type: SubscriptionType,
    assignor: PartitionAssignor,
    metadata: CoordinatorMetadataImage,
    now_ms: int,
) -> TargetAssignment:
    """The assignment for `group_epoch`, one member having become `updated`, perhaps a static one in another's place."""
    members = {**group.members, updated.member_id: updated}
    targets = group.target_assignment
    previous_id = None if updated.instance_id is None else group.static_members.get(updated.instance_id)
    if previous_id is not None and previous_id != updated.member_id:
        del members[previous_id]
        targets = {**targets, updated.member_id: targets.get(previous_id, {})}
    topic_ids = _TopicIds(group.resolved_regexes, metadata)
    specs = {
        member_id: MemberSpec(
            topic_ids.subscribed_by(members[member_id]), targets.get(member_id, {}), members[member_id].instance_id
        )
        for member_id in hash_map_order(members)
    }
    partition_counts = {
        topic_id: metadata.partition_count(topic_id) for spec in specs.values() for topic_id in spec.topic_ids
    }
    computed = assignor(GroupSpec(specs, subscription_type, partition_counts))
    records = [
        target_assignment_record(group.group_id, member_id, computed.get(member_id, {}))
        for member_id in specs
        if computed.get(member_id, {}) != group.target_assignment.get(member_id)
    ]
    records.append(target_assignment_metadata_record(group.group_id, group_epoch, now_ms))
    return TargetAssignment(computed, records)


def subscribed_topic_names(
    member: ConsumerGroupMember, resolved_regexes: Mapping[str, ResolvedRegularExpression]
) -> frozenset[str]:
    """What a member is subscribed to, by name and by regular expression; one not resolved yet matches nothing."""
    regex = member.regex
    if regex is None:
        return member.subscribed_topic_names
    return member.subscribed_topic_names | resolved_regexes.get(regex, UNRESOLVED).topics


class _TopicIds:
    """Looks topics up once for all members that are subscribed alike."""

    def __init__(
        self, resolved_regexes: Mapping[str, ResolvedRegularExpression], metadata: CoordinatorMetadataImage
    ) -> None:
        self._resolved_regexes = resolved_regexes
        self._metadata = metadata
        self._found: dict[frozenset[str], tuple[Uuid, ...]] = {}

    def subscribed_by(self, member: ConsumerGroupMember) -> tuple[Uuid, ...]:
        names = subscribed_topic_names(member, self._resolved_regexes)
        found = self._found.get(names)
        if found is None:
            found = self._found[names] = tuple(self._metadata.topic_ids(names).values())
        return found
