"""What a start knows of a log's producers: the latest snapshot that can be read, and the batches behind it.

Batches are taken in by their headers alone; of control batches the marker is read too. The same replay finds the
aborted transactions of a segment whose transaction index is damaged.
"""

from __future__ import annotations

import logging

from kafkalite.errors import KafkaError
from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.end_transaction_marker import EndTransactionMarker, read_end_transaction_marker
from kafkalite.storage.file_records import iter_file_batches
from kafkalite.storage.log_files import LogFiles
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.producer_state import ProducerStateManager

_logger = logging.getLogger(__name__)


class ProducerStateLoader:
    """Brings `state` to where the log ends."""

    __slots__ = ("_files", "_had_clean_shutdown", "_log_start_offset", "_now_ms", "state")

    def __init__(
        self,
        files: LogFiles,
        state: ProducerStateManager,
        *,
        log_start_offset: int,
        had_clean_shutdown: bool,
        now_ms: int,
    ) -> None:
        self._files = files
        self.state = state
        self._log_start_offset = log_start_offset
        self._had_clean_shutdown = had_clean_shutdown
        self._now_ms = now_ms

    def remove_stray_snapshots(self, next_offset: int | None) -> None:
        """Keeps the snapshots beside segments, and the last one of the others if it lies behind them."""
        segments, snapshots = self._files.segments, self._files.snapshots
        base_offsets = {segment.base_offset for segment in segments}
        strays = [offset for offset in snapshots.offsets if offset not in base_offsets]
        for offset in strays:
            if offset != strays[-1] or offset < segments[-1].base_offset:
                snapshots.remove(offset)
        start = max(self._log_start_offset, segments[0].base_offset)
        snapshots.remove_where(
            lambda offset: (
                (offset <= start and offset not in base_offsets) or (next_offset is not None and offset > next_offset)
            )
        )

    def load_snapshot(self, end_offset: int) -> int:
        """Takes in the latest snapshot up to `end_offset`; returns from where on batches must be replayed."""
        segments = self._files.segments
        self._files.snapshots.remove_where(lambda offset: offset > end_offset and self._had_clean_shutdown)
        latest = self._files.read_latest_snapshot(end_offset)
        if latest is None:
            start = segments[0].base_offset if segments else self._log_start_offset
            self.state.clear(start)
            return start
        offset, entries = latest
        self.state.load(entries, offset, self._now_ms)
        return offset

    def replay(self, segment: LogSegment, start_offset: int, *, end_position: int | None = None) -> None:
        """Takes in the batches of a segment from `start_offset` on, perhaps only those before a position."""
        self._replay(self.state, segment, start_offset, end_position=end_position)

    def take_in(self, segment: LogSegment, header: BatchHeader, buffer: bytes, relative: int) -> None:
        """Takes in a batch; the segment's transaction index notes the transaction that it aborts."""
        self._take_in(self.state, segment, header, buffer, relative)

    def rebuild_transaction_index(self, segment: LogSegment) -> None:
        """Finds the aborted transactions of one segment again, from the producers' state at its beginning."""
        state = ProducerStateManager(self._files.topic_partition)
        latest = self._files.read_latest_snapshot(segment.base_offset)
        start_offset = 0
        if latest is not None:
            start_offset = latest[0]
            state.load(latest[1], start_offset, 0)
        for earlier in self._files.segments:
            if earlier.base_offset > segment.base_offset:
                break
            self._replay(state, earlier, start_offset, is_index_rebuilt=earlier is segment)
        segment.indexes.write()

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
        if not end_position or start_offset >= self._files.behind(segment):
            return
        start = segment.offset_index.lookup(start_offset) if start_offset > segment.base_offset else 0
        check_loading = self._files.context.check_loading
        try:
            for position, header in iter_file_batches(segment.file, start, end_position):
                check_loading()
                if header.producer_id < 0 or header.base_offset < start_offset:
                    continue
                data = segment.file.pread(header.size_in_bytes, position) if header.is_control else b""
                self._take_in(state, segment if is_index_rebuilt else None, header, data, 0)
        except KafkaError as error:
            # Damage in the middle of the log stays where it is and is reported to who reads it.
            _logger.error(
                "The producers' state of %s lacks what follows damage: %s", self._files.directory, error.message
            )

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
        aborted = state.add_batch(header, marker)
        if aborted is None or index_of is None:
            return
        try:
            index_of.transaction_index.append(aborted)
        except ValueError as error:
            _logger.error("Leaving out an aborted transaction of %s: %s", self._files.directory, error)
