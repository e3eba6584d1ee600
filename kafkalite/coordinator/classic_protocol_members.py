"""Members of a consumer group that use the classic protocol: they join, sync, send heartbeats and leave as ever.

Their generation is their member epoch. A heartbeat tells them to join again when there is another assignment for them;
the join is their next step towards it, and the sync brings what they have. Apache Kafka's GroupMetadataManager,
classicGroupJoinToConsumerGroup and its kin.
"""

from __future__ import annotations

import logging
from typing import Final

from kafkalite.coordinator.classic_group_requests import KNOWN_MEMBER_ID_MIN_VERSION, Sender, join_error
from kafkalite.coordinator.consumer_group import CONSUMER_PROTOCOL_TYPE, ConsumerGroup
from kafkalite.coordinator.consumer_group_heartbeat_validation import check_is_not_fenced, instance_id_is_unknown
from kafkalite.coordinator.consumer_group_heartbeats import ConsumerGroupHeartbeats, replacement_records
from kafkalite.coordinator.consumer_group_member import ConsumerGroupMember, MemberState
from kafkalite.coordinator.consumer_group_migration import (
    assignment_version,
    decode_subscription,
    encode_assignment,
)
from kafkalite.coordinator.consumer_group_records import member_record
from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorRecord, CoordinatorResult, Deferred
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.consumer_protocol import ConsumerProtocolSubscription
from kafkalite.protocol.coordinator_records.consumer_group import ClassicMemberMetadata, ClassicProtocol
from kafkalite.protocol.messages.consumer_group_heartbeat import TopicPartitions
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kafkalite.protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kafkalite.protocol.primitives import ProtocolError

logger = logging.getLogger(__name__)

NO_EPOCH: Final = -1


