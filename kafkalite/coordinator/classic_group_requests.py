"""What members of classic groups ask: to join, to sync, to be known alive, to leave.

Nothing here knows a connection: a JoinGroup or SyncGroup that must wait gets a `Deferred` answer. Fresh member ids come
from `random_uuid`. Apache Kafka's GroupMetadataManager, its part about classic groups.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.classic_group_member import ClassicGroupMember, Protocols
from kafkalite.coordinator.classic_group_rebalance import ClassicGroupRebalance, session_key
from kafkalite.coordinator.classic_group_state import (
    COMPLETING_REBALANCE,
    DEAD,
    EMPTY,
    PREPARING_REBALANCE,
    STABLE,
)
from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorResult, Deferred
from kafkalite.coordinator.group_coordinator_config import NEW_MEMBER_JOIN_TIMEOUT_MS
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kafkalite.protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

logger = logging.getLogger(__name__)

KNOWN_MEMBER_ID_MIN_VERSION: Final = 4
SKIP_ASSIGNMENT_MIN_VERSION: Final = 9


class Sender(Protocol):
    """What the coordinator wants to know of whom it answers; a broker's request context is one."""

    @property
    def api_version(self) -> int:
        """The version of the request."""

    @property
    def client_id(self) -> str | None:
        """The name that the client gave itself."""

    @property
    def client_host(self) -> str:
        """The address it is connected from."""

    @property
    def now_ms(self) -> int:
        """The wall clock."""


