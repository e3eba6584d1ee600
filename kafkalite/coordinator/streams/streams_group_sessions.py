"""Members of streams groups that fall silent, or do not give up their tasks in time: when, and what becomes of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.streams.streams_group import StreamsGroup
from kafkalite.coordinator.streams.streams_group_member import MemberState, StreamsGroupMember
from kafkalite.coordinator.streams.streams_group_records import (
    group_record,
    removal_records,
    target_assignment_metadata_record,
)

logger = logging.getLogger(__name__)


class StreamsGroupSessions:
    """The session and rebalance timeouts of members; `find` gives a streams group by its id."""

    __slots__ = ("_find", "_group_config", "_timers")

    def __init__(
        self,
        timers: CoordinatorTimers,
        group_config: Callable[[str], GroupConfig],
        find: Callable[[str], StreamsGroup | None],
    ) -> None:
        self._timers = timers
        self._group_config = group_config
        self._find = find

    def on_loaded(self, group: StreamsGroup) -> None:
        """The group has been replayed: its members have their session timeout to be heard of again."""
        for member in group.members.values():
            self.schedule_session(group.group_id, member.member_id)
            if member.state is MemberState.UNREVOKED_TASKS:
                self.schedule_rebalance(group.group_id, member)

    def schedule_session(self, group_id: str, member_id: str) -> None:
        """The member has been heard of."""
        session_timeout_ms = self._group_config(group_id).streams_session_timeout_ms
        key = _session_key(group_id, member_id)
        if not self._timers.postpone(key, session_timeout_ms):

            def expire(now_ms: int) -> CoordinatorResult[None]:
                return self._fence_silent(group_id, member_id, "the member session expired")

            self._timers.schedule(key, session_timeout_ms, expire)

    def schedule_rebalance(self, group_id: str, member: StreamsGroupMember) -> None:
        """The member has its rebalance timeout to give up what it is to give up."""
        member_id, epoch = member.member_id, member.member_epoch

        def expire(now_ms: int) -> CoordinatorResult[None]:
            group = self._find(group_id)
            current = None if group is None else group.members.get(member_id)
            if current is None or current.member_epoch != epoch:
                return NO_EFFECTS
            reason = f"it failed to transition from epoch {epoch} within {member.rebalance_timeout_ms}ms"
            return self._fence_silent(group_id, member_id, reason)

        self._timers.schedule(_rebalance_key(group_id, member_id), member.rebalance_timeout_ms, expire)

    def _fence_silent(self, group_id: str, member_id: str, reason: str) -> CoordinatorResult[None]:
        group = self._find(group_id)
        member = None if group is None else group.members.get(member_id)
        if group is None or member is None:
            return NO_EFFECTS
        logger.info("[GroupId %s] Streams member %s fenced from the group because %s.", group_id, member_id, reason)
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
        self.cancel_timers(group_id, member.member_id)
        return records

    def cancel_timers(self, group_id: str, member_id: str) -> None:
        """The member is gone."""
        self._timers.cancel(_session_key(group_id, member_id))
        self.cancel_rebalance(group_id, member_id)

    def cancel_rebalance(self, group_id: str, member_id: str) -> None:
        """The member has nothing to give up any more."""
        self._timers.cancel(_rebalance_key(group_id, member_id))


def _session_key(group_id: str, member_id: str) -> Hashable:
    return "streams-group-session", group_id, member_id


def _rebalance_key(group_id: str, member_id: str) -> Hashable:
    return "streams-group-rebalance", group_id, member_id
