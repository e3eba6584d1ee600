"""Produce: appends one record batch for each partition named, and says at which offset it landed.

Version 3 is the first with record batches of format 2, 7 the first that may carry zstd, 8 adds the errors of single
records, 10 the current leader, 12 adds partitions to a transaction by itself (KIP-890), 13 names topics by id.
With acks=0 there is no answer; an error then ends the connection, which is how such a producer learns of it.
With one node a record that is in the log has reached every replica, so acks=1 and acks=all are the same. On topics with
flush.messages the answer waits until its records are on the disk, together with all others that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Final, TypeAlias

from kafkalite.broker.api_registry import serves
from kafkalite.broker.batch_validator import is_slow_to_validate
from kafkalite.broker.log_appender import LARGE_BATCH
from kafkalite.broker.produce_validation import (
    EMPTY,
    check_records,
    read_plain_header,
    refusal_of_request,
    without_repetitions,
)
from kafkalite.broker.repeated_produce import FIRST_VERSION, RepeatedProduce
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.transactional_produce import refusal_of_transaction, start_transactional_write
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import INTERNAL_TOPICS
from kafkalite.protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.records.record_batch import COMPRESSION_MASK, BatchHeader
from kafkalite.records.record_validation import RecordValidationError
from kafkalite.storage.log_append_info import LogAppendInfo
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.unfinished_append import UnfinishedAppend

_Unfinished: TypeAlias = tuple[Awaitable[KafkaError | None], PartitionLog, PartitionProduceResponse]
"""What is waited for, until it has succeeded or failed, before a partition's answer counts."""

ADMIN_CLIENT_ID: Final = "__admin_client"
FIRST_TOPIC_ID_VERSION: Final = 13
VALID_ACKS: Final = (-1, 0, 1)
PARTITIONS_PER_STEP: Final = 50
"""So many are appended to before others have their turn: the first record of each opens a file."""
_ERRORS_WITHOUT_LOG_START: Final = frozenset(
    {
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
    }
)


def remember(context: RequestContext, request: ProduceRequest, frame: memoryview, answer: object) -> None:
    """Has a request for one partition that was answered in the usual way recognised when it comes again."""
    if len(request.topic_data) != 1 or len(request.topic_data[0].partition_data) != 1:
        return
    data = request.topic_data[0]
    partition = data.partition_data[0]
    if (
        partition.records is None
        or request.transactional_id is not None
        or context.api_version < FIRST_VERSION
        or len(partition.records) >= LARGE_BATCH
    ):
        return
    if isinstance(answer, ProduceResponse):
        if answer.responses[0].partition_responses[0].error_code:
            return
    elif request.acks or answer is not None:
        return  # it is not known yet how it will end
    name = _name_of(context, data)
    log = None if name is None else context.broker.leader_log(name, partition.index)
    if name is None or log is None or log.topic_id is None or not log.append_rules.takes_plain_batches:
        return
    if context.repeated_produce is None:
        context.repeated_produce = RepeatedProduce(context.broker)
    context.repeated_produce.remember(
        frame,
        len(partition.records),
        context.api_version,
        name,
        log.topic_id,
        partition.index,
        has_answer=request.acks != 0,
    )


@serves(ProduceRequest, observer=remember, while_loading=True)
def produce(context: RequestContext, request: ProduceRequest) -> ProduceResponse | Awaitable[ProduceResponse] | None:
    """Appends what the request carries; raises ProtocolError, which ends the connection, for an error under acks=0."""
    version = context.api_version
    topic_data = request.topic_data
    unfinished: list[_Unfinished] = []
    if len(topic_data) == 1 and len(topic_data[0].partition_data) == 1:  # as nearly all requests are
        data = topic_data[0]
        partition = data.partition_data[0]
        header = read_plain_header(version, partition.records)
        if header is not None:
            answer = _append(context, request, _name_of(context, data), partition, header, unfinished)
            responses = [
                TopicProduceResponse(name=data.name, topic_id=data.topic_id, partition_responses=[answer]),
            ]
            return _answer(request, responses, unfinished)
    all_responses: list[TopicProduceResponse] = []
    steps = _append_all(context, request, unfinished, all_responses)
    for _ in steps:
        # What has been received is appended, whether or not its client is still there to hear of it.
        return asyncio.shield(asyncio.ensure_future(_go_on(steps, all_responses, unfinished)))
    return _answer(request, all_responses, unfinished)


