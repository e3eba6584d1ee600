"""DescribeProducers: the producers that a partition remembers, and the start of their open transactions (KIP-664)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.topic_name import validate_topic_name
from kafkalite.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)


@serves(DescribeProducersRequest)
def describe_producers(context: RequestContext, request: DescribeProducersRequest) -> DescribeProducersResponse:
    response = DescribeProducersResponse()
    for topic in request.topics:
        partitions = []
        for index in topic.partition_indexes:
            try:
                partitions.append(_describe(context, topic.name, index))
            except KafkaError as error:
                partitions.append(
                    PartitionResponse(partition_index=index, error_code=error.error, error_message=error.message)
                )
        response.topics.append(TopicResponse(name=topic.name, partitions=partitions))
    return response


def _describe(context: RequestContext, topic: str, index: int) -> PartitionResponse:
    validate_topic_name(topic)
    if topic not in context.broker.metadata.image.topics.by_name:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    try:
        log = context.broker.leader_log(topic, index)
    except KafkaError as error:  # a topic is missed with a text, a partition without
        return PartitionResponse(partition_index=index, error_code=error.error)
    return PartitionResponse(
        partition_index=index,
        active_producers=[
            ProducerState(
                producer_id=entry.producer_id,
                producer_epoch=entry.producer_epoch,
                last_sequence=entry.last_sequence,
                last_timestamp=entry.last_timestamp,
                coordinator_epoch=entry.coordinator_epoch,
                current_txn_start_offset=entry.current_txn_first_offset,
            )
            for entry in log.active_producers()
        ],
    )
