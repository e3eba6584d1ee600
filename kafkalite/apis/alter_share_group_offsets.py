"""AlterShareGroupOffsets: has a share group without members begin to read somewhere else (KIP-932)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition,
    AlterShareGroupOffsetsResponseTopic,
)

_UNKNOWN = KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


@serves(AlterShareGroupOffsetsRequest)
def alter_share_group_offsets(
    context: RequestContext, request: AlterShareGroupOffsetsRequest
) -> AlterShareGroupOffsetsResponse:
    if not context.broker.share_groups.is_enabled:
        return AlterShareGroupOffsetsResponse(
            error_code=ErrorCode.UNSUPPORTED_VERSION, error_message=ErrorCode.UNSUPPORTED_VERSION.message
        )
    topics = context.broker.metadata.image.topics
    start_offsets: dict[TopicImage, dict[int, int]] = {}
    named_last: dict[TopicImage, frozenset[int]] = {}
    errors: dict[tuple[str, int], KafkaError] = {}
    for topic in request.topics:
        image = topics.topic(topic.topic_name)
        of_topic = {} if image is None else start_offsets.setdefault(image, {})
        if image is not None:
            named_last[image] = frozenset(
                partition.partition_index
                for partition in topic.partitions
                if partition.partition_index < len(image.partitions)
            )
        for partition in topic.partitions:
            index = partition.partition_index
            if image is None or index >= len(image.partitions):
                errors[topic.topic_name, index] = _UNKNOWN
            else:
                of_topic[index] = partition.start_offset
    try:
        if not request.group_id:
            raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        failed = context.broker.share_groups.alter_offsets(request.group_id, start_offsets, named_last)
    except KafkaError as error:
        return AlterShareGroupOffsetsResponse(error_code=operation_error(error), error_message=error.message)
    names = {image.topic_id: image.name for image in start_offsets}
    errors.update({(names[failed_id], index): error for (failed_id, index), error in failed.items()})
    responses: dict[str, AlterShareGroupOffsetsResponseTopic] = {}
    for topic in request.topics:
        topic_id = topics.topic_id(topic.topic_name)
        if topic_id is None and not topic.partitions:
            continue
        response = responses.setdefault(
            topic.topic_name,
            AlterShareGroupOffsetsResponseTopic(topic_name=topic.topic_name, topic_id=topic_id or Uuid.ZERO),
        )
        response.partitions += [
            _answer(partition.partition_index, errors.get((topic.topic_name, partition.partition_index)))
            for partition in topic.partitions
        ]
    return AlterShareGroupOffsetsResponse(responses=list(responses.values()))


def _answer(index: int, error: KafkaError | None) -> AlterShareGroupOffsetsResponsePartition:
    if error is None:
        return AlterShareGroupOffsetsResponsePartition(partition_index=index)
    return AlterShareGroupOffsetsResponsePartition(
        partition_index=index, error_code=error.error, error_message=error.message
    )
