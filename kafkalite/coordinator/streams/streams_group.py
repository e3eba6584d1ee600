"""A streams group: its topology, members, epochs, target assignment and who has which task, as its records tell it.

Only `replay` and its kin change what is durable, so that what stands in the log and what is here are the same. What a
restart may forget stands apart: the topics that the topology was settled with, task offsets, a wish to shut down.
Apache Kafka's StreamsGroup (KIP-1071).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Final

from kafkalite.coordinator.committing_group import CommittingGroup
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.group import GroupType, PartitionCommitValidator
from kafkalite.coordinator.streams.configured_topology import ConfiguredTopology
from kafkalite.coordinator.streams.current_assignment_builder import TaskOwners
from kafkalite.coordinator.streams.streams_group_member import (
    LEAVE_GROUP_MEMBER_EPOCH,
    MemberTaskOffsets,
    StreamsGroupMember,
)
from kafkalite.coordinator.streams.streams_group_records import (
    current_assignment_tombstone,
    group_tombstone,
    member_tombstone,
    target_assignment_metadata_tombstone,
    target_assignment_tombstone,
    topology_tombstone,
)
from kafkalite.coordinator.streams.streams_topology import StreamsTopology
from kafkalite.coordinator.streams.tasks import TasksTuple, tasks_of
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.protocol.coordinator_records.streams_group import (
    StreamsGroupCurrentMemberAssignmentKey,
    StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey,
    StreamsGroupMemberMetadataValue,
    StreamsGroupMetadataKey,
    StreamsGroupMetadataValue,
    StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue,
    StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue,
    StreamsGroupTopologyKey,
    StreamsGroupTopologyValue,
)
from kafkalite.protocol.messages.streams_group_describe import DescribedGroup

logger = logging.getLogger(__name__)

STREAMS_PROTOCOL_TYPE: Final = "streams"
"""Members of streams groups commit with this version of OffsetCommit or later: it knows member epochs."""
NO_EPOCH: Final = -1
NO_TARGET: Final = TasksTuple()


class StreamsGroupState(Enum):
    """The states; the value is the name that tools show."""

    EMPTY = "Empty"
    NOT_READY = "NotReady"  # topics are missing, or do not fit together
    ASSIGNING = "Assigning"  # an assignment is to be computed
    RECONCILING = "Reconciling"  # members are on their way to it
    STABLE = "Stable"
    DEAD = "Dead"

    @property
    def filter_name(self) -> str:
        """The name by which ListGroups finds groups in this state."""
        return "not_ready" if self is StreamsGroupState.NOT_READY else self.value.lower()


class StreamsGroup(CommittingGroup[StreamsGroupMember]):
    """One streams group."""

    __slots__ = (
        "_active_process",
        "_standby_processes",
        "_warmup_processes",
        "assignment_configs",
        "configured_topology",
        "endpoint_information_epoch",
        "failed_description_topology_epoch",
        "peak_member_count",
        "shutdown_request_member_id",
        "stored_description_topology_epoch",
        "target_assignment",
        "task_offsets",
        "topology",
        "validated_topology_epoch",
    )

    def __init__(self, group_id: str) -> None:
        super().__init__(group_id, GroupType.STREAMS)
        self.validated_topology_epoch = NO_EPOCH
        self.assignment_configs: Mapping[str, str] = {}
        self.stored_description_topology_epoch = NO_EPOCH
        self.failed_description_topology_epoch = NO_EPOCH
        self.topology: StreamsTopology | None = None
        self.peak_member_count = 0
        self.target_assignment: dict[str, TasksTuple] = {}
        self._active_process: dict[tuple[str, int], str] = {}
        self._standby_processes: dict[tuple[str, int], Counter[str]] = {}
        self._warmup_processes: dict[tuple[str, int], Counter[str]] = {}
        # What a restart may forget
        self.configured_topology: ConfiguredTopology | None = None
        self.task_offsets: dict[str, MemberTaskOffsets] = {}
        self.shutdown_request_member_id: str | None = None
        self.endpoint_information_epoch = 0

    # As all groups are seen

    @property
    def state(self) -> StreamsGroupState:
        if not self.members:
            return StreamsGroupState.EMPTY
        if self.topology is None or self.topology.epoch != self.validated_topology_epoch:
            return StreamsGroupState.NOT_READY
        if self.group_epoch > self.assignment_epoch:
            return StreamsGroupState.ASSIGNING
        if all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values()):
            return StreamsGroupState.STABLE
        return StreamsGroupState.RECONCILING

    @property
    def state_name(self) -> str:
        return self.state.value

    @property
    def listed_protocol_type(self) -> str:
        return STREAMS_PROTOCOL_TYPE

    def _validate_earlier_epoch(self, member: StreamsGroupMember, member_epoch: int) -> PartitionCommitValidator:
        topology = self.topology
        if topology is None:
            raise self.stale(member, "Topology is not available for offset commit validation.")

        def validate(topic: str, topic_id: Uuid, partition: int) -> None:
            subtopology = topology.subtopology_reading(topic)
            if subtopology is None:
                raise self.stale(member, f"Topic {topic} is not in the topology.")
            task = f"{subtopology.subtopology_id}-{partition}"
            epoch = member.assignment_epoch(subtopology.subtopology_id, partition)
            if epoch is None:
                raise self.stale(member, f"Task {task} is not assigned or pending revocation for member.")
            if member_epoch < epoch:
                raise self.stale(
                    member,
                    f"Received member epoch {member_epoch} is older than assignment epoch {epoch} for task {task}.",
                )

        return validate

    def is_subscribed_to_topic(self, topic: str) -> bool:
        if not self.members or self.topology is None:
            return False
        return self.topology.subtopology_reading(topic) is not None

    def tombstones(self) -> list[CoordinatorRecord]:
        group_id = self.group_id
        return [
            *(current_assignment_tombstone(group_id, member_id) for member_id in self.members),
            *(target_assignment_tombstone(group_id, member_id) for member_id in self.members),
            target_assignment_metadata_tombstone(group_id),
            *(member_tombstone(group_id, member_id) for member_id in self.members),
            group_tombstone(group_id),
            topology_tombstone(group_id),
        ]

    # Members and their tasks

    def target_of(self, member: StreamsGroupMember) -> TasksTuple:
        """What a member is to have; a static one that comes in another's place is to have what that was to have."""
        member_id = member.member_id
        if member.instance_id is not None:
            member_id = self.static_members.get(member.instance_id, member_id)
        return self.target_assignment.get(member_id, NO_TARGET)

    def owners(self, subtopology_id: str, partition: int) -> TaskOwners:
        """The processes that have a task."""
        task = (subtopology_id, partition)
        return TaskOwners(
            self._active_process.get(task),
            frozenset(self._standby_processes.get(task, ())),
            frozenset(self._warmup_processes.get(task, ())),
        )

    def request_shutdown(self, member_id: str) -> None:
        """A member wants all of the application to end; the first who does is named."""
        if self.shutdown_request_member_id is None:
            logger.info(
                "[GroupId %s][MemberId %s] Shutdown requested for the streams application.", self.group_id, member_id
            )
            self.shutdown_request_member_id = member_id

    def requires_topic(self, topic: str) -> bool:
        """Whether the application cannot run without the topic."""
        return self.topology is not None and topic in self.topology.required_topics

    def describe(self, assignor_name: str) -> DescribedGroup:
        """The group as administrators see it."""
        configured, topology = self.configured_topology, self.topology
        if configured is not None and configured.is_ready:
            described = configured.describe()
        elif topology is not None:
            described = topology.describe()
        else:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        return DescribedGroup(
            group_id=self.group_id,
            group_state=self.state_name,
            group_epoch=self.group_epoch,
            assignment_epoch=self.assignment_epoch,
            topology=described,
            members=[
                member.describe(
                    self.target_assignment.get(member_id, NO_TARGET),
                    self.task_offsets.get(member_id, MemberTaskOffsets()),
                )
                for member_id, member in self.members.items()
            ],
            assignor_name=assignor_name,
        )

    # Replay

    def replay(self, key: CoordinatorKey, value: CoordinatorValue | None) -> bool:
        """Takes a record in; False where it ends the group. Raises ValueError where tombstones come out of order."""
        match key:
            case StreamsGroupMetadataKey():
                assert value is None or isinstance(value, StreamsGroupMetadataValue)
                return self._replay_group(value)
            case StreamsGroupTopologyKey():
                assert value is None or isinstance(value, StreamsGroupTopologyValue)
                self.topology = None if value is None else StreamsTopology.of(value)
            case StreamsGroupMemberMetadataKey():
                assert value is None or isinstance(value, StreamsGroupMemberMetadataValue)
                self._replay_member(key.member_id, value)
            case StreamsGroupCurrentMemberAssignmentKey():
                assert value is None or isinstance(value, StreamsGroupCurrentMemberAssignmentValue)
                if value is not None or key.member_id in self.members:
                    member = self.members.get(key.member_id, StreamsGroupMember(key.member_id))
                    self._update_member(member.with_current_assignment(value))
            case StreamsGroupTargetAssignmentMemberKey():
                assert value is None or isinstance(value, StreamsGroupTargetAssignmentMemberValue)
                self._replay_target_assignment(key.member_id, value)
            case StreamsGroupTargetAssignmentMetadataKey():
                assert value is None or isinstance(value, StreamsGroupTargetAssignmentMetadataValue)
                if value is None and self.target_assignment:
                    raise ValueError(f"the target assignment of {self.group_id} ends before those of its members")
                self.assignment_epoch = NO_EPOCH if value is None else value.assignment_epoch
                self.assignment_timestamp_ms = 0 if value is None else value.assignment_timestamp
            case _:
                raise ValueError(f"{type(key).__name__} is not a record of a streams group")
        return True

    def _replay_group(self, value: StreamsGroupMetadataValue | None) -> bool:
        if value is None:
            if self.members or self.assignment_epoch != NO_EPOCH:
                raise ValueError(f"group {self.group_id} ends before its members and its assignment")
            return False
        self.group_epoch = value.epoch
        self.metadata_hash = value.metadata_hash
        self.validated_topology_epoch = value.validated_topology_epoch
        self.assignment_configs = {config.key: config.value for config in value.last_assignment_configs or ()}
        self.stored_description_topology_epoch = value.stored_description_topology_epoch
        self.failed_description_topology_epoch = value.failed_description_topology_epoch
        return True

    def _replay_member(self, member_id: str, value: StreamsGroupMemberMetadataValue | None) -> None:
        member = self.members.get(member_id)
        if value is not None:
            self._update_member((member or StreamsGroupMember(member_id)).with_metadata(value))
        elif member is not None:
            if member.member_epoch != LEAVE_GROUP_MEMBER_EPOCH or member_id in self.target_assignment:
                raise ValueError(f"member {member_id} of {self.group_id} ends before its assignments")
            self._remove_member(member)

    def _replay_target_assignment(self, member_id: str, value: StreamsGroupTargetAssignmentMemberValue | None) -> None:
        if value is None:
            self.target_assignment.pop(member_id, None)
        else:
            self.target_assignment[member_id] = TasksTuple(
                tasks_of(value.active_tasks), tasks_of(value.standby_tasks), tasks_of(value.warmup_tasks)
            )

    def _update_member(self, member: StreamsGroupMember) -> None:
        old = self.members.get(member.member_id)
        if old is not None:
            self._forget_owner(old)
            if old.instance_id is not None and self.static_members.get(old.instance_id) == old.member_id:
                del self.static_members[old.instance_id]
        self.members[member.member_id] = member
        self.peak_member_count = max(self.peak_member_count, len(self.members))
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        for tasks in (member.assigned_tasks, member.tasks_pending_revocation):
            for subtopology_id, epochs in tasks.active.items():
                for partition in epochs:
                    self._active_process[subtopology_id, partition] = member.process_id
            for held, processes in ((tasks.standby, self._standby_processes), (tasks.warmup, self._warmup_processes)):
                for subtopology_id, partitions in held.items():
                    for partition in partitions:
                        processes.setdefault((subtopology_id, partition), Counter())[member.process_id] += 1

    def _remove_member(self, member: StreamsGroupMember) -> None:
        self._forget_owner(member)
        del self.members[member.member_id]
        self.task_offsets.pop(member.member_id, None)
        if member.instance_id is not None and self.static_members.get(member.instance_id) == member.member_id:
            del self.static_members[member.instance_id]
        if not self.members:
            self.shutdown_request_member_id = None

    def _forget_owner(self, member: StreamsGroupMember) -> None:
        for tasks in (member.assigned_tasks, member.tasks_pending_revocation):
            for subtopology_id, epochs in tasks.active.items():
                for partition in epochs:
                    if self._active_process.get((subtopology_id, partition)) == member.process_id:
                        del self._active_process[subtopology_id, partition]
            for held, processes in ((tasks.standby, self._standby_processes), (tasks.warmup, self._warmup_processes)):
                for subtopology_id, partitions in held.items():
                    for partition in partitions:
                        task = (subtopology_id, partition)
                        counts = processes.get(task, Counter())
                        counts[member.process_id] -= 1
                        if counts[member.process_id] <= 0:
                            del counts[member.process_id]
                        if not counts:
                            processes.pop(task, None)
