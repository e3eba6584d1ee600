"""A start on a disk with no or little room left: reading is served, nothing is written before there is room, and then
everything goes on by itself. Whatever room there is, and whenever the broker is killed, nothing is lost."""

from __future__ import annotations

import copy
import errno
from typing import Any

import pytest

from kafkalite.broker.api_registry import served_apis
from kafkalite.broker.broker import ROOM_CHECK_INTERVAL_MS
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_records, iter_batches
from kafkalite.storage.filesystem import Buffer, File
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from offline_broker import MovedClock, OfflineBroker

RECORDS = 60
PROPERTIES = {"log.index.interval.bytes": "300", "offsets.topic.num.partitions": "1"}


class CrowdedFileSystem(MemoryFileSystem):
    """A disk that takes `capacity` bytes in all; of a write for which there is no room it takes nothing."""

    is_durable = True

    def __init__(self) -> None:
        super().__init__()
        self.capacity: int | None = None

    @property
    def used(self) -> int:
        contents = [content for children in self._directories.values() for content in children.values()]
        return sum(len(content.data) for content in contents if content is not None)

    def leave_room(self, size: int) -> None:
        self.capacity = self.used + size

    def take(self, growth: int, path: str) -> None:
        if self.capacity is not None and growth > 0 and self.used + growth > self.capacity:
            raise OSError(errno.ENOSPC, "No space left on device", path)

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        file = super().open(path, create=create, read_only=read_only)
        assert isinstance(file, MemoryFile)
        return CrowdedFile(self, file)


class CrowdedFile(MemoryFile):
    __slots__ = ("_owner",)

    def __init__(self, owner: CrowdedFileSystem, file: MemoryFile) -> None:
        super().__init__(file._content, file.path, file._is_read_only, file._clock_ms)
        self._owner = owner

    def append(self, *pieces: Buffer) -> None:
        self._owner.take(self.size + sum(map(len, pieces)) - len(self._content.data), self.path)
        super().append(*pieces)

    def duplicate(self) -> CrowdedFile:
        return CrowdedFile(self._owner, self)


def produce(broker: OfflineBroker, value: bytes) -> int:
    batch = build_batch([Record(0, broker.clock.now_ms(), None, value + bytes(100))])
    data = TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=batch)])
    error_code: int = (
        broker.ask(ProduceRequest(acks=1, topic_data=[data]), 9).responses[0].partition_responses[0].error_code
    )
    return error_code


def commit(broker: OfflineBroker, offset: int) -> int:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    request = OffsetCommitRequest(group_id="g", topics=[OffsetCommitRequestTopic(name="t", partitions=[partition])])
    error_code: int = broker.ask(request, 8).topics[0].partitions[0].error_code
    return error_code


def committed(broker: OfflineBroker) -> int:
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)])
    offset: int = broker.ask(request, 9).groups[0].topics[0].partitions[0].committed_offset
    return offset


def create(broker: OfflineBroker, name: str) -> int:
    topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1)
    error_code: int = broker.ask(CreateTopicsRequest(topics=[topic])).topics[0].error_code
    return error_code


def leader_and_epoch(broker: OfflineBroker) -> tuple[int, int]:
    request = MetadataRequest(topics=[MetadataRequestTopic(name="t")], allow_auto_topic_creation=False)
    [partition] = broker.ask(request).topics[0].partitions
    return partition.leader_id, partition.leader_epoch


def read(broker: OfflineBroker) -> list[bytes]:
    """What a consumer finds that knows the leader's epoch."""
    _, epoch = leader_and_epoch(broker)
    offsets = ListOffsetsTopic(
        name="t", partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1, current_leader_epoch=epoch)]
    )
    [listed] = broker.ask(ListOffsetsRequest(topics=[offsets]), 8).topics[0].partitions
    values: list[bytes] = []
    offset = 0
    while offset < listed.offset:
        wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=2_000, current_leader_epoch=epoch)
        request = FetchRequest(session_epoch=-1, topics=[FetchTopic(topic="t", partitions=[wanted])])
        broker.context.api_key, broker.context.api_version = FetchRequest.api_key, 12
        answer: Any = served_apis()[FetchRequest.api_key].handler(broker.context, request)
        [partition] = answer.responses[0].partitions
        assert partition.error_code == 0
        data = partition.records if isinstance(partition.records, bytes) else partition.records.read()
        for position, header in iter_batches(data):
            values += [(record.value or b"")[:4] for record in decode_records(data, position)]
            offset = header.next_offset
    return values


def values(count: int) -> list[bytes]:
    return [b"%04d" % number for number in range(count)]


class FilledDisk:
    """What a broker leaves behind that has taken records and a committed offset."""

    def __init__(self, *, is_clean: bool) -> None:
        broker = OfflineBroker(PROPERTIES, filesystem=CrowdedFileSystem())
        broker.create_topic("t")
        for value in values(RECORDS):
            assert produce(broker, value) == 0
        broker.ask(FindCoordinatorRequest(key_type=0, coordinator_keys=["g"]))
        assert commit(broker, 7) == 0
        self.clock = broker.clock
        self.epoch = leader_and_epoch(broker)[1]
        if is_clean:
            broker.close()
        self.filesystem = broker.filesystem

    def start(self, room: int | None, *, of: CrowdedFileSystem | None = None) -> OfflineBroker:
        """A broker on a copy of the disk, killed if it was running."""
        filesystem = copy.deepcopy(self.filesystem if of is None else of)
        assert isinstance(filesystem, CrowdedFileSystem)
        filesystem.held_locks.clear()
        filesystem.capacity = None
        if room is not None:
            filesystem.leave_room(room)
        return OfflineBroker(PROPERTIES, filesystem=filesystem, clock=MovedClock(self.clock.now_ms()))


