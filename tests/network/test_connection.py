"""Connections: frames in pieces and many at once, order, waiting, slow readers, and bytes that are no requests."""

from __future__ import annotations

import logging
import os
import random
import select
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.client.wire_client import WireClient
from kafkalite.network.connection import SENDFILE_LIMIT
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataResponse
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.testing import KafkaliteServer

Connect = Callable[[], Any]
METADATA = MetadataRequest(topics=[])
_sendfile = os.sendfile


def produce_request(topic: str, size: int = 10, *, partition: int = 0, acks: int = -1) -> ProduceRequest:
    batch = build_batch([Record(0, 1000, None, b"v" * size, [])])
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=batch)])
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=[data])


def fetch_request(topic: str, offset: int = 0, *, max_wait_ms: int = 0, max_bytes: int = 1 << 20) -> FetchRequest:
    partition = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=1,
        max_bytes=max_bytes,
        topics=[FetchTopic(topic=topic, partitions=[partition])],
    )


def test_a_request_may_arrive_byte_by_byte(connect: Connect) -> None:
    connection = connect()
    for byte in connection.frame(METADATA, 9, 7):
        connection.send(bytes((byte,)))
    payload = connection.receive()
    assert payload[:4] == struct.pack(">i", 7)
    assert len(MetadataResponse.decode(payload[5:], 9).brokers) == 1


def test_many_requests_in_one_piece_are_answered_in_order(connect: Connect, topic: str) -> None:
    connection = connect()
    frames = []
    for number in range(0, 300, 3):
        frames.append(connection.frame(METADATA, 9, number))
        frames.append(connection.frame(produce_request(topic), 9, number + 1))
        frames.append(connection.frame(fetch_request(topic), 12, number + 2))
    connection.send(b"".join(frames))
    assert [connection.receive_correlation_id() for _ in range(300)] == list(range(300))


def wait_for_readers(kafka: KafkaliteServer, count: int) -> None:
    """Returns when so many requests wait for records."""
    assert kafka._server is not None
    deadline = time.monotonic() + 10
    while kafka._server.broker.fetch_purgatory.size < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_one_who_waits_for_a_record_hears_of_it_before_its_writer(
    kafka: KafkaliteServer, connect: Connect, topic: str
) -> None:
    reader, writer = connect(), connect()
    for offset in range(20):
        if offset % 2:  # in either order of their first requests
            writer.send(writer.frame(METADATA, 9, 0))
            writer.receive()
        reader.send(reader.frame(fetch_request(topic, offset, max_wait_ms=10_000), 12, offset))
        wait_for_readers(kafka, 1)
        writer.send(writer.frame(produce_request(topic), 9, offset))
        assert writer.receive_correlation_id() == offset
        reader.socket.setblocking(False)  # the answer is there already
        payload = reader.receive()
        reader.socket.settimeout(10)
        assert int.from_bytes(payload[:4], "big") == offset
        [data] = FetchResponse.decode(payload[5:], 12).responses
        assert data.partitions[0].high_watermark == offset + 1


def test_many_who_wait_for_a_record_do_not_hold_up_its_writer(
    kafka: KafkaliteServer, connect: Connect, topic: str
) -> None:
    readers, writer = [connect() for _ in range(10)], connect()
    for reader in readers:
        reader.send(reader.frame(fetch_request(topic, max_wait_ms=10_000), 12, 1))
    wait_for_readers(kafka, len(readers))
    writer.send(writer.frame(produce_request(topic), 9, 2))
    assert writer.receive_correlation_id() == 2
    for reader in readers:
        [data] = FetchResponse.decode(reader.receive()[5:], 12).responses
        assert data.partitions[0].high_watermark == 1


def test_frames_of_all_sizes_cut_anywhere_arrive_whole(connect: Connect, topic: str) -> None:
    connection = connect()
    chance = random.Random(1)
    sizes = [chance.choice([1, 100, 5_000, 70_000, 300_000]) for _ in range(60)]
    stream = b"".join(connection.frame(produce_request(topic, size), 9, i) for i, size in enumerate(sizes))
    position = 0
    offsets = []
    answered = 0
    while position < len(stream):
        step = chance.choice([1, 3, 1000, 40_000, 400_000])
        connection.send(stream[position : position + step])
        position += step
    while answered < len(sizes):
        payload = connection.receive()
        assert int.from_bytes(payload[:4], "big") == answered
        [data] = ProduceResponse.decode(payload[5:], 9).responses
        offsets.append(data.partition_responses[0].base_offset)
        answered += 1
    assert offsets == list(range(len(sizes)))


