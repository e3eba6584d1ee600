"""The dump of one .log or .checkpoint file: a line for each batch and, on demand, for each record."""

from __future__ import annotations

import mmap
import os.path
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from kafkalite.cli.java_numbers import parse_int, parse_long
from kafkalite.errors import KafkaError
from kafkalite.records.compression import Buffer
from kafkalite.records.record import Record, parse_records
from kafkalite.records.record_batch import (
    HEADER_SIZE_UP_TO_MAGIC,
    LOG_OVERHEAD,
    MAGIC_POSITION,
    MIN_LEGACY_RECORD_SIZE,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    check_crc,
    corrupt_record,
    decode_batch,
    increment_sequence,
    read_header,
    records_body,
)

if TYPE_CHECKING:
    from kafkalite.cli.record_decoders import RecordDecoder

RECORD_INDENT: Final = "|"
_MAX_BYTES: Final = 0x7FFFFFFF
_NO_LIMIT: Final = 1 << 40
_LINES_AT_ONCE: Final = 500


class DumpError(Exception):
    """What ends a dump, with the Java class that Apache Kafka's tool would show; the text may be empty."""

    def __init__(self, message: str, class_name: str) -> None:
        super().__init__(message)
        self.class_name = class_name


def absolute(path: str) -> str:
    """The path from the root on, otherwise as it was given."""
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


class ReadableFile:
    """A file as a buffer: mapped, so that a dump that stops early has not read it all."""

    def __init__(self, path: str, *, is_created: bool = False) -> None:
        """With `is_created` a missing file counts as empty, as Apache Kafka creates an index that is not there."""
        self.path = path
        self._map: mmap.mmap | None = None
        self.buffer: Buffer = b""
        try:
            file = open(path, "rb")  # noqa: SIM115 (entered below, where it was found)
        except FileNotFoundError:
            if is_created:
                return
            raise
        with file:
            if file.seek(0, 2):
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self.buffer = memoryview(self._map)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._map is not None and error is None:
            if isinstance(self.buffer, memoryview):
                self.buffer.release()
            self._map.close()


class DumpedBatch:
    """A batch at its position in a file."""

    __slots__ = ("buffer", "header", "position")

    def __init__(self, buffer: Buffer, position: int, header: BatchHeader) -> None:
        self.buffer = buffer
        self.position = position
        self.header = header

    @property
    def is_valid(self) -> bool:
        try:
            check_crc(self.buffer, self.position, self.header)
        except KafkaError:
            return False
        return True

    @property
    def timestamp_type_name(self) -> str:
        if self.header.magic == 0:
            return "NoTimestampType"
        return "LogAppendTime" if self.header.timestamp_type else "CreateTime"

    def records(self) -> list[Record]:
        return decode_batch(self.buffer, self.position, self.header, max_decompressed_size=_NO_LIMIT)

    def sequence(self, record: Record) -> int:
        if self.header.base_sequence < 0:
            return -1
        return increment_sequence(self.header.base_sequence, record.offset - self.header.base_offset)


def iter_dumped_batches(file: ReadableFile, position: int, max_bytes: int) -> Iterator[DumpedBatch]:
    """The whole batches within `max_bytes` from `position` on; raises KafkaError for a length that cannot be one."""
    buffer = file.buffer
    end = min(len(buffer), position + max_bytes)
    while position < end - HEADER_SIZE_UP_TO_MAGIC:
        length = int.from_bytes(buffer[position + 8 : position + 12], "big", signed=True)
        if length < MIN_LEGACY_RECORD_SIZE:
            raise corrupt_record(
                f"Found record size {length} smaller than minimum record overhead ({MIN_LEGACY_RECORD_SIZE}) in file "
                f"{file.path}."
            )
        if position > end - LOG_OVERHEAD - length:
            return
        yield DumpedBatch(buffer, position, _read_header(buffer, position))
        position += LOG_OVERHEAD + length


def _read_header(buffer: Buffer, position: int) -> BatchHeader:
    """A batch's header; formats of the future are shown as if they were format 2, as Apache Kafka does."""
    magic = buffer[position + MAGIC_POSITION]
    if not 2 < magic < 128:
        return read_header(buffer, position)
    as_format_2 = bytearray(buffer[position : position + RECORD_BATCH_OVERHEAD])
    as_format_2[MAGIC_POSITION] = 2
    return read_header(as_format_2)._replace(magic=magic)


