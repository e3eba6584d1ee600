"""The files of one log as a start finds them: its segments, its leader epochs, its producer snapshots.

What an interrupted deletion or compaction left is dealt with first (temporary_files); indexes without a log go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.storage.file_names import (
    LEADER_EPOCH_CHECKPOINT_FILE,
    LOG_SUFFIX,
    OFFSET_INDEX_SUFFIX,
    PARTITION_METADATA_FILE,
    PRODUCER_SNAPSHOT_SUFFIX,
    STRAY_DIRECTORY_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    offset_file_name,
    offset_of_file_name,
    renamed_directory,
    unique_suffix,
)
from kafkalite.storage.filesystem import DirectoryEntry, remove_if_exists
from kafkalite.storage.leader_epoch_cache import LeaderEpochFileCache
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_segment import SEGMENT_SUFFIXES, LogSegment
from kafkalite.storage.partition_metadata import CorruptPartitionMetadataError, decode_partition_metadata
from kafkalite.storage.producer_snapshot import ProducerSnapshots
from kafkalite.storage.producer_state_entry import ProducerStateEntry
from kafkalite.storage.temporary_files import remove_temporary_files

_logger = logging.getLogger(__name__)

MAX_RELATIVE_OFFSET: Final = 0x7FFFFFFF


class LogFiles:
    """What lies in a log's directory. `segments` is the list that the log will have, in the order of their offsets."""

    __slots__ = ("_filesystem", "_names", "context", "directory", "epochs", "segments", "snapshots", "topic_partition")

    def __init__(
        self, context: LogContext, directory: str, topic_partition: TopicPartition, config: TopicConfig, now_ms: int
    ) -> None:
        """Opens them. Raises OSError."""
        self.context = context
        self._filesystem = filesystem = context.filesystem
        self.directory = directory
        self.topic_partition = topic_partition
        entries = remove_temporary_files(context, directory, config, filesystem.scan_directory(directory))
        self._names = {entry.name for entry in entries}
        epoch_path = f"{directory}/{LEADER_EPOCH_CHECKPOINT_FILE}"
        if LEADER_EPOCH_CHECKPOINT_FILE in self._names:
            self.epochs = LeaderEpochFileCache.load(filesystem, epoch_path)
        else:
            self.epochs = LeaderEpochFileCache(filesystem, epoch_path)
        self.snapshots = ProducerSnapshots(filesystem, directory, _snapshot_offsets(entries))
        self.segments: list[LogSegment] = []
        for entry in sorted(entries):
            self._open(context, entry, config, now_ms)

    def _open(self, context: LogContext, entry: DirectoryEntry, config: TopicConfig, now_ms: int) -> None:
        name = entry.name
        base_offset = offset_of_file_name(name)
        if base_offset is None:
            return
        if name.endswith((OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)):
            if offset_file_name(base_offset, LOG_SUFFIX) not in self._names:
                _logger.warning("Found an orphaned index file %s/%s", self.directory, name)
                remove_if_exists(self._filesystem, f"{self.directory}/{name}")
        elif name == offset_file_name(base_offset, LOG_SUFFIX):
            self.segments.append(
                LogSegment(
                    context,
                    self.directory,
                    base_offset,
                    config,
                    now_ms=now_ms,
                    size=entry.size,
                    has_transaction_index_file=offset_file_name(base_offset, TRANSACTION_INDEX_SUFFIX) in self._names,
                )
            )

    def has_indexes(self, segment: LogSegment) -> bool:
        """Whether both index files that every segment has lie beside it."""
        return all(
            offset_file_name(segment.base_offset, suffix) in self._names
            for suffix in (OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX)
        )

    def read_topic_id(self) -> Uuid | None:
        if PARTITION_METADATA_FILE not in self._names:
            return None
        path = f"{self.directory}/{PARTITION_METADATA_FILE}"
        try:
            return decode_partition_metadata(path, self._filesystem.read_bytes(path))
        except CorruptPartitionMetadataError as error:
            _logger.warning("%s", error)
            return None

    def read_latest_snapshot(
        self, last_offset: int, *, first_offset: int = 0
    ) -> tuple[int, list[ProducerStateEntry]] | None:
        """The latest producer snapshot between two offsets that can be read, as its offset and entries; damaged ones
        are removed."""
        known = self.snapshots.offsets
        within = [offset for offset in known if first_offset <= offset <= last_offset]
        usable = ProducerSnapshots(self._filesystem, self.directory, within)
        latest = usable.read_latest()
        self.snapshots.offsets = [offset for offset in known if offset not in within or offset in usable.offsets]
        return latest

    def behind(self, segment: LogSegment) -> int:
        """The first offset that can be in no batch of the segment."""
        index = self.segments.index(segment)
        limit = segment.base_offset + MAX_RELATIVE_OFFSET + 1
        return min(limit, self.segments[index + 1].base_offset) if index + 1 < len(self.segments) else limit

    def set_aside(self, first: int) -> None:
        """Moves the segments from that one on, which cannot be part of the log, to a directory of their own, where
        nobody touches them.

        Apache Kafka removes them. They may be all that is left of the records in them.
        """
        segments = self.segments[first:]
        del self.segments[first:]
        self.context.note_change(self.directory)
        if not any(segment.size for segment in segments):
            aside = ""
        else:
            name = renamed_directory(self.topic_partition, unique_suffix(), STRAY_DIRECTORY_SUFFIX)
            aside = f"{self.directory.rpartition('/')[0]}/{name}"
            self._filesystem.make_directories(aside)
        for segment in segments:
            segment.release_file()
            for suffix in SEGMENT_SUFFIXES:
                path = segment.path(suffix)
                if not aside:
                    remove_if_exists(self._filesystem, path)
                elif self._filesystem.exists(path):
                    self._filesystem.rename(path, f"{aside}/{path.rpartition('/')[2]}")
            self.snapshots.remove(segment.base_offset)
        if aside:
            _logger.error("Moved %d segments of %s that are out of place to %s", len(segments), self.directory, aside)


def _snapshot_offsets(entries: Iterable[DirectoryEntry]) -> list[int]:
    offsets = []
    for entry in entries:
        if entry.name.endswith(PRODUCER_SNAPSHOT_SUFFIX):
            offset = offset_of_file_name(entry.name)
            if offset is not None:
                offsets.append(offset)
    return offsets
