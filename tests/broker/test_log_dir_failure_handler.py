"""A log directory fails while the broker runs: what the metadata and the clients are told, and when the broker ends.

Records and error codes are those of Apache Kafka 4.4.0 with two log.dirs, one of which was removed.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.broker.api_registry import served_apis
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from kafkalite.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.protocol.metadata_records.nodes import BrokerRegistrationChangeRecord
from kafkalite.protocol.metadata_records.topics import PartitionChangeRecord
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import Buffer, File
from kafkalite.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from log_rounds import flush_dirty_logs
from offline_broker import OfflineBroker

NewBroker = Callable[..., OfflineBroker]
TWO_DIRECTORIES = {"log.dirs": "a,b", "metadata.log.dir": "a"}


def produce(broker: OfflineBroker, topic: str, index: int = 0) -> int:
    data = PartitionProduceData(index=index, records=build_batch([Record(0, broker.clock.now_ms(), None, b"x")]))
    request = ProduceRequest(acks=-1, topic_data=[TopicProduceData(name=topic, partition_data=[data])])
    error_code: int = broker.ask(request, 9).responses[0].partition_responses[0].error_code
    return error_code


def fetch(broker: OfflineBroker, topic: str, index: int = 0, *, max_wait_ms: int = 0) -> Any:
    wanted = FetchPartition(partition=index, fetch_offset=1, partition_max_bytes=1000)
    request = FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=1 if max_wait_ms else 0,
        topics=[FetchTopic(topic=topic, partitions=[wanted])],
        session_epoch=-1,
    )
    broker.context.api_key, broker.context.api_version = FetchRequest.api_key, 12
    # Not `ask`: the records of an answer go to a connection, not into bytes.
    return served_apis()[FetchRequest.api_key].handler(broker.context, request)


def metadata(broker: OfflineBroker, topic: str) -> list[tuple[int, int, list[int], list[int]]]:
    """Of each partition the error, the leader, the ISR and the offline replicas."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
    partitions = broker.ask(request).topics[0].partitions
    return [(p.error_code, p.leader_id, p.isr_nodes, p.offline_replicas) for p in partitions]


ONLINE: tuple[int, int, list[int], list[int]] = (0, 1, [1], [])
OFFLINE: tuple[int, int, list[int], list[int]] = (ErrorCode.LEADER_NOT_AVAILABLE, -1, [], [1])


def directories_of(broker: OfflineBroker, topic: str) -> list[str]:
    logs = broker.broker.logs
    partitions = range(len(broker.broker.metadata.image.topics.by_name[topic].partitions))
    found = (logs.get(TopicPartition(topic, index)) for index in partitions)
    return ["" if log is None else log.log_directory for log in found]


def removed(broker: OfflineBroker, path: str = "/b") -> None:
    """The directory goes, and the broker looks."""
    filesystem = broker.filesystem
    filesystem.remove_tree(path)
    broker.broker.log_dir_failures.check_directories()
    broker.clock.advance(0)


@pytest.fixture
def broker(new_offline_broker: NewBroker) -> OfflineBroker:
    """One with the topic `t` of four partitions in two directories, a record in each."""
    broker = new_offline_broker(TWO_DIRECTORIES)
    broker.create_topic("t", 4)
    assert sorted(directories_of(broker, "t")) == ["/a", "/a", "/b", "/b"]
    for index in range(4):
        assert produce(broker, "t", index) == 0
    return broker


def test_the_metadata_is_told_as_by_apache_kafka(broker: OfflineBroker) -> None:
    written: list[Any] = []
    broker.broker.metadata.add_listener(written.extend)
    topic = broker.broker.metadata.image.topics.by_name["t"]
    lost = [index for index, path in enumerate(directories_of(broker, "t")) if path == "/b"]
    removed(broker)
    assert written == [
        *(
            PartitionChangeRecord(
                topic_id=topic.topic_id,
                partition_id=index,
                leader=-1,
                isr=[],
                eligible_leader_replicas=[1],
                last_known_elr=[1],
            )
            for index in lost
        ),
        BrokerRegistrationChangeRecord(
            broker_id=1,
            broker_epoch=broker.broker.metadata.broker_epoch,
            log_dirs=[broker.broker.logs.directories[0].directory_id],
        ),
    ]


