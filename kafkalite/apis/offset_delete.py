"""OffsetDelete: removes committed offsets of topics that no member of the group reads."""

from __future__ import annotations

from asyncio import Future

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


@serves(OffsetDeleteRequest)
def offset_delete(
    context: RequestContext, request: OffsetDeleteRequest
) -> OffsetDeleteResponse | Future[OffsetDeleteResponse]:
    unknown = _take_out_unknown_partitions(context, request)
    try:
        answer = context.broker.group_coordinator.delete_offsets(request)
    except KafkaError as error:
        return OffsetDeleteResponse(error_code=operation_error(error))
    if unknown:
        assert isinstance(answer, OffsetDeleteResponse)
        by_name = {topic.name: topic for topic in unknown}
        for topic in answer.topics:
            if topic.name in by_name:
                by_name[topic.name].partitions += topic.partitions
            else:
                unknown.append(topic)
        answer.topics = unknown
    return answer


def _take_out_unknown_partitions(
    context: RequestContext, request: OffsetDeleteRequest
) -> list[OffsetDeleteResponseTopic]:
    topics = context.broker.metadata.image.topics
    refused: dict[str, OffsetDeleteResponseTopic] = {}
    known: list[OffsetDeleteRequestTopic] = []
    for topic in request.topics:
        image = topics.by_name.get(topic.name)
        partitions: list[OffsetDeleteRequestPartition] = []
        for partition in topic.partitions:
            if image is not None and partition.partition_index in image.partitions:
                partitions.append(partition)
            else:
                of_topic = refused.setdefault(topic.name, OffsetDeleteResponseTopic(name=topic.name))
                of_topic.partitions.append(
                    OffsetDeleteResponsePartition(
                        partition_index=partition.partition_index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                    )
                )
        if partitions:
            known.append(OffsetDeleteRequestTopic(name=topic.name, partitions=partitions))
        elif image is None:
            refused.setdefault(topic.name, OffsetDeleteResponseTopic(name=topic.name))
    request.topics = known
    return list(refused.values())
