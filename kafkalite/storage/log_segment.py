"""A segment: one stretch of a partition's log, its file and its indexes.

The file is opened when it is first needed and may be let go of again (`release_file`); the indexes are read when first
needed and written behind. An index that is missing or does not fit its segment is built again from the batches.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.records.record_batch import BatchHeader, corrupt_record
from kafkalite.storage.file_names import (
    LOG_SUFFIX,
    OFFSET_INDEX_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    offset_file_name,
)
from kafkalite.storage.file_records import iter_file_batches
from kafkalite.storage.filesystem import File
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.offset_index import CorruptIndexError, OffsetIndex
from kafkalite.storage.segment_indexes import SegmentIndexes
from kafkalite.storage.time_index import NO_TIMESTAMP, TimeIndex, TimestampOffset
from kafkalite.storage.transaction_index import TransactionIndex

_logger = logging.getLogger(__name__)

SEGMENT_SUFFIXES: Final = (LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)
_MAX_RELATIVE_OFFSET: Final = 0x7FFFFFFF
_TAIL_BATCHES: Final = 64


class BatchPosition(NamedTuple):
    """Where a batch lies in its segment."""

    last_offset: int
    position: int
    size: int


class LogSegment:
    """One segment. `suffix` is "" but for those that the cleaner is about to swap in."""

    __slots__ = (
        "_context",
        "_file",
        "_first_batch_timestamp",
        "_index_room",
        "_is_preallocated",
        "_max_timestamp",
        "_offset_of_max_timestamp",
        "_tail_offsets",
        "_tail_positions",
        "base_offset",
        "bytes_since_last_index_entry",
        "created_ms",
        "directory",
        "index_interval_bytes",
        "indexes",
        "roll_jitter_ms",
        "size",
        "suffix",
    )

    def __init__(
        self,
        context: LogContext,
        directory: str,
        base_offset: int,
        config: TopicConfig,
        *,
        now_ms: int,
        size: int = 0,
        has_transaction_index_file: bool = False,
        suffix: str = "",
    ) -> None:
        self._context = context
        self.directory = directory
        self.base_offset = base_offset
        self.size = size
        self.index_interval_bytes = config.index_interval_bytes
        self.created_ms = now_ms
        self.roll_jitter_ms = _roll_jitter_ms(config) if config.segment_jitter_ms else 0
        self.suffix = suffix
        self.indexes = SegmentIndexes(
            context,
            directory,
            base_offset,
            config.segment_index_bytes,
            suffix,
            has_transaction_file=has_transaction_index_file,
        )
        self.bytes_since_last_index_entry = 0
        self._file: File | None = None
        self._index_room = 0  # so many more entries fit into both indexes; 0: not known
        self._is_preallocated = False
        self._max_timestamp: int | None = None  # None: not read yet
        self._offset_of_max_timestamp = base_offset
        self._first_batch_timestamp: int | None = None
        # The batches appended last, so that whoever reads at the end of the log finds them without reading.
        self._tail_offsets: list[int] = []
        self._tail_positions: list[int] = []

    @classmethod
    def create(
        cls,
        context: LogContext,
        directory: str,
        base_offset: int,
        config: TopicConfig,
        *,
        now_ms: int,
        suffix: str = "",
    ) -> LogSegment:
        """A new, empty segment with its log file and two index files; what lay there under those names is replaced."""
        segment = cls(context, directory, base_offset, config, now_ms=now_ms, suffix=suffix)
        segment.indexes.create()
        segment._max_timestamp = NO_TIMESTAMP
        segment._file = file = context.open_file(segment.path(LOG_SUFFIX), create=True)
        if file.size:
            file.truncate(0)
        if config.preallocate:
            file.preallocate(config.segment_bytes)
            segment._is_preallocated = True
        return segment

    def path(self, suffix: str) -> str:
        return f"{self.directory}/{offset_file_name(self.base_offset, suffix)}{self.suffix}"

    def __repr__(self) -> str:
        return f"LogSegment(baseOffset={self.base_offset}, size={self.size}, path={self.path(LOG_SUFFIX)})"

    # --- the file ---

    @property
    def file(self) -> File:
        """The open file; opens it when it is not."""
        file = self._file
        if file is None:
            self._file = file = self._context.open_file(self.path(LOG_SUFFIX))
            file.size = self.size
        return file

    def is_open(self) -> bool:
        return self._file is not None

    def release_file(self) -> None:
        """Lets go of the descriptor; it closes when the last slice that somebody is still sending is gone."""
        self._file = None

    # --- the indexes ---

    @property
    def offset_index(self) -> OffsetIndex:
        index = self.indexes.offset
        return self._load_indexes()[0] if index is None else index

    @property
    def time_index(self) -> TimeIndex:
        index = self.indexes.time
        return self._load_indexes()[1] if index is None else index

    @property
    def transaction_index(self) -> TransactionIndex:
        index = self.indexes.transaction
        return self.indexes.read_transaction() if index is None else index

    def _load_indexes(self) -> tuple[OffsetIndex, TimeIndex]:
        indexes = self.indexes
        if not self.size:
            indexes.reset()
        else:
            # Before the load: it may make others let go of theirs.
            self._context.note_loaded_indexes(self.size // (self.index_interval_bytes + 1) * (8 + 12))
            try:
                indexes.read(self.size)
            except (CorruptIndexError, FileNotFoundError) as error:
                _logger.warning("Rebuilding the indexes of %s: %s", self.path(LOG_SUFFIX), error)
                self.rebuild_indexes()
        assert indexes.offset is not None and indexes.time is not None
        return indexes.offset, indexes.time

    def release_indexes(self) -> None:
        """Forgets indexes that can be read again: an inactive segment's, which are in their files."""
        if self.indexes.is_loaded():
            _ = self.max_timestamp
            self.indexes.forget()

    def rebuild_indexes(self) -> None:
        """Builds offset and time index from the batches' headers, and writes them."""
        self.reset_indexes()
        try:
            next_offset = self.base_offset
            for position, header in iter_file_batches(self.file, 0, self.size):
                if header.base_offset < next_offset or not self.offset_index.can_append_offset(header.last_offset):
                    raise corrupt_record(  # no checksum covers a base offset
                        f"offsets {header.base_offset} to {header.last_offset} at position {position}, behind "
                        f"{next_offset}"
                    )
                self.index_batch(position, header)
                next_offset = header.next_offset
        except KafkaError as error:
            _logger.error("The indexes of %s end before its damage: %s", self.path(LOG_SUFFIX), error)
        self.complete_time_index()
        self.indexes.write_if_there_is_room()

    def reset_indexes(self) -> None:
        """Empties both indexes and what is known of timestamps, for a scan from the segment's beginning."""
        self.indexes.reset()
        self._max_timestamp = NO_TIMESTAMP
        self._offset_of_max_timestamp = self.base_offset
        self._first_batch_timestamp = None
        self.bytes_since_last_index_entry = 0
        self._tail_offsets.clear()
        self._tail_positions.clear()

    def index_batch(self, position: int, header: BatchHeader) -> None:
        """Takes a batch that stands in the file into the indexes, as `append` does."""
        self._note_batch(position, header.size_in_bytes, header.last_offset, header.max_timestamp)

    def note_timestamp(self, header: BatchHeader) -> None:
        """Takes the timestamp of a batch into account that the indexes need not name: no entry is due for it yet."""
        if header.max_timestamp > self.max_timestamp:
            self._max_timestamp = header.max_timestamp
            self._offset_of_max_timestamp = header.last_offset

    def _note_batch(self, position: int, size: int, last_offset: int, max_timestamp: int) -> None:
        if self._max_timestamp is None:
            self._read_max_timestamp()
        if max_timestamp > self._max_timestamp:  # type: ignore[operator]
            self._max_timestamp = max_timestamp
            self._offset_of_max_timestamp = last_offset
        if self.bytes_since_last_index_entry > self.index_interval_bytes:
            self.offset_index.append(last_offset, position)
            self.time_index.maybe_append(self._max_timestamp, self._offset_of_max_timestamp)  # type: ignore[arg-type]
            self.bytes_since_last_index_entry = 0
            self._index_room -= self._index_room > 0
        self.bytes_since_last_index_entry += size

    def complete_time_index(self) -> None:
        """Gives the time index its last entry: the largest timestamp of the segment."""
        if self.max_timestamp >= 0:
            self.time_index.maybe_append(self.max_timestamp, self._offset_of_max_timestamp)

    # --- what the segment knows of time ---

    def _read_max_timestamp(self) -> None:
        self._max_timestamp, self._offset_of_max_timestamp = self.time_index.last_entry()

    @property
    def max_timestamp(self) -> int:
        """The largest timestamp of a record in here, -1 if none has one."""
        if self._max_timestamp is None:
            self._read_max_timestamp()
        assert self._max_timestamp is not None
        return self._max_timestamp

    @property
    def max_timestamp_and_offset(self) -> TimestampOffset:
        """The largest timestamp and the last offset of the batch that holds it."""
        return TimestampOffset(self.max_timestamp, self._offset_of_max_timestamp)

    def modified_ms(self) -> int:
        return self._context.filesystem.modified_ms(self.path(LOG_SUFFIX))

    def largest_timestamp(self) -> int:
        """What retention by time goes by: the largest timestamp, or without one when the file was last written."""
        timestamp = self.max_timestamp
        return timestamp if timestamp >= 0 else self.modified_ms()

    def first_batch_timestamp(self) -> int:
        """The maximum timestamp of the first batch, -1 while there is none, and where it is damaged."""
        timestamp = self._first_batch_timestamp
        if timestamp is None:
            timestamp = NO_TIMESTAMP
            if self.size:
                try:
                    for _, header in iter_file_batches(self.file, 0, self.size):
                        timestamp = header.max_timestamp
                        break
                except KafkaError as error:  # whoever reads it is told; the log's end is none the worse for it
                    _logger.error("The first batch of %s cannot be read: %s", self.path(LOG_SUFFIX), error.message)
                self._first_batch_timestamp = timestamp
        return timestamp

    # --- appending ---

    def should_roll(
        self, config: TopicConfig, size: int, max_timestamp: int, last_offset: int, now_ms: int, batches: int = 1
    ) -> bool:
        """Whether a batch of this size, timestamp and last offset has to go to a new segment, or one of several."""
        if not self.size:
            return last_offset - self.base_offset > _MAX_RELATIVE_OFFSET
        if self.size > config.segment_bytes - size or last_offset - self.base_offset > _MAX_RELATIVE_OFFSET:
            return True
        first = self._first_batch_timestamp
        if first is None:
            first = self.first_batch_timestamp()
        waited_ms = max_timestamp - first if first >= 0 else now_ms - self.created_ms
        if waited_ms > config.max_segment_ms - self.roll_jitter_ms:
            return True
        if self._index_room < batches:
            self._index_room = min(self.offset_index.room, self.time_index.room)
        return self._index_room < batches

    def append(self, prefix: bytes, rest: memoryview, last_offset: int, max_timestamp: int) -> None:
        """Writes one batch, given in two pieces, and takes it into the indexes.

        Raises OSError; nothing is changed then."""
        file = self._file
        if file is None:
            file = self.file
        file.append(prefix, rest)
        self.note_appended(len(prefix) + len(rest), last_offset, max_timestamp)

    def note_appended(self, size: int, last_offset: int, max_timestamp: int) -> None:
        """Takes a batch that was written at the segment's end into the indexes."""
        position = self.size
        self.size = position + size
        if not position:
            self._first_batch_timestamp = max_timestamp
        # What _note_batch and _note_tail do, without the calls.
        largest = self._max_timestamp
        if largest is None or max_timestamp > largest or self.bytes_since_last_index_entry > self.index_interval_bytes:
            self._note_batch(position, size, last_offset, max_timestamp)
        else:
            self.bytes_since_last_index_entry += size
        offsets = self._tail_offsets
        offsets.append(last_offset)
        self._tail_positions.append(position)
        if len(offsets) > _TAIL_BATCHES:
            self._shorten_tail()

    def note_several_appended(self, headers: list[BatchHeader], offset: int) -> int:
        """Takes batches that were written at the segment's end into the indexes; `offset` is the first one's. Returns
        the one behind the last."""
        note_appended = self.note_appended
        for header in headers:
            last_offset = offset + header[6]
            note_appended(header[1] + 12, last_offset, header[8])
            offset = last_offset + 1
        return offset

    def append_batches(self, data: bytearray, batches: list[tuple[int, BatchHeader]]) -> None:
        """Writes whole batches that carry their offsets already, each given by its position in `data`."""
        position = self.size
        self.file.append(data)
        self.size = position + len(data)
        if not position:
            self._first_batch_timestamp = batches[0][1].max_timestamp
        for relative, header in batches:
            self._note_batch(position + relative, header.size_in_bytes, header.last_offset, header.max_timestamp)
            self._note_tail(position + relative, header.last_offset)

    def _note_tail(self, position: int, last_offset: int) -> None:
        offsets = self._tail_offsets
        offsets.append(last_offset)
        self._tail_positions.append(position)
        if len(offsets) > _TAIL_BATCHES:
            self._shorten_tail()

    def _shorten_tail(self) -> None:
        del self._tail_offsets[: _TAIL_BATCHES // 2], self._tail_positions[: _TAIL_BATCHES // 2]

    # --- reading ---

    def find_batch(self, offset: int) -> BatchPosition | None:
        """The first batch whose last offset is at or behind `offset`, None if there is none in this segment."""
        offsets = self._tail_offsets
        if offsets and offset > offsets[0]:
            slot = bisect_left(offsets, offset)
            if slot == len(offsets):
                return None
            positions = self._tail_positions
            position = positions[slot]
            end = positions[slot + 1] if slot + 1 < len(positions) else self.size
            return BatchPosition(offsets[slot], position, end - position)
        for position, header in self.batches_from(offset, skips_earlier=True):
            if header.last_offset >= offset:
                return BatchPosition(header.last_offset, position, header.size_in_bytes)
        return None

    def batches_from(self, offset: int, *, skips_earlier: bool = False) -> Iterator[tuple[int, BatchHeader]]:
        """Positions and headers from the indexed batch on that is not behind `offset`; with `skips_earlier` without
        most of those between it and `offset`.

        An index carries no checksum: an entry that does not lead to its batch has it built again, once. Raises
        KafkaError(CORRUPT_MESSAGE) where the log itself is damaged.
        """
        from_offset = offset if skips_earlier else -1
        entry = self.offset_index.lookup_entry(offset)
        batches = iter_file_batches(self.file, entry.position, self.size, from_offset=from_offset)
        if not entry.position or self.indexes.is_verified:
            return batches
        try:
            first = next(batches, None)
        except KafkaError:
            first = None
        # Older brokers indexed several batches, written at once, under the last one's offset.
        if first is not None and first[1].last_offset <= entry.offset <= offset:
            return chain((first,), batches)
        _logger.warning("Rebuilding the indexes of %s: entry %s is wrong", self.path(LOG_SUFFIX), tuple(entry))
        self.rebuild_indexes()
        return iter_file_batches(self.file, self.offset_index.lookup(offset), self.size, from_offset=from_offset)

    # --- the end of a segment's life ---

    def become_inactive(self, *, needs_room: bool = True) -> None:
        """No batch follows: completes and writes the indexes (unless `needs_room`, where there is room), cuts off
        reserved room, forgets the tail."""
        self.complete_time_index()
        if needs_room:
            self.indexes.write()
        else:
            self.indexes.write_if_there_is_room()
        self.trim()
        self._tail_offsets.clear()
        self._tail_positions.clear()

    def trim(self) -> None:
        """Cuts off the room that was reserved behind the last batch."""
        if self._is_preallocated:
            self.file.truncate(self.size)
            self._is_preallocated = False

    def cut(self, position: int) -> None:
        """Cuts the file off at the end of a batch; the indexes do not reach behind it."""
        self._context.note_change(self.directory)
        self.file.truncate(position)
        self.size = position

    def truncate_to(self, offset: int) -> int:
        """Removes every batch that reaches `offset`; returns the number of bytes removed."""
        found = self.find_batch(offset)
        self.offset_index.truncate_to(offset)
        self.time_index.truncate_to(offset)
        self.transaction_index.truncate_to(offset)
        removed = 0
        if found is not None:
            removed = self.size - found.position
            self.file.truncate(found.position)
            self.size = found.position
        self.offset_index.truncate_to_position(max(self.size, 1))
        self._tail_offsets.clear()
        self._tail_positions.clear()
        self.bytes_since_last_index_entry = 0
        self._max_timestamp, self._offset_of_max_timestamp = self.time_index.last_entry()
        for _, header in iter_file_batches(self.file, self.offset_index.last_entry().position, self.size):
            if header.max_timestamp > self._max_timestamp:
                self._max_timestamp, self._offset_of_max_timestamp = header.max_timestamp, header.last_offset
        if not self.size:
            self._first_batch_timestamp = None
        self.indexes.write()
        return removed

    def close(self) -> None:
        """Writes what is in memory only and closes the file."""
        if self._max_timestamp is not None and self.indexes.is_loaded():
            self.complete_time_index()
        self.indexes.write()
        self.trim()
        self._file = None

    def rename_files(self, new_suffix: str) -> list[str]:
        """Gives all files of the segment another suffix (".deleted" before their removal); returns their new paths."""
        renamed = []
        for kind in SEGMENT_SUFFIXES:
            new_path = f"{self.directory}/{offset_file_name(self.base_offset, kind)}{new_suffix}"
            try:
                self._context.filesystem.rename(self.path(kind), new_path)
            except FileNotFoundError:
                continue
            renamed.append(new_path)
        self.suffix = self.indexes.suffix = new_suffix
        return renamed


def _roll_jitter_ms(config: TopicConfig) -> int:
    """A random part of segment.jitter.ms, so that not all partitions roll at once."""
    from random import randrange  # few topics ask for it

    return randrange(min(config.segment_jitter_ms, config.segment_ms) or 1)