class ClassicProtocolMembers:
    """Answers requests of the classic protocol to consumer groups; `heartbeats` are those of the consumer protocol."""

    __slots__ = ("_heartbeats",)

    def __init__(self, heartbeats: ConsumerGroupHeartbeats) -> None:
        self._heartbeats = heartbeats

    # JoinGroup

    def join(
        self, sender: Sender, request: JoinGroupRequest, group: ConsumerGroup, reply: Deferred[JoinGroupResponse]
    ) -> CoordinatorResult[None]:
        """JoinGroup: a member joins, or takes its next step. Answered once it is in the log; raises KafkaError."""
        heartbeats = self._heartbeats
        self._check_may_join(request, group)
        is_unknown = not request.member_id
        member_id = request.member_id or heartbeats.random_member_id()
        heartbeats.check_room(group, member_id, request.group_instance_id)
        _check_protocols(group, request, member_id)
        if is_unknown and request.group_instance_id is None and sender.api_version >= KNOWN_MEMBER_ID_MIN_VERSION:
            reply.complete(join_error(ErrorCode.MEMBER_ID_REQUIRED, member_id))
            return NO_EFFECTS
        records: list[CoordinatorRecord] = []
        member = self._member(request, group, member_id, records, is_unknown=is_unknown)
        migration = heartbeats.migration
        is_downgrade = migration.may_downgrade_with(group, group.static_member(request.group_instance_id))
        subscription = _subscription(request)
        updated = _updated(member, request, subscription, sender)
        have_names_changed = updated.subscribed_topic_names != member.subscribed_topic_names
        if updated != member:
            records.append(member_record(group.group_id, updated))
        regex_change = heartbeats.regexes.update(group, member, updated, records, sender.now_ms)
        has_changed = have_names_changed or regex_change.is_updated
        group_epoch = heartbeats.refresh(group, member, updated, records, must_bump=has_changed)
        owned = self._owned_partitions(subscription)
        result: CoordinatorResult[None]
        if is_downgrade:
            must_rebalance = group.assignment_epoch < group_epoch
            if not must_rebalance:
                target = heartbeats.last_target_assignment(group, updated)
                updated = heartbeats.reconcile(
                    group, updated, *target, owned, records, has_subscription_changed=has_changed
                )
            reason = f"Downgrade group {group.group_id} from consumer to classic with stale assignment."
            result = migration.downgrade(
                group,
                joining=updated,
                rebalance_reason=reason if must_rebalance else None,
                records=records,
                now_ms=sender.now_ms,
            )
        else:
            target = heartbeats.target_assignment(group, member, updated, group_epoch, records, sender.now_ms)
            updated = heartbeats.reconcile(
                group, updated, *target, owned, records, has_subscription_changed=has_changed
            )
            result = CoordinatorResult(records)
        response = JoinGroupResponse(
            member_id=member_id,
            generation_id=updated.member_epoch,
            protocol_type=CONSUMER_PROTOCOL_TYPE,
            protocol_name=request.protocols[0].name,
        )
        undo = result.on_appended

        def on_appended(error: KafkaError | None) -> None:
            if undo is not None:
                undo(error)
            if error is not None:
                return
            group_id = group.group_id
            heartbeats.fencing.on_joined(group_id, member_id)
            if not is_downgrade:
                heartbeats.fencing.schedule_session(group_id, member_id, request.session_timeout_ms)
                heartbeats.fencing.schedule_sync(group_id, member_id, request.rebalance_timeout_ms)
            reply.complete(response)

        return CoordinatorResult(records, on_appended=on_appended, is_replayed=not is_downgrade)

    def _check_may_join(self, request: JoinGroupRequest, group: ConsumerGroup) -> None:
        if self._heartbeats.config.consumer_group_migration_policy == "disabled":
            raise KafkaError(
                ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
                f"Cannot join the consumer group {group.group_id} with the classic protocol because the group "
                "migration is disabled.",
            )

    def _member(
        self,
        request: JoinGroupRequest,
        group: ConsumerGroup,
        member_id: str,
        records: list[CoordinatorRecord],
        *,
        is_unknown: bool,
    ) -> ConsumerGroupMember:
        instance_id = request.group_instance_id
        if instance_id is None:
            return group.members.get(member_id) or ConsumerGroupMember(member_id)
        existing = group.static_member(instance_id)
        if not is_unknown:
            if existing is None:
                raise instance_id_is_unknown(instance_id)
            check_is_not_fenced(existing, member_id, instance_id)
            return existing
        if existing is None:
            return ConsumerGroupMember(member_id)
        member = existing._replace(member_id=member_id, member_epoch=0, previous_member_epoch=0)
        records += replacement_records(group, existing, member)
        return member

    def _owned_partitions(self, subscription: ConsumerProtocolSubscription) -> list[TopicPartitions]:
        found = []
        for topic in subscription.owned_partitions:
            topic_id = self._heartbeats.metadata.topic_id(topic.topic)
            if topic_id is not None:
                found.append(TopicPartitions(topic_id=topic_id, partitions=topic.partitions))
        return found

    # SyncGroup

    def sync(self, request: SyncGroupRequest, group: ConsumerGroup) -> CoordinatorResult[SyncGroupResponse]:
        """SyncGroup: what the member has; raises KafkaError."""
        member = _classic_member(group, request.member_id, request.group_instance_id)
        _check_generation(member, request.generation_id)
        _check_protocol(member, request)
        if group.assignment_epoch > member.member_epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
            self._heartbeats.fencing.schedule_join(group.group_id, member)
            raise KafkaError(
                ErrorCode.REBALANCE_IN_PROGRESS,
                f"A new rebalance is triggered in group {group.group_id} and member {member.member_id} should rejoin "
                "to catch up.",
            )
        self._heartbeats.fencing.on_synced(group.group_id, member.member_id)
        self._heard_of(group, member)
        assignment = encode_assignment(
            member.assigned_partitions, assignment_version(member), self._heartbeats.metadata
        )
        return CoordinatorResult(
            reply=SyncGroupResponse(
                protocol_type=request.protocol_type, protocol_name=request.protocol_name, assignment=assignment
            )
        )

    # Heartbeat

    def heartbeat(self, request: HeartbeatRequest, group: ConsumerGroup) -> ErrorCode:
        """Heartbeat: REBALANCE_IN_PROGRESS where the member can take a step; raises KafkaError."""
        member = _classic_member(group, request.member_id, request.group_instance_id)
        _check_generation(member, request.generation_id)
        self._heard_of(group, member)
        if (
            member.member_epoch < group.assignment_epoch
            or member.state is MemberState.UNREVOKED_PARTITIONS
            or (member.state is MemberState.UNRELEASED_PARTITIONS and not _waits_for_others(group, member))
        ):
            self._heartbeats.fencing.schedule_join(group.group_id, member)
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def _heard_of(self, group: ConsumerGroup, member: ConsumerGroupMember) -> None:
        assert member.classic_member_metadata is not None
        self._heartbeats.fencing.schedule_session(
            group.group_id, member.member_id, member.classic_member_metadata.session_timeout_ms
        )

    # LeaveGroup

    def leave(
        self, sender: Sender, request: LeaveGroupRequest, group: ConsumerGroup
    ) -> CoordinatorResult[LeaveGroupResponse]:
        """LeaveGroup: of members of either protocol, each with its own answer."""
        leaving: dict[str, ConsumerGroupMember] = {}
        responses = []
        for identity in request.members:
            response = MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id)
            try:
                member = _leaving_member(group, identity)
                leaving[member.member_id] = member
            except KafkaError as error:
                response.error_code = error.error
            responses.append(response)
        result = self._heartbeats.fencing.fence(group, list(leaving.values()), sender.now_ms)
        return result.with_reply(LeaveGroupResponse(members=responses))


