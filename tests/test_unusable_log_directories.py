"""A start with several log directories, one of which cannot be used: as Apache Kafka's, also for its clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker_process import BrokerProcess
from client_scenarios import wait_until
from kafkalite.broker.metadata_store import MetadataStore
from kafkalite.client.wire_client import WireClient, WireClientError
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.protocol.schema import Request
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.meta_properties import read_meta_properties

PARTITIONS = 4
BATCH = build_batch([Record(0, -1, None, b"x")])


class TwoDirectories:
    """A stopped broker with a record in each partition of `t`, whose logs lie in the directories `data` and `other`."""

    def __init__(self, start: Callable[..., BrokerProcess], node: Path) -> None:
        self.node = node
        self.data, self.other = node / "data", node / "other"
        properties = {"log.dirs": f"{self.data},{self.other}", "metadata.log.dir": str(self.data)}
        self.broker = start(directory=node, properties=properties)
        self.create("t")
        for index in range(PARTITIONS):
            self.produce_one("t", index)
        self.is_lost = [(self.other / f"t-{index}").exists() for index in range(PARTITIONS)]
        assert sorted(self.is_lost) == [False, False, True, True]
        self.broker.stop()

    def ask(self, request: Request, version: int | None = None) -> Any:
        with WireClient(self.broker.bootstrap_servers) as client:
            return client.send(request, version)

    def create(self, topic: str) -> None:
        request = CreateTopicsRequest(
            topics=[CreatableTopic(name=topic, num_partitions=PARTITIONS, replication_factor=1)], timeout_ms=10_000
        )
        assert self.ask(request).topics[0].error_code == 0
        wait_until(lambda: all(leader == 1 for _, leader, *_ in self.metadata(topic)), timeout_s=20)

    def produce(self, topic: str, index: int) -> int:
        data = PartitionProduceData(index=index, records=BATCH)
        request = ProduceRequest(
            acks=1, timeout_ms=5_000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
        )
        error_code: int = self.ask(request, 9).responses[0].partition_responses[0].error_code
        return error_code

    def produce_one(self, topic: str, index: int) -> None:
        """Apache Kafka's metadata names leaders that do not know of it for a moment."""
        wait_until(lambda: self.produce(topic, index) == 0, timeout_s=20)

    def metadata(self, topic: str) -> list[tuple[int, int, list[int], list[int]]]:
        """Of each partition the error, the leader, the ISR and the offline replicas."""
        request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
        partitions = sorted(self.ask(request).topics[0].partitions, key=lambda p: p.partition_index)
        return [(p.error_code, p.leader_id, p.isr_nodes, p.offline_replicas) for p in partitions]

    def settled_metadata(self, topic: str) -> list[tuple[int, int, list[int], list[int]]]:
        """What it says once healthy partitions have their leaders: Apache Kafka needs some time for that."""

        def is_settled() -> bool:
            try:
                found = self.metadata(topic)
            except (WireClientError, IndexError):
                return False
            return [leader for _, leader, *_ in found] == [-1 if is_lost else 1 for is_lost in self.is_lost]

        wait_until(is_settled, timeout_s=30)
        return self.metadata(topic)

    def registered_directories(self) -> int:
        """How many directories the registration of the stopped broker names, all of them being log.dirs of its."""
        filesystem = LocalFileSystem()
        store = MetadataStore(filesystem, str(self.data), 1, now_ms=lambda: 0)
        directories = store.image.cluster.brokers[1].directories
        store.close()
        properties = read_meta_properties(filesystem, str(self.data))
        assert properties is not None and properties.directory_id in directories
        return len(directories)

    def observe(self) -> dict[str, Any]:
        """What clients see, lost partitions and healthy ones apart."""

        def by_fate(found: list[Any]) -> dict[str, list[Any]]:
            fates: dict[str, list[Any]] = {"lost": [], "healthy": []}
            for is_lost, one in zip(self.is_lost, found, strict=True):
                fates["lost" if is_lost else "healthy"].append(one)
            return fates

        indexes = range(PARTITIONS)
        metadata = self.settled_metadata("t")
        offsets = ListOffsetsTopic(
            name="t", partitions=[ListOffsetsPartition(partition_index=index, timestamp=-1) for index in indexes]
        )
        listed = self.ask(ListOffsetsRequest(topics=[offsets]), 8).topics[0].partitions
        wanted = [FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1_000) for index in indexes]
        fetched = self.ask(FetchRequest(max_wait_ms=0, topics=[FetchTopic(topic="t", partitions=wanted)]), 12)
        for index in indexes:
            if not self.is_lost[index]:
                self.produce_one("t", index)
        logs = {
            Path(result.log_dir).name: (result.error_code, sum(len(topic.partitions) for topic in result.topics))
            for result in self.ask(DescribeLogDirsRequest(topics=None)).results
        }
        self.create("new")
        return {
            "metadata": by_fate(metadata),
            "produce": by_fate([self.produce("t", index) if self.is_lost[index] else 0 for index in indexes]),
            "list offsets": by_fate([p.error_code for p in sorted(listed, key=lambda p: p.partition_index)]),
            "fetch": by_fate(
                [p.error_code for p in sorted(fetched.responses[0].partitions, key=lambda p: p.partition_index)]
            ),
            "log directories": logs,
            "new topic": self.metadata("new"),
        }


