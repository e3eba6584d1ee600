"""DeleteTopics: removes topics by name, from version 6 on by id too.

Version 3 and later say TOPIC_DELETION_DISABLED where delete.topic.enable is false. A topic is gone for all other
requests once this one is answered; its files follow later.
"""

from __future__ import annotations

from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.metadata import replication_control
from kafkalite.metadata.controller_result import TOO_LATE
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)


@serves(DeleteTopicsRequest)
def delete_topics(
    context: RequestContext, request: DeleteTopicsRequest
) -> DeleteTopicsResponse | Awaitable[DeleteTopicsResponse]:
    topics = request.topics
    if context.api_version < 6:
        topics = [DeleteTopicState(name=name) for name in request.topic_names]
    if not context.broker.config.delete_topic_enable:
        is_old = context.api_version < 3
        return _refuse(topics, ErrorCode.INVALID_REQUEST if is_old else ErrorCode.TOPIC_DELETION_DISABLED)
    store = context.broker.metadata
    responses: list[DeletableTopicResult] = []
    names, ids = _split(topics, responses)
    if request.timeout_ms <= 0 and (names or ids):
        return _refuse(topics, TOO_LATE.error)
    wanted = _resolve(store.written_image, names, ids, responses)
    result = replication_control.delete_topics(store.written_image, wanted)
    for topic_id, error in result.response.items():
        responses.append(_result(wanted[topic_id], topic_id, error.error, error.message))
    response = DeleteTopicsResponse(responses=responses)
    return store.commit(result.records, lambda error: response if error is None else _refuse(topics, error.error))


def _refuse(topics: list[DeleteTopicState], error: ErrorCode) -> DeleteTopicsResponse:
    return DeleteTopicsResponse(responses=[_result(topic.name, topic.topic_id, error, None) for topic in topics])


def _result(name: str | None, topic_id: Uuid, error: ErrorCode, message: str | None) -> DeletableTopicResult:
    return DeletableTopicResult(name=name, topic_id=topic_id, error_code=error, error_message=message)


def _split(topics: list[DeleteTopicState], responses: list[DeletableTopicResult]) -> tuple[list[str], list[Uuid]]:
    """The names and the ids that are each given once; the others are answered."""
    names: dict[str, int] = {}
    ids: dict[Uuid, int] = {}
    for topic in topics:
        if topic.name is None:
            if topic.topic_id == Uuid.ZERO:
                message = "Neither topic name nor id were specified."
                responses.append(_result(None, Uuid.ZERO, ErrorCode.INVALID_REQUEST, message))
            else:
                ids[topic.topic_id] = ids.get(topic.topic_id, 0) + 1
        elif topic.topic_id == Uuid.ZERO:
            names[topic.name] = names.get(topic.name, 0) + 1
        else:
            message = "You may not specify both topic name and topic id."
            responses.append(_result(topic.name, topic.topic_id, ErrorCode.INVALID_REQUEST, message))
    for name, count in names.items():
        if count > 1:
            responses.append(_result(name, Uuid.ZERO, ErrorCode.INVALID_REQUEST, "Duplicate topic name."))
    for topic_id, count in ids.items():
        if count > 1:
            responses.append(_result(None, topic_id, ErrorCode.INVALID_REQUEST, "Duplicate topic id."))
    return [name for name in names if names[name] == 1], [topic_id for topic_id in ids if ids[topic_id] == 1]


def _resolve(
    image: MetadataImage, names: list[str], ids: list[Uuid], responses: list[DeletableTopicResult]
) -> dict[Uuid, str]:
    """The existing topics that are meant; unknown ones, and those meant twice, are answered."""
    wanted: dict[Uuid, str] = {}
    for topic_id in ids:
        topic = image.topics.topic_by_id(topic_id)
        if topic is None:
            error = ErrorCode.UNKNOWN_TOPIC_ID
            responses.append(_result(None, topic_id, error, error.message))
        else:
            wanted[topic_id] = topic.name
    for name in names:
        topic = image.topics.topic(name)
        if topic is None:
            error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            responses.append(_result(name, Uuid.ZERO, error, error.message))
        elif topic.topic_id in wanted:
            del wanted[topic.topic_id]
            message = "The provided topic name maps to an ID that was already supplied."
            responses.append(_result(name, topic.topic_id, ErrorCode.INVALID_REQUEST, message))
        else:
            wanted[topic.topic_id] = name
    return wanted
