"""Group commit of the metadata log: changes that are written wait here for their sync, and become visible in order.

A change is written to the log first; it is committed when the log is on the disk, and only then replayed, so that
nobody sees what a loss of power would take back. One sync runs at a time, in a worker thread, while the loop goes on;
it serves all changes that were written before it began. What a committed change brings with it (a thousand new logs) is
done in steps between which the loop serves its connections; the next change waits until it is done.

Whoever cannot wait for the loop `drain`s: then all of it happens at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future as WorkerFuture
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kafkalite.errors import KafkaError
from kafkalite.protocol.metadata_record import MetadataRecord

_logger = logging.getLogger(__name__)

_DONE: Final = object()


class WrittenChange:
    """Records that are in the log, up to `end_offset`; `committed` is told the error where they could not be synced."""

    __slots__ = ("committed", "end_offset", "failure", "is_running", "is_visible", "records", "steps")

    def __init__(
        self,
        records: Sequence[MetadataRecord],
        end_offset: int,
        committed: asyncio.Future[KafkaError | None] | None = None,
    ) -> None:
        self.records = records
        self.end_offset = end_offset
        self.committed = committed
        self.steps: Iterator[None] | None = None
        self.is_running = False
        self.is_visible = False
        """Whether the image has it: set by whoever carries it out."""
        self.failure: Exception | None = None
        """What went wrong in carrying it out: a fault of the program, not of the disk."""

    def complete(self, error: KafkaError | None) -> None:
        """Tells whoever waits; the client may have gone meanwhile."""
        if self.committed is None or self.committed.done():
            if self.failure is not None:
                _logger.error("A change of the metadata was not carried out", exc_info=self.failure)
        elif self.failure is not None:
            self.committed.set_exception(self.failure)
        else:
            self.committed.set_result(error)


class MetadataCommits:
    """The changes between their write and their end."""

    def __init__(
        self,
        sync: Callable[[], None],
        apply: Callable[[WrittenChange], Iterator[None]],
        on_failure: Callable[[OSError], KafkaError],
    ) -> None:
        """`sync` puts what is written on the disk, in any thread; `apply` makes a committed change visible, in steps;
        `on_failure` is told of a sync that has failed, and gives the error of the changes that it was for."""
        self._sync = sync
        self._apply = apply
        self._on_failure = on_failure
        self._worker: ThreadPoolExecutor | None = None
        self._unsynced: list[WrittenChange] = []
        self._syncing: WorkerFuture[OSError | None] | None = None
        self._in_sync: list[WrittenChange] = []
        self._synced: deque[WrittenChange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_draining = False

    def __bool__(self) -> bool:
        """Whether there are changes that have been written, and not yet been carried out."""
        return bool(self._unsynced or self._in_sync or self._synced)

    def invisible(self) -> Iterator[WrittenChange]:
        """The changes that are not committed, or not visible yet, in their order."""
        yield from (change for change in self._synced if not change.is_visible)
        yield from self._in_sync
        yield from self._unsynced

    def add(self, change: WrittenChange) -> None:
        """Takes a change that was just written: it will be synced with all others of this round of the loop."""
        self._unsynced.append(change)
        if self._task is None and not self._is_draining:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self:
                if self._synced:
                    change = self._synced[0]
                    if self._step(change):
                        self._end(change)
                    else:
                        await asyncio.sleep(0)
                else:
                    syncing = self._begin_sync()
                    ended = asyncio.wrap_future(syncing)
                    await asyncio.wait([ended])
                    ended.exception()  # taken note of; it is dealt with once, here or by whoever could not wait
                    if self._syncing is syncing:
                        self._end_sync()
        except BaseException as error:
            waiting = [change.committed for change in [*self._synced, *self._in_sync, *self._unsynced]]
            told = [committed for committed in waiting if committed is not None and not committed.done()]
            for committed in told:
                committed.set_exception(error)
            if not told:
                raise
        finally:
            self._task = None

    def drain(self) -> None:
        """Returns when all that has been written is on the disk and visible. Changes that are being carried out by
        whoever calls this are left to it."""
        self._is_draining = True
        try:
            self.wait_for_sync()
            while self._unsynced or any(not change.is_running for change in self._synced):
                if self._unsynced:
                    self._in_sync, self._unsynced = self._unsynced, []
                    self._take_outcome(self._try_sync())
                for change in list(self._synced):
                    if not change.is_running:
                        while not self._step(change):
                            pass
                        self._end(change)
        finally:
            self._is_draining = False

    def wait_for_sync(self) -> None:
        """No sync runs when this returns; the log's files may be changed."""
        if self._syncing is not None:
            self._end_sync()

    def close(self) -> None:
        """Ends the worker; `drain` comes first."""
        if self._task is not None:
            self._task.cancel()
        if self._worker is not None:
            self._worker.shutdown()

    def _try_sync(self) -> OSError | None:
        try:
            self._sync()
        except OSError as error:
            return error
        return None

    def _begin_sync(self) -> WorkerFuture[OSError | None]:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafkalite-metadata")
        self._in_sync, self._unsynced = self._unsynced, []
        self._syncing = self._worker.submit(self._try_sync)
        return self._syncing

    def _end_sync(self) -> None:
        syncing, self._syncing = self._syncing, None
        assert syncing is not None
        self._take_outcome(syncing.result())

    def _take_outcome(self, error: OSError | None) -> None:
        """What was written behind changes that failed fails with them: nothing is known of the disk any more."""
        if error is None:
            self._synced.extend(self._in_sync)
            self._in_sync = []
            return
        failed = self._in_sync + self._unsynced
        self._in_sync, self._unsynced = [], []
        refusal = self._on_failure(error)
        for change in failed:
            change.complete(refusal)

    def _step(self, change: WrittenChange) -> bool:
        """Does the next step of a committed change; whether it was the last one."""
        change.is_running = True
        try:
            if change.steps is None:
                change.steps = self._apply(change)
            return next(change.steps, _DONE) is _DONE
        except Exception as failure:
            change.failure = failure
            return True
        finally:
            change.is_running = False

    def _end(self, change: WrittenChange) -> None:
        if change in self._synced:
            self._synced.remove(change)
            change.complete(None)
