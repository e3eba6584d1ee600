"""A member of a streams group, as its records tell it: what it is, what it has, and how far it has come.

A member is one thread of a process of the application. Members are values: a request makes a new one, its records say
what changed, and their replay puts it into the group. Apache Kafka's StreamsGroupMember.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from kafkalite.coordinator.streams.tasks import (
    NO_ASSIGNED_TASKS,
    TaskEpochs,
    Tasks,
    TasksTuple,
    TasksTupleWithEpochs,
    task_ids_of,
    tasks_of,
)
from kafkalite.protocol.coordinator_records.streams_group import (
    CurrentMemberAssignmentTaskIds,
    Endpoint,
    KeyValue,
    StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataValue,
)
from kafkalite.protocol.messages import streams_group_describe as describe
from kafkalite.protocol.messages.streams_group_heartbeat import StreamsGroupHeartbeatRequest

JOIN_GROUP_MEMBER_EPOCH: Final = 0
LEAVE_GROUP_MEMBER_EPOCH: Final = -1
LEAVE_GROUP_STATIC_MEMBER_EPOCH: Final = -2


class MemberState(IntEnum):
    """How far a member has come on its way to its target assignment; the number stands in its record."""

    STABLE = 1
    UNREVOKED_TASKS = 2  # it has to give tasks up before it may go on
    UNRELEASED_TASKS = 3  # it waits for tasks that others still have
    UNKNOWN = 127  # a later release has written another state

    @classmethod
    def of(cls, value: int) -> MemberState:
        """The state of a record's number."""
        return cls(value) if value in cls._value2member_map_ else cls.UNKNOWN


class StreamsGroupMember(NamedTuple):
    """One member."""

    member_id: str
    member_epoch: int = 0
    previous_member_epoch: int = 0
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int = -1
    topology_epoch: int = -1
    process_id: str = ""
    user_endpoint: Endpoint | None = None
    client_tags: Mapping[str, str] = {}
    assigned_tasks: TasksTupleWithEpochs = NO_ASSIGNED_TASKS
    tasks_pending_revocation: TasksTupleWithEpochs = NO_ASSIGNED_TASKS

    def is_reconciled_to(self, target_epoch: int) -> bool:
        """Whether it has all that the assignment of this epoch gives it, and nothing else."""
        return self.state is MemberState.STABLE and self.member_epoch == target_epoch

    def updated_by(self, request: StreamsGroupHeartbeatRequest, client_id: str, client_host: str) -> StreamsGroupMember:
        """What a heartbeat says of it; what a member that goes on leaves out stays as it is."""
        is_joining = request.member_epoch == JOIN_GROUP_MEMBER_EPOCH
        endpoint, tags, timeout_ms = request.user_endpoint, request.client_tags, request.rebalance_timeout_ms
        new_endpoint = None if is_joining else self.user_endpoint
        if endpoint is not None:
            new_endpoint = Endpoint(host=endpoint.host, port=endpoint.port)
        return self._replace(
            instance_id=self.instance_id if request.instance_id is None else request.instance_id,
            rack_id=self.rack_id if request.rack_id is None else request.rack_id,
            rebalance_timeout_ms=self.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
            topology_epoch=self.topology_epoch if request.topology is None else request.topology.epoch,
            client_id=client_id,
            client_host=client_host,
            process_id=self.process_id if request.process_id is None else request.process_id,
            client_tags=self.client_tags if tags is None else {tag.key: tag.value for tag in tags},
            user_endpoint=new_endpoint,
        )

    def is_same_for_assignments(self, other: StreamsGroupMember) -> bool:
        """Whether nothing differs that an assignment depends on."""
        return (
            self.topology_epoch == other.topology_epoch
            and self.rack_id == other.rack_id
            and self.client_tags == other.client_tags
            and self.process_id == other.process_id
        )

    def with_epoch(
        self,
        member_epoch: int,
        *,
        state: MemberState,
        assigned_tasks: TasksTupleWithEpochs,
        tasks_pending_revocation: TasksTupleWithEpochs = NO_ASSIGNED_TASKS,
    ) -> StreamsGroupMember:
        """The member at another epoch, the present one becoming the previous."""
        return self._replace(
            member_epoch=member_epoch,
            previous_member_epoch=self.member_epoch,
            state=state,
            assigned_tasks=assigned_tasks,
            tasks_pending_revocation=tasks_pending_revocation,
        )

    def away(self) -> StreamsGroupMember:
        """A static member that says it will be back: it keeps its tasks, for whoever comes with its instance id."""
        active = {name: dict.fromkeys(epochs, 0) for name, epochs in self.assigned_tasks.active.items()}
        return self._replace(
            member_epoch=LEAVE_GROUP_STATIC_MEMBER_EPOCH,
            assigned_tasks=self.assigned_tasks._replace(active=active),
            tasks_pending_revocation=NO_ASSIGNED_TASKS,
        )

    def assignment_epoch(self, subtopology_id: str, partition: int) -> int | None:
        """The epoch at which it got an active task that it has or is to give up; None where it has not got it."""
        for tasks in (self.assigned_tasks, self.tasks_pending_revocation):
            epoch = tasks.active.get(subtopology_id, {}).get(partition)
            if epoch is not None:
                return epoch
        return None

    # Records

    def with_metadata(self, value: StreamsGroupMemberMetadataValue) -> StreamsGroupMember:
        """What its metadata record says."""
        return self._replace(
            instance_id=value.instance_id,
            rack_id=value.rack_id,
            client_id=value.client_id,
            client_host=value.client_host,
            rebalance_timeout_ms=value.rebalance_timeout_ms,
            topology_epoch=value.topology_epoch,
            process_id=value.process_id,
            user_endpoint=value.user_endpoint,
            client_tags={tag.key: tag.value for tag in value.client_tags},
        )

    def metadata_value(self) -> StreamsGroupMemberMetadataValue:
        """Its metadata record."""
        return StreamsGroupMemberMetadataValue(
            instance_id=self.instance_id,
            rack_id=self.rack_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            topology_epoch=self.topology_epoch,
            process_id=self.process_id,
            user_endpoint=self.user_endpoint,
            client_tags=[KeyValue(key=key, value=value) for key, value in sorted(self.client_tags.items())],
        )

    def with_current_assignment(self, value: StreamsGroupCurrentMemberAssignmentValue | None) -> StreamsGroupMember:
        """What the record of what it has says; None where it has nothing any more."""
        if value is None:
            return self._replace(
                member_epoch=LEAVE_GROUP_MEMBER_EPOCH,
                previous_member_epoch=LEAVE_GROUP_MEMBER_EPOCH,
                assigned_tasks=NO_ASSIGNED_TASKS,
                tasks_pending_revocation=NO_ASSIGNED_TASKS,
            )
        return self._replace(
            member_epoch=value.member_epoch,
            previous_member_epoch=value.previous_member_epoch,
            state=MemberState.of(value.state),
            assigned_tasks=TasksTupleWithEpochs(
                _task_epochs(value.active_tasks, value.member_epoch),
                tasks_of(value.standby_tasks),
                tasks_of(value.warmup_tasks),
            ),
            tasks_pending_revocation=TasksTupleWithEpochs(
                _task_epochs(value.active_tasks_pending_revocation, value.member_epoch),
                tasks_of(value.standby_tasks_pending_revocation),
                tasks_of(value.warmup_tasks_pending_revocation),
            ),
        )

    def current_assignment_value(self) -> StreamsGroupCurrentMemberAssignmentValue:
        """The record of what it has."""
        assigned, pending = self.assigned_tasks, self.tasks_pending_revocation
        return StreamsGroupCurrentMemberAssignmentValue(
            member_epoch=self.member_epoch,
            previous_member_epoch=self.previous_member_epoch,
            state=self.state.value,
            active_tasks=_task_ids_with_epochs(assigned.active),
            standby_tasks=task_ids_of(assigned.standby, CurrentMemberAssignmentTaskIds),
            warmup_tasks=task_ids_of(assigned.warmup, CurrentMemberAssignmentTaskIds),
            active_tasks_pending_revocation=_task_ids_with_epochs(pending.active),
            standby_tasks_pending_revocation=task_ids_of(pending.standby, CurrentMemberAssignmentTaskIds),
            warmup_tasks_pending_revocation=task_ids_of(pending.warmup, CurrentMemberAssignmentTaskIds),
        )

    # Administration

    def describe(self, target: TasksTuple, task_offsets: MemberTaskOffsets) -> describe.Member:
        """The member as administrators see it."""
        assigned, endpoint = self.assigned_tasks, self.user_endpoint
        return describe.Member(
            member_id=self.member_id,
            member_epoch=self.member_epoch,
            instance_id=self.instance_id,
            rack_id=self.rack_id,
            client_id=self.client_id,
            client_host=self.client_host,
            topology_epoch=self.topology_epoch,
            process_id=self.process_id,
            user_endpoint=None if endpoint is None else describe.Endpoint(host=endpoint.host, port=endpoint.port),
            client_tags=[describe.KeyValue(key=key, value=value) for key, value in self.client_tags.items()],
            task_offsets=_described_offsets(task_offsets.offsets),
            task_end_offsets=_described_offsets(task_offsets.end_offsets),
            assignment=_described(assigned.active_tasks, assigned.standby, assigned.warmup),
            target_assignment=_described(*target),
        )


