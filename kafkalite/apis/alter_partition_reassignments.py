"""AlterPartitionReassignments: moves replicas between brokers (KIP-455); with one broker they can only stay.

Version 1 can forbid that the replication factor changes.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.controller_result import TOO_LATE, ApiError
from kafkalite.metadata.partition_admin import check_reassignment
from kafkalite.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


@serves(AlterPartitionReassignmentsRequest)
def alter_partition_reassignments(
    context: RequestContext, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    if not request.topics:
        return AlterPartitionReassignmentsResponse()
    if request.timeout_ms <= 0:
        return _refuse(request, TOO_LATE)
    image = context.broker.metadata.image
    allow_change = request.allow_replication_factor_change
    response = AlterPartitionReassignmentsResponse(error_message=None, allow_replication_factor_change=allow_change)
    for topic in request.topics:
        answers = []
        for partition in topic.partitions:
            answer = ReassignablePartitionResponse(
                partition_index=partition.partition_index, error_code=ErrorCode.NONE, error_message=None
            )
            try:
                check_reassignment(image, topic.name, partition, allow_replication_factor_change=allow_change)
            except KafkaError as error:
                answer.error_code, answer.error_message = ApiError.of(error)
            answers.append(answer)
        response.responses.append(ReassignableTopicResponse(name=topic.name, partitions=answers))
    return response


def _refuse(request: AlterPartitionReassignmentsRequest, refusal: KafkaError) -> AlterPartitionReassignmentsResponse:
    error, message = ApiError.of(refusal)
    return AlterPartitionReassignmentsResponse(
        error_code=error,
        error_message=message,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    ReassignablePartitionResponse(
                        partition_index=partition.partition_index, error_code=error, error_message=message
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )
