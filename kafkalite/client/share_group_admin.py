"""What administrators ask about share groups (KIP-932): who is in them, where they start, and how to change that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kafkalite.client.admin import Admin, raise_for
from kafkalite.client.endpoint import Endpoint
from kafkalite.client.group_admin import parse_state
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition


class ShareMember(NamedTuple):
    member_id: str
    client_id: str
    host: str
    assignment: Sequence[TopicPartition]
    member_epoch: int


class ShareGroup(NamedTuple):
    group_id: str
    state: str
    members: Sequence[ShareMember]
    coordinator: tuple[int, Endpoint]
    group_epoch: int
    assignment_epoch: int


class ShareOffset(NamedTuple):
    """Where a share group starts in a partition; what the broker does not tell is None."""

    start_offset: int
    leader_epoch: int | None
    lag: int | None


def describe_share_group(admin: Admin, group_id: str) -> ShareGroup:
    """Raises KafkaError, GROUP_ID_NOT_FOUND for one."""
    from kafkalite.protocol.messages.share_group_describe import ShareGroupDescribeRequest

    response = admin.send_to_coordinator(
        group_id,
        ShareGroupDescribeRequest(group_ids=[group_id]),
        call="describeShareGroups",
        errors=lambda response: [group.error_code for group in response.groups],
    )
    (group,) = response.groups
    raise_for(group.error_code, group.error_message)
    members = [
        ShareMember(
            member.member_id,
            member.client_id,
            member.client_host,
            [
                TopicPartition(topic.topic_name, partition)
                for topic in member.assignment.topic_partitions
                for partition in topic.partitions
            ],
            member.member_epoch,
        )
        for member in group.members
    ]
    node_id = admin.coordinator(group_id)
    coordinator = (node_id, admin.brokers()[node_id])
    return ShareGroup(
        group_id, parse_state(group.group_state), members, coordinator, group.group_epoch, group.assignment_epoch
    )


def share_group_offsets(admin: Admin, group_id: str) -> dict[TopicPartition, ShareOffset | None]:
    """Where the group starts in each of its partitions, None where nowhere yet; raises KafkaError."""
    from kafkalite.protocol.messages.describe_share_group_offsets import (
        DescribeShareGroupOffsetsRequest,
        DescribeShareGroupOffsetsRequestGroup,
    )

    response = admin.send_to_coordinator(
        group_id,
        DescribeShareGroupOffsetsRequest(
            groups=[DescribeShareGroupOffsetsRequestGroup(group_id=group_id, topics=None)]
        ),
        call="describeShareGroupOffsets",
        errors=lambda response: [group.error_code for group in response.groups],
    )
    (group,) = response.groups
    raise_for(group.error_code, group.error_message)
    offsets: dict[TopicPartition, ShareOffset | None] = {}
    for topic in group.topics:
        for partition in topic.partitions:
            if partition.error_code:
                continue
            offsets[TopicPartition(topic.topic_name, partition.partition_index)] = (
                None
                if partition.start_offset < 0
                else ShareOffset(
                    partition.start_offset,
                    None if partition.leader_epoch < 0 else partition.leader_epoch,
                    None if partition.lag < 0 else partition.lag,
                )
            )
    return offsets


def alter_share_group_offsets(
    admin: Admin, group_id: str, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, KafkaError]:
    """Sets where a group without members starts; returns the partitions that failed."""
    from kafkalite.protocol.messages.alter_share_group_offsets import (
        AlterShareGroupOffsetsRequest,
        AlterShareGroupOffsetsRequestPartition,
        AlterShareGroupOffsetsRequestTopic,
    )

    topics: dict[str, AlterShareGroupOffsetsRequestTopic] = {}
    for (name, index), offset in offsets.items():
        topic = topics.setdefault(name, AlterShareGroupOffsetsRequestTopic(topic_name=name))
        topic.partitions.append(AlterShareGroupOffsetsRequestPartition(partition_index=index, start_offset=offset))
    response = admin.send_to_coordinator(
        group_id,
        AlterShareGroupOffsetsRequest(group_id=group_id, topics=list(topics.values())),
        call="alterShareGroupOffsets",
    )
    if response.error_code:
        error = KafkaError(ErrorCode.for_code(response.error_code), response.error_message)
        return dict.fromkeys(offsets, error)
    return {
        TopicPartition(answered.topic_name, partition.partition_index): KafkaError(
            ErrorCode.for_code(partition.error_code), partition.error_message
        )
        for answered in response.responses
        for partition in answered.partitions
        if partition.error_code
    }


def delete_share_group_offsets(admin: Admin, group_id: str, topics: Iterable[str]) -> dict[str, KafkaError | None]:
    """Forgets a group's offsets in topics; returns each topic's result, raises KafkaError where all was refused."""
    from kafkalite.protocol.messages.delete_share_group_offsets import (
        DeleteShareGroupOffsetsRequest,
        DeleteShareGroupOffsetsRequestTopic,
    )

    wanted = list(topics)
    response = admin.send_to_coordinator(
        group_id,
        DeleteShareGroupOffsetsRequest(
            group_id=group_id, topics=[DeleteShareGroupOffsetsRequestTopic(topic_name=name) for name in wanted]
        ),
        call="deleteShareGroupOffsets",
    )
    raise_for(response.error_code, response.error_message)
    return {
        topic.topic_name: KafkaError(ErrorCode.for_code(topic.error_code), topic.error_message)
        if topic.error_code
        else None
        for topic in response.responses
    }
