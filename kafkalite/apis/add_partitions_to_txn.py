"""AddPartitionsToTxn: partitions that a producer is about to write to join its transaction, all of them or none.

Version 2 tells a fenced producer so. From 4 on it is brokers that ask, for several transactions at once, also only
whether partitions have been added (KIP-890); newer clients have them added by their first write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import INTERNAL_TOPICS, ProducerIdAndEpoch, TopicPartition
from kafkalite.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)

PRODUCER_FENCED_MIN_VERSION: Final = 2
BATCH_MIN_VERSION: Final = 4
Results = dict[TopicPartition, ErrorCode]


@serves(AddPartitionsToTxnRequest, while_loading=True)
def add_partitions_to_txn(context: RequestContext, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse:
    if context.api_version >= BATCH_MIN_VERSION:
        # Of a transaction that is named several times, the last one says what is to be added; the outcome is told
        # of what the first one names.
        last = {transaction.transactional_id: transaction.topics for transaction in request.transactions}
        first = {transaction.transactional_id: transaction.topics for transaction in reversed(request.transactions)}
        results = []
        for transaction in request.transactions:
            transactional_id = transaction.transactional_id
            transaction.topics = last[transactional_id]
            result = _by_topic(_add(context, transaction), first[transactional_id])
            results.append(AddPartitionsToTxnResult(transactional_id=transactional_id, topic_results=result))
        return AddPartitionsToTxnResponse(results_by_transaction=results)
    transaction = AddPartitionsToTxnTransaction(
        transactional_id=request.v3_and_below_transactional_id,
        producer_id=request.v3_and_below_producer_id,
        producer_epoch=request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    result = _by_topic(_add(context, transaction), transaction.topics)
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=result)


def _add(context: RequestContext, transaction: AddPartitionsToTxnTransaction) -> Results | ErrorCode:
    """What has become of each partition; or of all that were to be added, where none of them was refused."""
    is_client = context.api_version < BATCH_MIN_VERSION
    partitions = [TopicPartition(topic.name, index) for topic in transaction.topics for index in topic.partitions]
    refused = {
        partition: error
        for partition in partitions
        if (error := _refusal(context, partition, is_client=is_client)) is not ErrorCode.NONE
    }
    if refused:
        return {partition: refused.get(partition, ErrorCode.OPERATION_NOT_ATTEMPTED) for partition in partitions}
    producer = ProducerIdAndEpoch(transaction.producer_id, transaction.producer_epoch)
    coordinator = context.broker.transaction_coordinator
    error = ErrorCode.NONE
    try:
        if transaction.verify_only:
            return coordinator.verify_partitions(transaction.transactional_id, producer, partitions)
        coordinator.add_partitions(transaction.transactional_id, producer, partitions, 0 if is_client else 2)
    except KafkaError as refusal:
        error = refusal.error
    if error is ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_MIN_VERSION:
        error = ErrorCode.INVALID_PRODUCER_EPOCH
    return dict.fromkeys(partitions, error) if transaction.verify_only else error


def _refusal(context: RequestContext, partition: TopicPartition, *, is_client: bool) -> ErrorCode:
    if is_client and partition.topic in INTERNAL_TOPICS:
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    if context.broker.metadata.image.topics.partition(partition) is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.NONE


def _by_topic(
    outcome: Results | ErrorCode, named: Sequence[AddPartitionsToTxnTopic]
) -> list[AddPartitionsToTxnTopicResult]:
    """The results by topic; those of partitions that were to be added just as they were named, twice where so."""
    if isinstance(outcome, ErrorCode):
        return [
            AddPartitionsToTxnTopicResult(
                name=topic.name,
                results_by_partition=[
                    AddPartitionsToTxnPartitionResult(partition_index=index, partition_error_code=outcome)
                    for index in topic.partitions
                ],
            )
            for topic in named
        ]
    topics: dict[str, AddPartitionsToTxnTopicResult] = {}
    for (topic, index), error in outcome.items():
        of_topic = topics.setdefault(topic, AddPartitionsToTxnTopicResult(name=topic))
        of_topic.results_by_partition.append(
            AddPartitionsToTxnPartitionResult(partition_index=index, partition_error_code=error)
        )
    return list(topics.values())
