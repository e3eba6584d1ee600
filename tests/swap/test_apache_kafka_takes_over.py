"""kafkalite stops cleanly, Apache Kafka starts on its directory and serves what was there, as if it had been its own.

Apache Kafka tells by its log what it does not like about a directory, and moves aside what it takes for strangers'
without any other sign. A broker that was left unfenced would keep it waiting for a session timeout; that is set longer
here than the start may take.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apache_kafka import ApacheKafka, StartApacheKafka
from broker_process import BrokerProcess
from client_scenarios import wait_until
from kafkalite.broker.data_directory_verification import DataDirectoryVerification
from kafkalite.client.wire_client import WireClient
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.verification.finding import Finding, Report, Severity
from kafkalite_process import StartKafkalite

pytestmark = pytest.mark.oracle

# What Apache Kafka says of its own directories too, at every start and at every end.
_USUAL_WARNINGS = (
    "Performing controller activation.",
    "Attempting to close NetworkClient that has already been closed",
)
_GROUP = "swap-group"


@dataclass
class Contents:
    """What a broker serves."""

    topics: dict[str, tuple[Uuid, int]] = field(default_factory=dict)
    configs: dict[tuple[int, str], dict[str, str | None]] = field(default_factory=dict)
    records: dict[tuple[str, int], bytes] = field(default_factory=dict)
    offsets: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    committed: dict[tuple[str, int], tuple[int, int, str | None]] = field(default_factory=dict)


class Filler:
    """Puts into a broker what shall survive, and reads it back."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.client = WireClient(bootstrap_servers, client_id="swap")

    def create(self, name: str, partitions: int, **configs: str) -> None:
        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
        )
        [result] = self.client.send(CreateTopicsRequest(topics=[topic], timeout_ms=30_000)).topics
        assert result.error_code == 0, result

    def produce(self, topic: str, partition: int, *values: str, **facts: Any) -> None:
        records = [
            Record(index, 1_000_000 + index, b"key-%d" % index, value.encode(), [("h", b"v"), ("none", None)])
            for index, value in enumerate(values)
        ]
        data = PartitionProduceData(index=partition, records=build_batch(records, **facts))
        request = ProduceRequest(
            acks=-1, timeout_ms=30_000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
        )
        [response] = self.client.send(request, 12).responses[0].partition_responses
        assert response.error_code == 0, response

    def commit(self, topic: str, partition: int, offset: int, metadata: str) -> None:
        wanted = OffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_leader_epoch=0, committed_metadata=metadata
        )
        request = OffsetCommitRequest(
            group_id=_GROUP,
            generation_id_or_member_epoch=-1,
            member_id="",
            topics=[OffsetCommitRequestTopic(name=topic, partitions=[wanted])],
        )
        [answer] = self.client.send(request, 9).topics[0].partitions
        assert answer.error_code == 0, answer

    def fill(self) -> None:
        self.create("plain", 3)
        for codec in CompressionType:
            self.produce("plain", 0, *[f"{codec.name} {index}" for index in range(20)], compression=codec)
        self.produce("plain", 2, "once", producer_id=4711, producer_epoch=0, base_sequence=0)
        self.create("configured", 1, cleanup_policy="compact", retention_ms="1234567", max_message_bytes="2000000")
        self.produce("configured", 0, "a", "b")
        self.create("many-segments", 1, segment_bytes="1048576")
        for index in range(6):
            self.produce("many-segments", 0, f"{index}" * 400_000)
        self.create("trimmed", 1)
        for index in range(4):
            self.produce("trimmed", 0, f"{index}")
        trim = DeleteRecordsTopic(name="trimmed", partitions=[DeleteRecordsPartition(partition_index=0, offset=2)])
        assert self.client.send(DeleteRecordsRequest(topics=[trim], timeout_ms=30_000)).topics[0].partitions
        self.create("deleted", 2)
        self.produce("deleted", 0, "gone")
        [deleted] = self.client.send(
            DeleteTopicsRequest(topics=[DeleteTopicState(name="deleted")], timeout_ms=30_000)
        ).responses
        assert deleted.error_code == 0
        self.create("grown", 1)
        more = CreatePartitionsTopic(name="grown", count=4, assignments=None)
        assert self.client.send(CreatePartitionsRequest(topics=[more], timeout_ms=30_000)).results[0].error_code == 0
        self.produce("grown", 3, "last")
        for resource_type, name, config, value in (
            (2, "plain", "retention.bytes", "999999999"),
            (4, "", "log.cleaner.threads", "2"),
            (4, "1", "log.retention.ms", "86400000"),
            (32, _GROUP, "consumer.session.timeout.ms", "50000"),
            (16, "metrics", "interval.ms", "60000"),
        ):
            wanted = AlterableConfig(name=config, config_operation=0, value=value)
            resource = AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=[wanted])
            [answer] = self.client.send(IncrementalAlterConfigsRequest(resources=[resource])).responses
            assert answer.error_code == 0, answer
        self.commit("plain", 0, 42, "somewhere")
        self.commit("plain", 1, 0, "")
        self.commit("grown", 3, 1, "the end")

    def contents(self) -> Contents:
        found = Contents()
        for topic in self.client.send(MetadataRequest(topics=None)).topics:
            assert topic.error_code == 0
            assert [partition.leader_id for partition in topic.partitions] == [1] * len(topic.partitions)
            found.topics[topic.name] = (topic.topic_id, len(topic.partitions))
        for resource in (
            (2, "plain"),
            (2, "configured"),
            (2, "__consumer_offsets"),
            (4, ""),
            (32, _GROUP),
            (16, "metrics"),
        ):
            found.configs[resource] = self._configs(*resource)
        for name, (topic_id, count) in found.topics.items():
            for index in range(count):
                start, end = self._offset(name, index, -2), self._offset(name, index, -1)
                found.offsets[name, index] = (start, end)
                if not name.startswith("__"):
                    found.records[name, index] = self._records(topic_id, index, start, end)
        wanted = [OffsetFetchRequestTopics(name="plain", partition_indexes=[0, 1, 2])]
        wanted.append(OffsetFetchRequestTopics(name="grown", partition_indexes=[3]))
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=_GROUP, topics=wanted)])
        [group] = self.client.send(request, 9).groups
        for topic in group.topics:
            for partition in topic.partitions:
                assert partition.error_code == 0, partition
                found.committed[topic.name, partition.partition_index] = (
                    partition.committed_offset,
                    partition.committed_leader_epoch,
                    partition.metadata,
                )
        return found

    def _configs(self, resource_type: int, name: str) -> dict[str, str | None]:
        """What was set for the resource itself."""
        resource = DescribeConfigsResource(resource_type=resource_type, resource_name=name, configuration_keys=None)
        [result] = self.client.send(DescribeConfigsRequest(resources=[resource])).results
        assert result.error_code == 0, result
        own = {2: 1, 4: 3, 32: 8, 16: 7}[resource_type]
        return {config.name: config.value for config in result.configs if config.config_source == own}

    def _offset(self, topic: str, index: int, timestamp: int) -> int:
        partition = ListOffsetsPartition(partition_index=index, timestamp=timestamp)
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[partition])])
        deadline = time.monotonic() + 30
        while True:  # Apache Kafka answers before all its logs know that they lead
            [answer] = self.client.send(request).topics[0].partitions
            if answer.error_code == 0 or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert answer.error_code == 0, answer
        offset: int = answer.offset
        return offset

    def _records(self, topic_id: Uuid, index: int, offset: int, end: int) -> bytes:
        """The batches as bytes; the field for the leader epoch among them, which nobody may touch."""
        from kafkalite.records.record_batch import iter_batches

        data = b""
        while offset < end:
            wanted = FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=10_000_000)
            request = FetchRequest(
                max_wait_ms=500,
                min_bytes=1,
                max_bytes=10_000_000,
                topics=[FetchTopic(topic_id=topic_id, partitions=[wanted])],
            )
            [answer] = self.client.send(request, 13).responses[0].partitions
            assert answer.error_code == 0, answer
            fetched = bytes(answer.records)
            for position, header in iter_batches(fetched):
                data += fetched[position : position + header.size_in_bytes]
                offset = header.next_offset
        return data


