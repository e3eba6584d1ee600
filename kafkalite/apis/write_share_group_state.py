"""WriteShareGroupState: keeps what has changed in share partitions (KIP-932); version 1 counts what is done (KIP-1226).

For the brokers that lead the partitions: on one node they call the share coordinator instead.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.share_coordinator import answer_partitions
from kafkalite.coordinator.share_coordinator import SharePartitionKey, ShareStateWrite
from kafkalite.coordinator.share_state_batches import PersisterStateBatch
from kafkalite.errors import KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.write_share_group_state import (
    PartitionData,
    PartitionResult,
    WriteShareGroupStateRequest,
    WriteShareGroupStateResponse,
    WriteStateResult,
)


@serves(WriteShareGroupStateRequest)
def write_share_group_state(
    context: RequestContext, request: WriteShareGroupStateRequest
) -> WriteShareGroupStateResponse:
    def write(topic_id: Uuid, partition: PartitionData) -> PartitionResult:
        result = PartitionResult(partition=partition.partition)
        state = ShareStateWrite(
            partition.state_epoch,
            partition.leader_epoch,
            partition.start_offset,
            partition.delivery_complete_count,
            [
                PersisterStateBatch(batch.first_offset, batch.last_offset, batch.delivery_count, batch.delivery_state)
                for batch in partition.state_batches
            ],
        )
        try:
            context.broker.share_coordinator.write(
                SharePartitionKey(request.group_id, topic_id, partition.partition), state
            )
        except KafkaError as error:
            result.error_code, result.error_message = error.error, error.message
        return result

    return WriteShareGroupStateResponse(
        results=[
            WriteStateResult(topic_id=topic_id, partitions=partitions)
            for topic_id, partitions in answer_partitions(request.group_id, request.topics, write)
        ]
    )
