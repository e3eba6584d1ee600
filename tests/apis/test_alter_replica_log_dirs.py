"""AlterReplicaLogDirs: partitions move between log directories while they are used, and stay there."""

from __future__ import annotations

import time
from pathlib import Path

from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.testing import KafkaliteServer


def alter(client: WireClient, path: Path | str, topic: str = "t", index: int = 0) -> int:
    wanted = AlterReplicaLogDir(path=str(path), topics=[AlterReplicaLogDirTopic(name=topic, partitions=[index])])
    [result] = client.send(AlterReplicaLogDirsRequest(dirs=[wanted])).results
    return int(result.partitions[0].error_code)


def places(client: WireClient) -> dict[str, bool]:
    """The log directories that hold partition 0 of the topic, and whether it is on its way there."""
    return {
        found.log_dir: partition.is_future_key
        for found in client.send(DescribeLogDirsRequest(topics=None)).results
        for topic in found.topics
        for partition in topic.partitions
        if topic.name == "t"
    }


def produce(client: WireClient, value: bytes) -> int:
    batch = build_batch([Record(0, 1000, None, value, [])])
    data = TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=batch)])
    [topic] = client.send(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[data]), 12).responses
    assert topic.partition_responses[0].error_code == 0
    return int(topic.partition_responses[0].base_offset)


def records(client: WireClient) -> bytes:
    wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 25)
    request = FetchRequest(max_bytes=1 << 25, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[wanted])])
    return bytes(client.send(request, 12).responses[0].partitions[0].records)


def wait_until_moved(client: WireClient, path: Path) -> None:
    deadline = time.monotonic() + 20
    while places(client) != {str(path): False}:
        assert time.monotonic() < deadline, places(client)


def test_a_partition_moves_while_it_is_written_and_stays_there(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    config = {"log.dirs": f"{one},{two}"}
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
        [source] = places(client)
        destination = two if source == str(one) else one
        for _ in range(6):
            produce(client, b"v" * 900_000)
        assert alter(client, destination) == 0
        last = max(produce(client, b"while it moves") for _ in range(20))
        before = records(client)
        wait_until_moved(client, destination)
        assert records(client) == before
        assert produce(client, b"afterwards") == last + 1
        assert (destination / "t-0" / "partition.metadata").exists()
        assert not (Path(source) / "t-0").exists()
        after = records(client)
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        assert places(client) == {str(destination): False}
        assert records(client) == after


def test_what_cannot_be_moved_is_refused(tmp_path: Path) -> None:
    with KafkaliteServer(tmp_path / "one") as kafka, WireClient(kafka.bootstrap_servers) as client:
        client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
        assert alter(client, tmp_path / "one") == ErrorCode.NONE
        assert alter(client, tmp_path / "elsewhere") == ErrorCode.LOG_DIR_NOT_FOUND
        assert alter(client, tmp_path / "one", topic="unknown") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert alter(client, tmp_path / "one", index=9) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_move_goes_on_after_a_stop(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    config = {"log.dirs": f"{one},{two}"}
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
        [source] = places(client)
        destination = two if source == str(one) else one
        for _ in range(20):
            produce(client, b"v" * 900_000)
        before = records(client)
        assert alter(client, destination) == 0
    [copy] = destination.glob("t-0.*-future")  # no more than a first part of it, then
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        produce(client, b"while it goes on")
        wait_until_moved(client, destination)
        assert records(client).startswith(before)
        assert not copy.exists() and not (Path(source) / "t-0").exists()


def test_a_copy_that_is_no_part_of_its_log_is_begun_anew(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    config = {"log.dirs": f"{one},{two}"}
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
        produce(client, b"v")
        [source] = places(client)
        before = records(client)
    destination = two if source == str(one) else one
    leftover = destination / f"t-0.{'0' * 32}-future"
    leftover.mkdir()
    with KafkaliteServer(tmp_path, config=config) as kafka, WireClient(kafka.bootstrap_servers) as client:
        wait_until_moved(client, destination)
        assert records(client) == before
        deadline = time.monotonic() + 20
        while list(destination.glob("t-0.*")):
            assert time.monotonic() < deadline
