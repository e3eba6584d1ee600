"""The records of streams groups, as they are written: what becomes of groups, topologies, members and assignments."""

from __future__ import annotations

from collections.abc import Mapping

from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.streams.streams_group_member import StreamsGroupMember
from kafkalite.coordinator.streams.tasks import TasksTuple, task_ids_of
from kafkalite.protocol.coordinator_records.streams_group import (
    LastAssignmentConfig,
    StreamsGroupCurrentMemberAssignmentKey,
    StreamsGroupMemberMetadataKey,
    StreamsGroupMetadataKey,
    StreamsGroupMetadataValue,
    StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue,
    StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue,
    StreamsGroupTopologyKey,
    StreamsGroupTopologyValue,
    TargetAssignmentMemberTaskIds,
)


def group_record(
    group_id: str,
    epoch: int,
    metadata_hash: int,
    validated_topology_epoch: int,
    assignment_configs: Mapping[str, str],
    *,
    stored_description_topology_epoch: int,
    failed_description_topology_epoch: int,
) -> CoordinatorRecord:
    """The group at an epoch."""
    return CoordinatorRecord(
        StreamsGroupMetadataKey(group_id=group_id),
        StreamsGroupMetadataValue(
            epoch=epoch,
            metadata_hash=metadata_hash,
            validated_topology_epoch=validated_topology_epoch,
            last_assignment_configs=[
                LastAssignmentConfig(key=key, value=value) for key, value in sorted(assignment_configs.items())
            ],
            stored_description_topology_epoch=stored_description_topology_epoch,
            failed_description_topology_epoch=failed_description_topology_epoch,
        ),
    )


def group_tombstone(group_id: str) -> CoordinatorRecord:
    """The group's end; after those of its members."""
    return CoordinatorRecord(StreamsGroupMetadataKey(group_id=group_id), None)


def topology_record(group_id: str, value: StreamsGroupTopologyValue) -> CoordinatorRecord:
    """What the application is made of."""
    return CoordinatorRecord(StreamsGroupTopologyKey(group_id=group_id), value)


def topology_tombstone(group_id: str) -> CoordinatorRecord:
    """There is no application any more."""
    return CoordinatorRecord(StreamsGroupTopologyKey(group_id=group_id), None)


def member_record(group_id: str, member: StreamsGroupMember) -> CoordinatorRecord:
    """What a member is."""
    return CoordinatorRecord(
        StreamsGroupMemberMetadataKey(group_id=group_id, member_id=member.member_id), member.metadata_value()
    )


def member_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member's end; after those of its assignments."""
    return CoordinatorRecord(StreamsGroupMemberMetadataKey(group_id=group_id, member_id=member_id), None)


def current_assignment_record(group_id: str, member: StreamsGroupMember) -> CoordinatorRecord:
    """What a member has."""
    return CoordinatorRecord(
        StreamsGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member.member_id),
        member.current_assignment_value(),
    )


def current_assignment_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member has nothing any more."""
    return CoordinatorRecord(StreamsGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id), None)


def target_assignment_record(group_id: str, member_id: str, tasks: TasksTuple) -> CoordinatorRecord:
    """What a member is to have."""
    return CoordinatorRecord(
        StreamsGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id),
        StreamsGroupTargetAssignmentMemberValue(
            active_tasks=task_ids_of(tasks.active, TargetAssignmentMemberTaskIds),
            standby_tasks=task_ids_of(tasks.standby, TargetAssignmentMemberTaskIds),
            warmup_tasks=task_ids_of(tasks.warmup, TargetAssignmentMemberTaskIds),
        ),
    )


def target_assignment_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member is to have nothing any more."""
    return CoordinatorRecord(StreamsGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id), None)


def target_assignment_metadata_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    """An assignment for an epoch of the group is complete."""
    return CoordinatorRecord(
        StreamsGroupTargetAssignmentMetadataKey(group_id=group_id),
        StreamsGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=timestamp_ms),
    )


def target_assignment_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    """There is no assignment any more."""
    return CoordinatorRecord(StreamsGroupTargetAssignmentMetadataKey(group_id=group_id), None)


def removal_records(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """All of a member's end."""
    return [
        current_assignment_tombstone(group_id, member_id),
        target_assignment_tombstone(group_id, member_id),
        member_tombstone(group_id, member_id),
    ]
