"""When the metadata gets a snapshot, who writes it, and which older ones go (SnapshotGenerator).

A snapshot of thousands of partitions takes longer than a client should have to wait: it is made from a copy of the
image, by a worker thread, while the loop goes on. Without a loop it is written at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future as WorkerFuture
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kafkalite.broker.metadata_log import MetadataLog
from kafkalite.broker.metadata_snapshot import (
    SnapshotId,
    encode_snapshot,
    read_last_contained_log_timestamp,
    write_snapshot,
)
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.record_versions import record_version
from kafkalite.protocol.control_records import VotersRecord
from kafkalite.storage.filesystem import FileSystem

_logger = logging.getLogger(__name__)


class SnapshotSettings(NamedTuple):
    """The configuration `metadata.*` that matters here."""

    max_record_bytes_between_snapshots: int
    max_snapshot_interval_ms: int
    max_retention_bytes: int
    max_retention_ms: int
    is_synced: bool


class SnapshotSource(NamedTuple):
    """What a snapshot says."""

    snapshot_id: SnapshotId
    image: MetadataImage
    kraft_version: int
    voters: VotersRecord | None
    last_contained_log_timestamp: int
    now_ms: int


class SnapshotGenerator:
    """Writes the snapshots beside a log, one at a time, and removes the oldest ones."""

    def __init__(
        self, filesystem: FileSystem, log: MetadataLog, settings: SnapshotSettings, now_ms: Callable[[], int]
    ) -> None:
        self._filesystem = filesystem
        self._log = log
        self._settings = settings
        self._now_ms = now_ms
        self.bytes_since_snapshot = 0
        """How much has come into the log since the last snapshot was begun."""
        self._last_snapshot_ms = now_ms()
        self._facts: dict[SnapshotId, tuple[int, int]] = {}
        self._writing: WorkerFuture[None] | None = None
        self._end_writing: Callable[[], None] = lambda: None

    @property
    def is_due_by_size(self) -> bool:
        """Whether metadata.log.max.record.bytes.between.snapshots are over."""
        return self.bytes_since_snapshot >= self._settings.max_record_bytes_between_snapshots

    @property
    def is_due_by_time(self) -> bool:
        """Whether there is something new, and metadata.log.max.snapshot.interval.ms are over."""
        interval_ms = self._settings.max_snapshot_interval_ms
        return bool(self.bytes_since_snapshot) and 0 < interval_ms <= self._now_ms() - self._last_snapshot_ms

    def write(self, source: SnapshotSource) -> None:
        """Writes a snapshot at once. Raises OSError."""
        self.finish()
        self._put(source)
        self._note(source)
        self.bytes_since_snapshot = 0

    def begin(self, source: SnapshotSource) -> None:
        """Has a snapshot written while the loop goes on; `source.image` belongs to it from here on. One that cannot be
        written is reported, and the next change tries again. Nothing is begun while another one is being written."""
        if self._writing is not None:
            return
        covered, self.bytes_since_snapshot = self.bytes_since_snapshot, 0
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafkalite-snapshot")
        writing = self._writing = worker.submit(self._put, source)
        worker.shutdown(wait=False)

        def end() -> None:
            if self._writing is not writing:
                return  # somebody has waited for it
            self._writing = None
            try:
                writing.result()
            except OSError as error:  # the changes themselves are safe in the log
                self.bytes_since_snapshot += covered
                _logger.error("No snapshot of the metadata could be written, the next change tries again: %s", error)
            else:
                self._note(source)

        self._end_writing = end

        def on_done(done: asyncio.Future[None]) -> None:
            if not done.cancelled():
                done.exception()
                end()

        asyncio.wrap_future(writing).add_done_callback(on_done)

    def finish(self) -> None:
        """Waits for a snapshot that is being written."""
        if self._writing is not None:
            self._writing.exception()
            self._end_writing()

    def _put(self, source: SnapshotSource) -> None:
        image = source.image
        level = image.features.metadata_version_or_raise()
        data = encode_snapshot(
            (record.to_frame(record_version(record, level)) for record in image.to_records()),
            leader_epoch=source.snapshot_id.epoch,
            now_ms=source.now_ms,
            last_contained_log_timestamp=source.last_contained_log_timestamp,
            kraft_version=source.kraft_version,
            voters=source.voters,
        )
        write_snapshot(
            self._filesystem, self._log.path(source.snapshot_id.file_name), data, sync=self._settings.is_synced
        )
        self._facts[source.snapshot_id] = (len(data), source.last_contained_log_timestamp)

    def _note(self, source: SnapshotSource) -> None:
        self._log.add_snapshot(source.snapshot_id)
        self._last_snapshot_ms = source.now_ms
        self.clean()

    def clean(self) -> None:
        """Applies metadata.max.retention.bytes and .ms: the oldest snapshots go, and the log that only they need."""
        now_ms = self._now_ms()
        log = self._log
        while len(log.snapshots) > 1:
            oldest, following = log.snapshots[:2]
            facts = [self._facts_of(snapshot_id) for snapshot_id in log.snapshots]
            is_too_large = 0 <= self._settings.max_retention_bytes < log.size + sum(size for size, _ in facts)
            is_too_old = 0 <= self._settings.max_retention_ms < now_ms - facts[0][1]
            if not is_too_large and not is_too_old:
                return
            _logger.info("Removing metadata snapshot %s, which newer ones have made superfluous", oldest.file_name)
            log.delete_before(following)
            self._facts.pop(oldest, None)

    def _facts_of(self, snapshot_id: SnapshotId) -> tuple[int, int]:
        """Size and last timestamp; a file that has been there before is looked at once."""
        facts = self._facts.get(snapshot_id)
        if facts is None:
            data = self._filesystem.read_bytes(self._log.path(snapshot_id.file_name))
            facts = self._facts[snapshot_id] = (len(data), read_last_contained_log_timestamp(data))
        return facts
