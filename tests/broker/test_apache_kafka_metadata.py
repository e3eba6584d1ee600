"""Metadata that Apache Kafka wrote (tests/golden/metadata) is read to the last record, and gone on with."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from pathlib import Path

import pytest

from kafkalite.broker.metadata_store import MetadataStore
from kafkalite.broker.quorum_state import read_quorum_state
from kafkalite.metadata.configurations_image import ConfigResource
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_registration import RECOVERED, RECOVERING
from kafkalite.metadata.security_images import StandardAcl
from kafkalite.storage.clean_shutdown_file import read_clean_shutdown_broker_epoch
from store_life import StoreLife

GOLDEN = Path(__file__).parent.parent / "golden" / "metadata"
STATIC = "apache-kafka-4.4.0-static"
KILLED = "apache-kafka-4.3.1-dynamic-killed"


@pytest.fixture(params=[STATIC, KILLED])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def directory(life_on_disk: StoreLife, name: str) -> Path:
    """A copy that a test may change; `life_on_disk` opens it."""
    shutil.copytree(GOLDEN / name, life_on_disk.directory)
    return Path(life_on_disk.directory)


def check_contents(image: MetadataImage, name: str) -> None:
    topics = image.topics.by_name
    assert {topic.name: len(topic.partitions) for topic in topics.values()} == {
        "orders": 3,
        "compacted.topic": 2,
        "after-the-snapshot": 1,
    }
    assert image.configs.by_resource == {
        ConfigResource(2, "orders"): {"retention.ms": "5000"},
        ConfigResource(2, "compacted.topic"): {"cleanup.policy": "compact"},
        ConfigResource(4, ""): {"min.insync.replicas": "1", "log.cleaner.threads": "2"},
        ConfigResource(4, "1"): {"log.retention.ms": "86400000"},
        ConfigResource(16, "m"): {"interval.ms": "60000"},
        ConfigResource(32, "g"): {"consumer.session.timeout.ms": "50000"},
    }
    assert list(image.acls.by_id.values()) == [StandardAcl(2, "orders", 3, "User:alice", "*", 3, 3)]
    assert image.client_quotas.by_entity == {(("client-id", None), ("user", "alice")): {"producer_byte_rate": 1024.0}}
    assert image.producer_ids.next_producer_id == 1000
    assert image.scram.credential(2, "bob") is None
    credential = image.scram.credential(1, "alice")
    assert credential is not None
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", b"magic", 4096)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    assert credential.stored_key == hashlib.sha256(client_key).digest()
    assert image.features.metadata_version == (33 if name == STATIC else 30)
    assert image.features.level("share.version") == (2 if name == STATIC else 1)
    assert image.features.level("transaction.version") == 2
    broker = image.cluster.brokers[1]
    assert [(endpoint.name, endpoint.port) for endpoint in broker.listeners] == [("PLAINTEXT", 32200)]
    assert broker.supported_features["metadata.version"] == (7, 33 if name == STATIC else 30)
    assert set(image.cluster.controllers) == {1}


def test_everything_is_read(life_on_disk: StoreLife, directory: Path, name: str) -> None:
    store = life_on_disk.open()
    assert store.log.latest_snapshot is not None
    assert store.kraft_version == (0 if name == STATIC else 1)
    check_contents(store.image, name)


def test_the_log_alone_says_the_same(life_on_disk: StoreLife, directory: Path, name: str) -> None:
    """Without the snapshot every record from the first on is replayed."""
    for path in (directory / "__cluster_metadata-0").glob("*-0000000001.checkpoint"):
        path.unlink()
    store = life_on_disk.open()
    assert store.log.latest_snapshot is None
    check_contents(store.image, name)


def test_the_broker_goes_on_where_apache_kafka_ended(life_on_disk: StoreLife, directory: Path, name: str) -> None:
    epoch = read_clean_shutdown_broker_epoch(life_on_disk.filesystem, life_on_disk.directory)
    before = life_on_disk.open()
    broker = before.image.cluster.brokers[1]
    assert (broker.epoch == epoch) == (name == STATIC)
    store = life_on_disk.start(previous_broker_epoch=-1 if epoch is None else epoch)
    assert store.leader_epoch == before.log.last_epoch + 1
    state = read_quorum_state(life_on_disk.filesystem, life_on_disk.log_directory)
    assert state is not None
    assert state.data_version == (0 if name == STATIC else 1)
    for topic in store.image.topics.by_name.values():
        for partition in topic.partitions.values():
            assert (partition.leader, partition.isr, partition.elr) == (1, (1,), ())
            assert partition.leader_epoch == 2
            assert partition.leader_recovery_state == (RECOVERED if name == STATIC else RECOVERING)
    store.append(life_on_disk.new_topic("ours"))
    again = life_on_disk.restart(store)
    assert set(again.image.topics.by_name) == {"orders", "compacted.topic", "after-the-snapshot", "ours"}


def test_the_end_of_apache_kafkas_log_may_be_torn(life_on_disk: StoreLife, directory: Path) -> None:
    path = directory / "__cluster_metadata-0" / "00000000000000000000.log"
    data = path.read_bytes()
    snapshot = life_on_disk.open().log.latest_snapshot
    for size in range(len(data) - 600, len(data), 7):
        path.write_bytes(data[:size])
        store: MetadataStore = life_on_disk.open()
        assert store.log.latest_snapshot == snapshot
        assert {"orders", "compacted.topic"} <= set(store.image.topics.by_name)
        store.close()
