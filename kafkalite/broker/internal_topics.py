"""The coordinators' own topics: made when a coordinator is first asked for, with the settings they need."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from kafkalite.broker.random_uuid import random_uuid
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import GROUP_METADATA_TOPIC, SHARE_GROUP_STATE_TOPIC, TRANSACTION_STATE_TOPIC
from kafkalite.metadata.replication_control import create_topics
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.metadata_record import MetadataRecord

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class _Settings(NamedTuple):
    partition_count: int
    replication_factor: int
    configs: dict[str, str]


def _group_metadata(config: BrokerConfig) -> _Settings:
    return _Settings(
        config.offsets_topic_num_partitions,
        config.offsets_topic_replication_factor,
        {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(config.offsets_topic_segment_bytes),
        },
    )


def _transaction_state(config: BrokerConfig) -> _Settings:
    return _Settings(
        config.transaction_state_log_num_partitions,
        config.transaction_state_log_replication_factor,
        {
            "unclean.leader.election.enable": "false",
            "compression.type": "uncompressed",
            "cleanup.policy": "compact",
            "min.insync.replicas": str(config.transaction_state_log_min_isr),
            "segment.bytes": str(config.transaction_state_log_segment_bytes),
        },
    )


def _share_group_state(config: BrokerConfig) -> _Settings:
    return _Settings(
        config.share_coordinator_state_topic_num_partitions,
        config.share_coordinator_state_topic_replication_factor,
        {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "segment.bytes": str(config.share_coordinator_state_topic_segment_bytes),
            "min.insync.replicas": str(config.share_coordinator_state_topic_min_isr),
            "retention.ms": "-1",
        },
    )


_SETTINGS: Final[dict[str, Callable[[BrokerConfig], _Settings]]] = {
    GROUP_METADATA_TOPIC: _group_metadata,
    TRANSACTION_STATE_TOPIC: _transaction_state,
    SHARE_GROUP_STATE_TOPIC: _share_group_state,
}


def internal_topic_request(name: str, config: BrokerConfig) -> CreatableTopic:
    """What CreateTopics would be asked for an internal topic."""
    settings = _SETTINGS[name](config)
    return CreatableTopic(
        name=name,
        num_partitions=settings.partition_count,
        replication_factor=settings.replication_factor,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in settings.configs.items()],
    )


def when_internal_topic_is_made(broker: Broker, name: str, answer: Callable[[], T]) -> T | Awaitable[T]:
    """What `answer` gives once a coordinator's topic is there, or cannot be made: `ensure_internal_topic` says why."""
    store = broker.metadata
    if store.image.topics.topic(name) is not None:
        return answer()
    records: list[MetadataRecord] = []
    if store.written_image.topics.topic(name) is None:
        try:
            records = _creation(broker, name)
        except KafkaError:
            return answer()
    return store.commit(records, lambda _: answer())


def _creation(broker: Broker, name: str) -> list[MetadataRecord]:
    """The records that make a coordinator's topic; raises COORDINATOR_NOT_AVAILABLE."""
    request = CreateTopicsRequest(topics=[internal_topic_request(name, broker.config)])
    image = broker.metadata.written_image
    result = create_topics(image, broker.config, request, describable=None, new_topic_id=random_uuid)
    created = result.response.topics[0]
    if created.error_code:
        if name not in broker.impossible_topics:  # clients ask again and again
            broker.impossible_topics.add(name)
            _logger.error("The topic %s cannot be made: %s", name, created.error_message)
        raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, created.error_message)
    return result.records


def ensure_internal_topic(broker: Broker, name: str) -> int:
    """The number of partitions of a coordinator's topic, made now if it is not there.

    Raises COORDINATOR_NOT_AVAILABLE where it cannot be made, COORDINATOR_LOAD_IN_PROGRESS while the broker loads its
    logs; the client will try again.
    """
    if broker.is_loading:
        raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    store = broker.metadata
    topic = store.image.topics.topic(name)
    if topic is None and store.written_image.topics.topic(name) is not None:
        store.settle()
        topic = store.image.topics.topic(name)
    if topic is None:
        store.append(_creation(broker, name))
        topic = store.image.topics.topic(name)
        if topic is None:
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return len(topic.partitions)
