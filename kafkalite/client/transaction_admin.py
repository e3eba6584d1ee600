"""What administrators ask about transactions: which there are, who writes to a partition, and their forced ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kafkalite.client.admin import TRANSACTION_COORDINATOR, Admin, is_retriable
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition

_LEADER_MOVED = (
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.REPLICA_NOT_AVAILABLE,
    ErrorCode.BROKER_NOT_AVAILABLE,
)


class TransactionListing(NamedTuple):
    transactional_id: str
    coordinator_id: int
    producer_id: int
    state: str


class TransactionDescription(NamedTuple):
    """A transactional id's state; `start_time_ms` is None while no transaction is open."""

    coordinator_id: int
    state: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    start_time_ms: int | None
    partitions: Sequence[TopicPartition]


class ActiveProducer(NamedTuple):
    """A producer as a partition's leader knows it; what it does not know is -1."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp_ms: int
    coordinator_epoch: int
    transaction_start_offset: int


class AbortSpec(NamedTuple):
    """The transaction of a partition that is to be aborted by a marker written directly."""

    partition: TopicPartition
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int

    def __str__(self) -> str:
        return (
            f"AbortTransactionSpec(topicPartition={self.partition}, producerId={self.producer_id}, "
            f"producerEpoch={self.producer_epoch}, coordinatorEpoch={self.coordinator_epoch})"
        )


def list_transactions(
    admin: Admin,
    *,
    producer_ids: Iterable[int] = (),
    duration_ms: int = -1,
    transactional_id_pattern: str | None = None,
) -> list[TransactionListing]:
    """The transactional ids of all coordinators; raises KafkaError."""
    from kafkalite.protocol.messages.list_transactions import ListTransactionsRequest

    request = ListTransactionsRequest(
        producer_id_filters=list(producer_ids),
        duration_filter=duration_ms,
        transactional_id_pattern=transactional_id_pattern,
    )
    listings = []
    for broker in admin.brokers():
        response = admin.send(
            request,
            call="listTransactions",
            node_id=broker,
            retry_if=lambda response: response.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        )
        if response.error_code:
            raise KafkaError(
                ErrorCode.for_code(response.error_code),
                f"ListTransactions request sent to broker {broker} failed with an unexpected exception",
            )
        listings += [
            TransactionListing(each.transactional_id, broker, each.producer_id, each.transaction_state)
            for each in response.transaction_states
        ]
    return listings


def describe_transaction(admin: Admin, transactional_id: str) -> TransactionDescription:
    """The state of a transactional id; raises KafkaError, TRANSACTIONAL_ID_NOT_FOUND for one."""
    from kafkalite.protocol.messages.describe_transactions import DescribeTransactionsRequest

    response = admin.send_to_coordinator(
        transactional_id,
        DescribeTransactionsRequest(transactional_ids=[transactional_id]),
        call="describeTransactions",
        key_type=TRANSACTION_COORDINATOR,
        errors=lambda response: [state.error_code for state in response.transaction_states],
    )
    (state,) = response.transaction_states
    if state.error_code:
        error = ErrorCode.for_code(state.error_code)
        reasons = {
            ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "due to authorization failure",
            ErrorCode.TRANSACTIONAL_ID_NOT_FOUND: "because the ID could not be found",
        }
        raise KafkaError(
            error,
            f"DescribeTransactions request for transactionalId `{transactional_id}` failed "
            f"{reasons.get(error, 'due to unexpected error')}",
        )
    return TransactionDescription(
        admin.coordinator(transactional_id, TRANSACTION_COORDINATOR),
        state.transaction_state,
        state.producer_id,
        state.producer_epoch,
        state.transaction_timeout_ms,
        None if state.transaction_start_time_ms < 0 else state.transaction_start_time_ms,
        [TopicPartition(topic.topic, index) for topic in state.topics for index in topic.partitions],
    )


def describe_producers(
    admin: Admin, partitions: Iterable[TopicPartition], *, broker_id: int | None = None
) -> dict[TopicPartition, list[ActiveProducer]]:
    """The producers that a broker (None: the leader) knows for each partition; raises KafkaError."""
    from kafkalite.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest

    wanted = list(partitions)
    by_broker: Mapping[int, list[TopicPartition]]
    by_broker = admin.leaders(wanted) if broker_id is None else {broker_id: wanted}
    producers: dict[TopicPartition, list[ActiveProducer]] = {}
    for broker, each_wanted in by_broker.items():
        topics: dict[str, TopicRequest] = {}
        for partition in each_wanted:
            topic = topics.setdefault(partition.topic, TopicRequest(name=partition.topic))
            topic.partition_indexes.append(partition.partition)
        response = admin.send(
            DescribeProducersRequest(topics=list(topics.values())), call="describeProducers", node_id=broker
        )
        for answered in response.topics:
            for answer in answered.partitions:
                partition = TopicPartition(answered.name, answer.partition_index)
                if answer.error_code:
                    raise _describe_producers_error(partition, answer.error_code, answer.error_message, broker_id)
                producers[partition] = [
                    ActiveProducer(
                        each.producer_id,
                        each.producer_epoch,
                        each.last_sequence,
                        each.last_timestamp,
                        each.coordinator_epoch,
                        each.current_txn_start_offset,
                    )
                    for each in answer.active_producers
                ]
    return producers


def _describe_producers_error(
    partition: TopicPartition, code: int, message: str | None, broker_id: int | None
) -> KafkaError:
    error = ErrorCode.for_code(code)
    if error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return KafkaError(error, message)
    if error is ErrorCode.NOT_LEADER_OR_FOLLOWER and broker_id is not None:
        return KafkaError(
            error, f"Failed to describe active producers for partition {partition} on brokerId {broker_id}"
        )
    if error is ErrorCode.TOPIC_AUTHORIZATION_FAILED:
        return KafkaError(
            error,
            f"Failed to describe active producers for partition {partition} due to authorization failure on topic"
            f" `{partition.topic}`",
        )
    return KafkaError(error, f"Failed to describe active producers for partition {partition} due to unexpected error")


def abort_transaction(admin: Admin, spec: AbortSpec) -> None:
    """Writes an abort marker into one partition, past the coordinator; raises KafkaError."""
    from kafkalite.protocol.messages.write_txn_markers import (
        WritableTxnMarker,
        WritableTxnMarkerTopic,
        WriteTxnMarkersRequest,
    )

    topic = WritableTxnMarkerTopic(name=spec.partition.topic, partition_indexes=[spec.partition.partition])
    marker = WritableTxnMarker(
        producer_id=spec.producer_id,
        producer_epoch=spec.producer_epoch,
        transaction_result=False,
        topics=[topic],
        coordinator_epoch=spec.coordinator_epoch,
    )
    (leader,) = admin.leaders([spec.partition])
    response = admin.send(
        WriteTxnMarkersRequest(markers=[marker]),
        call="abortTransaction",
        node_id=leader,
        retry_if=lambda response: response.markers[0].topics[0].partitions[0].error_code in _LEADER_MOVED,
    )
    error = ErrorCode.for_code(response.markers[0].topics[0].partitions[0].error_code)
    if error:
        raise KafkaError(error, f"WriteTxnMarkers request with {spec} failed {_abort_reason(error, spec)}")


def _abort_reason(error: ErrorCode, spec: AbortSpec) -> str:
    if error is ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
        return "due to cluster authorization error"
    if error is ErrorCode.INVALID_PRODUCER_EPOCH:
        return "due an invalid producer epoch"
    if error is ErrorCode.TRANSACTION_COORDINATOR_FENCED:
        return (
            f"since the provided coordinator epoch {spec.coordinator_epoch} has been fenced by the active coordinator"
        )
    return f"due to unexpected error: {error.message}"


def force_terminate_transaction(admin: Admin, transactional_id: str) -> None:
    """Ends the open transaction of a transactional id by fencing its producer; raises KafkaError."""
    from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest

    request = InitProducerIdRequest(
        transactional_id=transactional_id, transaction_timeout_ms=int(admin.request_timeout_s * 1000)
    )
    node_id = admin.coordinator(transactional_id, TRANSACTION_COORDINATOR)
    response = admin.send(
        request,
        call="fenceProducer",
        node_id=node_id,
        retry_if=lambda response: (
            is_retriable(response.error_code) or response.error_code == ErrorCode.CONCURRENT_TRANSACTIONS
        ),
    )
    if response.error_code:
        error = ErrorCode.for_code(response.error_code)
        reasons = {
            ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "due to cluster authorization failure",
            ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "due to transactional ID authorization failure",
        }
        raise KafkaError(
            error,
            f"InitProducerId request for transactionalId `{transactional_id}` failed "
            f"{reasons.get(error, 'due to unexpected error')}",
        )