def a_file_in_its_place(directories: TwoDirectories) -> None:
    directories.other.rename(directories.node / "aside")
    directories.other.write_text("")


def give_back_the_directory(directories: TwoDirectories) -> None:
    directories.other.unlink()
    (directories.node / "aside").rename(directories.other)


def a_directory_in_place_of_meta_properties(directories: TwoDirectories) -> None:
    (directories.other / "meta.properties").rename(directories.node / "aside")
    (directories.other / "meta.properties").mkdir()


def give_back_meta_properties(directories: TwoDirectories) -> None:
    (directories.other / "meta.properties").rmdir()
    (directories.node / "aside").rename(directories.other / "meta.properties")


def garbage_for_meta_properties(directories: TwoDirectories) -> None:
    path = directories.other / "meta.properties"
    path.rename(directories.node / "aside")
    path.write_text("version=9\n")


def replace_garbage(directories: TwoDirectories) -> None:
    (directories.node / "aside").rename(directories.other / "meta.properties")


FAULTS = [
    (a_file_in_its_place, give_back_the_directory),
    (a_directory_in_place_of_meta_properties, give_back_meta_properties),
    (garbage_for_meta_properties, replace_garbage),
]
Fault = Callable[[TwoDirectories], None]


def story(directories: TwoDirectories, spoil: Fault, mend: Fault) -> dict[str, Any]:
    broker = directories.broker
    spoil(directories)
    broker.start()
    seen = directories.observe()
    broker.stop()
    seen["registered without it"] = directories.registered_directories()
    mend(directories)
    broker.start()
    wait_until(lambda: all(leader == 1 for _, leader, *_ in directories.metadata("t")), timeout_s=30)
    wanted = [FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1_000) for index in range(PARTITIONS)]
    request = FetchRequest(max_wait_ms=0, topics=[FetchTopic(topic="t", partitions=wanted)])
    partitions = sorted(directories.ask(request, 12).responses[0].partitions, key=lambda p: p.partition_index)
    seen["given back"] = [
        (p.error_code, p.high_watermark - (not lost)) for p, lost in zip(partitions, directories.is_lost, strict=True)
    ]
    broker.stop()
    seen["registered with it"] = directories.registered_directories()
    return seen


@pytest.mark.parametrize(("spoil", "mend"), FAULTS)
def test_the_broker_goes_on_with_the_others(
    start_kafkalite: Callable[..., BrokerProcess], tmp_path: Path, spoil: Fault, mend: Fault
) -> None:
    seen = story(TwoDirectories(start_kafkalite, tmp_path / "node"), spoil, mend)
    assert seen["log directories"]["other"][0] and not seen["log directories"]["data"][0]
    assert [leader for _, leader, *_ in seen["new topic"]] == [1] * PARTITIONS
    assert seen["produce"]["healthy"] == [0, 0] and 0 not in seen["produce"]["lost"]
    assert seen["given back"] == [(0, 1)] * PARTITIONS
    assert (seen["registered without it"], seen["registered with it"]) == (1, 2)


@pytest.mark.oracle
@pytest.mark.parametrize(("spoil", "mend"), FAULTS)
def test_apache_kafka_does_the_same(
    start_kafkalite: Callable[..., BrokerProcess],
    start_apache_kafka: Callable[..., BrokerProcess],
    tmp_path: Path,
    spoil: Fault,
    mend: Fault,
) -> None:
    ours = story(TwoDirectories(start_kafkalite, tmp_path / "ours"), spoil, mend)
    theirs = story(TwoDirectories(start_apache_kafka, tmp_path / "theirs"), spoil, mend)
    for answers in (theirs["produce"], theirs["list offsets"], theirs["fetch"]):
        # For the same partitions it was sometimes one and sometimes the other; clients look for the leader after both.
        assert set(answers["lost"]) <= {ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR}
        answers["lost"] = [ErrorCode.KAFKA_STORAGE_ERROR] * len(answers["lost"])
    assert ours == theirs


@pytest.mark.parametrize("which", ["data", "other and data"])
def test_without_the_metadata_or_without_any_directory_it_does_not_start(
    start_kafkalite: Callable[..., BrokerProcess], tmp_path: Path, which: str
) -> None:
    directories = TwoDirectories(start_kafkalite, tmp_path / "node")
    spoiled = [directories.node / name for name in which.split(" and ")]
    for path in spoiled:
        path.rename(path.with_suffix(".aside"))
        path.write_text("")
    with pytest.raises(RuntimeError, match=rf"Cannot start: .*{directories.data}"):
        directories.broker.start()
    for path in spoiled:
        path.unlink()
        path.with_suffix(".aside").rename(path)
    directories.broker.start()
    assert [leader for _, leader, *_ in directories.metadata("t")] == [1] * PARTITIONS
