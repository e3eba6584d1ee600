"""Opening the log of one partition as it lies on the disk (LogLoader), after a clean stop or any other.

After a clean stop nothing is read but the ends: what the last segment's index leaves open, and the latest producer
snapshot. After an unclean one every batch behind the recovery point is read and its checksum computed; the valid prefix
stays, what follows it is cut off with a log line. Indexes that are missing or do not fit are built again.

What an interrupted deletion or compaction left is dealt with first (temporary_files).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.end_transaction_marker import EndTransactionMarker, read_end_transaction_marker
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
from kafkalite.storage.file_records import InvalidBatchError, iter_file_batches, iter_valid_batches
from kafkalite.storage.filesystem import DirectoryEntry, remove_if_exists
from kafkalite.storage.leader_epoch_cache import LeaderEpochFileCache
from kafkalite.storage.log_append import update_producer_state
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_segment import SEGMENT_SUFFIXES, LogSegment
from kafkalite.storage.offset_index import CorruptIndexError
from kafkalite.storage.partition_log import PartitionLog, roll_jitter_ms
from kafkalite.storage.partition_metadata import CorruptPartitionMetadataError, decode_partition_metadata
from kafkalite.storage.producer_snapshot import ProducerSnapshots
from kafkalite.storage.producer_state import ProducerStateManager
from kafkalite.storage.temporary_files import remove_temporary_files

_logger = logging.getLogger(__name__)

_MAX_RELATIVE_OFFSET = 0x7FFFFFFF


def load_log(
    context: LogContext,
    directory: str,
    topic_partition: TopicPartition,
    config: TopicConfig,
    *,
    now_ms: int,
    had_clean_shutdown: bool,
    log_start_offset: int = 0,
    recovery_point: int = 0,
) -> PartitionLog:
    """The log in an existing directory, with the offsets that the checkpoints have for it. Raises OSError."""
    return _LogLoader(
        context, directory, topic_partition, config, now_ms, had_clean_shutdown, log_start_offset, recovery_point
    ).load()


class _LogLoader:
    def __init__(
        self,
        context: LogContext,
        directory: str,
        topic_partition: TopicPartition,
        config: TopicConfig,
        now_ms: int,
        had_clean_shutdown: bool,
        log_start_offset: int,
        recovery_point: int,
    ) -> None:
        self._context = context
        self._filesystem = context.filesystem
        self._directory = directory
        self._topic_partition = topic_partition
        self._config = config
        self._now_ms = now_ms
        self._had_clean_shutdown = had_clean_shutdown
        self._log_start_offset = log_start_offset
        self._recovery_point = recovery_point
        self._segments: list[LogSegment] = []
        self._state = ProducerStateManager(
            topic_partition,
            expiration_ms=context.producer_id_expiration_ms,
            is_verification_enabled=context.is_transaction_verification_enabled,
        )

    def load(self) -> PartitionLog:
        entries = remove_temporary_files(
            self._context, self._directory, self._config, self._filesystem.scan_directory(self._directory)
        )
        names = {entry.name for entry in entries}
        epoch_path = f"{self._directory}/{LEADER_EPOCH_CHECKPOINT_FILE}"
        if LEADER_EPOCH_CHECKPOINT_FILE in names:
            self._epochs = LeaderEpochFileCache.load(self._filesystem, epoch_path)
        else:
            self._epochs = LeaderEpochFileCache(self._filesystem, epoch_path)
        self._snapshots = ProducerSnapshots(self._filesystem, self._directory, _snapshot_offsets(entries))
        self._open_segments(entries, names)
        next_offset = self._find_log_end()
        if self._segments and next_offset < self._log_start_offset:
            _logger.warning(
                "Beginning the log in %s anew: its logEndOffset (%d) is smaller than its logStartOffset %d",
                self._directory,
                next_offset,
                self._log_start_offset,
            )
            self._set_aside(self._segments)
            self._segments = []
            self._epochs.clear()
            self._snapshots.remove_where(lambda offset: True)
            self._state.clear(self._log_start_offset)
        if not self._segments:
            next_offset = self._log_start_offset
            self._segments.append(
                LogSegment.create(
                    self._context,
                    self._directory,
                    next_offset,
                    self._config,
                    now_ms=self._now_ms,
                    roll_jitter_ms=roll_jitter_ms(self._config),
                )
            )
            self._segments[0].release_file()
        log_start_offset = max(self._log_start_offset, self._segments[0].base_offset)
        self._epochs.truncate_from_end(next_offset)
        self._epochs.truncate_from_start(log_start_offset)
        recovery_point = next_offset if self._had_clean_shutdown else min(self._recovery_point, next_offset)
        return PartitionLog(
            self._context,
            self._directory,
            self._topic_partition,
            self._read_topic_id(names),
            self._config,
            self._segments,
            self._epochs,
            self._state,
            self._snapshots,
            log_start_offset=log_start_offset,
            log_end_offset=next_offset,
            recovery_point=max(recovery_point, log_start_offset),
            now_ms=self._now_ms,
        )

    def _read_topic_id(self, names: set[str]) -> Uuid | None:
        if PARTITION_METADATA_FILE not in names:
            return None
        path = f"{self._directory}/{PARTITION_METADATA_FILE}"
        try:
            return decode_partition_metadata(path, self._filesystem.read_bytes(path))
        except CorruptPartitionMetadataError as error:
            _logger.warning("%s", error)
            return None

    # --- files ---

    def _open_segments(self, entries: Iterable[DirectoryEntry], names: set[str]) -> None:
        for entry in sorted(entries):
            name = entry.name
            base_offset = offset_of_file_name(name)
            if base_offset is None:
                continue
            if name.endswith((OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)):
                if offset_file_name(base_offset, LOG_SUFFIX) not in names:
                    _logger.warning("Found an orphaned index file %s/%s", self._directory, name)
                    remove_if_exists(self._filesystem, f"{self._directory}/{name}")
            elif name == offset_file_name(base_offset, LOG_SUFFIX):
                self._segments.append(
                    LogSegment(
                        self._context,
                        self._directory,
                        base_offset,
                        self._config,
                        now_ms=self._now_ms,
                        size=entry.size,
                        has_transaction_index_file=offset_file_name(base_offset, TRANSACTION_INDEX_SUFFIX) in names,
                        roll_jitter_ms=roll_jitter_ms(self._config),
                    )
                )
        for segment in self._segments:
            self._check_index_files(segment, names)

    def _check_index_files(self, segment: LogSegment, names: set[str]) -> None:
        has_indexes = all(
            offset_file_name(segment.base_offset, suffix) in names
            for suffix in (OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX)
        )
        if (
            segment.size
            and not has_indexes
            and (self._had_clean_shutdown or segment.base_offset < self._recovery_point)
        ):
            _logger.warning("Could not find the index files of %r: rebuilding them", segment)
            segment.rebuild_indexes()
        try:
            _ = segment.transaction_index
        except CorruptIndexError as error:
            _logger.warning("Rebuilding the transaction index of %r: %s", segment, error)
            segment.reset_transaction_index()
            self._rebuild_transaction_index(segment)

    def _rebuild_transaction_index(self, segment: LogSegment) -> None:
        """Finds the aborted transactions of one segment again, from the producers' state at its beginning."""
        later = [snapshot for snapshot in self._snapshots.offsets if snapshot > segment.base_offset]
        snapshots = ProducerSnapshots(
            self._filesystem, self._directory, [offset for offset in self._snapshots.offsets if offset not in later]
        )
        state = ProducerStateManager(self._topic_partition)
        latest = snapshots.read_latest()
        start_offset = 0
        if latest is not None:
            start_offset = latest[0]
            state.load(latest[1], start_offset, 0)
        for earlier in self._segments:
            if earlier.base_offset > segment.base_offset:
                break
            self._replay(state, earlier, start_offset, is_index_rebuilt=earlier is segment)
        segment.write_indexes()

    # --- the end of the log ---

    def _find_log_end(self) -> int:
        """The offset behind the last valid batch; brings the producers' state there."""
        if not self._segments:
            self._load_snapshot(self._log_start_offset)
            return self._log_start_offset
        if self._had_clean_shutdown:
            next_offset = self._find_clean_end()
            if next_offset is not None:
                return next_offset
            _logger.warning("%s ends in damage although its broker had stopped cleanly: recovering it", self._directory)
            self._recovery_point = self._segments[-1].base_offset
        return self._recover()

    def _find_clean_end(self) -> int | None:
        """The end of a log that was closed; None if its last segment does not end with a whole batch."""
        last = self._segments[-1]
        next_offset = last.base_offset
        if last.size:
            try:
                end = start = last.offset_index.last_entry().position
                for position, header in iter_file_batches(last.file, start, last.size):
                    end = position + header.size_in_bytes
                    next_offset = header.next_offset
                    last.bytes_since_last_index_entry = end - start
            except KafkaError:
                return None
            finally:
                last.release_file()
            if end != last.size or next_offset - 1 - last.base_offset > _MAX_RELATIVE_OFFSET:
                return None
        if next_offset < self._log_start_offset:
            return next_offset
        self._remove_stray_snapshots(next_offset)
        snapshot_offset = self._load_snapshot(next_offset)
        if snapshot_offset < next_offset:
            for segment in self._segments:
                self._replay(self._state, segment, snapshot_offset)
                segment.release_file()
        self._state.map_end_offset = next_offset
        return next_offset

    def _recover(self) -> int:
        """Reads everything behind the recovery point, cuts off what is not valid; returns the log's end."""
        base_offsets = [segment.base_offset for segment in self._segments]
        recovery_point = max(self._recovery_point, base_offsets[0])
        first = max(index for index, base_offset in enumerate(base_offsets) if base_offset <= recovery_point)
        self._restore_epochs(recovery_point)
        start_offset, start_position = self._trusted_end(self._segments[first], recovery_point)
        snapshot_offset = self._load_snapshot(start_offset)
        self._remove_stray_snapshots(None)
        for segment in self._segments[:first]:
            self._replay(self._state, segment, snapshot_offset)
        self._replay(self._state, self._segments[first], snapshot_offset, end_position=start_position)
        next_offset = start_offset
        for index in range(first, len(self._segments)):
            segment = self._segments[index]
            next_offset = max(next_offset, segment.base_offset)
            if index > first:
                start_position = 0
            behind = self._behind(segment)
            is_whole, next_offset = self._recover_segment(segment, start_position, next_offset, behind)
            if not is_whole:
                self._set_aside(self._segments[index + 1 :])
                del self._segments[index + 1 :]
                break
        self._state.map_end_offset = next_offset
        self._snapshots.remove_where(lambda offset: offset > next_offset)
        for segment in self._segments[first:-1]:
            segment.become_inactive()
        return next_offset

    def _trusted_end(self, segment: LogSegment, recovery_point: int) -> tuple[int, int]:
        """Up to which offset and position the segment of the recovery point need not be read again.

        The batches before the recovery point are on the disk, but not so the indexes of a segment that was written to.
        A producer snapshot inside the segment says that they were synced when the log ended there (see log_flush).
        """
        nothing = segment.base_offset, 0
        checkpoint = self._valid_snapshot_in(segment.base_offset + 1, recovery_point)
        if checkpoint is None or not segment.size:
            return nothing
        try:
            segment.load_indexes()
            _ = segment.transaction_index
            segment.offset_index.truncate_to(checkpoint)
            segment.time_index.truncate_to(checkpoint)
            start = segment.offset_index.last_entry()
            for position, header in iter_file_batches(segment.file, start.position, segment.size):
                if position == start.position and position and header.last_offset != start.offset:
                    break
                if header.next_offset >= checkpoint:
                    return (
                        (checkpoint, position + header.size_in_bytes) if header.next_offset == checkpoint else nothing
                    )
        except (CorruptIndexError, FileNotFoundError, KafkaError) as error:
            _logger.warning("Recovering %r from its beginning: %s", segment, error)
        return nothing

    def _restore_epochs(self, recovery_point: int) -> None:
        """Finds the leader epochs before the recovery point in the batches, where their file was lost.

        Epochs never fall, so a segment is read only if the next one begins with another epoch.
        """
        firsts = [(segment, self._first_epoch(segment)) for segment in self._segments if segment.size]
        if not firsts or firsts[0][1] < 0:
            return
        if self._epochs.epoch_for_offset(max(self._log_start_offset, firsts[0][0].base_offset)) is not None:
            return
        _logger.warning("Finding the leader epochs of %s in its batches", self._directory)
        self._epochs.clear()
        for index, (segment, epoch) in enumerate(firsts):
            if epoch > self._epochs.latest_epoch:
                self._epochs.assign(epoch, segment.base_offset)
            if segment.base_offset >= recovery_point:
                break  # the rest is found when it is checked
            if index + 1 < len(firsts) and firsts[index + 1][1] == epoch:
                continue
            try:
                for _, header in iter_file_batches(segment.file, 0, segment.size):
                    if header.partition_leader_epoch > self._epochs.latest_epoch:
                        self._epochs.assign(header.partition_leader_epoch, header.base_offset)
            except KafkaError:
                pass  # damage: what follows it is found as far as it is checked
            segment.release_file()

    def _first_epoch(self, segment: LogSegment) -> int:
        try:
            for _, header in iter_file_batches(segment.file, 0, segment.size):
                return header.partition_leader_epoch
        except KafkaError:
            pass
        finally:
            segment.release_file()
        return -1

    def _valid_snapshot_in(self, first_offset: int, last_offset: int) -> int | None:
        offsets = [offset for offset in self._snapshots.offsets if first_offset <= offset <= last_offset]
        latest = ProducerSnapshots(self._filesystem, self._directory, offsets).read_latest()
        self._snapshots.remove_where(lambda offset: not self._filesystem.exists(self._snapshots.path(offset)))
        return None if latest is None else latest[0]

    def _recover_segment(
        self, segment: LogSegment, start_position: int, next_offset: int, behind: int
    ) -> tuple[bool, int]:
        """Checks a segment from a position on; returns whether it was valid to its end, and the offset behind it.

        All its offsets must lie before `behind`: a base offset is not covered by its batch's checksum."""
        if not start_position:
            segment.reset_indexes()
        else:
            segment.bytes_since_last_index_entry = start_position - segment.offset_index.last_entry().position
        segment.transaction_index.truncate_to(next_offset)
        end, size = start_position, segment.size
        reason = ""
        try:
            for position, header, buffer, relative in iter_valid_batches(segment.file, start_position, size):
                if header.base_offset < next_offset or header.last_offset >= behind:
                    raise InvalidBatchError(
                        position,
                        f"offsets {header.base_offset} to {header.last_offset} are not in [{next_offset}, {behind})",
                    )
                segment.index_batch(position, header)
                next_offset = header.next_offset
                end = position + header.size_in_bytes
                if header.partition_leader_epoch > self._epochs.latest_epoch:
                    self._epochs.assign(header.partition_leader_epoch, header.base_offset)
                if header.producer_id >= 0:
                    self._take_in(self._state, segment, header, buffer, relative)
        except InvalidBatchError as error:
            reason = str(error)
        if end < size:
            _logger.warning(
                "Found invalid messages in log segment %s %s. Cutting off %d bytes; the log ends at offset %d",
                segment.path(LOG_SUFFIX),
                reason or f"at position {end}",
                size - end,
                next_offset,
            )
            segment.cut(end)
        segment.write_indexes()
        segment.release_file()
        return end == size, next_offset

    def _set_aside(self, segments: list[LogSegment]) -> None:
        """Moves segments that cannot belong to the log to a directory of their own, where nobody touches them.

        Apache Kafka removes them. They may be all that is left of the records in them.
        """
        if not any(segment.size for segment in segments):
            aside = ""
        else:
            name = renamed_directory(self._topic_partition, unique_suffix(), STRAY_DIRECTORY_SUFFIX)
            aside = f"{self._directory.rpartition('/')[0]}/{name}"
            self._filesystem.make_directories(aside)
        for segment in segments:
            segment.release_file()
            for suffix in SEGMENT_SUFFIXES:
                path = segment.path(suffix)
                if not aside:
                    remove_if_exists(self._filesystem, path)
                elif self._filesystem.exists(path):
                    self._filesystem.rename(path, f"{aside}/{path.rpartition('/')[2]}")
            self._snapshots.remove(segment.base_offset)
        if aside:
            _logger.error("Moved %d segments of %s that are out of place to %s", len(segments), self._directory, aside)

    # --- producers ---

    def _remove_stray_snapshots(self, next_offset: int | None) -> None:
        """Keeps the snapshots beside segments, and the last one of the others if it lies behind them."""
        base_offsets = {segment.base_offset for segment in self._segments}
        strays = [offset for offset in self._snapshots.offsets if offset not in base_offsets]
        for offset in strays:
            if offset != strays[-1] or offset < self._segments[-1].base_offset:
                self._snapshots.remove(offset)
        start = max(self._log_start_offset, self._segments[0].base_offset)
        self._snapshots.remove_where(
            lambda offset: (
                (offset <= start and offset not in base_offsets) or (next_offset is not None and offset > next_offset)
            )
        )

    def _load_snapshot(self, end_offset: int) -> int:
        """Takes in the latest snapshot up to `end_offset`; returns from where on batches must be replayed."""
        self._snapshots.remove_where(lambda offset: offset > end_offset and self._had_clean_shutdown)
        usable = ProducerSnapshots(
            self._filesystem, self._directory, [offset for offset in self._snapshots.offsets if offset <= end_offset]
        )
        latest = usable.read_latest()
        self._snapshots.offsets = [
            offset for offset in self._snapshots.offsets if offset > end_offset or offset in usable.offsets
        ]
        if latest is None:
            start = self._segments[0].base_offset if self._segments else self._log_start_offset
            self._state.clear(start)
            return start
        offset, entries = latest
        self._state.load(entries, offset, self._now_ms)
        return offset

    def _replay(
        self,
        state: ProducerStateManager,
        segment: LogSegment,
        start_offset: int,
        *,
        end_position: int | None = None,
        is_index_rebuilt: bool = False,
    ) -> None:
        """Takes the batches of a segment from `start_offset` on into the producers' state, by their headers."""
        if end_position is None:
            end_position = segment.size
        if not end_position or start_offset >= self._behind(segment):
            return
        start = segment.offset_index.lookup(start_offset) if start_offset > segment.base_offset else 0
        try:
            for position, header in iter_file_batches(segment.file, start, end_position):
                if header.producer_id < 0 or header.base_offset < start_offset:
                    continue
                data = segment.file.pread(header.size_in_bytes, position) if header.is_control else b""
                self._take_in(state, segment if is_index_rebuilt else None, header, data, 0)
        except KafkaError as error:
            # Damage in the middle of the log stays where it is and is reported to who reads it.
            _logger.error("The producers' state of %s lacks what follows damage: %s", self._directory, error.message)

    def _behind(self, segment: LogSegment) -> int:
        """The first offset that can be in no batch of the segment."""
        index = self._segments.index(segment)
        limit = segment.base_offset + _MAX_RELATIVE_OFFSET + 1
        return min(limit, self._segments[index + 1].base_offset) if index + 1 < len(self._segments) else limit

    def _take_in(
        self,
        state: ProducerStateManager,
        index_of: LogSegment | None,
        header: BatchHeader,
        buffer: bytes,
        relative: int,
    ) -> None:
        marker: EndTransactionMarker | None = None
        if header.is_control:
            marker = read_end_transaction_marker(buffer, relative, header)
        aborted = update_producer_state(state, header, marker)
        if aborted is None or index_of is None:
            return
        try:
            index_of.transaction_index.append(aborted)
        except ValueError as error:
            _logger.error("Leaving out an aborted transaction of %s: %s", self._directory, error)


def _snapshot_offsets(entries: Iterable[DirectoryEntry]) -> list[int]:
    offsets = []
    for entry in entries:
        if entry.name.endswith(PRODUCER_SNAPSHOT_SUFFIX):
            offset = offset_of_file_name(entry.name)
            if offset is not None:
                offsets.append(offset)
    return offsets
