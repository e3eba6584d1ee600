"""Classic groups turn into consumer groups and back while their members go on (KIP-848).

A classic group of consumers turns into a consumer group when a first member of the consumer protocol joins it: its
members keep their partitions, and go on by the classic protocol until they are restarted one by one. When the last
member that uses the consumer protocol is gone, what is left turns back into a classic group. Both only as far as
group.consumer.migration.policy allows.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Final

from kafkalite.coordinator.assignors.partition_assignor import Assignment
from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.classic_group_member import ClassicGroupMember
from kafkalite.coordinator.classic_group_rebalance import ClassicGroupRebalance
from kafkalite.coordinator.classic_group_state import STABLE
from kafkalite.coordinator.consumer_group import CONSUMER_PROTOCOL_TYPE, ConsumerGroup
from kafkalite.coordinator.consumer_group_member import ConsumerGroupMember
from kafkalite.coordinator.consumer_group_records import (
    current_assignment_record,
    group_record,
    member_record,
    target_assignment_metadata_record,
    target_assignment_record,
)
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.group import Group
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.string_hash import hash_set_order
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.consumer_protocol import (
    AssignmentTopicPartition,
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
)
from kafkalite.protocol.coordinator_record import read_prefix
from kafkalite.protocol.coordinator_records.consumer_group import ClassicMemberMetadata, ClassicProtocol
from kafkalite.protocol.messages.join_group import JoinGroupResponse
from kafkalite.protocol.messages.sync_group import SyncGroupResponse
from kafkalite.protocol.primitives import ProtocolError

logger = logging.getLogger(__name__)

UPGRADE_POLICIES: Final = ("upgrade", "bidirectional")
DOWNGRADE_POLICIES: Final = ("downgrade", "bidirectional")
NEWEST_PROTOCOL_VERSION: Final = 3


class ConsumerGroupMigration:
    """Turns groups of one shard into those of the other kind; `groups` are all of them."""

    __slots__ = ("_config", "_groups", "_metadata", "_rebalance")

    def __init__(
        self,
        groups: dict[str, Group],
        rebalance: ClassicGroupRebalance,
        config: GroupCoordinatorConfig,
        metadata: CoordinatorMetadataImage,
    ) -> None:
        self._groups = groups
        self._rebalance = rebalance
        self._config = config
        self._metadata = metadata

    # From classic to consumer

    def upgrade(self, classic: ClassicGroup, records: list[CoordinatorRecord]) -> ConsumerGroup:
        """The consumer group that a classic one is to become, with the records that make it.

        Raises GROUP_ID_NOT_FOUND where it may not: to a member of the consumer protocol there is no such group.
        """
        self._check_upgrade(classic)
        group = self._consumer_group(classic)
        for member in classic.members.values():
            classic.answer_join(
                member,
                JoinGroupResponse(
                    member_id=member.member_id, protocol_name=None, error_code=ErrorCode.REBALANCE_IN_PROGRESS
                ),
            )
            member.answer_sync(SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))
        records += classic.tombstones()
        records += _records_of(group)
        logger.info("[GroupId %s] Converted the classic group to a consumer group.", classic.group_id)
        return group

    def _check_upgrade(self, classic: ClassicGroup) -> None:
        if self._config.consumer_group_migration_policy not in UPGRADE_POLICIES:
            raise _not_upgraded(classic, "online upgrade is disabled.")
        if not classic.uses_consumer_protocol:
            raise _not_upgraded(classic, "the group does not use the consumer embedded protocol.")
        if len(classic.members) > self._config.consumer_group_max_size:
            raise _not_upgraded(classic, "the group size exceeds the consumer group maximum size.")

    def _consumer_group(self, classic: ClassicGroup) -> ConsumerGroup:
        epoch = classic.generation_id
        group = ConsumerGroup(classic.group_id)
        group.group_epoch = group.assignment_epoch = epoch
        try:
            for classic_member in classic.members.values():
                assigned = self._assignment_of(classic, classic_member.assignment)
                group.target_assignment[classic_member.member_id] = assigned
                group.put(_consumer_member(classic, classic_member, assigned))
        except (ProtocolError, LookupError):
            raise _not_upgraded(classic, "the embedded consumer protocol is malformed.") from None
        group.metadata_hash = self._metadata.group_hash(group.subscriptions.topics)
        return group

    def _assignment_of(self, classic: ClassicGroup, data: bytes) -> Assignment:
        if not data:
            return {}  # It has just joined and never synced.
        assignment = ConsumerProtocolAssignment.decode(data[2:], _version_of(data))
        if assignment.user_data:
            raise _not_upgraded(
                classic,
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default "
                "assignor before re-attempting the upgrade.",
            )
        found: dict[Uuid, tuple[int, ...]] = {}
        for topic in assignment.assigned_partitions:
            topic_id = self._metadata.topic_id(topic.topic)
            if topic_id is not None and topic.partitions:
                found[topic_id] = tuple(sorted(topic.partitions))
        return found

    # From consumer to classic

    def may_downgrade(self, group: ConsumerGroup, leaving: Collection[ConsumerGroupMember]) -> bool:
        """Whether a classic group is left once these members are gone: all others use the classic protocol."""
        size = len(group.members) - len(leaving)
        left_ids = {member.member_id for member in leaving}
        return (
            size > 0
            and all(m.uses_classic_protocol for m in group.members.values() if m.member_id not in left_ids)
            and self._is_downgrade_allowed(size)
        )

    def may_downgrade_with(self, group: ConsumerGroup, replaced: ConsumerGroupMember | None) -> bool:
        """Whether the group is to be a classic one once a member that uses the classic protocol replaces `replaced`."""
        return (
            replaced is not None
            and not replaced.uses_classic_protocol
            and group.classic_member_count == len(group.members) - 1
            and self._is_downgrade_allowed(len(group.members))
        )

    def _is_downgrade_allowed(self, size: int) -> bool:
        return self._config.consumer_group_migration_policy in DOWNGRADE_POLICIES and size <= self._config.max_size

    def downgrade(
        self,
        group: ConsumerGroup,
        *,
        leaving: Collection[ConsumerGroupMember] = (),
        joining: ConsumerGroupMember | None = None,
        rebalance_reason: str | None,
        records: list[CoordinatorRecord],
        now_ms: int,
    ) -> CoordinatorResult[None]:
        """The classic group takes the consumer group's place now; `joining` is a static member in another's stead."""
        group_id = group.group_id
        replaced = None if joining is None else group.static_member(joining.instance_id)
        left_ids = {member.member_id for member in leaving}
        members = [
            member
            for member in group.members.values()
            if member.member_id not in left_ids and (replaced is None or member.member_id != replaced.member_id)
        ]
        if joining is not None:
            members.append(joining)
        classic = ClassicGroup(
            group_id,
            state=STABLE,
            current_state_timestamp_ms=now_ms,
            generation_id=group.group_epoch,
            protocol_type=CONSUMER_PROTOCOL_TYPE,
        )
        for member in members:
            classic.add(_classic_member(member))
        classic.protocol_name = classic.select_protocol()
        classic.subscribed_topics = classic.compute_subscribed_topics()
        for classic_member in classic.members.values():
            owner = replaced if joining is not None and classic_member.member_id == joining.member_id else None
            target = group.target_assignment.get(owner.member_id if owner else classic_member.member_id, {})
            version = _version_of(classic_member.metadata(classic.protocol_name))
            classic_member.assignment = encode_assignment(target, version, self._metadata)
        successors = {} if joining is None or replaced is None else {replaced.member_id: joining.member_id}
        records += group.tombstones(successors)
        records.append(classic.to_record({m.member_id: m.assignment for m in classic.members.values()}))
        self._groups[group_id] = classic
        for classic_member in classic.members.values():
            self._rebalance.reschedule_session(classic, classic_member)
        if rebalance_reason is not None:
            self._rebalance.prepare_rebalance(classic, rebalance_reason, now_ms)
        logger.info("[GroupId %s] Converted the consumer group to a classic group.", group_id)

        def on_appended(error: KafkaError | None) -> None:
            if error is not None and self._groups.get(group_id) is classic:
                self._rebalance.cancel_timers(classic)
                self._groups[group_id] = group

        return CoordinatorResult(records, on_appended=on_appended, is_replayed=False)


def decode_subscription(data: bytes) -> ConsumerProtocolSubscription:
    """What a consumer says when it joins by the classic protocol; raises ProtocolError."""
    return ConsumerProtocolSubscription.decode(data[2:], _version_of(data))


def encode_assignment(
    partitions: Mapping[Uuid, Collection[int]], version: int, metadata: CoordinatorMetadataImage
) -> bytes:
    """An assignment as consumers of the classic protocol read it; topics that are gone are left out."""
    topics = [
        AssignmentTopicPartition(topic=name, partitions=hash_set_order(indexes))
        for name, indexes in ((metadata.topic_name(topic_id), indexes) for topic_id, indexes in partitions.items())
        if name is not None
    ]
    return version.to_bytes(2, "big") + ConsumerProtocolAssignment(assigned_partitions=topics).encode(version)


def assignment_version(member: ConsumerGroupMember) -> int:
    """The version of the consumers' protocol that a member of the classic protocol speaks."""
    assert member.classic_member_metadata is not None
    return _version_of(member.classic_member_metadata.supported_protocols[0].metadata)


