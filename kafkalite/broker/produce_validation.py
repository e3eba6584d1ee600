"""What a Produce request may carry, whichever partitions it names (ProduceRequest.validateRecords,
KafkaApis.handleProduceRequest): the batch that nearly all have, and what is wrong with others."""

from __future__ import annotations

from typing import Final

from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.compression import CompressionType
from kafkalite.records.record_batch import (
    COMPRESSION_MASK,
    LOG_OVERHEAD,
    MAGIC_POSITION,
    RECORD_BATCH_OVERHEAD,
    TRANSACTIONAL_MASK,
    BatchHeader,
    iter_batches,
    read_header,
)

EMPTY: Final = memoryview(b"")
FIRST_ZSTD_VERSION: Final = 7


def read_plain_header(version: int, records: memoryview | None) -> BatchHeader | None:
    """The header of what nearly all producers send: one whole batch of format 2, in no transaction. None for others."""
    if records is None or len(records) <= RECORD_BATCH_OVERHEAD or records[MAGIC_POSITION] != 2:
        return None
    header = read_header(records)
    attributes = header[5]
    if (
        header[1] + LOG_OVERHEAD != len(records)
        or attributes & TRANSACTIONAL_MASK
        or (version < FIRST_ZSTD_VERSION and attributes & COMPRESSION_MASK >= CompressionType.ZSTD)
    ):
        return None
    return header


def without_repetitions(
    version: int, topic_data: list[TopicProduceData]
) -> tuple[list[TopicProduceData], dict[tuple[str, Uuid, int], KafkaError]]:
    """Each topic and each partition once. Of a partition that is named twice the last sound records are appended; what
    was wrong with others is its answer all the same."""
    topics: dict[tuple[str, Uuid], dict[int, PartitionProduceData]] = {}
    unsound: dict[tuple[str, Uuid, int], KafkaError] = {}
    for data in topic_data:
        partitions = topics.setdefault((data.name, data.topic_id), {})
        for partition in data.partition_data:
            earlier = partitions.setdefault(partition.index, partition)
            if earlier is partition:
                continue
            partitions[partition.index] = partition
            for candidate in (earlier, partition):
                try:
                    if candidate.records is not None:
                        check_records(version, candidate.records)
                except KafkaError as error:
                    unsound[data.name, data.topic_id, partition.index] = error
                    if candidate is partition:
                        partitions[partition.index] = earlier
    once = [
        TopicProduceData(name=name, topic_id=topic_id, partition_data=list(partitions.values()))
        for (name, topic_id), partitions in topics.items()
        if partitions
    ]
    return once, unsound


def refusal_of_request(
    context: RequestContext, request: ProduceRequest, topic_data: list[TopicProduceData]
) -> KafkaError | None:
    """What is wrong with some first batch in a way for which Apache Kafka refuses every partition of the request: it
    looks for one that is transactional before anything else, and no further."""
    is_transactional = is_codec_unknown = False
    for data in topic_data:
        for partition in data.partition_data:
            try:
                header = next((header for _, header in iter_batches(partition.records or EMPTY)), None)
            except KafkaError as error:
                if is_transactional:
                    continue  # its own partition's trouble
                return error
            if header is None:
                continue
            if header.is_transactional:
                if request.transactional_id is None:
                    return KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
                is_transactional = True
            if context.api_version < FIRST_ZSTD_VERSION and header.attributes & COMPRESSION_MASK > CompressionType.ZSTD:
                # Apache Kafka looks at the codec of what is for partitions that it knows.
                topic = context.broker.metadata.image.topics.topic(data.name)
                is_codec_unknown |= topic is not None and partition.index in topic.partitions
    return KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) if is_codec_unknown else None


def check_records(version: int, records: memoryview) -> None:
    """Raises KafkaError unless a request of this version may carry these records (ProduceRequest.validateRecords)."""
    batches = iter_batches(records)
    first = next(batches, None)
    if first is None or first[1].magic != 2:
        raise KafkaError(ErrorCode.INVALID_RECORD)
    if version < FIRST_ZSTD_VERSION and first[1].compression_type is CompressionType.ZSTD:
        raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    if next(batches, None) is not None:
        raise KafkaError(ErrorCode.INVALID_RECORD)