def assert_untroubled(broker: ApacheKafka) -> None:
    """Apache Kafka found nothing to say about the directory, and moved nothing aside."""
    lines = [line for line in broker.output.splitlines() if not any(usual in line for usual in _USUAL_WARNINGS)]
    assert [line for line in lines if " WARN " in line or " ERROR " in line or "Exception" in line] == []
    names = [path.name for path in broker.data_directory.iterdir()]
    moved_aside = [name for name in names if name.endswith(("-stray", "-delete")) and not name.startswith("deleted-")]
    assert moved_aside == []


def assert_sound(broker: BrokerProcess) -> None:
    """What the broker has left holds together; `kafkalite verify` finds no damage, and after a clean stop nothing."""
    findings: list[Finding] = []
    paths = [str(path.parent) for path in broker.directory.glob("*/meta.properties")]
    DataDirectoryVerification(LocalFileSystem(), paths, Report(findings.append), is_deep=True).verify()
    assert [str(finding) for finding in findings if finding.severity is Severity.DAMAGED] == []
    if all((Path(path) / ".kafka_cleanshutdown").exists() for path in paths):
        assert [str(finding) for finding in findings] == []


def take_turns(
    start_kafkalite: StartKafkalite,
    start_apache_kafka: StartApacheKafka,
    directory: Path,
    *,
    version: str,
    ours: dict[str, str] | None = None,
    theirs: dict[str, str] | None = None,
    is_killed: bool = False,
    before_the_end: Callable[[Filler], None] = lambda filler: None,
    before_the_start: Callable[[], None] = lambda: None,
) -> None:
    """kafkalite fills the directory, Apache Kafka serves it and adds to it, kafkalite serves it again.

    With `is_killed` neither of the two ends but by SIGKILL. What happens around the end of the first is up to the test.
    """
    first = start_kafkalite(directory=directory, properties=ours)
    filler = Filler(first.bootstrap_servers)
    filler.fill()
    before = filler.contents()
    before_the_end(filler)
    filler.client.close()
    assert first.kill() == -9 if is_killed else first.stop() == 0
    before_the_start()
    assert_sound(first)
    assert "deleted" not in before.topics

    properties = {"broker.session.timeout.ms": "4000" if is_killed else "300000", **(theirs or {})}
    second = start_apache_kafka(directory=directory, version=version, properties=properties)
    reader = Filler(second.bootstrap_servers)
    after = reader.contents()
    assert after.topics == before.topics
    assert after.configs == before.configs
    assert after.offsets == before.offsets
    assert after.records == before.records
    assert after.committed == before.committed
    reader.produce("plain", 0, "goes on")
    reader.create("theirs", 1)
    reader.client.close()
    assert second.kill() == -9 if is_killed else second.stop() == 143  # what a JVM makes of SIGTERM
    assert_untroubled(second)
    assert_sound(second)

    third = start_kafkalite(directory=directory, properties=ours)
    back = Filler(third.bootstrap_servers)
    found = back.contents()
    assert set(found.topics) == {*before.topics, "theirs"}
    assert found.offsets["plain", 0] == (0, before.offsets["plain", 0][1] + 1)
    assert found.records["plain", 0].startswith(before.records["plain", 0])
    assert found.committed == before.committed
    back.client.close()
    assert third.kill() == -9 if is_killed else third.stop() == 0
    assert_sound(third)


