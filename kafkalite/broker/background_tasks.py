"""What happens by the clock: retention, compaction, flushing, checkpoints, removal of files, the metadata's snapshots.

Decisions are made on the event loop's thread; the slow part, syncing and removing files, is done by one worker thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from kafkalite.broker.broker import Broker
from kafkalite.broker.clock import Timer
from kafkalite.broker.log_cleaner import LogCleaner
from kafkalite.storage.log_checkpoints import CheckpointWrite, write_all
from kafkalite.storage.log_flush import LogFlush, sync_all

logger = logging.getLogger("kafkalite.background")

DELETE_INTERVAL_MS: Final = 1_000
DIRECTORY_CHECK_INTERVAL_MS: Final = 1_000
"""Looking whether a log directory is still there takes microseconds."""
PRODUCER_EXPIRY_INTERVAL_MS: Final = 600_000
METADATA_INTERVAL_MS: Final = 60_000
MAX_FLUSH_INTERVAL_MS: Final = 1_000
"""log.flush.scheduler.interval.ms is for ever by default; within this time rolled segments and logs with much unflushed
are synced, so that a start after a kill has little to check."""


class BackgroundTasks:
    """Runs the broker's housekeeping from `start` to `stop`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._timers: dict[str, Timer] = {}
        self._is_stopped = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafkalite-flush")
        self._flushing: asyncio.Task[None] | None = None
        self._checkpointing: asyncio.Future[list[OSError | None]] | None = None
        self._deleting: asyncio.Future[int] | None = None
        self._log_cleaner = LogCleaner(broker)

    def start(self) -> None:
        """Schedules each task at its interval; the worker thread starts with the first flush."""
        config = self._broker.config
        flush_interval_ms = min(config.log_flush_scheduler_interval_ms, MAX_FLUSH_INTERVAL_MS)
        self._every("retention", config.log_retention_check_interval_ms, self._clean_up_logs)
        self._every("flush", flush_interval_ms, self._flush_logs)
        self._every("recovery points", config.log_flush_offset_checkpoint_interval_ms, self._checkpoint_recovery_points)
        self._every(
            "log starts", config.log_flush_start_offset_checkpoint_interval_ms, self._checkpoint_log_start_offsets
        )
        self._every(
            "high watermarks", config.replica_high_watermark_checkpoint_interval_ms, self._checkpoint_high_watermarks
        )
        self._every("log directories", DIRECTORY_CHECK_INTERVAL_MS, self._broker.log_dir_failures.check_directories)
        self._every("deletion", DELETE_INTERVAL_MS, self._delete_due_files)
        self._every("producers", PRODUCER_EXPIRY_INTERVAL_MS, self._remove_expired_producers)
        self._every("metadata", METADATA_INTERVAL_MS, self._broker.metadata.run_periodic_tasks)
        self._log_cleaner.start()

    async def stop(self) -> None:
        """Nothing runs any more when this returns."""
        self._is_stopped = True
        for timer in self._timers.values():
            timer.cancel()
        await self._log_cleaner.stop()
        futures: tuple[asyncio.Future[Any] | None, ...] = (self._flushing, self._checkpointing, self._deleting)
        running = [future for future in futures if future is not None]
        if running:
            await asyncio.wait(running)
        self._worker.shutdown()

    def _every(self, name: str, interval_ms: int, task: Callable[[], object]) -> None:
        def run() -> None:
            try:
                task()
            except Exception:
                logger.exception("%s failed, and will be tried again", name)
            schedule()

        def schedule() -> None:
            if not self._is_stopped:
                self._timers[name] = self._broker.clock.call_later(interval_ms, run)

        schedule()

    def _clean_up_logs(self) -> None:
        self._run_steps(self._broker.logs.cleanup_steps(self._broker.clock.now_ms()))

    def _run_steps(self, steps: Iterator[int]) -> None:
        """One step now, the others when the loop has served its connections in between."""
        if not self._is_stopped and next(steps, None) is not None:
            asyncio.get_running_loop().call_soon(self._run_steps, steps)

    def _checkpoint_recovery_points(self) -> None:
        self._write_checkpoints(self._broker.logs.checkpoints.prepare_recovery_points())

    def _checkpoint_log_start_offsets(self) -> None:
        self._write_checkpoints(self._broker.logs.checkpoints.prepare_start_offsets())

    def _checkpoint_high_watermarks(self) -> None:
        self._write_checkpoints(self._broker.logs.checkpoints.prepare_high_watermarks())

    def _write_checkpoints(self, writes: list[CheckpointWrite]) -> None:
        """One after the other in the worker, which keeps the order of what is written to the same file."""
        if writes and not self._is_stopped:
            self._checkpointing = asyncio.get_running_loop().run_in_executor(self._worker, write_all, writes)
            self._checkpointing.add_done_callback(lambda done: self._note_checkpoints(writes, done))

    def _note_checkpoints(self, writes: list[CheckpointWrite], done: asyncio.Future[list[OSError | None]]) -> None:
        for write, error in zip(writes, done.result(), strict=True):
            if error is not None:
                self._broker.logs.checkpoints.note_failure(write, error)

    def _delete_due_files(self) -> None:
        if self._deleting is not None and not self._deleting.done():
            return
        delete = self._broker.logs.prepare_deletions(self._broker.clock.now_ms())
        if delete is not None:
            self._deleting = asyncio.get_running_loop().run_in_executor(self._worker, delete)

    def _remove_expired_producers(self) -> None:
        self._broker.logs.remove_expired_producers(self._broker.clock.now_ms())

    def _flush_logs(self) -> None:
        if (self._flushing is not None and not self._flushing.done()) or self._broker.logs.context.is_read_only:
            return
        steps = self._broker.logs.flush_steps(self._broker.clock.now_ms())
        flushes = next(steps, None)
        if flushes is not None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush_in_steps(flushes, steps))

    async def _flush_in_steps(self, flushes: list[LogFlush] | None, steps: Iterator[list[LogFlush]]) -> None:
        """A few logs at a time, so that the loop is not held by the files of thousands."""
        loop = asyncio.get_running_loop()
        try:
            while flushes is not None:
                outcomes = await loop.run_in_executor(self._worker, sync_all, flushes)
                for flush, error in zip(flushes, outcomes, strict=True):
                    if error is None:
                        flush.finish(self._broker.clock.now_ms())
                    else:
                        flush.fail(error)
                flushes = None if self._is_stopped else next(steps, None)
        except Exception:
            logger.exception("flush failed, and will be tried again")
        self._checkpoint_recovery_points()