async def _go_on(
    steps: Iterator[None], responses: list[TopicProduceResponse], unfinished: list[_Unfinished]
) -> ProduceResponse:
    await asyncio.sleep(0)
    for _ in steps:
        await asyncio.sleep(0)
    return await _when_finished(ProduceResponse(responses=responses), unfinished)


def _append_all(
    context: RequestContext,
    request: ProduceRequest,
    unfinished: list[_Unfinished],
    responses: list[TopicProduceResponse],
) -> Iterator[None]:
    """Appends to any number of partitions, whatever there is for them. Pauses after so many of them, unless nobody
    waits for an answer: an error ends the connection then, which has to be at once."""
    named = request.topic_data
    topic_data, unsound = without_repetitions(context.api_version, named)
    request.topic_data = topic_data
    headers = [
        read_plain_header(context.api_version, partition.records)
        for data in topic_data
        for partition in data.partition_data
    ]
    has_repetitions = len(headers) != sum(len(data.partition_data) for data in named)
    refusal = refusal_of_request(context, request, named) if None in headers or has_repetitions else None
    next_header = iter(headers)
    in_step = 0
    is_kept = False
    for data in topic_data:
        name = _name_of(context, data)
        answers: list[PartitionProduceResponse] = []
        responses.append(TopicProduceResponse(name=data.name, topic_id=data.topic_id, partition_responses=answers))
        for partition in data.partition_data:
            if in_step == PARTITIONS_PER_STEP and request.acks:
                if not is_kept:
                    _keep_records(topic_data)
                    is_kept = True
                in_step = 0
                yield
            in_step += 1
            if refusal is None:
                answer = _append(context, request, name, partition, next(next_header), unfinished)
                error = unsound.get((data.name, data.topic_id, partition.index))
                if error is not None and answer.error_code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                    answer = PartitionProduceResponse(index=partition.index, error_code=error.error, base_offset=-1)
            else:
                answer = PartitionProduceResponse(
                    index=partition.index, error_code=refusal.error, error_message=_text_of(refusal), base_offset=-1
                )
            answers.append(answer)


def _keep_records(topic_data: list[TopicProduceData]) -> None:
    """Copies records that are looked at after the handler has returned."""
    for data in topic_data:
        for partition in data.partition_data:
            if partition.records is not None:
                partition.records = memoryview(bytes(partition.records))


def _answer(
    request: ProduceRequest, responses: list[TopicProduceResponse], unfinished: list[_Unfinished]
) -> ProduceResponse | Awaitable[ProduceResponse] | None:
    if request.acks != 0:
        response = ProduceResponse(responses=responses)
        return asyncio.ensure_future(_when_finished(response, unfinished)) if unfinished else response
    errors = {p.error_code for topic in responses for p in topic.partition_responses if p.error_code}
    if errors:
        names = ", ".join(sorted(ErrorCode.for_code(code).name for code in errors))
        raise ProtocolError(f"a produce request with acks=0 failed: {names}")
    return None


def _name_of(context: RequestContext, data: TopicProduceData) -> str | None:
    """The topic's name, None for an id that no topic has."""
    if context.api_version < FIRST_TOPIC_ID_VERSION:
        return data.name
    image = context.broker.metadata.image.topics.by_id.get(data.topic_id)
    return None if image is None else image.name


async def _when_finished(response: ProduceResponse, unfinished: list[_Unfinished]) -> ProduceResponse:
    for waiting, log, answer in unfinished:
        error = await waiting
        if error is not None:
            refusal = _refusal(log, answer.index, error)
            for name in ("error_code", "error_message", "base_offset", "log_append_time_ms", "log_start_offset"):
                setattr(answer, name, getattr(refusal, name))
    return response


