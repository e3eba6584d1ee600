"""Members of streams groups that fall silent, or do not give up their tasks in time: when, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.member_timeouts import MemberTimeouts
from kafkalite.coordinator.streams.streams_group import StreamsGroup
from kafkalite.coordinator.streams.streams_group_member import MemberState, StreamsGroupMember
from kafkalite.coordinator.streams.streams_group_records import (
    group_record,
    removal_records,
    target_assignment_metadata_record,
)


class StreamsGroupSessions:
    """The session and rebalance timeouts of members; `find` gives a streams group by its id."""

    __slots__ = ("_group_config", "_timeouts")

    def __init__(
        self,
        timers: CoordinatorTimers,
        group_config: Callable[[str], GroupConfig],
        find: Callable[[str], StreamsGroup | None],
    ) -> None:
        self._timeouts = MemberTimeouts(timers, "streams-group", find, self._fence_silent)
        self._group_config = group_config

    def on_loaded(self, group: StreamsGroup) -> None:
        """The group has been replayed: its members have their session timeout to be heard of again."""
        for member in group.members.values():
            self.schedule_session(group.group_id, member.member_id)
            if member.state is MemberState.UNREVOKED_TASKS:
                self.schedule_rebalance(group.group_id, member)

    def schedule_session(self, group_id: str, member_id: str) -> None:
        """The member has been heard of."""
        self._timeouts.schedule_session(group_id, member_id, self._group_config(group_id).streams_session_timeout_ms)

    def schedule_rebalance(self, group_id: str, member: StreamsGroupMember) -> None:
        """The member has its rebalance timeout to give up what it is to give up."""
        self._timeouts.schedule_rebalance(group_id, member, member.rebalance_timeout_ms)

    def _fence_silent(self, group: StreamsGroup, member: StreamsGroupMember, now_ms: int) -> CoordinatorResult[None]:
        return CoordinatorResult(self.fence(group, member))

    def fence(self, group: StreamsGroup, member: StreamsGroupMember) -> list[CoordinatorRecord]:
        """Removes a member: the group's epoch rises, so that the others get what it had."""
        group_id, group_epoch = group.group_id, group.group_epoch + 1
        records = [
            *removal_records(group_id, member.member_id),
            group_record(
                group_id,
                group_epoch,
                group.metadata_hash,
                group.validated_topology_epoch,
                group.assignment_configs,
                stored_description_topology_epoch=group.stored_description_topology_epoch,
                failed_description_topology_epoch=group.failed_description_topology_epoch,
            ),
        ]
        if len(group.members) == 1:
            # Nobody is left: whoever comes next is not to wait for the interval between assignments.
            records.append(target_assignment_metadata_record(group_id, group_epoch, 0))
        self._timeouts.cancel(group_id, member.member_id, "session", "rebalance")
        return records

    def cancel_rebalance(self, group_id: str, member_id: str) -> None:
        """The member has nothing to give up any more."""
        self._timeouts.cancel(group_id, member_id, "rebalance")
