"""A share group: its members, epochs, assignment, and which share partitions have been initialised (KIP-932).

Only replay changes a group. A partition is given to members once its state is kept by the share coordinator: topics
are first noted as initialising, then as initialised, and as deleting while their state is taken away. Apache Kafka's
ShareGroup, ShareGroupMember and ModernGroup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from kafkalite.coordinator.assignors.partition_assignor import Assignment, SubscriptionType
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.group import GroupType
from kafkalite.coordinator.modern_group import ModernGroup
from kafkalite.coordinator.share_group_records import (
    current_assignment_tombstone,
    group_tombstone,
    member_tombstone,
    state_metadata_tombstone,
    target_assignment_metadata_tombstone,
    target_assignment_tombstone,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.protocol.coordinator_records.share_group import (
    ShareGroupCurrentMemberAssignmentKey,
    ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey,
    ShareGroupMemberMetadataValue,
    ShareGroupMetadataKey,
    ShareGroupMetadataValue,
    ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
    TopicPartitionsInfo,
)
from kafkalite.protocol.messages import share_group_describe as describe
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest

FIRST_EPOCH: Final = 1
NO_EPOCH: Final = -1
JOIN_GROUP_MEMBER_EPOCH: Final = 0
LEAVE_GROUP_MEMBER_EPOCH: Final = -1
NO_PARTITIONS: Final[Assignment] = {}


class ShareGroupMember(NamedTuple):
    """One member; a request makes a new one, its records say what changed."""

    member_id: str
    member_epoch: int = 0
    previous_member_epoch: int = -1
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: frozenset[str] = frozenset()
    assigned_partitions: Assignment = NO_PARTITIONS

    def updated_by(self, request: ShareGroupHeartbeatRequest, client_id: str, client_host: str) -> ShareGroupMember:
        """What a heartbeat says of it."""
        names = request.subscribed_topic_names
        return self._replace(
            rack_id=self.rack_id if request.rack_id is None else request.rack_id,
            subscribed_topic_names=self.subscribed_topic_names if names is None else frozenset(names),
            client_id=client_id,
            client_host=client_host,
        )

    def describe(self, metadata: CoordinatorMetadataImage) -> describe.Member:
        """The member as administrators see it; topics that do not exist any more are left out."""
        topics = []
        for topic_id, indexes in self.assigned_partitions.items():
            name = metadata.topic_name(topic_id)
            if name is not None:
                topics.append(describe.TopicPartitions(topic_id=topic_id, topic_name=name, partitions=list(indexes)))
        return describe.Member(
            member_id=self.member_id,
            rack_id=self.rack_id,
            member_epoch=self.member_epoch,
            client_id=self.client_id,
            client_host=self.client_host,
            subscribed_topic_names=list(self.subscribed_topic_names),
            assignment=describe.Assignment(topic_partitions=topics),
        )


class ShareTopic(NamedTuple):
    """Partitions of a topic, and when they were noted."""

    name: str
    partitions: frozenset[int]
    timestamp_ms: int


ShareTopics = Mapping[Uuid, ShareTopic]


class StateMetadata(NamedTuple):
    """Which share partitions are being initialised, which have been, and of which topics state is being deleted."""

    initializing: ShareTopics = {}
    initialized: ShareTopics = {}
    deleting: frozenset[Uuid] = frozenset()

    def with_initializing(self, topics: ShareTopics) -> StateMetadata:
        """Partitions are about to be initialised."""
        merged = merge_topics(self.initializing, topics)
        return self._replace(initializing=merged, deleting=self.deleting - merged.keys())

    def with_initialized(self, topics: ShareTopics) -> StateMetadata:
        """Partitions have been initialised."""
        return self.without_initializing(topics)._replace(initialized=merge_topics(self.initialized, topics))

    def without_initializing(self, topics: ShareTopics) -> StateMetadata:
        """Partitions are not being initialised any more."""
        left = {
            topic_id: topic._replace(partitions=topic.partitions - topics[topic_id].partitions)
            if topic_id in topics
            else topic
            for topic_id, topic in self.initializing.items()
        }
        initializing = {
            topic_id: topic for topic_id, topic in left.items() if topic.partitions or topic_id not in topics
        }
        return self._replace(initializing=initializing)

    def without(self, topic_ids: Iterable[Uuid]) -> StateMetadata:
        """Topics are gone."""
        gone = frozenset(topic_ids)
        return StateMetadata(
            {topic_id: topic for topic_id, topic in self.initializing.items() if topic_id not in gone},
            {topic_id: topic for topic_id, topic in self.initialized.items() if topic_id not in gone},
            self.deleting - gone,
        )


def merge_topics(older: ShareTopics, newer: ShareTopics) -> dict[Uuid, ShareTopic]:
    """The partitions of both, with the newer names and times."""
    merged = dict(older)
    for topic_id, topic in newer.items():
        known = merged.get(topic_id)
        merged[topic_id] = topic if known is None else topic._replace(partitions=topic.partitions | known.partitions)
    return merged


class ShareGroup(ModernGroup[ShareGroupMember]):
    """One share group."""

    __slots__ = (
        "state_metadata",
        "subscriptions",
        "target_assignment",
    )

    def __init__(self, group_id: str) -> None:
        super().__init__(group_id, GroupType.SHARE, group_epoch=FIRST_EPOCH, assignment_epoch=FIRST_EPOCH)
        self.subscriptions: Counter[str] = Counter()
        self.target_assignment: dict[str, Assignment] = {}
        self.state_metadata: StateMetadata | None = None

    # As all groups are seen

    @property
    def state_name(self) -> str:
        return "Stable" if self.members else "Empty"

    @property
    def listed_protocol_type(self) -> str:
        return "share"

    @property
    def can_expire(self) -> bool:
        return False

    def validate_offset_commit(
        self,
        member_id: str,
        group_instance_id: str | None,
        generation_id: int,
        *,
        is_transactional: bool,
        api_version: int,
    ) -> None:
        raise self._no_consumer_group()

    def validate_offset_fetch(self, member_id: str | None, member_epoch: int) -> None:
        raise self._no_consumer_group()

    def validate_offset_delete(self) -> None:
        raise self._no_consumer_group()

    def _no_consumer_group(self) -> KafkaError:
        return KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {self.group_id} is not a consumer group.")

    def is_subscribed_to_topic(self, topic: str) -> bool:
        return topic in self.subscriptions

    def offset_expiration_base_ms(self, commit_timestamp_ms: int) -> int | None:
        return None

    def tombstones(self) -> list[CoordinatorRecord]:
        group_id = self.group_id
        return [
            *(current_assignment_tombstone(group_id, member_id) for member_id in self.members),
            *(target_assignment_tombstone(group_id, member_id) for member_id in self.members),
            target_assignment_metadata_tombstone(group_id),
            *(member_tombstone(group_id, member_id) for member_id in self.members),
            state_metadata_tombstone(group_id),
            group_tombstone(group_id),
        ]

    # Members and what they want

    def subscriptions_with(self, old: ShareGroupMember | None, new: ShareGroupMember | None) -> Counter[str]:
        """How many members each topic has, once `new` has taken the place of `old`."""
        changed = self.subscriptions.copy()
        if old is not None:
            _count(changed, old.subscribed_topic_names, -1)
        if new is not None:
            _count(changed, new.subscribed_topic_names, 1)
        return changed

    @property
    def subscription_type(self) -> SubscriptionType:
        return subscription_type(self.subscriptions, len(self.members))

    @property
    def lacks_initialized_partitions(self) -> bool:
        """Whether members do not have yet what has been initialised since the last assignment."""
        if not self.members or self.state_metadata is None or not self.subscriptions:
            return False
        assigned: dict[Uuid, set[int]] = {}
        for assignment in self.target_assignment.values():
            for topic_id, indexes in assignment.items():
                assigned.setdefault(topic_id, set()).update(indexes)
        return any(
            topic.name in self.subscriptions and frozenset(assigned.get(topic_id, ())) != topic.partitions
            for topic_id, topic in self.state_metadata.initialized.items()
        )

    def describe(self, assignor: str, metadata: CoordinatorMetadataImage) -> describe.DescribedGroup:
        """The group as administrators see it."""
        return describe.DescribedGroup(
            group_id=self.group_id,
            group_state=self.state_name,
            group_epoch=self.group_epoch,
            assignment_epoch=self.assignment_epoch,
            assignor_name=assignor,
            members=[member.describe(metadata) for member in self.members.values()],
        )

    # Replay

    def replay(self, key: CoordinatorKey, value: CoordinatorValue | None, now_ms: int) -> bool:
        """Takes a record in; False where it ends the group."""
        match key:
            case ShareGroupMetadataKey():
                if value is None:
                    return False
                assert isinstance(value, ShareGroupMetadataValue)
                self.group_epoch, self.metadata_hash = value.epoch, value.metadata_hash
            case ShareGroupMemberMetadataKey():
                assert value is None or isinstance(value, ShareGroupMemberMetadataValue)
                self._replay_member(key.member_id, value)
            case ShareGroupCurrentMemberAssignmentKey():
                assert value is None or isinstance(value, ShareGroupCurrentMemberAssignmentValue)
                self._replay_current_assignment(key.member_id, value)
            case ShareGroupTargetAssignmentMemberKey():
                assert value is None or isinstance(value, ShareGroupTargetAssignmentMemberValue)
                self.target_assignment.pop(key.member_id, None)
                if value is not None:
                    self.target_assignment[key.member_id] = {
                        topic.topic_id: tuple(sorted(topic.partitions)) for topic in value.topic_partitions
                    }
            case ShareGroupTargetAssignmentMetadataKey():
                assert value is None or isinstance(value, ShareGroupTargetAssignmentMetadataValue)
                self.assignment_epoch = NO_EPOCH if value is None else value.assignment_epoch
                self.assignment_timestamp_ms = 0 if value is None else value.assignment_timestamp
            case ShareGroupStatePartitionMetadataKey():
                assert value is None or isinstance(value, ShareGroupStatePartitionMetadataValue)
                self.state_metadata = None
                if value is not None:
                    self.state_metadata = StateMetadata(
                        _share_topics(value.initializing_topics, now_ms),
                        _share_topics(value.initialized_topics, now_ms),
                        frozenset(topic.topic_id for topic in value.deleting_topics),
                    )
        return True

    def _replay_member(self, member_id: str, value: ShareGroupMemberMetadataValue | None) -> None:
        old = self.members.pop(member_id, None)
        if old is not None:
            _count(self.subscriptions, old.subscribed_topic_names, -1)
        if value is not None:
            member = (old or ShareGroupMember(member_id))._replace(
                rack_id=value.rack_id,
                client_id=value.client_id,
                client_host=value.client_host,
                subscribed_topic_names=frozenset(value.subscribed_topic_names),
            )
            _count(self.subscriptions, member.subscribed_topic_names, 1)
            self.members[member_id] = member

    def _replay_current_assignment(self, member_id: str, value: ShareGroupCurrentMemberAssignmentValue | None) -> None:
        old = self.members.get(member_id)
        if value is not None:
            self.members[member_id] = (old or ShareGroupMember(member_id))._replace(
                member_epoch=value.member_epoch,
                previous_member_epoch=value.previous_member_epoch,
                assigned_partitions={
                    topic.topic_id: tuple(sorted(topic.partitions)) for topic in value.assigned_partitions
                },
            )
        elif old is not None:
            self.members[member_id] = old._replace(
                member_epoch=LEAVE_GROUP_MEMBER_EPOCH,
                previous_member_epoch=LEAVE_GROUP_MEMBER_EPOCH,
                assigned_partitions=NO_PARTITIONS,
            )


def subscription_type(subscriptions: Counter[str], member_count: int) -> SubscriptionType:
    """Whether all members want the same topics."""
    is_same = all(count == member_count for count in subscriptions.values())
    return SubscriptionType.HOMOGENEOUS if is_same else SubscriptionType.HETEROGENEOUS


def _share_topics(topics: Iterable[TopicPartitionsInfo], now_ms: int) -> ShareTopics:
    return {topic.topic_id: ShareTopic(topic.topic_name, frozenset(topic.partitions), now_ms) for topic in topics}


def _count(counts: Counter[str], names: Iterable[str], step: int) -> None:
    for name in names:
        counts[name] += step
        if not counts[name]:
            del counts[name]
