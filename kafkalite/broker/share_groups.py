"""Share groups as handlers call them: membership at the group coordinator, offsets at the share coordinator (KIP-932).

Before members get a partition its state has to be begun at the share coordinator; on one node that is a call, which
follows a heartbeat at once. Apache Kafka's GroupCoordinatorService, as far as it is about share groups.
"""

from __future__ import annotations

import logging
from asyncio import Future
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from kafkalite.broker.coordinator_runtime import CoordinatorContext
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.coordinator_result import CoordinatorResult
from kafkalite.coordinator.group import GroupType
from kafkalite.coordinator.group_coordinator_shard import GroupCoordinatorShard
from kafkalite.coordinator.share_coordinator import UNINITIALIZED_COUNT, ShareGroupOffset, SharePartitionKey
from kafkalite.coordinator.share_group import ShareGroup, ShareTopic, ShareTopics, StateMetadata, merge_topics
from kafkalite.coordinator.share_group_heartbeats import ShareHeartbeatReply
from kafkalite.coordinator.share_state_batches import UNINITIALIZED_START_OFFSET
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.features import SHARE_VERSION_FEATURE
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.messages import share_group_describe
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

logger = logging.getLogger(__name__)

T = TypeVar("T")
SIMPLE_ASSIGNOR = "simple"
UNINITIALIZED_LAG = -1


