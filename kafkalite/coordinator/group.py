"""What the coordinator asks of every kind of group, whatever its protocol: who may commit, fetch, delete."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid

if TYPE_CHECKING:
    from kafkalite.coordinator.coordinator_result import CoordinatorRecord

PartitionCommitValidator = Callable[[str, Uuid, int], None]
"""Is given a topic's name and id and a partition; raises KafkaError where the sender may not commit its offset."""


class GroupType(Enum):
    """The kinds of groups; the value is its name in ListGroups."""

    UNKNOWN = "unknown"
    CONSUMER = "consumer"
    CLASSIC = "classic"
    SHARE = "share"
    STREAMS = "streams"

    @classmethod
    def parse(cls, name: str) -> GroupType:
        """The type of a name in any case; UNKNOWN for others."""
        lower = name.lower()
        return next((group_type for group_type in cls if group_type.value == lower), cls.UNKNOWN)


class Group(Protocol):
    """A group as the offsets and the administration see it."""

    group_id: str
    type: GroupType

    @property
    def state_name(self) -> str:
        """The state, as tools show it."""

    @property
    def listed_protocol_type(self) -> str:
        """The protocol type in ListGroups; empty where there is none."""

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""

    @property
    def can_expire(self) -> bool:
        """Whether it may go by itself once it has neither members nor offsets."""

    def validate_offset_commit(
        self,
        member_id: str,
        group_instance_id: str | None,
        generation_id: int,
        *,
        is_transactional: bool,
        api_version: int,
    ) -> PartitionCommitValidator | None:
        """Raises KafkaError where this sender may not commit offsets now; gives what is still to be asked of each."""

    def validate_offset_fetch(self, member_id: str | None, member_epoch: int) -> None:
        """Raises KafkaError where this sender may not fetch offsets."""

    def validate_offset_delete(self) -> None:
        """Raises KafkaError where offsets may not be deleted now."""

    def validate_delete(self) -> None:
        """Raises KafkaError where the group may not be deleted now."""

    def is_subscribed_to_topic(self, topic: str) -> bool:
        """Whether a member reads the topic, so that its offsets must stay."""

    def offset_expiration_base_ms(self, commit_timestamp_ms: int) -> int | None:
        """From when on an offset that was committed at `commit_timestamp_ms` ages (KIP-211); None: it does not."""

    def tombstones(self) -> list[CoordinatorRecord]:
        """Records that end the group."""


def group_id_not_found(group_id: str) -> KafkaError:
    """The error for a group that does not exist."""
    return KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.")
