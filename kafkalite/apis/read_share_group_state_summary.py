"""ReadShareGroupStateSummary: where share partitions begin (KIP-932); version 1 counts what is done (KIP-1226).

For brokers: on one node the group coordinator calls the share coordinator instead.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.share_coordinator import answer_partitions
from kafkalite.coordinator.share_coordinator import UNINITIALIZED_COUNT, SharePartitionKey
from kafkalite.coordinator.share_state_batches import UNINITIALIZED_START_OFFSET
from kafkalite.errors import KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.read_share_group_state_summary import (
    PartitionData,
    PartitionResult,
    ReadShareGroupStateSummaryRequest,
    ReadShareGroupStateSummaryResponse,
    ReadStateSummaryResult,
)


@serves(ReadShareGroupStateSummaryRequest)
def read_share_group_state_summary(
    context: RequestContext, request: ReadShareGroupStateSummaryRequest
) -> ReadShareGroupStateSummaryResponse:
    def read(topic_id: Uuid, partition: PartitionData) -> PartitionResult:
        result = PartitionResult(
            partition=partition.partition,
            start_offset=UNINITIALIZED_START_OFFSET,
            delivery_complete_count=UNINITIALIZED_COUNT,
        )
        try:
            state = context.broker.share_coordinator.summary(
                SharePartitionKey(request.group_id, topic_id, partition.partition)
            )
        except KafkaError as error:
            return PartitionResult(partition=partition.partition, error_code=error.error, error_message=error.message)
        if state is not None:
            result.state_epoch, result.leader_epoch = state.state_epoch, state.leader_epoch
            result.start_offset = state.start_offset
            result.delivery_complete_count = state.delivery_complete_count
        return result

    return ReadShareGroupStateSummaryResponse(
        results=[
            ReadStateSummaryResult(topic_id=topic_id, partitions=partitions)
            for topic_id, partitions in answer_partitions(request.group_id, request.topics, read)
        ]
    )
