"""Formatters for the coordinators' topics: each record as one JSON object, under Apache Kafka's class names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

from kafkalite.cli.message_formatter import ConsumerRecord
from kafkalite.cli.message_json import message_to_json
from kafkalite.protocol.coordinator_record import RecordType, by_number, read_key, read_prefix, read_value
from kafkalite.protocol.coordinator_records import classic_group, offsets, share_group, share_state, transaction_log
from kafkalite.protocol.primitives import ProtocolError


class CoordinatorRecordMessageFormatter:
    """Writes the records of the types that a subclass names and leaves all others out."""

    record_types: ClassVar[Sequence[RecordType]] = ()

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._types = by_number(self.record_types)

    def write_to(self, record: ConsumerRecord, output: BinaryIO) -> None:
        """Writes one record without a line end, as Apache Kafka does; raises ValueError for an unreadable one."""
        if record.key is None:
            return
        try:
            record_type = read_prefix(record.key)
            if record_type not in self._types:
                return
            key_class, value_class = self._types[record_type]
            key = message_to_json(read_key(key_class, record.key), 0)
            document: dict[str, Any] = {"key": {"type": record_type, "data": key}, "value": None}
            if record.value is not None:
                version = read_prefix(record.value)
                data = message_to_json(read_value(value_class, record.value), version)
                document["value"] = {"version": version, "data": data}
        except ProtocolError as error:
            raise ValueError(f"Could not read record at offset {record.offset} due to: {error}") from None
        output.write(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


class OffsetsMessageFormatter(CoordinatorRecordMessageFormatter):
    """Committed offsets, of `__consumer_offsets`."""

    record_types = offsets.RECORD_TYPES


class GroupMetadataMessageFormatter(CoordinatorRecordMessageFormatter):
    """Classic groups, of `__consumer_offsets`."""

    record_types = classic_group.RECORD_TYPES


class TransactionLogMessageFormatter(CoordinatorRecordMessageFormatter):
    """Transactions, of `__transaction_state`."""

    record_types = transaction_log.RECORD_TYPES


class ShareGroupMessageFormatter(CoordinatorRecordMessageFormatter):
    """Share groups, of `__consumer_offsets`."""

    record_types = share_group.RECORD_TYPES


class ShareGroupStateMessageFormatter(CoordinatorRecordMessageFormatter):
    """What share groups have done with records, of `__share_group_state`."""

    record_types = share_state.RECORD_TYPES
