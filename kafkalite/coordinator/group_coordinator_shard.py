"""The group coordinator of one `__consumer_offsets` partition: its groups, their offsets, replay of its records.

Its state is what replaying the records gives, and beside it what a restart may forget: who is waiting for an answer,
who was heard of when, which rebalance is under way. Apache Kafka's GroupCoordinatorShard.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Final

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.group_metadata_manager import GroupMetadataManager
from kafkalite.coordinator.group_offsets import OffsetMetadataManager
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, by_number, decode_record
from kafkalite.protocol.coordinator_records import classic_group, consumer_group, offsets, share_group, streams_group
from kafkalite.protocol.coordinator_records.classic_group import GroupMetadataKey, GroupMetadataValue
from kafkalite.protocol.coordinator_records.offsets import (
    LegacyOffsetCommitKey,
    LegacyOffsetCommitValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from kafkalite.protocol.messages.delete_groups import DeletableGroupResult

logger = logging.getLogger(__name__)

EXPIRATION_KEY: Final = "expire-group-metadata"
CONSUMER_GROUP_KEYS: Final = tuple(key_type for key_type, _ in consumer_group.RECORD_TYPES)
SHARE_GROUP_KEYS: Final = tuple(key_type for key_type, _ in share_group.RECORD_TYPES)
RECORD_TYPES: Final = by_number(
    (
        *offsets.RECORD_TYPES,
        *classic_group.RECORD_TYPES,
        *consumer_group.RECORD_TYPES,
        *share_group.RECORD_TYPES,
        *streams_group.RECORD_TYPES,
    )
)
"""The key and value of every type of record in `__consumer_offsets`."""


class GroupCoordinatorShard:
    """The groups of one partition and their offsets."""

    __slots__ = ("_config", "groups", "offsets", "timers")

    def __init__(
        self,
        timers: CoordinatorTimers,
        config: GroupCoordinatorConfig,
        metadata: CoordinatorMetadataImage,
        group_config: Callable[[str], GroupConfig],
        *,
        random_uuid: Callable[[], str],
        random_member_id: Callable[[], str],
    ) -> None:
        """`random_uuid` is for the ids of classic members, `random_member_id` for those of consumer groups."""
        self._config = config
        self.timers = timers
        self.groups = GroupMetadataManager(timers, config, metadata, group_config, random_uuid, random_member_id)
        self.offsets = OffsetMetadataManager(self.groups, config)

    def on_written(self) -> None:
        """Records have been appended to the partition."""
        if self.groups.unwritten:
            self.groups.unwritten.clear()

    def on_loaded(self, now_ms: int) -> None:
        """All records have been replayed: sessions and expiry begin to run."""
        self.groups.unwritten.clear()
        self.groups.on_loaded(now_ms)
        self._schedule_expiration()

    def on_unloaded(self) -> None:
        """The partition is given up: whoever waits is sent to look for the coordinator anew."""
        for group in self.groups.groups.values():
            if isinstance(group, ClassicGroup):
                for member in group.members.values():
                    member.fail(ErrorCode.NOT_COORDINATOR, member.member_id)

    # Groups and their offsets

    def delete_group(self, group_id: str) -> CoordinatorResult[DeletableGroupResult]:
        """DeleteGroups of one group: it and its offsets go, if it has no members."""
        try:
            group = self.groups.group(group_id)
            group.validate_delete()
        except KafkaError as error:
            return CoordinatorResult(reply=DeletableGroupResult(group_id=group_id, error_code=error.error))
        records = [*self.offsets.delete_all(group_id), *group.tombstones()]
        return CoordinatorResult(records, DeletableGroupResult(group_id=group_id))

    def delete_topics(self, topic_ids: Collection[Uuid], has_topic: Callable[[str], bool]) -> CoordinatorResult[None]:
        """Topics have just been deleted: their offsets go, and what share groups know of them."""
        records = self.offsets.delete_topics(topic_ids, has_topic)
        records += self.groups.share_groups.delete_topics(topic_ids)
        return CoordinatorResult(records, is_atomic=False)

    def expire(self, now_ms: int) -> CoordinatorResult[None]:
        """Removes offsets that are too old, and empty groups that are left without any."""
        records: list[CoordinatorRecord] = []
        for group_id, group in self.groups.groups.items():
            if not group.can_expire:
                continue
            expired, is_all_expired = self.offsets.expire(group_id, now_ms)
            records += expired
            if is_all_expired and group.is_empty:
                records += group.tombstones()
        if records:
            logger.info("Generated %d tombstone records while cleaning up group metadata", len(records))
        self._schedule_expiration()
        return CoordinatorResult(records, is_atomic=False)

    def _schedule_expiration(self) -> None:
        self.timers.schedule(EXPIRATION_KEY, self._config.offsets_retention_check_interval_ms, self.expire)

    # Replay

    def replay(
        self, record_offset: int, producer_id: int, key: CoordinatorKey, value: CoordinatorValue | None, now_ms: int
    ) -> None:
        """Brings one record of the partition into the state."""
        if isinstance(key, OffsetCommitKey):
            assert value is None or isinstance(value, OffsetCommitValue)
            self.offsets.replay(record_offset, producer_id, key, value, now_ms)
        elif isinstance(key, GroupMetadataKey):
            assert value is None or isinstance(value, GroupMetadataValue)
            self.groups.replay_group_metadata(key, value)
        elif isinstance(key, LegacyOffsetCommitKey):
            assert value is None or isinstance(value, LegacyOffsetCommitValue)
            self.offsets.replay(
                record_offset,
                producer_id,
                OffsetCommitKey(group=key.group, topic=key.topic, partition=key.partition),
                None
                if value is None
                else OffsetCommitValue(
                    offset=value.offset, metadata=value.metadata, commit_timestamp=value.commit_timestamp
                ),
                now_ms,
            )
        elif isinstance(key, CONSUMER_GROUP_KEYS):
            self.groups.replay_consumer_group(key, value)
        elif isinstance(key, SHARE_GROUP_KEYS):
            self.groups.replay_share_group(key, value, now_ms)
        else:
            self.groups.streams_groups.replay(key, value)

    def replay_end_transaction_marker(self, producer_id: int, *, is_commit: bool) -> None:
        """A transaction's control record in the partition."""
        self.offsets.replay_end_transaction_marker(producer_id, is_commit=is_commit)

    def decode(self, key: bytes, value: bytes | None) -> tuple[CoordinatorKey, CoordinatorValue | None] | None:
        """A record's key and value; None for a type that is not known, which a later release may have written."""
        return decode_record(RECORD_TYPES, key, value)
