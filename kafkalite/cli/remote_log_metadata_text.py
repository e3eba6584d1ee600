"""Records of `__remote_log_metadata` as text: what the classes of Apache Kafka's tiered storage show of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO, Final, TypeAlias

from kafkalite.cli.message_formatter import ConsumerRecord
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.protocol.remote_log_metadata import (
    RemoteLogMetadataRecord,
    RemoteLogSegmentIdEntry,
    RemoteLogSegmentMetadataRecord,
    RemoteLogSegmentMetadataSnapshotRecord,
    RemoteLogSegmentMetadataUpdateRecord,
    RemotePartitionDeleteMetadataRecord,
    TopicIdPartitionEntry,
    read_remote_log_metadata,
)

_Segment: TypeAlias = RemoteLogSegmentMetadataRecord | RemoteLogSegmentMetadataSnapshotRecord
_SEGMENT_STATES: Final = (
    "COPY_SEGMENT_STARTED",
    "COPY_SEGMENT_FINISHED",
    "DELETE_SEGMENT_STARTED",
    "DELETE_SEGMENT_FINISHED",
)
_PARTITION_STATES: Final = ("DELETE_PARTITION_MARKED", "DELETE_PARTITION_STARTED", "DELETE_PARTITION_FINISHED")


def describe(record: RemoteLogMetadataRecord) -> str:
    """One line; raises ValueError for values that no segment can have."""
    match record:
        case RemoteLogSegmentMetadataRecord():
            _check(record)
            return (
                f"RemoteLogSegmentMetadata{{remoteLogSegmentId={_segment_id(record.remote_log_segment_id)}, "
                f"startOffset={record.start_offset}, endOffset={record.end_offset}, brokerId={record.broker_id}, "
                f"maxTimestampMs={record.max_timestamp_ms}, eventTimestampMs={record.event_timestamp_ms}, "
                f"{_segment_details(record)}}}"
            )
        case RemoteLogSegmentMetadataSnapshotRecord():
            _check(record)
            return (
                f"RemoteLogSegmentMetadataSnapshot{{segmentId={record.segment_id}, startOffset={record.start_offset}, "
                f"endOffset={record.end_offset}, maxTimestampMs={record.max_timestamp_ms}, {_segment_details(record)}}}"
            )
        case RemoteLogSegmentMetadataUpdateRecord():
            return (
                f"RemoteLogSegmentMetadataUpdate{{remoteLogSegmentId={_segment_id(record.remote_log_segment_id)}, "
                f"customMetadata={_custom_metadata(record.custom_metadata)}, "
                f"state={_state(_SEGMENT_STATES, record.remote_log_segment_state)}, "
                f"eventTimestampMs={record.event_timestamp_ms}, brokerId={record.broker_id}}}"
            )
        case RemotePartitionDeleteMetadataRecord():
            return (
                f"RemotePartitionDeleteMetadata{{topicPartition={_partition(record.topic_id_partition)}, "
                f"state={_state(_PARTITION_STATES, record.remote_partition_delete_state)}, "
                f"eventTimestampMs={record.event_timestamp_ms}, brokerId={record.broker_id}}}"
            )
    raise TypeError(f"no description of {record}")


class RemoteLogMetadataFormatter:
    """How kafka-console-consumer writes the records of `__remote_log_metadata`."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        pass

    def write_to(self, record: ConsumerRecord, output: BinaryIO) -> None:
        """Raises ValueError for what is none of these records."""
        try:
            value = describe(read_remote_log_metadata(record.value or b""))
        except ProtocolError as error:
            raise ValueError(str(error)) from None
        output.write(f"partition: {record.partition}, offset: {record.offset}, value: {value}\n".encode())


def _check(record: _Segment) -> None:
    if record.start_offset < 0:
        raise ValueError(
            f"Unexpected start offset = {record.start_offset}. StartOffset for a remote segment cannot be negative"
        )
    if record.end_offset < record.start_offset:
        raise ValueError(
            f"Unexpected end offset = {record.end_offset}. EndOffset for a remote segment cannot be less than "
            f"startOffset = {record.start_offset}"
        )
    if not record.segment_leader_epochs:
        raise ValueError("segmentLeaderEpochs can not be null or empty")


def _segment_details(record: _Segment) -> str:
    epochs = {entry.leader_epoch: entry.offset for entry in record.segment_leader_epochs}
    shown = ", ".join(f"{epoch}={epochs[epoch]}" for epoch in sorted(epochs))
    return (
        f"segmentLeaderEpochs={{{shown}}}, segmentSizeInBytes={record.segment_size_in_bytes}, "
        f"customMetadata={_custom_metadata(record.custom_metadata)}, "
        f"state={_state(_SEGMENT_STATES, record.remote_log_segment_state)}, "
        f"txnIdxEmpty={str(record.txn_index_empty).lower()}"
    )


def _segment_id(entry: RemoteLogSegmentIdEntry) -> str:
    return f"RemoteLogSegmentId{{topicIdPartition={_partition(entry.topic_id_partition)}, id={entry.id}}}"


def _partition(entry: TopicIdPartitionEntry) -> str:
    return f"{entry.id}:{entry.name}-{entry.partition}"


def _custom_metadata(value: bytes | None) -> str:
    return "Optional.empty" if value is None else f"Optional[CustomMetadata{{{len(value)} bytes}}]"


def _state(names: tuple[str, ...], state: int) -> str:
    if not 0 <= state < len(names):
        raise ValueError("state can not be null")
    return names[state]
