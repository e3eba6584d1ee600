"""Subscriptions of consumer groups by regular expression: when they are matched with the topics, and what follows.

Matching is not part of the heartbeat that brings an expression: it comes right after it, for all expressions of the
group together, and at most every ten seconds. Apache Kafka's GroupMetadataManager.maybeUpdateRegularExpressions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from enum import Enum
from typing import Final

from kafkalite.coordinator.consumer_group import UNRESOLVED, ConsumerGroup, count
from kafkalite.coordinator.consumer_group_member import ConsumerGroupMember
from kafkalite.coordinator.consumer_group_records import (
    group_record,
    regular_expression_record,
    regular_expression_tombstone,
)
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.topic_regex.pattern import TopicPattern
from kafkalite.coordinator.topic_regex.syntax import PatternSyntaxError
from kafkalite.errors import ErrorCode, KafkaError

logger = logging.getLogger(__name__)

MIN_REFRESH_INTERVAL_MS: Final = 10_000
"""Expressions of a group are not matched more often, whatever happens to topics and members; fixed in Apache Kafka."""


class RegexChange(Enum):
    """What a heartbeat has done to its member's regular expression."""

    NONE = "none"
    UPDATED = "updated"
    UPDATED_AND_RESOLVED = "updated and resolved"  # the topics of the new one are known already

    @property
    def is_updated(self) -> bool:
        return self is not RegexChange.NONE

    @property
    def is_resolved(self) -> bool:
        return self is RegexChange.UPDATED_AND_RESOLVED


class ConsumerGroupRegexes:
    """Regular expressions of one shard's consumer groups; `find` gives a group by its id."""

    __slots__ = ("_config", "_find", "_metadata", "_timers")

    def __init__(
        self,
        timers: CoordinatorTimers,
        config: GroupCoordinatorConfig,
        metadata: CoordinatorMetadataImage,
        find: Callable[[str], ConsumerGroup | None],
    ) -> None:
        self._timers = timers
        self._config = config
        self._metadata = metadata
        self._find = find

    def update(
        self,
        group: ConsumerGroup,
        member: ConsumerGroupMember,
        updated: ConsumerGroupMember,
        records: list[CoordinatorRecord],
        now_ms: int,
    ) -> RegexChange:
        """A member sends a heartbeat: its expression may be another, or the group's be due to be matched again.

        Raises INVALID_REGULAR_EXPRESSION.
        """
        change = RegexChange.NONE
        is_new = False
        if member.subscribed_topic_regex != updated.subscribed_topic_regex:
            change = RegexChange.UPDATED
            old, new = member.regex, updated.regex
            if old is not None and group.regex_counts[old] == 1:
                records.append(regular_expression_tombstone(group.group_id, old))
            if new is None:
                change = RegexChange.UPDATED if old is None else RegexChange.UPDATED_AND_RESOLVED
            elif group.regex_counts[new] == 0:
                compile_regex(new)
                is_new = True
            elif new in group.resolved_regexes:
                change = RegexChange.UPDATED_AND_RESOLVED
        if is_new or group.regex_counts:
            self._refresh_if_due(group, member, updated, now_ms, is_new=is_new)
        return change

    def _refresh_if_due(
        self,
        group: ConsumerGroup,
        member: ConsumerGroupMember,
        updated: ConsumerGroupMember,
        now_ms: int,
        *,
        is_new: bool,
    ) -> None:
        key = "consumer-group-regexes", group.group_id
        if key in self._timers:
            return
        last = next(iter(group.resolved_regexes.values()), None)
        if last is not None and 0 <= now_ms - last.timestamp_ms <= MIN_REFRESH_INTERVAL_MS:
            return
        regexes = list(group.regex_counts_with(member, updated))
        is_due = (
            is_new
            or last is None
            or len(regexes) != len(group.resolved_regexes)
            or last.version < self._metadata.version_with_new_topics
            or now_ms > last.timestamp_ms + self._config.consumer_group_regex_refresh_interval_ms
        )
        if is_due and regexes:
            group_id = group.group_id

            def refresh(now_ms: int) -> CoordinatorResult[None]:
                return self._resolve(group_id, regexes, now_ms)

            self._timers.schedule(key, 0, refresh)

    def _resolve(self, group_id: str, regexes: Collection[str], now_ms: int) -> CoordinatorResult[None]:
        """Matches expressions with all topics; where that gives others than before, the group's epoch rises."""
        group = self._find(group_id)
        if group is None:
            return NO_EFFECTS
        records: list[CoordinatorRecord] = []
        subscriptions = group.subscriptions.copy()
        must_bump = False
        for regex in regexes:
            if not group.regex_counts[regex]:
                continue
            topics = self._matching_topics(regex)
            old_topics = group.resolved_regexes.get(regex, UNRESOLVED).topics
            if topics != old_topics:
                must_bump = True
                count(subscriptions.by_regex, old_topics, -1)
                count(subscriptions.by_regex, topics, 1)
            records.append(regular_expression_record(group_id, regex, topics, self._metadata.version, now_ms))
        metadata_hash = self._metadata.group_hash(subscriptions.topics)
        if must_bump or metadata_hash != group.metadata_hash:
            group_epoch = group.group_epoch + 1
            records.append(group_record(group_id, group_epoch, metadata_hash))
            logger.info(
                "[GroupId %s] Bumped group epoch to %d with metadata hash %d.", group_id, group_epoch, metadata_hash
            )
            group.needs_metadata_refresh = False
            group.metadata_refresh_epoch = group_epoch
        return CoordinatorResult(records)

    def _matching_topics(self, regex: str) -> frozenset[str]:
        try:
            pattern = TopicPattern(regex)
        except PatternSyntaxError as error:
            logger.error("The regular expression %r cannot be read (%s): it matches nothing", regex, error)
            return frozenset()
        return frozenset(name for name in self._metadata.topic_names if pattern.matches(name))


def compile_regex(regex: str) -> TopicPattern:
    """The pattern of a member's regular expression; raises INVALID_REGULAR_EXPRESSION."""
    try:
        return TopicPattern(regex)
    except PatternSyntaxError as error:
        raise KafkaError(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}.",
        ) from None
