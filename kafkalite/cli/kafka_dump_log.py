"""kafka-dump-log: shows what is in the files of a log directory, and whether it fits together.

    .log, .checkpoint   batches, and with --deep-iteration or --print-data-log their records
    .index, .timeindex  entries, compared with the log beside them
    .snapshot           producers; .txnindex: aborted transactions

Flags, output and exit codes are those of Apache Kafka's DumpLogSegments; what it finds wrong goes to stderr when all
files are through, and does not change the exit code. An error that would be an exception there ends the dump with 1.
"""

from __future__ import annotations

import os.path
import sys
from typing import TYPE_CHECKING, Final

from kafkalite.cli.command_line import run_command
from kafkalite.cli.dump_errors import DumpErrors, complain
from kafkalite.cli.dump_log_options import DumpLogOptions
from kafkalite.cli.index_dump import dump_index, dump_time_index
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_long
from kafkalite.cli.log_dump import DumpError, LogDump, ReadableFile, absolute
from kafkalite.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from kafkalite.cli.record_decoders import RecordDecoder

_JAVA_CLASSES: Final = {
    ErrorCode.CORRUPT_MESSAGE: "org.apache.kafka.common.errors.CorruptRecordException",
    ErrorCode.INVALID_RECORD: "org.apache.kafka.common.InvalidRecordException",
}


def execute(argv: list[str]) -> int:
    options = DumpLogOptions(argv)
    errors = DumpErrors()
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
                gaps=errors.gaps,
            ).run()
        elif suffix == "index" and dot:
            dump_index(name, options, errors)
        elif suffix == "timeindex" and dot:
            dump_time_index(name, options, errors)
        elif suffix == "snapshot" and dot:
            _dump_producer_snapshot(name)
        elif suffix == "txnindex" and dot:
            parse_long(stem)  # the name has to be that of a segment
            _dump_transaction_index(name)
        else:
            complain(f"Ignoring unknown file {name}")
    errors.print()
    return 0


def _dump_producer_snapshot(path: str) -> None:
    from kafkalite.storage.producer_snapshot import CorruptSnapshotError, decode_snapshot

    try:
        with ReadableFile(path) as file:
            entries = decode_snapshot(bytes(file.buffer))
    except CorruptSnapshotError as error:
        complain(str(error))
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


def _dump_transaction_index(path: str) -> None:
    """Whatever the entries say is shown, in order or not; what is less than an entry at the end is not."""
    from kafkalite.storage.transaction_index import ENTRY_SIZE, read_entry

    lines = []
    with ReadableFile(path, is_created=True) as file:
        for position in range(0, len(file.buffer) - ENTRY_SIZE + 1, ENTRY_SIZE):
            # Apache Kafka takes the first byte of the version for all of it.
            version = int.from_bytes(file.buffer[position : position + 1], "big", signed=True)
            if version > 0:
                raise DumpError(
                    f"Unexpected aborted transaction version {version} in transaction index {absolute(path)}, current "
                    "version is 0",
                    "org.apache.kafka.common.KafkaException",
                )
            entry = read_entry(file.buffer, position)
            lines.append(
                f"version: {version} producerId: {entry.producer_id} firstOffset: {entry.first_offset} lastOffset: "
                f"{entry.last_offset} lastStableOffset: {entry.last_stable_offset}\n"
            )
    sys.stdout.write("".join(lines))


def _optional_long(value: int | None) -> str:
    return "OptionalLong.empty" if value is None else f"OptionalLong[{value}]"


def _execute_or_explain(argv: list[str]) -> int:
    """Runs the dump; an exception is shown as Java shows one that nobody caught."""
    try:
        return execute(argv)
    except (OSError, KafkaError, DumpError, ToolError) as error:
        complain(f'Exception in thread "main" {_described(error)}')
        return 1


def _described(error: OSError | KafkaError | DumpError | ToolError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"java.nio.file.NoSuchFileException: {error.filename}"
    if isinstance(error, OSError):
        return f"java.io.IOException: {error}"
    if isinstance(error, DumpError | ToolError):
        return f"{error.class_name}: {error}" if str(error) else error.class_name
    return f"{_JAVA_CLASSES.get(error.error, 'org.apache.kafka.common.KafkaException')}: {error.message}"


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute_or_explain, argv)


if __name__ == "__main__":
    sys.exit(main())
