"""ReadShareGroupState: what has been kept of share partitions (KIP-932).

For the brokers that lead the partitions: on one node they call the share coordinator instead.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.share_coordinator import answer_partitions
from kafkalite.coordinator.share_coordinator import SharePartitionKey
from kafkalite.errors import KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.read_share_group_state import (
    PartitionData,
    PartitionResult,
    ReadShareGroupStateRequest,
    ReadShareGroupStateResponse,
    ReadStateResult,
    StateBatch,
)


@serves(ReadShareGroupStateRequest)
def read_share_group_state(context: RequestContext, request: ReadShareGroupStateRequest) -> ReadShareGroupStateResponse:
    def read(topic_id: Uuid, partition: PartitionData) -> PartitionResult:
        key = SharePartitionKey(request.group_id, topic_id, partition.partition)
        try:
            state = context.broker.share_coordinator.read(key, partition.leader_epoch)
        except KafkaError as error:
            return PartitionResult(partition=partition.partition, error_code=error.error, error_message=error.message)
        return PartitionResult(
            partition=partition.partition,
            state_epoch=state.state_epoch,
            start_offset=state.start_offset,
            state_batches=[
                StateBatch(
                    first_offset=batch.first_offset,
                    last_offset=batch.last_offset,
                    delivery_state=batch.delivery_state,
                    delivery_count=batch.delivery_count,
                )
                for batch in state.batches
            ],
        )

    return ReadShareGroupStateResponse(
        results=[
            ReadStateResult(topic_id=topic_id, partitions=partitions)
            for topic_id, partitions in answer_partitions(request.group_id, request.topics, read)
        ]
    )
