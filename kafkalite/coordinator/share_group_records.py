"""The records of share groups, as they are written: what becomes of groups, members and assignments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kafkalite.coordinator.assignors.partition_assignor import Assignment
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_records.share_group import (
    ShareGroupCurrentMemberAssignmentKey,
    ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey,
    ShareGroupMemberMetadataValue,
    ShareGroupMetadataKey,
    ShareGroupMetadataValue,
    ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
    TopicInfo,
    TopicPartition,
    TopicPartitions,
    TopicPartitionsInfo,
)

if TYPE_CHECKING:
    from kafkalite.coordinator.share_group import ShareGroupMember, ShareTopics, StateMetadata

UNKNOWN_TOPIC_NAME = "<UNKNOWN>"


def group_record(group_id: str, epoch: int, metadata_hash: int) -> CoordinatorRecord:
    """The group at an epoch."""
    return CoordinatorRecord(
        ShareGroupMetadataKey(group_id=group_id), ShareGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash)
    )


def group_tombstone(group_id: str) -> CoordinatorRecord:
    """The group's end; after those of all it has."""
    return CoordinatorRecord(ShareGroupMetadataKey(group_id=group_id), None)


def member_record(group_id: str, member: ShareGroupMember) -> CoordinatorRecord:
    """What a member wants."""
    return CoordinatorRecord(
        ShareGroupMemberMetadataKey(group_id=group_id, member_id=member.member_id),
        ShareGroupMemberMetadataValue(
            rack_id=member.rack_id,
            client_id=member.client_id,
            client_host=member.client_host,
            subscribed_topic_names=sorted(member.subscribed_topic_names),
        ),
    )


def member_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member's end; after those of its assignments."""
    return CoordinatorRecord(ShareGroupMemberMetadataKey(group_id=group_id, member_id=member_id), None)


def current_assignment_record(group_id: str, member: ShareGroupMember) -> CoordinatorRecord:
    """What a member has."""
    return CoordinatorRecord(
        ShareGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member.member_id),
        ShareGroupCurrentMemberAssignmentValue(
            member_epoch=member.member_epoch,
            previous_member_epoch=member.previous_member_epoch,
            state=0,
            assigned_partitions=[
                TopicPartitions(topic_id=topic_id, partitions=list(indexes))
                for topic_id, indexes in member.assigned_partitions.items()
            ],
        ),
    )


def current_assignment_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member has nothing any more."""
    return CoordinatorRecord(ShareGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id), None)


def target_assignment_record(group_id: str, member_id: str, assignment: Assignment) -> CoordinatorRecord:
    """What a member is to have."""
    topics = [TopicPartition(topic_id=topic_id, partitions=list(indexes)) for topic_id, indexes in assignment.items()]
    return CoordinatorRecord(
        ShareGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id),
        ShareGroupTargetAssignmentMemberValue(topic_partitions=topics),
    )


def target_assignment_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member is to have nothing any more."""
    return CoordinatorRecord(ShareGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id), None)


def target_assignment_metadata_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    """An assignment for an epoch of the group is complete."""
    return CoordinatorRecord(
        ShareGroupTargetAssignmentMetadataKey(group_id=group_id),
        ShareGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=timestamp_ms),
    )


def target_assignment_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    """There is no assignment any more."""
    return CoordinatorRecord(ShareGroupTargetAssignmentMetadataKey(group_id=group_id), None)


def state_metadata_record(
    group_id: str, state: StateMetadata, topic_name: Callable[[Uuid], str | None]
) -> CoordinatorRecord:
    """Which share partitions have state."""
    return CoordinatorRecord(
        ShareGroupStatePartitionMetadataKey(group_id=group_id),
        ShareGroupStatePartitionMetadataValue(
            initializing_topics=_infos(state.initializing),
            initialized_topics=_infos(state.initialized),
            deleting_topics=[
                TopicInfo(topic_id=topic_id, topic_name=topic_name(topic_id) or UNKNOWN_TOPIC_NAME)
                for topic_id in sorted(state.deleting)
            ],
        ),
    )


def state_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    """No share partition has state any more."""
    return CoordinatorRecord(ShareGroupStatePartitionMetadataKey(group_id=group_id), None)


def _infos(topics: ShareTopics) -> list[TopicPartitionsInfo]:
    return [
        TopicPartitionsInfo(topic_id=topic_id, topic_name=topic.name, partitions=sorted(topic.partitions))
        for topic_id, topic in topics.items()
    ]
