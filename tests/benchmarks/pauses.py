"""How long one client waits while others keep the broker busy: a pause meter, beside Apache Kafka.

A process of its own sends an ApiVersions request every millisecond on its own connection; meanwhile one thing after the
other is done to the broker, and for each the waits are printed: how many, median, 99th percentile, longest.

    python tests/benchmarks/pauses.py                         # all kinds, kafkalite
    python tests/benchmarks/pauses.py --broker apache-kafka   # the same on Apache Kafka
    python tests/benchmarks/pauses.py create-topics gc        # these kinds only
    python tests/benchmarks/pauses.py --partitions 10000      # with so many partitions on the broker from the start

A request that waits for long keeps those behind it from being sent, so it counts once: look at the longest.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "fixtures")]

from apache_kafka import ApacheKafka  # noqa: E402
from broker_process import HOST, BrokerProcess  # noqa: E402
from kafkalite.client.wire_client import WireClient  # noqa: E402
from kafkalite.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic  # noqa: E402
from kafkalite.protocol.messages.create_topics import (  # noqa: E402
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from kafkalite.protocol.messages.delete_records import (  # noqa: E402
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState  # noqa: E402
from kafkalite.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource  # noqa: E402
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest  # noqa: E402
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic  # noqa: E402
from kafkalite.protocol.messages.incremental_alter_configs import (  # noqa: E402
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest  # noqa: E402
from kafkalite.protocol.messages.list_offsets import (  # noqa: E402
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic  # noqa: E402
from kafkalite.protocol.messages.offset_commit import (  # noqa: E402
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup  # noqa: E402
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData  # noqa: E402
from kafkalite.records.record import Record  # noqa: E402
from kafkalite.records.record_batch import build_batch  # noqa: E402
from kafkalite_process import KafkaliteProcess  # noqa: E402

API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
PARTITIONS = 1_000
INTERVAL_S = 0.001
VALUE = bytes(100)
TOPIC, BROKER = 2, 4
COMMITS_TO_LOAD = 200_000

PROPERTIES = {
    "log.retention.check.interval.ms": "1000",
    "log.segment.delete.delay.ms": "1000",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offset.metadata.max.bytes": "4096",
    "log.index.size.max.bytes": "65536",  # Apache Kafka maps one for each partition
}


# --- the meter --------------------------------------------------------------------------------------------------------


class Waits(NamedTuple):
    """What the probe saw, in milliseconds."""

    count: int
    median: float
    p99: float
    longest: float


def probe(port: int, control: Connection) -> None:
    """Sends a request every millisecond until told to end; then hands over how long each answer took, in seconds."""
    try:
        os.nice(-10)  # so that the wait for a processor does not count; for root only
    except OSError:
        pass
    with socket.create_connection((HOST, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        control.send(None)
        waits: list[float] = []
        while not control.poll():
            began = time.perf_counter()
            connection.sendall(API_VERSIONS)
            size = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
            connection.recv(size, socket.MSG_WAITALL)
            took = time.perf_counter() - began
            waits.append(took)
            time.sleep(max(0.0, INTERVAL_S - took))
        control.send(waits)


def waits_during(port: int, work: Callable[[], object]) -> Waits:
    """The waits of a client while `work` is done."""
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=probe, args=(port, theirs), daemon=True)
    process.start()
    mine.recv()
    try:
        work()
        time.sleep(0.05)
    finally:
        mine.send(None)
        waits = sorted(mine.recv())
        process.join()
    return Waits(len(waits), *(1e3 * waits[min(len(waits) - 1, int(len(waits) * share))] for share in (0.5, 0.99, 1.0)))


# --- what is done to the broker ---------------------------------------------------------------------------------------


class Scene:
    """A broker with what the kinds share: topics `one` (one partition) and `many` (a thousand)."""

    def __init__(self, broker: BrokerProcess, partitions: int) -> None:
        self.broker = broker
        self.client = WireClient(broker.bootstrap_servers, timeout_s=120)
        self.number = 0
        self.large: list[str] = []
        self.create("one", 1)
        self.create("many", PARTITIONS)
        for index in range(partitions // PARTITIONS):
            self.create(f"more-{index}", PARTITIONS)

    def new_name(self) -> str:
        self.number += 1
        return f"topic-{self.number}"

    def create(self, name: str, partitions: int, **configs: str) -> None:
        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
        )
        response = self.client.send(CreateTopicsRequest(topics=[topic]))
        assert response.topics[0].error_code == 0, response
        while any(
            one.error_code or len(one.partitions) < partitions or any(p.error_code for p in one.partitions)
            for one in self.client.send(MetadataRequest(topics=[MetadataRequestTopic(name=name)]), 9).topics
        ):
            time.sleep(0.1)

    def ten_topics(self) -> list[str]:
        """Topics with a thousand partitions each."""
        while len(self.large) < 10:
            self.large.append(self.new_name())
            self.create(self.large[-1], PARTITIONS)
        return self.large

    def produce(self, topic: str, partitions: range, batch: bytes, client: WireClient | None = None) -> None:
        data = [PartitionProduceData(index=index, records=batch) for index in partitions]
        request = ProduceRequest(
            acks=-1, timeout_ms=60_000, topic_data=[TopicProduceData(name=topic, partition_data=data)]
        )
        response = (client or self.client).send(request, 9)
        assert all(one.error_code == 0 for one in response.responses[0].partition_responses), response

    def commit(self, group: str, topic: str | list[str], partitions: range) -> None:
        parts = [
            OffsetCommitRequestPartition(partition_index=index, committed_offset=index, committed_metadata="")
            for index in partitions
        ]
        names = [topic] if isinstance(topic, str) else topic
        topics = [OffsetCommitRequestTopic(name=name, partitions=parts) for name in names]
        request = OffsetCommitRequest(group_id=group, topics=topics)
        while True:
            response = self.client.send(request, 9)
            errors = {one.error_code for topic in response.topics for one in topic.partitions}
            if errors == {0}:
                return
            assert errors <= {14, 15, 16}, errors  # the coordinator is not there yet
            time.sleep(0.1)


def one_record(number: int = 0) -> bytes:
    return build_batch([Record(0, time.time_ns() // 1_000_000, None, b"%d" % number + VALUE)])


def idle(scene: Scene) -> None:
    time.sleep(3)


def create_topics(scene: Scene) -> None:
    """Topics with one partition each, one after the other."""
    for _ in range(100):
        scene.create(scene.new_name(), 1)


def create_thousand_partitions(scene: Scene) -> None:
    scene.create(scene.new_name(), PARTITIONS)


def create_thousand_topics(scene: Scene) -> None:
    names = [scene.new_name() for _ in range(1_000)]
    topics = [CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in names]
    scene.client.send(CreateTopicsRequest(topics=topics))
    time.sleep(1)


def delete_thousand_topics(scene: Scene) -> None:
    """A thousand topics with a partition each, in a request."""
    topics = [DeleteTopicState(name=f"topic-{scene.number - index}") for index in range(1_000)]
    scene.client.send(DeleteTopicsRequest(topics=topics, timeout_ms=60_000))
    time.sleep(4)


def add_partitions(scene: Scene) -> None:
    topics = [CreatePartitionsTopic(name="one", count=PARTITIONS, assignments=None)]
    scene.client.send(CreatePartitionsRequest(topics=topics, timeout_ms=60_000))
    time.sleep(1)


def delete_thousand_partitions(scene: Scene) -> None:
    """With the removal of the files, a second later."""
    topic = DeleteTopicState(name=f"topic-{scene.number}")
    if scene.number == 0:
        scene.create(scene.new_name(), PARTITIONS)
        topic = DeleteTopicState(name=f"topic-{scene.number}")
    scene.client.send(DeleteTopicsRequest(topics=[topic], timeout_ms=60_000))
    time.sleep(4)


def metadata_of_thousand(scene: Scene) -> None:
    for _ in range(10):
        scene.client.send(MetadataRequest(topics=[MetadataRequestTopic(name="many")]), 9)


def metadata_of_all(scene: Scene) -> None:
    for _ in range(3):
        scene.client.send(MetadataRequest(topics=None), 9)


def describe_configs(scene: Scene) -> None:
    """A hundred resources, all properties with synonyms and documentation."""
    resources = [DescribeConfigsResource(resource_type=TOPIC, resource_name="many", configuration_keys=None)] * 100
    scene.client.send(DescribeConfigsRequest(resources=resources, include_synonyms=True, include_documentation=True), 4)


def alter_broker_config(scene: Scene) -> None:
    """A default that all topics inherit."""
    for value in ("1000000", "1000012"):
        change = AlterConfigsResource(
            resource_type=BROKER,
            resource_name="",
            configs=[AlterableConfig(name="message.max.bytes", config_operation=0, value=value)],
        )
        scene.client.send(IncrementalAlterConfigsRequest(resources=[change]))
        time.sleep(0.2)


def alter_topic_configs(scene: Scene) -> None:
    for number in range(100):
        config = AlterableConfig(name="retention.ms", config_operation=0, value=str(10**9 + number))
        change = AlterConfigsResource(resource_type=TOPIC, resource_name="one", configs=[config])
        scene.client.send(IncrementalAlterConfigsRequest(resources=[change]))


def init_producer_ids(scene: Scene) -> None:
    """Three thousand, of which each thousandth needs a block from the metadata log."""
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    for _ in range(3_000):
        scene.client.send(request)


def list_offsets(scene: Scene) -> None:
    for timestamp in (-1, -2, 1):
        parts = [ListOffsetsPartition(partition_index=index, timestamp=timestamp) for index in range(PARTITIONS)]
        topics = [ListOffsetsTopic(name="many", partitions=parts)]
        scene.client.send(ListOffsetsRequest(replica_id=-1, topics=topics, timeout_ms=30_000))


def describe_log_dirs(scene: Scene) -> None:
    scene.client.send(DescribeLogDirsRequest(topics=None))


def offset_commit(scene: Scene) -> None:
    for number in range(10):
        scene.commit(f"group-{number}", "many", range(PARTITIONS))


def offset_fetch(scene: Scene) -> None:
    """All offsets of ten groups of a thousand each."""
    for number in range(10):
        scene.commit(f"group-{number}", "many", range(PARTITIONS))
    groups = [OffsetFetchRequestGroup(group_id=f"group-{number}", topics=None) for number in range(10)]
    scene.client.send(OffsetFetchRequest(groups=groups))


def offset_commit_large(scene: Scene) -> None:
    """Ten thousand partitions in a request."""
    scene.commit("large", scene.large, range(PARTITIONS))


def offset_fetch_large(scene: Scene) -> None:
    """Ten thousand partitions of a group."""
    scene.client.send(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="large", topics=None)]))


def produce_to_thousand(scene: Scene) -> None:
    """A record to each of a thousand partitions in a request; then their background flushes."""
    for _ in range(3):
        scene.produce("many", range(PARTITIONS), one_record())
    time.sleep(3)


def fetch_of_thousand(scene: Scene) -> None:
    parts = [
        FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1 << 20) for index in range(PARTITIONS)
    ]
    for _ in range(5):
        scene.client.send(
            FetchRequest(max_wait_ms=0, min_bytes=0, topics=[FetchTopic(topic="many", partitions=parts)]), 12
        )


def produce_large_batches(scene: Scene) -> None:
    """A hundred batches of 900 KB, of 900 records each."""
    batch = build_batch([Record(index, time.time_ns() // 1_000_000, None, bytes(1_000)) for index in range(900)])
    for _ in range(100):
        scene.produce("one", range(1), batch)


def segment_rolls(scene: Scene) -> None:
    """Segments of 16 KB over 5,000 idempotent producers, whose state is written at each roll."""
    name = scene.new_name()
    scene.create(name, 1, segment_bytes="1048576")
    now_ms = time.time_ns() // 1_000_000
    for producer_id in range(5_000):
        batch = build_batch(
            [Record(0, now_ms, None, bytes(2_000))],
            producer_id=1_000_000 + producer_id,
            producer_epoch=0,
            base_sequence=0,
        )
        scene.produce(name, range(1), batch)


def retention(scene: Scene) -> None:
    """A thousand partitions of which all segments go at once; then their files."""
    config = AlterableConfig(name="retention.ms", config_operation=0, value="1")
    change = AlterConfigsResource(resource_type=TOPIC, resource_name=f"topic-{scene.number}", configs=[config])
    scene.client.send(IncrementalAlterConfigsRequest(resources=[change]))
    time.sleep(5)


def delete_records(scene: Scene) -> None:
    parts = [DeleteRecordsPartition(partition_index=index, offset=-1) for index in range(PARTITIONS)]
    scene.client.send(
        DeleteRecordsRequest(topics=[DeleteRecordsTopic(name="many", partitions=parts)], timeout_ms=60_000)
    )
    time.sleep(2)


def flush_each_message(scene: Scene) -> None:
    """Others' syncs: four producers of a topic with flush.messages=1."""
    name = scene.new_name()
    scene.create(name, 4, flush_messages="1")

    def produce(partition: int) -> None:
        with WireClient(scene.broker.bootstrap_servers) as client:
            for number in range(100):
                scene.produce(name, range(partition, partition + 1), one_record(number), client)

    threads = [threading.Thread(target=produce, args=(partition,)) for partition in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def compaction(scene: Scene) -> None:
    """A compacted log of 20 MB, written and cleaned."""
    name = scene.new_name()
    scene.create(
        name,
        1,
        cleanup_policy="compact",
        segment_bytes="1048576",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="1000",
    )
    now_ms = time.time_ns() // 1_000_000
    for start in range(0, 200_000, 1_000):
        records = [Record(index, now_ms, b"%d" % ((start + index) % 500), VALUE) for index in range(1_000)]
        scene.produce(name, range(1), build_batch(records))
    time.sleep(20)


def thousand_connections(scene: Scene) -> None:
    connections = [socket.create_connection((HOST, scene.broker.port)) for _ in range(1_000)]
    for connection in connections:
        connection.sendall(API_VERSIONS)
    for connection in connections:
        connection.recv(4096)
    for connection in connections:
        connection.close()


def garbage_collector(scene: Scene) -> None:
    """What makes objects and keeps them: commits of many groups, metadata, heartbeats of nobody."""
    for number in range(300):
        scene.commit(f"gc-group-{number}", "many", range(0, PARTITIONS, 2))


def coordinator_load(scene: Scene) -> None:
    """The start of a broker over 200,000 committed offsets; and the first request to their coordinator."""
    scene.client.send(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="loaded", topics=None)]))
    time.sleep(3)


