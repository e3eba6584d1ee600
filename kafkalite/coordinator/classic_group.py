"""A classic group: its members, generation and state, and the rules that concern nothing but these.

Who may speak in the group's name, which protocols all members support, who leads, who has yet to join or to sync.
When a rebalance begins and ends, and what is told to whom, is in `classic_group_rebalance`.
Apache Kafka's ClassicGroup.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from kafkalite.coordinator.classic_group_member import ClassicGroupMember, Protocols
from kafkalite.coordinator.classic_group_state import (
    COMPLETING_REBALANCE,
    DEAD,
    EMPTY,
    PREPARING_REBALANCE,
    PREVIOUS_STATES,
    STABLE,
    ClassicGroupState,
)
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, Deferred
from kafkalite.coordinator.group import GroupType
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.consumer_protocol import ConsumerProtocolSubscription
from kafkalite.protocol.coordinator_record import read_prefix
from kafkalite.protocol.coordinator_records.classic_group import GroupMetadataKey, GroupMetadataValue
from kafkalite.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from kafkalite.protocol.primitives import ProtocolError

CONSUMER_PROTOCOL_TYPE: Final = "consumer"
GROUP_METADATA_VALUE_VERSION: Final = 3
"""The version that Apache Kafka writes; 4 is only read."""


class ClassicGroup:
    """One group. Members are kept in the order in which they came."""

    __slots__ = (
        "awaiting_join_count",
        "current_state_timestamp_ms",
        "generation_id",
        "group_id",
        "has_new_member",
        "leader_id",
        "members",
        "pending_join_members",
        "pending_sync_members",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "state",
        "static_members",
        "subscribed_topics",
        "supporter_counts",
        "type",
    )

    def __init__(
        self,
        group_id: str,
        *,
        state: ClassicGroupState = EMPTY,
        current_state_timestamp_ms: int | None,
        generation_id: int = 0,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        leader_id: str | None = None,
    ) -> None:
        self.group_id = group_id
        self.type = GroupType.CLASSIC
        self.state = state
        self.previous_state = DEAD
        self.current_state_timestamp_ms = current_state_timestamp_ms
        self.generation_id = generation_id
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.leader_id = leader_id
        self.members: dict[str, ClassicGroupMember] = {}
        self.static_members: dict[str, str] = {}
        self.pending_join_members: dict[str, None] = {}
        self.pending_sync_members: dict[str, None] = {}
        self.awaiting_join_count = 0
        self.supporter_counts: Counter[str] = Counter()
        self.subscribed_topics: frozenset[str] | None = None
        self.has_new_member = False

    # As all groups are seen

    @property
    def state_name(self) -> str:
        return self.state.value

    @property
    def listed_protocol_type(self) -> str:
        return self.protocol_type or ""

    @property
    def is_empty(self) -> bool:
        return self.state is EMPTY

    @property
    def uses_consumer_protocol(self) -> bool:
        """Whether what its members say can be understood: they are consumers, not Connect workers or others."""
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    def validate_member(self, member_id: str, group_instance_id: str | None) -> None:
        """Raises UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID where another member bears the instance id now."""
        if group_instance_id is not None:
            existing = self.static_members.get(group_instance_id)
            if existing is None:
                raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
            if existing != member_id:
                raise KafkaError(ErrorCode.FENCED_INSTANCE_ID)
        if member_id not in self.members:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)

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
        """Members commit in their generation, tools and consumers without a group only while the group is empty."""
        if self.state is DEAD:
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        if generation_id < 0 and self.state is EMPTY:
            return
        if generation_id >= 0 or member_id or group_instance_id is not None:
            self.validate_member(member_id, group_instance_id)
            if generation_id != self.generation_id:
                raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        elif not is_transactional and self.state is not EMPTY:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        if not is_transactional and self.state is COMPLETING_REBALANCE:
            # A member that knows this generation will learn of its assignment soon; until then it owns nothing.
            raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)

    def validate_offset_fetch(self, member_id: str | None, member_epoch: int) -> None:
        self._validate_not_dead()

    def validate_offset_delete(self) -> None:
        self._validate_not_dead()
        if self.state is not EMPTY and not self.uses_consumer_protocol:
            raise KafkaError(ErrorCode.NON_EMPTY_GROUP)

    def validate_delete(self) -> None:
        self._validate_not_dead()
        if self.state is not EMPTY:
            raise KafkaError(ErrorCode.NON_EMPTY_GROUP)

    def _validate_not_dead(self) -> None:
        if self.state is DEAD:
            raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {self.group_id} is in dead state.")

    def is_subscribed_to_topic(self, topic: str) -> bool:
        """True too where consumers' subscriptions cannot be told."""
        if self.subscribed_topics is not None:
            return topic in self.subscribed_topics
        return self.uses_consumer_protocol

    def offset_expiration_base_ms(self, commit_timestamp_ms: int) -> int | None:
        if self.protocol_type is None:
            return commit_timestamp_ms
        if self.state is EMPTY:
            return commit_timestamp_ms if self.current_state_timestamp_ms is None else self.current_state_timestamp_ms
        if self.uses_consumer_protocol and self.subscribed_topics is not None and self.state is STABLE:
            return commit_timestamp_ms
        return None

    def tombstones(self) -> list[CoordinatorRecord]:
        return [CoordinatorRecord(GroupMetadataKey(group=self.group_id), None)]

    # States

    def transition_to(self, state: ClassicGroupState, now_ms: int) -> None:
        """Enters a state; raises where the present one does not lead there."""
        if self.state not in PREVIOUS_STATES[state]:
            raise RuntimeError(f"group {self.group_id} cannot go from {self.state} to {state}")
        self.previous_state = self.state
        self.state = state
        self.current_state_timestamp_ms = now_ms

    @property
    def can_rebalance(self) -> bool:
        """Whether a rebalance may begin; not while one is waiting for joins."""
        return self.state in PREVIOUS_STATES[PREPARING_REBALANCE]

    def init_next_generation(self, now_ms: int) -> None:
        """All have joined: the next generation begins, with the protocol that the members' votes choose."""
        self.generation_id += 1
        self.pending_sync_members.clear()
        if self.members:
            self.protocol_name = self.select_protocol()
            self.subscribed_topics = self.compute_subscribed_topics()
            self.transition_to(COMPLETING_REBALANCE, now_ms)
        else:
            self.protocol_name = None
            self.subscribed_topics = self.compute_subscribed_topics()
            self.transition_to(EMPTY, now_ms)

    # Members

    def add(self, member: ClassicGroupMember, awaiting_join: Deferred[JoinGroupResponse] | None = None) -> None:
        """Takes a member in; the first one sets the group's protocol type and leads."""
        if member.group_instance_id is not None:
            if member.group_instance_id in self.static_members:
                raise RuntimeError(f"static member {member.group_instance_id} is already in group {self.group_id}")
            self.static_members[member.group_instance_id] = member.member_id
        if not self.members:
            self.protocol_type = member.protocol_type
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        self._count_supporter(member, 1)
        member.awaiting_join = awaiting_join
        if awaiting_join is not None:
            self.awaiting_join_count += 1
        self.pending_join_members.pop(member.member_id, None)

    def remove(self, member_id: str) -> None:
        """Lets a member or pending member go; whatever it waited for is answered UNKNOWN_MEMBER_ID."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count_supporter(member, -1)
            if member.awaiting_join is not None:
                self.awaiting_join_count -= 1
            if member.group_instance_id is not None:
                self.static_members.pop(member.group_instance_id, None)
        if self.leader_id == member_id:
            self.leader_id = next(iter(self.members), None)
        self.pending_join_members.pop(member_id, None)
        self.pending_sync_members.pop(member_id, None)
        if member is not None:
            member.fail(ErrorCode.UNKNOWN_MEMBER_ID)

    def update_member(
        self,
        member: ClassicGroupMember,
        protocols: Protocols,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        awaiting_join: Deferred[JoinGroupResponse] | None,
    ) -> None:
        """Takes what a member says when it joins again. A JoinGroup of its that still waits gives way to this one."""
        self._count_supporter(member, -1)
        member.protocols = protocols
        self._count_supporter(member, 1)
        member.rebalance_timeout_ms = rebalance_timeout_ms
        member.session_timeout_ms = session_timeout_ms
        previous, member.awaiting_join = member.awaiting_join, awaiting_join
        self.awaiting_join_count += (awaiting_join is not None) - (previous is not None)
        if previous is not None:
            previous.complete(
                JoinGroupResponse(
                    member_id=member.member_id, protocol_name=None, error_code=ErrorCode.REBALANCE_IN_PROGRESS
                )
            )

    def replace_static_member(self, group_instance_id: str, old_id: str, new_id: str) -> ClassicGroupMember:
        """Gives a static member that came back its new member id; whoever used the old one is fenced."""
        old = self.members[old_id]
        if old.awaiting_join is not None:
            self.awaiting_join_count -= 1
        new = ClassicGroupMember(
            new_id,
            group_instance_id=group_instance_id,
            client_id=old.client_id,
            client_host=old.client_host,
            rebalance_timeout_ms=old.rebalance_timeout_ms,
            session_timeout_ms=old.session_timeout_ms,
            protocol_type=old.protocol_type,
            protocols=old.protocols,
            assignment=old.assignment,
        )
        del self.members[old_id]
        self.members[new_id] = new
        if self.leader_id == old_id:
            self.leader_id = new_id
        self.static_members[group_instance_id] = new_id
        if old_id in self.pending_sync_members:
            del self.pending_sync_members[old_id]
        old.fail(ErrorCode.FENCED_INSTANCE_ID, old_id)
        return new

    def answer_join(self, member: ClassicGroupMember, response: JoinGroupResponse) -> bool:
        """Answers a member's JoinGroup if it waits for one."""
        if member.awaiting_join is None:
            return False
        self.awaiting_join_count -= 1
        return member.answer_join(response)

    def is_leader(self, member_id: str) -> bool:
        """Whether this member computes the assignment."""
        return self.leader_id == member_id

    @property
    def has_all_members_joined(self) -> bool:
        """Whether nobody is missing whom a rebalance has to wait for."""
        return len(self.members) == self.awaiting_join_count and not self.pending_join_members

    def elect_joined_leader(self) -> bool:
        """Makes sure that the leader is one who has joined; False where nobody has."""
        if self.leader_id is None:
            return False
        leader = self.members.get(self.leader_id)
        if leader is not None and leader.awaiting_join is not None:
            return True
        for member in self.members.values():
            if member.awaiting_join is not None:
                self.leader_id = member.member_id
                return True
        return False

    @property
    def rebalance_timeout_ms(self) -> int:
        """How long a rebalance waits for the slowest member."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    # Protocols

    def supports_protocols(self, protocol_type: str, names: list[str]) -> bool:
        """Whether a member with these protocols could be in the group: all must have one in common."""
        if self.state is EMPTY:
            return bool(protocol_type and names)
        count = len(self.members)
        return self.protocol_type == protocol_type and any(self.supporter_counts[name] == count for name in names)

    def select_protocol(self) -> str:
        """The protocol most members prefer among those that all support."""
        count = len(self.members)
        candidates = {name for name, supporters in self.supporter_counts.items() if supporters == count}
        votes = Counter(member.vote(candidates) for member in self.members.values())
        # Apache Kafka takes the first with the most votes in the order of a HashMap.
        return max(hash_map_order(votes), key=votes.__getitem__)

    def compute_subscribed_topics(self) -> frozenset[str] | None:
        """The topics that consumers say they want; None where it cannot be told."""
        if not self.uses_consumer_protocol:
            return None
        if not self.members:
            return frozenset()
        if self.protocol_name is None:
            return None
        topics: set[str] = set()
        try:
            for member in self.members.values():
                metadata = member.metadata(self.protocol_name)
                if read_prefix(metadata) < 0:
                    return None
                topics.update(ConsumerProtocolSubscription.decode(metadata[2:], 0).topics)
        except ProtocolError:
            return None
        return frozenset(topics)

    def _count_supporter(self, member: ClassicGroupMember, change: int) -> None:
        for name, _ in member.protocols:
            self.supporter_counts[name] += change

    # What others are told

    def join_response(self, member_id: str, *, skip_assignment: bool = False) -> JoinGroupResponse:
        """The present generation, for one of its members; the leader hears of all members."""
        members: list[JoinGroupResponseMember] = []
        if self.is_leader(member_id):
            members = [member.to_response_member(self.protocol_name) for member in self.members.values()]
        return JoinGroupResponse(
            generation_id=self.generation_id,
            protocol_type=self.protocol_type,
            protocol_name=self.protocol_name,
            leader=self.leader_id or "",
            skip_assignment=skip_assignment,
            member_id=member_id,
            members=members,
        )

    def to_record(self, assignments: dict[str, bytes]) -> CoordinatorRecord:
        """The group with the assignments that its members are about to get."""
        return CoordinatorRecord(
            GroupMetadataKey(group=self.group_id),
            GroupMetadataValue(
                protocol_type=self.protocol_type or "",
                generation=self.generation_id,
                protocol=self.protocol_name,
                leader=self.leader_id,
                current_state_timestamp=(
                    -1 if self.current_state_timestamp_ms is None else self.current_state_timestamp_ms
                ),
                members=[
                    member.to_record(self.protocol_name, assignments[member.member_id])
                    for member in self.members.values()
                ],
            ),
            GROUP_METADATA_VALUE_VERSION,
        )

    @classmethod
    def from_record(cls, group_id: str, value: GroupMetadataValue) -> ClassicGroup:
        """The group as a record has it: stable if it has members, else empty."""
        group = cls(
            group_id,
            state=STABLE if value.members else EMPTY,
            current_state_timestamp_ms=None if value.current_state_timestamp == -1 else value.current_state_timestamp,
            generation_id=value.generation,
            protocol_type=value.protocol_type or None,
            protocol_name=value.protocol,
            leader_id=value.leader,
        )
        for member in value.members:
            group.add(
                ClassicGroupMember(
                    member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    rebalance_timeout_ms=(
                        member.session_timeout if member.rebalance_timeout == -1 else member.rebalance_timeout
                    ),
                    session_timeout_ms=member.session_timeout,
                    protocol_type=value.protocol_type,
                    protocols=((value.protocol or "", member.subscription),),
                    assignment=member.assignment,
                )
            )
        group.subscribed_topics = group.compute_subscribed_topics()
        return group
