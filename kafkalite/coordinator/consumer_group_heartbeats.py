"""What consumer group members ask: join, go on, leave; and what happens to those that fall silent.

A heartbeat goes three steps, and its records say what each has changed: the member and, if what the group is subscribed
to has changed, the group's epoch; an assignment for that epoch; the member's next step towards it. Apache Kafka's
GroupMetadataManager.consumerGroupHeartbeat (KIP-848).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.assignors import ASSIGNORS
from kafkalite.coordinator.assignors.partition_assignor import Assignment, SubscriptionType
from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.classic_group_requests import Sender
from kafkalite.coordinator.consumer_group import ConsumerGroup, subscription_type
from kafkalite.coordinator.consumer_group_fencing import ConsumerGroupFencing, removal_records
from kafkalite.coordinator.consumer_group_heartbeat_validation import (
    check_epoch,
    check_instance_id_is_released,
    check_is_not_fenced,
    instance_id_is_unknown,
)
from kafkalite.coordinator.consumer_group_member import (
    JOIN_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_STATIC_MEMBER_EPOCH,
    NO_PARTITIONS,
    ConsumerGroupMember,
    MemberState,
    PartitionEpochs,
)
from kafkalite.coordinator.consumer_group_migration import ConsumerGroupMigration
from kafkalite.coordinator.consumer_group_records import (
    current_assignment_record,
    group_record,
    member_record,
    partition_metadata_tombstone,
    target_assignment_record,
)
from kafkalite.coordinator.consumer_group_regexes import ConsumerGroupRegexes
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.current_assignment_builder import CurrentAssignmentBuilder
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.target_assignment_builder import build_target_assignment, subscribed_topic_names
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages import consumer_group_heartbeat as messages
from kafkalite.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)

logger = logging.getLogger(__name__)

NO_ASSIGNMENT: Final[Assignment] = {}


class ConsumerGroupHeartbeats:
    """Heartbeats of the members of one shard's consumer groups; `find` gives a consumer group by its id."""

    __slots__ = ("_group_config", "config", "fencing", "metadata", "migration", "random_member_id", "regexes")

    def __init__(
        self,
        timers: CoordinatorTimers,
        config: GroupCoordinatorConfig,
        group_config: Callable[[str], GroupConfig],
        metadata: CoordinatorMetadataImage,
        migration: ConsumerGroupMigration,
        find: Callable[[str], ConsumerGroup | None],
        random_member_id: Callable[[], str],
    ) -> None:
        self.config = config
        self.metadata = metadata
        self._group_config = group_config
        self.migration = migration
        self.random_member_id = random_member_id
        self.regexes = ConsumerGroupRegexes(timers, config, metadata, find)
        self.fencing = ConsumerGroupFencing(timers, group_config, metadata, migration, find)

    # Heartbeat

    def heartbeat(
        self,
        sender: Sender,
        request: ConsumerGroupHeartbeatRequest,
        group: ConsumerGroup,
        records: list[CoordinatorRecord],
    ) -> CoordinatorResult[ConsumerGroupHeartbeatResponse]:
        """A member joins or goes on; `records` are those that have made the group what it is. Raises KafkaError."""
        self.check_room(group, request.member_id, request.instance_id)
        member_id = request.member_id or self.random_member_id()
        if request.instance_id is None:
            member = self._dynamic_member(request, group, member_id)
        else:
            member = self._static_member(request, group, member_id, request.instance_id, records)
        updated = member.updated_by(request, sender.client_id or "", f"/{sender.client_host}")
        have_names_changed = updated.subscribed_topic_names != member.subscribed_topic_names
        if updated is not member:
            records.append(member_record(group.group_id, updated))
        regex_change = self.regexes.update(group, member, updated, records, sender.now_ms)
        must_bump = have_names_changed or regex_change.is_resolved or self._has_assignor_changed(group, member, updated)
        group_epoch = self.refresh(group, member, updated, records, must_bump=must_bump)
        target_epoch, target = self.target_assignment(group, member, updated, group_epoch, records, sender.now_ms)
        reconciled = self.reconcile(
            group,
            updated,
            target_epoch,
            target,
            request.topic_partitions,
            records,
            has_subscription_changed=have_names_changed or regex_change.is_updated,
        )
        group_config = self._group_config(group.group_id)
        self.fencing.schedule_session(group.group_id, member_id, group_config.consumer_session_timeout_ms)
        response = ConsumerGroupHeartbeatResponse(
            member_id=member_id,
            member_epoch=reconciled.member_epoch,
            heartbeat_interval_ms=group_config.consumer_heartbeat_interval_ms,
        )
        if (
            request.member_epoch == JOIN_GROUP_MEMBER_EPOCH
            or is_full_request(request)
            or reconciled.assigned_partitions != member.assigned_partitions
        ):
            response.assignment = assignment_of(reconciled.assigned_partitions)
        return CoordinatorResult(records, response)

    def upgrade(self, classic: ClassicGroup, records: list[CoordinatorRecord]) -> ConsumerGroup:
        """A classic group that a member joins by the consumer protocol; raises KafkaError where it has to stay one."""
        group = self.migration.upgrade(classic, records)
        for member in classic.members.values():
            self.fencing.schedule_session(group.group_id, member.member_id, member.session_timeout_ms)
        return group

    def check_room(self, group: ConsumerGroup, member_id: str, instance_id: str | None) -> None:
        """Raises GROUP_MAX_SIZE_REACHED where a member would be one too many."""
        max_size = self.config.consumer_group_max_size
        is_known = member_id in group.members or instance_id in group.static_members
        if len(group.members) >= max_size and not is_known:
            raise KafkaError(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                f"The consumer group has reached its maximum capacity of {max_size} members.",
            )

    def _dynamic_member(
        self, request: ConsumerGroupHeartbeatRequest, group: ConsumerGroup, member_id: str
    ) -> ConsumerGroupMember:
        if request.member_epoch == JOIN_GROUP_MEMBER_EPOCH:
            logger.info(
                "[GroupId %s] Member %s joins the consumer group using the consumer protocol.",
                group.group_id,
                member_id,
            )
            return group.members.get(member_id) or ConsumerGroupMember(member_id)
        member = group.member(member_id)
        check_epoch(member, request)
        return member

    def _static_member(
        self,
        request: ConsumerGroupHeartbeatRequest,
        group: ConsumerGroup,
        member_id: str,
        instance_id: str,
        records: list[CoordinatorRecord],
    ) -> ConsumerGroupMember:
        existing = group.static_member(instance_id)
        if request.member_epoch != JOIN_GROUP_MEMBER_EPOCH:
            if existing is None:
                raise instance_id_is_unknown(instance_id)
            check_is_not_fenced(existing, member_id, instance_id)
            check_epoch(existing, request)
            return existing
        if existing is None:
            return group.members.get(member_id) or ConsumerGroupMember(member_id)
        if not existing.uses_classic_protocol:
            check_instance_id_is_released(existing, member_id, instance_id)
        member = existing._replace(member_id=member_id, member_epoch=0, previous_member_epoch=0)
        logger.info(
            "[GroupId %s] Static member with instance id %s re-joins the consumer group using the consumer protocol. "
            "Created a new member %s to replace the existing member %s.",
            group.group_id,
            instance_id,
            member_id,
            existing.member_id,
        )
        records += replacement_records(group, existing, member)
        return member

    def _has_assignor_changed(
        self, group: ConsumerGroup, member: ConsumerGroupMember, updated: ConsumerGroupMember
    ) -> bool:
        """Whether another assignor is preferred now, because of what this member names."""
        if member.server_assignor == updated.server_assignor and member.member_id in group.members:
            return False
        default = self.config.consumer_group_assignors[0]
        before, after = group.preferred_server_assignor(), group.preferred_server_assignor(member, updated)
        return (before or default) != (after or default)

    def refresh(
        self,
        group: ConsumerGroup,
        member: ConsumerGroupMember,
        updated: ConsumerGroupMember,
        records: list[CoordinatorRecord],
        *,
        must_bump: bool,
    ) -> int:
        """The group's epoch, after a look at what it is subscribed to where there is a reason for one: it may rise."""
        group_epoch = group.group_epoch
        if not (must_bump or group.needs_metadata_refresh or group_epoch < group.metadata_refresh_epoch):
            return group_epoch
        metadata_hash = self.metadata.group_hash(group.subscriptions_with(member, updated).topics)
        if must_bump or metadata_hash != group.metadata_hash:
            group_epoch += 1
            records.append(group_record(group.group_id, group_epoch, metadata_hash))
            logger.info(
                "[GroupId %s] Bumped group epoch to %d with metadata hash %d.",
                group.group_id,
                group_epoch,
                metadata_hash,
            )
        group.needs_metadata_refresh = False
        # Should the records not get into the log, the group's epoch stays behind, and the next heartbeat looks again.
        group.metadata_refresh_epoch = group_epoch
        if group.has_subscription_metadata_record:
            records.append(partition_metadata_tombstone(group.group_id))
        return group_epoch

    def target_assignment(
        self,
        group: ConsumerGroup,
        member: ConsumerGroupMember,
        updated: ConsumerGroupMember,
        group_epoch: int,
        records: list[CoordinatorRecord],
        now_ms: int,
    ) -> tuple[int, Assignment]:
        """The epoch of the assignment and what it gives the member, computed anew where it is behind the group's."""
        interval_ms = 0
        if group.assignment_epoch < group_epoch:
            interval_ms = self._group_config(group.group_id).consumer_assignment_interval_ms
        if group.assignment_epoch >= group_epoch or (
            group.assignment_timestamp_ms and 0 <= now_ms - group.assignment_timestamp_ms < interval_ms
        ):
            return self.last_target_assignment(group, updated)
        assignor = group.preferred_server_assignor(member, updated) or self.config.consumer_group_assignors[0]
        computed = build_target_assignment(
            group,
            updated,
            group_epoch=group_epoch,
            subscription_type=_subscription_type(group, member, updated),
            assignor=ASSIGNORS[assignor],
            metadata=self.metadata,
            now_ms=now_ms,
        )
        logger.info(
            "[GroupId %s] Computed a new target assignment for epoch %d with '%s' assignor.",
            group.group_id,
            group_epoch,
            assignor,
        )
        records += computed.records
        return group_epoch, computed.assignment.get(updated.member_id, NO_ASSIGNMENT)

    @staticmethod
    def last_target_assignment(group: ConsumerGroup, member: ConsumerGroupMember) -> tuple[int, Assignment]:
        """The epoch of the assignment as it is, and what it gives the member; a static one by its instance id."""
        target_id: str | None = member.member_id
        if member.instance_id is not None:
            target_id = group.static_members.get(member.instance_id)
        return group.assignment_epoch, group.target_assignment.get(target_id or "", NO_ASSIGNMENT)

    def reconcile(
        self,
        group: ConsumerGroup,
        member: ConsumerGroupMember,
        target_epoch: int,
        target: Assignment,
        owned_partitions: Sequence[messages.TopicPartitions] | None,
        records: list[CoordinatorRecord],
        *,
        has_subscription_changed: bool,
    ) -> ConsumerGroupMember:
        """The member's next step towards its target."""
        if not has_subscription_changed and member.is_reconciled_to(target_epoch):
            return member
        names = subscribed_topic_names(member, group.resolved_regexes)
        reconciled = CurrentAssignmentBuilder(
            member,
            target_epoch=target_epoch,
            target=target,
            subscribed_topic_ids=frozenset(self.metadata.topic_ids(names).values()),
            partition_epoch=group.partition_epoch,
            owned_partitions=owned_partitions,
        ).build(has_subscription_changed=has_subscription_changed)
        if reconciled == member:
            return member
        records.append(current_assignment_record(group.group_id, reconciled))
        if not reconciled.uses_classic_protocol:
            if reconciled.state is MemberState.UNREVOKED_PARTITIONS:
                self.fencing.schedule_rebalance(group.group_id, reconciled)
            else:
                self.fencing.cancel_rebalance(group.group_id, member.member_id)
        return reconciled

    # Leaving

    def leave(
        self, sender: Sender, request: ConsumerGroupHeartbeatRequest, group: ConsumerGroup
    ) -> CoordinatorResult[ConsumerGroupHeartbeatResponse]:
        """A member leaves, a static one perhaps only for a while. Raises KafkaError."""
        response = ConsumerGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)
        if request.instance_id is None:
            member = group.member(request.member_id)
        else:
            found = group.static_member(request.instance_id)
            if found is None:
                raise instance_id_is_unknown(request.instance_id)
            check_is_not_fenced(found, request.member_id, request.instance_id)
            member = found
            if request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH:
                return CoordinatorResult([current_assignment_record(group.group_id, _away(member))], response)
        logger.info("[GroupId %s] Member %s left the consumer group.", group.group_id, member.member_id)
        return self.fencing.fence(group, [member], sender.now_ms).with_reply(response)