def _check_protocols(group: ConsumerGroup, request: JoinGroupRequest, member_id: str) -> None:
    """All members of the classic protocol must have one assignment protocol in common."""
    count = group.classic_member_count
    is_supported = request.protocol_type == CONSUMER_PROTOCOL_TYPE and any(
        group.classic_supporter_count(protocol.name) == count for protocol in request.protocols
    )
    if not is_supported:
        raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, f"Member {member_id}'s protocols are not supported.")


def _subscription(request: JoinGroupRequest) -> ConsumerProtocolSubscription:
    try:
        return decode_subscription(request.protocols[0].metadata)
    except ProtocolError:
        raise KafkaError(
            ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
            "Malformed embedded consumer protocol in subscription deserialization.",
        ) from None


def _updated(
    member: ConsumerGroupMember, request: JoinGroupRequest, subscription: ConsumerProtocolSubscription, sender: Sender
) -> ConsumerGroupMember:
    """What a JoinGroup says of a member."""
    rebalance_timeout_ms = request.rebalance_timeout_ms
    return member._replace(
        instance_id=member.instance_id if request.group_instance_id is None else request.group_instance_id,
        rack_id=subscription.rack_id or member.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms if rebalance_timeout_ms == -1 else rebalance_timeout_ms,
        subscribed_topic_names=frozenset(subscription.topics),
        subscribed_topic_regex="",
        client_id=sender.client_id or "",
        client_host=f"/{sender.client_host}",
        classic_member_metadata=ClassicMemberMetadata(
            session_timeout_ms=request.session_timeout_ms,
            supported_protocols=[
                ClassicProtocol(name=protocol.name, metadata=bytes(protocol.metadata)) for protocol in request.protocols
            ],
        ),
    )


def _classic_member(group: ConsumerGroup, member_id: str, instance_id: str | None) -> ConsumerGroupMember:
    """The member that a request of the classic protocol comes from; raises KafkaError."""
    if instance_id is None:
        member = group.member(member_id)
    else:
        found = group.static_member(instance_id)
        if found is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_MEMBER_ID,
                f"Member with instance id {instance_id} is not a member of group {group.group_id}.",
            )
        check_is_not_fenced(found, member_id, instance_id)
        member = found
    if not member.uses_classic_protocol:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member.member_id} does not use the classic protocol.")
    return member


def _leaving_member(group: ConsumerGroup, identity: MemberIdentity) -> ConsumerGroupMember:
    """Who leaves; an administrator names static members by their instance ids alone."""
    if identity.group_instance_id is None:
        return group.member(identity.member_id)
    member = group.static_member(identity.group_instance_id)
    if member is None:
        raise instance_id_is_unknown(identity.group_instance_id)
    if identity.member_id:
        check_is_not_fenced(member, identity.member_id, identity.group_instance_id)
    return member


def _check_generation(member: ConsumerGroupMember, generation_id: int) -> None:
    if generation_id != member.member_epoch:
        raise KafkaError(
            ErrorCode.ILLEGAL_GENERATION,
            f"The request generation id {generation_id} is not equal to the member epoch {member.member_epoch} of "
            f"member {member.member_id}.",
        )


def _check_protocol(member: ConsumerGroupMember, request: SyncGroupRequest) -> None:
    assert member.classic_member_metadata is not None
    name = member.classic_member_metadata.supported_protocols[0].name
    if request.protocol_type not in (None, CONSUMER_PROTOCOL_TYPE) or request.protocol_name not in (None, name):
        raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


def _waits_for_others(group: ConsumerGroup, member: ConsumerGroupMember) -> bool:
    """Whether somebody else still has a partition that the member is to get."""
    return any(
        index not in member.assigned_partitions.get(topic_id, ()) and group.partition_epoch(topic_id, index) != NO_EPOCH
        for topic_id, indexes in group.target_assignment.get(member.member_id, {}).items()
        for index in indexes
    )
