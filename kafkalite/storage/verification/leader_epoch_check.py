"""leader-epoch-checkpoint held against the epochs in the batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.checkpoint_files import EpochEntry


class LeaderEpochCheck:
    """Takes in the batches of a log in their order; complains once for each epoch."""

    def __init__(
        self,
        entries: Sequence[EpochEntry],
        log_start_offset: int,
        complain: Callable[[str, int | None], None],
        *,
        is_start_certain: bool = True,
    ) -> None:
        """What lies before the log's start has no entry; that start may have been moved back by a crash."""
        self._entries = list(entries)
        self._log_start_offset = log_start_offset
        if entries and not is_start_certain:
            self._log_start_offset = max(log_start_offset, entries[0].start_offset)
        self._complain = complain
        self._latest = -1
        self._limit = 0
        """The batches of the latest epoch are right up to this offset: the next entry begins there."""
        for previous, entry in pairwise(self._entries):
            if entry.epoch <= previous.epoch or entry.start_offset <= previous.start_offset:
                complain(f"entry {tuple(entry)} does not rise over {tuple(previous)}", entry.start_offset)

    def take_in(self, header: BatchHeader) -> str | None:
        """Returns what is wrong with the batch itself: an epoch below one before it."""
        epoch, offset = header.partition_leader_epoch, header.base_offset
        if epoch == self._latest and offset < self._limit:
            return None
        if header.last_offset < self._log_start_offset:
            return None
        offset = max(offset, self._log_start_offset)
        if epoch < 0:
            return None
        if epoch < self._latest:
            return f"its leader epoch is {epoch}, behind batches of epoch {self._latest}"
        is_new = epoch != self._latest
        self._latest = epoch
        expected = None
        self._limit = 1 << 63
        for entry in self._entries:
            if entry.start_offset > offset:
                self._limit = entry.start_offset
                break
            expected = entry
        if expected is None:
            if is_new:
                self._complain(f"it lacks epoch {epoch}, which the batch at offset {offset} has", offset)
        elif expected.epoch != epoch:
            self._complain(f"it has epoch {expected.epoch} for offset {offset}, whose batch says {epoch}", offset)
        return None
