"""One of `log.dirs`: its lock, its meta.properties, and which logs lie in it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

from kafkalite.identifiers import CLUSTER_METADATA_TOPIC, Uuid
from kafkalite.storage.clean_shutdown_file import remove_clean_shutdown_file
from kafkalite.storage.file_names import LOCK_FILE, META_PROPERTIES_FILE, LogDirectoryName, parse_directory_name
from kafkalite.storage.filesystem import DirectoryLock, FileSystem
from kafkalite.storage.meta_properties import MetaProperties, read_meta_properties

_logger = logging.getLogger(__name__)

_REMOTE_INDEX_CACHE_DIRECTORY = "remote-log-index-cache"


_WANT_OF_ROOM = (errno.ENOSPC, errno.EDQUOT)
_PASSING_ERRORS = (*_WANT_OF_ROOM, errno.EMFILE, errno.ENFILE, errno.EINTR)


def is_want_of_room(error: OSError) -> bool:
    """Whether nothing but room is missing, which may be there again later."""
    return error.errno in _WANT_OF_ROOM


def is_final(error: OSError, *, is_sync: bool) -> bool:
    """Whether a log directory is given up for this error.

    A full disk may have room again, and descriptors come back. Not so after a failed sync, whatever the error: what it
    did not write, the next one may pass over in silence.
    """
    return is_sync or error.errno not in _PASSING_ERRORS


class LogDirectoryError(Exception):
    """A log directory that cannot be used, so that the start must stop; the text is for the operator."""


class UnusableLogDirectoryError(LogDirectoryError):
    """A log directory that cannot be made, locked or read: a broker with others goes on without it."""


class LogDirectory:
    """A log directory; `path` without a slash at its end."""

    __slots__ = (
        "had_clean_shutdown",
        "has_unread_logs",
        "is_changed",
        "is_online",
        "lock",
        "meta_properties",
        "path",
    )

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or "/"
        self.lock: DirectoryLock | None = None
        self.meta_properties: MetaProperties | None = None
        self.is_online = True
        self.had_clean_shutdown = False
        self.is_changed = False
        """Whether files of logs may have been written since the start, and the clean-shutdown file is gone."""
        self.has_unread_logs = False

    @property
    def directory_id(self) -> Uuid | None:
        return None if self.meta_properties is None else self.meta_properties.directory_id

    def open(self, filesystem: FileSystem) -> None:
        """Makes the directory if it is missing, takes its lock, reads its meta.properties.

        Raises UnusableLogDirectoryError, LogDirectoryError where another process holds the lock, MetaPropertiesError.
        """
        try:
            filesystem.make_directories(self.path)
            self.lock = filesystem.lock(f"{self.path}/{LOCK_FILE}")
            if self.lock is None:
                raise LogDirectoryError(
                    f"Failed to acquire lock on file .lock in {self.path}. A Kafka instance in another process or "
                    "thread is using this directory."
                )
            self.meta_properties = read_meta_properties(filesystem, self.path)
        except OSError as error:
            raise UnusableLogDirectoryError(f"Cannot use log directory {self.path}: {error.strerror}") from error

    def begin_changes(self, filesystem: FileSystem) -> None:
        """To be called before the first file of a log is changed: from here on the end has to be clean again. Raises
        OSError."""
        if not self.is_changed:
            remove_clean_shutdown_file(filesystem, self.path)
            self.is_changed = True

    def has_gone(self, filesystem: FileSystem) -> bool:
        """Whether it was removed, unmounted or closed to this process: neither of its own two files can be seen."""
        return not any(filesystem.exists(f"{self.path}/{name}") for name in (LOCK_FILE, META_PROPERTIES_FILE))

    def release_lock(self) -> None:
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def log_names(self, filesystem: FileSystem) -> Iterator[LogDirectoryName]:
        """What lies in the directory: logs, logs on their way out, unfinished copies; not the metadata log.

        Raises OSError.
        """
        for name in sorted(filesystem.list_directory(self.path)):
            path = f"{self.path}/{name}"
            parsed = parse_directory_name(name)
            if parsed is None:
                if name != _REMOTE_INDEX_CACHE_DIRECTORY and filesystem.is_directory(path):
                    _logger.warning("Leaving %s alone, which is no log (Apache Kafka would not start)", path)
            elif parsed.topic_partition.topic != CLUSTER_METADATA_TOPIC and filesystem.is_directory(path):
                if parsed.kind == "stray":
                    _logger.warning("Leaving the stray log %s alone", path)
                else:
                    yield parsed
