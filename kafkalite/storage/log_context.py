"""What all logs of one manager share: the file system, its open files, the files that wait for their removal."""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.storage.filesystem import File, FileSystem, remove_if_exists
from kafkalite.storage.write_pace import WritePace

_logger = logging.getLogger(__name__)

DEFAULT_PRODUCER_ID_EXPIRATION_MS: Final = 24 * 3600 * 1000
_MAX_OPEN_FILES: Final = 8192
DEFAULT_MAX_INDEX_BYTES: Final = 32 << 20


def _default_max_open_files() -> int:
    """Half of the descriptors that the process may have: the others are for connections."""
    try:
        import resource
    except ImportError:
        return _MAX_OPEN_FILES
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MAX_OPEN_FILES if limit < 0 else min(_MAX_OPEN_FILES, limit // 2)


class PendingDeletion(NamedTuple):
    """A file, renamed to `.deleted` already, or a whole directory that goes away at `due_ms`."""

    due_ms: int
    path: str
    is_directory: bool


class LoadingInterruptedError(Exception):
    """The broker is told to stop while its logs are being loaded."""


class LogContext:
    """Shared by the logs of a manager; a log that is opened alone gets one of its own."""

    __slots__ = (
        "_deleted_at_ms",
        "_index_bytes",
        "_open_count",
        "filesystem",
        "is_loading_interrupted",
        "is_read_only",
        "is_transaction_verification_enabled",
        "max_index_bytes",
        "max_open_files",
        "note_records_deleted",
        "note_recovered",
        "on_change",
        "pending_deletions",
        "producer_id_expiration_ms",
        "release_files",
        "release_indexes",
        "report_failure",
        "write_pace",
    )

    def __init__(
        self,
        filesystem: FileSystem,
        *,
        producer_id_expiration_ms: int = DEFAULT_PRODUCER_ID_EXPIRATION_MS,
        is_transaction_verification_enabled: bool = True,
        max_open_files: int | None = None,
    ) -> None:
        self.filesystem = filesystem
        self.producer_id_expiration_ms = producer_id_expiration_ms
        self.is_transaction_verification_enabled = is_transaction_verification_enabled
        self.max_open_files = _default_max_open_files() if max_open_files is None else max_open_files
        self.pending_deletions: deque[PendingDeletion] = deque()
        self.release_files: Callable[[bool], int] = lambda is_out: 0
        """Lets go of descriptors that can be opened again, of all of them where none is left (`is_out`); returns how
        many are still held."""
        self.release_indexes: Callable[[], None] = lambda: None
        """Forgets the indexes of inactive segments."""
        self.report_failure: Callable[[str, OSError, bool], None] = lambda directory, error, is_sync: None
        """Told of every failed system call, with the log.dir and whether it was a sync."""
        self.note_records_deleted: Callable[[str], None] = lambda directory: None
        """Told that DeleteRecords has moved the start of a log in this log.dir."""
        self.on_change: Callable[[str], None] | None = None
        """While logs are loaded: told of a log.dir before a file of a log in it is made or changed (`note_change`)."""
        self.note_recovered: Callable[[TopicPartition, int, int], None] | None = None
        """While logs are loaded: told how many bytes of a log have been recovered, and of how many."""
        self.is_loading_interrupted = False
        """Set from another thread: whoever loads logs gives up at the next batch (`check_loading`)."""
        self.is_read_only = False
        """Whether nothing may be appended yet: there was no room to record this start, and with it the leader epoch
        that appends would carry."""
        self._deleted_at_ms = 0
        self._open_count = 0
        self._index_bytes = 0
        self.max_index_bytes = DEFAULT_MAX_INDEX_BYTES
        self.write_pace = WritePace()

    def open_file(self, path: str, *, create: bool = False) -> File:
        """Opens a segment's file, making room first where there are too many open ones."""
        if self._open_count >= self.max_open_files:
            self._open_count = self.release_files(False)
        try:
            file = self.filesystem.open(path, create=create)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            _logger.warning("Out of file descriptors: closing those of segments")
            self._open_count = self.release_files(True)
            file = self.filesystem.open(path, create=create)
        self._open_count += 1
        return file

    def check_writable(self) -> None:
        """Raises KAFKA_STORAGE_ERROR where nothing may be appended yet."""
        if self.is_read_only:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "There is no room on the disk to record the broker's start")

    def note_change(self, directory: str) -> None:
        """To be called before a file in a log's directory is made or changed, but for appends. Raises OSError."""
        if self.on_change is not None:
            self.on_change(directory.rpartition("/")[0])

    def check_loading(self) -> None:
        """Raises LoadingInterruptedError where loading has been interrupted."""
        if self.is_loading_interrupted:
            raise LoadingInterruptedError

    def note_loaded_indexes(self, size: int) -> None:
        """Counts the index entries that reads have brought into memory, and lets them go where there are too many."""
        self._index_bytes += size
        if self._index_bytes > self.max_index_bytes:
            self._index_bytes = 0
            self.release_indexes()

    def delete_later(self, path: str, due_ms: int, *, is_directory: bool = False) -> None:
        self.pending_deletions.append(PendingDeletion(due_ms, path, is_directory))

    def delete_due(self, now_ms: int) -> int:
        """Removes what has waited long enough; returns the number of files and directories removed."""
        return self.remove(self.take_due(now_ms))

    def take_due(self, now_ms: int) -> list[PendingDeletion]:
        """What has waited long enough, for whoever `remove`s it: it waits no longer."""
        due: list[PendingDeletion] = []
        waiting: deque[PendingDeletion] = deque()
        pending = self.pending_deletions
        # Where the clock was set back since the last look, what waits does not wait until it has caught up.
        set_back_ms = max(0, self._deleted_at_ms - now_ms)
        self._deleted_at_ms = now_ms
        while pending:
            deletion = pending.popleft()
            if set_back_ms:
                deletion = deletion._replace(due_ms=deletion.due_ms - set_back_ms)
            if deletion.due_ms > now_ms:
                waiting.append(deletion)
            else:
                due.append(deletion)
        self.pending_deletions = waiting
        return due

    def remove(self, deletions: Iterable[PendingDeletion]) -> int:
        """Removes files and directories, from any thread; returns how many were there."""
        removed = 0
        for deletion in deletions:
            try:
                if not deletion.is_directory:
                    removed += remove_if_exists(self.filesystem, deletion.path)
                elif self.filesystem.is_directory(deletion.path):
                    self.filesystem.remove_tree(deletion.path)
                    removed += 1
            except OSError as error:
                _logger.error("Cannot remove %s: %s", deletion.path, error)
        return removed
