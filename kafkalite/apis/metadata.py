"""Metadata: this broker's address, and the partitions of the topics that are asked for.

Version 0 takes an empty list for all topics, later ones null. Version 4 lets the client forbid auto-creation, version
7 brought leader epochs, versions 8 to 10 the operations a client may do on the cluster, version 8 those on topics,
version 10 topic ids in the answer and version 12 in the request. A topic that is created on demand is there in the
answer, where Apache Kafka tells the client to come again. The address is that of `advertised.listeners`, else the one
by which this very client came. While the broker loads its logs no partition has a leader, and a topic that would be
created has none yet either (LEADER_NOT_AVAILABLE): clients come again.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from kafkalite.broker.api_registry import serves
from kafkalite.broker.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED_FOR, TOPIC_OPERATIONS
from kafkalite.broker.auto_topic_creation import auto_create_topics
from kafkalite.broker.broker import Broker
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import INTERNAL_TOPICS, TopicPartition, Uuid
from kafkalite.metadata.topic_name import reason_invalid
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.codec import compile_encoder
from kafkalite.protocol.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

_FIRST_VERSION_WITH_IDS = 12


@serves(MetadataRequest, while_loading=True)
def metadata(context: RequestContext, request: MetadataRequest) -> MetadataResponse | Awaitable[MetadataResponse]:
    broker = context.broker
    if request.topics and request.allow_auto_topic_creation and broker.config.auto_create_topics_enable:
        by_name = broker.metadata.image.topics.by_name
        missing = [topic.name or "" for topic in request.topics if topic.name not in by_name]
        if missing and not _names_by_id(context, request) and not _has_nothing(request):
            if broker.is_loading:
                creatable = [name for name in missing if reason_invalid(name) is None]
                return _answer(context, request, dict.fromkeys(creatable, ErrorCode.LEADER_NOT_AVAILABLE))
            return auto_create_topics(broker, dict.fromkeys(missing), lambda failed: _answer(context, request, failed))
    return _answer(context, request, {})


def _names_by_id(context: RequestContext, request: MetadataRequest) -> bool:
    """Whether topics are asked for by their ids, which versions before 12 refuse."""
    needs_name = context.api_version < _FIRST_VERSION_WITH_IDS
    return any(topic.topic_id != Uuid.ZERO or (needs_name and topic.name is None) for topic in request.topics or ())


def _answer(context: RequestContext, request: MetadataRequest, failed: dict[str, ErrorCode]) -> MetadataResponse:
    broker = context.broker
    version = context.api_version
    topics_image = broker.metadata.image.topics
    wanted = request.topics
    operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED_FOR
    topics: list[Any]
    if wanted is None or (not wanted and version == 0):
        topics = [_described(broker, topic, version, operations) for topic in topics_image.by_name.values()]
    elif version < _FIRST_VERSION_WITH_IDS:
        if _names_by_id(context, request):
            return _refuse(request, ErrorCode.INVALID_REQUEST)
        topics = _by_name(context, request, operations, failed)
    elif _names_by_id(context, request):
        topics = []
        for topic_id in dict.fromkeys(topic.topic_id for topic in wanted if topic.topic_id != Uuid.ZERO):
            topic = topics_image.by_id.get(topic_id)
            if topic is None:
                topics.append(
                    MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id)
                )
            else:
                topics.append(_described(broker, topic, version, operations))
    elif _has_nothing(request):
        return _refuse(request, ErrorCode.UNKNOWN_SERVER_ERROR)
    else:
        topics = _by_name(context, request, operations, failed)
    host, port = context.advertised_address()
    cluster_operations = NOT_ASKED_FOR
    if request.include_cluster_authorized_operations:
        cluster_operations = CLUSTER_OPERATIONS
    return MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=broker.node_id, host=host, port=port, rack=broker.config.broker_rack)],
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        topics=topics,
        cluster_authorized_operations=cluster_operations,
    )


def _has_nothing(request: MetadataRequest) -> bool:
    """Whether a topic is asked for by neither name nor id."""
    return any(topic.name is None for topic in request.topics or ())


def _refuse(request: MetadataRequest, error: ErrorCode) -> MetadataResponse:
    """Tells it of every topic: before version 12 all have a name and nothing else, later a name or an id."""
    return MetadataResponse(
        topics=[
            MetadataResponseTopic(error_code=error, name=topic.name or "", topic_id=topic.topic_id)
            for topic in request.topics or ()
        ],
        error_code=error,
    )


def _by_name(
    context: RequestContext, request: MetadataRequest, operations: int, failed: dict[str, ErrorCode]
) -> list[Any]:
    broker = context.broker
    by_name = broker.metadata.image.topics.by_name
    names = dict.fromkeys(topic.name or "" for topic in request.topics or ())
    topics: list[Any] = []
    for name in names:
        topic = by_name.get(name)
        if topic is not None:
            topics.append(_described(broker, topic, context.api_version, operations))
            continue
        error = failed.get(name)
        if error is None:
            is_invalid = reason_invalid(name) is not None
            error = ErrorCode.INVALID_TOPIC_EXCEPTION if is_invalid else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        topics.append(
            MetadataResponseTopic(
                error_code=error,
                name=name,
                is_internal=name in INTERNAL_TOPICS,
                topic_authorized_operations=operations,
            )
        )
    return topics


def _described(broker: Broker, topic: TopicImage, version: int, operations: int) -> bytes | MetadataResponseTopic:
    """How a topic stands in an answer: its bytes, kept until it changes, where all its partitions have their leader."""
    logs = broker.logs
    if logs.has_offline_logs:
        return _describe(broker, topic, operations)
    key = version if operations == NOT_ASKED_FOR else -1 - version
    encoded = topic.encoded.get(key)
    if encoded is None:
        description = _describe(broker, topic, operations)
        if any(partition.error_code for partition in description.partitions):
            return description
        out = bytearray()
        is_flexible = version in MetadataResponse.flexible_versions
        compile_encoder(MetadataResponseTopic, version, is_flexible=is_flexible)(description, out)
        encoded = topic.encoded[key] = bytes(out)
    return encoded


def _describe(broker: Broker, topic: TopicImage, operations: int) -> MetadataResponseTopic:
    node_id = broker.node_id
    logs = broker.logs
    has_offline_logs = logs.has_offline_logs
    is_loading = broker.is_loading
    partitions = []
    for index, partition in topic.partitions.items():
        leader = partition.leader
        is_led = leader == node_id and not is_loading
        if has_offline_logs and logs.is_offline(TopicPartition(topic.name, index)):
            is_led = False
        partitions.append(
            MetadataResponsePartition(
                error_code=0 if is_led else ErrorCode.LEADER_NOT_AVAILABLE,
                partition_index=index,
                leader_id=leader if is_led else -1,
                leader_epoch=partition.leader_epoch,
                replica_nodes=list(partition.replicas),
                isr_nodes=list(partition.isr),
                offline_replicas=[] if is_led else list(partition.replicas),
            )
        )
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=partitions,
        topic_authorized_operations=operations,
    )
