"""Acknowledgements of ShareFetch and ShareAcknowledge: checked, carried out, and answered partition by partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kafkalite.broker.share_sessions import SessionKey, TopicIdPartition
from kafkalite.coordinator.share_acknowledgement import AcknowledgementBatch, AcknowledgeType
from kafkalite.coordinator.share_coordinator import SharePartitionKey
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

RENEW_MIN_VERSION = 2
MAX_MEMBER_ID_LENGTH = 36
"""That of a random UUID with its dashes."""


class AcknowledgeOutcome(NamedTuple):
    """What came of a partition's acknowledgements; a message only where it says more than the code."""

    error: ErrorCode = ErrorCode.NONE
    message: str | None = None


Outcomes: TypeAlias = "dict[TopicIdPartition, AcknowledgeOutcome]"


def acknowledge_all(
    broker: Broker, session_key: SessionKey, topics: Iterable[Any], *, supports_renew: bool, is_renew_ack: bool
) -> Outcomes:
    """Carries out what a request says of records; one partition's error leaves the others alone."""
    refused: Outcomes = {}
    idle: Outcomes = {}
    done: Outcomes = {}
    for topic_id, index, batches in _partitions(topics):
        topic = broker.metadata.image.topics.by_id.get(topic_id)
        partition = (topic_id, index)
        if topic is None:
            refused[partition] = AcknowledgeOutcome(ErrorCode.UNKNOWN_TOPIC_ID)
        elif not _are_valid(batches, supports_renew=supports_renew, is_renew_ack=is_renew_ack):
            refused[partition] = AcknowledgeOutcome(ErrorCode.INVALID_REQUEST)
        elif index not in topic.partitions:
            refused[partition] = AcknowledgeOutcome(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        elif not batches:
            idle[partition] = AcknowledgeOutcome()
        else:
            done[partition] = _acknowledge(broker, session_key, partition, batches)
    # As in Apache Kafka, a request without anything to be done names only what it got wrong.
    return {**refused, **done, **idle} if done else refused


def _partitions(topics: Iterable[Any]) -> Iterable[tuple[Uuid, int, list[AcknowledgementBatch]]]:
    """The partitions with their batches; of one that is named twice the last mention counts."""
    named = {
        (topic.topic_id, partition.partition_index): [
            AcknowledgementBatch(batch.first_offset, batch.last_offset, batch.acknowledge_types)
            for batch in partition.acknowledgement_batches
        ]
        for topic in topics
        for partition in topic.partitions
    }
    for (topic_id, index), batches in named.items():
        yield topic_id, index, batches


def _are_valid(batches: Sequence[AcknowledgementBatch], *, supports_renew: bool, is_renew_ack: bool) -> bool:
    highest = AcknowledgeType.RENEW if supports_renew else AcknowledgeType.REJECT
    before = -1
    for batch in batches:
        types = batch.acknowledge_types
        if (
            batch.first_offset > batch.last_offset
            or batch.first_offset < before
            or not types
            or (len(types) > 1 and batch.last_offset - batch.first_offset != len(types) - 1)
            or any(not 0 <= one <= highest for one in types)
            or (AcknowledgeType.RENEW in types and not is_renew_ack)
        ):
            return False
        before = batch.last_offset
    return True


def _acknowledge(
    broker: Broker, session_key: SessionKey, partition: TopicIdPartition, batches: Sequence[AcknowledgementBatch]
) -> AcknowledgeOutcome:
    group_id, member_id = session_key
    try:
        broker.share_partitions.acknowledge(SharePartitionKey(group_id, *partition), member_id, batches)
    except KafkaError as error:
        return AcknowledgeOutcome(error.error, error.message)
    return AcknowledgeOutcome()


def is_member_id_valid(member_id: str | None) -> bool:
    """Whether a member may call itself that."""
    return bool(member_id) and len(member_id or "") <= MAX_MEMBER_ID_LENGTH
