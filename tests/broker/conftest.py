"""A metadata store over a file system of its own, opened, started, stopped and opened again at will."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.broker.metadata_store import MetadataLogSettings, MetadataStore
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.storage_formatter import DirectoryFormat, format_directories
from kafkalite.identifiers import Uuid
from kafkalite.metadata.cluster_control import NodeRegistration
from kafkalite.metadata.cluster_image import Endpoint
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import PartitionRecord, TopicRecord
from kafkalite.storage.filesystem import FileSystem, LocalFileSystem
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.meta_properties import read_meta_properties

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
_CONTROLLER = ("CONTROLLER", "localhost", 9093)


class StoreLife:
    """Verbs in the life of a directory; `now_ms` moves only when a test moves it."""

    def __init__(self, filesystem: FileSystem, directory: str) -> None:
        self.filesystem = filesystem
        self.directory = directory
        self.now_ms = 1_700_000_000_000
        self.settings = MetadataLogSettings()

    @property
    def log_directory(self) -> str:
        return f"{self.directory}/__cluster_metadata-0"

    @property
    def log_file(self) -> str:
        return f"{self.log_directory}/00000000000000000000.log"

    @property
    def directory_id(self) -> Uuid:
        properties = read_meta_properties(self.filesystem, self.directory)
        assert properties is not None and properties.directory_id is not None
        return properties.directory_id

    def format(self, *, is_dynamic: bool = True, records: list[MetadataRecord] | None = None) -> StoreLife:
        listeners = [_CONTROLLER] if is_dynamic else None
        format_directories(
            self.filesystem,
            [self.directory],
            self.directory,
            DirectoryFormat(CLUSTER_ID, 1, listeners, records=records),
            now_ms=self.now_ms,
            random_uuid=random_uuid,
        )
        return self

    def open(self) -> MetadataStore:
        """Reads what is there, formatting a new directory first."""
        if not self.filesystem.exists(f"{self.directory}/meta.properties"):
            self.format()
        return MetadataStore(self.filesystem, self.directory, 1, now_ms=lambda: self.now_ms, settings=self.settings)

    def start(self, *, previous_broker_epoch: int = -1) -> MetadataStore:
        """Opens and takes office; the previous epoch is what the clean-shutdown file would say."""
        store = self.open()
        node = NodeRegistration(
            node_id=1,
            incarnation_id=random_uuid(),
            listeners=[Endpoint("PLAINTEXT", "localhost", 9092, 0)],
            log_directories=[self.directory_id],
            previous_broker_epoch=previous_broker_epoch,
        )
        store.start(node, [Endpoint(*_CONTROLLER, 0)])
        return store

    def restart(self, store: MetadataStore) -> MetadataStore:
        """A clean stop and the next start."""
        store.stop()
        store.close()
        return self.start(previous_broker_epoch=store.broker_epoch)

    def new_topic(self, name: str, partitions: int = 1) -> list[MetadataRecord]:
        topic_id = Uuid(name.encode().ljust(16, b"-")[:16])
        return [
            TopicRecord(name=name, topic_id=topic_id),
            *(
                PartitionRecord(
                    partition_id=index,
                    topic_id=topic_id,
                    replicas=[1],
                    isr=[1],
                    leader=1,
                    leader_epoch=0,
                    partition_epoch=0,
                    directories=[self.directory_id],
                )
                for index in range(partitions)
            ),
        ]


@pytest.fixture(params=["memory", "local"])
def life(request: pytest.FixtureRequest, tmp_path: Path) -> StoreLife:
    """A directory that does not exist yet, in memory and on the disk."""
    if request.param == "memory":
        return StoreLife(MemoryFileSystem(), "/data")
    return StoreLife(LocalFileSystem(), f"{tmp_path}/data")


@pytest.fixture
def memory_life() -> StoreLife:
    return StoreLife(MemoryFileSystem(), "/data")


@pytest.fixture
def life_on_disk(tmp_path: Path) -> StoreLife:
    return StoreLife(LocalFileSystem(), f"{tmp_path}/data")
