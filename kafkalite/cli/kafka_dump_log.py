"""kafka-dump-log: shows what is in the files of a log directory, and whether it fits together.

    .log, .checkpoint   batches, and with --deep-iteration or --print-data-log their records
    .index, .timeindex  entries, compared with the log beside them
    .snapshot           producers; .txnindex: aborted transactions

Flags, output and exit codes are those of Apache Kafka's DumpLogSegments; what it finds wrong goes to stderr when all
files are through, and does not change the exit code. An error that would be an exception there ends the dump with 1.
"""

from __future__ import annotations

import os.path
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kafkalite.cli.command_line import OptionParser, check_required, print_help_or_version, run_command
from kafkalite.cli.log_dump import DumpError, LogDump, ReadableFile, absolute, first_last_offset, iter_dumped_batches
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import Buffer

if TYPE_CHECKING:
    from kafkalite.cli.record_decoders import RecordDecoder

DEFAULT_MAX_MESSAGE_SIZE: Final = 5 * 1024 * 1024
MAX_BYTES: Final = 0x7FFFFFFF
_JAVA_CLASSES: Final = {
    ErrorCode.CORRUPT_MESSAGE: "org.apache.kafka.common.errors.CorruptRecordException",
    ErrorCode.INVALID_RECORD: "org.apache.kafka.common.InvalidRecordException",
}
_OFFSET_ENTRY: Final = struct.Struct(">ii")
_TIME_ENTRY: Final = struct.Struct(">qi")


class DumpLogOptions:
    """What the command line says."""

    def __init__(self, argv: list[str]) -> None:
        self.parser = parser = OptionParser()
        self._print = parser.flag(
            "print-data-log",
            "If set, printing the messages content when dumping data logs. Automatically set if any decoder option is "
            "specified.",
        )
        self._verify = parser.flag(
            "verify-index-only", "If set, just verify the index log without printing its content."
        )
        self._sanity = parser.flag(
            "index-sanity-check",
            "If set, just checks the index sanity without printing its content. This is the same check that is "
            "executed on broker startup to determine if an index needs rebuilding or not.",
        )
        self._files = parser.option(
            "files",
            "REQUIRED: The comma separated list of data and index log files to be dumped.",
            "file1, file2, ...",
        )
        self._max_message_size = parser.option(
            "max-message-size",
            "Size of largest message.",
            "size",
            type_name="Integer",
            default=DEFAULT_MAX_MESSAGE_SIZE,
        )
        self._max_bytes = parser.option(
            "max-bytes",
            "Limit the amount of total batches read in bytes avoiding reading the whole .log file(s).",
            "size",
            type_name="Integer",
            default=MAX_BYTES,
        )
        self._deep = parser.flag(
            "deep-iteration",
            "If set, uses deep instead of shallow iteration. Automatically set if print-data-log is enabled.",
        )
        self._value_decoder, self._key_decoder = (
            parser.option(
                f"{part}-decoder-class",
                f"If set, used to deserialize the {plural}. This class should implement "
                "org.apache.kafka.tools.api.Decoder trait. Custom jar should be available in kafka/libs directory.",
                default="org.apache.kafka.tools.api.StringDecoder",
                is_value_optional=True,
            )
            for part, plural in (("value", "messages"), ("key", "keys"))
        )
        self._offsets = parser.flag(
            "offsets-decoder",
            "If set, log data will be parsed as offset data from the __consumer_offsets topic.",
        )
        self._transactions = parser.flag(
            "transaction-log-decoder",
            "If set, log data will be parsed as transaction metadata from the __transaction_state topic.",
        )
        self._metadata = parser.flag(
            "cluster-metadata-decoder", "If set, log data will be parsed as cluster metadata records."
        )
        self._remote_metadata = parser.flag(
            "remote-log-metadata-decoder",
            "If set, log data will be parsed as TopicBasedRemoteLogMetadataManager (RLMM) metadata records. Instead, "
            "the value-decoder-class option can be used if a custom RLMM implementation is configured.",
        )
        self._share_state = parser.flag(
            "share-group-state-decoder",
            "If set, log data will be parsed as share group state data from the __share_group_state topic.",
        )
        self._skip_record_metadata = parser.flag(
            "skip-record-metadata",
            "Skip metadata when printing records. This flag also skips control records.",
        )
        self._found = parser.parse(argv)
        print_help_or_version(
            parser,
            self._found,
            "This tool helps to parse a log file and dump its contents to the console, useful for debugging a "
            "seemingly corrupt log segment.",
            is_empty=not argv,
        )
        check_required(parser, self._found, self._files)

    @property
    def files(self) -> list[str]:
        parts: list[str] = self._found.value(self._files).split(",")
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        return parts

    @property
    def is_verify_only(self) -> bool:
        return self._found.has(self._verify)

    @property
    def is_sanity_check_only(self) -> bool:
        return self._found.has(self._sanity)

    @property
    def max_message_size(self) -> int:
        size: int = self._found.value(self._max_message_size)
        return size

    @property
    def max_bytes(self) -> int:
        size: int = self._found.value(self._max_bytes)
        return size

    @property
    def has_printed_data(self) -> bool:
        return any(
            map(
                self._found.has,
                (
                    self._print,
                    self._offsets,
                    self._transactions,
                    self._metadata,
                    self._remote_metadata,
                    self._value_decoder,
                    self._key_decoder,
                    self._share_state,
                ),
            )
        )

    @property
    def is_deep(self) -> bool:
        return self._found.has(self._deep) or self.has_printed_data

    @property
    def skips_record_metadata(self) -> bool:
        return self._found.has(self._skip_record_metadata)

    def record_decoder(self) -> RecordDecoder:
        """The decoder that the flags ask for; raises DumpError for a class that is none."""
        from kafkalite.cli import record_decoders

        if self._found.has(self._offsets):
            return record_decoders.offsets_decoder()
        if self._found.has(self._transactions):
            return record_decoders.transaction_log_decoder()
        if self._found.has(self._metadata):
            return record_decoders.cluster_metadata_decoder()
        if self._found.has(self._remote_metadata):
            raise DumpError(
                "kafkalite keeps no remote log metadata and cannot decode it", "java.lang.UnsupportedOperationException"
            )
        if self._found.has(self._share_state):
            return record_decoders.share_group_state_decoder()
        return record_decoders.decoder_of_classes(
            self._found.value(self._key_decoder), self._found.value(self._value_decoder)
        )