def test_what_follows_a_waiting_request_waits_for_it(connect: Connect, topic: str, client: WireClient) -> None:
    connection = connect()
    waiting = connection.frame(fetch_request(topic, max_wait_ms=30_000), 12, 1)
    connection.send(waiting + connection.frame(METADATA, 9, 2) + connection.frame(METADATA, 9, 3))
    client.send(produce_request(topic), 9)
    payload = connection.receive()
    assert int.from_bytes(payload[:4], "big") == 1
    response = FetchResponse.decode(payload[5:], 12)
    assert len(response.responses[0].partitions[0].records) > 61
    assert [connection.receive_correlation_id() for _ in range(2)] == [2, 3]


def test_large_frames_behind_a_waiting_request_are_received_meanwhile_and_answered_in_order(
    connect: Connect, topic: str, client: WireClient
) -> None:
    connection = connect()
    connection.send(connection.frame(fetch_request(topic, max_wait_ms=10_000), 12, 0))
    sizes = [100_000, 300_000, 10, 900_000, 70_000]
    for number, size in enumerate(sizes, start=1):
        connection.send(connection.frame(produce_request(topic, size), 9, number))
    client.send(produce_request(topic, 1), 9)  # the fetch need not wait any longer
    assert connection.receive_correlation_id() == 0
    for number in range(1, 6):
        payload = connection.receive()
        assert int.from_bytes(payload[:4], "big") == number
        [data] = ProduceResponse.decode(payload[5:], 9).responses
        assert data.partition_responses[0].base_offset == number


def test_a_request_without_an_answer_shifts_nothing(connect: Connect, topic: str) -> None:
    connection = connect()
    silent = connection.frame(produce_request(topic, acks=0), 9, 1)
    connection.send(silent + silent + connection.frame(METADATA, 9, 2))
    assert connection.receive_correlation_id() == 2


def test_a_client_that_never_reads_costs_one_batch_of_answers(
    connect: Connect, topic: str, client: WireClient, kafka: Any
) -> None:
    for _ in range(20):
        client.send(produce_request(topic, 900_000), 9)
    connection = connect()
    request = connection.frame(fetch_request(topic, max_bytes=50_000_000), 12, 1)
    connection.socket.settimeout(0.5)
    sent = 0
    try:
        while sent < 200_000:  # requests for 18 MB each: as many as the broker takes without being read from
            connection.send(request)
            sent += 1
    except TimeoutError:
        pass
    assert sent < 200_000
    assert client.send(METADATA, 9).brokers[0].port == kafka.port
    connection.socket.settimeout(10)
    payload = connection.receive()
    assert len(FetchResponse.decode(payload[5:], 12).responses[0].partitions[0].records) > 15_000_000


def _send_all(out: int, file: int, position: int, size: int) -> int:
    """os.sendfile to a socket whose reader is as fast as that."""
    sent = 0
    while sent < size:
        select.select([], [out], [])
        try:
            sent += _sendfile(out, file, position + sent, size - sent)
        except BlockingIOError:
            continue
    return sent


def test_many_partitions_arrive_whole_where_the_socket_takes_all_at_once(
    connect: Connect, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions = range(9)
    created = CreatableTopic(name="many", num_partitions=len(partitions), replication_factor=1)
    assert client.send(CreateTopicsRequest(topics=[created])).topics[0].error_code == 0
    for partition in partitions:
        request = produce_request("many", 900_000, partition=partition)
        for _ in range(2):
            assert client.send(request, 9).responses[0].partition_responses[0].error_code == 0
    size = SENDFILE_LIMIT // 4  # as much as one connection may send in a row, when four of them have been sent
    assert size < 2 * 900_000
    wanted = [FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=size) for index in partitions]
    fetch = FetchRequest(
        max_wait_ms=0, min_bytes=1, max_bytes=50_000_000, topics=[FetchTopic(topic="many", partitions=wanted)]
    )
    monkeypatch.setattr("os.sendfile", _send_all)
    connection = connect()
    connection.send(connection.frame(fetch, 12, 1))
    response = FetchResponse.decode(connection.receive()[5:], 12)
    assert [len(each.records) for each in response.responses[0].partitions] == [size] * len(partitions)


def test_records_are_the_same_however_slowly_they_are_read(connect: Connect, topic: str, client: WireClient) -> None:
    for size in (10, 200_000, 900_000):
        client.send(produce_request(topic, size), 9)
    expected = bytes(client.send(fetch_request(topic, max_bytes=10_000_000), 12).responses[0].partitions[0].records)
    assert len(expected) > 1_100_000
    connection = connect()
    connection.send(connection.frame(fetch_request(topic, max_bytes=10_000_000), 12, 5))
    time.sleep(0.05)  # the socket's buffers are full now
    response = FetchResponse.decode(connection.receive()[5:], 12)
    assert bytes(response.responses[0].partitions[0].records) == expected


