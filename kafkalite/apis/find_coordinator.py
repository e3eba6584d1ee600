"""FindCoordinator: who coordinates a group, a transactional id or a share partition: on a single node, this node.

Version 1 asks for transactional ids too, 4 for several keys at once (KIP-699), 6 for share partitions (KIP-932).
The coordinator's topic is made on the way where it is missing, so that no client has to come back for it (Apache Kafka
answers COORDINATOR_NOT_AVAILABLE meanwhile, which is the answer here while the broker loads its logs).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.internal_topics import ensure_internal_topic, when_internal_topic_is_made
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.string_hash import partition_for
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import (
    GROUP_METADATA_TOPIC,
    SHARE_GROUP_STATE_TOPIC,
    TRANSACTION_STATE_TOPIC,
    TopicPartition,
)
from kafkalite.protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

BATCH_MIN_VERSION: Final = 4
SHARE_MIN_VERSION: Final = 6
SHARE: Final = 2
TOPICS: Final = {0: GROUP_METADATA_TOPIC, 1: TRANSACTION_STATE_TOPIC, SHARE: SHARE_GROUP_STATE_TOPIC}
NO_NODE: Final = -1
_SHARE_PARTITION_KEY: Final = re.compile(r"(.*):[A-Za-z0-9_-]{22}(?:==)?:([+-]?[0-9]{1,10}):*", re.ASCII | re.DOTALL)


@serves(FindCoordinatorRequest, while_loading=True)
def find_coordinator(
    context: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse | Awaitable[FindCoordinatorResponse]:
    key_type = request.key_type
    topic = TOPICS.get(key_type)
    keys = request.coordinator_keys if context.api_version >= BATCH_MIN_VERSION else [request.key]
    if topic is None or not any(_is_valid(context, key_type, key) for key in keys) or context.broker.is_loading:
        return _answer(context, request)
    return when_internal_topic_is_made(context.broker, topic, lambda: _answer(context, request))


def _answer(context: RequestContext, request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    if context.api_version >= BATCH_MIN_VERSION:
        return FindCoordinatorResponse(
            coordinators=[_find(context, request.key_type, key)[0] for key in request.coordinator_keys]
        )
    found, error = _find(context, request.key_type, request.key)
    return FindCoordinatorResponse(
        error_code=error,
        error_message=error.message or error.name,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )


def _find(context: RequestContext, key_type: int, key: str) -> tuple[Coordinator, ErrorCode]:
    error = _ensure(context, key_type, key)
    if error is not ErrorCode.NONE:
        found = Coordinator(key=key, node_id=NO_NODE, port=NO_NODE, error_code=error)
        if key_type not in TOPICS:
            found.error_message = error.message
        return found, error
    host, port = context.advertised_address()
    return Coordinator(key=key, node_id=context.node_id, host=host, port=port), ErrorCode.NONE


def _ensure(context: RequestContext, key_type: int, key: str) -> ErrorCode:
    topic = TOPICS.get(key_type)
    if topic is None or not _is_valid(context, key_type, key):
        return ErrorCode.INVALID_REQUEST
    if context.broker.is_loading:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    try:
        partition_count = ensure_internal_topic(context.broker, topic)
    except KafkaError as error:
        return error.error
    logs = context.broker.logs
    if logs.has_offline_logs and logs.is_offline(TopicPartition(topic, partition_for(key, partition_count))):
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return ErrorCode.NONE


def _is_valid(context: RequestContext, key_type: int, key: str) -> bool:
    return key_type != SHARE or (context.api_version >= SHARE_MIN_VERSION and is_share_partition_key(key))


def is_share_partition_key(key: str) -> bool:
    """Whether a key is `group:topic id:partition`; the group may have colons in it."""
    found = _SHARE_PARTITION_KEY.fullmatch(key)
    return found is not None and bool(found[1].strip()) and -(1 << 31) <= int(found[2]) < 1 << 31