class IndexErrors:
    """What indexes say that their logs do not, by file; told when all files are through."""

    def __init__(self) -> None:
        self.offset_mismatches: dict[str, dict[int, int]] = {}
        self.timestamp_mismatches: dict[str, list[tuple[int, int]]] = {}
        self.timestamps_out_of_order: dict[str, list[tuple[int, int]]] = {}
        self.offsets_not_found: dict[str, list[tuple[int, int]]] = {}

    def print_offset_errors(self) -> None:
        for file in _in_hash_map_order(self.offset_mismatches):
            _complain(f"Mismatches in :{file}")
            for index_offset, log_offset in sorted(self.offset_mismatches[file].items(), reverse=True):
                _complain(f"  Index offset: {index_offset}, log offset: {log_offset}")

    def print_time_errors(self) -> None:
        for title, line, found in (
            (
                "Found timestamp mismatch in :",
                "  Index timestamp: {}, log timestamp: {}",
                self.timestamp_mismatches,
            ),
            (
                "Found out of order timestamp in :",
                "  Index timestamp: {}, Previously indexed timestamp: {}",
                self.timestamps_out_of_order,
            ),
            (
                "The following indexed offsets are not found in :",
                "Indexed offset: {}, found log offset: {}",
                self.offsets_not_found,
            ),
        ):
            for file in _in_hash_map_order(found):
                _complain(f"{title}{file}")
                for pair in found[file]:
                    _complain(line.format(*pair))


def execute(argv: list[str]) -> int:
    options = DumpLogOptions(argv)
    index_errors = IndexErrors()
    gaps: dict[str, dict[int, int]] = {}
    decode: RecordDecoder | None = None
    for name in options.files:
        print(f"Dumping {name}")
        stem, dot, suffix = os.path.basename(name).rpartition(".")
        if suffix in ("log", "checkpoint") and dot:
            if options.has_printed_data and decode is None:
                decode = options.record_decoder()
            LogDump(
                name,
                is_deep=options.is_deep,
                skips_record_metadata=options.skips_record_metadata,
                decode=decode,
                max_bytes=options.max_bytes,
                gaps=gaps,
            ).run()
        elif suffix == "index" and dot:
            _dump_index(name, options, index_errors)
        elif suffix == "timeindex" and dot:
            _dump_time_index(name, options, index_errors)
        elif suffix == "snapshot" and dot:
            _dump_producer_snapshot(name)
        elif suffix == "txnindex" and dot:
            _dump_transaction_index(name, int(stem))
        else:
            _complain(f"Ignoring unknown file {name}")
    sys.stdout.flush()
    index_errors.print_offset_errors()
    index_errors.print_time_errors()
    for file in _in_hash_map_order(gaps):
        _complain(f"Non-consecutive offsets in {file}")
        for offset, next_offset in sorted(gaps[file].items()):
            _complain(f"  {offset} is followed by {next_offset}")
    return 0