class ShareGroups:
    """All share groups. Everything happens on the event loop's thread."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @property
    def is_enabled(self) -> bool:
        """Whether share groups are served: the feature share.version."""
        return self._broker.metadata.image.features.level(SHARE_VERSION_FEATURE) >= 1

    def _context(self, group_id: str) -> CoordinatorContext[GroupCoordinatorShard]:
        return self._broker.group_coordinator.runtime.context_for(group_id)

    # Members

    def heartbeat(self, context: RequestContext, request: ShareGroupHeartbeatRequest) -> ShareGroupHeartbeatResponse:
        """ShareGroupHeartbeat, itself valid; raises KafkaError."""
        partition = self._context(request.group_id)
        reply = _run(partition, partition.shard.groups.share_groups.heartbeat(context, request))
        if reply.initializing:
            self._initialize(partition, request.group_id, reply)
        return reply.response

    def _initialize(
        self, partition: CoordinatorContext[GroupCoordinatorShard], group_id: str, reply: ShareHeartbeatReply
    ) -> None:
        """Begins the state of partitions that a heartbeat has found without; should that fail, another tries again."""
        groups = partition.shard.groups.share_groups
        errors = self._begin(
            group_id,
            reply.state_epoch,
            {
                (topic_id, index): UNINITIALIZED_START_OFFSET
                for topic_id, topic in reply.initializing.items()
                for index in sorted(topic.partitions)
            },
        )
        result = groups.initialized(group_id, reply.initializing)
        if errors:
            logger.warning("Share partitions of group %s cannot be initialised: %s", group_id, errors)
            result = groups.uninitialized(group_id, reply.initializing)
        try:
            partition.run(result)
        except KafkaError as error:
            logger.warning("Share group %s cannot note which partitions are initialised: %s", group_id, error)

    def _begin(
        self, group_id: str, state_epoch: int, start_offsets: Mapping[tuple[Uuid, int], int]
    ) -> dict[tuple[Uuid, int], KafkaError]:
        """Begins share partitions at offsets; the errors of those that cannot be begun."""
        errors = {}
        for (topic_id, index), start_offset in start_offsets.items():
            key = SharePartitionKey(group_id, topic_id, index)
            try:
                self._broker.share_coordinator.initialize(key, state_epoch, start_offset)
            except KafkaError as error:
                errors[topic_id, index] = error
        return errors

    def describe(self, group_id: str) -> share_group_describe.DescribedGroup:
        """One group of ShareGroupDescribe; raises KafkaError."""
        shard = self._context(group_id).shard
        shard.groups.require_written(group_id)
        groups = shard.groups.share_groups
        return groups.group(group_id).describe(SIMPLE_ASSIGNOR, groups.metadata)

    # Offsets

    def initialized_partitions(self, group_id: str) -> dict[TopicImage, list[int]]:
        """The topics, those that exist, and partitions of which a group has state; raises KafkaError."""
        group = self._context(group_id).shard.groups.groups.get(group_id)
        if not isinstance(group, ShareGroup) or group.state_metadata is None:
            return {}
        by_id = self._broker.metadata.image.topics.by_id
        return {
            by_id[topic_id]: sorted(topic.partitions)
            for topic_id, topic in group.state_metadata.initialized.items()
            if topic_id in by_id
        }

    def summary(self, group_id: str, topic: TopicImage, partition: int) -> tuple[ShareGroupOffset | None, int]:
        """What has been kept of a share partition, and how many records are before its readers; raises KafkaError."""
        state = self._broker.share_coordinator.summary(SharePartitionKey(group_id, topic.topic_id, partition))
        if (
            state is None
            or state.start_offset == UNINITIALIZED_START_OFFSET
            or state.delivery_complete_count == UNINITIALIZED_COUNT
        ):
            return state, UNINITIALIZED_LAG
        log = self._broker.leader_log(topic.name, partition)
        return state, log.high_watermark - state.start_offset - state.delivery_complete_count

    def alter_offsets(
        self,
        group_id: str,
        start_offsets: Mapping[TopicImage, Mapping[int, int]],
        named_last: Mapping[TopicImage, frozenset[int]],
    ) -> dict[tuple[Uuid, int], KafkaError]:
        """Has an empty group, made where there is none, begin at other offsets; what went wrong with some of them.

        Raises KafkaError where the group may not be changed. A topic without partitions is noted, and that is all. Of
        one that is named several times those partitions are noted that are named last, before the others begin too.
        """
        partition = self._context(group_id)
        groups = partition.shard.groups.share_groups
        now_ms = self._broker.clock.now_ms()
        topics: dict[Uuid, ShareTopic] = {
            topic.topic_id: ShareTopic(topic.name, frozenset(offsets), now_ms)
            for topic, offsets in start_offsets.items()
        }
        noted = {topic.topic_id: ShareTopic(topic.name, indexes, now_ms) for topic, indexes in named_last.items()}
        state_epoch = _run(partition, groups.begin_offsets(group_id, noted))
        beginning = {topic_id: topic for topic_id, topic in topics.items() if topic.partitions}
        for topic_id, topic in beginning.items():
            for index in topic.partitions:
                if index < 0:  # The share coordinator is not asked such things.
                    raise KafkaError(
                        ErrorCode.UNKNOWN_SERVER_ERROR,
                        f"Initialize share group parameters has invalid partitionId - {group_id} {topic_id} {index}",
                    )
        self._forget(group_id, beginning)
        errors = self._begin(
            group_id,
            state_epoch,
            {
                (topic.topic_id, index): offset
                for topic, offsets in start_offsets.items()
                for index, offset in offsets.items()
            },
        )
        if beginning and not errors:
            partition.run(groups.initialized(group_id, beginning))
        return errors

    def delete_offsets(self, group_id: str, names: Iterable[str]) -> list[tuple[str, Uuid, KafkaError | None]]:
        """Forgets where an empty group was in some topics, and answers for each of them; raises KafkaError."""
        partition = self._context(group_id)
        groups = partition.shard.groups.share_groups
        group = groups.group(group_id)
        group.validate_delete()
        state = group.state_metadata
        if state is None:
            return []
        found: dict[Uuid, ShareTopic] = {}
        answers: list[tuple[str, Uuid, KafkaError | None]] = []
        for name in names:
            topic = self._broker.metadata.image.topics.topic(name)
            if topic is None:
                answers.append((name, Uuid.ZERO, KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)))
            elif topic.topic_id in state.initialized:
                found[topic.topic_id] = state.initialized[topic.topic_id]._replace(name=name)
            elif topic.topic_id in state.deleting:
                found[topic.topic_id] = ShareTopic(name, frozenset(range(len(topic.partitions))), 0)
            else:
                error = KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "There is no offset information to delete.")
                answers.append((name, Uuid.ZERO, error))
        if not found:
            return answers
        partition.run(groups.deleting(group_id, found.keys()))
        deleted = []
        for topic_id, of_group in found.items():
            try:
                self._delete(group_id, {topic_id: of_group})
                deleted.append(topic_id)
                answers.append((of_group.name, topic_id, None))
            except KafkaError as error:
                answers.append((of_group.name, topic_id, KafkaError(error.error)))
        if deleted:
            partition.run(groups.without_topics(group_id, deleted))
        return answers

    def _delete(self, group_id: str, topics: ShareTopics) -> None:
        have_partitions = {bool(topic.partitions) for topic in topics.values()}
        if len(have_partitions) > 1:  # The share coordinator is not asked of topics without any.
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        if any(index < 0 for topic in topics.values() for index in topic.partitions):  # Nor of such ones.
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        self._forget(group_id, topics)
        for topic_id, topic in topics.items():
            for index in sorted(topic.partitions):
                self._broker.share_coordinator.delete(SharePartitionKey(group_id, topic_id, index))

    def delete_state(self, group_id: str) -> None:
        """Before a group is deleted, its share partitions go; raises KafkaError. Nothing for groups of other types."""
        partition = self._context(group_id)
        group = partition.shard.groups.groups.get(group_id)
        if group is None or group.type is not GroupType.SHARE or not isinstance(group, ShareGroup):
            return
        group.validate_delete()
        state = group.state_metadata or StateMetadata()
        topics = merge_topics(state.initialized, state.initializing)
        by_id = self._broker.metadata.image.topics.by_id
        for topic_id in state.deleting & by_id.keys():
            image = by_id[topic_id]
            topics[topic_id] = ShareTopic(image.name, frozenset(range(len(image.partitions))), 0)
        if topics:
            partition.run(partition.shard.groups.share_groups.deleting(group_id, topics.keys()))
            self._delete(group_id, {topic_id: topic for topic_id, topic in topics.items() if topic_id in by_id})

    def _forget(self, group_id: str, topics: ShareTopics) -> None:
        """What is known here of share partitions does not hold any more."""
        for topic_id, topic in topics.items():
            for index in topic.partitions:
                self._broker.share_partitions.forget(SharePartitionKey(group_id, topic_id, index))


def _run(context: CoordinatorContext[GroupCoordinatorShard], result: CoordinatorResult[T]) -> T:
    answer = context.run(result)
    assert not isinstance(answer, Future)
    return answer
