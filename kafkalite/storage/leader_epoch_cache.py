"""The leader epochs of one partition and the offset at which each began (leader-epoch-checkpoint).

Epochs and start offsets rise from entry to entry. The file is written and synced with the log (see log_flush), not when
an entry is added: behind the recovery point a recovery finds the epochs in the batches themselves, and where the log's
start has moved, opening the log cuts the entries again. So the first records of a thousand partitions wait for no file.
"""

from __future__ import annotations

import logging
from bisect import bisect_right

from kafkalite.storage.checkpoint_files import (
    CorruptCheckpointError,
    EpochEntry,
    read_epoch_checkpoint,
    write_epoch_checkpoint,
)
from kafkalite.storage.filesystem import FileSystem

_logger = logging.getLogger(__name__)


class LeaderEpochFileCache:
    """Which epoch an offset belongs to, and where an epoch ends."""

    __slots__ = ("_entries", "_filesystem", "_is_unwritten", "is_dirty", "latest_epoch", "path", "written_epoch")

    def __init__(self, filesystem: FileSystem, path: str) -> None:
        self._filesystem = filesystem
        self.path = path
        self._entries: list[EpochEntry] = []
        self.latest_epoch = -1
        self.written_epoch = -1
        """The latest epoch of which records have been written."""
        self.is_dirty = False
        """Whether the file lacks what is known here, or has not been synced since it was written."""
        self._is_unwritten = False

    @classmethod
    def load(cls, filesystem: FileSystem, path: str) -> LeaderEpochFileCache:
        """Reads the file; one that is damaged counts as empty, with a log line (the batches name their epochs)."""
        cache = cls(filesystem, path)
        try:
            for entry in read_epoch_checkpoint(filesystem, path):
                cache._assign(entry)
        except CorruptCheckpointError as error:
            _logger.warning("Leader epochs are taken from the log: %s", error)
            cache._entries.clear()
        cache._update_latest()
        cache.written_epoch = cache.latest_epoch
        return cache

    def entries(self) -> list[EpochEntry]:
        return list(self._entries)

    def assign(self, epoch: int, start_offset: int) -> None:
        """Notes that `epoch` begins at `start_offset`, unless it has begun already. Entries that contradict go."""
        if epoch < 0 or start_offset < 0:
            raise ValueError(f"invalid leader epoch entry: epoch {epoch}, start offset {start_offset}")
        if self._assign(EpochEntry(epoch, start_offset)) or self.written_epoch < epoch:
            self._update_latest()
            self._note_change()

    def begin(self, epoch: int, start_offset: int) -> None:
        """As `assign`, for an epoch without records, which needs no file: thousands of logs begin one at a start."""
        if self._assign(EpochEntry(epoch, start_offset)):
            self._update_latest()

    def _assign(self, new: EpochEntry) -> bool:
        entries = self._entries
        if entries and entries[-1].epoch == new.epoch and new.start_offset >= entries[-1].start_offset:
            return False
        while entries and (entries[-1].epoch >= new.epoch or entries[-1].start_offset >= new.start_offset):
            entries.pop()
        entries.append(new)
        return True

    def _update_latest(self) -> None:
        self.latest_epoch = self._entries[-1].epoch if self._entries else -1

    def _note_change(self) -> None:
        self.written_epoch = self.latest_epoch
        self.is_dirty = self._is_unwritten = True

    def write(self) -> None:
        """Brings the file up to what is known here, not to the disk. Raises OSError."""
        if self._is_unwritten:
            write_epoch_checkpoint(self._filesystem, self.path, self._entries, sync=False)
            self._is_unwritten = False

    def epoch_for_offset(self, offset: int) -> int | None:
        """The epoch of the record at `offset`, None if it lies before all that is known."""
        epoch = None
        for entry in self._entries:
            if entry.start_offset > offset:
                break
            epoch = entry.epoch
        return epoch

    def end_offset_for(self, requested_epoch: int, log_end_offset: int) -> EpochEntry:
        """The largest epoch up to the requested one, and the offset at which it ended; (-1, -1) for an unknown one."""
        entries = self._entries
        if requested_epoch == -1 or not entries:
            return EpochEntry(-1, -1)
        if entries[-1].epoch == requested_epoch:
            return EpochEntry(requested_epoch, log_end_offset)
        slot = bisect_right(entries, requested_epoch, key=lambda entry: entry.epoch)
        if slot == len(entries):
            return EpochEntry(-1, -1)
        end_offset = entries[slot].start_offset
        return EpochEntry(entries[slot - 1].epoch if slot else requested_epoch, end_offset)

    def truncate_from_end(self, end_offset: int) -> None:
        """Forgets epochs that begin at `end_offset` or behind it."""
        entries = self._entries
        kept = [entry for entry in entries if entry.start_offset < end_offset]
        if len(kept) != len(entries):
            self._replace(kept)

    def truncate_from_start(self, start_offset: int) -> None:
        """Forgets epochs that ended before `start_offset`; the one it lies in begins there from now on."""
        entries = self._entries
        slot = bisect_right(entries, start_offset, key=lambda entry: entry.start_offset)
        if slot and (slot > 1 or entries[0].start_offset != start_offset):
            self._replace([EpochEntry(entries[slot - 1].epoch, start_offset), *entries[slot:]])

    def clear(self) -> None:
        if self._entries:
            self._replace([])

    def _replace(self, entries: list[EpochEntry]) -> None:
        self._entries = entries
        self._update_latest()
        self._note_change()
