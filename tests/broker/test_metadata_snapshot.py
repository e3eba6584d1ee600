"""Snapshots of the metadata: Apache Kafka's are read, ours have its form, half of one is none."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.broker.metadata_batches import standalone_voter
from kafkalite.broker.metadata_snapshot import (
    SnapshotId,
    decode_snapshot,
    encode_snapshot,
    parse_snapshot_file_name,
    write_snapshot,
)
from kafkalite.errors import KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.bootstrap_metadata import bootstrap_records
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.records.record_batch import iter_batches
from kafkalite.storage.memory_filesystem import MemoryFileSystem

VOTER = standalone_voter(1, Uuid(b"\x07" * 16), [("CONTROLLER", "localhost", 9093)])


def encoded(count: int = 3, **facts: Any) -> bytes:
    frames = [ConfigRecord(resource_type=4, name=f"n{index}", value="x" * 100).to_frame(0) for index in range(count)]
    values: dict[str, Any] = {"leader_epoch": 7, "now_ms": 1000, "last_contained_log_timestamp": 900}
    return encode_snapshot(frames, **{**values, **facts})


def test_a_snapshot_is_read_as_it_was_written() -> None:
    snapshot = decode_snapshot(encoded(kraft_version=1, voters=VOTER))
    assert snapshot.last_contained_log_timestamp == 900
    assert snapshot.kraft_version == 1
    assert snapshot.voters == VOTER
    assert [record.name for record in snapshot.records if isinstance(record, ConfigRecord)] == ["n0", "n1", "n2"]


def test_offsets_are_counted_from_0_and_every_batch_has_the_snapshots_epoch() -> None:
    headers = [header for _, header in iter_batches(encoded(kraft_version=1, voters=VOTER))]
    assert [(h.base_offset, h.records_count, h.is_control, h.partition_leader_epoch) for h in headers] == [
        (0, 3, True, 7),
        (3, 3, False, 7),
        (6, 1, True, 7),
    ]


def test_the_static_kind_names_no_voters() -> None:
    snapshot = decode_snapshot(encoded(kraft_version=0, voters=VOTER))
    assert (snapshot.kraft_version, snapshot.voters) == (None, None)


def test_many_records_are_several_batches() -> None:
    headers = [header for _, header in iter_batches(encoded(60_000))]
    assert sum(header.records_count for header in headers) == 60_002
    assert len(headers) == 4
    assert max(header.size_in_bytes for header in headers) < 8 * 1024 * 1024
    assert len(decode_snapshot(encoded(60_000)).records) == 60_000


def test_the_bootstrap_checkpoint_has_the_size_of_apache_kafkas() -> None:
    # 411 bytes: what kafka-storage of 4.3.1 writes for metadata.version 4.3-IV0.
    frames = [record.to_frame(0) for record in bootstrap_records()]
    data = encode_snapshot(frames, leader_epoch=0, now_ms=1000, last_contained_log_timestamp=0)
    assert len(data) == 411


@pytest.mark.parametrize("missing", [1, 75, 76, 200])
def test_a_snapshot_without_its_end_is_none(missing: int) -> None:
    with pytest.raises((ValueError, KafkaError)):
        decode_snapshot(encoded()[:-missing])


def test_every_flipped_bit_is_noticed() -> None:
    data = bytearray(encoded(1))
    unprotected = set(range(8)) | {12, 13, 14, 15}  # base offset and leader epoch lie outside of the checksum
    starts = [position for position, _ in iter_batches(bytes(data))]
    for position in range(len(data)):
        start = max(start for start in starts if start <= position)
        if position - start in unprotected:
            continue
        data[position] ^= 0x10
        with pytest.raises((ValueError, KafkaError)):
            decode_snapshot(bytes(data))
        data[position] ^= 0x10


def test_names_are_those_of_apache_kafka() -> None:
    snapshot_id = SnapshotId(42, 7)
    assert snapshot_id.file_name == "00000000000000000042-0000000007.checkpoint"
    assert parse_snapshot_file_name(snapshot_id.file_name) == snapshot_id
    for name in (
        "bootstrap.checkpoint",
        "00000000000000000042-0000000007.checkpoint.part",
        "00000000000000000042-0000000007.checkpoint.deleted",
        "0000000000000000004x-0000000007.checkpoint",
        "00000000000000000042.snapshot",
    ):
        assert parse_snapshot_file_name(name) is None


def test_writing_replaces_what_was_left_half_done() -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/log")
    filesystem.write_bytes("/log/00000000000000000042-0000000007-0.checkpoint.part", b"x" * 10_000)
    write_snapshot(filesystem, "/log/00000000000000000042-0000000007.checkpoint", b"whole")
    assert filesystem.list_directory("/log") == ["00000000000000000042-0000000007.checkpoint"]
    assert filesystem.read_bytes("/log/00000000000000000042-0000000007.checkpoint") == b"whole"
