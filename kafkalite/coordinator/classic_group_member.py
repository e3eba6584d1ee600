"""A member of a classic group: what it said when it joined, its assignment, and the answers it waits for."""

from __future__ import annotations

from collections.abc import Container

from kafkalite.coordinator.coordinator_result import Deferred
from kafkalite.errors import ErrorCode
from kafkalite.protocol.coordinator_records.classic_group import MemberMetadata
from kafkalite.protocol.messages.describe_groups import DescribedGroupMember
from kafkalite.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from kafkalite.protocol.messages.sync_group import SyncGroupResponse

Protocols = tuple[tuple[str, bytes], ...]
"""(name, metadata) of every assignment protocol a member supports, the preferred one first."""


class ClassicGroupMember:
    """One member. `is_new` until a generation that it joined has begun: it cannot send heartbeats before."""

    __slots__ = (
        "assignment",
        "awaiting_join",
        "awaiting_sync",
        "client_host",
        "client_id",
        "group_instance_id",
        "is_new",
        "member_id",
        "protocol_type",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
    )

    def __init__(
        self,
        member_id: str,
        *,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocol_type: str,
        protocols: Protocols,
        assignment: bytes = b"",
        is_new: bool = False,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocol_type = protocol_type
        self.protocols = protocols
        self.assignment = assignment
        self.is_new = is_new
        self.awaiting_join: Deferred[JoinGroupResponse] | None = None
        self.awaiting_sync: Deferred[SyncGroupResponse] | None = None

    @property
    def is_static(self) -> bool:
        """Whether it bears a group.instance.id and so may be away for its session timeout (KIP-345)."""
        return self.group_instance_id is not None

    def metadata(self, protocol: str | None) -> bytes:
        """What it said under a protocol; raises LookupError where it does not support that."""
        for name, metadata in self.protocols:
            if name == protocol:
                return metadata
        raise LookupError(f"member {self.member_id} does not support protocol {protocol}")

    def vote(self, candidates: Container[str]) -> str:
        """The candidate that it likes best."""
        return next(name for name, _ in self.protocols if name in candidates)

    def has_satisfied_heartbeat(self) -> bool:
        """Whether its session goes on without heartbeats, because it waits for an answer of ours.

        A new member is not excused: it does not know its id yet, and may be gone without our noticing.
        """
        return not self.is_new and (self.awaiting_join is not None or self.awaiting_sync is not None)

    def answer_join(self, response: JoinGroupResponse) -> bool:
        """Answers the JoinGroup that it waits for; False where there is none."""
        waiting, self.awaiting_join = self.awaiting_join, None
        if waiting is None:
            return False
        waiting.complete(response)
        return True

    def answer_sync(self, response: SyncGroupResponse) -> bool:
        """Answers the SyncGroup that it waits for; False where there is none."""
        waiting, self.awaiting_sync = self.awaiting_sync, None
        if waiting is None:
            return False
        waiting.complete(response)
        return True

    def fail(self, error: ErrorCode, member_id: str = "") -> None:
        """Answers whatever it waits for with an error."""
        self.answer_join(JoinGroupResponse(member_id=member_id, protocol_name=None, error_code=error))
        self.answer_sync(SyncGroupResponse(error_code=error))

    def to_response_member(self, protocol: str | None) -> JoinGroupResponseMember:
        """As the leader is told of it."""
        return JoinGroupResponseMember(
            member_id=self.member_id, group_instance_id=self.group_instance_id, metadata=self.metadata(protocol)
        )

    def describe(self, protocol: str | None = None) -> DescribedGroupMember:
        """As DescribeGroups shows it; with what it said under `protocol` if one is chosen."""
        return DescribedGroupMember(
            member_id=self.member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            member_metadata=b"" if protocol is None else self.metadata(protocol),
            member_assignment=self.assignment,
        )

    def to_record(self, protocol: str | None, assignment: bytes) -> MemberMetadata:
        """As it stands in the group's record, with the assignment that it is about to get."""
        return MemberMetadata(
            member_id=self.member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout=self.rebalance_timeout_ms,
            session_timeout=self.session_timeout_ms,
            subscription=self.metadata(protocol),
            assignment=assignment,
        )