def test_clients_are_told_of_what_is_offline_and_go_on_with_the_rest(broker: OfflineBroker) -> None:
    paths = directories_of(broker, "t")
    removed(broker)
    assert metadata(broker, "t") == [OFFLINE if path == "/b" else ONLINE for path in paths]
    expected = [ErrorCode.KAFKA_STORAGE_ERROR if path == "/b" else ErrorCode.NONE for path in paths]
    assert [produce(broker, "t", index) for index in range(4)] == expected
    assert [fetch(broker, "t", index).responses[0].partitions[0].error_code for index in range(4)] == expected
    indexes = range(4)
    offsets = ListOffsetsTopic(
        name="t", partitions=[ListOffsetsPartition(partition_index=index, timestamp=-1) for index in indexes]
    )
    answer = broker.ask(ListOffsetsRequest(topics=[offsets]))
    assert {p.partition_index: p.error_code for p in answer.topics[0].partitions} == dict(enumerate(expected))
    records = DeleteRecordsTopic(
        name="t", partitions=[DeleteRecordsPartition(partition_index=index, offset=0) for index in indexes]
    )
    answer = broker.ask(DeleteRecordsRequest(topics=[records]))
    assert {p.partition_index: p.error_code for p in answer.topics[0].partitions} == dict(enumerate(expected))
    elected = broker.ask(ElectLeadersRequest(topic_partitions=[TopicPartitions(topic="t", partitions=[0, 1, 2, 3])]))
    assert [p.error_code for p in elected.replica_election_results[0].partition_result] == [
        ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE if path == "/b" else ErrorCode.ELECTION_NOT_NEEDED for path in paths
    ]
    described = {
        result.log_dir: result.error_code for result in broker.ask(DescribeLogDirsRequest(topics=None)).results
    }
    assert described == {"/a": ErrorCode.NONE, "/b": ErrorCode.KAFKA_STORAGE_ERROR}


async def test_a_fetch_that_waits_is_answered(broker: OfflineBroker) -> None:
    index = directories_of(broker, "t").index("/b")
    waiting = fetch(broker, "t", index, max_wait_ms=60_000)
    removed(broker)
    answer = await waiting
    assert answer.responses[0].partitions[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR


def test_new_topics_go_to_what_is_left_and_a_deleted_one_is_in_nobodys_way(broker: OfflineBroker) -> None:
    removed(broker)
    broker.create_topic("new", 4)
    assert metadata(broker, "new") == [ONLINE] * 4 and set(directories_of(broker, "new")) == {"/a"}
    assert (
        broker.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], timeout_ms=30_000)).responses[0].error_code
        == 0
    )
    broker.create_topic("t", 4)
    assert metadata(broker, "t") == [ONLINE] * 4
    assert [produce(broker, "t", index) for index in range(4)] == [0] * 4


