"""What administrators ask about consumer groups: which there are, who is in them, what they committed.

A group is described with ConsumerGroupDescribe first and, where it is no group of the new protocol, with
DescribeGroups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from kafkalite.client.admin import Admin, AdminTimeoutError, is_retriable, raise_for
from kafkalite.client.endpoint import Endpoint
from kafkalite.client.wire_client import NoCommonVersionError, WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition

CONSUMER_PROTOCOL_TYPE: Final = "consumer"
# Types and states as people know them; brokers spell some of them differently.
_TYPES: Final = {name.lower(): name for name in ("Classic", "Consumer", "Share", "Streams")}
_STATES: Final = {
    name.lower(): name
    for name in (
        "PreparingRebalance",
        "CompletingRebalance",
        "Stable",
        "Dead",
        "Empty",
        "Assigning",
        "Reconciling",
        "NotReady",
    )
}
_UNKNOWN: Final = "Unknown"
# Later versions name topics by id.
_LAST_VERSION_WITH_TOPIC_NAMES: Final = 9


class NotAConsumerGroupError(Exception):
    """A classic group whose members are no consumers."""


class GroupListing(NamedTuple):
    group_id: str
    protocol_type: str
    state: str
    group_type: str


class CommittedOffset(NamedTuple):
    """What a group committed for a partition; `leader_epoch` is None where it is not known."""

    offset: int
    leader_epoch: int | None
    metadata: str


class MemberDescription(NamedTuple):
    """A member; what only the new protocol knows is None in classic groups.

    `is_upgraded`: whether a member of a group in migration speaks the new protocol.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    assignment: Sequence[TopicPartition]
    target_assignment: Sequence[TopicPartition]
    member_epoch: int | None
    is_upgraded: bool | None


class GroupDescription(NamedTuple):
    """A group; the epochs are None for a classic one."""

    group_id: str
    state: str
    assignor: str
    members: Sequence[MemberDescription]
    coordinator: tuple[int, Endpoint]
    group_epoch: int | None
    assignment_epoch: int | None
    is_simple: bool


def list_groups(
    admin: Admin,
    *,
    types: Iterable[str] = (),
    states: Iterable[str] = (),
    protocol_types: Iterable[str] | None = None,
) -> list[GroupListing]:
    """The groups of all brokers; empty filters let everything through."""
    from kafkalite.protocol.messages.list_groups import ListGroupsRequest

    wanted = None if protocol_types is None else set(protocol_types)
    listings: dict[str, GroupListing] = {}
    request = ListGroupsRequest(types_filter=list(types), states_filter=list(states))
    try:
        brokers = admin.brokers(call="findAllBrokers")
    except AdminTimeoutError:
        raise WireClientError("Failed to find brokers to send ListGroups") from None
    for node_id in brokers:
        response = admin.send(
            request, call="listGroups", node_id=node_id, retry_if=lambda response: is_retriable(response.error_code)
        )
        raise_for(response.error_code)
        for group in response.groups:
            if wanted is None or group.protocol_type in wanted:
                listings[group.group_id] = GroupListing(
                    group.group_id,
                    group.protocol_type,
                    parse_state(group.group_state),
                    _TYPES.get(group.group_type.lower(), _UNKNOWN),
                )
    return list(listings.values())


def parse_state(text: str) -> str:
    """A group's state as GroupState prints it; "Unknown" for one that is not known here."""
    return _STATES.get(text.lower(), _UNKNOWN)


def list_consumer_groups(admin: Admin) -> list[GroupListing]:
    """The groups of consumers, classic and new, and those that only hold offsets."""
    return list_groups(admin, types=("Classic", "Consumer"), protocol_types=("", CONSUMER_PROTOCOL_TYPE))


def describe_consumer_group(admin: Admin, group_id: str) -> GroupDescription:
    """Describes a group; raises KafkaError, GROUP_ID_NOT_FOUND for one, and NotAConsumerGroupError."""
    from kafkalite.protocol.messages.consumer_group_describe import Assignment, ConsumerGroupDescribeRequest

    try:
        response = admin.send_to_coordinator(
            group_id,
            ConsumerGroupDescribeRequest(group_ids=[group_id]),
            call="describeConsumerGroups",
            errors=lambda response: [group.error_code for group in response.groups],
        )
    except NoCommonVersionError:
        return _describe_classic_group(admin, group_id, None)
    (group,) = response.groups
    if group.error_code in (ErrorCode.UNSUPPORTED_VERSION, ErrorCode.GROUP_ID_NOT_FOUND):
        # Of two messages about a group that does not exist this one says more.
        message = group.error_message if group.error_code == ErrorCode.GROUP_ID_NOT_FOUND else None
        return _describe_classic_group(admin, group_id, message)
    raise_for(group.error_code, group.error_message)

    def partitions(assignment: Assignment) -> list[TopicPartition]:
        return [
            TopicPartition(t.topic_name, partition) for t in assignment.topic_partitions for partition in t.partitions
        ]

    members = [
        MemberDescription(
            member.member_id,
            member.instance_id,
            member.client_id,
            member.client_host,
            partitions(member.assignment),
            partitions(member.target_assignment),
            member.member_epoch,
            None if member.member_type == -1 else member.member_type == 1,
        )
        for member in group.members
    ]
    return GroupDescription(
        group_id,
        parse_state(group.group_state),
        group.assignor_name,
        members,
        _coordinator(admin, group_id),
        group.group_epoch,
        group.assignment_epoch,
        is_simple=False,
    )


