"""Snapshots of the metadata, `<offset>-<epoch>.checkpoint`: what the log's records before `offset` have made.

A snapshot is a file of record batches, offsets counted from 0: a control batch with the header (and, from
kraft.version 1 on, the raft version and the voters), batches of metadata records, a control batch with the footer.

    00000000000000000042-0000000007.checkpoint            offset with 20 digits, epoch with 10
    00000000000000000000-0000000000.checkpoint            the zero checkpoint: voters, and from 4.4 on bootstrap records
    bootstrap.checkpoint                                  in the log directory's root: the bootstrap records up to 4.3
    00000000000000000042-0000000007-123.checkpoint.part   not finished; .checkpoint.deleted: on its way out
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from kafkalite.broker.metadata_batches import (
    build_metadata_batch,
    read_control_records,
    split_frames,
)
from kafkalite.broker.metadata_batches import read_metadata_records as read_records
from kafkalite.protocol.control_records import (
    KRaftVersionRecord,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    VotersRecord,
)
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.records.control_record import build_kraft_control_batch
from kafkalite.records.record_batch import check_crc, iter_batches
from kafkalite.storage.filesystem import FileSystem

BOOTSTRAP_CHECKPOINT_FILE: Final = "bootstrap.checkpoint"
SUFFIX: Final = ".checkpoint"
PARTIAL_SUFFIX: Final = ".checkpoint.part"
DELETED_SUFFIX: Final = ".checkpoint.deleted"


class SnapshotId(NamedTuple):
    """The offset behind the last record that a snapshot contains, and that record's epoch."""

    offset: int
    epoch: int

    @property
    def file_name(self) -> str:
        return f"{self.offset:020d}-{self.epoch:010d}{SUFFIX}"


ZERO_SNAPSHOT_ID: Final = SnapshotId(0, 0)


def parse_snapshot_file_name(name: str) -> SnapshotId | None:
    """The id in the name of a finished snapshot; None for any other name."""
    if not name.endswith(SUFFIX) or len(name) != 20 + 1 + 10 + len(SUFFIX):
        return None
    offset, dash, epoch = name[: -len(SUFFIX)].partition("-")
    if not dash or not offset.isdigit() or not epoch.isdigit():
        return None
    return SnapshotId(int(offset), int(epoch))


class Snapshot(NamedTuple):
    """What a snapshot file says; `kraft_version` and `voters` are None where it says nothing of them."""

    last_contained_log_timestamp: int
    kraft_version: int | None
    voters: VotersRecord | None
    records: list[MetadataRecord]


def encode_snapshot(
    frames: Iterable[bytes],
    *,
    leader_epoch: int,
    now_ms: int,
    last_contained_log_timestamp: int,
    kraft_version: int | None = None,
    voters: VotersRecord | None = None,
) -> bytes:
    """The bytes of a snapshot of framed metadata records; a `kraft_version` of 0 is left out, as in Apache Kafka."""
    control: list[SnapshotHeaderRecord | KRaftVersionRecord | VotersRecord] = [
        SnapshotHeaderRecord(last_contained_log_timestamp=last_contained_log_timestamp)
    ]
    if kraft_version:
        control.append(KRaftVersionRecord(k_raft_version=kraft_version))
        if voters is not None:
            control.append(voters)
    out = [build_kraft_control_batch(control, timestamp_ms=now_ms, base_offset=0, partition_leader_epoch=leader_epoch)]
    offset = len(control)
    for batch in split_frames(frames):
        out.append(build_metadata_batch(batch, base_offset=offset, leader_epoch=leader_epoch, now_ms=now_ms))
        offset += len(batch)
    footer = build_kraft_control_batch(
        [SnapshotFooterRecord()], timestamp_ms=now_ms, base_offset=offset, partition_leader_epoch=leader_epoch
    )
    return b"".join((*out, footer))


def decode_snapshot(data: bytes) -> Snapshot:
    """Reads a snapshot; raises KafkaError or ProtocolError for damage, ValueError where its footer is missing."""
    timestamp = -1
    kraft_version: int | None = None
    voters: VotersRecord | None = None
    records: list[MetadataRecord] = []
    has_footer = False
    for position, header in iter_batches(data):
        check_crc(data, position, header)
        if not header.is_control:
            records.extend(read_records(data, position, header))
            continue
        for control in read_control_records(data, position, header):
            if isinstance(control, SnapshotHeaderRecord):
                timestamp = control.last_contained_log_timestamp
            elif isinstance(control, KRaftVersionRecord):
                kraft_version = control.k_raft_version
            elif isinstance(control, VotersRecord):
                voters = control
            elif isinstance(control, SnapshotFooterRecord):
                has_footer = True
    if not has_footer:
        raise ValueError("the snapshot has no footer")
    return Snapshot(timestamp, kraft_version, voters, records)


def read_last_contained_log_timestamp(data: bytes) -> int:
    """When the last change was made that a snapshot has: what its header says. Raises as `decode_snapshot`."""
    for position, header in iter_batches(data):
        check_crc(data, position, header)
        for control in read_control_records(data, position, header) if header.is_control else ():
            if isinstance(control, SnapshotHeaderRecord):
                return control.last_contained_log_timestamp
    return -1


def read_snapshot(filesystem: FileSystem, path: str) -> Snapshot:
    """The snapshot at `path`; raises OSError, KafkaError, ProtocolError or ValueError."""
    return decode_snapshot(filesystem.read_bytes(path))


def write_snapshot(filesystem: FileSystem, path: str, data: bytes, *, sync: bool = True) -> None:
    """Puts a snapshot in its place so that a crash leaves it whole or not at all."""
    temporary = f"{path[: -len(SUFFIX)]}-0{PARTIAL_SUFFIX}"
    file = filesystem.open(temporary, create=True)
    try:
        file.truncate(0)
        file.append(data)
        if sync:
            file.sync()
    finally:
        file.close()
    filesystem.rename(temporary, path)
    if sync:
        filesystem.sync_directory(path.rpartition("/")[0])
