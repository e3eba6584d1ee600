"""kafka-python: goes to the newest version of every API, and can be told to speak those of an old broker."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetSpec, TopicPartition
from kafka.admin import ConfigResource
from kafka.errors import NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

from client_scenarios import (
    ALL_CODECS,
    KAFKA_PYTHON_METADATA_MAX_AGE_MS,
    PARTITIONS,
    Message,
    check_group_of_two,
    codec_messages,
    decoded,
    encoded,
    messages_of,
    wait_until,
)


class KafkaPythonMember:
    """A consumer in a thread of its own: a poll() that times out as a rebalance ends would lose the assignment."""

    def __init__(self, bootstrap_servers: str, topic: str, group: str) -> None:
        self.received: list[str] = []
        self._consumer = KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap_servers,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=100,
            fetch_max_wait_ms=50,
            metadata_max_age_ms=KAFKA_PYTHON_METADATA_MAX_AGE_MS,
        )
        self._commits: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_closing.is_set():
            for records in self._consumer.poll(timeout_ms=500).values():
                self.received += [record.value.decode() for record in records]
            while not self._commits.empty():
                self._consumer.commit()
                self._commits.get().set_result(None)
        self._consumer.close(autocommit=False)

    def poll(self) -> None:
        time.sleep(0.02)

    def assigned(self) -> set[int]:
        return {topic_partition.partition for topic_partition in self._consumer.assignment()}

    def commit(self) -> None:
        done: Future[None] = Future()
        self._commits.put(done)
        done.result(30)

    def close(self) -> None:
        self._is_closing.set()
        self._thread.join(30)


def produce_with_each_codec(bootstrap_servers: str, topic: str, api_version: tuple[int, ...] | None) -> None:
    for codec in ALL_CODECS:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap_servers,
            compression_type=None if codec == "none" else codec,
            linger_ms=100,
            api_version=api_version,
        )
        for message in codec_messages(codec):
            headers = [(key, value.encode()) for key, value in message.headers]
            producer.send(topic, encoded(message.value), encoded(message.key), headers, partition=0)
        producer.flush()
        producer.close()


@pytest.mark.parametrize("api_version", [None, (2, 1)], ids=["newest-versions", "versions-of-2.1"])
def test_reads_back_what_it_produced_with_every_codec(
    bootstrap_servers: str, topic: str, api_version: tuple[int, ...] | None
) -> None:
    produce_with_each_codec(bootstrap_servers, topic, api_version)
    expected = messages_of(ALL_CODECS)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        api_version=api_version,
        metadata_max_age_ms=KAFKA_PYTHON_METADATA_MAX_AGE_MS,
    )
    records = [next(consumer) for _ in expected]
    consumer.close()
    read = [
        Message(
            decoded(record.key), decoded(record.value), tuple((key, value.decode()) for key, value in record.headers)
        )
        for record in records
    ]
    assert read == expected
    assert [record.offset for record in records] == list(range(len(expected)))


def test_shares_a_topic_in_a_group_of_two_and_resumes(bootstrap_servers: str, topic: str, group: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    admin.create_topics({topic: {"num_partitions": PARTITIONS}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers)

    def produce(values: Sequence[str]) -> None:
        for number, value in enumerate(values):
            producer.send(topic, value.encode(), partition=number % PARTITIONS)
        producer.flush()

    check_group_of_two(lambda: KafkaPythonMember(bootstrap_servers, topic, group), produce)
    producer.close()
    committed = admin.list_group_offsets(group)[group]
    assert {tp.partition: (entry.offset, entry.metadata) for tp, entry in committed.items()} == {
        partition: (len(range(40)) // PARTITIONS, "") for partition in range(PARTITIONS)
    }
    admin.close()


def test_creates_describes_alters_and_deletes_a_topic(bootstrap_servers: str, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    created = admin.create_topics(
        {topic: {"num_partitions": 2, "configs": {"retention.ms": "60000"}}}, wait_for_metadata=True
    )["topics"][0]
    assert (created["error_code"], created["num_partitions"], created["replication_factor"]) == (0, 2, 1)
    assert created["configs"]["retention.ms"]["value"] == "60000"
    assert created["configs"]["cleanup.policy"]["config_source"] == "DEFAULT_CONFIG"
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics({topic: {"num_partitions": 2}})

    described = admin.describe_topics([topic])[0]
    assert [partition["partition_index"] for partition in described["partitions"]] == [0, 1]
    assert described["topic_id"] == created["topic_id"]
    assert described["partitions"][0]["replica_nodes"] == described["partitions"][0]["isr_nodes"] == [1]

    resource = ConfigResource("TOPIC", topic, {"retention.ms": "50000", "max.message.bytes": "2000"})
    assert admin.alter_configs([resource]) == {"topic": {topic: "OK"}}

    def dynamic_configs() -> dict[str, str]:
        configs = admin.describe_configs([ConfigResource("TOPIC", topic)])["topic"][topic]
        return {name: config["value"] for name, config in configs.items()}

    wait_until(lambda: dynamic_configs() == {"retention.ms": "50000", "max.message.bytes": "2000"})
    admin.reset_configs([ConfigResource("TOPIC", topic, ["retention.ms"])])
    wait_until(lambda: dynamic_configs() == {"max.message.bytes": "2000"})

    admin.create_partitions({topic: 5})
    wait_until(lambda: len(admin.describe_topic_partitions([topic])["topics"][0]["partitions"]) == 5)
    assert topic in admin.list_topics()
    assert topic in admin.list_config_resources()["topic"]
    admin.delete_topics([topic])
    wait_until(lambda: topic not in admin.list_topics())
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([topic])
    admin.close()


def test_lists_offsets_and_deletes_records(bootstrap_servers: str, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers)
    for number, timestamp_ms in enumerate((1000, 3000, 2000)):
        producer.send(topic, b"%d" % number, partition=0, timestamp_ms=timestamp_ms).get(10)
    partition = TopicPartition(topic, 0)

    def offset_and_timestamp(spec: object) -> tuple[int, int]:
        found = admin.list_partition_offsets({partition: spec})[partition]
        return found.offset, found.timestamp

    assert offset_and_timestamp(OffsetSpec.EARLIEST) == (0, -1)
    assert offset_and_timestamp(OffsetSpec.LATEST) == (3, -1)
    assert offset_and_timestamp(OffsetSpec.MAX_TIMESTAMP) == (1, 3000)
    assert offset_and_timestamp(1500) == (1, 3000)
    assert offset_and_timestamp(3001) == (-1, -1)

    producers = admin.describe_producers([partition])[partition].active_producers
    assert [(entry.producer_epoch, entry.last_sequence, entry.last_timestamp) for entry in producers] == [(0, 2, 2000)]
    producer.close()

    deleted = admin.delete_records({partition: 2})[partition]
    assert (deleted["error_code"], deleted["low_watermark"]) == (0, 2)
    assert offset_and_timestamp(OffsetSpec.EARLIEST) == (2, -1)

    log_directory = admin.describe_log_dirs()[0]["log_dirs"][0]
    sizes = {
        entry["name"]: sum(replica["partition_size"] for replica in entry["partitions"])
        for entry in log_directory["topics"]
    }
    assert (log_directory["error_code"], sizes[topic] > 0) == (0, True)
    admin.close()


def test_describes_and_changes_groups(bootstrap_servers: str, topic: str, group: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    admin.create_topics({topic: {"num_partitions": PARTITIONS}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers)
    for number in range(8):
        producer.send(topic, b"%d" % number, partition=number % PARTITIONS)
    producer.flush()
    producer.close()
    member = KafkaPythonMember(bootstrap_servers, topic, group)
    wait_until(lambda: len(member.received) == 8, meanwhile=member.poll)
    member.commit()

    described = admin.describe_groups([group])[group]
    assert (described["group_state"], described["protocol_type"], described["protocol_data"]) == (
        "Stable",
        "consumer",
        "range",
    )
    (only_member,) = described["members"]
    assert only_member["client_host"] == "/127.0.0.1"
    assert only_member["member_metadata"]["topics"] == [topic]
    assert only_member["member_assignment"]["assigned_partitions"] == [{"topic": topic, "partitions": [0, 1, 2, 3]}]
    listed = [entry for entry in admin.list_groups() if entry["group_id"] == group]
    assert listed == [
        {"group_id": group, "protocol_type": "consumer", "group_state": "Stable", "group_type": "classic"}
    ]
    assert group not in [entry["group_id"] for entry in admin.list_groups(states_filter=["Empty"])]
    assert admin.delete_groups([group]) == {group: "NonEmptyGroupError"}
    member.close()

    partition = TopicPartition(topic, 0)
    reset = admin.reset_group_offsets(group, {partition: OffsetSpec.EARLIEST})[partition]
    assert (reset["error"], reset["offset"]) == (NoError, 0)
    assert admin.alter_group_offsets(group, {TopicPartition(topic, 1): OffsetAndMetadata(1, "by hand", None)}) == {
        TopicPartition(topic, 1): NoError
    }
    assert admin.delete_group_offsets(group, [TopicPartition(topic, 2)]) == {TopicPartition(topic, 2): NoError}
    offsets = {
        tp.partition: (entry.offset, entry.metadata) for tp, entry in admin.list_group_offsets(group)[group].items()
    }
    assert offsets == {0: (0, ""), 1: (1, "by hand"), 3: (2, "")}
    assert admin.delete_groups([group]) == {group: "OK"}
    assert group not in [entry["group_id"] for entry in admin.list_groups()]
    admin.close()


def test_describes_the_cluster(bootstrap_servers: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    cluster = admin.describe_cluster()
    (broker,) = cluster["brokers"]
    assert (broker["broker_id"], cluster["controller_id"]) == (1, 1)
    assert f"{broker['host']}:{broker['port']}" == bootstrap_servers
    assert len(cluster["cluster_id"]) == 22
    configs = admin.describe_configs([ConfigResource("BROKER", "1")], config_filter="all")["broker"]["1"]
    assert (configs["node.id"]["value"], configs["node.id"]["read_only"]) == ("1", True)
    assert configs["log.retention.ms"]["read_only"] is False
    admin.close()
