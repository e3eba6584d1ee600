"""The time that members of consumer and streams groups have: to be heard of again, and to give up what they are to.

Timers are not in the log: after a restart they begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers

FenceSilent = Callable[[str, str, str, int], CoordinatorResult[None]]
"""Ends the membership of a member whose time is over: group id, member id, why, now_ms."""


class TimedMember(Protocol):
    """What counts of a member here."""

    @property
    def member_id(self) -> str: ...

    @property
    def member_epoch(self) -> int: ...

    @property
    def rebalance_timeout_ms(self) -> int: ...


class MemberTimeouts:
    """Session and rebalance timeouts of one kind of groups; `find_epoch` gives the epoch of a member that is there."""

    __slots__ = ("_fence_silent", "_find_epoch", "_kind", "_timers")

    def __init__(
        self,
        timers: CoordinatorTimers,
        kind: str,
        find_epoch: Callable[[str, str], int | None],
        fence_silent: FenceSilent,
    ) -> None:
        self._timers = timers
        self._kind = kind
        self._find_epoch = find_epoch
        self._fence_silent = fence_silent

    def schedule_session(self, group_id: str, member_id: str, session_timeout_ms: int) -> None:
        """The member has been heard of."""
        key = self._session_key(group_id, member_id)
        if not self._timers.postpone(key, session_timeout_ms):

            def expire(now_ms: int) -> CoordinatorResult[None]:
                return self._fence_silent(group_id, member_id, "the member session expired", now_ms)

            self._timers.schedule(key, session_timeout_ms, expire)

    def schedule_rebalance(self, group_id: str, member: TimedMember, reason: str) -> None:
        """The member has its rebalance timeout to give up what it is to give up; else it is out, for that reason."""
        member_id, epoch = member.member_id, member.member_epoch

        def expire(now_ms: int) -> CoordinatorResult[None]:
            if self._find_epoch(group_id, member_id) != epoch:
                return NO_EFFECTS
            return self._fence_silent(group_id, member_id, reason, now_ms)

        self._timers.schedule(self._rebalance_key(group_id, member_id), member.rebalance_timeout_ms, expire)

    def cancel_rebalance(self, group_id: str, member_id: str) -> None:
        """The member has nothing to give up any more."""
        self._timers.cancel(self._rebalance_key(group_id, member_id))

    def cancel(self, group_id: str, member_id: str) -> None:
        """The member is gone."""
        self._timers.cancel(self._session_key(group_id, member_id))
        self.cancel_rebalance(group_id, member_id)

    def _session_key(self, group_id: str, member_id: str) -> Hashable:
        return f"{self._kind}-session", group_id, member_id

    def _rebalance_key(self, group_id: str, member_id: str) -> Hashable:
        return f"{self._kind}-rebalance", group_id, member_id
