"""Batches of the metadata log and of its snapshots: framed metadata records, and raft's control records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kafkalite.identifiers import Uuid
from kafkalite.metadata.metadata_version import LATEST
from kafkalite.metadata.record_versions import record_version
from kafkalite.protocol.control_records import (
    Endpoint,
    KRaftVersionFeature,
    LeaderChangeMessage,
    LeaderChangeMessageVoter,
    VotersRecord,
    VotersRecordVoter,
)
from kafkalite.protocol.metadata_record import MetadataRecord, read_frame
from kafkalite.protocol.metadata_records.settings import FeatureLevelRecord
from kafkalite.records.control_record import KraftMessage, read_kraft_message
from kafkalite.records.record import Record
from kafkalite.records.record_batch import BatchHeader, build_batch, decode_batch

_MAX_FRAMES_SIZE: Final = 4 * 1024 * 1024
"""Half of what Apache Kafka takes for a batch of metadata."""


def frame_records(records: Iterable[MetadataRecord], metadata_version: int | None) -> list[bytes]:
    """The framed records, in their versions at that level; None: at the one that they themselves begin with."""
    level = metadata_version
    frames = []
    for record in records:
        if level is None and isinstance(record, FeatureLevelRecord):
            level = record.feature_level  # the first one of all is metadata.version
        frames.append(record.to_frame(record_version(record, LATEST if level is None else level)))
    return frames


def split_frames(frames: Iterable[bytes]) -> Iterator[list[bytes]]:
    """What goes into each batch."""
    batch: list[bytes] = []
    size = 0
    for frame in frames:
        if batch and size + len(frame) > _MAX_FRAMES_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(frame)
        size += len(frame)
    if batch:
        yield batch


def build_metadata_batch(frames: Sequence[bytes], *, base_offset: int, leader_epoch: int, now_ms: int) -> bytes:
    """A batch of framed metadata records."""
    return build_batch(
        [Record(base_offset + index, now_ms, None, frame) for index, frame in enumerate(frames)],
        base_offset=base_offset,
        partition_leader_epoch=leader_epoch,
    )


def read_control_records(buffer: bytes, position: int, header: BatchHeader) -> Iterator[KraftMessage]:
    """The control records of a batch; those of types that are not known are left out, as Apache Kafka does."""
    for record in decode_batch(buffer, position, header):
        message = None if record.key is None or record.value is None else read_kraft_message(record)
        if message is not None:
            yield message


def read_metadata_records(buffer: bytes, position: int, header: BatchHeader) -> Iterator[MetadataRecord]:
    """The metadata records of a batch; raises ProtocolError for a record or version that is not known."""
    for record in decode_batch(buffer, position, header):
        if record.value is not None:
            yield read_frame(record.value)


def leader_change(leader_id: int, voters: Iterable[int]) -> LeaderChangeMessage:
    """What a new leader writes first: it was elected by all voters."""
    return LeaderChangeMessage(
        leader_id=leader_id,
        voters=[LeaderChangeMessageVoter(voter_id=voter) for voter in voters],
        granting_voters=[LeaderChangeMessageVoter(voter_id=voter) for voter in voters],
    )


def standalone_voter(node_id: int, directory_id: Uuid, endpoints: Iterable[tuple[str, str, int]]) -> VotersRecord:
    """The voters of a quorum of one: this node, its directory, and its controller listeners (name, host, port)."""
    voter = VotersRecordVoter(
        voter_id=node_id,
        voter_directory_id=directory_id,
        endpoints=[Endpoint(name=name, host=host, port=port) for name, host, port in endpoints],
        k_raft_version_feature=KRaftVersionFeature(min_supported_version=0, max_supported_version=1),
    )
    return VotersRecord(voters=[voter])
