"""Positions in requests and responses are where the numbers are."""

from __future__ import annotations

import struct

import frames

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from kafkalite.protocol.messages.produce import PartitionProduceResponse, ProduceResponse, TopicProduceResponse
from kafkalite.records.record_batch import check_crc, read_header

TOPIC = Uuid(bytes(range(16)))


def test_a_batch_is_one_that_a_broker_takes() -> None:
    batch = frames.batch(10, 100)
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert header.records_count == 10
    assert header.size_in_bytes == len(batch)


def test_a_frame_begins_with_its_size() -> None:
    frame = frames.produce(TOPIC, 3, frames.batch())
    assert struct.unpack_from(">ihhi", frame) == (len(frame) - 4, 0, frames.PRODUCE_VERSION, 1)


def test_fetch_offset_and_session_epoch_of_a_request() -> None:
    frame = frames.fetch(TOPIC, 0, 77, session_id=5, session_epoch=9)
    assert struct.unpack_from(">q", frame, frames.fetch_offset_position(TOPIC)) == (77,)
    assert struct.unpack_from(">i", frame, frames.fetch_session_epoch_position(TOPIC)) == (9,)


def test_error_and_offset_of_a_produce_response() -> None:
    partition = PartitionProduceResponse(index=3, error_code=42, base_offset=123_456_789_012)
    topic = TopicProduceResponse(topic_id=TOPIC, partition_responses=[partition])
    frame = frames.response_frame(ProduceResponse(responses=[topic]), frames.PRODUCE_VERSION)
    assert struct.unpack_from(">h", frame, frames.produce_error_position()) == (42,)
    assert struct.unpack_from(">q", frame, frames.produce_offset_position()) == (123_456_789_012,)


def test_errors_and_records_of_a_fetch_response() -> None:
    batch = frames.batch()
    partition = PartitionData(partition_index=1, error_code=7, high_watermark=3, log_start_offset=0, records=batch)
    topic = FetchableTopicResponse(topic_id=TOPIC, partitions=[partition])
    frame = frames.response_frame(FetchResponse(error_code=70, responses=[topic]), frames.FETCH_VERSION)
    assert struct.unpack_from(">h", frame, frames.fetch_error_position()) == (70,)
    assert struct.unpack_from(">h", frame, frames.fetch_partition_error_position()) == (7,)
    position = frames.fetch_records_position()
    assert frame[position : position + 2] == bytes([(len(batch) + 1) & 0x7F | 0x80, (len(batch) + 1) >> 7])
    assert frame[position + 2 : position + 2 + len(batch)] == batch
