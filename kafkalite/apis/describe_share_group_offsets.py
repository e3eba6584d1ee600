"""DescribeShareGroupOffsets: where share groups begin to read (KIP-932); version 1 tells their lag too (KIP-1226)."""

from __future__ import annotations

from collections.abc import Iterable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.share_state_batches import UNINITIALIZED_START_OFFSET
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
)


@serves(DescribeShareGroupOffsetsRequest)
def describe_share_group_offsets(
    context: RequestContext, request: DescribeShareGroupOffsetsRequest
) -> DescribeShareGroupOffsetsResponse:
    groups = []
    for group in request.groups:
        answer = DescribeShareGroupOffsetsResponseGroup(group_id=group.group_id)
        groups.append(answer)
        if not context.broker.share_groups.is_enabled:
            answer.error_code = ErrorCode.UNSUPPORTED_VERSION
            continue
        try:
            answer.topics = list(_topics(context, group))
        except KafkaError as error:
            answer.error_code, answer.error_message = operation_error(error), error.error.message
    return DescribeShareGroupOffsetsResponse(groups=groups)


def _topics(
    context: RequestContext, group: DescribeShareGroupOffsetsRequestGroup
) -> Iterable[DescribeShareGroupOffsetsResponseTopic]:
    if group.topics is None:
        for image, indexes in context.broker.share_groups.initialized_partitions(group.group_id).items():
            yield _topic(context, group.group_id, image, indexes)
        return
    topics = context.broker.metadata.image.topics
    known = [topic for topic in group.topics if topic.topic_name in topics.by_name]
    if known and (
        not group.group_id
        or any(not topic.partitions or any(index < 0 for index in topic.partitions) for topic in known)
    ):
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)  # The share coordinator is not asked such things.
    named: dict[str, dict[int, None]] = {}
    for topic in group.topics:
        if topic.topic_name in topics.by_name:  # One that is named several times is told of once.
            named.setdefault(topic.topic_name, {}).update(dict.fromkeys(topic.partitions))
            continue
        yield DescribeShareGroupOffsetsResponseTopic(
            topic_name=topic.topic_name,
            topic_id=Uuid.ZERO,
            partitions=[
                DescribeShareGroupOffsetsResponsePartition(
                    partition_index=index, start_offset=UNINITIALIZED_START_OFFSET
                )
                for index in topic.partitions
            ],
        )
    for name, wanted in named.items():
        yield _topic(context, group.group_id, topics.by_name[name], wanted)


def _topic(
    context: RequestContext, group_id: str, topic: TopicImage, indexes: Iterable[int]
) -> DescribeShareGroupOffsetsResponseTopic:
    answer = DescribeShareGroupOffsetsResponseTopic(topic_name=topic.name, topic_id=topic.topic_id)
    for index in indexes:
        partition = DescribeShareGroupOffsetsResponsePartition(
            partition_index=index, start_offset=UNINITIALIZED_START_OFFSET
        )
        answer.partitions.append(partition)
        try:
            state, partition.lag = context.broker.share_groups.summary(group_id, topic, index)
        except KafkaError:
            continue  # What cannot be read counts as not begun.
        if state is not None:
            partition.start_offset, partition.leader_epoch = state.start_offset, state.leader_epoch
    return answer
