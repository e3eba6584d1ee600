"""A consumer group: its members, epochs, target assignment and who owns which partition, as its records tell it.

Only `replay` and its kin change a group, so that what stands in the log and what is here are the same. Epochs: the
group's grows with every change that calls for another assignment, the assignment's follows when one has been computed,
and each member's when it has what that assignment gives it. Apache Kafka's ConsumerGroup and ModernGroup (KIP-848).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from kafkalite.coordinator.assignors.partition_assignor import Assignment, SubscriptionType
from kafkalite.coordinator.committing_group import CommittingGroup
from kafkalite.coordinator.consumer_group_member import (
    LEAVE_GROUP_MEMBER_EPOCH,
    NO_PARTITIONS,
    ConsumerGroupMember,
    PartitionEpochs,
)
from kafkalite.coordinator.consumer_group_records import (
    current_assignment_tombstone,
    group_tombstone,
    member_tombstone,
    partition_metadata_tombstone,
    regular_expression_tombstone,
    target_assignment_metadata_tombstone,
    target_assignment_tombstone,
)
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.group import GroupType, PartitionCommitValidator
from kafkalite.coordinator.string_hash import timeline_hash_map_order
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.protocol.coordinator_records.consumer_group import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
)
from kafkalite.protocol.messages.consumer_group_describe import DescribedGroup

logger = logging.getLogger(__name__)

CONSUMER_PROTOCOL_TYPE: Final = "consumer"
"""Members of consumer groups commit with this version of OffsetCommit or later: it knows member epochs."""
NO_EPOCH: Final = -1
NO_SUCCESSORS: Final[Mapping[str, str]] = {}


class ConsumerGroupState(Enum):
    """The states; the value is the name that tools show."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"  # an assignment is to be computed
    RECONCILING = "Reconciling"  # members are on their way to it
    STABLE = "Stable"
    DEAD = "Dead"


class ResolvedRegularExpression(NamedTuple):
    """The topics that a regular expression matched in a version of the metadata, and when that was found out."""

    topics: frozenset[str]
    version: int
    timestamp_ms: int


UNRESOLVED: Final = ResolvedRegularExpression(frozenset(), -1, -1)


class Subscriptions(NamedTuple):
    """How many members are subscribed to each topic by name, and how many regular expressions match it."""

    by_name: Counter[str]
    by_regex: Counter[str]

    @property
    def topics(self) -> set[str]:
        return self.by_name.keys() | self.by_regex.keys()

    def copy(self) -> Subscriptions:
        return Subscriptions(self.by_name.copy(), self.by_regex.copy())