def check_slice(file: ReadableFile, position: int, size: int) -> None:
    """Raises DumpError where a part of a file would begin outside of it, or be smaller than nothing."""
    if position < 0:
        problem = f"Invalid position: {position} in read from"
    elif position > len(file.buffer):
        problem = f"Slice from position {position} exceeds end position of"
    elif size < 0:
        problem = f"Invalid size: {size} in read from"
    else:
        return
    records = f"FileRecords(size={len(file.buffer)}, file={file.path}, start=0, end={_MAX_BYTES})"
    raise DumpError(f"{problem} {records}", "java.lang.IllegalArgumentException")


def first_last_offset(file: ReadableFile, position: int, max_bytes: int) -> int:
    """The last offset of the batch at `position`; raises DumpError where there is none."""
    check_slice(file, position, max_bytes)
    batch = next(iter_dumped_batches(file, position, max_bytes), None)
    if batch is None:
        raise DumpError("", "java.util.NoSuchElementException")
    return batch.header.last_offset


class LogDump:
    """Writes what one file of batches holds to stdout."""

    def __init__(
        self,
        path: str,
        *,
        is_deep: bool,
        skips_record_metadata: bool,
        decode: RecordDecoder | None,
        max_bytes: int,
        gaps: dict[str, dict[int, int]],
    ) -> None:
        """`decode` prints keys and payloads; `gaps` takes up where offsets do not follow each other, by file."""
        self._path = path
        self._is_deep = is_deep
        self._skips_record_metadata = skips_record_metadata
        self._decode = decode
        self._max_bytes = max_bytes
        self._gaps = gaps
        self._last_offset = -1
        self._lines: list[str] = []
        self._unfinished_line = ""

    def run(self) -> None:
        """Raises KafkaError where the file cannot be read on; what came before has been written then."""
        print(self._title())
        try:
            with ReadableFile(self._path) as file:
                check_slice(file, 0, self._max_bytes)
                valid_bytes = 0
                for batch in iter_dumped_batches(file, 0, self._max_bytes):
                    self._unfinished_line = _identity(batch)
                    self._lines.append(f"{self._unfinished_line} {_batch_details(batch)}")
                    self._unfinished_line = ""
                    if self._is_deep:
                        self._dump_records(batch)
                    valid_bytes += batch.header.size_in_bytes
                    if len(self._lines) > _LINES_AT_ONCE:
                        self._flush()
                trailing_bytes = len(file.buffer) - valid_bytes
                if trailing_bytes > 0 and self._max_bytes == _MAX_BYTES:
                    self._lines.append(
                        f"Found {trailing_bytes} invalid bytes at the end of {os.path.basename(self._path)}"
                    )
        finally:
            self._flush()

    def _title(self) -> str:
        name = os.path.basename(self._path)
        if name.endswith(".log"):
            return f"Log starting offset: {parse_long(name.partition('.')[0])}"
        if name == "bootstrap.checkpoint":
            return "KRaft bootstrap snapshot"
        offset, _, epoch = name.removesuffix(".checkpoint").partition("-")
        return f"Snapshot end offset: {parse_long(offset)}, epoch: {parse_int(epoch)}"

    def _flush(self) -> None:
        if self._lines:
            sys.stdout.write("\n".join(self._lines) + "\n")
            self._lines.clear()
        sys.stdout.write(self._unfinished_line)

    def _dump_records(self, batch: DumpedBatch) -> None:
        if batch.header.magic < 2:
            from kafkalite.records.legacy_message_set import read_entry

            for entry in read_entry(batch.buffer, batch.position, batch.header, max_decompressed_size=_NO_LIMIT):
                self._dump_record(batch, entry.record, f" isValid: {str(entry.is_valid).lower()} crc: {entry.crc}")
            return
        records: list[Record] = []
        header = batch.header
        if not header.records_count:
            return
        body = records_body(batch.buffer, batch.position, header, max_decompressed_size=_NO_LIMIT)
        append_time = header.max_timestamp if header.timestamp_type else None
        try:
            parse_records(
                body, header.records_count, header.base_offset, header.base_timestamp, append_time, into=records
            )
        finally:
            # Of a damaged batch that is not compressed, Apache Kafka shows the records before the damage.
            for record in records:
                keys = ",".join(key for key, _ in record.headers)
                self._dump_record(batch, record, f" sequence: {batch.sequence(record)} headerKeys: [{keys}]")

    def _dump_record(self, batch: DumpedBatch, record: Record, details: str) -> None:
        if record.offset != self._last_offset + 1:
            self._gaps.setdefault(absolute(self._path), {})[self._last_offset] = record.offset
        self._last_offset = record.offset
        line = ""
        if not self._skips_record_metadata:
            key_size = -1 if record.key is None else len(record.key)
            value_size = -1 if record.value is None else len(record.value)
            line = (
                f"{RECORD_INDENT} offset: {record.offset} {batch.timestamp_type_name}: {record.timestamp} keySize: "
                f"{key_size} valueSize: {value_size}{details}"
            )
            if batch.header.is_control:
                self._unfinished_line = line
                line += _control_record(record)
        if self._decode is not None and not batch.header.is_control:
            prefix = f"{RECORD_INDENT} " if self._skips_record_metadata else " "
            self._unfinished_line = line
            key, payload = self._decode(record)
            if key is not None:
                line += f"{prefix}key: {key}"
                prefix = " "
            if payload is not None:
                line += f"{prefix}payload: {payload}"
        self._unfinished_line = ""
        self._lines.append(line)