def _subscription_type(
    group: ConsumerGroup, member: ConsumerGroupMember, updated: ConsumerGroupMember
) -> SubscriptionType:
    """Whether all members, this one as it is now, are subscribed alike.

    Apache Kafka leaves a member out that joins without a subscription, and then may take everything from the others.
    """
    member_count = len(group.members)
    if updated.member_id not in group.members and updated.instance_id not in group.static_members:
        member_count += 1
    return subscription_type(
        group.regex_counts_with(member, updated), group.subscriptions_with(member, updated), member_count
    )


def is_full_request(request: ConsumerGroupHeartbeatRequest) -> bool:
    """Whether the member tells all of itself, as it does after an error: then it wants to hear all as well."""
    return (
        request.rebalance_timeout_ms != -1
        and (request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None)
        and request.topic_partitions is not None
    )


def assignment_of(partitions: PartitionEpochs) -> messages.Assignment:
    """What a member is told that it has."""
    return messages.Assignment(
        topic_partitions=[
            messages.TopicPartitions(topic_id=topic_id, partitions=list(epochs))
            for topic_id, epochs in partitions.items()
        ]
    )


def replacement_records(
    group: ConsumerGroup, old: ConsumerGroupMember, new: ConsumerGroupMember
) -> Iterable[CoordinatorRecord]:
    """A static member is back under another member id, and takes over what the old one had."""
    group_id = group.group_id
    return [
        *removal_records(group_id, old.member_id),
        member_record(group_id, new),
        target_assignment_record(group_id, new.member_id, group.target_assignment.get(old.member_id, NO_ASSIGNMENT)),
        current_assignment_record(group_id, new),
    ]


def _away(member: ConsumerGroupMember) -> ConsumerGroupMember:
    """A static member that says it will be back: it keeps its partitions, for whoever comes with its instance id."""
    return member._replace(
        member_epoch=LEAVE_GROUP_STATIC_MEMBER_EPOCH,
        partitions_pending_revocation=NO_PARTITIONS,
        assigned_partitions={
            topic_id: dict.fromkeys(epochs, 0) for topic_id, epochs in member.assigned_partitions.items()
        },
    )


LEAVE_EPOCHS: Final = (LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH)
