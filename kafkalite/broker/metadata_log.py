"""The metadata log's files: the segments, snapshots and epochs of `__cluster_metadata-0`.

One writer, and readers only while it opens. It is read from the newest snapshot on; what follows is checked batch by
batch, and where the first damaged or incomplete one begins the log is cut. So an unclean stop costs at most what was
not synced, and the days of idle beats that a long-lived Apache Kafka leaves before its last snapshot cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from kafkalite.broker.metadata_snapshot import (
    DELETED_SUFFIX,
    PARTIAL_SUFFIX,
    ZERO_SNAPSHOT_ID,
    SnapshotId,
    parse_snapshot_file_name,
)
from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.records.record_batch import (
    MAGIC_POSITION,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    check_crc,
    is_valid,
    iter_batches,
    read_header,
)
from kafkalite.storage.file_names import (
    DELETED_SUFFIX as SEGMENT_DELETED_SUFFIX,
)
from kafkalite.storage.file_names import (
    LEADER_EPOCH_CHECKPOINT_FILE,
    LOG_SUFFIX,
    OFFSET_INDEX_SUFFIX,
    PARTITION_METADATA_FILE,
    PRODUCER_SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TIME_INDEX_SUFFIX,
    offset_of_file_name,
)
from kafkalite.storage.filesystem import FileSystem, remove_if_exists
from kafkalite.storage.leader_epoch_cache import LeaderEpochFileCache
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_directory import is_want_of_room
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.partition_metadata import write_partition_metadata

_logger = logging.getLogger(__name__)

DIRECTORY_NAME: Final = "__cluster_metadata-0"
DAMAGED_SUFFIX: Final = ".damaged"
_BATCH_PREFIX_SIZE: Final = 61


class MetadataLogError(Exception):
    """The metadata log cannot be used; the text is one clear line."""


class LoggedBatch(NamedTuple):
    """A batch that was read: `buffer` holds it at `position`."""

    buffer: bytes
    position: int
    header: BatchHeader


class MetadataLog:
    """The open log. `end_offset` is that of the next record, `last_epoch` that of the last one (0 in an empty log)."""

    def __init__(
        self,
        filesystem: FileSystem,
        directory: str,
        *,
        now_ms: int,
        segment_bytes: int = 1024 * 1024 * 1024,
        segment_ms: int = 7 * 24 * 3600 * 1000,
    ) -> None:
        """Opens the log, making an empty one where there is none; raises MetadataLogError or OSError."""
        self.directory = directory
        self._filesystem = filesystem
        self._context = LogContext(filesystem)
        self._config = TopicConfig({"segment.ms": str(segment_ms)}, {"segment.bytes": segment_bytes})
        filesystem.make_directories(directory)
        self.snapshots: list[SnapshotId] = []
        self._segments: list[LogSegment] = []
        self.before_roll: Callable[[], None] = lambda: None
        """Called before the active segment's file is closed: nobody may be syncing it then."""
        self._epochs = LeaderEpochFileCache.load(filesystem, f"{directory}/{LEADER_EPOCH_CHECKPOINT_FILE}")
        self._open_files(now_ms)
        self.end_offset = self._segments[-1].base_offset
        self.is_holding_back = False
        """Whether there was no room for what this start has to write; `end_offset` is behind that all the same."""
        self._held_back: list[tuple[bytes, BatchHeader]] = []
        self.last_timestamp = -1
        self._replay_offset = 0
        self._check(now_ms)

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    @property
    def start_offset(self) -> int:
        return self._segments[0].base_offset

    @property
    def last_epoch(self) -> int:
        return max(self._epochs.latest_epoch, 0)

    @property
    def latest_snapshot(self) -> SnapshotId | None:
        """The newest snapshot but for the zero checkpoint, which is no state."""
        newest = self.snapshots[-1] if self.snapshots else None
        return None if newest == ZERO_SNAPSHOT_ID else newest

    @property
    def has_zero_checkpoint(self) -> bool:
        return ZERO_SNAPSHOT_ID in self.snapshots

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return sum(segment.size for segment in self._segments)

    # --- opening ---

    def _open_files(self, now_ms: int) -> None:
        sizes: dict[int, int] = {}
        has_partition_metadata = False
        for entry in self._filesystem.scan_directory(self.directory):
            name = entry.name
            if name.endswith((PARTIAL_SUFFIX, DELETED_SUFFIX, SEGMENT_DELETED_SUFFIX, SWAP_SUFFIX)):
                remove_if_exists(self._filesystem, self.path(name))
            elif name == PARTITION_METADATA_FILE:
                has_partition_metadata = True
            elif name.endswith(LOG_SUFFIX):
                base_offset = offset_of_file_name(name)
                if base_offset is not None:
                    sizes[base_offset] = entry.size
            else:
                snapshot_id = parse_snapshot_file_name(name)
                if snapshot_id is not None:
                    self.snapshots.append(snapshot_id)
        self.snapshots.sort(key=lambda snapshot: (snapshot.epoch, snapshot.offset))
        for base_offset in sorted(sizes):
            self._segments.append(
                LogSegment(
                    self._context,
                    self.directory,
                    base_offset,
                    self._config,
                    now_ms=now_ms,
                    size=sizes[base_offset],
                )
            )
        if not self._segments:
            start = self.snapshots[-1].offset if self.snapshots else 0
            self._segments.append(self._create_segment(start, now_ms))
        if not has_partition_metadata:
            write_partition_metadata(
                self._filesystem, self.path(PARTITION_METADATA_FILE), Uuid.METADATA_TOPIC_ID, sync=False
            )

    def _create_segment(self, base_offset: int, now_ms: int) -> LogSegment:
        return LogSegment.create(self._context, self.directory, base_offset, self._config, now_ms=now_ms)

    def _check(self, now_ms: int) -> None:
        snapshot = self.latest_snapshot
        if self.start_offset > 0 and (snapshot is None or snapshot.offset < self.start_offset):
            raise MetadataLogError(
                f"The metadata log in {self.directory} begins at offset {self.start_offset}, but there is no snapshot "
                "of what came before"
            )
        self._replay_offset = self.start_offset if snapshot is None else snapshot.offset
        has_all_epochs = self._epochs.latest_epoch >= 0
        for index, segment in enumerate(self._segments):
            following = self._segments[index + 1].base_offset if index + 1 < len(self._segments) else None
            if following is not None and following <= self._replay_offset and has_all_epochs:
                self.end_offset = following  # wholly in the snapshot
            elif not self._check_segment(segment, from_start=not has_all_epochs):
                for damaged in self._segments[index + 1 :]:
                    _logger.warning("Removing %s, which follows damage", damaged.path(LOG_SUFFIX))
                    self._remove_segment(damaged)
                del self._segments[index + 1 :]
                break
        self._epochs.truncate_from_end(self.end_offset)
        if snapshot is not None and snapshot.offset > self.end_offset:
            # As Apache Kafka does: the snapshot is newer than the whole log, which begins anew behind it.
            for segment in self._segments:
                self._remove_segment(segment)
            self._segments = [self._create_segment(snapshot.offset, now_ms)]
            self._epochs.clear()
            self._epochs.assign(snapshot.epoch, snapshot.offset)
            self.end_offset = snapshot.offset
        self._write_epochs_if_there_is_room()

    def _check_segment(self, segment: LogSegment, *, from_start: bool) -> bool:
        """Reads a segment's batches from the snapshot on; whether it is whole to its end."""
        position = 0
        if not from_start and self._replay_offset > segment.base_offset and segment.size:
            position = segment.offset_index.lookup(self._replay_offset)
        if position == 0:
            segment.reset_indexes()
        else:
            indexed_offset = segment.offset_index.upper_bound_offset(position)
            segment.offset_index.truncate_to_position(position + 1)
            segment.time_index.truncate_to((indexed_offset or 0) + 1)
        buffer = segment.file.pread(segment.size - position, position)
        valid = 0
        reason = "an incomplete batch"
        expected_offset = segment.base_offset if position == 0 else None
        self.end_offset = segment.base_offset
        try:
            for batch_position, header in iter_batches(buffer):
                check_crc(buffer, batch_position, header)
                if header.last_offset < header.base_offset or (
                    expected_offset is not None and header.base_offset != expected_offset
                ):
                    reason = f"a batch at offset {header.base_offset} where {expected_offset} was expected"
                    break
                if position == 0 or batch_position:
                    segment.index_batch(position + batch_position, header)
                self._note(header)
                expected_offset = header.next_offset
                valid = batch_position + header.size_in_bytes
        except KafkaError as error:
            reason = error.message
        if valid == len(buffer):
            return True
        _logger.warning(
            "Cutting %d bytes off %s at position %d: %s",
            len(buffer) - valid,
            segment.path(LOG_SUFFIX),
            position + valid,
            reason,
        )
        self._set_aside(segment, position + valid, buffer[valid:])
        segment.file.truncate(position + valid)
        segment.size = position + valid
        segment.truncate_to(self.end_offset)
        return False

    def _set_aside(self, segment: LogSegment, position: int, rest: bytes) -> None:
        """Keeps what is cut off where it is more than the torn end of the last write: changes are lost with it."""
        if not _holds_a_batch(rest):
            return
        path = f"{segment.path(LOG_SUFFIX)}.{position}{DAMAGED_SUFFIX}"
        _logger.error("Changes of the metadata are lost to damage within the log; it is kept in %s", path)
        self._filesystem.write_bytes(path, rest)

    def _note(self, header: BatchHeader) -> None:
        self.end_offset = header.next_offset
        self.last_timestamp = header.max_timestamp
        if header.partition_leader_epoch > self._epochs.latest_epoch:
            self._epochs.assign(header.partition_leader_epoch, header.base_offset)

    # --- reading ---

    def batches_to_replay(self) -> Iterator[LoggedBatch]:
        """The batches behind the newest snapshot."""
        for index, segment in enumerate(self._segments):
            following = self._segments[index + 1].base_offset if index + 1 < len(self._segments) else self.end_offset
            if following <= self._replay_offset:
                continue
            position = segment.offset_index.lookup(self._replay_offset) if self._replay_offset else 0
            buffer = segment.file.pread(segment.size - position, position)
            for batch_position, header in iter_batches(buffer):
                if header.last_offset >= self._replay_offset:
                    yield LoggedBatch(buffer, batch_position, header)

    # --- writing ---

    def _write_epochs_if_there_is_room(self) -> None:
        """The batches have them too, so that they may be written another time."""
        try:
            self._epochs.write()
        except OSError as error:
            if not is_want_of_room(error):
                raise

    def begin_epoch(self, epoch: int) -> None:
        """Notes that the records from here on belong to a new leader epoch."""
        self._epochs.assign(epoch, self.end_offset)
        self._write_epochs_if_there_is_room()

    def append(self, batch: bytes, header: BatchHeader, *, now_ms: int) -> None:
        """Appends one batch, which begins at `end_offset`; on the disk for certain after `sync`. Raises OSError."""
        self._write(batch, header, now_ms)
        self._note(header)

    def append_or_hold_back(self, batch: bytes, header: BatchHeader, *, now_ms: int) -> None:
        """As `append`, but where there is no room the batch, and all that follow, are kept for `write_held_back`."""
        if not self.is_holding_back:
            try:
                self._write(batch, header, now_ms)
            except OSError as error:
                if not is_want_of_room(error):
                    raise
                self.hold_back()
        if self.is_holding_back:
            self._held_back.append((batch, header))
        self._note(header)

    def hold_back(self) -> None:
        """Nothing more is written before `write_held_back`."""
        self.is_holding_back = True

    def write_held_back(self, now_ms: int) -> None:
        """Writes what has been held back, in its order. Raises OSError, and keeps what could not be written."""
        while self._held_back:
            self._write(*self._held_back[0], now_ms)
            del self._held_back[0]
        self.is_holding_back = False
        self._write_epochs_if_there_is_room()

    def _write(self, batch: bytes, header: BatchHeader, now_ms: int) -> None:
        segment = self._segments[-1]
        if segment.should_roll(self._config, len(batch), header.max_timestamp, header.last_offset, now_ms):
            self.before_roll()
            segment.file.sync()
            segment.become_inactive()
            segment.release_file()
            segment = self._create_segment(header.base_offset, now_ms)
            self._segments.append(segment)
            self._filesystem.sync_directory(self.directory)
        view = memoryview(batch)
        segment.append(batch[:_BATCH_PREFIX_SIZE], view[_BATCH_PREFIX_SIZE:], header.last_offset, header.max_timestamp)

    def sync(self) -> None:
        """Returns when all that was appended is on the disk. May run in another thread, beside `append`."""
        self._segments[-1].file.sync()

    def add_snapshot(self, snapshot_id: SnapshotId) -> None:
        """Notes a snapshot that has been written."""
        self.snapshots.append(snapshot_id)

    def delete_before(self, snapshot_id: SnapshotId) -> None:
        """Removes older snapshots, and the segments that hold nothing at or behind this one."""
        for older in [snapshot for snapshot in self.snapshots if snapshot < snapshot_id]:
            remove_if_exists(self._filesystem, self.path(older.file_name))
            self.snapshots.remove(older)
        while len(self._segments) > 1 and self._segments[1].base_offset <= snapshot_id.offset:
            self._remove_segment(self._segments.pop(0))
        self._epochs.truncate_from_start(self.start_offset)
        self._write_epochs_if_there_is_room()

    def _remove_segment(self, segment: LogSegment) -> None:
        segment.release_file()
        for suffix in (LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, PRODUCER_SNAPSHOT_SUFFIX):
            remove_if_exists(self._filesystem, segment.path(suffix))

    def close(self) -> None:
        """Writes the indexes and lets go of the files; what was appended has been synced by whoever appended it."""
        for segment in self._segments:
            if segment.indexes.is_loaded():
                segment.close()


def _holds_a_batch(data: bytes) -> bool:
    """Whether a whole, undamaged batch begins anywhere behind the first byte."""
    position = data.find(b"\x02", MAGIC_POSITION + 1) - MAGIC_POSITION
    while position > 0:
        if len(data) - position < RECORD_BATCH_OVERHEAD:
            return False
        if is_valid(data, position, read_header(data, position)):
            return True
        position = data.find(b"\x02", position + MAGIC_POSITION + 1) - MAGIC_POSITION
    return False
