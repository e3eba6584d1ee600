"""The groups of one `__consumer_offsets` partition, by id: who answers which request, what replay makes of records.

Apache Kafka's GroupMetadataManager.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.classic_group import GROUP_METADATA_VALUE_VERSION, ClassicGroup
from kafkalite.coordinator.classic_group_rebalance import ClassicGroupRebalance
from kafkalite.coordinator.classic_group_requests import ClassicGroupRequests, Sender, join_error
from kafkalite.coordinator.classic_group_state import DEAD, STABLE
from kafkalite.coordinator.classic_protocol_members import ClassicProtocolMembers
from kafkalite.coordinator.consumer_group import ConsumerGroup
from kafkalite.coordinator.consumer_group_heartbeats import LEAVE_EPOCHS, ConsumerGroupHeartbeats
from kafkalite.coordinator.consumer_group_member import JOIN_GROUP_MEMBER_EPOCH
from kafkalite.coordinator.consumer_group_migration import ConsumerGroupMigration
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult, Deferred
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group import Group, GroupType, group_id_not_found
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.share_group import ShareGroup
from kafkalite.coordinator.share_group_heartbeats import ShareGroupHeartbeats
from kafkalite.coordinator.streams.streams_group import StreamsGroup
from kafkalite.coordinator.streams.streams_groups import StreamsGroups
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.protocol.coordinator_records.classic_group import GroupMetadataKey, GroupMetadataValue
from kafkalite.protocol.messages import consumer_group_describe
from kafkalite.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from kafkalite.protocol.messages.describe_groups import DescribedGroup
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kafkalite.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from kafkalite.protocol.messages.list_groups import ListedGroup
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

GROUP_ID_NOT_FOUND_MIN_VERSION = 6
"""From this version on DescribeGroups tells a group that does not exist from one that is dead."""


class GroupMetadataManager:
    """Groups by id."""

    __slots__ = (
        "_classic_protocol_members",
        "_config",
        "consumer_groups",
        "groups",
        "metadata",
        "rebalance",
        "requests",
        "share_groups",
        "streams_groups",
        "unwritten",
    )

    def __init__(
        self,
        timers: CoordinatorTimers,
        config: GroupCoordinatorConfig,
        metadata: CoordinatorMetadataImage,
        group_config: Callable[[str], GroupConfig],
        random_uuid: Callable[[], str],
        random_member_id: Callable[[], str],
    ) -> None:
        self._config = config
        self.metadata = metadata
        self.groups: dict[str, Group] = {}
        self.unwritten: set[str] = set()
        """Groups that nothing has been written of: until something is, they are neither listed nor described."""
        self.rebalance = ClassicGroupRebalance(timers, config, self._find_classic_group)
        self.requests = ClassicGroupRequests(self.rebalance, random_uuid)
        migration = ConsumerGroupMigration(self.groups, self.rebalance, config, metadata)
        self.consumer_groups = ConsumerGroupHeartbeats(
            timers, config, group_config, metadata, migration, self._find_consumer_group, random_member_id
        )
        self._classic_protocol_members = ClassicProtocolMembers(self.consumer_groups)
        self.share_groups = ShareGroupHeartbeats(timers, config, group_config, metadata, self.groups)
        self.streams_groups = StreamsGroups(
            timers, config.streams_group_max_size, group_config, metadata, self.groups, self._remove
        )

    def group(self, group_id: str) -> Group:
        """The group; raises GROUP_ID_NOT_FOUND."""
        group = self.groups.get(group_id)
        if group is None:
            raise group_id_not_found(group_id)
        return group

    def _find_classic_group(self, group_id: str) -> ClassicGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None

    def _find_consumer_group(self, group_id: str) -> ConsumerGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ConsumerGroup) else None

    # Members of consumer groups

    def heartbeat_consumer_group(
        self, sender: Sender, request: ConsumerGroupHeartbeatRequest
    ) -> CoordinatorResult[ConsumerGroupHeartbeatResponse]:
        """ConsumerGroupHeartbeat, itself valid: a member joins, goes on or leaves; raises KafkaError."""
        if request.member_epoch in LEAVE_EPOCHS:
            return self.consumer_groups.leave(sender, request, self._consumer_group(request.group_id))
        records: list[CoordinatorRecord] = []
        group = self.groups.get(request.group_id)
        if not isinstance(group, ConsumerGroup):
            group = self._new_consumer_group(request, group, records)
        return self.consumer_groups.heartbeat(sender, request, group, records)

    def _new_consumer_group(
        self, request: ConsumerGroupHeartbeatRequest, existing: Group | None, records: list[CoordinatorRecord]
    ) -> ConsumerGroup:
        """The group that a first member is about to make; its records, once replayed, put it among the groups."""
        group_id = request.group_id
        if request.member_epoch != JOIN_GROUP_MEMBER_EPOCH:
            what = f"Consumer group {group_id} not found." if existing is None else _not_a_consumer_group(group_id)
            raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, what)
        if existing is not None:
            if not isinstance(existing, ClassicGroup):
                raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, _not_a_consumer_group(group_id))
            if not existing.is_empty:
                return self.consumer_groups.upgrade(existing, records)
            records += existing.tombstones()
        return ConsumerGroup(group_id)

    def _consumer_group(self, group_id: str) -> ConsumerGroup:
        group = self.group(group_id)
        if not isinstance(group, ConsumerGroup):
            raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, _not_a_consumer_group(group_id))
        return group

    # Members of classic groups

    def join_classic_group(self, sender: Sender, request: JoinGroupRequest) -> CoordinatorResult[JoinGroupResponse]:
        """JoinGroup: a group that does not exist is created for a member that does not know its id."""
        group_id = request.group_id
        reply: Deferred[JoinGroupResponse] = Deferred()
        existing = self.groups.get(group_id)
        if isinstance(existing, ClassicGroup):
            return self.requests.join(sender, request, existing, reply).with_reply(reply)
        if isinstance(existing, ConsumerGroup) and not existing.is_empty:
            return self._classic_protocol_members.join(sender, request, existing, reply).with_reply(reply)
        records: list[CoordinatorRecord] = []
        if existing is not None and not (
            existing.is_empty and existing.type in (GroupType.CONSUMER, GroupType.STREAMS)
        ):
            reply.complete(join_error(ErrorCode.INCONSISTENT_GROUP_PROTOCOL))
            return CoordinatorResult(reply=reply)
        if request.member_id:
            reply.complete(join_error(ErrorCode.UNKNOWN_MEMBER_ID, request.member_id))
            return CoordinatorResult(reply=reply)
        if existing is not None:
            records = existing.tombstones()
            del self.groups[group_id]
        group = ClassicGroup(group_id, current_state_timestamp_ms=sender.now_ms)
        self.groups[group_id] = group
        self.requests.join(sender, request, group, reply)

        def on_appended(error: KafkaError | None) -> None:
            if error is not None:
                self._remove(group_id)

        records.append(
            CoordinatorRecord(
                GroupMetadataKey(group=group_id),
                GroupMetadataValue(
                    protocol=None, leader=None, current_state_timestamp=group.current_state_timestamp_ms or 0
                ),
                GROUP_METADATA_VALUE_VERSION,
            )
        )
        return CoordinatorResult(records, reply, on_appended=on_appended, is_replayed=False)

    def sync_classic_group(self, sender: Sender, request: SyncGroupRequest) -> CoordinatorResult[SyncGroupResponse]:
        """SyncGroup."""
        modern = self._find_consumer_group(request.group_id)
        if modern is not None and not modern.is_empty:
            return self._classic_protocol_members.sync(request, modern)
        reply: Deferred[SyncGroupResponse] = Deferred()
        group = self._find_classic_group(request.group_id)
        if group is None or group.is_empty:
            reply.complete(SyncGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID))
            return CoordinatorResult(reply=reply)
        return self.requests.sync(sender, request, group, reply).with_reply(reply)

    def heartbeat_classic_group(self, request: HeartbeatRequest) -> ErrorCode:
        """Heartbeat; raises KafkaError."""
        modern = self._find_consumer_group(request.group_id)
        if modern is not None:
            return self._classic_protocol_members.heartbeat(request, modern)
        group = self._find_classic_group(request.group_id)
        if group is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Group {request.group_id} not found.")
        return self.requests.heartbeat(request, group)

    def leave_classic_group(self, sender: Sender, request: LeaveGroupRequest) -> CoordinatorResult[LeaveGroupResponse]:
        """LeaveGroup; raises UNKNOWN_MEMBER_ID where there is no such group."""
        modern = self._find_consumer_group(request.group_id)
        if modern is not None:
            return self._classic_protocol_members.leave(sender, request, modern)
        group = self._find_classic_group(request.group_id)
        if group is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Group {request.group_id} not found.")
        return self.requests.leave(sender, request, group)

    # Administration

    def list_groups(self, states_filter: Iterable[str], types_filter: Iterable[str]) -> list[ListedGroup]:
        """The groups in one of the states and of one of the types; names in any case, no names for all."""
        states = {state.lower().strip() for state in states_filter}
        types = {GroupType.parse(name) for name in types_filter}
        return [
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.listed_protocol_type,
                group_state=group.state_name,
                group_type=group.type.value,
            )
            for group in self.groups.values()
            if group.group_id not in self.unwritten
            and (not states or _state_filter_name(group) in states)
            and (not types or group.type in types)
        ]

    def describe_classic_group(self, group_id: str, api_version: int) -> DescribedGroup:
        """A classic group, or what is said of one that there is not."""
        group = None if group_id in self.unwritten else self.groups.get(group_id)
        if not isinstance(group, ClassicGroup):
            described = DescribedGroup(group_id=group_id, group_state=DEAD.value)
            if api_version >= GROUP_ID_NOT_FOUND_MIN_VERSION:
                described.error_code = ErrorCode.GROUP_ID_NOT_FOUND
                described.error_message = (
                    f"Group {group_id} not found." if group is None else f"Group {group_id} is not a classic group."
                )
            return described
        protocol = group.protocol_name if group.state is STABLE else None
        return DescribedGroup(
            group_id=group_id,
            group_state=group.state_name,
            protocol_type=group.listed_protocol_type,
            protocol_data=protocol or "",
            members=[member.describe(protocol) for member in group.members.values()],
        )

    def describe_consumer_group(self, group_id: str) -> consumer_group_describe.DescribedGroup:
        """A consumer group, or what is said of one that there is not."""
        try:
            self.require_written(group_id)
            group = self._consumer_group(group_id)
        except KafkaError as error:
            return consumer_group_describe.DescribedGroup(
                group_id=group_id, error_code=error.error, error_message=error.message
            )
        return group.describe(self._config.consumer_group_assignors[0], self.metadata)

    # Replay

    def replay_group_metadata(self, key: GroupMetadataKey, value: GroupMetadataValue | None) -> None:
        """A classic group's record."""
        self._remove(key.group)
        if value is not None:
            self.groups[key.group] = ClassicGroup.from_record(key.group, value)

    def replay_consumer_group(self, key: CoordinatorKey, value: CoordinatorValue | None) -> None:
        """A consumer group's record."""
        group_id: str = key.group_id  # type: ignore[attr-defined]
        group = self.groups.get(group_id)
        if not isinstance(group, ConsumerGroup):
            if value is None:
                return
            self._remove(group_id)
            group = self.groups[group_id] = ConsumerGroup(group_id)
        if not group.replay(key, value):
            del self.groups[group_id]

    def replay_share_group(self, key: CoordinatorKey, value: CoordinatorValue | None, now_ms: int) -> None:
        """A share group's record."""
        group_id: str = key.group_id  # type: ignore[attr-defined]
        group = self.groups.get(group_id)
        if not isinstance(group, ShareGroup):
            if value is None:
                return
            self._remove(group_id)
            group = self.groups[group_id] = ShareGroup(group_id)
        if not group.replay(key, value, now_ms):
            del self.groups[group_id]

    def ensure_simple_group(self, group_id: str, now_ms: int) -> None:
        """Offsets of a group without a record of its own: it exists as an empty group without a protocol.

        It does from the first commit on, also from one of which nothing is kept: then it is seen once anything else
        has been written to the partition.
        """
        if group_id not in self.groups:
            self.groups[group_id] = ClassicGroup(group_id, current_state_timestamp_ms=now_ms)
            self.unwritten.add(group_id)

    def require_written(self, group_id: str) -> None:
        """Raises GROUP_ID_NOT_FOUND for a group that nothing has been written of."""
        if group_id in self.unwritten:
            raise group_id_not_found(group_id)

    def on_loaded(self, now_ms: int) -> None:
        """Replay has ended: members of classic groups have their session timeout to be heard of again."""
        for group in self.groups.values():
            if isinstance(group, ConsumerGroup):
                self.consumer_groups.fencing.on_loaded(group)
            if isinstance(group, StreamsGroup):
                self.streams_groups.heartbeats.sessions.on_loaded(group)
            if isinstance(group, ShareGroup):
                self.share_groups.on_loaded(group)
            if not isinstance(group, ClassicGroup):
                continue
            for member in group.members.values():
                self.rebalance.reschedule_session(group, member)
            if len(group.members) > self.rebalance.config.max_size:
                # A smaller group.max.size: a rebalance lets members commit before some have to go.
                self.rebalance.prepare_rebalance(group, "the group is larger than group.max.size", now_ms)

    def on_topics_changed(self, names: Collection[str]) -> None:
        """Topics were made, have changed or are gone: groups that read them look again with their next heartbeat."""
        for group in self.groups.values():
            if isinstance(group, ConsumerGroup | ShareGroup) and any(
                group.is_subscribed_to_topic(name) for name in names
            ):
                group.needs_metadata_refresh = True
            if isinstance(group, StreamsGroup) and any(group.requires_topic(name) for name in names):
                group.needs_metadata_refresh = True

    def _remove(self, group_id: str) -> None:
        group = self.groups.pop(group_id, None)
        if isinstance(group, ClassicGroup):
            self.rebalance.cancel_timers(group)


def _state_filter_name(group: Group) -> str:
    return group.state.filter_name if isinstance(group, StreamsGroup) else group.state_name.lower()


def _not_a_consumer_group(group_id: str) -> str:
    return f"Group {group_id} is not a consumer group."
