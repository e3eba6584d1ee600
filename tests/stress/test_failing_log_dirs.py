"""Log directories that fail under a running broker: removed, or refused by the system, which strace plays here.

What lies in them is offline, the rest goes on, and nothing that was acknowledged is missing once they are back. Faults
that strace injects need it on the machine, and the right to trace (the long form).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from acknowledged_records import create, new_producer, produce, read
from broker_process import BrokerProcess
from client_scenarios import wait_until
from numbered_records import PATIENT
from small_disk import mounted

StartKafkalite = Callable[..., BrokerProcess]


class TwoDirectories:
    """A broker with the log directories `data` and `other`, and a topic of two partitions, one in each."""

    def __init__(self, start_kafkalite: StartKafkalite, tmp_path: Path) -> None:
        self.other = tmp_path / "broker" / "other"
        log_dirs = f"{tmp_path}/broker/data,{self.other}"
        self.broker = start_kafkalite(directory=tmp_path / "broker", properties={"log.dirs": log_dirs})
        self.servers = self.broker.bootstrap_servers
        create(self.servers, "t", partitions=2)
        self.lost = next(index for index in range(2) if (self.other / f"t-{index}").exists())
        self.healthy = 1 - self.lost
        self.log = self.other / f"t-{self.lost}"
        for partition in range(2):
            assert produce(new_producer(self.servers), "t", 10, partition) == list(range(10))

    def leaders(self) -> dict[int, int]:
        topics = AdminClient({"bootstrap.servers": self.servers, **PATIENT}).list_topics("t", timeout=10).topics
        return {index: partition.leader for index, partition in topics["t"].partitions.items()}

    def set_config(self, name: str, value: str) -> None:
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, "t", incremental_configs=[entry])
        admin = AdminClient({"bootstrap.servers": self.servers, **PATIENT})
        [done] = admin.incremental_alter_configs([resource]).values()
        done.result(10)

    def check_that_the_rest_goes_on(self, end: int = 10) -> None:
        """One partition is offline, the other one is served."""
        wait_until(lambda: self.leaders() == {self.lost: -1, self.healthy: 1}, timeout_s=10)
        assert produce(new_producer(self.servers), "t", 1, self.lost) == []
        assert produce(new_producer(self.servers), "t", 5, self.healthy) == list(range(end, end + 5))
        assert read(self.servers, "t", self.healthy) == list(range(end + 5))
        create(self.servers, "new", partitions=4)
        for partition in range(4):
            assert produce(new_producer(self.servers), "new", 1, partition) == [0]

    def check_that_all_is_there_after_a_restart(self) -> None:
        assert self.broker.stop() == 0
        self.broker.start()
        assert self.leaders() == {0: 1, 1: 1}
        offsets = read(self.servers, "t", self.lost)
        assert offsets[:10] == list(range(10))
        assert produce(new_producer(self.servers), "t", 5, self.lost) == list(range(len(offsets), len(offsets) + 5))


@pytest.fixture
def two(start_kafkalite: StartKafkalite, tmp_path: Path) -> TwoDirectories:
    return TwoDirectories(start_kafkalite, tmp_path)


def test_a_directory_that_vanishes_is_noticed_soon_and_served_again_when_it_is_back(two: TwoDirectories) -> None:
    elsewhere = two.other.with_name("elsewhere")
    two.other.rename(elsewhere)
    vanished = time.monotonic()
    wait_until(lambda: two.leaders()[two.lost] == -1, timeout_s=10)
    assert time.monotonic() - vanished < 5  # the broker looks every second; machines can be busy
    assert f"Log directory {two.other} has gone" in two.broker.output
    two.check_that_the_rest_goes_on()
    assert not two.other.exists()
    assert two.broker.stop() == 0
    elsewhere.rename(two.other)
    two.broker.start()
    two.check_that_all_is_there_after_a_restart()


def test_a_directory_whose_disk_is_unmounted_is_noticed_although_its_mount_point_stays(
    start_kafkalite: StartKafkalite, tmp_path: Path
) -> None:
    with mounted(tmp_path / "broker" / "other", 50) as disk:
        two = TwoDirectories(start_kafkalite, tmp_path)
        disk.unmount()
        two.check_that_the_rest_goes_on()
        assert list(two.other.iterdir()) == []


def test_a_broker_whose_only_directory_vanishes_ends(start_kafkalite: StartKafkalite, tmp_path: Path) -> None:
    broker = start_kafkalite(directory=tmp_path / "broker")
    create(broker.bootstrap_servers, "t")
    assert produce(new_producer(broker.bootstrap_servers), "t", 10) == list(range(10))
    data, elsewhere = broker.data_directory, tmp_path / "elsewhere"
    data.rename(elsewhere)
    process = broker.process
    assert process is not None and process.wait(20) == 1
    assert f"The broker ends because all log dirs in {data} have failed" in broker.output
    assert not data.exists()
    broker.stop()
    shutil.move(elsewhere, data)
    broker.start()
    assert read(broker.bootstrap_servers, "t") == list(range(10))


# --- what strace does to system calls ---------------------------------------------------------------------------------


@contextmanager
def injected(broker: BrokerProcess, calls: str, fault: str, *paths: Path) -> Iterator[None]:
    """These system calls of the broker fail while this lasts, where they are about one of `paths`."""
    command = ["strace", "-f", "-qq", "-o", str(broker.directory / "strace.log"), "-p", str(broker.pid)]
    for path in paths:
        command += ["-P", str(path)]
    with subprocess.Popen([*command, "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}"]) as tracer:
        try:
            wait_until(lambda: tracer.poll() is not None or _is_traced(broker.pid), timeout_s=10)
            if tracer.poll() is not None:
                pytest.skip("strace may not trace here")
            yield
        finally:
            tracer.terminate()
            tracer.wait(10)


def _is_traced(pid: int) -> bool:
    statuses = [Path(f"/proc/{pid}/task/{task}/status").read_text() for task in os.listdir(f"/proc/{pid}/task")]
    return all("TracerPid:\t0\n" not in status for status in statuses)


OPEN = "openat"
WRITE = "pwritev,pwritev2,pwrite64"
SYNC = "fsync,fdatasync"


@pytest.mark.stress
@pytest.mark.toolchain("strace")
@pytest.mark.parametrize("error", ["EACCES", "EPERM", "EROFS", "EIO"])
def test_a_directory_in_which_no_file_may_be_opened_any_more_goes_offline(two: TwoDirectories, error: str) -> None:
    two.set_config("segment.ms", "1")  # the next record needs a new file
    with injected(two.broker, OPEN, f"error={error}", two.log / f"{10:020d}.log"):
        assert produce(new_producer(two.servers), "t", 1, two.lost) == []
        two.check_that_the_rest_goes_on()
    assert f"Stopping serving logs in dir {two.other}" in two.broker.output
    two.check_that_all_is_there_after_a_restart()


@pytest.mark.stress
@pytest.mark.toolchain("strace")
@pytest.mark.parametrize("error", ["EACCES", "EIO", "EROFS"])
def test_a_directory_whose_files_cannot_be_written_goes_offline(two: TwoDirectories, error: str) -> None:
    with injected(two.broker, WRITE, f"error={error}", two.log / f"{0:020d}.log"):
        assert produce(new_producer(two.servers), "t", 1, two.lost) == []
        two.check_that_the_rest_goes_on()
    two.check_that_all_is_there_after_a_restart()


@pytest.mark.stress
@pytest.mark.toolchain("strace")
def test_writing_goes_on_when_a_full_disk_has_room_again(two: TwoDirectories) -> None:
    with injected(two.broker, WRITE, "error=ENOSPC", two.log / f"{0:020d}.log"):
        assert produce(new_producer(two.servers), "t", 3, two.lost) == []
        assert read(two.servers, "t", two.lost) == list(range(10))
    assert produce(new_producer(two.servers), "t", 5, two.lost) == list(range(10, 15))
    assert two.leaders() == {0: 1, 1: 1}


@pytest.mark.stress
@pytest.mark.toolchain("strace")
def test_a_sync_that_fails_once_is_not_tried_again(two: TwoDirectories) -> None:
    two.set_config("flush.messages", "1")
    assert produce(new_producer(two.servers), "t", 1, two.lost) == [10]
    with injected(two.broker, SYNC, "error=EIO:when=1", two.log / f"{0:020d}.log"):
        assert produce(new_producer(two.servers), "t", 1, two.lost) == []
        two.check_that_the_rest_goes_on()
    assert produce(new_producer(two.servers), "t", 1, two.lost) == []
    two.check_that_all_is_there_after_a_restart()


@pytest.mark.stress
@pytest.mark.toolchain("strace")
def test_a_log_that_cannot_be_read_any_more_takes_its_directory_offline(two: TwoDirectories) -> None:
    with injected(two.broker, "sendfile,pread64", "error=EIO", two.log / f"{0:020d}.log"):
        wait_until(lambda: _fails_to_read(two) or two.leaders()[two.lost] == -1, timeout_s=30)
        two.check_that_the_rest_goes_on()
    two.check_that_all_is_there_after_a_restart()


def _fails_to_read(two: TwoDirectories) -> bool:
    try:
        read(two.servers, "t", two.lost)
    except Exception:
        return True
    return False
