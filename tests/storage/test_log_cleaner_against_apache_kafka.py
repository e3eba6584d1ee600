"""The same log compacted by Apache Kafka and by kafkalite: batch for batch the same is left, twice over."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kafkalite.client.wire_client import WireClient
from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.records.record_batch import decode_batch, iter_batches
from kafkalite.storage.checkpoint_files import read_offset_checkpoint
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.log_cleaner import LogCleaning
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.transaction_index import AbortedTxn, TransactionIndex

if TYPE_CHECKING:
    from apache_kafka import ApacheKafka

pytestmark = pytest.mark.oracle
confluent_kafka = pytest.importorskip("confluent_kafka")

TOPIC = "compacted"
PARTITION = TopicPartition(TOPIC, 0)
SEGMENT_BYTES = 4000
COMPACTING = {"cleanup.policy": "compact", "delete.retention.ms": "3600000", "min.cleanable.dirty.ratio": "0"}


def alter(broker: ApacheKafka, **configs: str) -> None:
    with WireClient(broker.bootstrap_servers) as client:
        response = client.send(
            IncrementalAlterConfigsRequest(
                resources=[
                    AlterConfigsResource(
                        resource_type=2,
                        resource_name=TOPIC,
                        configs=[
                            AlterableConfig(name=name.replace("_", "."), config_operation=0, value=value)
                            for name, value in configs.items()
                        ],
                    )
                ]
            )
        )
        assert [answer.error_code for answer in response.responses] == [0]


def fill(broker: ApacheKafka, round_number: int) -> None:
    """Transactions of both ends, plain and idempotent producers of all codecs, tombstones, records without a key."""
    for number in range(4):
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": broker.bootstrap_servers, "transactional.id": f"transaction {number % 2}"}
        )
        producer.init_transactions(30)
        for attempt in range(6):
            producer.begin_transaction()
            for i in range(5):
                value = f"{round_number}/{number}/{attempt}/{i}"
                producer.produce(TOPIC, key=f"key {(i * 13 + number + attempt * 5) % 90}", value=value, partition=0)
            producer.flush()
            if (number + attempt) % 2:
                producer.abort_transaction(30)
            else:
                producer.commit_transaction(30)
    for number, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                "compression.type": codec,
                "enable.idempotence": bool(number % 2),
                "linger.ms": 50,
            }
        )
        for i in range(120):
            key = None if i % 17 == 5 else f"key {(i * 7 + number * 11 + round_number) % 90}"
            text = None if i % 11 == 3 else f"{round_number}/{codec}/{i} " * 5
            producer.produce(TOPIC, key=key, value=text, timestamp=1_700_000_000_000 + i, partition=0)
            if i % 4 == 3:
                producer.flush()
        producer.flush()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def batches_of(directory: Path, upper_bound_offset: int) -> list[tuple[Any, ...]]:
    """What is in the segments before an offset, as far as it does not depend on the moment of the cleaning."""
    found = []
    for path in sorted(directory.glob("*.log")):
        if int(path.stem) >= upper_bound_offset:
            break
        data = path.read_bytes()
        for position, header in iter_batches(data):
            fields = header._replace(batch_length=0, crc=0, base_timestamp=0)
            records = [
                (record.offset, record.timestamp, record.key, record.value)
                for record in decode_batch(data, position, header)
            ]
            found.append((fields, records))
    return found


def segments_of(directory: Path) -> list[int]:
    return sorted(int(path.stem) for path in directory.glob("*.log"))


def aborted_transactions(directory: Path, upper_bound_offset: int) -> list[AbortedTxn]:
    """What the transaction indexes of the segments before an offset hold."""
    found = []
    for path in sorted(directory.glob("*.txnindex")):
        if int(path.stem) < upper_bound_offset:
            found += TransactionIndex.decode(path.read_bytes(), int(path.stem)).aborted_transactions
    return found


def load(directory: Path, config: TopicConfig) -> LogManager:
    manager = LogManager(LocalFileSystem(), [str(directory)])
    manager.directories.open()
    manager.read_logs(lambda topic: config, now_ms=time.time_ns() // 1_000_000)
    manager.put_into_service()
    return manager


def test_apache_kafka_and_kafkalite_leave_the_same_of_a_log(
    start_apache_kafka: Callable[..., ApacheKafka], tmp_path: Path
) -> None:
    broker = start_apache_kafka(properties={"log.cleaner.backoff.ms": "200", "log.retention.ms": "-1"})
    with WireClient(broker.bootstrap_servers) as client:
        configs = {"cleanup.policy": "delete", "internal.segment.bytes": str(SEGMENT_BYTES)}
        topic = CreatableTopic(
            name=TOPIC,
            num_partitions=1,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=name, value=value) for name, value in configs.items()],
        )
        assert client.send(CreateTopicsRequest(topics=[topic], timeout_ms=30_000)).topics[0].error_code == 0
    theirs = broker.data_directory / str(PARTITION)
    checkpoint = broker.data_directory / "cleaner-offset-checkpoint"
    config = TopicConfig({**COMPACTING, "internal.segment.bytes": str(SEGMENT_BYTES)})
    clean_offset = 0
    for round_number in range(2):
        alter(broker, cleanup_policy="delete")
        fill(broker, round_number)
        ours = tmp_path / f"ours-{round_number}"
        # The inactive segments do not change any more; the active one is cut off where it ends now.
        shutil.copytree(theirs, ours / str(PARTITION))
        alter(broker, **{name.replace(".", "_"): value for name, value in COMPACTING.items()})
        upper_bound = segments_of(ours / str(PARTITION))[-1]
        wait_until(
            lambda bound=upper_bound: (
                checkpoint.exists()  # type: ignore[misc]
                and read_offset_checkpoint(LocalFileSystem(), str(checkpoint)).get(PARTITION, 0) >= bound
            )
        )
        wait_until(lambda: not list(theirs.glob("*.swap")))

        manager = load(ours, config)
        log = manager.get(PARTITION)
        assert log is not None
        assert log.active_segment.base_offset == upper_bound
        now_ms = time.time_ns() // 1_000_000
        end_offset = LogCleaning.prepare(log, clean_offset, upper_bound, now_ms=now_ms, max_keys=1000).run(now_ms)
        assert end_offset == upper_bound
        manager.release_locks()

        mine, kafkas = batches_of(ours / str(PARTITION), upper_bound), batches_of(theirs, upper_bound)
        assert len(kafkas) > 20
        assert any(header.records_count == 0 for header, _ in kafkas)
        assert any(header.has_delete_horizon for header, _ in kafkas)
        assert any(header.is_control for header, _ in kafkas)
        assert mine == kafkas
        assert segments_of(ours / str(PARTITION)) == [base for base in segments_of(theirs) if base <= upper_bound]
        kafkas_aborted = aborted_transactions(theirs, upper_bound)
        assert len(kafkas_aborted) > 10
        assert aborted_transactions(ours / str(PARTITION), upper_bound) == kafkas_aborted
        clean_offset = upper_bound
