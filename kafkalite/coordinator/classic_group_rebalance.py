"""How classic groups rebalance: when one begins, whom it waits for and how long, and what ends it.

    Empty --first join--> PreparingRebalance   waits group.initial.rebalance.delay.ms, longer while members keep coming
    Stable, CompletingRebalance --change--> PreparingRebalance   waits for all members, at most their rebalance timeout
    PreparingRebalance --all joined, or time is up--> CompletingRebalance   dynamic members that are missing are dropped
    CompletingRebalance --leader's SyncGroup is in the log--> Stable   members that never sync are dropped in time

Three timers a group: join (the wait above), sync (after the joins), and a session timer for each member.
Apache Kafka's GroupMetadataManager, its part about classic groups.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.classic_group_member import ClassicGroupMember
from kafkalite.coordinator.classic_group_state import (
    COMPLETING_REBALANCE,
    EMPTY,
    PREPARING_REBALANCE,
    STABLE,
)
from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.sync_group import SyncGroupResponse

logger = logging.getLogger(__name__)


class ClassicGroupRebalance:
    """Drives the rebalances of the groups that `find_group` knows."""

    __slots__ = ("_find_group", "config", "timers")

    def __init__(
        self,
        timers: CoordinatorTimers,
        config: GroupCoordinatorConfig,
        find_group: Callable[[str], ClassicGroup | None],
    ) -> None:
        self.timers = timers
        self.config = config
        self._find_group = find_group

    # Beginning

    def rebalance_or_complete_join(self, group: ClassicGroup, reason: str, now_ms: int) -> CoordinatorResult[None]:
        """Something changed: begins a rebalance, or goes on with the one that waits for joins."""
        if group.can_rebalance:
            return self.prepare_rebalance(group, reason, now_ms)
        return self.complete_join_if_ready(group, now_ms)

    def prepare_rebalance(self, group: ClassicGroup, reason: str, now_ms: int) -> CoordinatorResult[None]:
        """Begins a rebalance: members that wait for an assignment are told to join again."""
        if group.state is COMPLETING_REBALANCE:
            self.propagate_assignment(group, dict.fromkeys(group.members, b""), ErrorCode.REBALANCE_IN_PROGRESS)
        group.pending_sync_members.clear()
        self.timers.cancel(sync_key(group.group_id))
        is_initial = group.state is EMPTY
        group.transition_to(PREPARING_REBALANCE, now_ms)
        logger.info(
            "Preparing to rebalance group %s with old generation %d: %s", group.group_id, group.generation_id, reason
        )
        if not is_initial:
            return self._complete_join_else_schedule(group, now_ms)
        delay_ms = self.config.initial_rebalance_delay_ms
        self._schedule_initial_join(group, delay_ms, max(group.rebalance_timeout_ms - delay_ms, 0))
        return NO_EFFECTS

    def _schedule_initial_join(self, group: ClassicGroup, delay_ms: int, remaining_ms: int) -> None:
        self.timers.schedule(
            join_key(group.group_id),
            delay_ms,
            lambda now_ms: self._complete_initial_join_else_schedule(group.group_id, delay_ms, remaining_ms, now_ms),
        )

    def _complete_initial_join_else_schedule(
        self, group_id: str, delay_ms: int, remaining_ms: int, now_ms: int
    ) -> CoordinatorResult[None]:
        """Ends the first rebalance of an empty group, unless more members came while it was put off."""
        group = self._find_group(group_id)
        if group is None:
            return NO_EFFECTS
        if not (group.has_new_member and remaining_ms):
            return self.complete_join(group, now_ms)
        group.has_new_member = False
        next_delay_ms = min(self.config.initial_rebalance_delay_ms, remaining_ms)
        self._schedule_initial_join(group, next_delay_ms, max(remaining_ms - delay_ms, 0))
        return NO_EFFECTS

    def _complete_join_else_schedule(self, group: ClassicGroup, now_ms: int) -> CoordinatorResult[None]:
        if group.has_all_members_joined:
            return self.complete_join(group, now_ms)
        self._schedule_join(group)
        return NO_EFFECTS

    def _schedule_join(self, group: ClassicGroup) -> None:
        group_id = group.group_id
        self.timers.schedule(
            join_key(group_id), group.rebalance_timeout_ms, lambda now_ms: self._expire_join(group_id, now_ms)
        )

    def _expire_join(self, group_id: str, now_ms: int) -> CoordinatorResult[None]:
        group = self._find_group(group_id)
        return NO_EFFECTS if group is None else self.complete_join(group, now_ms)

    # Ending the joins

    def complete_join_if_ready(self, group: ClassicGroup, now_ms: int) -> CoordinatorResult[None]:
        """Ends the joins when all are there; an empty group's first rebalance waits for its timer in any case."""
        if group.state is PREPARING_REBALANCE and group.previous_state is not EMPTY and group.has_all_members_joined:
            return self.complete_join(group, now_ms)
        return NO_EFFECTS

    def complete_join(self, group: ClassicGroup, now_ms: int) -> CoordinatorResult[None]:
        """Ends the joins: drops dynamic members that did not come, and begins the next generation with the others."""
        self.timers.cancel(join_key(group.group_id))
        missing = [m for m in group.members.values() if m.awaiting_join is None and not m.is_static]
        for member in missing:
            group.remove(member.member_id)
            self.timers.cancel(session_key(group.group_id, member.member_id))
        if missing:
            logger.info(
                "Group %s removed dynamic members who have not joined: %s",
                group.group_id,
                [member.member_id for member in missing],
            )
        if not group.elect_joined_leader() and group.members:
            # Static members are all that is left, and none of them is there: wait for them or for their sessions' end.
            self._schedule_join(group)
            return NO_EFFECTS
        group.init_next_generation(now_ms)
        if group.state is EMPTY:
            logger.info("Group %s with generation %d is now empty", group.group_id, group.generation_id)
            return CoordinatorResult([group.to_record({})], is_replayed=False)
        logger.info(
            "Stabilized group %s generation %d with %d members",
            group.group_id,
            group.generation_id,
            len(group.members),
        )
        for member in group.members.values():
            group.answer_join(member, group.join_response(member.member_id))
            self.reschedule_session(group, member)
            member.is_new = False
            group.pending_sync_members[member.member_id] = None
        self._schedule_sync(group)
        return NO_EFFECTS

    # Assignments

    def propagate_assignment(self, group: ClassicGroup, assignments: dict[str, bytes], error: ErrorCode) -> None:
        """Gives all members their assignments, or tells those who wait for one what went wrong."""
        for member in group.members.values():
            member.assignment = assignments.get(member.member_id, b"")
            response = SyncGroupResponse(error_code=error, assignment=member.assignment)
            if error is ErrorCode.NONE:
                response.protocol_type = group.protocol_type
                response.protocol_name = group.protocol_name
            if member.answer_sync(response):
                # While it waited for us its session could not end; it begins anew.
                self.reschedule_session(group, member)

    def _schedule_sync(self, group: ClassicGroup) -> None:
        group_id, generation_id = group.group_id, group.generation_id
        self.timers.schedule(
            sync_key(group_id),
            group.rebalance_timeout_ms,
            lambda now_ms: self._expire_sync(group_id, generation_id, now_ms),
        )

    def member_synced(self, group: ClassicGroup, member_id: str) -> None:
        """A member has sent SyncGroup; when all have, nobody is waited for."""
        group.pending_sync_members.pop(member_id, None)
        if not group.pending_sync_members:
            self.timers.cancel(sync_key(group.group_id))

    def _expire_sync(self, group_id: str, generation_id: int, now_ms: int) -> CoordinatorResult[None]:
        """Drops the members that have joined but not synced in time, and rebalances without them."""
        group = self._find_group(group_id)
        if group is None or group.generation_id != generation_id or group.state not in (COMPLETING_REBALANCE, STABLE):
            return NO_EFFECTS
        late = list(group.pending_sync_members)
        if not late:
            return NO_EFFECTS
        for member_id in late:
            group.remove(member_id)
            self.timers.cancel(session_key(group_id, member_id))
        return self.prepare_rebalance(group, f"removing {late} on pending sync request expiration", now_ms)

    # Sessions

    def reschedule_session(
        self, group: ClassicGroup, member: ClassicGroupMember, timeout_ms: int | None = None
    ) -> None:
        """The member has been heard of: its session goes on for its timeout, or for the one given."""
        if timeout_ms is None:
            timeout_ms = member.session_timeout_ms
        key = session_key(group.group_id, member.member_id)
        if not self.timers.postpone(key, timeout_ms):
            self.schedule_session(group.group_id, member.member_id, timeout_ms)

    def schedule_session(self, group_id: str, member_id: str, timeout_ms: int) -> None:
        """Sets the session timer of a member or pending member."""
        self.timers.schedule(
            session_key(group_id, member_id),
            timeout_ms,
            lambda now_ms: self._expire_session(group_id, member_id, now_ms),
        )

    def _expire_session(self, group_id: str, member_id: str, now_ms: int) -> CoordinatorResult[None]:
        group = self._find_group(group_id)
        if group is None:
            return NO_EFFECTS
        if member_id in group.pending_join_members:
            logger.info("Pending member %s in group %s did not join in its session timeout", member_id, group_id)
            group.remove(member_id)
            if group.state is PREPARING_REBALANCE and group.has_all_members_joined:
                return self.complete_join(group, now_ms)
            return NO_EFFECTS
        member = group.members.get(member_id)
        if member is None or member.has_satisfied_heartbeat():
            return NO_EFFECTS
        logger.info("Member %s in group %s has failed, removing it from the group", member_id, group_id)
        group.remove(member_id)
        if group.state in (STABLE, COMPLETING_REBALANCE):
            return self.prepare_rebalance(group, f"removing member {member_id} on heartbeat expiration", now_ms)
        if group.state is PREPARING_REBALANCE and group.has_all_members_joined:
            return self.complete_join(group, now_ms)
        return NO_EFFECTS

    def cancel_timers(self, group: ClassicGroup) -> None:
        """The group goes: nothing of it is waited for any longer."""
        self.timers.cancel(join_key(group.group_id))
        self.timers.cancel(sync_key(group.group_id))
        for member_id in (*group.members, *group.pending_join_members):
            self.timers.cancel(session_key(group.group_id, member_id))


def session_key(group_id: str, member_id: str) -> tuple[str, str]:
    """The timer of a member's session."""
    return group_id, member_id


def join_key(group_id: str) -> tuple[str, str, str]:
    """The timer of a rebalance that waits for joins."""
    return "join", group_id, ""


def sync_key(group_id: str) -> tuple[str, str, str]:
    """The timer of a generation that waits for SyncGroup."""
    return "sync", group_id, ""
