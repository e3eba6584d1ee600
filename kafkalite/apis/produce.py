"""Produce: appends one record batch for each partition named, and says at which offset it landed.

Version 3 is the first with record batches of format 2, 7 the first that may carry zstd, 8 adds the errors of single
records, 10 the current leader, 12 adds partitions to a transaction by itself (KIP-890), 13 names topics by id.
With acks=0 there is no answer; an error then ends the connection, which is how such a producer learns of it.
With one node a record that is in the log has reached every replica, so acks=1 and acks=all are the same.
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import INTERNAL_TOPICS
from kafkalite.protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.records.compression import CompressionType
from kafkalite.records.log_validator import RecordValidationError
from kafkalite.records.record_batch import (
    ATTRIBUTES_POSITION,
    LOG_OVERHEAD,
    MAGIC_POSITION,
    RECORD_BATCH_OVERHEAD,
    iter_batches,
)
from kafkalite.storage.partition_log import PartitionLog

ADMIN_CLIENT_ID: Final = "__admin_client"
FIRST_ZSTD_VERSION: Final = 7
FIRST_TOPIC_ID_VERSION: Final = 13
EMPTY: Final = memoryview(b"")
VALID_ACKS: Final = (-1, 0, 1)
_ERRORS_WITHOUT_LOG_START: Final = frozenset(
    {
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
    }
)


@serves(ProduceRequest)
def produce(context: RequestContext, request: ProduceRequest) -> ProduceResponse | None:
    """Appends what the request carries; raises ProtocolError, which ends the connection, for an error under acks=0."""
    responses = []
    for data in request.topic_data:
        name: str | None = data.name
        if context.api_version >= FIRST_TOPIC_ID_VERSION:
            image = context.broker.metadata.image.topics.by_id.get(data.topic_id)
            name = None if image is None else image.name
        answers = [_append(context, request.acks, name, p.index, p.records or EMPTY) for p in data.partition_data]
        responses.append(TopicProduceResponse(name=data.name, topic_id=data.topic_id, partition_responses=answers))
    if request.acks != 0:
        return ProduceResponse(responses=responses)
    errors = {p.error_code for topic in responses for p in topic.partition_responses if p.error_code}
    if errors:
        names = ", ".join(sorted(ErrorCode.for_code(code).name for code in errors))
        raise ProtocolError(f"a produce request with acks=0 failed: {names}")
    return None


def _append(
    context: RequestContext, acks: int, topic: str | None, index: int, records: memoryview
) -> PartitionProduceResponse:
    try:
        log = _writable_log(context, acks, topic, index, records)
    except KafkaError as error:
        return PartitionProduceResponse(index=index, error_code=error.error, base_offset=-1)
    try:
        appended = log.append(records, now_ms=context.broker.clock.now_ms())
    except KafkaError as error:
        return _refusal(log, index, error)
    return PartitionProduceResponse(
        index=index,
        base_offset=appended.first_offset,
        log_append_time_ms=appended.log_append_time_ms,
        log_start_offset=appended.log_start_offset,
    )


def _writable_log(
    context: RequestContext, acks: int, topic: str | None, index: int, records: memoryview
) -> PartitionLog:
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
    log = context.broker.leader_log(topic, index)
    check_records(context.api_version, records)
    if acks not in VALID_ACKS:
        raise KafkaError(ErrorCode.INVALID_REQUIRED_ACKS)
    if topic in INTERNAL_TOPICS and context.client_id != ADMIN_CLIENT_ID:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)
    return log


def check_records(version: int, records: memoryview) -> None:
    """Whether these are records that a request of this version may carry: one batch of format 2 for each partition."""
    if len(records) > RECORD_BATCH_OVERHEAD and records[MAGIC_POSITION] == 2:
        size = LOG_OVERHEAD + int.from_bytes(records[8:LOG_OVERHEAD], "big")
        if size == len(records) and (version >= FIRST_ZSTD_VERSION or records[ATTRIBUTES_POSITION + 1] & 7 != 4):
            return
    _refuse_records(version, records)


def _refuse_records(version: int, records: memoryview) -> None:
    batches = iter_batches(records)
    first = next(batches, None)
    if first is None or first[1].magic != 2:
        raise KafkaError(ErrorCode.INVALID_RECORD)
    if version < FIRST_ZSTD_VERSION and first[1].compression_type is CompressionType.ZSTD:
        raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    if next(batches, None) is not None:
        raise KafkaError(ErrorCode.INVALID_RECORD)


def _refusal(log: PartitionLog, index: int, error: KafkaError) -> PartitionProduceResponse:
    answer = PartitionProduceResponse(index=index, error_code=error.error, base_offset=-1)
    if error.error not in _ERRORS_WITHOUT_LOG_START:
        answer.log_start_offset = log.log_start_offset
    if isinstance(error, RecordValidationError):
        answer.error_message = error.message
        answer.record_errors = [
            BatchIndexAndErrorMessage(batch_index=record.batch_index, batch_index_error_message=record.message)
            for record in error.record_errors
        ]
    return answer
