"""Produce: what flush.messages promises."""

from __future__ import annotations

import asyncio
from typing import Any

from kafkalite.broker.api_registry import served_apis
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import File
from kafkalite.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from kafkalite.storage.partition_log import PartitionLog
from offline_broker import OfflineBroker


class FailingDisk(MemoryFileSystem):
    """Does not sync segments of topics called "failing"."""

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        file = super().open(path, create=create, read_only=read_only)
        return UnsyncedFile(file) if "/failing-" in path and path.endswith(".log") else file


class UnsyncedFile(MemoryFile):
    __slots__ = ()

    def __init__(self, file: Any) -> None:
        super().__init__(file._content, file.path, file._is_read_only, file._clock_ms)

    def sync(self) -> None:
        raise OSError(5, "Input/output error")

    def duplicate(self) -> MemoryFile:
        return UnsyncedFile(self)


def produce(broker: OfflineBroker, *topics: str, acks: int = -1) -> Any:
    batch = build_batch([Record(0, broker.clock.now_ms(), None, b"x")])
    data = [TopicProduceData(name=name, partition_data=[PartitionProduceData(records=batch)]) for name in topics]
    return broker.ask(ProduceRequest(acks=acks, timeout_ms=1000, topic_data=data), 9)


def log_of(broker: OfflineBroker, topic: str) -> PartitionLog:
    log = broker.broker.logs.get(TopicPartition(topic, 0))
    assert log is not None
    return log


async def test_the_answer_waits_for_the_disk_where_flush_messages_says_so() -> None:
    broker = OfflineBroker({"log.flush.interval.messages": "2"})
    broker.create_topic("t")
    log = log_of(broker, "t")
    assert produce(broker, "t").responses[0].partition_responses[0].base_offset == 0
    assert log.recovery_point == 0
    response = await produce(broker, "t")
    assert response.responses[0].partition_responses[0].base_offset == 1
    assert log.recovery_point == 2
    broker.close()


async def test_a_sync_that_fails_is_the_error_of_its_partition_alone() -> None:
    broker = OfflineBroker({"log.flush.interval.messages": "1"}, filesystem=FailingDisk())
    broker.create_topic("t")
    broker.create_topic("failing")
    response = await produce(broker, "t", "failing")
    answers = [topic.partition_responses[0] for topic in response.responses]
    assert [(answer.error_code, answer.base_offset) for answer in answers] == [
        (ErrorCode.NONE, 0),
        (ErrorCode.KAFKA_STORAGE_ERROR, -1),
    ]


async def test_a_request_for_many_partitions_lets_others_have_their_turn_and_is_finished_without_its_client() -> None:
    broker = OfflineBroker()
    broker.create_topic("t", partitions=120)
    batch = build_batch([Record(0, broker.clock.now_ms(), None, b"x")])
    memory = bytearray(batch * 120)  # as the connection's, which is used again once the handler has returned
    partitions = [
        PartitionProduceData(index=index, records=memoryview(memory)[index * len(batch) : (index + 1) * len(batch)])
        for index in range(120)
    ]
    request = ProduceRequest(
        acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=partitions)]
    )
    broker.context.api_version = 9
    answer = served_apis()[request.api_key].handler(broker.context, request)
    assert isinstance(answer, asyncio.Future)
    memory[:] = bytes(len(memory))
    logs = [broker.broker.logs.get(TopicPartition("t", index)) for index in range(120)]
    assert sum(log is not None and log.log_end_offset for log in logs) == 50
    answer.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    for log in logs:
        assert log is not None
        assert (log.log_end_offset, log.read(0, 1000).records.read()[61:]) == (1, batch[61:])
    broker.close()


async def test_requests_for_many_partitions_answer_for_each_in_its_place() -> None:
    broker = OfflineBroker()
    broker.create_topic("t", partitions=60)
    batch = build_batch([Record(0, broker.clock.now_ms(), None, b"x")])
    partitions = [PartitionProduceData(index=index, records=batch) for index in (*range(60), 99)]
    data = [TopicProduceData(name=name, partition_data=partitions) for name in ("t", "unknown")]
    response = await broker.ask(ProduceRequest(acks=1, timeout_ms=1000, topic_data=data), 9)
    answers = [[(one.index, one.error_code) for one in topic.partition_responses] for topic in response.responses]
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answers == [
        [*((index, 0) for index in range(60)), (99, unknown)],
        [(index, unknown) for index in (*range(60), 99)],
    ]
    broker.close()