def test_groups_of_a_failed_partition_look_for_another_coordinator(broker: OfflineBroker) -> None:
    def coordinator(group_id: str) -> int:
        answer = broker.ask(FindCoordinatorRequest(coordinator_keys=[group_id], key_type=0))
        error_code: int = answer.coordinators[0].error_code
        return error_code

    def heartbeat(group_id: str) -> int:
        error_code: int = broker.ask(HeartbeatRequest(group_id=group_id, member_id="m", generation_id=1)).error_code
        return error_code

    groups = [f"g{number}" for number in range(20)]
    assert [coordinator(group) for group in groups] == [0] * 20
    assert {heartbeat(group) for group in groups} == {ErrorCode.UNKNOWN_MEMBER_ID}
    paths = directories_of(broker, "__consumer_offsets")
    of_group = {group: paths[broker.broker.group_coordinator.runtime.partition_for(group)] for group in groups}
    assert set(of_group.values()) == {"/a", "/b"}
    removed(broker)
    for group, path in of_group.items():
        lost = path == "/b"
        assert coordinator(group) == (ErrorCode.COORDINATOR_NOT_AVAILABLE if lost else ErrorCode.NONE)
        assert heartbeat(group) == (ErrorCode.NOT_COORDINATOR if lost else ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_directory_that_is_given_back_is_served_after_the_next_start(new_offline_broker: NewBroker) -> None:
    filesystem = MemoryFileSystem()
    broker = OfflineBroker(TWO_DIRECTORIES, filesystem=filesystem)
    broker.create_topic("t", 4)
    for index in range(4):
        produce(broker, "t", index)
    paths = directories_of(broker, "t")
    filesystem.rename("/b", "/elsewhere")
    broker.broker.log_dir_failures.check_directories()
    broker.clock.advance(0)
    broker.close()
    filesystem.rename("/elsewhere", "/b")
    again = new_offline_broker(TWO_DIRECTORIES, filesystem=filesystem, clock=broker.clock)
    assert metadata(again, "t") == [ONLINE] * 4 and directories_of(again, "t") == paths
    assert [again.broker.logs.get(TopicPartition("t", index)).log_end_offset for index in range(4)] == [1] * 4  # type: ignore[union-attr]


def test_a_log_in_a_directory_that_stays_away_is_not_replaced_by_an_empty_one(
    new_offline_broker: NewBroker, caplog: pytest.LogCaptureFixture
) -> None:
    filesystem = MemoryFileSystem()
    broker = OfflineBroker(TWO_DIRECTORIES, filesystem=filesystem)
    broker.create_topic("t", 4)
    paths = directories_of(broker, "t")
    lost = broker.broker.logs.directories[1].directory_id
    broker.close()
    filesystem.remove_tree("/b")  # and a new disk in its place
    again = new_offline_broker(TWO_DIRECTORIES, filesystem=filesystem, clock=broker.clock)
    for _ in range(2):
        assert metadata(again, "t") == [OFFLINE if path == "/b" else ONLINE for path in paths]
        assert directories_of(again, "t") == ["" if path == "/b" else path for path in paths]
        assert f"the log directory with the id {lost}, which is none of log.dirs" in caplog.text
        again.restart()
    assert (
        again.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], timeout_ms=30_000)).responses[0].error_code
        == 0
    )
    again.create_topic("t", 4)
    assert metadata(again, "t") == [ONLINE] * 4


def test_logs_that_moved_with_their_directory_s_id_gone_are_led_at_once(new_offline_broker: NewBroker) -> None:
    filesystem = MemoryFileSystem()
    broker = OfflineBroker(TWO_DIRECTORIES, filesystem=filesystem)
    broker.create_topic("t", 4)
    for index in range(4):
        produce(broker, "t", index)
    paths = directories_of(broker, "t")
    broker.close()
    for index, path in enumerate(paths):
        if path == "/b":
            filesystem.rename(f"/b/t-{index}", f"/a/t-{index}")
    filesystem.remove_tree("/b")
    again = new_offline_broker({"log.dirs": "a"}, filesystem=filesystem, clock=broker.clock)
    assert metadata(again, "t") == [ONLINE] * 4 and directories_of(again, "t") == ["/a"] * 4
    assert [produce(again, "t", index) for index in range(4)] == [0] * 4


# --- when the broker ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "gone", "reason"),
    [
        ({"log.dirs": "a"}, ["/a"], "all log dirs in /a have failed"),
        ({"log.dirs": "a,b", "metadata.log.dir": "m"}, ["/a", "/b"], "all log dirs in /a, /b have failed"),
        (TWO_DIRECTORIES, ["/a"], "the metadata log dir /a has failed"),
        ({"log.dirs": "a,b", "metadata.log.dir": "m"}, ["/m"], "the metadata log dir /m has failed"),
    ],
)
def test_a_broker_without_logs_or_metadata_ends(properties: dict[str, str], gone: list[str], reason: str) -> None:
    broker = OfflineBroker(properties)
    reasons: list[str] = []
    broker.broker.on_fatal_failure = reasons.append
    for path in gone:
        assert reasons == []
        removed(broker, path)
    assert reasons == [reason]
    if gone[0] == "/" + properties.get("metadata.log.dir", "a"):
        with pytest.raises(OSError, match="No such file"):
            broker.close()