# --- bytes that are no requests ---


def assert_others_are_served(client: WireClient) -> None:
    assert client.send(ApiVersionsRequest(client_software_name="a", client_software_version="1")).error_code == 0


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (struct.pack(">i", -1), "Invalid receive (size = -1)"),
        (struct.pack(">i", 1_000_001), "Invalid receive (size = 1000001 larger than 1000000)"),
        (struct.pack(">i", 0x7FFFFFFF), "Invalid receive (size = 2147483647 larger than 1000000)"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "Invalid receive (size = 1195725856 larger than 1000000)"),
        (struct.pack(">i", 0), "ends too early"),
        (struct.pack(">ihh", 4, 3, 9), "ends too early"),
        (struct.pack(">ihhih", 10, 9999, 0, 1, -1), "API key 9999 is not served here"),
        (struct.pack(">ihhih", 10, -1, 0, 1, -1), "API key -1 is not served here"),
        (struct.pack(">ihhih", 10, 3, 99, 1, -1), "version 99 of METADATA is not served"),
        (struct.pack(">ihhih", 10, 0, 2, 1, -1), "version 2 of PRODUCE is not served"),
        (struct.pack(">ihhih", 10, 3, 1, 1, -5), "ends too early"),
        (struct.pack(">ihhih", 10, 18, 99, 1, -1), "ends too early"),
        (struct.pack(">ihhih", 10, 18, -1, 1, 5), "ends too early"),
        (struct.pack(">ihhih", 10, 3, 1, 1, 500), "ends too early"),
        (struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0x7FFFFFFF), "topics"),
        (struct.pack(">ihhihi", 14, 3, 0, 1, -1, -1), "non-nullable field topics was serialized as null"),
    ],
    ids=range(16),
)
def test_what_is_no_request_ends_that_connection_with_one_line(
    connect: Connect, client: WireClient, caplog: pytest.LogCaptureFixture, payload: bytes, reason: str
) -> None:
    client.api_versions()
    connection = connect()
    with caplog.at_level(logging.INFO, "kafkalite"):
        connection.send(payload)
        assert connection.is_closed_by_the_broker()
    [record] = [record for record in caplog.records if record.name.startswith("kafkalite.network")]
    assert reason in record.getMessage()
    assert record.exc_info is None
    assert_others_are_served(client)


def test_an_unknown_version_of_api_versions_is_answered_in_the_oldest_form(connect: Connect) -> None:
    connection = connect()
    connection.send(struct.pack(">ihhihb", 11, 18, 99, 42, -1, 0))
    payload = connection.receive()
    assert payload[:4] == struct.pack(">i", 42)
    response = ApiVersionsResponse.decode(payload[4:], 0)
    assert response.error_code == 35
    assert [(api.api_key, api.min_version, api.max_version) for api in response.api_keys] == [(18, 0, 5)]


def test_what_came_before_bad_bytes_is_answered(connect: Connect, client: WireClient) -> None:
    connection = connect()
    connection.send(connection.frame(METADATA, 9, 1) + struct.pack(">i", -1))
    assert connection.receive_correlation_id() == 1
    assert connection.is_closed_by_the_broker()
    assert_others_are_served(client)


def test_a_request_that_is_cut_off_half_way_leaves_nothing(connect: Connect, client: WireClient, topic: str) -> None:
    for size in (10, 500_000):
        connection = connect()
        frame = connection.frame(produce_request(topic, size), 9, 1)
        connection.send(frame[: len(frame) // 2])
        connection.close()
    assert client.send(produce_request(topic), 9).responses[0].partition_responses[0].base_offset == 0


def test_random_bytes_disturb_nobody(connect: Connect, client: WireClient, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(7)
    with caplog.at_level(logging.WARNING, "kafkalite"):
        for _ in range(150):
            connection = connect()
            noise = chance.randbytes(chance.choice([1, 10, 60, 300]))
            if chance.random() < 0.8:  # a frame of the right size with a known API and nonsense in it
                key, version = chance.randrange(0, 62), chance.randrange(0, 6)
                noise = struct.pack(">ihhi", len(noise) + 8, key, version, 1) + noise
            connection.send(noise)
            connection.close()
        assert_others_are_served(client)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_frames_larger_than_allowed_take_no_memory_on_their_word(connect: Connect, client: WireClient) -> None:
    connections = [connect() for _ in range(50)]
    for connection in connections:
        connection.send(struct.pack(">i", 1_000_000) + b"\0\0\0\x12")
    assert_others_are_served(client)