def prepare_coordinator_load(scene: Scene) -> None:
    for _ in range(COMMITS_TO_LOAD // PARTITIONS):
        scene.commit("loaded", "many", range(PARTITIONS))
    scene.client.close()
    scene.broker.kill()
    scene.broker.start()


def prepare_offset_commit_large(scene: Scene) -> None:
    scene.commit("large", scene.ten_topics()[0], range(1))


def prepare_offset_fetch_large(scene: Scene) -> None:
    scene.commit("large", scene.ten_topics(), range(PARTITIONS))


def prepare_delete_records(scene: Scene) -> None:
    scene.produce("many", range(PARTITIONS), one_record())


def prepare_retention(scene: Scene) -> None:
    name = scene.new_name()
    scene.create(name, PARTITIONS)
    for start in range(0, PARTITIONS, 100):
        scene.produce(name, range(start, start + 100), one_record())


KINDS: dict[str, tuple[Callable[[Scene], None], Callable[[Scene], None] | None]] = {
    "idle": (idle, None),
    "create-topics": (create_topics, None),
    "create-1000-partitions": (create_thousand_partitions, None),
    "delete-1000-partitions": (delete_thousand_partitions, None),
    "create-1000-topics": (create_thousand_topics, None),
    "delete-1000-topics": (delete_thousand_topics, create_thousand_topics),
    "metadata-1000-partitions": (metadata_of_thousand, None),
    "metadata-all": (metadata_of_all, None),
    "describe-configs": (describe_configs, None),
    "alter-broker-config": (alter_broker_config, None),
    "alter-topic-configs": (alter_topic_configs, None),
    "init-producer-ids": (init_producer_ids, None),
    "offset-commit": (offset_commit, None),
    "offset-fetch": (offset_fetch, None),
    "offset-commit-10000": (offset_commit_large, prepare_offset_commit_large),
    "offset-fetch-10000": (offset_fetch_large, prepare_offset_fetch_large),
    "list-offsets": (list_offsets, None),
    "describe-log-dirs": (describe_log_dirs, None),
    "produce-1000-partitions": (produce_to_thousand, None),
    "fetch-1000-partitions": (fetch_of_thousand, None),
    "delete-records": (delete_records, prepare_delete_records),
    "produce-large-batches": (produce_large_batches, None),
    "segment-rolls": (segment_rolls, None),
    "retention": (retention, prepare_retention),
    "flush-each-message": (flush_each_message, None),
    "compaction": (compaction, None),
    "1000-connections": (thousand_connections, None),
    "gc": (garbage_collector, None),
    "coordinator-load": (coordinator_load, prepare_coordinator_load),
    "add-partitions": (add_partitions, None),
}


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--broker", choices=["kafkalite", "apache-kafka"], default="kafkalite")
    parser.add_argument("--partitions", type=int, default=0, help="partitions that are there from the start")
    parser.add_argument("--port", type=int, default=None)
    options = parser.parse_args()
    broker_class = KafkaliteProcess if options.broker == "kafkalite" else ApacheKafka
    print(f"{options.broker:26} {'requests':>9} {'p50, ms':>9} {'p99, ms':>9} {'longest':>9}")
    with (
        tempfile.TemporaryDirectory() as directory,
        broker_class(Path(directory), port=options.port, properties=PROPERTIES) as broker,
    ):
        scene = Scene(broker, options.partitions)
        for kind in options.kinds or KINDS:
            work, prepare = KINDS[kind]
            if prepare is not None:
                prepare(scene)
            waits = waits_during(broker.port, lambda work=work: work(scene))
            print(f"{kind:26} {waits.count:9,} {waits.median:9.2f} {waits.p99:9.2f} {waits.longest:9.1f}", flush=True)
        scene.client.close()


if __name__ == "__main__":
    main()
