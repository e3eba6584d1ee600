"""What a ConsumerGroupHeartbeat must be like: on its own, and for the member that sends it.

Apache Kafka's texts, since people read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kafkalite.coordinator.consumer_group_member import (
    LEAVE_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_STATIC_MEMBER_EPOCH,
    ConsumerGroupMember,
    PartitionEpochs,
)
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions

CLIENT_MEMBER_ID_MIN_VERSION: Final = 1
"""From this version on members make their ids themselves (KIP-1082)."""


def validate_heartbeat(request: ConsumerGroupHeartbeatRequest, api_version: int, assignors: Sequence[str]) -> None:
    """Raises INVALID_REQUEST or UNSUPPORTED_ASSIGNOR, whatever there is of a group."""
    epoch = request.member_epoch
    if api_version >= CLIENT_MEMBER_ID_MIN_VERSION or epoch > 0 or epoch == LEAVE_GROUP_MEMBER_EPOCH:
        _check_not_empty(request.member_id, "MemberId can't be empty.")
    _check_not_empty(request.group_id, "GroupId can't be empty.")
    _check_not_empty(request.instance_id, "InstanceId can't be empty.")
    _check_not_empty(request.rack_id, "RackId can't be empty.")
    if epoch == 0:
        if request.rebalance_timeout_ms == -1:
            raise _invalid("RebalanceTimeoutMs must be provided in first request.")
        if request.topic_partitions is None or request.topic_partitions:
            raise _invalid("TopicPartitions must be empty when (re-)joining.")
        if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
            raise _invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
    elif epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        if request.instance_id is None:
            raise _invalid("InstanceId can't be null.")
    elif epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        raise _invalid("MemberEpoch is invalid.")
    assignor = request.server_assignor
    if assignor is not None and assignor not in assignors:
        supported = ", ".join(hash_map_order(assignors))
        raise KafkaError(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {assignor} is not supported. Supported assignors: {supported}.",
        )


def check_epoch(member: ConsumerGroupMember, request: ConsumerGroupHeartbeatRequest) -> None:
    """Raises FENCED_MEMBER_EPOCH where the member is at another epoch than it thinks.

    The answer that told it of its epoch may have got lost: then it comes once more with the one before.
    """
    received = request.member_epoch
    if received > member.member_epoch:
        raise _fenced("greater", received, member.member_epoch)
    if received < member.member_epoch and (
        received != member.previous_member_epoch or not _are_among(request.topic_partitions, member.assigned_partitions)
    ):
        raise _fenced("smaller", received, member.member_epoch)


def check_instance_id_is_released(existing: ConsumerGroupMember, member_id: str, instance_id: str) -> None:
    """Raises UNRELEASED_INSTANCE_ID where the member that bears the instance id has not said that it goes."""
    if existing.member_epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        raise KafkaError(
            ErrorCode.UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance id "
            f"is owned by {existing.member_id} member.",
        )


def check_is_not_fenced(existing: ConsumerGroupMember, member_id: str, instance_id: str) -> None:
    """Raises FENCED_INSTANCE_ID where another member bears the instance id now."""
    if existing.member_id != member_id:
        raise KafkaError(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {existing.member_id}.",
        )


def instance_id_is_unknown(instance_id: str) -> KafkaError:
    """The error where nobody bears the instance id."""
    return KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")


def _are_among(owned: Sequence[TopicPartitions] | None, assigned: PartitionEpochs) -> bool:
    """Whether all that a member says it owns is its own; not where it says nothing."""
    return owned is not None and all(
        topic.topic_id in assigned and assigned[topic.topic_id].keys() >= set(topic.partitions) for topic in owned
    )


def _fenced(comparison: str, received: int, known: int) -> KafkaError:
    return KafkaError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {comparison} member epoch ({received}) than the one known by the group "
        f"coordinator ({known}). The member must abandon all its partitions and rejoin.",
    )


def _check_not_empty(text: str | None, message: str) -> None:
    if text is not None and not text.strip():
        raise _invalid(message)


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)