def _complain(line: str) -> None:
    sys.stdout.flush()
    print(line, file=sys.stderr)


def _in_hash_map_order(
    files: dict[str, object] | dict[str, dict[int, int]] | dict[str, list[tuple[int, int]]],
) -> list[str]:
    if len(files) < 2:
        return list(files)
    from kafkalite.cli.java_hash_map import string_map_order

    return string_map_order(files)


def _base_offset(path: str) -> int:
    return int(os.path.basename(path).partition(".")[0])


def _companion(path: str, suffix: str) -> str:
    directory, name = os.path.split(absolute(path))
    return os.path.join(directory, name.partition(".")[0] + suffix)


def _dump_index(path: str, options: DumpLogOptions, errors: IndexErrors) -> None:
    file = absolute(path)
    base_offset = _base_offset(path)
    with ReadableFile(_companion(path, ".log")) as log, ReadableFile(path, is_created=True) as index:
        entries = len(index.buffer) // _OFFSET_ENTRY.size
        if not entries:
            print(f"{path} is empty.")
            return
        if options.is_sanity_check_only:
            last_offset = base_offset + _OFFSET_ENTRY.unpack_from(index.buffer, (entries - 1) * 8)[0]
            if last_offset < base_offset:
                raise _corrupt_index(
                    f"Corrupt index found, index file {file} has non-zero size but the last offset is "
                    f"{last_offset} which is less than the base offset {base_offset}"
                )
            _check_multiple(f"Index file {file}", len(index.buffer), _OFFSET_ENTRY.size)
            print(f"{path} passed sanity check.")
            return
        for number in range(entries):
            relative_offset, position = _OFFSET_ENTRY.unpack_from(index.buffer, number * _OFFSET_ENTRY.size)
            # Behind a crash the rest of a preallocated file is zeros.
            if not relative_offset and number:
                return
            offset = base_offset + relative_offset
            log_offset = first_last_offset(log, position, options.max_message_size)
            if log_offset != offset:
                errors.offset_mismatches.setdefault(file, {})[offset] = log_offset
            if not options.is_verify_only:
                print(f"offset: {offset} position: {position}")


def _dump_time_index(path: str, options: DumpLogOptions, errors: IndexErrors) -> None:
    file = absolute(path)
    base_offset = _base_offset(path)
    with (
        ReadableFile(_companion(path, ".log")) as log,
        ReadableFile(_companion(path, ".index"), is_created=True) as offset_index,
        ReadableFile(path, is_created=True) as index,
    ):
        entries = len(index.buffer) // _TIME_ENTRY.size
        if options.is_sanity_check_only:
            _check_time_index(file, index.buffer, entries, base_offset)
            print(f"{path} passed sanity check.")
            return
        find_position = _position_lookup(offset_index.buffer, base_offset)
        previous_timestamp = -1
        for number in range(entries):
            timestamp, relative_offset = _TIME_ENTRY.unpack_from(index.buffer, number * _TIME_ENTRY.size)
            if not relative_offset and number:
                return
            offset = base_offset + relative_offset
            batch = next(
                (
                    batch
                    for batch in iter_dumped_batches(log, find_position(offset), MAX_BYTES)
                    if batch.header.last_offset >= offset
                ),
                None,
            )
            if batch is None or batch.header.last_offset != offset:
                found = -1 if batch is None else batch.header.last_offset
                errors.offsets_not_found.setdefault(file, []).append((offset, found))
            else:
                log_timestamp = max([-1, *(record.timestamp for record in batch.records())])
                if log_timestamp != timestamp:
                    errors.timestamp_mismatches.setdefault(file, []).append((timestamp, log_timestamp))
                if previous_timestamp >= timestamp:
                    errors.timestamps_out_of_order.setdefault(file, []).append((timestamp, previous_timestamp))
            if not options.is_verify_only:
                print(f"timestamp: {timestamp} offset: {offset}")
            previous_timestamp = timestamp


