"""Topics that come into being because somebody asks for them (AutoTopicCreationManager).

Apache Kafka answers the request that asks with an error and creates the topic behind it; here it exists at once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from kafkalite.broker.internal_topics import internal_topic_request
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import INTERNAL_TOPICS
from kafkalite.metadata.replication_control import create_topics
from kafkalite.metadata.topic_name import reason_invalid
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

_logger = logging.getLogger(__name__)

T = TypeVar("T")


def auto_create_topics(
    broker: Broker, names: Iterable[str], answer: Callable[[dict[str, ErrorCode]], T]
) -> T | Awaitable[T]:
    """Creates missing topics, the internal ones with the properties they need; `answer` is called with those that
    could not be made, when the others are there.

    A name that no topic can have gives INVALID_TOPIC_EXCEPTION, any other refusal UNKNOWN_TOPIC_OR_PARTITION and a
    warning in the log, as in Apache Kafka.
    """
    failed: dict[str, ErrorCode] = {}
    wanted = []
    for name in names:
        if reason_invalid(name) is not None:
            failed[name] = ErrorCode.INVALID_TOPIC_EXCEPTION
        else:
            wanted.append(_creatable_topic(broker.config, name))
    if not wanted:
        return answer(failed)
    store = broker.metadata

    def refuse(error: KafkaError) -> T:
        _logger.warning("Auto topic creation failed: %s", error)
        return answer(failed | {topic.name: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION for topic in wanted})

    try:
        result = create_topics(
            store.written_image,
            broker.config,
            CreateTopicsRequest(topics=wanted),
            describable=(),
            new_topic_id=random_uuid,
        )
    except KafkaError as error:
        return refuse(error)
    for topic in result.response.topics:
        if topic.error_code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):  # somebody else is making it
            error_name = ErrorCode.for_code(topic.error_code).name
            _logger.warning(
                "Auto topic creation failed for %s with error '%s': %s", topic.name, error_name, topic.error_message
            )
            failed[topic.name] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return store.commit(result.records, lambda error: answer(failed) if error is None else refuse(error))


def _creatable_topic(config: BrokerConfig, name: str) -> CreatableTopic:
    if name in INTERNAL_TOPICS:
        return internal_topic_request(name, config)
    return CreatableTopic(name=name, num_partitions=-1, replication_factor=-1)