class ClassicGroupRequests:
    """Answers members of classic groups."""

    __slots__ = ("_random_uuid", "rebalance")

    def __init__(self, rebalance: ClassicGroupRebalance, random_uuid: Callable[[], str]) -> None:
        self.rebalance = rebalance
        self._random_uuid = random_uuid

    # JoinGroup

    def join(
        self, sender: Sender, request: JoinGroupRequest, group: ClassicGroup, reply: Deferred[JoinGroupResponse]
    ) -> CoordinatorResult[None]:
        """JoinGroup: `reply` is answered now or when the rebalance that it begins or joins has all members."""
        member_id = request.member_id
        if not self._is_accepted(group, member_id):
            group.remove(member_id)
            reply.complete(join_error(ErrorCode.GROUP_MAX_SIZE_REACHED))
            return NO_EFFECTS
        if group.state is DEAD:
            reply.complete(join_error(ErrorCode.COORDINATOR_NOT_AVAILABLE, member_id))
            return NO_EFFECTS
        if not group.supports_protocols(request.protocol_type, [protocol.name for protocol in request.protocols]):
            reply.complete(join_error(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, member_id))
            return NO_EFFECTS
        if member_id:
            return self._join_known(sender, request, group, reply)
        return self._join_new(sender, request, group, reply)

    def _is_accepted(self, group: ClassicGroup, member_id: str) -> bool:
        """Whether the group has room; while a rebalance waits, those who joined first have it."""
        max_size = self.rebalance.config.max_size
        member = group.members.get(member_id)
        if group.state is PREPARING_REBALANCE:
            return (member is not None and member.awaiting_join is not None) or group.awaiting_join_count < max_size
        if group.state in (COMPLETING_REBALANCE, STABLE):
            return member is not None or len(group.members) < max_size
        return True

    def _join_new(
        self, sender: Sender, request: JoinGroupRequest, group: ClassicGroup, reply: Deferred[JoinGroupResponse]
    ) -> CoordinatorResult[None]:
        instance_id = request.group_instance_id
        new_id = f"{(sender.client_id or '') if instance_id is None else instance_id}-{self._random_uuid()}"
        if instance_id is not None:
            existing = group.static_members.get(instance_id)
            if existing is not None:
                return self._replace_static(sender, request, group, existing, new_id, reply)
            return self._add(sender, request, group, new_id, reply)
        if sender.api_version < KNOWN_MEMBER_ID_MIN_VERSION:
            return self._add(sender, request, group, new_id, reply)
        # KIP-394: the client has to come back with its id, so that one that gives up leaves no member behind.
        group.pending_join_members[new_id] = None
        self.rebalance.schedule_session(group.group_id, new_id, request.session_timeout_ms)
        reply.complete(join_error(ErrorCode.MEMBER_ID_REQUIRED, new_id))
        return NO_EFFECTS

    def _join_known(
        self, sender: Sender, request: JoinGroupRequest, group: ClassicGroup, reply: Deferred[JoinGroupResponse]
    ) -> CoordinatorResult[None]:
        member_id = request.member_id
        if member_id in group.pending_join_members:
            if request.group_instance_id is not None:
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
            return self._add(sender, request, group, member_id, reply)
        try:
            group.validate_member(member_id, request.group_instance_id)
        except KafkaError as error:
            reply.complete(join_error(error.error, member_id))
            return NO_EFFECTS
        if group.state is EMPTY:
            reply.complete(join_error(ErrorCode.UNKNOWN_MEMBER_ID, member_id))
            return NO_EFFECTS
        member = group.members[member_id]
        protocols = protocols_of(request)
        is_unchanged = member.protocols == protocols
        if (group.state is COMPLETING_REBALANCE and is_unchanged) or (
            group.state is STABLE and is_unchanged and not group.is_leader(member_id)
        ):
            # Most likely the answer to its last JoinGroup got lost: it can go on to sync. A leader of a stable group
            # joins again because something else has changed, such as the topics' partitions.
            reply.complete(group.join_response(member_id))
            return NO_EFFECTS
        group.update_member(member, protocols, request.rebalance_timeout_ms, request.session_timeout_ms, reply)
        what = "leader re-joining" if is_unchanged else "updating metadata"
        reason = f"{what}: member {member_id} during {group.state}; client reason: {reason_of(request)}"
        return self.rebalance.rebalance_or_complete_join(group, reason, sender.now_ms)

    def _add(
        self,
        sender: Sender,
        request: JoinGroupRequest,
        group: ClassicGroup,
        member_id: str,
        reply: Deferred[JoinGroupResponse],
    ) -> CoordinatorResult[None]:
        member = ClassicGroupMember(
            member_id,
            group_instance_id=request.group_instance_id,
            client_id=sender.client_id or "",
            client_host=f"/{sender.client_host}",
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocol_type=request.protocol_type,
            protocols=protocols_of(request),
            is_new=True,
        )
        if group.state is PREPARING_REBALANCE and group.previous_state is EMPTY:
            group.has_new_member = True
        group.add(member, reply)
        # It cannot send heartbeats while it waits, and does not know its id if this is its first request: should it
        # give up and come again, those it left behind must not hold up the group for ever.
        self.rebalance.reschedule_session(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS)
        reason = f"adding new member {member_id} with group instance id {request.group_instance_id}"
        return self.rebalance.rebalance_or_complete_join(
            group, f"{reason}; client reason: {reason_of(request)}", sender.now_ms
        )

    def _replace_static(
        self,
        sender: Sender,
        request: JoinGroupRequest,
        group: ClassicGroup,
        old_id: str,
        new_id: str,
        reply: Deferred[JoinGroupResponse],
    ) -> CoordinatorResult[None]:
        """A static member is back: in a stable group it takes its assignment over without a rebalance."""
        instance_id = request.group_instance_id or ""
        old_leader = group.leader_id
        member = group.replace_static_member(instance_id, old_id, new_id)
        self.rebalance.reschedule_session(group, member)
        before = (member.protocols, member.rebalance_timeout_ms, member.session_timeout_ms)
        group.update_member(
            member, protocols_of(request), request.rebalance_timeout_ms, request.session_timeout_ms, reply
        )
        if group.state is COMPLETING_REBALANCE:
            # The leader may be assigning partitions to the old id just now: nobody would get them.
            reason = f"updating metadata for static member {new_id} with instance id {instance_id}"
            return self.rebalance.prepare_rebalance(
                group, f"{reason}; client reason: {reason_of(request)}", sender.now_ms
            )
        if group.state is not STABLE:
            return self.rebalance.complete_join_if_ready(group, sender.now_ms)
        if group.protocol_name != group.select_protocol():
            reason = f"static member {new_id} with instance id {instance_id} joined with change of protocol"
            return self.rebalance.rebalance_or_complete_join(
                group, f"{reason}; client reason: {reason_of(request)}", sender.now_ms
            )

        may_skip_assignment = sender.api_version >= SKIP_ASSIGNMENT_MIN_VERSION

        def on_appended(error: KafkaError | None) -> None:
            if error is not None:
                response = group.join_response("")
                response.leader, response.members = old_leader or "", []
                response.error_code = append_error(error.error)
                group.answer_join(member, response)
                group.update_member(member, *before, None)
                old = group.replace_static_member(instance_id, new_id, old_id)
                self.rebalance.reschedule_session(group, old)
                return
            is_leader = group.is_leader(new_id)
            response = group.join_response(new_id, skip_assignment=is_leader and may_skip_assignment)
            if not may_skip_assignment:
                # It must not take itself for the leader: it would assign, and the others would not hear of it.
                response.leader = old_leader or ""
                response.members = []
            group.answer_join(member, response)

        assignments = {m.member_id: m.assignment for m in group.members.values()}
        return CoordinatorResult([group.to_record(assignments)], on_appended=on_appended, is_replayed=False)

    # SyncGroup

    def sync(
        self, sender: Sender, request: SyncGroupRequest, group: ClassicGroup, reply: Deferred[SyncGroupResponse]
    ) -> CoordinatorResult[None]:
        """SyncGroup: answered once the leader's assignment is in the log."""
        error = self._sync_error(request, group)
        if error is not ErrorCode.NONE:
            reply.complete(SyncGroupResponse(error_code=error))
            return NO_EFFECTS
        member = group.members[request.member_id]
        self.rebalance.member_synced(group, request.member_id)
        if group.state is STABLE:
            reply.complete(
                SyncGroupResponse(
                    protocol_type=group.protocol_type, protocol_name=group.protocol_name, assignment=member.assignment
                )
            )
            return NO_EFFECTS
        member.answer_sync(SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))
        member.awaiting_sync = reply
        if not group.is_leader(request.member_id):
            return NO_EFFECTS
        given = {assignment.member_id: assignment.assignment for assignment in request.assignments}
        assignments = {member_id: given.get(member_id, b"") for member_id in group.members}
        generation_id, now_ms = group.generation_id, sender.now_ms

        def on_appended(error: KafkaError | None) -> None:
            if group.state is not COMPLETING_REBALANCE or group.generation_id != generation_id:
                return
            if error is not None:
                self.rebalance.propagate_assignment(group, {}, append_error(error.error))
                self.rebalance.prepare_rebalance(group, f"{error} when storing group assignment", now_ms)
                return
            self.rebalance.propagate_assignment(group, assignments, ErrorCode.NONE)
            group.transition_to(STABLE, now_ms)

        return CoordinatorResult([group.to_record(assignments)], on_appended=on_appended, is_replayed=False)

    def _sync_error(self, request: SyncGroupRequest, group: ClassicGroup) -> ErrorCode:
        if group.state is DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        try:
            group.validate_member(request.member_id, request.group_instance_id)
        except KafkaError as error:
            return error.error
        if request.generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        if differs(request.protocol_type, group.protocol_type) or differs(request.protocol_name, group.protocol_name):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if group.state is PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    # Heartbeat

    def heartbeat(self, request: HeartbeatRequest, group: ClassicGroup) -> ErrorCode:
        """Heartbeat: the session goes on, and the member hears whether it is to join again."""
        if group.state is DEAD:
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        member_id = request.member_id
        group.validate_member(member_id, request.group_instance_id)
        if request.generation_id != group.generation_id:
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        self.rebalance.reschedule_session(group, group.members[member_id])
        return ErrorCode.REBALANCE_IN_PROGRESS if group.state is PREPARING_REBALANCE else ErrorCode.NONE

    # LeaveGroup

    def leave(
        self, sender: Sender, request: LeaveGroupRequest, group: ClassicGroup
    ) -> CoordinatorResult[LeaveGroupResponse]:
        """LeaveGroup, of one member itself or of several by an administrator; each gets its own answer."""
        if group.state is DEAD:
            return CoordinatorResult(reply=LeaveGroupResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE))
        responses = [
            MemberResponse(
                member_id=identity.member_id,
                group_instance_id=identity.group_instance_id,
                error_code=self._leave_one(identity, group),
            )
            for identity in request.members
        ]
        left = [response.member_id for response in responses if response.error_code == ErrorCode.NONE]
        result: CoordinatorResult[None] = NO_EFFECTS
        if left and group.state is not EMPTY:
            reason = f"explicit `LeaveGroup` request for ({', '.join(left)}) members."
            result = self.rebalance.rebalance_or_complete_join(group, reason, sender.now_ms)
        return CoordinatorResult(
            result.records,
            LeaveGroupResponse(members=responses),
            on_appended=result.on_appended,
            is_replayed=result.is_replayed,
        )

    def _leave_one(self, identity: MemberIdentity, group: ClassicGroup) -> ErrorCode:
        member_id = identity.member_id
        if not member_id:
            # An administrator removes a static member by its instance id alone.
            member_id = group.static_members.get(identity.group_instance_id or "", "")
            if not member_id or identity.group_instance_id is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
        elif member_id not in group.pending_join_members:
            try:
                group.validate_member(member_id, identity.group_instance_id)
            except KafkaError as error:
                return error.error
        self.rebalance.timers.cancel(session_key(group.group_id, member_id))
        group.remove(member_id)
        logger.info(
            "[Group %s] Member %s has left group through explicit `LeaveGroup` request; client reason: %s",
            group.group_id,
            member_id,
            identity.reason or "not provided",
        )
        return ErrorCode.NONE


def join_error(error: ErrorCode, member_id: str = "") -> JoinGroupResponse:
    """A JoinGroup answer that is no membership."""
    return JoinGroupResponse(member_id=member_id, protocol_name=None, error_code=error)


def protocols_of(request: JoinGroupRequest) -> Protocols:
    """What a member says it supports."""
    return tuple([(protocol.name, protocol.metadata) for protocol in request.protocols])


def reason_of(request: JoinGroupRequest) -> str:
    """Why a member says it joins."""
    return request.reason or "not provided"


def differs(given: str | None, actual: str | None) -> bool:
    """Whether both sides name something, and not the same."""
    return given is not None and actual is not None and given != actual


def append_error(error: ErrorCode) -> ErrorCode:
    """What a client is told when its group's records could not be written."""
    if error in (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.REQUEST_TIMED_OUT):
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if error in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR):
        return ErrorCode.NOT_COORDINATOR
    if error in (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.RECORD_LIST_TOO_LARGE, ErrorCode.INVALID_FETCH_SIZE):
        return ErrorCode.UNKNOWN_SERVER_ERROR
    return error
