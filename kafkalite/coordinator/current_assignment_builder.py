"""The way of one member of a consumer group from what it has to what it is to have.

It first gives up what is not its own any more, at its old epoch, and says so by no longer naming it among what it owns.
Then it goes on to the assignment's epoch and gets what is free; the rest follows as others give it up. So no partition
ever has two owners. Apache Kafka's CurrentAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from kafkalite.coordinator.assignors.partition_assignor import Assignment
from kafkalite.coordinator.consumer_group_member import (
    NO_PARTITIONS,
    ConsumerGroupMember,
    MemberState,
    PartitionEpochs,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.consumer_group_heartbeat import TopicPartitions

NO_EPOCH = -1


class CurrentAssignmentBuilder:
    """One step of a member.

    `partition_epoch` tells at which epoch a partition has an owner, -1 if none. `owned_partitions` is what the member
    says it owns, None where it says nothing.
    """

    __slots__ = ("_member", "_owned", "_partition_epoch", "_subscribed", "_target", "_target_epoch")

    def __init__(
        self,
        member: ConsumerGroupMember,
        *,
        target_epoch: int,
        target: Assignment,
        subscribed_topic_ids: Collection[Uuid],
        partition_epoch: Callable[[Uuid, int], int],
        owned_partitions: Sequence[TopicPartitions] | None,
    ) -> None:
        self._member = member
        self._target_epoch = target_epoch
        self._target = target
        self._subscribed = subscribed_topic_ids
        self._partition_epoch = partition_epoch
        self._owned = owned_partitions

    def build(self, *, has_subscription_changed: bool) -> ConsumerGroupMember:
        """The member after the step; the same object where there is none to make."""
        member = self._member
        match member.state:
            case MemberState.STABLE if member.member_epoch == self._target_epoch:
                return self._drop_unsubscribed() if has_subscription_changed else member
            case MemberState.UNREVOKED_PARTITIONS if self._owns_any(member.partitions_pending_revocation):
                return self._drop_unsubscribed() if has_subscription_changed else member
            case MemberState.UNKNOWN:
                if self._owned is None or self._owned:
                    raise KafkaError(
                        ErrorCode.FENCED_MEMBER_EPOCH,
                        "The consumer group member is in a unknown state. The member must abandon all its partitions "
                        "and rejoin.",
                    )
                return self._next(self._target_epoch)
        return self._next(member.member_epoch)

    def _owns_any(self, partitions: PartitionEpochs) -> bool:
        """Whether the member may still own some of these; it does while it says nothing."""
        if self._owned is None:
            return True
        return any(index in partitions.get(topic.topic_id, ()) for topic in self._owned for index in topic.partitions)

    def _drop_unsubscribed(self) -> ConsumerGroupMember:
        """Topics that the member is not subscribed to any more are to be given up at once."""
        member = self._member
        dropped = {t: epochs for t, epochs in member.assigned_partitions.items() if t not in self._subscribed}
        if not dropped:
            return member
        kept = {t: epochs for t, epochs in member.assigned_partitions.items() if t in self._subscribed}
        pending = {
            topic_id: {**member.partitions_pending_revocation.get(topic_id, {}), **dropped.get(topic_id, {})}
            for topic_id in member.partitions_pending_revocation.keys() | dropped.keys()
        }
        if self._owns_any(pending):
            return member.with_epoch(
                member.member_epoch,
                state=MemberState.UNREVOKED_PARTITIONS,
                assigned_partitions=kept,
                partitions_pending_revocation=pending,
            )
        return member.with_epoch(member.member_epoch, assigned_partitions=kept)

    def _next(self, member_epoch: int) -> ConsumerGroupMember:
        member = self._member
        has_unreleased = False
        kept: dict[Uuid, dict[int, int]] = {}
        to_revoke: dict[Uuid, dict[int, int]] = {}
        to_assign: dict[Uuid, list[int]] = {}
        for topic_id in {**self._target, **member.assigned_partitions}:
            wanted = frozenset(self._target.get(topic_id, ()) if topic_id in self._subscribed else ())
            current = member.assigned_partitions.get(topic_id, {})
            # While the member itself is giving a partition up, nobody else has it.
            own = member.partitions_pending_revocation.get(topic_id, ())
            for index, epoch in current.items():
                (kept if index in wanted else to_revoke).setdefault(topic_id, {})[index] = epoch
            for index in sorted(wanted):
                if index in current:
                    continue
                if self._partition_epoch(topic_id, index) != NO_EPOCH and index not in own:
                    has_unreleased = True
                else:
                    to_assign.setdefault(topic_id, []).append(index)
        if to_revoke and self._owns_any(to_revoke):
            return member.with_epoch(
                member_epoch,
                state=MemberState.UNREVOKED_PARTITIONS,
                assigned_partitions=kept,
                partitions_pending_revocation=to_revoke,
            )
        for topic_id, indexes in to_assign.items():
            epochs = {**kept.get(topic_id, {}), **dict.fromkeys(indexes, self._target_epoch)}
            kept[topic_id] = dict(sorted(epochs.items()))
        return member.with_epoch(
            self._target_epoch,
            state=MemberState.UNRELEASED_PARTITIONS if has_unreleased else MemberState.STABLE,
            assigned_partitions=kept,
            partitions_pending_revocation=NO_PARTITIONS,
        )
