"""A log directory that the system refuses while the broker starts: offline with all that lies in it, as when it fails
later. What Apache Kafka says of it is compared in tests/test_unusable_log_directories.py."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.storage.filesystem import DirectoryLock
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from offline_broker import OfflineBroker

NewBroker = Callable[..., OfflineBroker]
TWO_DIRECTORIES = {"log.dirs": "a,b", "metadata.log.dir": "a"}
MAKE, LOCK, READ, LIST = "make", "lock", "read", "list"


class RefusingFileSystem(MemoryFileSystem):
    """Refuses one operation on one directory once it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: tuple[str, str] | None = None
        self.error = 0

    def check(self, operation: str, path: str) -> None:
        if self.refused == (operation, path):
            raise OSError(self.error, "injected", path)

    def make_directories(self, path: str) -> None:
        self.check(MAKE, path)
        super().make_directories(path)

    def lock(self, path: str) -> DirectoryLock | None:
        self.check(LOCK, path.rpartition("/")[0])
        return super().lock(path)

    def read_bytes(self, path: str) -> bytes:
        if path.endswith("/meta.properties"):
            self.check(READ, path.rpartition("/")[0])
        return super().read_bytes(path)

    def list_directory(self, path: str) -> list[str]:
        self.check(LIST, path)
        return super().list_directory(path)


def leaders(broker: OfflineBroker, topic: str) -> list[tuple[int, int]]:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
    return [(p.error_code, p.leader_id) for p in broker.ask(request).topics[0].partitions]


ONLINE: tuple[int, int] = (0, 1)
OFFLINE: tuple[int, int] = (ErrorCode.LEADER_NOT_AVAILABLE, -1)
FAULTS = [
    (MAKE, errno.EACCES),
    (MAKE, errno.ENOTDIR),
    (MAKE, errno.EROFS),
    (LOCK, errno.EACCES),
    (LOCK, errno.EROFS),
    (READ, errno.EACCES),
    (READ, errno.EIO),
    (LIST, errno.EACCES),
    (LIST, errno.EIO),
]


@pytest.mark.parametrize("was_clean", [True, False])
@pytest.mark.parametrize(("operation", "error"), FAULTS)
def test_it_is_offline_and_the_others_are_served(
    new_offline_broker: NewBroker, caplog: pytest.LogCaptureFixture, operation: str, error: int, was_clean: bool
) -> None:
    disk = RefusingFileSystem()
    broker = OfflineBroker(TWO_DIRECTORIES, filesystem=disk)
    broker.create_topic("t", 4)
    logs = broker.broker.logs
    paths = [logs.get(TopicPartition("t", index)).log_directory for index in range(4)]  # type: ignore[union-attr]
    ids = [directory.directory_id for directory in logs.directories]
    assert sorted(paths) == ["/a", "/a", "/b", "/b"]
    if was_clean:
        broker.close()
    else:
        disk.remove("/b/.lock")
        disk.held_locks.clear()
    files = {
        name: disk.read_bytes(f"/b/{name}") for name in disk.list_directory("/b") if not disk.is_directory(f"/b/{name}")
    }
    disk.refused, disk.error = (operation, "/b"), error

    again = new_offline_broker(TWO_DIRECTORIES, filesystem=disk, clock=broker.clock)
    assert leaders(again, "t") == [OFFLINE if path == "/b" else ONLINE for path in paths]
    image = again.broker.metadata.image
    assert [p.leader for p in image.topics.by_name["t"].partitions.values()] == [
        -1 if path == "/b" else 1 for path in paths
    ]
    assert list(image.cluster.brokers[1].directories) == [ids[0]]
    described = {result.log_dir: result.error_code for result in again.ask(DescribeLogDirsRequest(topics=None)).results}
    assert described == {"/a": ErrorCode.NONE, "/b": ErrorCode.KAFKA_STORAGE_ERROR}
    assert "Error while loading log dir /b" in caplog.text if operation == LIST else "/b: injected" in caplog.text
    again.create_topic("new", 3)
    assert leaders(again, "new") == [ONLINE] * 3
    again.restart()
    assert leaders(again, "new") == [ONLINE] * 3
    again.close()

    disk.refused = None
    if operation != LIST:  # what had been read was taken for clean or unclean, and its file was removed
        assert {name: disk.read_bytes(f"/b/{name}") for name in files} == files
    last = new_offline_broker(TWO_DIRECTORIES, filesystem=disk, clock=broker.clock)
    assert leaders(last, "t") == [ONLINE] * 4 and leaders(last, "new") == [ONLINE] * 3
    assert set(last.broker.metadata.image.cluster.brokers[1].directories) == set(ids)


@pytest.mark.parametrize(("operation", "error"), FAULTS)
@pytest.mark.parametrize("properties", [TWO_DIRECTORIES, {"log.dirs": "a"}])
def test_without_the_directory_of_the_metadata_there_is_no_start(
    properties: dict[str, str], operation: str, error: int
) -> None:
    disk = RefusingFileSystem()
    OfflineBroker(properties, filesystem=disk).close()
    disk.refused, disk.error = (operation, "/a"), error
    with pytest.raises(LogDirectoryError, match="/a"):
        OfflineBroker(properties, filesystem=disk)


def test_a_directory_that_another_broker_holds_is_no_reason_to_go_on_without_it() -> None:
    disk = RefusingFileSystem()
    OfflineBroker(TWO_DIRECTORIES, filesystem=disk).close()
    lock = disk.lock("/b/.lock")
    assert lock is not None
    with pytest.raises(LogDirectoryError, match=r"Failed to acquire lock on file \.lock in /b"):
        OfflineBroker(TWO_DIRECTORIES, filesystem=disk)
