"""What share group members ask: join, go on, leave; and what administrators do to the offsets of share groups.

Share partitions must be initialised at the share coordinator before members get them, which is for whoever drives
this to do: heartbeats name in `initializing` what is to be, and `initialized` or `uninitialized` says what came of it.
Apache Kafka's GroupMetadataManager.shareGroupHeartbeat and its kin (KIP-932).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, MutableMapping
from typing import NamedTuple

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.assignors.partition_assignor import Assignment, GroupSpec, MemberSpec, SubscriptionType
from kafkalite.coordinator.assignors.simple_assignor import assign_simply
from kafkalite.coordinator.classic_group_requests import Sender
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group import Group, group_id_not_found
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.member_timeouts import MemberTimeouts
from kafkalite.coordinator.share_group import (
    JOIN_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_MEMBER_EPOCH,
    NO_PARTITIONS,
    ShareGroup,
    ShareGroupMember,
    ShareTopic,
    ShareTopics,
    StateMetadata,
    merge_topics,
    subscription_type,
)
from kafkalite.coordinator.share_group_records import (
    current_assignment_record,
    current_assignment_tombstone,
    group_record,
    member_record,
    member_tombstone,
    state_metadata_record,
    target_assignment_metadata_record,
    target_assignment_record,
    target_assignment_tombstone,
)
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.share_group_heartbeat import (
    Assignment as AssignmentMessage,
)
from kafkalite.protocol.messages.share_group_heartbeat import (
    ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
    TopicPartitions,
)

logger = logging.getLogger(__name__)


class ShareHeartbeatReply(NamedTuple):
    """The member's answer, and which partitions are to be initialised at `state_epoch` before others may have them."""

    response: ShareGroupHeartbeatResponse
    state_epoch: int = 0
    initializing: ShareTopics = {}


