"""What streams group members ask: join, go on, leave; and what happens to those that fall silent.

A heartbeat goes four steps, and its records say what each has changed: the member; the topology and the topics it runs
with, which raise the group's epoch if they have changed; an assignment for that epoch; the member's next step towards
it. Apache Kafka 4.4's GroupMetadataManager.streamsGroupHeartbeat (KIP-1071), whose refinement of assignments by warm-up
tasks leaves them as they are, so that there is none here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.classic_group_requests import Sender
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group import Group
from kafkalite.coordinator.streams.configured_topology import ConfiguredTopology, Status
from kafkalite.coordinator.streams.current_assignment_builder import CurrentAssignmentBuilder
from kafkalite.coordinator.streams.endpoint_to_partitions import endpoints_to_partitions
from kafkalite.coordinator.streams.internal_topic_manager import configure_topology
from kafkalite.coordinator.streams.streams_group import NO_TARGET, StreamsGroup
from kafkalite.coordinator.streams.streams_group_assignments import (
    RACK_AWARE_ASSIGNMENT_TAGS,
    StreamsGroupAssignments,
    assignment_configs,
)
from kafkalite.coordinator.streams.streams_group_heartbeat_validation import (
    check_epoch,
    check_instance_id_is_released,
    check_names,
    check_owned_tasks,
    known_static_member,
    offsets_by_task,
    owned_tasks,
)
from kafkalite.coordinator.streams.streams_group_member import (
    JOIN_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_STATIC_MEMBER_EPOCH,
    MemberState,
    MemberTaskOffsets,
    StreamsGroupMember,
)
from kafkalite.coordinator.streams.streams_group_records import (
    current_assignment_record,
    group_record,
    member_record,
    removal_records,
    target_assignment_record,
    topology_record,
)
from kafkalite.coordinator.streams.streams_group_sessions import StreamsGroupSessions
from kafkalite.coordinator.streams.streams_topology import StreamsTopology, topology_value
from kafkalite.coordinator.streams.tasks import TasksTuple, task_ids_of
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages import streams_group_heartbeat as messages
from kafkalite.protocol.messages.create_topics import CreatableTopic
from kafkalite.protocol.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
)

logger = logging.getLogger(__name__)

LEAVE_EPOCHS: Final = (LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH)
MISSING_CLIENT_TAGS_MIN_VERSION: Final = 1
_NO_VALIDATED_TOPOLOGY: Final = -1


class StreamsGroupHeartbeatResult(NamedTuple):
    """What a member is answered, and the internal topics that are to be made for it."""

    response: StreamsGroupHeartbeatResponse
    missing_internal_topics: Mapping[str, CreatableTopic] = {}


class _Heartbeat:
    """One heartbeat on its way: what it has changed so far."""

    __slots__ = ("group", "now_ms", "records", "request", "status")

    def __init__(
        self,
        group: StreamsGroup,
        request: StreamsGroupHeartbeatRequest,
        records: list[CoordinatorRecord],
        now_ms: int,
    ) -> None:
        self.group = group
        self.request = request
        self.records = records
        self.now_ms = now_ms
        self.status: list[messages.Status] = []

    @property
    def is_joining(self) -> bool:
        return self.request.member_epoch == JOIN_GROUP_MEMBER_EPOCH

    def tell(self, status: Status, detail: str) -> None:
        """The member is to know of this."""
        self.status.append(messages.Status(status_code=status.value, status_detail=detail))


class StreamsGroupHeartbeats:
    """Heartbeats of the members of one shard's streams groups; `find` gives a streams group by its id."""

    __slots__ = ("_group_config", "_groups", "assignments", "max_size", "metadata", "sessions")

    def __init__(
        self,
        timers: CoordinatorTimers,
        max_size: int,
        group_config: Callable[[str], GroupConfig],
        metadata: CoordinatorMetadataImage,
        groups: Mapping[str, Group],
        find: Callable[[str], StreamsGroup | None],
    ) -> None:
        self.max_size = max_size
        self.metadata = metadata
        self._group_config = group_config
        self._groups = groups
        self.assignments = StreamsGroupAssignments(timers, group_config, find)
        self.sessions = StreamsGroupSessions(timers, group_config, find)

    # Heartbeat

    def heartbeat(
        self,
        sender: Sender,
        request: StreamsGroupHeartbeatRequest,
        group: StreamsGroup,
        records: list[CoordinatorRecord],
    ) -> CoordinatorResult[StreamsGroupHeartbeatResult]:
        """A member joins or goes on; `records` are those that have made the group what it is. Raises KafkaError."""
        beat = _Heartbeat(group, request, records, sender.now_ms)
        if beat.is_joining:
            self._check_room(group, request)
        member, replaced = self._member(beat)
        check_names(request)
        updated = member.updated_by(request, sender.client_id or "", f"/{sender.client_host}")
        must_bump = False
        if updated != member:
            records.append(member_record(group.group_id, updated))
            must_bump = request.instance_id is None or not updated.is_same_for_assignments(member)
        topology = self._update_topology(beat, updated)
        configured, metadata_hash = self._configure(beat, topology)
        validated_epoch = topology.epoch if configured.is_ready else _NO_VALIDATED_TOPOLOGY
        if configured.is_ready:
            check_owned_tasks(request, configured.subtopologies or {})
        self._note_task_offsets(beat)
        group_config = self._group_config(group.group_id)
        configs = assignment_configs(group_config)
        group_epoch = group.group_epoch
        if (
            must_bump
            or metadata_hash != group.metadata_hash
            or validated_epoch != group.validated_topology_epoch
            or configs != group.assignment_configs
        ):
            group_epoch += 1
            self._bump(beat, group_epoch, metadata_hash, validated_epoch, configs)
        delay_ms = group_config.streams_initial_rebalance_delay_ms
        if group.is_empty and delay_ms > 0:
            self.assignments.schedule_initial_rebalance(group.group_id, delay_ms)
        target_epoch, target = self._target_assignment(beat, updated, group_epoch, configured, configs)
        reconciled = self._reconcile(beat, updated, target_epoch, target)
        self.sessions.schedule_session(group.group_id, updated.member_id)
        if request.shutdown_application:
            group.request_shutdown(request.member_id)
        response = self._response(beat, member, reconciled, replaced, configured)
        missing: Mapping[str, CreatableTopic] = {}
        if configured.error is not None:
            missing = configured.missing_internal_topics
            beat.tell(configured.error.status, configured.error.message)
        if group.shutdown_request_member_id is not None:
            beat.tell(
                Status.SHUTDOWN_APPLICATION,
                f"Streams group member {group.shutdown_request_member_id} encountered a fatal error and requested a "
                "shutdown for the entire application.",
            )
        if sender.api_version >= MISSING_CLIENT_TAGS_MIN_VERSION:
            self._check_client_tags(beat, reconciled, configs)
        return CoordinatorResult(records, StreamsGroupHeartbeatResult(response, missing))

    def _check_room(self, group: StreamsGroup, request: StreamsGroupHeartbeatRequest) -> None:
        if request.instance_id is not None and request.instance_id in group.static_members:
            return
        if len(group.members) >= self.max_size and request.member_id not in group.members:
            raise KafkaError(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                f"The streams group has reached its maximum capacity of {self.max_size} members.",
            )

    def _member(self, beat: _Heartbeat) -> tuple[StreamsGroupMember, StreamsGroupMember | None]:
        """The member as it was, and the one whose place it takes, if it is a static one that has come back."""
        group, request = beat.group, beat.request
        group_id, member_id, instance_id = group.group_id, request.member_id, request.instance_id
        if instance_id is None:
            member = self._joining_member(group, member_id) if beat.is_joining else group.member(member_id)
            check_epoch(member, request)
            return member, None
        existing = group.static_member(instance_id)
        if not beat.is_joining:
            member = known_static_member(existing, member_id, instance_id)
            check_epoch(member, request)
            return member, None
        if existing is None:
            return self._joining_member(group, member_id), None
        check_instance_id_is_released(existing, member_id, instance_id)
        member = existing._replace(member_id=member_id, member_epoch=0, previous_member_epoch=0)
        logger.info(
            "[GroupId %s][MemberId %s] Static member with instance id %s re-joins the streams group using the streams "
            "protocol. Created a new member %s to replace the existing member %s.",
            group_id,
            member_id,
            instance_id,
            member_id,
            existing.member_id,
        )
        beat.records += [
            *removal_records(group_id, existing.member_id),
            member_record(group_id, member),
            target_assignment_record(group_id, member_id, group.target_assignment.get(existing.member_id, NO_TARGET)),
            current_assignment_record(group_id, member),
        ]
        return member, existing if existing.member_id != member_id else None

    @staticmethod
    def _joining_member(group: StreamsGroup, member_id: str) -> StreamsGroupMember:
        logger.info("[GroupId %s][MemberId %s] Member joins the streams group.", group.group_id, member_id)
        return group.members.get(member_id) or StreamsGroupMember(member_id)

    # Topology

    def _update_topology(self, beat: _Heartbeat, member: StreamsGroupMember) -> StreamsTopology:
        """The topology that the group has now; members of an older one are told so."""
        group, given = beat.group, beat.request.topology
        topology = group.topology
        if topology is None:
            if given is None:
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
            value = topology_value(given)
            beat.records.append(topology_record(group.group_id, value))
            logger.info(
                "[GroupId %s][MemberId %s] Member initialized the topology with epoch %d",
                group.group_id,
                member.member_id,
                given.epoch,
            )
            return StreamsTopology.of(value)
        if (
            given is not None
            and given.epoch >= topology.epoch
            and StreamsTopology.of(topology_value(given)) != topology
        ):
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Topology updates are not supported yet.")
        if member.topology_epoch < topology.epoch:
            beat.tell(
                Status.STALE_TOPOLOGY,
                f"The member's topology epoch {member.topology_epoch} is behind the group's topology epoch "
                f"{topology.epoch}.",
            )
        return topology

    def _configure(self, beat: _Heartbeat, topology: StreamsTopology) -> tuple[ConfiguredTopology, int]:
        """The topology with the topics that there are, looked at anew where they may have changed, and their hash."""
        group = beat.group
        configured = group.configured_topology
        is_known = group.topology is not None and configured is not None
        if (
            is_known
            and configured is not None
            and not group.needs_metadata_refresh
            and group.group_epoch >= group.metadata_refresh_epoch
        ):
            return configured, group.metadata_hash
        metadata_hash = self.metadata.group_hash(topology.required_topics)
        if not is_known or configured is None or metadata_hash != group.metadata_hash:
            configured = configure_topology(group.group_id, beat.request.member_id, topology, self.metadata)
            group.configured_topology = configured
        if metadata_hash == group.metadata_hash:
            group.needs_metadata_refresh = False
        return configured, metadata_hash

    @staticmethod
    def _note_task_offsets(beat: _Heartbeat) -> None:
        """How far the member's state reaches; it is told now and then, and kept in memory alone."""
        request, known = beat.request, beat.group.task_offsets
        if request.task_offsets is None and request.task_end_offsets is None:
            return
        before = known.get(request.member_id, MemberTaskOffsets())
        known[request.member_id] = MemberTaskOffsets(
            before.offsets if request.task_offsets is None else offsets_by_task(request.task_offsets),
            before.end_offsets if request.task_end_offsets is None else offsets_by_task(request.task_end_offsets),
        )

    @staticmethod
    def _bump(
        beat: _Heartbeat, group_epoch: int, metadata_hash: int, validated_epoch: int, configs: Mapping[str, str]
    ) -> None:
        group = beat.group
        beat.records.append(
            group_record(
                group.group_id,
                group_epoch,
                metadata_hash,
                validated_epoch,
                configs,
                stored_description_topology_epoch=group.stored_description_topology_epoch,
                failed_description_topology_epoch=group.failed_description_topology_epoch,
            )
        )
        logger.info(
            "[GroupId %s][MemberId %s] Bumped streams group epoch to %d with metadata hash %d and validated topic "
            "epoch %d.",
            group.group_id,
            beat.request.member_id,
            group_epoch,
            metadata_hash,
            validated_epoch,
        )
        # Should the records not get into the log, the group's epoch stays behind, and the next heartbeat looks again.
        group.metadata_refresh_epoch = group_epoch
        group.needs_metadata_refresh = False

    # Assignment

    def _target_assignment(
        self,
        beat: _Heartbeat,
        updated: StreamsGroupMember,
        group_epoch: int,
        configured: ConfiguredTopology,
        configs: Mapping[str, str],
    ) -> tuple[int, TasksTuple]:
        """The epoch of the assignment and what it gives the member, computed anew where it is behind the group's."""
        group = beat.group
        if self.assignments.is_waiting(group.group_id):
            beat.tell(Status.ASSIGNMENT_DELAYED, "Assignment delayed due to the configured initial rebalance delay.")
            return group.assignment_epoch, NO_TARGET
        if group.assignment_epoch >= group_epoch:
            return group.assignment_epoch, group.target_of(updated)
        if not self.assignments.may_assign(group, beat.now_ms):
            beat.tell(Status.ASSIGNMENT_DELAYED, "Assignment delayed due to the configured assignment interval.")
            return group.assignment_epoch, group.target_of(updated)
        assignment = self.assignments.assign(
            group, updated, group_epoch, configured, configs, beat.records, beat.now_ms
        )
        return group_epoch, assignment.get(updated.member_id, NO_TARGET)

    def _reconcile(
        self, beat: _Heartbeat, member: StreamsGroupMember, target_epoch: int, target: TasksTuple
    ) -> StreamsGroupMember:
        """The member's next step towards its target."""
        group = beat.group
        if member.is_reconciled_to(target_epoch):
            return member
        reconciled = CurrentAssignmentBuilder(
            member,
            target_epoch=target_epoch,
            target=target,
            owners=group.owners,
            owned_tasks=owned_tasks(beat.request),
        ).build()
        if reconciled == member:
            return member
        beat.records.append(current_assignment_record(group.group_id, reconciled))
        if reconciled.state is MemberState.UNREVOKED_TASKS:
            self.sessions.schedule_rebalance(group.group_id, reconciled)
        else:
            self.sessions.cancel_rebalance(group.group_id, member.member_id)
        return reconciled

    # Answer

    def _response(
        self,
        beat: _Heartbeat,
        before: StreamsGroupMember,
        member: StreamsGroupMember,
        replaced: StreamsGroupMember | None,
        configured: ConfiguredTopology,
    ) -> StreamsGroupHeartbeatResponse:
        group, config = beat.group, self._group_config(beat.group.group_id)
        response = StreamsGroupHeartbeatResponse(
            member_id=member.member_id,
            member_epoch=member.member_epoch,
            heartbeat_interval_ms=config.streams_heartbeat_interval_ms,
            task_offset_interval_ms=config.streams_task_offset_interval_ms,
            acceptable_recovery_lag=config.streams_acceptable_recovery_lag,
            status=beat.status,
        )
        have_tasks_changed = before.assigned_tasks != member.assigned_tasks
        if beat.is_joining or have_tasks_changed:
            tasks = member.assigned_tasks
            response.active_tasks = task_ids_of(tasks.active, messages.TaskIds)
            response.standby_tasks = task_ids_of(tasks.standby, messages.TaskIds)
            response.warmup_tasks = task_ids_of(tasks.warmup, messages.TaskIds)
        if before.user_endpoint != member.user_endpoint or (have_tasks_changed and member.user_endpoint is not None):
            group.endpoint_information_epoch += 1
        if group.endpoint_information_epoch != beat.request.endpoint_information_epoch:
            gone = {member.member_id, replaced.member_id if replaced else member.member_id}
            others = [other for other_id, other in group.members.items() if other_id not in gone]
            response.partitions_by_user_endpoint = endpoints_to_partitions([*others, member], configured, self.metadata)
        # A group that is only just being made comes into being by its records, which do not tell of this epoch; but one
        # that takes the place of a classic group does tell of it.
        if group.group_id in self._groups:
            response.endpoint_information_epoch = group.endpoint_information_epoch
        return response

    @staticmethod
    def _check_client_tags(beat: _Heartbeat, member: StreamsGroupMember, configs: Mapping[str, str]) -> None:
        tags = configs.get(RACK_AWARE_ASSIGNMENT_TAGS, "")
        missing = [tag for tag in tags.split(",") if tag and tag not in member.client_tags]
        if missing:
            beat.tell(
                Status.MISSING_CLIENT_TAGS,
                f"Missing required client tags for rack-aware standby assignment: [{', '.join(missing)}]. Configure "
                "them via 'client.tag.<tagKey>' in your Streams config.",
            )

    # Leaving

    def leave(
        self, request: StreamsGroupHeartbeatRequest, group: StreamsGroup
    ) -> CoordinatorResult[StreamsGroupHeartbeatResult]:
        """A member leaves, a static one perhaps only for a while. Raises KafkaError."""
        if request.shutdown_application:
            group.request_shutdown(request.member_id)
        response = StreamsGroupHeartbeatResponse(
            member_id=request.member_id, member_epoch=request.member_epoch, status=[]
        )
        result = StreamsGroupHeartbeatResult(response)
        if request.instance_id is None:
            member = group.member(request.member_id)
        else:
            member = known_static_member(
                group.static_member(request.instance_id), request.member_id, request.instance_id
            )
            if request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH:
                return CoordinatorResult([current_assignment_record(group.group_id, member.away())], result)
        logger.info("[GroupId %s][MemberId %s] Member left the streams group.", group.group_id, member.member_id)
        return CoordinatorResult(self.sessions.fence(group, member), result)
