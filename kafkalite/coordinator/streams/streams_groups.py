"""The streams groups of one `__consumer_offsets` partition: which one a request means, what replay makes of records."""

from __future__ import annotations

from collections.abc import Callable

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.classic_group_requests import Sender
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group import Group, group_id_not_found
from kafkalite.coordinator.streams.sticky_task_assignor import NAME as ASSIGNOR_NAME
from kafkalite.coordinator.streams.streams_group import StreamsGroup
from kafkalite.coordinator.streams.streams_group_heartbeat_validation import validate_heartbeat
from kafkalite.coordinator.streams.streams_group_heartbeats import (
    LEAVE_EPOCHS,
    StreamsGroupHeartbeatResult,
    StreamsGroupHeartbeats,
)
from kafkalite.coordinator.streams.streams_group_member import JOIN_GROUP_MEMBER_EPOCH
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.protocol.messages.streams_group_describe import DescribedGroup
from kafkalite.protocol.messages.streams_group_heartbeat import StreamsGroupHeartbeatRequest


class StreamsGroups:
    """Streams groups among `groups`, which are those of every kind; `remove` takes one out and ends its timers."""

    __slots__ = ("_groups", "_remove", "heartbeats")

    def __init__(
        self,
        timers: CoordinatorTimers,
        max_size: int,
        group_config: Callable[[str], GroupConfig],
        metadata: CoordinatorMetadataImage,
        groups: dict[str, Group],
        remove: Callable[[str], None],
    ) -> None:
        self._groups = groups
        self._remove = remove
        self.heartbeats = StreamsGroupHeartbeats(timers, max_size, group_config, metadata, groups, self.find)

    def find(self, group_id: str) -> StreamsGroup | None:
        """A streams group by its id; None where there is none."""
        group = self._groups.get(group_id)
        return group if isinstance(group, StreamsGroup) else None

    def heartbeat(
        self, sender: Sender, request: StreamsGroupHeartbeatRequest
    ) -> CoordinatorResult[StreamsGroupHeartbeatResult]:
        """StreamsGroupHeartbeat: a member joins, goes on or leaves; raises KafkaError."""
        validate_heartbeat(request)
        if request.member_epoch in LEAVE_EPOCHS:
            return self.heartbeats.leave(request, self._group(request.group_id))
        records: list[CoordinatorRecord] = []
        return self.heartbeats.heartbeat(sender, request, self._group_of(request, records), records)

    def _group_of(self, request: StreamsGroupHeartbeatRequest, records: list[CoordinatorRecord]) -> StreamsGroup:
        """The member's group; a first one makes it, and its records, once replayed, put it among the groups."""
        group_id = request.group_id
        group = self._groups.get(group_id)
        if isinstance(group, StreamsGroup):
            return group
        if request.member_epoch != JOIN_GROUP_MEMBER_EPOCH:
            if group is None:
                raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Streams group {group_id} not found.")
            raise _not_a_streams_group(group_id)
        if group is not None:
            if not isinstance(group, ClassicGroup) or not group.is_empty:
                raise _not_a_streams_group(group_id)
            records += group.tombstones()
        return StreamsGroup(group_id)

    def _group(self, group_id: str) -> StreamsGroup:
        group = self._groups.get(group_id)
        if group is None:
            raise group_id_not_found(group_id)
        if not isinstance(group, StreamsGroup):
            raise _not_a_streams_group(group_id)
        return group

    def describe(self, group_id: str) -> DescribedGroup:
        """A streams group, or what is said of one that there is not."""
        try:
            return self._group(group_id).describe(ASSIGNOR_NAME)
        except KafkaError as error:
            return DescribedGroup(group_id=group_id, error_code=error.error, error_message=error.message)

    # Replay

    def replay(self, key: CoordinatorKey, value: CoordinatorValue | None) -> None:
        """A streams group's record."""
        group_id: str = key.group_id  # type: ignore[attr-defined]
        group = self.find(group_id)
        if group is None:
            if value is None:
                return
            self._remove(group_id)
            group = self._groups[group_id] = StreamsGroup(group_id)
        if not group.replay(key, value):
            del self._groups[group_id]
            self.heartbeats.assignments.on_group_removed(group_id)


def _not_a_streams_group(group_id: str) -> KafkaError:
    return KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a streams group.")
