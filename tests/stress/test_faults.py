"""What the operating system refuses while the broker runs: room on the disk, descriptors, time.

Nothing that was acknowledged is lost, reading goes on, and writing goes on by itself when the fault is over.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer

from acknowledged_records import VALUE, create, new_producer, produce, read
from broker_process import HOST, BrokerProcess
from client_scenarios import wait_until
from group_load import GroupAccount, GroupMember
from kafkalite_process import KafkaliteProcess
from numbered_records import (
    PARTITIONS,
    PATIENT,
    Load,
    check_nothing_lost,
    check_written_once_and_in_order,
    read_topic,
)
from small_disk import SmallDisk, mounted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Under the data of a broker whose directory is tmp_path/full."""
    with mounted(tmp_path / "full" / "data", 12) as disk:
        yield disk


def test_on_a_full_disk_reading_goes_on_and_so_does_writing_when_there_is_room(
    small_disk: SmallDisk, start_kafkalite: Callable[..., BrokerProcess]
) -> None:
    broker = start_kafkalite(directory=small_disk.path.parent)
    servers = broker.bootstrap_servers
    create(servers, "t")
    acknowledged = produce(new_producer(servers), "t", 2_000)
    small_disk.fill()
    assert produce(new_producer(servers), "t", 1) == []
    assert 0 < len(acknowledged) < 2_000
    assert read(servers, "t") == sorted(acknowledged)
    small_disk.resize(40)
    assert produce(new_producer(servers), "t", 100) == list(range(len(acknowledged), len(acknowledged) + 100))
    broker.kill()
    broker.start()
    assert read(servers, "t") == list(range(len(acknowledged) + 100))


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_start_on_a_full_disk_serves_what_is_there_and_writes_when_there_is_room(
    small_disk: SmallDisk, start_kafkalite: Callable[..., BrokerProcess], is_killed: bool
) -> None:
    broker = start_kafkalite(directory=small_disk.path.parent)
    servers = broker.bootstrap_servers
    create(servers, "t")
    acknowledged = produce(new_producer(servers), "t", 2_000)
    small_disk.fill()
    if is_killed:
        broker.kill()
    else:
        assert broker.stop() == 1
        assert broker.output.endswith("Cannot stop cleanly: No space left on device\n")
    for _ in range(2):
        small_disk.fill()
        broker.start()
        assert "There is no room on the disk to record this start" in broker.output
        assert read(servers, "t") == sorted(acknowledged)
        assert produce(new_producer(servers), "t", 1) == []
        broker.kill()
    broker.start()
    small_disk.resize(40)
    assert produce(new_producer(servers), "t", 100) == list(range(len(acknowledged), len(acknowledged) + 100))
    assert "There is room again" in broker.output
    assert broker.restart().stop() == 0
    broker.start()
    assert read(servers, "t") == list(range(len(acknowledged) + 100))


class FewDescriptors(KafkaliteProcess):
    """A broker that may have 80 files and connections open."""

    def command(self) -> list[str]:
        return ["prlimit", "--nofile=80:80", *super().command()]


@pytest.mark.toolchain("prlimit")
def test_many_logs_share_few_descriptors_also_while_connections_take_all_others(tmp_path: Path) -> None:
    with FewDescriptors(tmp_path / "few") as broker:
        servers = broker.bootstrap_servers
        topics = [f"t{number}" for number in range(100)]
        create(servers, *topics)
        producer = new_producer(servers, patience_ms=30_000)
        for topic in topics:
            assert produce(producer, topic, 2) == [0, 1]
        connections = [socket.create_connection((HOST, broker.port), timeout=5) for _ in range(90)]
        wait_until(lambda: len(os.listdir(f"/proc/{broker.pid}/fd")) == 80)
        for topic in topics:
            assert produce(producer, topic, 1) == [2]
        for connection in connections:
            connection.close()
        wait_until(lambda: len(os.listdir(f"/proc/{broker.pid}/fd")) < 70)
        for topic in topics[::10]:
            assert produce(new_producer(servers), topic, 1) == [3]
            assert read(servers, topic) == [0, 1, 2, 3]
        broker.check_that_it_ended_well()


@pytest.mark.parametrize("stands_still_s", [2, pytest.param(60, marks=pytest.mark.stress)])
def test_a_broker_that_stood_still_goes_on(
    start_kafkalite: Callable[..., BrokerProcess], stands_still_s: float
) -> None:
    broker = start_kafkalite()
    servers = broker.bootstrap_servers
    create(servers, "t")
    delivered: list[tuple[KafkaError | None, int]] = []
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, **PATIENT})
    os.kill(broker.pid, signal.SIGSTOP)
    for _ in range(10):
        producer.produce("t", VALUE, on_delivery=lambda error, message: delivered.append((error, message.offset())))
    time.sleep(stands_still_s)
    os.kill(broker.pid, signal.SIGCONT)
    assert producer.flush(60) == 0
    assert delivered == [(None, offset) for offset in range(10)]
    assert read(servers, "t") == list(range(10))


@pytest.mark.parametrize("stands_still_s", [2, pytest.param(60, marks=pytest.mark.stress)])
def test_groups_and_producers_get_on_after_a_standstill(
    start_kafkalite: Callable[..., BrokerProcess], stands_still_s: float
) -> None:
    session = {"group.consumer.min.session.timeout.ms": "6000", "group.consumer.session.timeout.ms": "6000"}
    broker = start_kafkalite(properties=session)
    servers = broker.bootstrap_servers
    create(servers, "source", partitions=PARTITIONS)
    load = Load(servers, "source", idempotence=True)
    groups = [GroupAccount(protocol, protocol) for protocol in ("classic", "consumer")]
    members = [GroupMember(servers, group) for group in groups for _ in range(2)]

    def have_all_come_on(since: list[int]) -> bool:
        load.produce(load.acknowledged + 100)
        return all(group.commits > before + 2 for group, before in zip(groups, since, strict=True))

    wait_until(lambda: have_all_come_on([0, 0]), timeout_s=60)
    os.kill(broker.pid, signal.SIGSTOP)
    time.sleep(stands_still_s)
    os.kill(broker.pid, signal.SIGCONT)
    commits = [group.commits for group in groups]
    wait_until(lambda: have_all_come_on(commits), timeout_s=60)
    load.finish()
    wait_until(lambda: all(group.committed == load.end_offsets for group in groups), timeout_s=60)
    for member in members:
        member.stop()
    for member in members:
        member.join()
    assert not load.errors and load.acknowledged == load.produced
    everything = {partition: set(range(end)) for partition, end in load.end_offsets.items()}
    assert all(group.seen == everything for group in groups)
    records = read_topic(servers, "source")
    check_nothing_lost(load, records)
    check_written_once_and_in_order(load, records)
