"""The copying part of compaction: reads segments, writes what stays of them into new ones (Cleaner).

The dirty part of a log is read into an offset map, then segments are copied, a group of small ones into one, without
the records that the map knows a later one for. It works on files and their names alone, so it can do so in a thread or
process of its own; log_cleaner tells how its steps and those of the log take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from kafkalite.config.topic_config import TopicConfig
from kafkalite.records.compression import Buffer
from kafkalite.records.record import NO_TIMESTAMP, Record
from kafkalite.records.record_batch import (
    COMPRESSION_MASK,
    DELETE_HORIZON_MASK,
    NO_PRODUCER_ID,
    BatchHeader,
    assemble_batch,
    build_batch,
    decode_batch,
    read_header,
)
from kafkalite.storage.cleaned_transactions import CleanedTransactions
from kafkalite.storage.file_names import CLEANED_SUFFIX, SWAP_SUFFIX
from kafkalite.storage.file_records import iter_valid_batches
from kafkalite.storage.filesystem import FileSystem, remove_if_exists
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_segment import SEGMENT_SUFFIXES, LogSegment
from kafkalite.storage.offset_map import OffsetMap
from kafkalite.storage.transaction_index import AbortedTxn

_MAX_RELATIVE_OFFSET: Final = 0x7FFFFFFF
_WRITE_SIZE: Final = 64 * 1024


class CleaningAborted(Exception):
    """A cleaning that has lost its purpose; the log is as it was, or as far as it had got."""


class CleaningStarved(CleaningAborted):
    """The cleaner got next to no time of a processor."""


class CleanerStats:
    """What a cleaning did."""

    __slots__ = ("bytes_read", "bytes_written", "keyless_records", "records_read", "records_retained")

    def __init__(self) -> None:
        self.bytes_read = self.bytes_written = 0
        self.records_read = self.records_retained = self.keyless_records = 0


class SourceSegment(NamedTuple):
    """A segment to be cleaned, as the worker knows it."""

    path: str
    base_offset: int
    next_base_offset: int
    size: int
    offset_index_bytes: int
    time_index_bytes: int


class CleanedGroup(NamedTuple):
    """A new segment on the disk, under `.swap` names, that takes the place of `sources`."""

    sources: list[SourceSegment]
    base_offset: int
    size: int
    has_transaction_index: bool


class CleaningTask(NamedTuple):
    """All that a worker needs to know."""

    directory: str
    config: TopicConfig
    sources: list[SourceSegment]
    first_dirty_offset: int
    upper_bound_offset: int
    """Where the segments end that are cleaned."""
    aborted: list[AbortedTxn]
    last_records_of_producers: dict[int, tuple[int, int]]
    """Producer id -> last data offset (-1: none) and epoch."""
    now_ms: int
    max_keys: int


class SegmentCleaner:
    """The worker's part of a cleaning. It knows the files of the log, and not the log."""

    def __init__(
        self, filesystem: FileSystem, task: CleaningTask, check: Callable[[int], None] = lambda size: None
    ) -> None:
        """`check` is called with the size of each batch that was read: it may wait, so that others come first, and end
        the cleaning by raising CleaningAborted."""
        self._filesystem = filesystem
        self._task = task
        self._check = check
        self._map = OffsetMap(task.max_keys)
        self._groups: Iterator[list[SourceSegment]] = iter(())
        self._transactions = CleanedTransactions(task.aborted)
        self.stats = CleanerStats()

    def build_offset_map(self) -> int:
        """Reads the dirty part, as much of it as the map has room for; returns the offset up to which it is clean then.

        Raises CleaningAborted, OSError, InvalidBatchError, KafkaError.
        """
        offset_map = self._map
        start = self._task.first_dirty_offset
        dirty = [source for source in self._task.sources if source.next_base_offset > start]
        first_offset = dirty[0].base_offset if dirty else start
        transactions = CleanedTransactions(entry for entry in self._task.aborted if entry.last_offset >= first_offset)
        for source in dirty:
            for header, buffer, position in self._batches(source):
                if header.last_offset < start and not header.is_transactional:
                    continue
                if offset_map.is_full():
                    return self._plan_groups()
                if not transactions.is_droppable(buffer, position, header) and not header.is_control:
                    for record in decode_batch(buffer, position, header):
                        if record.key is not None and record.offset >= start:
                            offset_map.put(record.key, record.offset)
                if header.last_offset >= start:
                    offset_map.latest_offset = header.last_offset
            # Offsets may be missing at a segment's end.
            offset_map.latest_offset = source.next_base_offset - 1
        return self._plan_groups()

    def _plan_groups(self) -> int:
        end_offset = self._map.latest_offset + 1
        self._groups = iter(
            group_segments_by_size(
                [source for source in self._task.sources if source.base_offset < end_offset],
                self._task.config.segment_bytes,
                self._task.config.segment_index_bytes,
            )
        )
        return end_offset

    def clean_next_group(self) -> CleanedGroup | None:
        """Writes the next new segment and makes it safe; None when all is done. Raises as `build_offset_map` does.

        The groups must be cleaned in their order, each swapped in before the next.
        """
        sources = next(self._groups, None)
        if sources is None:
            return None
        try:
            cleaned = LogSegment.create(
                LogContext(self._filesystem),
                self._task.directory,
                sources[0].base_offset,
                self._task.config,
                now_ms=self._task.now_ms,
                suffix=CLEANED_SUFFIX,
            )
        except FileNotFoundError:
            raise CleaningAborted(f"{self._task.directory} has gone") from None
        try:
            for source in sources:
                self._clean_into(cleaned, source)
            for aborted in self._transactions.still_aborted:
                cleaned.transaction_index.append(aborted)
            self._transactions.still_aborted.clear()
            cleaned.become_inactive()
            has_transaction_index = len(cleaned.transaction_index) > 0
            for file in [cleaned.file, *cleaned.indexes.open_files()]:
                file.sync()
                if file is not cleaned.file:
                    file.close()
            self._filesystem.sync_directory(self._task.directory)
            cleaned.release_file()
            cleaned.rename_files(SWAP_SUFFIX)
            self._filesystem.sync_directory(self._task.directory)
        except BaseException:
            cleaned.release_file()
            for suffix in SEGMENT_SUFFIXES:
                remove_if_exists(self._filesystem, cleaned.path(suffix))
            raise
        return CleanedGroup(sources, cleaned.base_offset, cleaned.size, has_transaction_index)

    def _batches(self, source: SourceSegment) -> Iterator[tuple[BatchHeader, bytes, int]]:
        try:
            file = self._filesystem.open(source.path, read_only=True)
        except FileNotFoundError:
            raise CleaningAborted(f"{source.path} has gone") from None
        try:
            for _, header, buffer, position in iter_valid_batches(file, 0, source.size):
                self._check(header.size_in_bytes)
                yield header, buffer, position
        finally:
            file.close()

    def _clean_into(self, cleaned: LogSegment, source: SourceSegment) -> None:
        out = bytearray()
        placed: list[tuple[int, BatchHeader]] = []
        for header, buffer, position in self._batches(source):
            self.stats.bytes_read += header.size_in_bytes
            retained = self._retained(buffer, position, header)
            if retained is None:
                continue
            placed.append((len(out), read_header(retained)))
            out += retained
            if len(out) >= _WRITE_SIZE:
                cleaned.append_batches(out, placed)
                self.stats.bytes_written += len(out)
                out, placed = bytearray(), []
        if placed:
            cleaned.append_batches(out, placed)
            self.stats.bytes_written += len(out)

    def _retained(self, buffer: bytes, position: int, header: BatchHeader) -> Buffer | None:
        """What stays of a batch: itself, a smaller one, one without records, or None for nothing."""
        is_droppable = self._transactions.is_droppable(buffer, position, header)
        horizon = header.delete_horizon_ms
        drops_records = is_droppable and (
            not header.is_control or (horizon is not None and horizon <= self._task.now_ms)
        )
        must_stay = self._is_last_of_producer(header) or header.next_offset == self._task.upper_bound_offset
        if drops_records and not must_stay:
            return None
        records = [] if drops_records else decode_batch(buffer, position, header)
        retained = records if header.is_control else [record for record in records if self._is_retained(record, header)]
        self.stats.records_read += len(records)
        self.stats.records_retained += len(retained)
        if not retained:
            return _without_records(header) if must_stay else None
        # From now on the time runs out for what may be dropped next.
        needs_horizon = horizon is None and (
            (is_droppable and header.is_control) or any(record.value is None for record in retained)
        )
        if header.magic == 2 and len(retained) == header.records_count and not needs_horizon:
            return memoryview(buffer)[position : position + header.size_in_bytes]
        if needs_horizon:
            horizon = self._task.now_ms + self._task.config.delete_retention_ms
        return _rebuilt(header, retained, horizon)

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        """Whether a living producer's sequence number, or its epoch, is known from this batch alone."""
        if header.producer_id == NO_PRODUCER_ID:
            return False
        last = self._task.last_records_of_producers.get(header.producer_id)
        if last is None:
            return False
        last_data_offset, producer_epoch = last
        if last_data_offset >= 0:
            return header.last_offset == last_data_offset
        return header.is_control and header.producer_epoch == producer_epoch

    def _is_retained(self, record: Record, header: BatchHeader) -> bool:
        if record.offset > self._map.latest_offset:
            return True
        if record.key is None:
            self.stats.keyless_records += 1
            return False
        if record.offset < self._map.get(record.key):
            return False
        horizon = header.delete_horizon_ms
        return record.value is not None or horizon is None or self._task.now_ms < horizon