def _check_time_index(file: str, buffer: Buffer, entries: int, base_offset: int) -> None:
    prefix = f"Corrupt time index found, time index file ({file}) has non-zero size but the last"
    if entries:
        first_timestamp, _ = _TIME_ENTRY.unpack_from(buffer)
        last_timestamp, last_relative_offset = _TIME_ENTRY.unpack_from(buffer, (entries - 1) * _TIME_ENTRY.size)
        if last_timestamp < first_timestamp:
            raise _corrupt_index(
                f"{prefix} timestamp is {last_timestamp} which is less than the first timestamp {first_timestamp}"
            )
        if last_relative_offset < 0:
            raise _corrupt_index(
                f"{prefix} offset is {base_offset + last_relative_offset} which is less than the first offset "
                f"{base_offset}"
            )
    _check_multiple(f"Time index file {file}", len(buffer), _TIME_ENTRY.size)


def _position_lookup(buffer: Buffer, base_offset: int) -> Callable[[int], int]:
    """Where to begin the search for an offset: at the last entry of the offset index that is not behind it."""
    from bisect import bisect_right

    entries = [_OFFSET_ENTRY.unpack_from(buffer, position) for position in range(0, len(buffer) - 7, 8)]
    while len(entries) > 1 and not entries[-1][0]:
        entries.pop()
    offsets = [entry[0] for entry in entries]

    def find_position(offset: int) -> int:
        slot = bisect_right(offsets, offset - base_offset)
        return int(entries[slot - 1][1]) if slot else 0

    return find_position


def _check_multiple(subject: str, size: int, entry_size: int) -> None:
    if size % entry_size:
        raise _corrupt_index(
            f"{subject} is corrupt, found {size} bytes which is neither positive nor a multiple of {entry_size}"
        )


def _corrupt_index(message: str) -> DumpError:
    return DumpError(message, "org.apache.kafka.storage.internals.log.CorruptIndexException")


def _dump_producer_snapshot(path: str) -> None:
    from kafkalite.storage.producer_snapshot import CorruptSnapshotError, decode_snapshot

    try:
        with ReadableFile(path) as file:
            entries = decode_snapshot(bytes(file.buffer))
    except CorruptSnapshotError as error:
        _complain(str(error))
        return
    for entry in entries:
        line = (
            f"producerId: {entry.producer_id} producerEpoch: {entry.producer_epoch} coordinatorEpoch: "
            f"{entry.coordinator_epoch} currentTxnFirstOffset: "
            f"{_optional_long(entry.current_txn_first_offset if entry.current_txn_first_offset >= 0 else None)} "
            f"lastTimestamp: {entry.last_timestamp}"
        )
        if entry.batches:
            batch = entry.batches[0]
            line += (
                f" firstSequence: {batch.first_sequence} lastSequence: {batch.last_sequence} lastOffset: "
                f"{batch.last_offset} offsetDelta: {batch.offset_delta} timestamp: {batch.timestamp}"
            )
        print(line)


def _dump_transaction_index(path: str, base_offset: int) -> None:
    from kafkalite.storage.transaction_index import TransactionIndex

    with ReadableFile(path, is_created=True) as file:
        index = TransactionIndex.decode(bytes(file.buffer), base_offset)
    for entry in index.aborted_transactions:
        print(
            f"version: 0 producerId: {entry.producer_id} firstOffset: {entry.first_offset} lastOffset: "
            f"{entry.last_offset} lastStableOffset: {entry.last_stable_offset}"
        )


def _optional_long(value: int | None) -> str:
    return "OptionalLong.empty" if value is None else f"OptionalLong[{value}]"


def _execute_or_explain(argv: list[str]) -> int:
    """Runs the dump; an exception is shown as Java shows one that nobody caught."""
    try:
        return execute(argv)
    except (OSError, KafkaError, DumpError) as error:
        _complain(f'Exception in thread "main" {_described(error)}')
        return 1


def _described(error: OSError | KafkaError | DumpError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"java.nio.file.NoSuchFileException: {error.filename}"
    if isinstance(error, OSError):
        return f"java.io.IOException: {error}"
    if isinstance(error, DumpError):
        return f"{error.class_name}: {error}" if str(error) else error.class_name
    return f"{_JAVA_CLASSES.get(error.error, 'org.apache.kafka.common.KafkaException')}: {error.message}"


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute_or_explain, argv)


if __name__ == "__main__":
    sys.exit(main())
