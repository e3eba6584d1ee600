"""CreatePartitions: gives topics more partitions, or with validateOnly says what would come of it."""

from __future__ import annotations

from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata import replication_control
from kafkalite.metadata.controller_result import TOO_LATE, ApiError
from kafkalite.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopicResult,
)


@serves(CreatePartitionsRequest)
def create_partitions(
    context: RequestContext, request: CreatePartitionsRequest
) -> CreatePartitionsResponse | Awaitable[CreatePartitionsResponse]:
    names: dict[str, int] = {}
    for topic in request.topics:
        names[topic.name] = names.get(topic.name, 0) + 1
    results = [
        CreatePartitionsTopicResult(
            name=name, error_code=ErrorCode.INVALID_REQUEST, error_message="Duplicate topic name."
        )
        for name, count in names.items()
        if count > 1
    ]
    once = CreatePartitionsRequest(
        topics=[topic for topic in request.topics if names[topic.name] == 1],
        timeout_ms=request.timeout_ms,
        validate_only=request.validate_only,
    )
    if request.timeout_ms <= 0 and once.topics:
        return _refuse(request, TOO_LATE)
    store = context.broker.metadata
    result = replication_control.create_partitions(store.written_image, once)
    response = CreatePartitionsResponse(results=results + result.response)
    return store.commit(result.records, lambda error: response if error is None else _refuse(request, error))


def _refuse(request: CreatePartitionsRequest, refusal: KafkaError) -> CreatePartitionsResponse:
    error = ApiError.of(refusal)
    return CreatePartitionsResponse(
        results=[
            CreatePartitionsTopicResult(name=topic.name, error_code=error.error, error_message=error.message)
            for topic in request.topics
        ]
    )