class ShareGroupHeartbeats:
    """Heartbeats of the members of one shard's share groups, and their timers."""

    __slots__ = ("_config", "_group_config", "_groups", "_timeouts", "metadata")

    def __init__(
        self,
        timers: CoordinatorTimers,
        config: GroupCoordinatorConfig,
        group_config: Callable[[str], GroupConfig],
        metadata: CoordinatorMetadataImage,
        groups: MutableMapping[str, Group],
    ) -> None:
        self._timeouts = MemberTimeouts(timers, "share-group", self._find, self._fence_silent)
        self.metadata = metadata
        self._config = config
        self._group_config = group_config
        self._groups = groups

    # Groups

    def _find(self, group_id: str) -> ShareGroup | None:
        group = self._groups.get(group_id)
        return group if isinstance(group, ShareGroup) else None

    def group(self, group_id: str) -> ShareGroup:
        """A share group; raises GROUP_ID_NOT_FOUND."""
        group = self._groups.get(group_id)
        if group is None:
            raise group_id_not_found(group_id)
        if not isinstance(group, ShareGroup):
            raise _not_a_share_group(group_id)
        return group

    def group_or_new(self, group_id: str, *, is_created: bool = True) -> ShareGroup:
        """A share group, or the one that records are about to make; raises GROUP_ID_NOT_FOUND."""
        group = self._groups.get(group_id)
        if group is None:
            if not is_created:
                raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Share group {group_id} not found.")
            return ShareGroup(group_id)
        if not isinstance(group, ShareGroup):
            raise _not_a_share_group(group_id)
        return group

    # Heartbeat

    def heartbeat(self, sender: Sender, request: ShareGroupHeartbeatRequest) -> CoordinatorResult[ShareHeartbeatReply]:
        """A member joins, goes on or leaves; raises KafkaError."""
        if request.member_epoch == LEAVE_GROUP_MEMBER_EPOCH:
            return self._leave(request)
        is_joining = request.member_epoch == JOIN_GROUP_MEMBER_EPOCH
        group = self.group_or_new(request.group_id, is_created=is_joining)
        self._check_room(group, request.member_id)
        member = self._member(group, request, is_joining=is_joining)
        updated = member.updated_by(request, sender.client_id or "", f"/{sender.client_host}")
        records: list[CoordinatorRecord] = []
        if updated != member or member.member_id not in group.members:
            records.append(member_record(group.group_id, updated))
        must_bump = updated.subscribed_topic_names != member.subscribed_topic_names
        if group.assignment_epoch >= group.group_epoch:
            must_bump = must_bump or group.lacks_initialized_partitions
        group_epoch, kind, topic_names = group.group_epoch, group.subscription_type, group.subscriptions.keys()
        if must_bump or group.needs_metadata_refresh or group_epoch < group.metadata_refresh_epoch:
            subscriptions = group.subscriptions_with(group.members.get(member.member_id), updated)
            topic_names = subscriptions.keys()
            kind = subscription_type(subscriptions, len(group.members.keys() | {updated.member_id}))
            metadata_hash = self.metadata.group_hash(topic_names)
            must_bump = must_bump or metadata_hash != group.metadata_hash
            if must_bump:
                group_epoch += 1
                records.append(group_record(group.group_id, group_epoch, metadata_hash))
            group.needs_metadata_refresh = False
            # Should the records not get into the log, the group's epoch stays behind: the next heartbeat looks again.
            group.metadata_refresh_epoch = group_epoch
        target_epoch, target = self._target_assignment(group, updated, group_epoch, kind, records, sender.now_ms)
        reconciled = self._reconcile(group, updated, target_epoch, target, records, has_changed=must_bump)
        config = self._group_config(group.group_id)
        self._timeouts.schedule_session(group.group_id, updated.member_id, config.share_session_timeout_ms)
        response = ShareGroupHeartbeatResponse(
            member_id=reconciled.member_id,
            member_epoch=reconciled.member_epoch,
            heartbeat_interval_ms=config.share_heartbeat_interval_ms,
        )
        if (
            is_joining
            or request.subscribed_topic_names is not None
            or member.assigned_partitions != reconciled.assigned_partitions
        ):
            response.assignment = _assignment_message(reconciled.assigned_partitions)
        initializing = self._uninitialized(group, topic_names, sender.now_ms)
        if initializing:
            state = (group.state_metadata or StateMetadata()).with_initializing(initializing)
            records.append(state_metadata_record(group.group_id, state, self.metadata.topic_name))
        return CoordinatorResult(records, ShareHeartbeatReply(response, group_epoch, initializing))

    def _check_room(self, group: ShareGroup, member_id: str) -> None:
        max_size = self._config.share_group_max_size
        if len(group.members) >= max_size and member_id not in group.members:
            raise KafkaError(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                f"The share group has reached its maximum capacity of {max_size} members.",
            )

    def _member(self, group: ShareGroup, request: ShareGroupHeartbeatRequest, *, is_joining: bool) -> ShareGroupMember:
        if is_joining:
            logger.info("[GroupId %s] Member %s joins the share group.", group.group_id, request.member_id)
            return group.members.get(request.member_id) or ShareGroupMember(request.member_id)
        member = group.member(request.member_id)
        epoch, current = request.member_epoch, member.member_epoch
        if epoch > current:
            raise KafkaError(
                ErrorCode.FENCED_MEMBER_EPOCH,
                f"The share group member has a greater member epoch ({epoch}) than the one known by the group "
                f"coordinator ({current}). The member must abandon all its partitions and rejoin.",
            )
        if epoch < current and epoch != member.previous_member_epoch:
            raise KafkaError(
                ErrorCode.FENCED_MEMBER_EPOCH,
                f"The share group member has a smaller member epoch ({epoch}) than the one known by the group "
                f"coordinator ({current}), and it does not match the previous member epoch "
                f"({member.previous_member_epoch}). The member must abandon all its partitions and rejoin.",
            )
        return member

    def _target_assignment(
        self,
        group: ShareGroup,
        updated: ShareGroupMember,
        group_epoch: int,
        kind: SubscriptionType,
        records: list[CoordinatorRecord],
        now_ms: int,
    ) -> tuple[int, Assignment]:
        """The epoch of the assignment and what it gives the member, computed anew where it is behind the group's."""
        interval_ms = self._group_config(group.group_id).share_assignment_interval_ms
        if group.assignment_epoch >= group_epoch or (
            group.assignment_timestamp_ms and 0 <= now_ms - group.assignment_timestamp_ms < interval_ms
        ):
            return group.assignment_epoch, group.target_assignment.get(updated.member_id, NO_PARTITIONS)
        members = {**group.members, updated.member_id: updated}
        specs = {
            member_id: MemberSpec(
                tuple(self.metadata.topic_ids(members[member_id].subscribed_topic_names).values()),
                group.target_assignment.get(member_id, NO_PARTITIONS),
            )
            for member_id in hash_map_order(members)
        }
        counts = {topic_id: self.metadata.partition_count(topic_id) for m in specs.values() for topic_id in m.topic_ids}
        state = group.state_metadata or StateMetadata()
        assignable = {topic_id: topic.partitions for topic_id, topic in state.initialized.items()}
        computed = assign_simply(GroupSpec(specs, kind, counts), assignable)
        records += (
            target_assignment_record(group.group_id, member_id, computed.get(member_id, NO_PARTITIONS))
            for member_id in specs
            if computed.get(member_id, NO_PARTITIONS) != group.target_assignment.get(member_id)
        )
        records.append(target_assignment_metadata_record(group.group_id, group_epoch, now_ms))
        return group_epoch, computed.get(updated.member_id, NO_PARTITIONS)

    def _reconcile(
        self,
        group: ShareGroup,
        member: ShareGroupMember,
        target_epoch: int,
        target: Assignment,
        records: list[CoordinatorRecord],
        *,
        has_changed: bool,
    ) -> ShareGroupMember:
        """The member gets at once what it is to have, of the topics that it still wants."""
        if member.member_epoch == target_epoch and not has_changed:
            return member
        wanted = frozenset(self.metadata.topic_ids(member.subscribed_topic_names).values())
        assigned = {topic_id: indexes for topic_id, indexes in target.items() if topic_id in wanted}
        reconciled = member._replace(assigned_partitions=assigned)
        if member.member_epoch != target_epoch:
            reconciled = reconciled._replace(member_epoch=target_epoch, previous_member_epoch=member.member_epoch)
        if reconciled != member:
            records.append(current_assignment_record(group.group_id, reconciled))
        return reconciled

    # Leaving

    def _leave(self, request: ShareGroupHeartbeatRequest) -> CoordinatorResult[ShareHeartbeatReply]:
        group = self.group(request.group_id)
        member = group.member(request.member_id)
        logger.info("[GroupId %s] Member %s left the share group.", group.group_id, member.member_id)
        response = ShareGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)
        return CoordinatorResult(self._fence(group, member), ShareHeartbeatReply(response))

    def _fence(self, group: ShareGroup, member: ShareGroupMember) -> list[CoordinatorRecord]:
        group_id, member_id = group.group_id, member.member_id
        self._timeouts.cancel(group_id, member_id, "session")
        metadata_hash = self.metadata.group_hash(group.subscriptions_with(member, None))
        records = [
            current_assignment_tombstone(group_id, member_id),
            target_assignment_tombstone(group_id, member_id),
            member_tombstone(group_id, member_id),
            group_record(group_id, group.group_epoch + 1, metadata_hash),
        ]
        if len(group.members) == 1:
            # Nobody is left: the empty assignment is complete, and the next member need not wait for another.
            records.append(target_assignment_metadata_record(group_id, group.group_epoch + 1, 0))
        return records

    # Timers

    def on_loaded(self, group: ShareGroup) -> None:
        """The group has been replayed: its members have their session timeout to be heard of again."""
        for member_id in group.members:
            session_timeout_ms = self._group_config(group.group_id).share_session_timeout_ms
            self._timeouts.schedule_session(group.group_id, member_id, session_timeout_ms)

    def _fence_silent(self, group: ShareGroup, member: ShareGroupMember, now_ms: int) -> CoordinatorResult[None]:
        return CoordinatorResult(self._fence(group, member))

    # Share partitions' state

    def _uninitialized(self, group: ShareGroup, topic_names: Collection[str], now_ms: int) -> ShareTopics:
        """Partitions of the group's topics that have no state yet, and are not about to get it."""
        state = group.state_metadata or StateMetadata()
        under_way = {
            topic_id: topic
            for topic_id, topic in state.initializing.items()
            if 0 <= now_ms - topic.timestamp_ms < self._config.share_group_initialize_retry_interval_ms
        }
        known = merge_topics(state.initialized, under_way)
        found = {}
        for name, topic_id in self.metadata.topic_ids(topic_names).items():
            count = self.metadata.partition_count(topic_id)
            have = known[topic_id].partitions if topic_id in known else frozenset()
            if len(have) < count:
                found[topic_id] = ShareTopic(name, frozenset(range(count)) - have, now_ms)
        return found

    def initialized(self, group_id: str, topics: ShareTopics) -> CoordinatorResult[None]:
        """The share coordinator keeps these partitions' state now."""
        return self._with_state(group_id, lambda state: state.with_initialized(topics))

    def uninitialized(self, group_id: str, topics: ShareTopics) -> CoordinatorResult[None]:
        """The share coordinator would not keep these partitions' state."""
        return self._with_state(group_id, lambda state: state.without_initializing(topics))

    def without_topics(self, group_id: str, topic_ids: Collection[Uuid]) -> CoordinatorResult[None]:
        """The state of these topics is gone."""
        return self._with_state(group_id, lambda state: state.without(topic_ids))

    def deleting(self, group_id: str, topic_ids: Collection[Uuid]) -> CoordinatorResult[None]:
        """The state of these topics is about to go."""
        return self._with_state(
            group_id, lambda state: state.without(topic_ids)._replace(deleting=state.deleting | frozenset(topic_ids))
        )

    def _with_state(self, group_id: str, change: Callable[[StateMetadata], StateMetadata]) -> CoordinatorResult[None]:
        group = self.group(group_id)
        state = change(group.state_metadata or StateMetadata())
        return CoordinatorResult([state_metadata_record(group_id, state, self.metadata.topic_name)])

    def delete_topics(self, topic_ids: Collection[Uuid]) -> list[CoordinatorRecord]:
        """Topics have just been deleted: what groups know of their partitions' state goes."""
        gone = frozenset(topic_ids)
        return [
            state_metadata_record(group.group_id, state.without(gone), self.metadata.topic_name)
            for group in self._groups.values()
            if isinstance(group, ShareGroup)
            for state in (group.state_metadata,)
            if state is not None and gone & (state.initializing.keys() | state.initialized.keys() | state.deleting)
        ]

    def begin_offsets(self, group_id: str, topics: ShareTopics) -> CoordinatorResult[int]:
        """Partitions are about to begin at other offsets, at the state epoch that is given back; raises KafkaError."""
        group = self.group_or_new(group_id)
        group.validate_delete()
        if not topics:  # A group that does not exist goes on not to.
            return CoordinatorResult(reply=group.group_epoch)
        state = (group.state_metadata or StateMetadata()).with_initializing(topics)
        return CoordinatorResult([state_metadata_record(group_id, state, self.metadata.topic_name)], group.group_epoch)


def _assignment_message(assignment: Assignment) -> AssignmentMessage:
    return AssignmentMessage(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, partitions=list(indexes)) for topic_id, indexes in assignment.items()
        ]
    )


def _not_a_share_group(group_id: str) -> KafkaError:
    return KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a share group.")
