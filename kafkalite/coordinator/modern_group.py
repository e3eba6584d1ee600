"""What consumer, share and streams groups have in common: epochs and members that the coordinator assigns to.

Source: org.apache.kafka.coordinator.group.modern.ModernGroup.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from kafkalite.coordinator.group import GroupType
from kafkalite.errors import ErrorCode, KafkaError

Member = TypeVar("Member")


class ModernGroup(Generic[Member]):
    """A group whose members heartbeat for an assignment made on the server."""

    __slots__ = (
        "assignment_epoch",
        "assignment_timestamp_ms",
        "group_epoch",
        "group_id",
        "members",
        "metadata_hash",
        "metadata_refresh_epoch",
        "needs_metadata_refresh",
        "type",
    )

    def __init__(self, group_id: str, group_type: GroupType, *, group_epoch: int, assignment_epoch: int) -> None:
        self.group_id = group_id
        self.type = group_type
        self.group_epoch = group_epoch
        self.metadata_hash = 0
        self.assignment_epoch = assignment_epoch
        self.assignment_timestamp_ms = 0
        self.members: dict[str, Member] = {}
        self.needs_metadata_refresh = True
        self.metadata_refresh_epoch = 0

    @property
    def is_empty(self) -> bool:
        return not self.members

    def validate_delete(self) -> None:
        """Raises NON_EMPTY_GROUP."""
        if self.members:
            raise KafkaError(ErrorCode.NON_EMPTY_GROUP)

    def member(self, member_id: str) -> Member:
        """A member; raises UNKNOWN_MEMBER_ID."""
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}."
            )
        return member
