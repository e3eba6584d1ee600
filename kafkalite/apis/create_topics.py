"""CreateTopics: makes topics, or with validateOnly says what would come of it.

Version 5 tells the partition count, replication factor and configurations of the new topic (KIP-525), version 7 its id.
A topic exists for all other requests once this one is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import CLUSTER_METADATA_TOPIC
from kafkalite.metadata import replication_control
from kafkalite.metadata.controller_result import TOO_LATE, ApiError
from kafkalite.protocol.codec import compile_encoder
from kafkalite.protocol.messages.create_topics import (
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

FIRST_VERSION_WITH_CONFIGS: Final = 5


@serves(CreateTopicsRequest)
def create_topics(
    context: RequestContext, request: CreateTopicsRequest
) -> CreateTopicsResponse | Awaitable[CreateTopicsResponse]:
    names: dict[str, int] = {}
    for topic in request.topics:
        names[topic.name] = names.get(topic.name, 0) + 1
    allowed = CreateTopicsRequest(
        topics=[topic for topic in request.topics if names[topic.name] == 1 and topic.name != CLUSTER_METADATA_TOPIC],
        timeout_ms=request.timeout_ms,
        validate_only=request.validate_only,
    )
    if request.timeout_ms <= 0 and allowed.topics:
        return _refuse(request, TOO_LATE)
    store = context.broker.metadata
    try:
        result = replication_control.create_topics(
            store.written_image, context.broker.config, allowed, describable=None, new_topic_id=random_uuid
        )
    except KafkaError as refusal:
        return _refuse(request, refusal)
    response = result.response
    for name, count in names.items():
        if count > 1:
            response.topics.append(_invalid(name, "Duplicate topic name."))
        elif name == CLUSTER_METADATA_TOPIC:
            response.topics.append(_invalid(name, f"Creation of internal topic {name} is prohibited."))
    if context.api_version >= FIRST_VERSION_WITH_CONFIGS and len(response.topics) > 1:
        _encode_shared_configs(response, context.api_version)
    return store.commit(result.records, lambda error: response if error is None else _refuse(request, error))


def _encode_shared_configs(response: CreateTopicsResponse, version: int) -> None:
    """Topics that were configured alike share the list of their configurations: it is encoded once for all of them."""
    encode = compile_encoder(
        CreatableTopicConfigs, version, is_flexible=version in CreateTopicsResponse.flexible_versions
    )
    encoded: dict[int, tuple[Any, list[Any]]] = {}
    for topic in response.topics:
        configs = topic.configs
        if not configs:
            continue
        known = encoded.get(id(configs))
        if known is None:
            pieces: list[Any] = []
            for entry in configs:
                piece = bytearray()
                encode(entry, piece)
                pieces.append(bytes(piece))
            known = encoded[id(configs)] = configs, pieces
        topic.configs = known[1]


def _refuse(request: CreateTopicsRequest, refusal: KafkaError) -> CreateTopicsResponse:
    error = ApiError.of(refusal)
    return CreateTopicsResponse(
        topics=[
            CreatableTopicResult(name=topic.name, error_code=error.error, error_message=error.message)
            for topic in request.topics
        ]
    )


def _invalid(name: str, message: str) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=ErrorCode.INVALID_REQUEST, error_message=message)