def _identity(batch: DumpedBatch) -> str:
    """The first part of a batch's line."""
    header = batch.header
    if header.magic >= 2:
        horizon = header.delete_horizon_ms
        return (
            f"baseOffset: {header.base_offset} lastOffset: {header.last_offset} count: {header.records_count} "
            f"baseSequence: {header.base_sequence} lastSequence: {header.last_sequence} producerId: "
            f"{header.producer_id} producerEpoch: {header.producer_epoch} partitionLeaderEpoch: "
            f"{header.partition_leader_epoch} isTransactional: {str(header.is_transactional).lower()} isControl: "
            f"{str(header.is_control).lower()} deleteHorizonMs: "
            f"{'OptionalLong.empty' if horizon is None else f'OptionalLong[{horizon}]'}"
        )
    return f"offset: {header.last_offset}"


def _batch_details(batch: DumpedBatch) -> str:
    """The second part, which raises DumpError for a codec that does not exist."""
    header = batch.header
    try:
        codec_name = header.compression_type.codec_name
    except KafkaError as error:
        raise DumpError(error.message, "java.lang.IllegalArgumentException") from None
    return (
        f"position: {batch.position} {batch.timestamp_type_name}: {header.max_timestamp} size: "
        f"{header.size_in_bytes} magic: {header.magic} compresscodec: {codec_name} crc: "
        f"{header.crc} isvalid: {str(batch.is_valid).lower()}"
    )


def _control_record(record: Record) -> str:
    from kafkalite.cli.message_json import message_to_json, to_json
    from kafkalite.protocol.primitives import ProtocolError
    from kafkalite.records.control_record import (
        KRAFT_MESSAGES,
        ControlRecordType,
        read_control_record_type,
        read_control_record_type_id,
        read_end_transaction_marker,
    )

    record_type = read_control_record_type(record.key)
    if record_type.is_end_of_transaction:
        marker = read_end_transaction_marker(record)
        return f" endTxnMarker: {marker.type.name} coordinatorEpoch: {marker.coordinator_epoch}"
    if record_type not in KRAFT_MESSAGES:
        return f" controlType: {record_type.name}({read_control_record_type_id(record.key)})"
    try:
        message = KRAFT_MESSAGES[record_type].decode(record.value or b"", 0)
    except ProtocolError as error:
        if str(error).endswith("ends too early"):
            raise DumpError("", "java.nio.BufferUnderflowException") from None
        raise DumpError(str(error), "java.lang.RuntimeException") from None
    title = {
        ControlRecordType.LEADER_CHANGE: "LeaderChange:",
        ControlRecordType.SNAPSHOT_HEADER: "SnapshotHeader",
        ControlRecordType.SNAPSHOT_FOOTER: "SnapshotFooter",
        ControlRecordType.KRAFT_VERSION: "KRaftVersion",
        ControlRecordType.KRAFT_VOTERS: "KRaftVoters",
    }[record_type]
    version: int = message.version
    return f" {title} {to_json(message_to_json(message, version))}"
