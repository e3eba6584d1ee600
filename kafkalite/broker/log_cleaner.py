"""Compaction in the background: every `log.cleaner.backoff.ms` all logs that need it, one after the other.

The event loop's thread chooses and swaps. Reading and writing is done by a process that lives while there is something
to clean, and a minute more: decoding records is work for the interpreter, and a thread would take it from the requests
that come in. Where data is kept in memory a thread does it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kafkalite.broker.broker import Broker
from kafkalite.broker.clock import Timer
from kafkalite.storage.filesystem import LocalFileSystem

logger = logging.getLogger("kafkalite.background")

PROCESS_KEPT_MS: Final = 60_000
"""So long the process waits for something to clean: its start costs as much as cleaning some megabytes."""


class LogCleaner:
    """Cleans logs from `start` to `stop`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._timer: Timer | None = None
        self._cleaning: asyncio.Task[None] | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._is_stopped = False
        self._cleaned_ms = 0  # steady

    def start(self) -> None:
        """Schedules the first cleaning, unless `log.cleaner.enable` is off."""
        if self._broker.config.log_cleaner_enable:
            self._schedule()

    async def stop(self) -> None:
        """No log is being cleaned any more when this returns; what was begun is left undone."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._cleaning is not None:
            self._broker.logs.cleaner.stop()
            await asyncio.wait([self._cleaning])
        if self._worker is not None:
            await self._work(self._broker.logs.cleaner.stop_process)
            self._worker.shutdown()

    def _schedule(self) -> None:
        self._timer = self._broker.clock.call_later(self._broker.config.log_cleaner_backoff_ms, self._begin)

    def _begin(self) -> None:
        if not self._is_stopped:
            self._cleaning = asyncio.get_running_loop().create_task(self._clean_and_schedule())

    async def _clean_and_schedule(self) -> None:
        try:
            await self.clean_all()
        except Exception:
            logger.exception("cleaning failed, and will be tried again")
        self._cleaning = None
        if not self._is_stopped:
            self._schedule()

    async def clean_all(self) -> None:
        """Cleans until no log needs it."""
        broker = self._broker
        if not any(log.config.is_compacted for log in broker.logs.logs()) or not broker.config.log_cleaner_threads:
            await self._end_idle_process()
            return
        cleaner = broker.logs.cleaner
        cleaner.dedupe_buffer_size = broker.config.log_cleaner_dedupe_buffer_size
        cleaner.max_bytes_per_second = broker.config.log_cleaner_io_max_bytes_per_second
        cleaner.has_own_process = isinstance(broker.filesystem, LocalFileSystem)
        for step in cleaner.write_checkpoints():
            await self._work(step)
        has_cleaned = True
        while has_cleaned and not self._is_stopped:
            has_cleaned = False
            for step in cleaner.clean_filthiest(broker.logs.logs(), broker.clock.now_ms()):
                has_cleaned = True
                await self._work(step)
                self._cleaned_ms = broker.clock.steady_ms()
            has_cleaned = has_cleaned and not cleaner.was_aborted
        await self._end_idle_process()

    async def _end_idle_process(self) -> None:
        if self._worker is not None and self._broker.clock.steady_ms() - self._cleaned_ms >= PROCESS_KEPT_MS:
            await self._work(self._broker.logs.cleaner.stop_process)

    async def _work(self, step: Callable[[], None]) -> None:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafkalite-cleaner")
        await asyncio.get_running_loop().run_in_executor(self._worker, step)
