"""How members of consumer groups come to be out: they leave, or their time is over.

A member has its session timeout to be heard of again, and its rebalance timeout to give partitions up or, by the
classic protocol, to join and to sync. Timers are not in the log: after a restart they begin anew.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.consumer_group import ConsumerGroup
from kafkalite.coordinator.consumer_group_member import ConsumerGroupMember, MemberState
from kafkalite.coordinator.consumer_group_migration import ConsumerGroupMigration
from kafkalite.coordinator.consumer_group_records import (
    current_assignment_tombstone,
    group_record,
    member_tombstone,
    regular_expression_tombstone,
    target_assignment_metadata_record,
    target_assignment_tombstone,
)
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.member_timeouts import MemberTimeouts

logger = logging.getLogger(__name__)


class ConsumerGroupFencing:
    """Removes members of one shard's consumer groups; `find` gives a consumer group by its id."""

    __slots__ = ("_group_config", "_metadata", "_migration", "_timeouts")

    def __init__(
        self,
        timers: CoordinatorTimers,
        group_config: Callable[[str], GroupConfig],
        metadata: CoordinatorMetadataImage,
        migration: ConsumerGroupMigration,
        find: Callable[[str], ConsumerGroup | None],
    ) -> None:
        self._timeouts = MemberTimeouts(timers, "consumer-group", find, self._fence_silent)
        self._group_config = group_config
        self._metadata = metadata
        self._migration = migration

    def fence(
        self, group: ConsumerGroup, members: Sequence[ConsumerGroupMember], now_ms: int
    ) -> CoordinatorResult[None]:
        """Removes members: the group's epoch rises, so that the others get what they had."""
        if not members:
            return NO_EFFECTS
        group_id = group.group_id
        records: list[CoordinatorRecord] = []
        if self._migration.may_downgrade(group, members):
            reason = f"Downgrade group {group_id} from consumer to classic for member leaving."
            return self._migration.downgrade(
                group, leaving=members, rebalance_reason=reason, records=records, now_ms=now_ms
            )
        for member in members:
            records += removal_records(group_id, member.member_id)
        leaving: Counter[str] = Counter(member.regex for member in members if member.regex is not None)
        regexes = [regex for regex, count in leaving.items() if group.regex_counts[regex] == count]
        records += (regular_expression_tombstone(group_id, regex) for regex in regexes)
        metadata_hash = self._metadata.group_hash(group.subscriptions_without(members, regexes).topics)
        records.append(group_record(group_id, group.group_epoch + 1, metadata_hash))
        logger.info(
            "[GroupId %s] Bumped group epoch to %d with metadata hash %d.",
            group_id,
            group.group_epoch + 1,
            metadata_hash,
        )
        if len(members) == len(group.members):
            # Nobody is left to compute an assignment for.
            records.append(target_assignment_metadata_record(group_id, group.group_epoch + 1, 0))
        for member in members:
            self._timeouts.cancel(group_id, member.member_id, "session", "rebalance", "join", "sync")
        return CoordinatorResult(records)

    # Timers

    def on_loaded(self, group: ConsumerGroup) -> None:
        """The group has been replayed: its members have their session timeout to be heard of again."""
        session_timeout_ms = self._group_config(group.group_id).consumer_session_timeout_ms
        for member in group.members.values():
            self.schedule_session(group.group_id, member.member_id, session_timeout_ms)
            if member.state is MemberState.UNREVOKED_PARTITIONS:
                self.schedule_rebalance(group.group_id, member)

    def schedule_session(self, group_id: str, member_id: str, session_timeout_ms: int) -> None:
        """The member has been heard of."""
        self._timeouts.schedule_session(group_id, member_id, session_timeout_ms)

    def schedule_rebalance(self, group_id: str, member: ConsumerGroupMember) -> None:
        """The member is to give partitions up in its rebalance timeout."""
        self._timeouts.schedule_rebalance(group_id, member, member.rebalance_timeout_ms)

    def _fence_silent(self, group: ConsumerGroup, member: ConsumerGroupMember, now_ms: int) -> CoordinatorResult[None]:
        return self.fence(group, [member], now_ms)

    def cancel_rebalance(self, group_id: str, member_id: str) -> None:
        """The member has nothing to give up any more."""
        self._timeouts.cancel(group_id, member_id, "rebalance")

    def schedule_join(self, group_id: str, member: ConsumerGroupMember) -> None:
        """A member of the classic protocol is to join again in its rebalance timeout; told again, it has no longer."""
        if not self._timeouts.is_scheduled("join", group_id, member.member_id):
            reason = "the classic member failed to join within the rebalance timeout"
            self._timeouts.schedule("join", group_id, member.member_id, member.rebalance_timeout_ms, reason)

    def on_joined(self, group_id: str, member_id: str) -> None:
        """A member of the classic protocol has joined again."""
        self._timeouts.cancel(group_id, member_id, "join")

    def schedule_sync(self, group_id: str, member_id: str, timeout_ms: int) -> None:
        """A member of the classic protocol that has joined is to sync."""
        self._timeouts.schedule("sync", group_id, member_id, timeout_ms, "the member failed to sync within timeout")

    def on_synced(self, group_id: str, member_id: str) -> None:
        """A member of the classic protocol has synced."""
        self._timeouts.cancel(group_id, member_id, "sync")


def removal_records(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """A member's end."""
    return [
        current_assignment_tombstone(group_id, member_id),
        target_assignment_tombstone(group_id, member_id),
        member_tombstone(group_id, member_id),
    ]
