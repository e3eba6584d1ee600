"""Producer snapshots (`<offset>.snapshot`): what a partition knew of its producers when its log ended at that offset.

    version int16 (1), CRC-32C uint32 of all that follows, number of entries int32, entries of 46 bytes:
    producer id int64, producer epoch int16, last sequence int32, last offset int64,
    offset delta int32 (of the last batch: last minus first offset), timestamp int64, coordinator epoch int32,
    first offset of the open transaction int64 (-1: none open)

Of the five batches that are remembered only the last one is kept in a snapshot, as in Apache Kafka.
"""

from __future__ import annotations

import logging
import struct
from bisect import insort
from collections.abc import Callable, Iterable
from typing import Final

from kafkalite.records.crc32c import crc32c
from kafkalite.storage.file_names import DELETED_SUFFIX, PRODUCER_SNAPSHOT_SUFFIX, offset_file_name
from kafkalite.storage.filesystem import FileSystem, remove_if_exists, write_file_atomically
from kafkalite.storage.producer_state_entry import BatchMetadata, ProducerStateEntry

_logger = logging.getLogger(__name__)

_VERSION: Final = 1
_PREFIX: Final = struct.Struct(">hI")
_CRC: Final = struct.Struct(">I")
_COUNT: Final = struct.Struct(">i")
_ENTRY: Final = struct.Struct(">qhiqiqiq")


class CorruptSnapshotError(Exception):
    """A snapshot file that cannot be used; an older one or the log itself takes its place."""


def encode_snapshot(entries: Iterable[ProducerStateEntry]) -> bytes:
    body = bytearray(_COUNT.size)
    count = 0
    for entry in entries:
        last = entry.batches[-1] if entry.batches else BatchMetadata(-1, -1, 0, -1)
        body += _ENTRY.pack(
            entry.producer_id,
            entry.producer_epoch,
            last.last_sequence,
            last.last_offset,
            last.offset_delta,
            entry.last_timestamp,
            entry.coordinator_epoch,
            entry.current_txn_first_offset,
        )
        count += 1
    _COUNT.pack_into(body, 0, count)
    return _PREFIX.pack(_VERSION, crc32c(body)) + body


def decode_snapshot(data: bytes) -> list[ProducerStateEntry]:
    """Raises CorruptSnapshotError, in the words of Apache Kafka, whose "null" stands for a file that ends too early."""
    version = int.from_bytes(data[:2], "big", signed=True)
    if len(data) >= 2 and version != _VERSION:
        raise _invalid(f"Snapshot contained an unknown file version {version}")
    if len(data) < _PREFIX.size + _COUNT.size:
        raise _invalid("null")
    (crc,) = _CRC.unpack_from(data, 2)
    body = memoryview(data)[_PREFIX.size :]
    (count,) = _COUNT.unpack_from(body)
    left = len(body) - _COUNT.size
    if count < 0:
        raise _invalid("non-nullable field producerEntries was serialized as null")
    if count > left:
        raise _invalid(f"Tried to allocate a collection of size {count}, but there are only {left} bytes remaining.")
    if count * _ENTRY.size > left:
        raise _invalid("null")
    computed = crc32c(body)
    if crc != computed:
        raise CorruptSnapshotError(
            f"Snapshot is corrupt (CRC is no longer valid). Stored crc: {crc}. Computed crc: {computed}"
        )
    entries = []
    for fields in _ENTRY.iter_unpack(body[_COUNT.size : _COUNT.size + count * _ENTRY.size]):
        producer_id, epoch, last_sequence, last_offset, delta, timestamp, coordinator_epoch, txn_first_offset = fields
        entry = ProducerStateEntry(producer_id, epoch, coordinator_epoch, timestamp, txn_first_offset)
        if last_offset >= 0:
            entry.batches.append(BatchMetadata(last_sequence, last_offset, delta, timestamp))
        entries.append(entry)
    return entries


def _invalid(problem: str) -> CorruptSnapshotError:
    return CorruptSnapshotError(f"Snapshot failed schema validation: {problem}")


class ProducerSnapshots:
    """The snapshot files in one partition's directory."""

    __slots__ = ("_filesystem", "directory", "offsets")

    def __init__(self, filesystem: FileSystem, directory: str, offsets: Iterable[int] = ()) -> None:
        self._filesystem = filesystem
        self.directory = directory
        self.offsets = sorted(offsets)

    def path(self, offset: int) -> str:
        return f"{self.directory}/{offset_file_name(offset, PRODUCER_SNAPSHOT_SUFFIX)}"

    def latest_offset(self) -> int | None:
        return self.offsets[-1] if self.offsets else None

    def write(self, offset: int, entries: Iterable[ProducerStateEntry]) -> None:
        """Writes the snapshot at `offset`; it is synced with the log."""
        self.write_encoded(offset, encode_snapshot(entries))

    def write_encoded(self, offset: int, data: bytes) -> None:
        write_file_atomically(self._filesystem, self.path(offset), data, sync=False)
        if offset not in self.offsets:
            insort(self.offsets, offset)

    def read_latest(self) -> tuple[int, list[ProducerStateEntry]] | None:
        """The latest snapshot that can be read, as its offset and entries; damaged ones are removed with a log line."""
        while self.offsets:
            offset = self.offsets[-1]
            try:
                return offset, decode_snapshot(self._filesystem.read_bytes(self.path(offset)))
            except (CorruptSnapshotError, FileNotFoundError) as error:
                _logger.warning("Failed to load producer snapshot from %s: %s", self.path(offset), error)
                self.remove(offset)
        return None

    def remove(self, offset: int) -> None:
        if offset in self.offsets:
            self.offsets.remove(offset)
            remove_if_exists(self._filesystem, self.path(offset))

    def remove_where(self, is_unwanted: Callable[[int], bool]) -> None:
        for offset in [offset for offset in self.offsets if is_unwanted(offset)]:
            self.remove(offset)

    def forget(self, offset: int) -> str | None:
        """Lets go of a snapshot, whose file is the caller's; returns its path, None if there is none."""
        if offset not in self.offsets:
            return None
        self.offsets.remove(offset)
        return self.path(offset)

    def retire(self, offset: int) -> str | None:
        """Renames a snapshot to `.deleted` and gives back its path, None if there is none."""
        path = self.forget(offset)
        if path is None:
            return None
        try:
            self._filesystem.rename(path, path + DELETED_SUFFIX)
        except FileNotFoundError:
            return None
        return path + DELETED_SUFFIX
