"""What a StreamsGroupHeartbeat must be like: on its own, and for the member that sends it.

Apache Kafka's texts, since people read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kafkalite.coordinator.streams.configured_topology import ConfiguredSubtopology
from kafkalite.coordinator.streams.streams_group_member import (
    JOIN_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_STATIC_MEMBER_EPOCH,
    StreamsGroupMember,
)
from kafkalite.coordinator.streams.tasks import TasksTuple, tasks_of
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    TaskIds,
    TaskOffset,
    Topology,
)


def validate_heartbeat(request: StreamsGroupHeartbeatRequest) -> None:
    """Raises INVALID_REQUEST or STREAMS_INVALID_TOPOLOGY, whatever there is of a group."""
    topology, epoch = request.topology, request.member_epoch
    if topology is not None and any(subtopology.source_topic_regex for subtopology in topology.subtopologies):
        raise _invalid("Regular expressions for source topics are not supported yet.")
    _check_not_empty(request.member_id, "MemberId can't be empty.")
    _check_not_empty(request.group_id, "GroupId can't be empty.")
    _check_not_empty(request.instance_id, "InstanceId can't be empty.")
    _check_not_empty(request.rack_id, "RackId can't be empty.")
    if epoch == JOIN_GROUP_MEMBER_EPOCH:
        if request.rebalance_timeout_ms == -1:
            raise _invalid("RebalanceTimeoutMs must be provided in first request.")
        for name, tasks in (
            ("ActiveTasks", request.active_tasks),
            ("StandbyTasks", request.standby_tasks),
            ("WarmupTasks", request.warmup_tasks),
        ):
            if tasks is None or tasks:
                raise _invalid(f"{name} must be empty when (re-)joining.")
        if topology is None:
            raise _invalid("Topology must be non-null when (re-)joining.")
        _check_changelogs(topology)
    elif epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        if request.instance_id is None:
            raise _invalid("InstanceId can't be null.")
    elif epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        raise _invalid(f"MemberEpoch is {epoch}, but must be greater than or equal to -2.")
    given = [tasks is not None for tasks in (request.active_tasks, request.standby_tasks, request.warmup_tasks)]
    if any(given) and not all(given):
        raise _invalid("If one task-type is non-null, all must be non-null.")
    if epoch != JOIN_GROUP_MEMBER_EPOCH and topology is not None:
        raise _invalid("Topology can only be provided when (re-)joining.")


def check_names(request: StreamsGroupHeartbeatRequest) -> None:
    """Raises UNKNOWN_SERVER_ERROR, as Apache Kafka does, where two subtopologies or client tags have the same name.

    And where the topology has a negative epoch.
    """
    if request.topology is not None and request.topology.epoch < 0:
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
    subtopologies = request.topology.subtopologies if request.topology is not None else ()
    tags = request.client_tags or ()
    if len({s.subtopology_id for s in subtopologies}) < len(subtopologies) or len({t.key for t in tags}) < len(tags):
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)


def check_epoch(member: StreamsGroupMember, request: StreamsGroupHeartbeatRequest) -> None:
    """Raises FENCED_MEMBER_EPOCH where the member is at another epoch than it thinks.

    The answer that told it of its epoch may have got lost: then it comes once more with the one before.
    """
    received = request.member_epoch
    if received == JOIN_GROUP_MEMBER_EPOCH:
        return
    if received > member.member_epoch:
        raise _fenced("greater", received, member.member_epoch)
    if received < member.member_epoch:
        assigned = member.assigned_tasks
        if (
            received != member.previous_member_epoch
            or not _are_among(request.active_tasks, assigned.active)
            or not _are_among(request.standby_tasks, assigned.standby)
            or not _are_among(request.warmup_tasks, assigned.warmup)
        ):
            raise _fenced("smaller", received, member.member_epoch)


def check_instance_id_is_released(existing: StreamsGroupMember, member_id: str, instance_id: str) -> None:
    """Raises UNRELEASED_INSTANCE_ID where the member that bears the instance id has not said that it goes."""
    if existing.member_epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        raise KafkaError(
            ErrorCode.UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance id "
            f"is owned by {existing.member_id} member.",
        )


def known_static_member(existing: StreamsGroupMember | None, member_id: str, instance_id: str) -> StreamsGroupMember:
    """The member that bears the instance id; raises where nobody does or another one."""
    if existing is None:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
    if existing.member_id != member_id:
        raise KafkaError(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {existing.member_id}.",
        )
    return existing


def check_owned_tasks(
    request: StreamsGroupHeartbeatRequest, subtopologies: Mapping[str, ConfiguredSubtopology]
) -> None:
    """Raises INVALID_REQUEST where the member says that it owns tasks that there are not."""
    for tasks in (request.active_tasks, request.standby_tasks, request.warmup_tasks):
        for entry in tasks or ():
            subtopology = subtopologies.get(entry.subtopology_id)
            if subtopology is None:
                raise _invalid(f"Subtopology {entry.subtopology_id} does not exist in the topology.")
            for partition in entry.partitions:
                if not 0 <= partition < subtopology.task_count:
                    raise _invalid(
                        f"Task {partition} for subtopology {entry.subtopology_id} is invalid. Number of tasks for this "
                        f"subtopology: {subtopology.task_count}"
                    )


def owned_tasks(request: StreamsGroupHeartbeatRequest) -> TasksTuple | None:
    """What the member says it owns; None where it says nothing."""
    active, standby, warmup = request.active_tasks, request.standby_tasks, request.warmup_tasks
    if active is None or standby is None or warmup is None:
        return None
    return TasksTuple(tasks_of(active), tasks_of(standby), tasks_of(warmup))


def offsets_by_task(task_offsets: Iterable[TaskOffset]) -> dict[str, dict[int, int]]:
    """Offsets by subtopology and partition; raises INVALID_REQUEST where a task has two."""
    offsets: dict[str, dict[int, int]] = {}
    for entry in task_offsets:
        by_partition = offsets.setdefault(entry.subtopology_id, {})
        if entry.partition in by_partition:
            raise _invalid(
                f"Task offsets contain a duplicate entry for subtopology {entry.subtopology_id} and partition "
                f"{entry.partition}."
            )
        by_partition[entry.partition] = entry.offset
    return offsets


def _check_changelogs(topology: Topology) -> None:
    for subtopology in topology.subtopologies:
        for topic in subtopology.state_changelog_topics:
            if topic.partitions:
                raise KafkaError(
                    ErrorCode.STREAMS_INVALID_TOPOLOGY,
                    f"Changelog topic {topic.name} must have an undefined partition count, but it is set to "
                    f"{topic.partitions}.",
                )


def _are_among(owned: Sequence[TaskIds] | None, assigned: Mapping[str, Iterable[int]]) -> bool:
    """Whether all that a member says it owns is its own; not where it says nothing."""
    return owned is not None and all(
        entry.subtopology_id in assigned and set(entry.partitions) <= set(assigned[entry.subtopology_id])
        for entry in owned
    )


def _fenced(comparison: str, received: int, known: int) -> KafkaError:
    return KafkaError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The streams group member has a {comparison} member epoch ({received}) than the one known by the group "
        f"coordinator ({known}). The member must abandon all its partitions and rejoin.",
    )


def _check_not_empty(text: str | None, message: str) -> None:
    if text is not None and not text.strip():
        raise _invalid(message)


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)
