"""What administrators ask about streams groups (KIP-1071): their members, tasks and topologies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kafkalite.client.admin import Admin, raise_for
from kafkalite.client.endpoint import Endpoint
from kafkalite.client.group_admin import parse_state
from kafkalite.protocol.messages.streams_group_describe import Assignment, StreamsGroupDescribeRequest, TaskIds

Tasks = Sequence[tuple[str, Sequence[int]]]


class MissingTopologyError(Exception):
    """A streams group was described without its topology."""


class StreamsAssignment(NamedTuple):
    """Tasks as (subtopology, partitions)."""

    active: Tasks
    standby: Tasks
    warmup: Tasks


class StreamsMember(NamedTuple):
    member_id: str
    member_epoch: int
    client_id: str
    process_id: str
    assignment: StreamsAssignment
    target_assignment: StreamsAssignment
    is_classic: bool


class Subtopology(NamedTuple):
    """The topics of a subtopology; repartition topics are read like source topics, changelogs keep state."""

    source_topics: Sequence[str]
    repartition_source_topics: Sequence[str]
    state_changelog_topics: Sequence[str]


class StreamsGroup(NamedTuple):
    group_id: str
    state: str
    group_epoch: int
    target_assignment_epoch: int
    topology_epoch: int
    subtopologies: Mapping[str, Subtopology]
    members: Sequence[StreamsMember]
    coordinator: tuple[int, Endpoint]


def describe_streams_group(admin: Admin, group_id: str) -> StreamsGroup:
    """Raises KafkaError, GROUP_ID_NOT_FOUND for one, and MissingTopologyError."""
    response = admin.send_to_coordinator(
        group_id,
        StreamsGroupDescribeRequest(group_ids=[group_id]),
        call="describeStreamsGroups",
        errors=lambda response: [group.error_code for group in response.groups],
    )
    (group,) = response.groups
    raise_for(group.error_code, group.error_message)
    if group.topology is None:
        raise MissingTopologyError("Topology information is missing")
    subtopologies = {
        each.subtopology_id: Subtopology(
            each.source_topics,
            [topic.name for topic in each.repartition_source_topics],
            [topic.name for topic in each.state_changelog_topics],
        )
        for each in group.topology.subtopologies or ()
    }
    members = [
        StreamsMember(
            member.member_id,
            member.member_epoch,
            member.client_id,
            member.process_id,
            _assignment(member.assignment),
            _assignment(member.target_assignment),
            member.is_classic,
        )
        for member in group.members
    ]
    node_id = admin.coordinator(group_id)
    return StreamsGroup(
        group_id,
        parse_state(group.group_state),
        group.group_epoch,
        group.assignment_epoch,
        group.topology.epoch,
        subtopologies,
        members,
        (node_id, admin.brokers()[node_id]),
    )


def _assignment(assignment: Assignment) -> StreamsAssignment:
    return StreamsAssignment(
        _tasks(assignment.active_tasks), _tasks(assignment.standby_tasks), _tasks(assignment.warmup_tasks)
    )


def _tasks(tasks: Sequence[TaskIds]) -> Tasks:
    return [(task.subtopology_id, task.partitions) for task in tasks]