class MemberTaskOffsets(NamedTuple):
    """Up to where the changelogs of a member's tasks are on its disk, and where they end, as it has told last."""

    offsets: Mapping[str, Mapping[int, int]] = {}
    end_offsets: Mapping[str, Mapping[int, int]] = {}


def _described(active: Tasks, standby: Tasks, warmup: Tasks) -> describe.Assignment:
    return describe.Assignment(
        active_tasks=task_ids_of(active, describe.TaskIds),
        standby_tasks=task_ids_of(standby, describe.TaskIds),
        warmup_tasks=task_ids_of(warmup, describe.TaskIds),
    )


def _described_offsets(offsets: Mapping[str, Mapping[int, int]]) -> list[describe.TaskOffset]:
    return [
        describe.TaskOffset(subtopology_id=subtopology_id, partition=partition, offset=offset)
        for subtopology_id, by_partition in offsets.items()
        for partition, offset in by_partition.items()
    ]


def _task_epochs(task_ids: list[CurrentMemberAssignmentTaskIds], member_epoch: int) -> TaskEpochs:
    """Records of releases before 4.3 have no epochs: the member's stands for them."""
    tasks: dict[str, dict[int, int]] = {}
    for entry in task_ids:
        epochs = entry.assignment_epochs
        if epochs is None or len(epochs) != len(entry.partitions):
            epochs = [member_epoch] * len(entry.partitions)
        tasks[entry.subtopology_id] = dict(zip(entry.partitions, epochs, strict=True))
    return tasks


def _task_ids_with_epochs(tasks: TaskEpochs) -> list[CurrentMemberAssignmentTaskIds]:
    return [
        CurrentMemberAssignmentTaskIds(
            subtopology_id=subtopology_id,
            partitions=sorted(epochs),
            assignment_epochs=[epochs[partition] for partition in sorted(epochs)],
        )
        for subtopology_id, epochs in sorted(tasks.items())
    ]
