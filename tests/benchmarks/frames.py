"""Requests as they travel, and where in requests and responses the numbers are that a load generator has to know.

A position is counted from the start of the frame, its int32 size included. Positions are found by encoding a message
with a number in that place that occurs nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from kafkalite.identifiers import Uuid
from kafkalite.protocol.headers import RequestHeader, ResponseHeader
from kafkalite.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from kafkalite.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from kafkalite.protocol.schema import Request, Response
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch

# What librdkafka 2.x and the Java clients speak today: topics have ids in both.
PRODUCE_VERSION: Final = 13
FETCH_VERSION: Final = 17

_INT64_MARK: Final = 0x1A2B3C4D5E6F7081
_INT16_MARK: Final = 0x2A3B
_TIMESTAMP_MS: Final = int(time.time() * 1000)  # records that are old would go with the first look at retention


def frame(request: Request, version: int) -> bytes:
    """A request with its size and header; its correlation id is always 1, because responses come in order anyway."""
    header = RequestHeader(
        request_api_key=request.api_key, request_api_version=version, correlation_id=1, client_id="benchmark"
    )
    body = header.encode(2 if version in type(request).flexible_versions else 1) + request.encode(version)
    return len(body).to_bytes(4) + body


def response_frame(response: Response, version: int) -> bytes:
    header = ResponseHeader(correlation_id=1).encode(1 if version in type(response).flexible_versions else 0)
    body = header + response.encode(version)
    return len(body).to_bytes(4) + body


def int64_position(encode: Callable[[int], bytes]) -> int:
    """Where an int64 stands in what `encode` makes of it."""
    return _only_position(encode(_INT64_MARK), _INT64_MARK.to_bytes(8))


def int32_position(encode: Callable[[int], bytes]) -> int:
    return _only_position(encode(_INT64_MARK >> 32), (_INT64_MARK >> 32).to_bytes(4))


def int16_position(encode: Callable[[int], bytes]) -> int:
    return _only_position(encode(_INT16_MARK), _INT16_MARK.to_bytes(2))


def _only_position(encoded: bytes, mark: bytes) -> int:
    assert encoded.count(mark) == 1, f"{mark.hex()} occurs {encoded.count(mark)} times"
    return encoded.index(mark)


def batch(records: int = 1, value_size: int = 100, key: bytes | None = None) -> bytes:
    value = bytes(range(1, 256)) * (value_size // 255 + 1)
    return build_batch([Record(number, _TIMESTAMP_MS, key, value[:value_size], ()) for number in range(records)])


def produce(topic_id: Uuid, partition: int, records: bytes, *, acks: int = -1) -> bytes:
    partitions = [PartitionProduceData(index=partition, records=records)]
    topics = [TopicProduceData(topic_id=topic_id, partition_data=partitions)]
    return frame(ProduceRequest(acks=acks, timeout_ms=30_000, topic_data=topics), PRODUCE_VERSION)


def produce_error_position() -> int:
    """Where the int16 error code is in the response to a Produce of one batch."""
    return int16_position(lambda mark: _produce_response(error_code=mark))


def produce_offset_position() -> int:
    """Where the int64 base offset is in the response to a Produce of one batch."""
    return int64_position(lambda mark: _produce_response(base_offset=mark))


def produce_response_size() -> int:
    return len(_produce_response())


def _produce_response(*, error_code: int = 0, base_offset: int = 0) -> bytes:
    partitions = [PartitionProduceResponse(index=0, error_code=error_code, base_offset=base_offset)]
    topics = [TopicProduceResponse(topic_id=Uuid(bytes(16)), partition_responses=partitions)]
    return response_frame(ProduceResponse(responses=topics), PRODUCE_VERSION)


def fetch(
    topic_id: Uuid,
    partition: int,
    offset: int,
    *,
    max_wait_ms: int = 30_000,
    min_bytes: int = 1,
    max_bytes: int = 1 << 20,
    session_id: int = 0,
    session_epoch: int = -1,
) -> bytes:
    """A Fetch of one partition, outside of any session unless one is given."""
    partitions = [FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes)]
    request = FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        session_id=session_id,
        session_epoch=session_epoch,
        topics=[FetchTopic(topic_id=topic_id, partitions=partitions)],
    )
    return frame(request, FETCH_VERSION)


def fetch_offset_position(topic_id: Uuid) -> int:
    """Where the int64 fetch offset is in `fetch`'s frame."""
    return int64_position(lambda mark: fetch(topic_id, 0, mark))


def fetch_session_epoch_position(topic_id: Uuid) -> int:
    return int32_position(lambda mark: fetch(topic_id, 0, 0, session_epoch=mark))


def fetch_error_position() -> int:
    """Where the int16 error code of the whole response to a Fetch is."""
    return int16_position(lambda mark: response_frame(FetchResponse(error_code=mark), FETCH_VERSION))


def fetch_partition_error_position() -> int:
    """Where the int16 error code of the only partition is in the response to a Fetch."""
    return int16_position(lambda mark: _fetch_response(error_code=mark))


def fetch_records_position() -> int:
    """Where the unsigned varint with the size of the records begins in the response to a Fetch of one partition."""
    return _fetch_response(records=b"\xee").index(b"\x02\xee")


def _fetch_response(*, error_code: int = 0, records: bytes = b"") -> bytes:
    partition = PartitionData(
        partition_index=0, error_code=error_code, log_start_offset=0, aborted_transactions=None, records=records
    )
    topics = [FetchableTopicResponse(topic_id=Uuid(bytes(16)), partitions=[partition])]
    return response_frame(FetchResponse(responses=topics), FETCH_VERSION)
