"""Large batches on their way into the page cache: worker threads write them while the loop receives what comes next.

Giving a megabyte its pages and copying it there takes as long as receiving it, and the interpreter's lock is not held
for either. Small batches are written at once: handing one over would cost more than its write.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kafkalite.storage.log_append import UnfinishedAppend

LARGE_BATCH: Final = 256 * 1024
"""Bytes from which a batch is worth a thread."""
_MAX_WORKERS: Final = 4


class LogAppender:
    """Writes batches into logs by worker threads, one at a time into each log."""

    def __init__(self) -> None:
        self._workers: ThreadPoolExecutor | None = None

    def write(self, append: UnfinishedAppend) -> asyncio.Future[None]:
        """Done when the batch is written, or could not be: `append.finish` knows. It is taken into its log even if
        nobody waits any more."""
        if self._workers is None:
            workers = min(_MAX_WORKERS, os.cpu_count() or 1)
            self._workers = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="kafkalite-append")
        written = asyncio.get_running_loop().run_in_executor(self._workers, append.write)
        written.add_done_callback(lambda _: append.settle())
        return written

    def close(self) -> None:
        """Waits for what is being written."""
        if self._workers is not None:
            self._workers.shutdown()
