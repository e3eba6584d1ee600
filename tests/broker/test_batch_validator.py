"""Large batches in gzip through a broker: worker threads look into them, and others are served meanwhile."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Event

import pytest

from kafkalite.broker import batch_validator
from kafkalite.broker.batch_validator import LARGE_GZIP_BATCH, is_slow_to_validate
from kafkalite.broker.log_appender import LARGE_BATCH
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, compute_crc, decode_records, iter_batches, read_header
from kafkalite.testing import KafkaliteServer

VERSION = 9
Validate = Callable[..., KafkaError | None]


@pytest.fixture(params=["disk", "memory"])
def kafka(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KafkaliteServer]:
    directory = str(tmp_path / "data") if request.param == "disk" else None
    with KafkaliteServer(directory, config={"message.max.bytes": 4 << 20}) as server:
        yield server


@pytest.fixture
def client(kafka: KafkaliteServer) -> Iterator[WireClient]:
    with WireClient(kafka.bootstrap_servers) as opened:
        create_topic(opened)
        yield opened


@pytest.fixture
def slow_validation(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, Event]]:
    """Set when a batch is about to be looked into; and what it waits for then."""
    began, may_go_on = Event(), Event()
    validate: Validate = batch_validator._validate

    def wait_and_validate(*arguments: object) -> KafkaError | None:
        began.set()
        assert may_go_on.wait(20)
        return validate(*arguments)

    monkeypatch.setattr(batch_validator, "_validate", wait_and_validate)
    yield began, may_go_on
    may_go_on.set()


def create_topic(client: WireClient) -> None:
    request = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=2, replication_factor=1)])
    assert client.send(request).topics[0].error_code == 0


def batch(size: int = LARGE_GZIP_BATCH, codec: CompressionType = CompressionType.GZIP, **facts: int) -> bytes:
    """One record of random bytes, which no codec makes smaller."""
    record = Record(0, 1000, None, Random(size).randbytes(size), ())
    return build_batch([record], compression=codec, **facts)  # type: ignore[arg-type]


def request_of(batches: dict[int, bytes], acks: int = -1) -> ProduceRequest:
    data = [PartitionProduceData(index=index, records=batch) for index, batch in batches.items()]
    return ProduceRequest(acks=acks, timeout_ms=30_000, topic_data=[TopicProduceData(name="t", partition_data=data)])


def answers(response: ProduceResponse) -> dict[int, PartitionProduceResponse]:
    return {answer.index: answer for answer in response.responses[0].partition_responses}


def produce(client: WireClient, records: bytes, acks: int = -1) -> PartitionProduceResponse:
    return answers(client.send(request_of({0: records}, acks), version=VERSION))[0]


def frame_of(correlation_id: int, request: ProduceRequest) -> bytes:
    body = struct.pack(">hhihx", ProduceRequest.api_key, VERSION, correlation_id, -1) + request.encode(VERSION)
    return struct.pack(">i", len(body)) + body


def read_answer(connection: socket.socket) -> tuple[int, PartitionProduceResponse]:
    (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
    frame = connection.recv(size, socket.MSG_WAITALL)
    return struct.unpack_from(">i", frame)[0], answers(ProduceResponse.decode(frame[5:], VERSION))[0]


def sizes_in_log(client: WireClient, partition: int = 0) -> list[int]:
    """The sizes of the values, by rising offsets."""
    wanted = FetchPartition(partition=partition, fetch_offset=0, partition_max_bytes=1 << 28)
    request = FetchRequest(max_wait_ms=0, max_bytes=1 << 28, topics=[FetchTopic(topic="t", partitions=[wanted])])
    fetched = client.send(request, version=12).responses[0].partitions[0]
    found: list[int] = []
    for position, header in iter_batches(fetched.records):
        assert header.base_offset == len(found)
        found += [len(record.value or b"") for record in decode_records(fetched.records, position)]
    return found


@pytest.mark.parametrize(
    ("codec", "size", "is_slow"),
    [
        (CompressionType.NONE, 4 * LARGE_BATCH, False),
        (CompressionType.GZIP, LARGE_GZIP_BATCH, True),
        (CompressionType.GZIP, LARGE_GZIP_BATCH // 2, False),
        (CompressionType.LZ4, LARGE_BATCH, False),
        (CompressionType.SNAPPY, LARGE_BATCH, False),
        (CompressionType.ZSTD, LARGE_BATCH, False),
    ],
)
def test_large_batches_in_gzip_are_slow_to_look_into(codec: CompressionType, size: int, is_slow: bool) -> None:
    records = batch(size, codec)
    assert is_slow_to_validate(read_header(records), records) is is_slow


def test_few_bytes_of_gzip_are_slow_to_look_into_where_they_stand_for_many() -> None:
    records = build_batch([Record(0, 1000, None, bytes(1 << 20), ())], compression=CompressionType.GZIP)
    assert len(records) < 5_000
    assert is_slow_to_validate(read_header(records), records)


def test_batches_of_all_sizes_and_codecs_are_appended_in_their_order(client: WireClient) -> None:
    sizes = [100, LARGE_GZIP_BATCH, LARGE_BATCH, 1000, 3 * LARGE_BATCH, 200]
    for codec in CompressionType:
        first = len(sizes) * codec
        assert [produce(client, batch(size, codec)).base_offset for size in sizes] == list(range(first, first + 6))
    assert sizes_in_log(client) == sizes * len(CompressionType)


def test_others_append_while_a_batch_is_looked_into(
    kafka: KafkaliteServer, client: WireClient, slow_validation: tuple[Event, Event]
) -> None:
    began, may_go_on = slow_validation
    large = {0: batch(LARGE_BATCH), 1: batch(300, CompressionType.NONE)}
    with socket.create_connection(("localhost", kafka.port)) as connection:
        connection.sendall(frame_of(1, request_of(large)) + frame_of(2, request_of({0: batch(100)})))
        assert began.wait(20)
        assert produce(client, batch(400)).base_offset == 0
        assert (sizes_in_log(client, 0), sizes_in_log(client, 1)) == ([400], [300])
        may_go_on.set()
        answered = [read_answer(connection) for _ in range(2)]
    assert [(number, answer.error_code, answer.base_offset) for number, answer in answered] == [(1, 0, 1), (2, 0, 2)]
    assert sizes_in_log(client) == [400, LARGE_BATCH, 100]


def test_a_batch_whose_records_do_not_decompress_is_refused_and_the_connection_goes_on(client: WireClient) -> None:
    for size in (LARGE_GZIP_BATCH, LARGE_BATCH):
        assert is_slow_to_validate(read_header(batch(size)), batch(size))
        damaged = bytearray(batch(size))
        damaged[100:200] = bytes(100)
        assert produce(client, bytes(damaged)).error_code == ErrorCode.CORRUPT_MESSAGE
        damaged[17:21] = compute_crc(damaged, 0, len(damaged)).to_bytes(4, "big")
        assert produce(client, bytes(damaged)).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        assert produce(client, batch(5 << 20)).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert produce(client, batch()).base_offset == 0


def test_an_idempotent_producer_may_send_batches_again(client: WireClient) -> None:
    for sequence in (0, 1, 0, 1, 2):
        records = batch(producer_id=5, producer_epoch=0, base_sequence=sequence)
        assert produce(client, records).base_offset == sequence
    assert produce(client, batch(producer_id=5, producer_epoch=0, base_sequence=9)).error_code == (
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    )
    assert len(sizes_in_log(client)) == 3


def test_what_was_received_is_appended_even_if_its_client_has_gone(
    kafka: KafkaliteServer, client: WireClient, slow_validation: tuple[Event, Event]
) -> None:
    began, may_go_on = slow_validation
    with socket.create_connection(("localhost", kafka.port)) as connection:
        connection.sendall(frame_of(1, request_of({0: batch()})))
        assert began.wait(20)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    may_go_on.set()
    assert produce(client, batch()).base_offset == 1
    assert sizes_in_log(client) == [LARGE_GZIP_BATCH] * 2


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_topic_that_is_deleted_meanwhile_is_unknown(
    kafka: KafkaliteServer, client: WireClient, slow_validation: tuple[Event, Event], is_made_again: bool
) -> None:
    began, may_go_on = slow_validation
    with socket.create_connection(("localhost", kafka.port)) as connection:
        connection.sendall(frame_of(1, request_of({0: batch(LARGE_BATCH)})))
        assert began.wait(20)
        deleted = client.send(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], timeout_ms=10_000))
        assert deleted.responses[0].error_code == 0
        if is_made_again:
            create_topic(client)
        may_go_on.set()
        _, answer = read_answer(connection)
    assert (answer.error_code, answer.base_offset) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
    if is_made_again:
        assert sizes_in_log(client) == []


def test_without_acknowledgement_batches_keep_their_order(kafka: KafkaliteServer, client: WireClient) -> None:
    with socket.create_connection(("localhost", kafka.port)) as connection:
        connection.sendall(frame_of(1, request_of({0: batch()}, acks=0)) + frame_of(2, request_of({0: batch(50)})))
        correlation_id, answer = read_answer(connection)
    assert (correlation_id, answer.base_offset) == (2, 1)
    assert sizes_in_log(client) == [LARGE_GZIP_BATCH, 50]