def _version_of(data: bytes) -> int:
    """The version before what a consumer says; later ones are read as the newest that is known."""
    version = read_prefix(data)
    if version < 0:
        raise ProtocolError(f"unsupported version of the consumers' protocol: {version}")
    return min(version, NEWEST_PROTOCOL_VERSION)


def _consumer_member(classic: ClassicGroup, member: ClassicGroupMember, assigned: Assignment) -> ConsumerGroupMember:
    subscription = decode_subscription(member.metadata(classic.protocol_name))
    epoch = classic.generation_id
    return ConsumerGroupMember(
        member.member_id,
        member_epoch=epoch,
        previous_member_epoch=epoch,
        instance_id=member.group_instance_id,
        rack_id=subscription.rack_id or None,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=frozenset(subscription.topics),
        assigned_partitions={topic_id: dict.fromkeys(indexes, epoch) for topic_id, indexes in assigned.items()},
        classic_member_metadata=ClassicMemberMetadata(
            session_timeout_ms=member.session_timeout_ms,
            supported_protocols=[ClassicProtocol(name=name, metadata=metadata) for name, metadata in member.protocols],
        ),
    )


def _classic_member(member: ConsumerGroupMember) -> ClassicGroupMember:
    assert member.classic_member_metadata is not None
    return ClassicGroupMember(
        member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        session_timeout_ms=member.classic_member_metadata.session_timeout_ms,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocols=tuple(
            (protocol.name, bytes(protocol.metadata)) for protocol in member.classic_member_metadata.supported_protocols
        ),
    )


def _records_of(group: ConsumerGroup) -> list[CoordinatorRecord]:
    """All of a group that has just been made of another."""
    group_id = group.group_id
    members = group.members.values()
    return [
        *(member_record(group_id, member) for member in members),
        group_record(group_id, group.group_epoch, group.metadata_hash),
        *(target_assignment_record(group_id, m.member_id, group.target_assignment[m.member_id]) for m in members),
        target_assignment_metadata_record(group_id, group.assignment_epoch, group.assignment_timestamp_ms),
        *(current_assignment_record(group_id, member) for member in members),
    ]


def _not_upgraded(classic: ClassicGroup, reason: str) -> KafkaError:
    return KafkaError(
        ErrorCode.GROUP_ID_NOT_FOUND,
        f"Cannot upgrade classic group {classic.group_id} to consumer group because {reason}",
    )
