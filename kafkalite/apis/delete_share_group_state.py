"""DeleteShareGroupState: forgets share partitions (KIP-932).

For brokers: on one node the group coordinator calls the share coordinator instead.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.share_coordinator import answer_partitions
from kafkalite.coordinator.share_coordinator import SharePartitionKey
from kafkalite.errors import KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.delete_share_group_state import (
    DeleteShareGroupStateRequest,
    DeleteShareGroupStateResponse,
    DeleteStateResult,
    PartitionData,
    PartitionResult,
)


@serves(DeleteShareGroupStateRequest)
def delete_share_group_state(
    context: RequestContext, request: DeleteShareGroupStateRequest
) -> DeleteShareGroupStateResponse:
    def delete(topic_id: Uuid, partition: PartitionData) -> PartitionResult:
        result = PartitionResult(partition=partition.partition)
        try:
            context.broker.share_coordinator.delete(SharePartitionKey(request.group_id, topic_id, partition.partition))
        except KafkaError as error:
            result.error_code, result.error_message = error.error, error.message
        return result

    return DeleteShareGroupStateResponse(
        results=[
            DeleteStateResult(topic_id=topic_id, partitions=partitions)
            for topic_id, partitions in answer_partitions(request.group_id, request.topics, delete)
        ]
    )
