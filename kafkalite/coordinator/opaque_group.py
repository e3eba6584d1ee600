"""A group of a kind whose protocol is not served here: its records are remembered, its members are only counted.

So a data directory with streams groups opens without harm: their offsets are fetched and committed,
they are listed, and they can be deleted or, once empty, taken over by a classic group, as Apache Kafka does it.
"""

from __future__ import annotations

from typing import Final

from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.group import GroupType
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.protocol.coordinator_records.streams_group import (
    StreamsGroupCurrentMemberAssignmentKey,
    StreamsGroupMemberMetadataKey,
    StreamsGroupMetadataKey,
    StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTopologyKey,
)

GROUP_TYPES: Final[dict[type[CoordinatorKey], GroupType]] = {
    StreamsGroupMetadataKey: GroupType.STREAMS,
    StreamsGroupTopologyKey: GroupType.STREAMS,
    StreamsGroupMemberMetadataKey: GroupType.STREAMS,
    StreamsGroupTargetAssignmentMetadataKey: GroupType.STREAMS,
    StreamsGroupTargetAssignmentMemberKey: GroupType.STREAMS,
    StreamsGroupCurrentMemberAssignmentKey: GroupType.STREAMS,
}
_GROUP_KEYS: Final = (StreamsGroupMetadataKey,)
_MEMBER_KEYS: Final = (StreamsGroupMemberMetadataKey,)


class OpaqueGroup:
    """The latest records of one group, by key."""

    __slots__ = ("group_id", "member_count", "records", "type")

    def __init__(self, group_id: str, type: GroupType) -> None:
        self.group_id = group_id
        self.type = type
        self.member_count = 0
        self.records: dict[bytes, tuple[CoordinatorKey, CoordinatorValue]] = {}

    def replay(self, key: CoordinatorKey, value: CoordinatorValue | None) -> bool:
        """Takes a record in; False where it ends the group."""
        name = key.to_bytes()
        is_member = isinstance(key, _MEMBER_KEYS)
        if value is None:
            if self.records.pop(name, None) is not None and is_member:
                self.member_count -= 1
            return not isinstance(key, _GROUP_KEYS)
        if name not in self.records and is_member:
            self.member_count += 1
        self.records[name] = (key, value)
        return True

    @property
    def state_name(self) -> str:
        return "Stable" if self.member_count else "Empty"

    @property
    def listed_protocol_type(self) -> str:
        return self.type.value.lower()

    @property
    def is_empty(self) -> bool:
        return self.member_count == 0

    @property
    def can_expire(self) -> bool:
        return True

    def validate_offset_commit(
        self,
        member_id: str,
        group_instance_id: str | None,
        generation_id: int,
        *,
        is_transactional: bool,
        api_version: int,
    ) -> None:
        """As Apache Kafka's consumer groups: without an epoch only while there are no members."""
        if generation_id < 0 and self.is_empty:
            return
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)

    def validate_offset_fetch(self, member_id: str | None, member_epoch: int) -> None:
        if member_id is not None and member_epoch >= 0:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)

    def validate_offset_delete(self) -> None:
        if not self.is_empty:
            raise KafkaError(ErrorCode.NON_EMPTY_GROUP)

    def validate_delete(self) -> None:
        if not self.is_empty:
            raise KafkaError(ErrorCode.NON_EMPTY_GROUP)

    def is_subscribed_to_topic(self, topic: str) -> bool:
        return not self.is_empty

    def offset_expiration_base_ms(self, commit_timestamp_ms: int) -> int | None:
        return commit_timestamp_ms

    def tombstones(self) -> list[CoordinatorRecord]:
        """One for each record, the group's own last."""
        keys = sorted((key for key, _ in self.records.values()), key=lambda key: isinstance(key, _GROUP_KEYS))
        return [CoordinatorRecord(key, None) for key in keys]