@pytest.mark.parametrize("metadata_log_dir", ["a", "m"])
@pytest.mark.parametrize(("error", "ends"), [(errno.EIO, True), (errno.EACCES, True), (errno.ENOSPC, False)])
def test_a_broker_that_cannot_write_its_metadata_ends_but_not_for_want_of_room(
    metadata_log_dir: str, error: int, ends: bool
) -> None:
    disk = Disk()
    broker = OfflineBroker({"log.dirs": "a,b", "metadata.log.dir": metadata_log_dir}, filesystem=disk)
    reasons: list[str] = []
    broker.broker.on_fatal_failure = reasons.append
    disk.refuse(f"/{metadata_log_dir}/__cluster_metadata-0/", error)
    topic = CreatableTopic(name="t", num_partitions=1, replication_factor=1)
    answer = broker.ask(CreateTopicsRequest(topics=[topic]))
    assert answer.topics[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
    broker.clock.advance(0)
    assert reasons == ([f"the metadata log dir /{metadata_log_dir} has failed"] if ends else [])
    disk.refuse("", 0)
    broker.close()


def test_a_broker_whose_metadata_cannot_be_told_for_too_long_ends(new_offline_broker: NewBroker) -> None:
    disk = Disk()
    broker = new_offline_broker({**TWO_DIRECTORIES, "log.dir.failure.timeout.ms": "5000"}, filesystem=disk)
    broker.create_topic("t", 4)
    reasons: list[str] = []
    broker.broker.on_fatal_failure = reasons.append
    disk.refuse("/a/__cluster_metadata-0/", errno.ENOSPC)
    removed(broker)
    broker.clock.advance(4_000)
    assert reasons == []
    broker.clock.advance(1_000)
    assert len(reasons) == 1 and reasons[0].startswith("the metadata cannot be told which log dirs have failed")
    disk.refuse("", 0)


def test_the_metadata_is_told_when_there_is_room_again(new_offline_broker: NewBroker) -> None:
    disk = Disk()
    broker = new_offline_broker(TWO_DIRECTORIES, filesystem=disk)
    broker.create_topic("t", 4)
    paths = directories_of(broker, "t")
    disk.refuse("/a/__cluster_metadata-0/", errno.ENOSPC)
    removed(broker)
    broker.clock.advance(2_500)
    disk.refuse("", 0)
    broker.clock.advance(1_000)
    leaders = [p.leader for p in broker.broker.metadata.image.topics.by_name["t"].partitions.values()]
    assert leaders == [-1 if path == "/b" else 1 for path in paths]


# --- permissions ------------------------------------------------------------------------------------------------------


class Disk(MemoryFileSystem):
    """Refuses to open and to write files under one path once it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = ""
        self.error = 0
        self.refuses_names = False

    def refuse(self, path: str, error: int, *, names: bool = False) -> None:
        """`names`: the directory can still be seen, files in it cannot be opened; open ones go on as open files do."""
        self.refused, self.error, self.refuses_names = path, error, names

    def check(self, path: str) -> None:
        if self.refused and path.startswith(self.refused):
            raise OSError(self.error, "injected", path)

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        self.check(path)
        file = super().open(path, create=create, read_only=read_only)
        assert isinstance(file, MemoryFile)
        return DiskFile(self, file)

    def write_bytes(self, path: str, data: Buffer) -> None:
        self.check(path)
        super().write_bytes(path, data)

    def make_directories(self, path: str) -> None:
        if not self.is_directory(path):
            self.check(path)
        super().make_directories(path)


class DiskFile(MemoryFile):
    __slots__ = ("_disk",)

    def __init__(self, disk: Disk, file: MemoryFile) -> None:
        super().__init__(file._content, file.path, file._is_read_only, file._clock_ms)
        self._disk = disk

    def append(self, *pieces: Buffer) -> None:
        if not self._disk.refuses_names:
            self._disk.check(self.path)
        super().append(*pieces)

    def duplicate(self) -> DiskFile:
        return DiskFile(self._disk, self)


def is_online(broker: OfflineBroker) -> dict[str, bool]:
    return {directory.path: directory.is_online for directory in broker.broker.logs.directories}


def in_b(broker: OfflineBroker) -> int:
    return directories_of(broker, "t").index("/b")


def log_of(broker: OfflineBroker, index: int) -> Any:
    return broker.broker.logs.get(TopicPartition("t", index))


def write_on(broker: OfflineBroker, index: int) -> list[int]:
    broker.clock.advance(700_000)  # segment.ms: a new file is needed
    return [produce(broker, "t", index)]


def read_again(broker: OfflineBroker, index: int) -> list[int]:
    log_of(broker, index).release_files(with_active=True)
    answer = fetch(broker, "t", index)
    return [answer.responses[0].partitions[0].error_code]


def create_another(broker: OfflineBroker, _index: int) -> list[int]:
    broker.create_topic("another", 4)
    return [ErrorCode.KAFKA_STORAGE_ERROR if path == "" else 0 for path in directories_of(broker, "another")]


def write_checkpoint(broker: OfflineBroker, index: int) -> list[int]:
    logs = broker.broker.logs
    for write in logs.checkpoints.prepare_high_watermarks():
        try:
            write.write()
        except OSError as failure:
            logs.checkpoints.note_failure(write, failure)
    return [produce(broker, "t", index)]


def flush(broker: OfflineBroker, index: int) -> list[int]:
    broker.clock.advance(60_000)
    flush_dirty_logs(broker.broker.logs, broker.clock.now_ms())
    return [produce(broker, "t", index)]


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("operation", [write_on, read_again, create_another, write_checkpoint, flush])
def test_permission_lost_on_a_log_directory_takes_it_offline_at_the_next_thing_to_be_opened_in_it(
    new_offline_broker: NewBroker, operation: Callable[[OfflineBroker, int], list[int]], error: int
) -> None:
    disk = Disk()
    broker = new_offline_broker({**TWO_DIRECTORIES, "log.roll.ms": "600000"}, filesystem=disk)
    broker.create_topic("t", 4)
    index = in_b(broker)
    assert produce(broker, "t", index) == produce(broker, "t", index) == 0
    disk.refuse("/b/", error, names=True)
    assert produce(broker, "t", index) == 0  # into a file that is open
    broker.broker.log_dir_failures.check_directories()
    assert is_online(broker) == {"/a": True, "/b": True}
    assert ErrorCode.KAFKA_STORAGE_ERROR in operation(broker, index)
    broker.clock.advance(0)
    assert is_online(broker) == {"/a": True, "/b": False}
    assert metadata(broker, "t")[index] == OFFLINE
    healthy = directories_of(broker, "t").index("/a")
    assert produce(broker, "t", healthy) == 0


def test_permission_lost_on_one_file_takes_its_directory_offline(new_offline_broker: NewBroker) -> None:
    disk = Disk()
    broker = new_offline_broker(TWO_DIRECTORIES, filesystem=disk)
    broker.create_topic("t", 4)
    index = in_b(broker)
    disk.refuse(f"/b/t-{index}/00000000000000000000.log", errno.EACCES)
    assert produce(broker, "t", index) == ErrorCode.KAFKA_STORAGE_ERROR
    broker.clock.advance(0)
    assert is_online(broker) == {"/a": True, "/b": False}
    assert metadata(broker, "t").count(OFFLINE) == 2


def test_a_directory_that_may_not_be_entered_any_more_counts_as_gone(new_offline_broker: NewBroker) -> None:
    class Closed(Disk):
        def exists(self, path: str) -> bool:
            return not (self.refused and path.startswith(self.refused)) and super().exists(path)

    disk = Closed()
    broker = new_offline_broker(TWO_DIRECTORIES, filesystem=disk)
    disk.refuse("/b/", errno.EACCES, names=True)
    broker.broker.log_dir_failures.check_directories()
    assert is_online(broker) == {"/a": True, "/b": False}


def test_a_directory_without_its_lock_file_is_still_there(broker: OfflineBroker) -> None:
    broker.filesystem.remove("/b/.lock")
    broker.broker.log_dir_failures.check_directories()
    assert is_online(broker) == {"/a": True, "/b": True}
