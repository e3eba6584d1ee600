"""A member of a consumer group, as its records tell it: what it wants, what it has, and how far it has come.

Members are values: a request makes a new one, its records say what changed, and their replay puts it into the group.
Apache Kafka's ConsumerGroupMember.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_records.consumer_group import (
    ClassicMemberMetadata,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataValue,
    TopicPartitions,
)
from kafkalite.protocol.messages import consumer_group_describe as describe
from kafkalite.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest

JOIN_GROUP_MEMBER_EPOCH: Final = 0
LEAVE_GROUP_MEMBER_EPOCH: Final = -1
LEAVE_GROUP_STATIC_MEMBER_EPOCH: Final = -2

PartitionEpochs = Mapping[Uuid, Mapping[int, int]]
"""By topic and partition the group epoch at which the member got it; never an empty mapping inside."""
NO_PARTITIONS: Final[PartitionEpochs] = {}


class MemberState(IntEnum):
    """How far a member has come on its way to its target assignment; the number stands in its record."""

    STABLE = 0
    UNREVOKED_PARTITIONS = 1  # it has to give partitions up before it may go on to the next epoch
    UNRELEASED_PARTITIONS = 2  # it waits for partitions that others still have
    UNKNOWN = 127  # a later release has written another state

    @classmethod
    def of(cls, value: int) -> MemberState:
        """The state of a record's number."""
        return cls(value) if value in cls._value2member_map_ else cls.UNKNOWN


