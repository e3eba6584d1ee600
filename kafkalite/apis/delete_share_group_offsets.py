"""DeleteShareGroupOffsets: forgets where a share group without members was in some topics (KIP-932)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse,
    DeleteShareGroupOffsetsResponseTopic,
)


@serves(DeleteShareGroupOffsetsRequest)
def delete_share_group_offsets(
    context: RequestContext, request: DeleteShareGroupOffsetsRequest
) -> DeleteShareGroupOffsetsResponse:
    names = [topic.topic_name for topic in request.topics]
    try:
        if not context.broker.share_groups.is_enabled:
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
        if not request.group_id:
            raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        answers = context.broker.share_groups.delete_offsets(request.group_id, names)
    except KafkaError as error:
        return DeleteShareGroupOffsetsResponse(error_code=operation_error(error), error_message=error.message)
    return DeleteShareGroupOffsetsResponse(
        responses=[
            DeleteShareGroupOffsetsResponseTopic(
                topic_name=name,
                topic_id=topic_id,
                error_code=ErrorCode.NONE if error is None else error.error,
                error_message=None if error is None else error.message,
            )
            for name, topic_id, error in answers
        ]
    )
