"""DescribeProducers: the producers that a partition remembers, and the start of their open transactions (KIP-664)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import KafkaError
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
    log = context.broker.leader_log(topic, index)
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
