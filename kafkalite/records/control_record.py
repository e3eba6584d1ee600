"""Control records: what the broker writes between producers' records, and what a quorum writes into its own log.

    key      = version int16 (0), type int16
    value    = end of a transaction: version int16 (0), coordinator epoch int32
               quorum: the message of its type in version 0, without a number before it

They stand in batches of their own with the control bit set. A reader skips types that it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple, TypeAlias

from kafkalite.protocol.control_records import (
    KRaftVersionRecord,
    LeaderChangeMessage,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    VotersRecord,
)
from kafkalite.records.record import Record, invalid_record
from kafkalite.records.record_batch import NO_PARTITION_LEADER_EPOCH, build_batch

_KEY: Final = Struct(">hh")
_END_TXN_VALUE: Final = Struct(">hi")


class ControlRecordType(IntEnum):
    """What a control record says."""

    UNKNOWN = -1
    ABORT = 0
    COMMIT = 1
    LEADER_CHANGE = 2
    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    KRAFT_VOTERS = 6

    @property
    def is_end_of_transaction(self) -> bool:
        return 0 <= self <= 1


class EndTransactionMarker(NamedTuple):
    """The end of a producer's transaction in one partition, committed or aborted."""

    type: ControlRecordType
    coordinator_epoch: int


KraftMessage: TypeAlias = (
    LeaderChangeMessage | SnapshotHeaderRecord | SnapshotFooterRecord | KRaftVersionRecord | VotersRecord
)
"""What a quorum writes into its log for itself."""
KRAFT_MESSAGES: Final[dict[ControlRecordType, type[KraftMessage]]] = {
    ControlRecordType.LEADER_CHANGE: LeaderChangeMessage,
    ControlRecordType.SNAPSHOT_HEADER: SnapshotHeaderRecord,
    ControlRecordType.SNAPSHOT_FOOTER: SnapshotFooterRecord,
    ControlRecordType.KRAFT_VERSION: KRaftVersionRecord,
    ControlRecordType.KRAFT_VOTERS: VotersRecord,
}
_KRAFT_TYPES: Final = {message: record_type for record_type, message in KRAFT_MESSAGES.items()}


def control_record_key(record_type: ControlRecordType) -> bytes:
    """The key of a control record of this type."""
    return _KEY.pack(0, record_type)


def read_control_record_type_id(key: bytes | None) -> int:
    """The type's number, known or not; raises KafkaError(INVALID_RECORD) for what is no control record's key.

    A version that is newer than ours is read as ours, as in Apache Kafka.
    """
    if key is None or len(key) < _KEY.size:
        raise invalid_record(
            "Invalid value size found for control record key. Must have at least 4 bytes, but found only "
            f"{len(key or b'')}"
        )
    version, type_id = _KEY.unpack_from(key)
    if version < 0:
        raise invalid_record(f"Invalid version found for control record: {version}. May indicate data corruption")
    return int(type_id)


def read_control_record_type(key: bytes | None) -> ControlRecordType:
    """The type, UNKNOWN for one of the future; raises KafkaError(INVALID_RECORD) for what is no such key."""
    type_id = read_control_record_type_id(key)
    return ControlRecordType(type_id) if 0 <= type_id <= ControlRecordType.KRAFT_VOTERS else ControlRecordType.UNKNOWN


def read_end_transaction_marker(record: Record) -> EndTransactionMarker:
    """The marker in a control record; raises KafkaError(INVALID_RECORD) where it is none."""
    record_type = read_control_record_type(record.key)
    if not record_type.is_end_of_transaction:
        raise invalid_record(f"Invalid control record type for end transaction marker {record_type.name}")
    try:
        version, coordinator_epoch = _END_TXN_VALUE.unpack_from(record.value or b"")
    except struct_error:
        raise invalid_record("Found an end transaction marker without a coordinator epoch") from None
    if version < 0:
        raise invalid_record(
            f"Invalid version found for end transaction marker: {version}. May indicate data corruption"
        )
    return EndTransactionMarker(record_type, coordinator_epoch)


def read_kraft_message(record: Record) -> KraftMessage | None:
    """The message in a quorum's control record, None for a type that is unknown or not a quorum's.

    It begins with its own version; one that is newer than ours is read as ours. Raises KafkaError(INVALID_RECORD) where
    the key is damaged, ProtocolError where the value is.
    """
    message_type = KRAFT_MESSAGES.get(read_control_record_type(record.key))
    if message_type is None:
        return None
    value = record.value or b""
    version = int.from_bytes(value[:2], "big", signed=True)
    return message_type.decode(value, min(version, message_type.valid_versions.highest))


def build_end_transaction_marker(
    marker: EndTransactionMarker,
    *,
    timestamp_ms: int,
    producer_id: int,
    producer_epoch: int,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
) -> bytes:
    """The batch that ends a transaction: one control record without a sequence number."""
    if not marker.type.is_end_of_transaction:
        raise ValueError(f"Invalid control record type for end transaction marker {marker.type.name}")
    record = Record(
        base_offset, timestamp_ms, control_record_key(marker.type), _END_TXN_VALUE.pack(0, marker.coordinator_epoch)
    )
    return build_batch(
        (record,),
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def build_kraft_control_batch(
    messages: Sequence[KraftMessage], *, timestamp_ms: int, base_offset: int, partition_leader_epoch: int
) -> bytes:
    """A batch of a quorum's control messages, each in the version that it says it has."""
    records = [
        Record(
            base_offset + index,
            timestamp_ms,
            control_record_key(_KRAFT_TYPES[type(message)]),
            message.encode(message.version),
        )
        for index, message in enumerate(messages)
    ]
    return build_batch(records, base_offset=base_offset, partition_leader_epoch=partition_leader_epoch, is_control=True)