def group_segments_by_size(
    sources: list[SourceSegment], max_size: int, max_index_size: int
) -> list[list[SourceSegment]]:
    """Neighbouring segments that fit into one, by size, index sizes and range of offsets, in their order."""
    groups: list[list[SourceSegment]] = []
    size = offset_index_bytes = time_index_bytes = 0
    for source in sources:
        size += source.size
        offset_index_bytes += source.offset_index_bytes
        time_index_bytes += source.time_index_bytes
        if (
            groups
            and size <= max_size
            and offset_index_bytes <= max_index_size
            and time_index_bytes <= max_index_size
            and source.next_base_offset - 1 - groups[-1][0].base_offset <= _MAX_RELATIVE_OFFSET
        ):
            groups[-1].append(source)
            continue
        groups.append([source])
        size, offset_index_bytes, time_index_bytes = source.size, source.offset_index_bytes, source.time_index_bytes
    return groups


def _without_records(header: BatchHeader) -> bytes:
    """The batch with its offsets, producer and epoch, and no records."""
    attributes = header.attributes & ~(COMPRESSION_MASK | DELETE_HORIZON_MASK)
    return assemble_batch(
        header._replace(magic=2, attributes=attributes, base_timestamp=NO_TIMESTAMP, records_count=0), b""
    )


def _rebuilt(header: BatchHeader, retained: list[Record], delete_horizon_ms: int | None) -> bytes:
    """A batch of format 2 with fewer records, or another delete horizon, and otherwise like the original."""
    is_current = header.magic == 2
    return build_batch(
        retained,
        base_offset=header.base_offset if is_current else retained[0].offset,
        last_offset=header.last_offset if is_current else None,
        compression=header.compression_type,
        partition_leader_epoch=header.partition_leader_epoch,
        timestamp_type=header.timestamp_type,
        log_append_time_ms=header.max_timestamp,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        is_transactional=header.is_transactional,
        is_control=header.is_control,
        delete_horizon_ms=delete_horizon_ms,
    )
