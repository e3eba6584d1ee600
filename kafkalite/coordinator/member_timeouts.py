"""The time that members of consumer, share and streams groups have: to be heard of again, to give up what they are to.

Whoever has not done by then what was asked of it is fenced. Timers are not in the log: after a restart they begin anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar

from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.modern_group import ModernGroup

logger = logging.getLogger(__name__)


class TimedMember(Protocol):
    """What counts of a member here."""

    @property
    def member_id(self) -> str: ...

    @property
    def member_epoch(self) -> int: ...


Group = TypeVar("Group", bound=ModernGroup[Any])
Member = TypeVar("Member", bound=TimedMember)


class MemberTimeouts(Generic[Group, Member]):
    """The timeouts of one kind of groups: `find` gives such a group by its id, `fence` removes a member of it."""

    __slots__ = ("_fence", "_find", "_kind", "_timers")

    def __init__(
        self,
        timers: CoordinatorTimers,
        kind: str,
        find: Callable[[str], Group | None],
        fence: Callable[[Group, Member, int], CoordinatorResult[None]],
    ) -> None:
        self._timers = timers
        self._kind = kind
        self._find = find
        self._fence = fence

    def schedule_session(self, group_id: str, member_id: str, session_timeout_ms: int) -> None:
        """The member has been heard of."""
        if not self._timers.postpone(self._key("session", group_id, member_id), session_timeout_ms):
            self.schedule("session", group_id, member_id, session_timeout_ms, "the member session expired")

    def schedule_rebalance(self, group_id: str, member: Member, timeout_ms: int) -> None:
        """The member is to give up what it is to, and get to another epoch, in that time."""
        epoch = member.member_epoch
        reason = f"it failed to transition from epoch {epoch} within {timeout_ms}ms"
        self.schedule("rebalance", group_id, member.member_id, timeout_ms, reason, epoch=epoch)

    def schedule(
        self, timer: str, group_id: str, member_id: str, timeout_ms: int, reason: str, *, epoch: int | None = None
    ) -> None:
        """Unless it is cancelled, the member is out when the time is over, if it is still at `epoch` (None: at any)."""

        def expire(now_ms: int) -> CoordinatorResult[None]:
            group = self._find(group_id)
            member: Member | None = None if group is None else group.members.get(member_id)
            if group is None or member is None or (epoch is not None and member.member_epoch != epoch):
                return NO_EFFECTS
            logger.info("[GroupId %s] Member %s fenced from the group because %s.", group_id, member_id, reason)
            return self._fence(group, member, now_ms)

        self._timers.schedule(self._key(timer, group_id, member_id), timeout_ms, expire)

    def is_scheduled(self, timer: str, group_id: str, member_id: str) -> bool:
        return self._key(timer, group_id, member_id) in self._timers

    def cancel(self, group_id: str, member_id: str, *timers: str) -> None:
        """The member has done what these timers waited for, or is gone."""
        for timer in timers:
            self._timers.cancel(self._key(timer, group_id, member_id))

    def _key(self, timer: str, group_id: str, member_id: str) -> Hashable:
        return self._kind, timer, group_id, member_id