def _append(
    context: RequestContext,
    request: ProduceRequest,
    topic: str | None,
    data: PartitionProduceData,
    plain_header: BatchHeader | None,
    unfinished: list[_Unfinished],
) -> PartitionProduceResponse:
    broker = context.broker
    index = data.index
    try:
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
        log = broker.leader_log(topic, index)
        if plain_header is None:
            check_records(context.api_version, data.records or EMPTY)
        if request.acks not in VALID_ACKS:
            raise KafkaError(ErrorCode.INVALID_REQUIRED_ACKS)
        if topic in INTERNAL_TOPICS and context.client_id != ADMIN_CLIENT_ID:
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)
    except KafkaError as error:
        return PartitionProduceResponse(index=index, error_code=error.error, base_offset=-1)
    guard = None
    if plain_header is None:
        try:
            guard = start_transactional_write(context, request, log, data.records or EMPTY)
        except KafkaError as error:
            return refusal_of_transaction(context.api_version, index, error)
    now_ms = broker.clock.now_ms()
    try:
        if (
            plain_header is not None
            and plain_header[5] & COMPRESSION_MASK
            and request.acks
            and data.records is not None
            and not log.append_rules.must_validate_records
            and is_slow_to_validate(plain_header, data.records)
        ):
            answer = PartitionProduceResponse(index=index)
            records = data.records if plain_header[1] >= LARGE_BATCH else memoryview(bytes(data.records))
            appending = _validate_and_append(context, topic, log, records, plain_header, answer)
            # What has been received is appended, whether or not its client is still there to hear of it.
            unfinished.append((asyncio.shield(asyncio.ensure_future(appending)), log, answer))
            return answer
        if (
            plain_header is not None
            and plain_header[1] >= LARGE_BATCH
            and request.acks
            and log.context.filesystem.is_durable  # memory takes any batch at once
        ):
            begun = log.begin_append(data.records, now_ms=now_ms, header=plain_header)
            if isinstance(begun, UnfinishedAppend):
                answer = PartitionProduceResponse(index=index)
                written = broker.log_appender.write(begun)
                finishing = asyncio.ensure_future(_finish_append(context, begun, written, log, answer))
                unfinished.append((finishing, log, answer))
                return answer
            appended = begun
        else:
            appended = log.append(
                data.records, now_ms=now_ms, header=plain_header, verification_guard=guard, defer_flush=True
            )
    except KafkaError as error:
        return _refusal(log, index, error)
    answer = PartitionProduceResponse(
        index=index,
        base_offset=appended.first_offset,
        log_append_time_ms=appended.log_append_time_ms,
        log_start_offset=appended.log_start_offset,
    )
    if appended.is_flush_due:
        unfinished.append((broker.log_flusher.flush(log), log, answer))
    return answer


async def _finish_append(
    context: RequestContext,
    append: UnfinishedAppend,
    written: Awaitable[None],
    log: PartitionLog,
    answer: PartitionProduceResponse,
) -> KafkaError | None:
    """Waits for a batch that a worker thread writes, and for its flush where one is due."""
    await written
    try:
        appended = append.finish()
    except KafkaError as error:
        return error
    return await _finish_answer(context, appended, log, answer)


async def _validate_and_append(
    context: RequestContext,
    topic: str,
    log: PartitionLog,
    records: memoryview,
    header: BatchHeader,
    answer: PartitionProduceResponse,
) -> KafkaError | None:
    """Appends a batch that a worker thread looks into first, if it still finds its log then."""
    broker, config = context.broker, log.config
    refusal = await broker.batch_validator.validate(records, log.topic_partition, config.max_message_bytes, header)
    if refusal is not None:
        return refusal
    try:
        found = broker.leader_log(topic, answer.index)  # not always the same: it may have been deleted, or moved
        if found.topic_id != log.topic_id:
            return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        appended = found.begin_append(
            records, now_ms=broker.clock.now_ms(), header=header, is_validated=found.config is config
        )
        if isinstance(appended, UnfinishedAppend):
            if header[1] >= LARGE_BATCH and found.context.filesystem.is_durable:
                return await _finish_append(context, appended, broker.log_appender.write(appended), found, answer)
            appended.write()
            appended = appended.finish()
    except KafkaError as error:
        return error
    return await _finish_answer(context, appended, found, answer)


async def _finish_answer(
    context: RequestContext, appended: LogAppendInfo, log: PartitionLog, answer: PartitionProduceResponse
) -> KafkaError | None:
    """Fills in where a batch went, and waits for its flush where one is due."""
    answer.base_offset = appended.first_offset
    answer.log_append_time_ms = appended.log_append_time_ms
    answer.log_start_offset = appended.log_start_offset
    return await context.broker.log_flusher.flush(log) if appended.is_flush_due else None


def _text_of(refusal: KafkaError) -> str | None:
    """The text that goes with a refused request: none where the error says it all."""
    return None if refusal.error is ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED else refusal.message


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