@pytest.mark.parametrize("version", ["4.4.0", "4.3.1"])
@pytest.mark.parametrize("quorum", ["controller.quorum.voters", "controller.quorum.bootstrap.servers"])
def test_a_directory_that_was_stopped_cleanly_is_served_at_once(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, version: str, quorum: str
) -> None:
    properties = {}
    if quorum == "controller.quorum.bootstrap.servers":
        properties = {"controller.quorum.voters": "", quorum: "127.0.0.1:9093"}
    take_turns(start_kafkalite, start_apache_kafka, tmp_path / "node", version=version, theirs=properties)


def test_metadata_snapshots_and_several_log_directories_are_taken_over(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path
) -> None:
    node = tmp_path / "node"
    properties = {
        "log.dirs": f"{node}/data,{node}/more",
        "metadata.log.dir": f"{node}/data",
        "metadata.log.max.record.bytes.between.snapshots": "1500",
    }
    take_turns(start_kafkalite, start_apache_kafka, node, version="4.4.0", ours=properties, theirs=properties)
    partitions = [{path.name for path in (node / name).iterdir() if path.is_dir()} for name in ("data", "more")]
    assert all(len(names) > 5 for names in partitions)
    assert partitions[0] & partitions[1] == set()
    snapshots = list((node / "data" / "__cluster_metadata-0").glob("*.checkpoint"))
    assert len(snapshots) > 3


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_log_directory_that_had_failed_under_the_broker_and_is_back_is_taken_over(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, is_killed: bool
) -> None:
    node = tmp_path / "node"
    properties = {"log.dirs": f"{node}/data,{node}/more", "metadata.log.dir": f"{node}/data"}
    elsewhere = tmp_path / "elsewhere"

    def fail(filler: Filler) -> None:
        (node / "more").rename(elsewhere)
        wait_until(lambda: {leader(filler, "plain", index) for index in range(3)} == {-1, 1})

    def give_back() -> None:
        shutil.move(elsewhere, node / "more")
        (node / "output.log").unlink()  # what the first broker said of the failure

    def leader(filler: Filler, topic: str, index: int) -> int:
        topics = {found.name: found for found in filler.client.send(MetadataRequest(topics=None)).topics}
        leaders: dict[int, int] = {found.partition_index: found.leader_id for found in topics[topic].partitions}
        return leaders[index]

    take_turns(
        start_kafkalite,
        start_apache_kafka,
        node,
        version="4.4.0",
        ours=properties,
        theirs=properties,
        is_killed=is_killed,
        before_the_end=fail,
        before_the_start=give_back,
    )


@pytest.mark.parametrize("version", ["4.4.0", "4.3.1"])
def test_a_directory_whose_broker_was_killed_is_served_after_the_session_timeout(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, version: str
) -> None:
    take_turns(start_kafkalite, start_apache_kafka, tmp_path / "node", version=version, is_killed=True)
