"""What consumer and streams groups have in common: members that commit offsets at their epoch, and may be static."""

from __future__ import annotations

from typing import Final, Protocol, TypeVar

from kafkalite.coordinator.group import GroupType, PartitionCommitValidator
from kafkalite.coordinator.modern_group import ModernGroup
from kafkalite.errors import ErrorCode, KafkaError

OFFSET_COMMIT_MIN_VERSION: Final = 9
"""Of OffsetCommit: from here on it carries a member epoch."""
FIRST_EPOCH: Final = 1


class CommittingMember(Protocol):
    """A member with an epoch."""

    @property
    def member_epoch(self) -> int:
        """That of its last assignment."""


Member = TypeVar("Member", bound=CommittingMember)


class CommittingGroup(ModernGroup[Member]):
    """A group whose offsets the coordinator keeps."""

    __slots__ = ("static_members",)

    def __init__(self, group_id: str, group_type: GroupType) -> None:
        super().__init__(group_id, group_type, group_epoch=FIRST_EPOCH, assignment_epoch=FIRST_EPOCH)
        self.static_members: dict[str, str] = {}
        """Instance id -> member id."""

    def static_member(self, instance_id: str | None) -> Member | None:
        """The member that bears an instance id."""
        member_id = None if instance_id is None else self.static_members.get(instance_id)
        return None if member_id is None else self.members[member_id]

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
    ) -> PartitionCommitValidator | None:
        """Members commit at their epoch, or at an older one what they already had then; others while it is empty."""
        if generation_id < 0 and not self.members:
            return None
        if is_transactional and generation_id == -1 and not member_id and group_instance_id is None:
            return None
        member = self.member(member_id)
        uses_classic_protocol = self._uses_classic_protocol(member)
        if not is_transactional and not uses_classic_protocol and api_version < OFFSET_COMMIT_MIN_VERSION:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION,
                f"OffsetCommit version 9 or above must be used by members using the {self.type.value} group protocol",
            )
        if generation_id == member.member_epoch:
            return None
        if generation_id > member.member_epoch:
            raise self.stale(
                member,
                f"Received {self.epoch_name(member)} {generation_id} is newer than current member epoch "
                f"{member.member_epoch}.",
            )
        return self._validate_earlier_epoch(member, generation_id)

    def validate_offset_fetch(self, member_id: str | None, member_epoch: int) -> None:
        if member_id is None and member_epoch < 0:
            return
        if member_id is None:  # Apache Kafka's members cannot be asked for nobody.
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        member = self.member(member_id)
        if member_epoch != member.member_epoch:
            raise self.stale(
                member,
                f"The received {self.epoch_name(member)} {member_epoch} does not match the expected member epoch "
                f"{member.member_epoch}.",
            )

    def validate_offset_delete(self) -> None:
        return

    def offset_expiration_base_ms(self, commit_timestamp_ms: int) -> int | None:
        return commit_timestamp_ms

    def epoch_name(self, member: Member) -> str:
        """What the member's protocol calls its epoch."""
        return "generation id" if self._uses_classic_protocol(member) else "member epoch"

    def stale(self, member: Member, message: str) -> KafkaError:
        """The error for an epoch that is not the member's, in the member's protocol."""
        is_classic = self._uses_classic_protocol(member)
        return KafkaError(ErrorCode.ILLEGAL_GENERATION if is_classic else ErrorCode.STALE_MEMBER_EPOCH, message)

    def _uses_classic_protocol(self, member: Member) -> bool:
        return False

    def _validate_earlier_epoch(self, member: Member, member_epoch: int) -> PartitionCommitValidator:
        """What is to be asked of each partition whose offset a member commits at an epoch that is over for it."""
        raise NotImplementedError
