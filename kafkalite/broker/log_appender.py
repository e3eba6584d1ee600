"""Large batches on their way into the page cache: worker threads write them while the loop receives what comes next.

Giving a megabyte its pages and copying it there takes as long as receiving it, and the interpreter's lock is not held
for either. Small batches are written at once: handing one over would cost more than its write.

A hand-over happens for every few batches of a busy producer, so it is a queue and a wake-up of the loop for all that
was written meanwhile, and who waits is told in that moment: an executor with its two futures for each costs three
times as much.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from queue import SimpleQueue
from threading import Thread
from typing import Final, TypeAlias

from kafkalite.broker.purgatory import DelayedOperation
from kafkalite.storage.unfinished_append import UnfinishedAppend

LARGE_BATCH: Final = 256 * 1024
"""Bytes from which a batch is worth a thread."""
_MAX_WORKERS: Final = 4
_WORTH_A_THREAD: Final = 64 * 1024
"""Bytes that are handed over, where writing is slow, although another write is still under way."""
_MAX_UNSETTLED: Final = 4
"""So many of these at a time: enough that workers need not wait for the loop to bring them the next."""

_Work: TypeAlias = tuple[UnfinishedAppend, DelayedOperation]


def _is_written(_: bool) -> bool:
    return True


class LogAppender:
    """Writes batches into logs by worker threads, one at a time into each log."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._workers: list[Thread] = []
        self._waiting: SimpleQueue[_Work | None] = SimpleQueue()
        self._written: deque[_Work] = deque()
        self._is_loop_called = False
        self.unsettled = 0
        """Batches that were handed over and are not in their logs yet."""

    def has_time_for(self, size: int) -> bool:
        """Whether so many bytes, of less than a large batch, should be handed over if writing them takes long.

        Where they are few, one write at a time: while a worker is at it the loop writes what else there is, for a
        second one costs more than it brings (waiting for the interpreter's lock and waking up: a tenth of all the
        broker's CPU). With many, two processors bring a third more than one, at the same CPU for each byte.
        """
        return not self.unsettled or (size >= _WORTH_A_THREAD and self.unsettled < _MAX_UNSETTLED)

    def write(self, append: UnfinishedAppend) -> DelayedOperation:
        """Done when the batch is written, or could not be: `append.finish` knows. It is taken into its log even if
        nobody waits any more."""
        if not self._workers:
            self._start()
        writing = DelayedOperation([], _is_written)
        self.unsettled += 1
        self._waiting.put((append, writing))
        return writing

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for number in range(min(_MAX_WORKERS, os.cpu_count() or 1)):
            worker = Thread(target=self._work, name=f"kafkalite-append_{number}", daemon=True)
            worker.start()
            self._workers.append(worker)

    def _work(self) -> None:
        """A worker's life: writes until it is told to end."""
        while (work := self._waiting.get()) is not None:
            work[0].write()
            self._written.append(work)
            if not self._is_loop_called:
                self._is_loop_called = True
                self._loop.call_soon_threadsafe(self._settle_written)

    def _settle_written(self) -> None:
        # First the flag: what a worker adds behind this is either seen below, or it calls again.
        self._is_loop_called = False
        while self._written:
            append, writing = self._written.popleft()
            self.unsettled -= 1
            append.settle()
            writing.complete(is_expired=False)

    def close(self) -> None:
        """Waits for what is being written, and takes it into its logs."""
        for _ in self._workers:
            self._waiting.put(None)
        for worker in self._workers:
            worker.join()
        self._workers.clear()
        self._settle_written()
