"""Large batches through a broker: written by worker threads, answered in order, whatever comes between."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafkalite.broker.log_appender import LARGE_BATCH, LogAppender
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
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
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_records, iter_batches
from kafkalite.storage.filesystem import Buffer, File, LocalFile, LocalFileSystem
from kafkalite.testing import KafkaliteServer


class DiskThatFills(LocalFileSystem):
    """Takes no batch of more than a megabyte."""

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        file = super().open(path, create=create, read_only=read_only)
        if not path.endswith(".log"):
            return file
        assert isinstance(file, LocalFile)
        full = SmallFile(file._fd, path, file.size)
        file._fd = -1
        return full


class SmallFile(LocalFile):
    __slots__ = ()

    def append(self, *pieces: Buffer) -> None:
        if len(pieces[-1]) > 1 << 20:
            raise OSError(28, "No space left on device")
        super().append(*pieces)


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaliteServer]:
    config = {"message.max.bytes": 4 << 20}
    with KafkaliteServer(str(tmp_path / "data"), config=config, filesystem=DiskThatFills()) as server:
        yield server


@pytest.fixture
def client(kafka: KafkaliteServer) -> Iterator[WireClient]:
    with WireClient(kafka.bootstrap_servers) as opened:
        request = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=3, replication_factor=1)])
        assert opened.send(request).topics[0].error_code == 0
        yield opened


def value_of(number: int, size: int = LARGE_BATCH) -> bytes:
    return hashlib.sha256(b"%d" % number).digest() * (size // 32)


def batch_of(number: int, size: int = LARGE_BATCH, *, producer_id: int = -1) -> bytes:
    record = Record(0, 1000 + number, None, value_of(number, size), ())
    if producer_id < 0:
        return build_batch([record])
    return build_batch([record], producer_id=producer_id, producer_epoch=0, base_sequence=number)


def produce(client: WireClient, batches: dict[int, bytes], acks: int = -1) -> dict[int, PartitionProduceResponse]:
    data = [PartitionProduceData(index=index, records=batch) for index, batch in batches.items()]
    topic_data = [TopicProduceData(name="t", partition_data=data)]
    response = client.send(ProduceRequest(acks=acks, timeout_ms=10_000, topic_data=topic_data), 9)
    return {answer.index: answer for answer in response.responses[0].partition_responses}


def values_in(client: WireClient, partition: int) -> list[bytes | None]:
    found: list[bytes | None] = []
    while True:
        wanted = FetchPartition(partition=partition, fetch_offset=len(found), partition_max_bytes=1 << 20)
        fetch = FetchRequest(max_wait_ms=0, max_bytes=1 << 24, topics=[FetchTopic(topic="t", partitions=[wanted])])
        records = client.send(fetch, 11).responses[0].partitions[0].records
        if not records:
            return found
        for position, header in iter_batches(records):
            if header.next_offset > len(found):
                found += [record.value for record in decode_records(records, position)]


def test_large_and_small_batches_stand_in_the_order_in_which_they_were_answered(client: WireClient) -> None:
    for number in range(12):
        answers = produce(client, {0: batch_of(number, LARGE_BATCH if number % 3 else 64), 1: batch_of(number)})
        assert [(answer.error_code, answer.base_offset) for answer in answers.values()] == [(0, number)] * 2
    assert values_in(client, 0) == [value_of(number, LARGE_BATCH if number % 3 else 64) for number in range(12)]
    assert values_in(client, 1) == [value_of(number) for number in range(12)]


def test_a_batch_that_does_not_fit_on_the_disk_is_refused_and_its_directory_taken_offline(client: WireClient) -> None:
    assert produce(client, {0: batch_of(0)})[0].error_code == 0
    answers = produce(client, {0: batch_of(1, 2 << 20), 1: batch_of(0)})
    assert answers[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert answers[0].base_offset == -1


def test_a_producer_that_repeats_a_large_batch_hears_where_it_stands(client: WireClient) -> None:
    for number in (0, 1, 1, 0, 2):
        answer = produce(client, {2: batch_of(number, producer_id=5)})[2]
        assert (answer.error_code, answer.base_offset) == (0, number)
    assert produce(client, {2: batch_of(7, producer_id=5)})[2].error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert values_in(client, 2) == [value_of(number) for number in range(3)]


def test_without_acks_a_large_batch_is_there_for_the_next_request(client: WireClient) -> None:
    request = ProduceRequest(
        acks=0,
        timeout_ms=10_000,
        topic_data=[TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=batch_of(0))])],
    )
    client.send_without_response(request, 9)
    assert produce(client, {0: batch_of(1)})[0].base_offset == 1


def test_a_topic_may_be_deleted_while_large_batches_arrive(kafka: KafkaliteServer, client: WireClient) -> None:
    with WireClient(kafka.bootstrap_servers) as other:
        sent = []
        for number in range(5):
            data = PartitionProduceData(index=0, records=batch_of(number))
            topic_data = [TopicProduceData(name="t", partition_data=[data])]
            sent.append(client.send_request(ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=topic_data), 9))
        deletion = DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], timeout_ms=10_000)
        assert other.send(deletion).responses[0].error_code == 0
        for correlation_id in sent:
            error = (
                client.receive_response(ProduceResponse, 9, correlation_id)
                .responses[0]
                .partition_responses[0]
                .error_code
            )
            assert error in (0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.KAFKA_STORAGE_ERROR)


def test_one_small_write_at_a_time_is_worth_a_thread_and_several_large_ones() -> None:
    appender = LogAppender()
    assert appender.has_time_for(1)
    appender.unsettled = 1
    assert not appender.has_time_for(63 * 1024)
    assert appender.has_time_for(64 * 1024)
    appender.unsettled = 4
    assert not appender.has_time_for(LARGE_BATCH - 1)
