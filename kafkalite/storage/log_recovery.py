"""Recovery of a log whose broker did not stop cleanly: reads what may not have reached the disk.

Every batch behind the recovery point is read and its checksum computed; the valid prefix stays, what follows it is cut
off with a log line. Indexes that do not reach there are built again, leader epochs are found in the batches.

A recovery may be interrupted at any batch: what it did so far is what the next one would do again.
"""

from __future__ import annotations

import logging
from typing import Final

from kafkalite.errors import KafkaError
from kafkalite.storage.file_names import LOG_SUFFIX
from kafkalite.storage.file_records import InvalidBatchError, iter_file_batches, iter_valid_batches
from kafkalite.storage.log_files import LogFiles
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.offset_index import CorruptIndexError
from kafkalite.storage.producer_state_loader import ProducerStateLoader

_logger = logging.getLogger(__name__)

_BYTES_PER_REPORT: Final = 16 << 20


def recover_log(files: LogFiles, producers: ProducerStateLoader, *, log_start_offset: int, recovery_point: int) -> int:
    """Checks everything behind the recovery point, cuts off what is not valid; returns the log's end. There is a
    segment. Raises OSError."""
    segments = files.segments
    recovery_point = max(recovery_point, segments[0].base_offset)
    return _LogRecovery(files, producers, log_start_offset, recovery_point).run()


class _LogRecovery:
    def __init__(
        self, files: LogFiles, producers: ProducerStateLoader, log_start_offset: int, recovery_point: int
    ) -> None:
        self._files = files
        self._segments = files.segments
        self._epochs = files.epochs
        self._snapshots = files.snapshots
        self._producers = producers
        self._log_start_offset = log_start_offset
        self._recovery_point = recovery_point
        self._bytes = self._total_bytes = 0

    def run(self) -> int:
        segments = self._segments
        first = max(index for index, one in enumerate(segments) if one.base_offset <= self._recovery_point)
        restore_epochs(self._files, self._log_start_offset, self._recovery_point)
        start_offset, start_position = self._trusted_end(segments[first])
        snapshot_offset = self._producers.load_snapshot(start_offset)
        self._producers.remove_stray_snapshots(None)
        for segment in segments[:first]:
            self._producers.replay(segment, snapshot_offset)
        self._producers.replay(segments[first], snapshot_offset, end_position=start_position)
        next_offset = start_offset
        self._total_bytes = sum(segment.size for segment in segments[first:]) - start_position
        for index in range(first, len(segments)):
            segment = segments[index]
            next_offset = max(next_offset, segment.base_offset)
            if index > first:
                start_position = 0
            is_whole, next_offset = self._recover_segment(segment, start_position, next_offset)
            if not is_whole:
                self._files.set_aside(index + 1)
                break
        self._producers.state.map_end_offset = next_offset
        self._snapshots.remove_where(lambda offset: offset > next_offset)
        for segment in segments[first:-1]:
            segment.become_inactive(needs_room=False)
        return next_offset

    def _trusted_end(self, segment: LogSegment) -> tuple[int, int]:
        """Up to which offset and position the segment of the recovery point need not be read again.

        The batches before the recovery point are on the disk, but not so the indexes of a segment that was written to.
        A producer snapshot inside the segment says that they were synced when the log ended there (see log_flush).
        """
        nothing = segment.base_offset, 0
        latest = self._files.read_latest_snapshot(self._recovery_point, first_offset=segment.base_offset + 1)
        if latest is None or not segment.size:
            return nothing
        checkpoint = latest[0]
        try:
            segment.indexes.read(segment.size)
            _ = segment.transaction_index
            segment.offset_index.truncate_to(checkpoint)
            segment.time_index.truncate_to(checkpoint)
            start = segment.offset_index.last_entry()
            for position, header in iter_file_batches(segment.file, start.position, segment.size):
                if position == start.position and position and header.last_offset != start.offset:
                    break
                segment.note_timestamp(header)  # behind the last index entry, so perhaps nowhere else
                if header.next_offset >= checkpoint:
                    return (
                        (checkpoint, position + header.size_in_bytes) if header.next_offset == checkpoint else nothing
                    )
        except (CorruptIndexError, FileNotFoundError, KafkaError) as error:
            _logger.warning("Recovering %r from its beginning: %s", segment, error)
        return nothing

    def _recover_segment(self, segment: LogSegment, start_position: int, next_offset: int) -> tuple[bool, int]:
        """Checks a segment from a position on; returns whether it was valid to its end, and the offset behind it.

        A batch's base offset is not covered by its checksum, so all offsets have to lie before the next segment's.
        """
        behind = self._files.behind(segment)
        if not start_position:
            segment.reset_indexes()
        else:
            segment.bytes_since_last_index_entry = start_position - segment.offset_index.last_entry().position
        segment.transaction_index.truncate_to(next_offset)
        end, size = start_position, segment.size
        reason = ""
        check_loading = self._files.context.check_loading
        report_at = start_position
        try:
            for position, header, buffer, relative in iter_valid_batches(segment.file, start_position, size):
                check_loading()
                if position >= report_at:
                    report_at = position + _BYTES_PER_REPORT
                    self._report(position - start_position)
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
                    self._producers.take_in(segment, header, buffer, relative)
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
        segment.indexes.write_if_there_is_room()
        segment.release_file()
        self._bytes += size - start_position
        return end == size, next_offset

    def _report(self, segment_bytes: int) -> None:
        note_recovered = self._files.context.note_recovered
        if note_recovered is not None:
            note_recovered(self._files.topic_partition, self._bytes + segment_bytes, self._total_bytes)


def restore_epochs(files: LogFiles, log_start_offset: int, end_offset: int) -> None:
    """Finds the leader epochs before `end_offset` in the batches, where their file was lost. Raises OSError.

    Epochs never fall, so a segment is read only if the next one begins with another epoch.
    """
    epochs = files.epochs
    firsts = [(segment, _first_epoch(segment)) for segment in files.segments if segment.size]
    if not firsts or firsts[0][1] < 0:
        return
    if epochs.epoch_for_offset(max(log_start_offset, firsts[0][0].base_offset)) is not None:
        return
    _logger.info("Finding the leader epochs of %s in its batches", files.directory)
    epochs.clear()
    for index, (segment, epoch) in enumerate(firsts):
        if epoch > epochs.latest_epoch:
            epochs.assign(epoch, segment.base_offset)
        if segment.base_offset >= end_offset:
            break  # the rest is found when it is checked
        if index + 1 < len(firsts) and firsts[index + 1][1] == epoch:
            continue
        try:
            for _, header in iter_file_batches(segment.file, 0, segment.size):
                if header.partition_leader_epoch > epochs.latest_epoch:
                    epochs.assign(header.partition_leader_epoch, header.base_offset)
        except KafkaError:
            pass  # damage: what follows it is found as far as it is checked
        segment.release_file()


def _first_epoch(segment: LogSegment) -> int:
    try:
        for _, header in iter_file_batches(segment.file, 0, segment.size):
            return header.partition_leader_epoch
    except KafkaError:
        pass
    finally:
        segment.release_file()
    return -1