class ConsumerGroup(CommittingGroup[ConsumerGroupMember]):
    """One consumer group."""

    __slots__ = (
        "has_subscription_metadata_record",
        "partition_epochs",
        "regex_counts",
        "resolved_regexes",
        "server_assignors",
        "subscriptions",
        "target_assignment",
    )

    def __init__(self, group_id: str) -> None:
        super().__init__(group_id, GroupType.CONSUMER)
        self.server_assignors: Counter[str] = Counter()
        self.subscriptions = Subscriptions(Counter(), Counter())
        self.regex_counts: Counter[str] = Counter()
        self.resolved_regexes: dict[str, ResolvedRegularExpression] = {}
        self.target_assignment: dict[str, Assignment] = {}
        self.partition_epochs: dict[Uuid, dict[int, int]] = {}
        self.has_subscription_metadata_record = False

    # As all groups are seen

    @property
    def state(self) -> ConsumerGroupState:
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.group_epoch > self.assignment_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values()):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    @property
    def state_name(self) -> str:
        return self.state.value

    @property
    def listed_protocol_type(self) -> str:
        return CONSUMER_PROTOCOL_TYPE

    def _uses_classic_protocol(self, member: ConsumerGroupMember) -> bool:
        return member.uses_classic_protocol

    def _validate_earlier_epoch(self, member: ConsumerGroupMember, member_epoch: int) -> PartitionCommitValidator:
        def validate(topic: str, topic_id: Uuid, partition: int) -> None:
            assignment_epoch = member.assignment_epoch(topic_id, partition)
            if assignment_epoch is None:
                raise self.stale(
                    member, f"Partition {topic}-{partition} is not assigned or pending revocation for member."
                )
            if member_epoch < assignment_epoch:
                raise self.stale(
                    member,
                    f"Received {self.epoch_name(member)} {member_epoch} is older than assignment epoch "
                    f"{assignment_epoch} for partition {topic}-{partition}.",
                )

        return validate

    def is_subscribed_to_topic(self, topic: str) -> bool:
        return topic in self.subscriptions.by_name or topic in self.subscriptions.by_regex

    def tombstones(self, successors: Mapping[str, str] = NO_SUCCESSORS) -> list[CoordinatorRecord]:
        """Those that end the group; `successors` names, by their ids, members that other ones have replaced in records
        that come before."""
        group_id = self.group_id
        member_ids = [successors.get(member_id, member_id) for member_id in self.members]
        return [
            *(current_assignment_tombstone(group_id, member_id) for member_id in member_ids),
            *(target_assignment_tombstone(group_id, member_id) for member_id in member_ids),
            target_assignment_metadata_tombstone(group_id),
            *(member_tombstone(group_id, member_id) for member_id in member_ids),
            *(regular_expression_tombstone(group_id, regex) for regex in self.resolved_regexes),
            partition_metadata_tombstone(group_id),
            group_tombstone(group_id),
        ]

    # Members and what they want

    @property
    def classic_member_count(self) -> int:
        """How many members use the classic protocol."""
        return sum(member.uses_classic_protocol for member in self.members.values())

    def classic_supporter_count(self, protocol_name: str) -> int:
        """How many members of the classic protocol support an assignment protocol."""
        return sum(
            any(protocol.name == protocol_name for protocol in member.classic_member_metadata.supported_protocols)
            for member in self.members.values()
            if member.classic_member_metadata is not None
        )

    def preferred_server_assignor(
        self, old: ConsumerGroupMember | None = None, new: ConsumerGroupMember | None = None
    ) -> str | None:
        """The assignor that most members name, once `new` has taken the place of `old`; None where nobody names one.

        Of `uniform` and `range` at par it is the one that Apache Kafka's maps have first: uniform, but in a count with
        `new` the one that `new` alone names.
        """
        counts = self.server_assignors
        names = timeline_hash_map_order(counts, peak_size=len(counts))
        if old is not None or new is not None:
            counts = counts.copy()
            if old is not None and old.server_assignor is not None:
                count(counts, [old.server_assignor], -1)
                if old.server_assignor not in counts:
                    names.remove(old.server_assignor)
            if new is not None and new.server_assignor is not None:
                if new.server_assignor not in counts:
                    names.insert(0, new.server_assignor)
                count(counts, [new.server_assignor], 1)
        return max(names, key=counts.__getitem__, default=None)

    def subscriptions_with(self, old: ConsumerGroupMember | None, new: ConsumerGroupMember | None) -> Subscriptions:
        """The subscriptions once `new` has taken the place of `old`."""
        changed = self.subscriptions.copy()
        if old is not None:
            count(changed.by_name, old.subscribed_topic_names, -1)
        if new is not None:
            count(changed.by_name, new.subscribed_topic_names, 1)
        regex = None if old is None else old.regex
        if regex is not None and regex != (new and new.regex) and self.regex_counts[regex] == 1:
            count(changed.by_regex, self.resolved_regexes.get(regex, UNRESOLVED).topics, -1)
        return changed

    def subscriptions_without(self, members: Iterable[ConsumerGroupMember], regexes: Iterable[str]) -> Subscriptions:
        """The subscriptions once these members, and the last ones of these regular expressions, are gone."""
        changed = self.subscriptions.copy()
        for member in members:
            count(changed.by_name, member.subscribed_topic_names, -1)
        for regex in regexes:
            count(changed.by_regex, self.resolved_regexes.get(regex, UNRESOLVED).topics, -1)
        return changed

    def regex_counts_with(self, old: ConsumerGroupMember | None, new: ConsumerGroupMember | None) -> Counter[str]:
        """How many members each regular expression has, once `new` has taken the place of `old`."""
        counts = self.regex_counts.copy()
        count(counts, [old.regex] if old and old.regex else (), -1)
        count(counts, [new.regex] if new and new.regex else (), 1)
        return counts

    def partition_epoch(self, topic_id: Uuid, partition: int) -> int:
        """The epoch of the member that has the partition; NO_EPOCH where it is free."""
        return self.partition_epochs.get(topic_id, {}).get(partition, NO_EPOCH)

    def describe(self, default_assignor: str, metadata: CoordinatorMetadataImage) -> DescribedGroup:
        """The group as administrators see it."""
        return DescribedGroup(
            group_id=self.group_id,
            group_state=self.state_name,
            group_epoch=self.group_epoch,
            assignment_epoch=self.assignment_epoch,
            assignor_name=self.preferred_server_assignor() or default_assignor,
            members=[
                member.describe(self.target_assignment.get(member.member_id), metadata)
                for member in self.members.values()
            ],
        )

    # Replay

    def replay(self, key: CoordinatorKey, value: CoordinatorValue | None) -> bool:
        """Takes a record in; False where it ends the group. Raises ValueError where tombstones come out of order."""
        match key:
            case ConsumerGroupMetadataKey():
                assert value is None or isinstance(value, ConsumerGroupMetadataValue)
                return self._replay_group(value)
            case ConsumerGroupMemberMetadataKey():
                assert value is None or isinstance(value, ConsumerGroupMemberMetadataValue)
                self._replay_member(key.member_id, value)
            case ConsumerGroupCurrentMemberAssignmentKey():
                assert value is None or isinstance(value, ConsumerGroupCurrentMemberAssignmentValue)
                self._replay_current_assignment(key.member_id, value)
            case ConsumerGroupTargetAssignmentMemberKey():
                assert value is None or isinstance(value, ConsumerGroupTargetAssignmentMemberValue)
                self._replay_target_assignment(key.member_id, value)
            case ConsumerGroupTargetAssignmentMetadataKey():
                assert value is None or isinstance(value, ConsumerGroupTargetAssignmentMetadataValue)
                self.assignment_epoch = NO_EPOCH if value is None else value.assignment_epoch
                self.assignment_timestamp_ms = 0 if value is None else value.assignment_timestamp
            case ConsumerGroupRegularExpressionKey():
                assert value is None or isinstance(value, ConsumerGroupRegularExpressionValue)
                self._replay_regex(key.regular_expression, value)
            case ConsumerGroupPartitionMetadataKey():
                # Releases before 4.1 kept the topics themselves where now a hash does.
                self.has_subscription_metadata_record = value is not None
        return True

    def _replay_group(self, value: ConsumerGroupMetadataValue | None) -> bool:
        if value is not None:
            self.group_epoch = value.epoch
            self.metadata_hash = value.metadata_hash
            return True
        if self.members or self.target_assignment or self.assignment_epoch != NO_EPOCH:
            raise ValueError(f"group {self.group_id} ends before its members and its assignment")
        return False

    def _replay_member(self, member_id: str, value: ConsumerGroupMemberMetadataValue | None) -> None:
        old = self.members.get(member_id)
        if value is not None:
            self.put((old or ConsumerGroupMember(member_id)).with_metadata(value))
        elif old is not None:
            if old.member_epoch != LEAVE_GROUP_MEMBER_EPOCH or member_id in self.target_assignment:
                raise ValueError(f"member {member_id} of group {self.group_id} ends before its assignment")
            self._discount(old)
            del self.members[member_id]
            if old.instance_id is not None:
                self.static_members.pop(old.instance_id, None)

    def _replay_current_assignment(
        self, member_id: str, value: ConsumerGroupCurrentMemberAssignmentValue | None
    ) -> None:
        old = self.members.get(member_id)
        if value is not None:
            self.put((old or ConsumerGroupMember(member_id)).with_current_assignment(value))
        elif old is not None:
            self.put(
                old._replace(
                    member_epoch=LEAVE_GROUP_MEMBER_EPOCH,
                    previous_member_epoch=LEAVE_GROUP_MEMBER_EPOCH,
                    assigned_partitions=NO_PARTITIONS,
                    partitions_pending_revocation=NO_PARTITIONS,
                )
            )

    def _replay_target_assignment(self, member_id: str, value: ConsumerGroupTargetAssignmentMemberValue | None) -> None:
        if value is None:
            self.target_assignment.pop(member_id, None)
        else:
            self.target_assignment[member_id] = {
                topic.topic_id: tuple(sorted(topic.partitions)) for topic in value.topic_partitions
            }

    def _replay_regex(self, regex: str, value: ConsumerGroupRegularExpressionValue | None) -> None:
        old = self.resolved_regexes.pop(regex, None)
        if old is not None:
            count(self.subscriptions.by_regex, old.topics, -1)
        if value is not None:
            resolved = ResolvedRegularExpression(frozenset(value.topics), value.version, value.timestamp)
            self.resolved_regexes[regex] = resolved
            count(self.subscriptions.by_regex, resolved.topics, 1)

    def put(self, member: ConsumerGroupMember) -> None:
        """A member as a record has just made it takes the place of what it was."""
        old = self.members.get(member.member_id)
        if old is not None:
            self._discount(old)
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        count(self.subscriptions.by_name, member.subscribed_topic_names, 1)
        if member.server_assignor is not None:
            self.server_assignors[member.server_assignor] += 1
        if member.regex is not None:
            self.regex_counts[member.regex] += 1
        for partitions in (member.assigned_partitions, member.partitions_pending_revocation):
            self._add_partition_epochs(partitions, member.member_epoch)

    def _discount(self, member: ConsumerGroupMember) -> None:
        count(self.subscriptions.by_name, member.subscribed_topic_names, -1)
        count(self.server_assignors, [member.server_assignor] if member.server_assignor is not None else (), -1)
        count(self.regex_counts, [member.regex] if member.regex is not None else (), -1)
        for partitions in (member.assigned_partitions, member.partitions_pending_revocation):
            self._remove_partition_epochs(partitions, member.member_epoch)

    def _add_partition_epochs(self, partitions: PartitionEpochs, epoch: int) -> None:
        for topic_id, indexes in partitions.items():
            of_topic = self.partition_epochs.setdefault(topic_id, {})
            for index in indexes:
                existing = of_topic.get(index)
                if existing is not None and existing >= epoch:
                    raise ValueError(
                        f"partition {topic_id}-{index} of group {self.group_id} is given away at epoch {epoch} while "
                        f"another member has it at epoch {existing}"
                    )
                of_topic[index] = epoch

    def _remove_partition_epochs(self, partitions: PartitionEpochs, epoch: int) -> None:
        for topic_id, indexes in partitions.items():
            of_topic = self.partition_epochs.get(topic_id)
            if of_topic is None:
                continue
            for index in indexes:
                # While a log is replayed the next owner's record may already have come.
                if of_topic.get(index) == epoch:
                    del of_topic[index]
            if not of_topic:
                del self.partition_epochs[topic_id]


def subscription_type(
    regex_counts: Mapping[str, int], subscriptions: Subscriptions, member_count: int
) -> SubscriptionType:
    """Whether all members are subscribed alike: to the same names, or to nothing but the same regular expression."""
    by_name, by_regex = subscriptions
    if not regex_counts:
        is_same = all(by_name[topic] == member_count for topic in subscriptions.topics)
    elif next(iter(regex_counts.values())) == member_count:
        is_same = not by_name and all(count == 1 for count in by_regex.values())
    else:
        is_same = False
    return SubscriptionType.HOMOGENEOUS if is_same else SubscriptionType.HETEROGENEOUS


def count(counter: Counter[str], names: Iterable[str], step: int) -> None:
    """Counts up or down; what comes to nothing is left out."""
    for name in names:
        count = counter[name] + step
        if count > 0:
            counter[name] = count
        else:
            counter.pop(name, None)
