"""Checkpoint files, partition.metadata, meta.properties, clean-shutdown file: byte for byte Apache Kafka's."""

from __future__ import annotations

import pytest

from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.storage.checkpoint_files import (
    CorruptCheckpointError,
    EpochEntry,
    read_epoch_checkpoint,
    read_offset_checkpoint,
    write_epoch_checkpoint,
    write_offset_checkpoint,
)
from kafkalite.storage.clean_shutdown_file import (
    has_clean_shutdown_file,
    read_clean_shutdown_broker_epoch,
    remove_clean_shutdown_file,
    write_clean_shutdown_file,
)
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.meta_properties import (
    MetaProperties,
    MetaPropertiesError,
    decode_meta_properties,
    read_meta_properties,
    write_meta_properties,
)
from kafkalite.storage.partition_metadata import (
    CorruptPartitionMetadataError,
    decode_partition_metadata,
    encode_partition_metadata,
)

TOPIC_ID = Uuid.parse("5dGTkBqOTKmkRUyBRhtD8A")


@pytest.fixture
def filesystem() -> MemoryFileSystem:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/d")
    return filesystem


def test_offsets_are_written_one_a_line_under_version_and_count(filesystem: MemoryFileSystem) -> None:
    offsets = {TopicPartition("t", 0): 12, TopicPartition("some-topic", 10): 1 << 40}
    write_offset_checkpoint(filesystem, "/d/c", offsets)
    assert filesystem.read_bytes("/d/c") == b"0\n2\nt 0 12\nsome-topic 10 1099511627776\n"
    assert read_offset_checkpoint(filesystem, "/d/c") == offsets


def test_epochs_are_written_the_same_way(filesystem: MemoryFileSystem) -> None:
    write_epoch_checkpoint(filesystem, "/d/e", [EpochEntry(0, 0), EpochEntry(4, 17)])
    assert filesystem.read_bytes("/d/e") == b"0\n2\n0 0\n4 17\n"
    assert read_epoch_checkpoint(filesystem, "/d/e") == [(0, 0), (4, 17)]


@pytest.mark.parametrize("content", [None, b"", b"0\n", b"0\n0\n"])
def test_missing_and_empty_files_hold_nothing(filesystem: MemoryFileSystem, content: bytes | None) -> None:
    if content is not None:
        filesystem.write_bytes("/d/c", content)
    assert read_offset_checkpoint(filesystem, "/d/c") == {}
    assert read_epoch_checkpoint(filesystem, "/d/c") == []


@pytest.mark.parametrize(
    "content",
    [
        b"1\n0\n",
        b"0\n1\n",
        b"0\n1\nt 0\n",
        b"0\n1\nt x 5\n",
        b"0\n1\nt 0 5 6\n",
        b"0\n1\nt 0 5",
        b"garbage",
        b"0\nx\n",
        b"\xff\xfe\x00",
        b"0\n1\nt 0 5\nt 1 6\n",
        b"0\n1\nt 0 9223372036854775808\n",
        b"0\n1\nt 2147483648 5\n",
        b"0\n1\nt 0 1_0\n",
        bytes(100),
    ],
)
def test_everything_else_is_refused(filesystem: MemoryFileSystem, content: bytes) -> None:
    filesystem.write_bytes("/d/c", content)
    with pytest.raises(CorruptCheckpointError, match="/d/c"):
        read_offset_checkpoint(filesystem, "/d/c")


def test_partition_metadata_ends_without_a_newline() -> None:
    assert encode_partition_metadata(TOPIC_ID) == b"version: 0\ntopic_id: 5dGTkBqOTKmkRUyBRhtD8A"
    assert decode_partition_metadata("p", encode_partition_metadata(TOPIC_ID)) == TOPIC_ID


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"version: 0\n",
        b"version: x\ntopic_id: 5dGTkBqOTKmkRUyBRhtD8A",
        b"version: 0\ntopic_id: short",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        b"\x00\xff",
    ],
)
def test_partition_metadata_without_a_topic_id_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptPartitionMetadataError):
        decode_partition_metadata("p", data)


def test_meta_properties_are_read_in_both_versions(filesystem: MemoryFileSystem) -> None:
    assert read_meta_properties(filesystem, "/d") is None
    properties = MetaProperties("MkU3OEVBNTcwNTJENDM2Qk", 1, TOPIC_ID)
    write_meta_properties(filesystem, "/d", properties)
    lines = filesystem.read_bytes("/d/meta.properties").decode().splitlines()
    assert sorted(line for line in lines if not line.startswith("#")) == [
        "cluster.id=MkU3OEVBNTcwNTJENDM2Qk",
        "directory.id=5dGTkBqOTKmkRUyBRhtD8A",
        "node.id=1",
        "version=1",
    ]
    assert read_meta_properties(filesystem, "/d") == properties
    old = decode_meta_properties("m", b"#\n#Thu Jan 01\nversion=0\nbroker.id=3\ncluster.id=x\n")
    assert old == MetaProperties("x", 3, None, 0)


@pytest.mark.parametrize(
    "data, text",
    [
        (b"version=1\nnode.id=1\n", "cluster.id was not found"),
        (b"version=1\ncluster.id=x\n", "node.id was not found"),
        (b"version=7\n", "unknown version 7"),
        (b"version=1\ncluster.id=x\nnode.id=one\n", "m: "),
        (b"version=1\ncluster.id=x\nnode.id=1\ndirectory.id=no\n", "directory.id"),
    ],
)
def test_meta_properties_that_lack_something_are_refused_with_the_reason(data: bytes, text: str) -> None:
    with pytest.raises(MetaPropertiesError, match=text):
        decode_meta_properties("m", data)


def test_the_clean_shutdown_file_names_the_broker_epoch(filesystem: MemoryFileSystem) -> None:
    assert read_clean_shutdown_broker_epoch(filesystem, "/d") is None
    write_clean_shutdown_file(filesystem, "/d", 42)
    assert filesystem.read_bytes("/d/.kafka_cleanshutdown") == b'{"version":0,"brokerEpoch":42}'
    assert read_clean_shutdown_broker_epoch(filesystem, "/d") == 42
    filesystem.write_bytes("/d/.kafka_cleanshutdown", b"")
    assert read_clean_shutdown_broker_epoch(filesystem, "/d") is None
    assert has_clean_shutdown_file(filesystem, "/d")
    remove_clean_shutdown_file(filesystem, "/d")
    assert not has_clean_shutdown_file(filesystem, "/d")
    remove_clean_shutdown_file(filesystem, "/d")
