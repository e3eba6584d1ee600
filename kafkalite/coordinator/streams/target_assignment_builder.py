"""Computes the target assignment of a streams group for a new epoch, and the records that tell what it changes.

Apache Kafka's TargetAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.streams.configured_topology import ConfiguredTopology
from kafkalite.coordinator.streams.streams_group import NO_TARGET, StreamsGroup
from kafkalite.coordinator.streams.streams_group_member import MemberTaskOffsets, StreamsGroupMember
from kafkalite.coordinator.streams.streams_group_records import (
    target_assignment_metadata_record,
    target_assignment_record,
)
from kafkalite.coordinator.streams.task_assignor import GroupSpec, MemberSpec, SubtopologySpec, TaskAssignor
from kafkalite.coordinator.streams.tasks import TasksTuple
from kafkalite.coordinator.string_hash import hash_map_order, timeline_hash_map_order

NUM_STANDBY_REPLICAS: Final = "num.standby.replicas"
"""The name among a group's assignment configs of how many standby tasks there are for each active one."""


class MembersAndTargets(NamedTuple):
    """The members of a group and what they are to have, once one of them has become what a heartbeat makes of it."""

    members: Mapping[str, StreamsGroupMember]
    targets: Mapping[str, TasksTuple]

    @classmethod
    def of(cls, group: StreamsGroup, updated: StreamsGroupMember | None) -> MembersAndTargets:
        """With `updated`, which as a static member may come in another's place and takes over what that was to have."""
        if updated is None:
            return cls(group.members, group.target_assignment)
        members = {**group.members, updated.member_id: updated}
        targets = group.target_assignment
        previous_id = None if updated.instance_id is None else group.static_members.get(updated.instance_id)
        if previous_id is not None and previous_id != updated.member_id:
            del members[previous_id]
            targets = {**targets, updated.member_id: group.target_of(updated)}
        return cls(members, targets)


class TargetAssignment(NamedTuple):
    """An assignment of all members, and the records that lead to it."""

    assignment: Mapping[str, TasksTuple]
    records: list[CoordinatorRecord]


def build_target_assignment(
    group: StreamsGroup,
    present: MembersAndTargets,
    topology: ConfiguredTopology,
    *,
    group_epoch: int,
    assignor: TaskAssignor,
    assignment_configs: Mapping[str, str],
    now_ms: int,
) -> TargetAssignment:
    """The assignment for `group_epoch`; nobody gets a task while the topology is not ready.

    Raises TaskAssignorError where there is nobody to give them to.
    """
    # As Apache Kafka goes through them: that decides between equals.
    known = timeline_hash_map_order(group.members, peak_size=group.peak_member_count)
    member_ids = hash_map_order(
        [*(m for m in known if m in present.members), *(m for m in present.members if m not in group.members)]
    )
    computed: Mapping[str, TasksTuple] = {}
    if topology.is_ready:
        computed = assignor(
            GroupSpec(
                {member_id: _member_spec(group, present, member_id) for member_id in member_ids},
                {
                    subtopology_id: SubtopologySpec(subtopology.task_count, subtopology.is_stateful)
                    for subtopology_id, subtopology in (topology.subtopologies or {}).items()
                },
                int(assignment_configs.get(NUM_STANDBY_REPLICAS, 0)),
            )
        )
    assignment = {member_id: computed.get(member_id, NO_TARGET) for member_id in member_ids}
    records = [
        target_assignment_record(group.group_id, member_id, tasks)
        for member_id, tasks in assignment.items()
        if present.targets.get(member_id) != tasks
    ]
    records.append(target_assignment_metadata_record(group.group_id, group_epoch, now_ms))
    return TargetAssignment(assignment, records)


def _member_spec(group: StreamsGroup, present: MembersAndTargets, member_id: str) -> MemberSpec:
    member = present.members[member_id]
    assigned = member.assigned_tasks
    offsets = group.task_offsets.get(member_id, MemberTaskOffsets()).offsets
    return MemberSpec(member.process_id, assigned.active_tasks, assigned.standby, offsets)
