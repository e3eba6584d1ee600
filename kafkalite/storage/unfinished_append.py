"""Clients' batches that another thread is writing behind the end of their log."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from kafkalite.errors import KafkaError
from kafkalite.records.compression import Buffer
from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.log_append_info import LogAppendInfo

if TYPE_CHECKING:
    from kafkalite.storage.log_segment import LogSegment
    from kafkalite.storage.partition_log import PartitionLog


class UnfinishedAppend:
    """Clients' batches that have their place at the end of a log while their bytes are on their way there.

    `write` is called once, in any thread. `finish`, on the log's thread and any number of times, waits for it and takes
    the batches into the log: until then nobody sees them, and they have no effect.
    """

    __slots__ = (
        "_error",
        "_file",
        "_headers",
        "_log",
        "_log_append_time_ms",
        "_now_ms",
        "_outcome",
        "_pieces",
        "_segment",
        "_writing",
    )

    def __init__(
        self,
        log: PartitionLog,
        segment: LogSegment,
        pieces: Sequence[Buffer],
        headers: list[BatchHeader],
        log_append_time_ms: int,
        now_ms: int,
    ) -> None:
        """`pieces`: the bytes of the batches, of which these are the headers."""
        self._log = log
        self._segment = segment
        self._file = segment.file
        self._pieces = pieces
        self._headers = headers
        self._log_append_time_ms = log_append_time_ms
        self._now_ms = now_ms
        self._writing = Lock()
        self._writing.acquire()
        self._error: OSError | None = None
        self._outcome: LogAppendInfo | KafkaError | None = None

    def write(self) -> None:
        """Writes the bytes, all or none of them."""
        try:
            self._file.append(*self._pieces)
        except OSError as error:
            self._error = error
        finally:
            self._pieces = ()
            self._writing.release()

    def finish(self) -> LogAppendInfo:
        """Where the batches stand now, from the first to the last; raises KafkaError where they could not be written.
        A flush may be due."""
        if self._outcome is None:
            with self._writing:
                pass
            self._log.unfinished_append = None
            if self._error is None and not self._log.is_closed:
                self._outcome = self._take_in()
            else:
                self._outcome = self._log.storage_error("appending records", self._error or OSError())
        if isinstance(self._outcome, KafkaError):
            raise self._outcome
        return self._outcome

    def settle(self) -> None:
        """`finish` for whoever only needs the log to be done with it: an error is told to who waits for the batches."""
        try:
            self.finish()
        except KafkaError:
            pass

    def _take_in(self) -> LogAppendInfo:
        log, segment = self._log, self._segment
        first_offset = log.log_end_offset
        log.note_several_appended(segment, self._headers, self._now_ms)
        if segment.is_open():
            segment.file.size = segment.size  # another handle than the one written to, if that was let go of meanwhile
        return LogAppendInfo(
            first_offset,
            log.log_end_offset - 1,
            self._log_append_time_ms,
            log.log_start_offset,
            False,
            log.is_flush_due(),
        )