class ConsumerGroupMember(NamedTuple):
    """One member. `subscribed_topic_regex` is empty, or None, where it has none."""

    member_id: str
    member_epoch: int = 0
    previous_member_epoch: int = -1
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: frozenset[str] = frozenset()
    subscribed_topic_regex: str | None = ""
    server_assignor: str | None = None
    assigned_partitions: PartitionEpochs = NO_PARTITIONS
    partitions_pending_revocation: PartitionEpochs = NO_PARTITIONS
    classic_member_metadata: ClassicMemberMetadata | None = None

    @property
    def uses_classic_protocol(self) -> bool:
        """Whether it joins, syncs and sends heartbeats as members of classic groups do."""
        return self.classic_member_metadata is not None

    @property
    def regex(self) -> str | None:
        """The regular expression that it is subscribed to, if there is one."""
        return self.subscribed_topic_regex or None

    def is_reconciled_to(self, target_epoch: int) -> bool:
        """Whether it has all that the assignment of this epoch gives it, and nothing else."""
        return self.state is MemberState.STABLE and self.member_epoch == target_epoch

    def updated_by(
        self, request: ConsumerGroupHeartbeatRequest, client_id: str, client_host: str
    ) -> ConsumerGroupMember:
        """What a heartbeat says of it; the same object where that is nothing new."""
        names = request.subscribed_topic_names
        if (
            names is None
            and self.client_id == client_id
            and self.client_host == client_host
            and request.rebalance_timeout_ms == -1
            and request.instance_id in (None, self.instance_id)
            and request.rack_id is None
            and request.subscribed_topic_regex is None
            and request.server_assignor is None
            and self.classic_member_metadata is None
        ):
            return self
        regex = request.subscribed_topic_regex
        updated = self._replace(
            instance_id=self.instance_id if request.instance_id is None else request.instance_id,
            rack_id=self.rack_id if request.rack_id is None else request.rack_id,
            rebalance_timeout_ms=(
                self.rebalance_timeout_ms if request.rebalance_timeout_ms == -1 else request.rebalance_timeout_ms
            ),
            server_assignor=self.server_assignor if request.server_assignor is None else request.server_assignor,
            subscribed_topic_names=self.subscribed_topic_names if names is None else frozenset(names),
            subscribed_topic_regex=self.subscribed_topic_regex if regex is None else regex,
            client_id=client_id,
            client_host=client_host,
            classic_member_metadata=None,
        )
        return self if updated == self else updated

    def with_epoch(self, member_epoch: int, **changes: object) -> ConsumerGroupMember:
        """The member at another epoch, the present one becoming the previous."""
        changed: ConsumerGroupMember = self._replace(
            member_epoch=member_epoch,
            previous_member_epoch=self.member_epoch,
            **changes,  # type: ignore[arg-type]
        )
        return changed

    def assignment_epoch(self, topic_id: Uuid, partition: int) -> int | None:
        """The epoch at which it got a partition that it has or is to give up; None where it has not got it."""
        for partitions in (self.assigned_partitions, self.partitions_pending_revocation):
            epoch = partitions.get(topic_id, {}).get(partition)
            if epoch is not None:
                return epoch
        return None

    # Records

    def with_metadata(self, value: ConsumerGroupMemberMetadataValue) -> ConsumerGroupMember:
        """What its metadata record says."""
        return self._replace(
            instance_id=value.instance_id,
            rack_id=value.rack_id,
            client_id=value.client_id,
            client_host=value.client_host,
            subscribed_topic_names=frozenset(value.subscribed_topic_names),
            subscribed_topic_regex=value.subscribed_topic_regex,
            rebalance_timeout_ms=value.rebalance_timeout_ms,
            server_assignor=value.server_assignor,
            classic_member_metadata=value.classic_member_metadata,
        )

    def with_current_assignment(self, value: ConsumerGroupCurrentMemberAssignmentValue) -> ConsumerGroupMember:
        """What the record of its current assignment says."""
        # The epoch of a static member that is away is negative; its partitions' epochs are not.
        default_epoch = max(value.member_epoch, 0)
        return self._replace(
            member_epoch=value.member_epoch,
            previous_member_epoch=value.previous_member_epoch,
            state=MemberState.of(value.state),
            assigned_partitions=_partition_epochs(value.assigned_partitions, default_epoch),
            partitions_pending_revocation=_partition_epochs(value.partitions_pending_revocation, default_epoch),
        )

    def metadata_value(self) -> ConsumerGroupMemberMetadataValue:
        """Its metadata record."""
        return ConsumerGroupMemberMetadataValue(
            instance_id=self.instance_id,
            rack_id=self.rack_id,
            client_id=self.client_id,
            client_host=self.client_host,
            subscribed_topic_names=sorted(self.subscribed_topic_names),
            subscribed_topic_regex=self.subscribed_topic_regex,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            server_assignor=self.server_assignor,
            classic_member_metadata=self.classic_member_metadata,
        )

    def current_assignment_value(self) -> ConsumerGroupCurrentMemberAssignmentValue:
        """The record of its current assignment."""
        return ConsumerGroupCurrentMemberAssignmentValue(
            member_epoch=self.member_epoch,
            previous_member_epoch=self.previous_member_epoch,
            state=self.state,
            assigned_partitions=_topic_partitions(self.assigned_partitions),
            partitions_pending_revocation=_topic_partitions(self.partitions_pending_revocation),
        )

    # ConsumerGroupDescribe

    def describe(
        self, target: Mapping[Uuid, Iterable[int]] | None, metadata: CoordinatorMetadataImage
    ) -> describe.Member:
        """The member as administrators see it; what it is to give up is still its own."""
        held: dict[Uuid, list[int]] = {}
        for partitions in (self.assigned_partitions, self.partitions_pending_revocation):
            for topic_id, epochs in partitions.items():
                held.setdefault(topic_id, []).extend(epochs)
        return describe.Member(
            member_id=self.member_id,
            instance_id=self.instance_id,
            rack_id=self.rack_id,
            member_epoch=self.member_epoch,
            client_id=self.client_id,
            client_host=self.client_host,
            subscribed_topic_names=list(self.subscribed_topic_names),
            subscribed_topic_regex=self.subscribed_topic_regex,
            assignment=_described(held, metadata),
            target_assignment=_described(target or {}, metadata),
            member_type=0 if self.uses_classic_protocol else 1,
        )


def _partition_epochs(topics: list[TopicPartitions], default_epoch: int) -> PartitionEpochs:
    found: dict[Uuid, dict[int, int]] = {}
    for topic in topics:
        epochs = topic.assignment_epochs
        if epochs is None or len(epochs) != len(topic.partitions):
            epochs = [default_epoch] * len(topic.partitions)
        found[topic.topic_id] = dict(zip(topic.partitions, epochs, strict=True))
    return found


def _topic_partitions(partitions: PartitionEpochs) -> list[TopicPartitions]:
    return [
        TopicPartitions(topic_id=topic_id, partitions=list(epochs), assignment_epochs=list(epochs.values()))
        for topic_id, epochs in partitions.items()
    ]


def _described(partitions: Mapping[Uuid, Iterable[int]], metadata: CoordinatorMetadataImage) -> describe.Assignment:
    """Topics that do not exist any more are left out."""
    topics = []
    for topic_id, indexes in partitions.items():
        name = metadata.topic_name(topic_id)
        if name is not None:
            topics.append(describe.TopicPartitions(topic_id=topic_id, topic_name=name, partitions=list(indexes)))
    return describe.Assignment(topic_partitions=topics)
