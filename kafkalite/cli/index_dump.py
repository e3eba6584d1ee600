"""The dumps of .index and .timeindex files: their entries, compared with the log beside them."""

from __future__ import annotations

import os.path
import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from kafkalite.cli.dump_errors import DumpErrors
from kafkalite.cli.dump_log_options import MAX_BYTES, DumpLogOptions
from kafkalite.cli.java_numbers import parse_long
from kafkalite.cli.log_dump import (
    DumpError,
    ReadableFile,
    absolute,
    check_slice,
    first_last_offset,
    iter_dumped_batches,
)
from kafkalite.records.compression import Buffer

_OFFSET_ENTRY: Final = struct.Struct(">ii")
_TIME_ENTRY: Final = struct.Struct(">qi")


def dump_index(path: str, options: DumpLogOptions, errors: DumpErrors) -> None:
    """Prints the entries of an .index file, or checks it only. Raises DumpError, KafkaError, OSError."""
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


def dump_time_index(path: str, options: DumpLogOptions, errors: DumpErrors) -> None:
    """Prints the entries of a .timeindex file, or checks it only. Raises DumpError, KafkaError, OSError."""
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
            position = find_position(offset)
            check_slice(log, position, MAX_BYTES)
            batch = next(
                (
                    batch
                    for batch in iter_dumped_batches(log, position, MAX_BYTES)
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


def _base_offset(path: str) -> int:
    return parse_long(os.path.basename(path).partition(".")[0])


def _companion(path: str, suffix: str) -> str:
    directory, name = os.path.split(absolute(path))
    return os.path.join(directory, name.partition(".")[0] + suffix)