@pytest.fixture(params=[True, False], ids=["clean", "killed"])
def disk(request: pytest.FixtureRequest) -> FilledDisk:
    return FilledDisk(is_clean=request.param)


def filesystem_of(broker: OfflineBroker) -> CrowdedFileSystem:
    assert isinstance(broker.filesystem, CrowdedFileSystem)
    return broker.filesystem


def test_whatever_room_there_is_reading_is_served_and_writing_when_there_is_room(disk: FilledDisk) -> None:
    room = 0
    rooms_too_small = 0
    while True:
        broker = disk.start(room)
        is_held_back = broker.broker.metadata.is_held_back
        leader, epoch = leader_and_epoch(broker)
        assert leader == 1 and epoch > disk.epoch
        assert read(broker) == values(RECORDS), room
        assert committed(broker) == 7
        if not is_held_back:
            break
        rooms_too_small += 1
        assert produce(broker, b"none") == ErrorCode.KAFKA_STORAGE_ERROR
        assert commit(broker, 8) != 0
        assert create(broker, "new") == ErrorCode.KAFKA_STORAGE_ERROR
        broker.clock.advance(10 * ROOM_CHECK_INTERVAL_MS)
        assert broker.broker.metadata.is_held_back
        assert read(broker) == values(RECORDS)

        killed = disk.start(None, of=filesystem_of(broker))
        assert read(killed) == values(RECORDS) and committed(killed) == 7
        assert produce(killed, b"more") == 0
        killed.close()

        filesystem_of(broker).capacity = None
        broker.clock.advance(ROOM_CHECK_INTERVAL_MS)
        assert not broker.broker.metadata.is_held_back
        assert leader_and_epoch(broker) == (1, epoch)
        assert produce(broker, b"more") == 0 and commit(broker, 8) == 0 and create(broker, "new") == 0
        for _ in range(2):
            assert read(broker) == [*values(RECORDS), b"more"] and committed(broker) == 8
            broker.restart()
            assert not broker.broker.metadata.is_held_back
        assert leader_and_epoch(broker)[1] > epoch
        broker.close()
        room += 12
    assert rooms_too_small > 20
    filesystem_of(broker).capacity = None
    broker.close()


def test_what_the_start_writes_late_is_what_it_would_have_written(disk: FilledDisk) -> None:
    def records(broker: OfflineBroker) -> list[tuple[int, str]]:
        log = broker.broker.metadata.log
        return [(batch.header.base_offset, str(batch.header.records_count)) for batch in log.batches_to_replay()]

    usual, late = disk.start(None), disk.start(0)
    filesystem_of(late).capacity = None
    late.clock.advance(ROOM_CHECK_INTERVAL_MS)
    assert records(late) == records(usual)
    assert late.broker.metadata.last_applied_offset == usual.broker.metadata.last_applied_offset
    for broker in (usual, late):
        broker.close()


def test_a_stop_that_finds_room_is_a_clean_one_and_one_that_does_not_says_so(disk: FilledDisk) -> None:
    broker = disk.start(0)
    broker.broker.begin_shutdown()
    with pytest.raises((OSError, KafkaError), match="No space left on device"):
        broker.broker.close()
    again = disk.start(0, of=filesystem_of(broker))
    assert read(again) == values(RECORDS)
    filesystem_of(again).capacity = None
    again.close()
    assert again.filesystem.exists(f"{again.broker.logs.directories[0].path}/.kafka_cleanshutdown")
    last = disk.start(None, of=filesystem_of(again))
    assert read(last) == values(RECORDS)
    last.close()


def test_a_log_that_could_not_be_made_is_made_when_there_is_room() -> None:
    disk = FilledDisk(is_clean=False)
    disk.filesystem.remove_tree(f"{disk.filesystem.absolute_path('/data')}/t-0")
    broker = disk.start(0)
    assert broker.broker.logs.get(TopicPartition("t", 0)) is None
    assert produce(broker, b"none") == ErrorCode.KAFKA_STORAGE_ERROR
    filesystem_of(broker).capacity = None
    broker.clock.advance(ROOM_CHECK_INTERVAL_MS)
    assert produce(broker, b"more") == 0 and read(broker) == [b"more"]
    broker.close()


def test_producer_ids_are_not_given_out_before_they_can_be_recorded(disk: FilledDisk) -> None:
    def error_of_init(broker: OfflineBroker) -> int:
        answer = broker.ask(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1_000))
        error_code: int = answer.error_code
        return error_code

    broker = disk.start(0)
    assert error_of_init(broker) in (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.KAFKA_STORAGE_ERROR)
    filesystem_of(broker).capacity = None
    broker.clock.advance(ROOM_CHECK_INTERVAL_MS)
    assert error_of_init(broker) == 0
    broker.close()


def test_a_directory_that_cannot_be_formatted_for_want_of_room_is_so_when_there_is_some() -> None:
    filesystem = CrowdedFileSystem()
    refusals = 0
    for room in range(0, 20_000, 37):
        filesystem.leave_room(room)
        try:
            broker = OfflineBroker(PROPERTIES, filesystem=filesystem)
        except LogDirectoryError as error:
            assert str(error).startswith("Cannot format log directory ")
            assert str(error).endswith("/data: No space left on device")
            refusals += 1
            filesystem.held_locks.clear()
            continue
        filesystem.capacity = None
        broker.clock.advance(ROOM_CHECK_INTERVAL_MS)
        assert create(broker, "t") == 0
        assert produce(broker, b"v") == 0
        broker.close()
        break
    assert 5 < refusals < 500
