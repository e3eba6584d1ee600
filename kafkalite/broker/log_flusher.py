"""Group commit: what must be on the disk before it is answered (flush.messages, DeleteRecords) waits here together.

One sync runs at a time, in a worker thread; what arrives meanwhile waits for the next one, which serves all of it. So a
disk that syncs a hundred times a second does not limit how many producers are answered in that second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kafkalite.errors import KafkaError
from kafkalite.storage.log_checkpoints import CheckpointWrite, write_all
from kafkalite.storage.log_flush import LogFlush, prepare_flush, sync_all
from kafkalite.storage.partition_log import PartitionLog

Waiting = asyncio.Future[KafkaError | None]


class LogFlusher:
    """Flushes logs on behalf of requests that wait for it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._waiting: dict[PartitionLog, list[Waiting]] = {}
        self._is_running = False
        self._worker: ThreadPoolExecutor | None = None

    def flush(self, log: PartitionLog) -> Waiting:
        """Done when all that is in the log now is on the disk; its result is the error where that has failed."""
        loop = asyncio.get_running_loop()
        waiting: Waiting = loop.create_future()
        self._waiting.setdefault(log, []).append(waiting)
        if not self._is_running:
            self._is_running = True
            loop.call_soon(self._run)  # with all others that the loop finds ready in this round
        return waiting

    def write_checkpoints(self, writes: list[CheckpointWrite]) -> asyncio.Future[list[OSError | None]]:
        """Done when the files are replaced and synced; the result has the outcome of each."""
        return asyncio.get_running_loop().run_in_executor(self._start_worker(), write_all, writes)

    def close(self) -> None:
        """Waits for a sync that is running; nobody may wait for one any more."""
        if self._worker is not None:
            self._worker.shutdown()

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, {}
        flushes: list[tuple[LogFlush, list[Waiting]]] = []
        for log, futures in waiting.items():
            try:
                flush = prepare_flush(log)
            except KafkaError as error:
                _complete(futures, error)
                continue
            if flush is None:
                _complete(futures, None)
            else:
                flushes.append((flush, futures))
        if not flushes:
            self._is_running = False
            return
        work = [flush for flush, _ in flushes]
        syncing = asyncio.get_running_loop().run_in_executor(self._start_worker(), sync_all, work)
        syncing.add_done_callback(lambda done: self._finish(flushes, done.result()))

    def _start_worker(self) -> ThreadPoolExecutor:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafkalite-commit")
        return self._worker

    def _finish(self, flushes: list[tuple[LogFlush, list[Waiting]]], outcomes: list[OSError | None]) -> None:
        for (flush, futures), error in zip(flushes, outcomes, strict=True):
            if error is None:
                flush.finish(self._now_ms())
                _complete(futures, None)
            else:
                _complete(futures, flush.fail(error))
        if self._waiting:
            self._run()
        else:
            self._is_running = False


def _complete(futures: list[Waiting], error: KafkaError | None) -> None:
    for future in futures:
        if not future.done():  # the connection may have gone
            future.set_result(error)