def _describe_classic_group(admin: Admin, group_id: str, not_found_message: str | None) -> GroupDescription:
    from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest

    response = admin.send_to_coordinator(
        group_id,
        DescribeGroupsRequest(groups=[group_id]),
        call="describeConsumerGroups",
        errors=lambda response: [group.error_code for group in response.groups],
    )
    (group,) = response.groups
    if group.error_code == ErrorCode.GROUP_ID_NOT_FOUND:
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, not_found_message or group.error_message)
    raise_for(group.error_code, group.error_message)
    if group.protocol_type not in ("", CONSUMER_PROTOCOL_TYPE):
        raise NotAConsumerGroupError(f"GroupId {group_id} is not a consumer group ({group.protocol_type}).")
    members = [
        MemberDescription(
            member.member_id,
            member.group_instance_id,
            member.client_id,
            member.client_host,
            _assigned_partitions(member.member_assignment),
            (),
            None,
            None,
        )
        for member in group.members
    ]
    return GroupDescription(
        group_id,
        parse_state(group.group_state),
        group.protocol_data,
        members,
        _coordinator(admin, group_id),
        None,
        None,
        is_simple=not group.protocol_type,
    )


def _coordinator(admin: Admin, group_id: str) -> tuple[int, Endpoint]:
    node_id = admin.coordinator(group_id)
    return node_id, admin.brokers()[node_id]


def _assigned_partitions(assignment: bytes) -> list[TopicPartition]:
    """The partitions in a classic member's assignment: int16 version, then the assignment in that version."""
    from kafkalite.protocol.consumer_protocol import ConsumerProtocolAssignment

    if not assignment:
        return []
    version = min(int.from_bytes(assignment[:2], signed=True), ConsumerProtocolAssignment.valid_versions.highest)
    decoded, _ = ConsumerProtocolAssignment.decode_from(assignment, 2, version)
    return [TopicPartition(t.topic, partition) for t in decoded.assigned_partitions for partition in t.partitions]


def committed_offsets(admin: Admin, group_id: str) -> dict[TopicPartition, CommittedOffset | None]:
    """All that a group has committed; raises KafkaError."""
    from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup

    response = admin.send_to_coordinator(
        group_id,
        OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group_id, topics=None)]),
        call="listConsumerGroupOffsets",
        highest=_LAST_VERSION_WITH_TOPIC_NAMES,
        errors=lambda response: [group.error_code for group in response.groups],
    )
    (group,) = response.groups
    raise_for(group.error_code)
    offsets: dict[TopicPartition, CommittedOffset | None] = {}
    for topic in group.topics:
        for partition in topic.partitions:
            if partition.error_code:
                continue
            epoch = partition.committed_leader_epoch
            offsets[TopicPartition(topic.name, partition.partition_index)] = (
                None
                if partition.committed_offset < 0
                else CommittedOffset(partition.committed_offset, None if epoch < 0 else epoch, partition.metadata or "")
            )
    return offsets


def alter_offsets(
    admin: Admin, group_id: str, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, ErrorCode]:
    """Commits offsets for a group without members; returns each partition's result."""
    from kafkalite.protocol.messages.offset_commit import (
        OffsetCommitRequest,
        OffsetCommitRequestPartition,
        OffsetCommitRequestTopic,
    )

    topics: dict[str, OffsetCommitRequestTopic] = {}
    for (topic, index), offset in offsets.items():
        partition = OffsetCommitRequestPartition(
            partition_index=index, committed_offset=offset, committed_leader_epoch=-1, committed_metadata=""
        )
        topics.setdefault(topic, OffsetCommitRequestTopic(name=topic)).partitions.append(partition)
    response = admin.send_to_coordinator(
        group_id,
        OffsetCommitRequest(group_id=group_id, topics=list(topics.values())),
        call="offsetCommit",
        highest=_LAST_VERSION_WITH_TOPIC_NAMES,
        errors=lambda response: [p.error_code for topic in response.topics for p in topic.partitions],
    )
    return {
        TopicPartition(topic.name, partition.partition_index): ErrorCode.for_code(partition.error_code)
        for topic in response.topics
        for partition in topic.partitions
    }


def delete_offsets(
    admin: Admin, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, ErrorCode]:
    """Deletes a group's offsets; returns each partition's result, raises KafkaError where the whole was refused."""
    from kafkalite.protocol.messages.offset_delete import (
        OffsetDeleteRequest,
        OffsetDeleteRequestPartition,
        OffsetDeleteRequestTopic,
    )

    topics: dict[str, OffsetDeleteRequestTopic] = {}
    for topic, index in partitions:
        request_topic = topics.setdefault(topic, OffsetDeleteRequestTopic(name=topic))
        request_topic.partitions.append(OffsetDeleteRequestPartition(partition_index=index))
    response = admin.send_to_coordinator(
        group_id,
        OffsetDeleteRequest(group_id=group_id, topics=list(topics.values())),
        call="offsetDelete",
    )
    raise_for(response.error_code)
    return {
        TopicPartition(topic.name, partition.partition_index): ErrorCode.for_code(partition.error_code)
        for topic in response.topics
        for partition in topic.partitions
    }


def delete_group(admin: Admin, group_id: str) -> None:
    """Deletes a group; raises KafkaError."""
    from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest

    response = admin.send_to_coordinator(
        group_id,
        DeleteGroupsRequest(groups_names=[group_id]),
        call="deleteConsumerGroups",
        errors=lambda response: [result.error_code for result in response.results],
    )
    (result,) = response.results
    raise_for(result.error_code, result.error_message)
