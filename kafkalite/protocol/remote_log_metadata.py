"""Records of `__remote_log_metadata`, the topic in which Apache Kafka's tiered storage notes what it has moved where.

They are framed as the records of the metadata log are. This broker has no tiered storage: the tools read them.
"""

from __future__ import annotations

from typing import ClassVar

from kafkalite.identifiers import Uuid
from kafkalite.protocol.metadata_record import FRAME_VERSION, read_framed
from kafkalite.protocol.primitives import Buffer, write_unsigned_varint
from kafkalite.protocol.schema import (
    Message,
    Struct,
    array,
    boolean,
    bytes_,
    int8,
    int32,
    int64,
    string,
    struct,
    uuid,
)

_TYPES: dict[int, type[RemoteLogMetadataRecord]] = {}


class RemoteLogMetadataRecord(Message):
    """What became of a segment or a partition."""

    api_key: ClassVar[int] = -1

    def __init_subclass__(cls, *, api_key: int, versions: str = "0+", flexible: str = "none") -> None:
        super().__init_subclass__(versions=versions, flexible=flexible)
        cls.api_key = api_key
        _TYPES[api_key] = cls

    def to_frame(self) -> bytes:
        """The framed bytes, in version 0."""
        out = bytearray((FRAME_VERSION,))
        write_unsigned_varint(out, self.api_key)
        write_unsigned_varint(out, 0)
        self.encode_into(out, 0)
        return bytes(out)


class TopicIdPartitionEntry(Struct):
    name: str = string()
    id: Uuid = uuid()
    partition: int = int32()


class RemoteLogSegmentIdEntry(Struct):
    topic_id_partition: TopicIdPartitionEntry = struct(TopicIdPartitionEntry)
    id: Uuid = uuid()


class SegmentLeaderEpochEntry(Struct):
    leader_epoch: int = int32()
    offset: int = int64()


class RemoteLogSegmentMetadataRecord(RemoteLogMetadataRecord, api_key=0, versions="0", flexible="0+"):
    remote_log_segment_id: RemoteLogSegmentIdEntry = struct(RemoteLogSegmentIdEntry)
    start_offset: int = int64()
    end_offset: int = int64()
    broker_id: int = int32()
    max_timestamp_ms: int = int64()
    event_timestamp_ms: int = int64()
    segment_leader_epochs: list[SegmentLeaderEpochEntry] = array(SegmentLeaderEpochEntry)
    segment_size_in_bytes: int = int32()
    custom_metadata: bytes | None = bytes_(nullable="0+", default=None)
    remote_log_segment_state: int = int8()
    txn_index_empty: bool = boolean(tag=0)


class RemoteLogSegmentMetadataUpdateRecord(RemoteLogMetadataRecord, api_key=1, versions="0", flexible="0+"):
    remote_log_segment_id: RemoteLogSegmentIdEntry = struct(RemoteLogSegmentIdEntry)
    broker_id: int = int32()
    event_timestamp_ms: int = int64()
    custom_metadata: bytes | None = bytes_(nullable="0+", default=None)
    remote_log_segment_state: int = int8()


class RemotePartitionDeleteMetadataRecord(RemoteLogMetadataRecord, api_key=2, versions="0", flexible="0+"):
    topic_id_partition: TopicIdPartitionEntry = struct(TopicIdPartitionEntry)
    broker_id: int = int32()
    event_timestamp_ms: int = int64()
    remote_partition_delete_state: int = int8()


class RemoteLogSegmentMetadataSnapshotRecord(RemoteLogMetadataRecord, api_key=3, versions="0", flexible="0+"):
    segment_id: Uuid = uuid()
    start_offset: int = int64()
    end_offset: int = int64()
    broker_id: int = int32()
    max_timestamp_ms: int = int64()
    event_timestamp_ms: int = int64()
    segment_leader_epochs: list[SegmentLeaderEpochEntry] = array(SegmentLeaderEpochEntry)
    segment_size_in_bytes: int = int32()
    custom_metadata: bytes | None = bytes_(nullable="0+", default=None)
    remote_log_segment_state: int = int8()
    txn_index_empty: bool = boolean(tag=0)


def read_remote_log_metadata(value: Buffer) -> RemoteLogMetadataRecord:
    """Reads a framed record; raises ProtocolError."""
    return read_framed(value, _TYPES)[0]
