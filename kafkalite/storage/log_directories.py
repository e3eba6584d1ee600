"""The log directories of a broker (log.dirs): opened together, found by path or id, online or not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import overload

from kafkalite.identifiers import Uuid
from kafkalite.storage.clean_shutdown_file import read_clean_shutdown_broker_epoch
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_directory import LogDirectory, LogDirectoryError, UnusableLogDirectoryError
from kafkalite.storage.meta_properties import MetaPropertiesError

_logger = logging.getLogger(__name__)


class LogDirectories(Sequence[LogDirectory]):
    """All log directories, in the order of log.dirs."""

    def __init__(self, filesystem: FileSystem, paths: Sequence[str]) -> None:
        if not paths:
            raise ValueError("no log directories")
        self._filesystem = filesystem
        self._directories = [LogDirectory(path) for path in paths]

    def __len__(self) -> int:
        return len(self._directories)

    def __iter__(self) -> Iterator[LogDirectory]:
        return iter(self._directories)

    @overload
    def __getitem__(self, index: int) -> LogDirectory: ...
    @overload
    def __getitem__(self, index: slice) -> list[LogDirectory]: ...
    def __getitem__(self, index: int | slice) -> LogDirectory | list[LogDirectory]:
        return self._directories[index]

    def open(self, metadata_log_dir: str | None = None) -> None:
        """Makes missing directories, takes their locks, reads their meta.properties.

        One that cannot be used is offline, as in Apache Kafka. Raises LogDirectoryError, MetaPropertiesError when none
        can be used, or not the one with the metadata, and when another process holds one.
        """
        paths = [directory.path for directory in self._directories]
        for path in paths:
            if paths.count(path) > 1:
                raise LogDirectoryError(f"Duplicate log directory found: {path}")
        try:
            failures: list[Exception] = []
            for directory in self._directories:
                try:
                    directory.open(self._filesystem)
                except (UnusableLogDirectoryError, MetaPropertiesError) as error:
                    if directory.path == metadata_log_dir:
                        raise
                    failures.append(error)
                    directory.is_online = False
                    directory.release_lock()
            if len(failures) == len(self._directories):
                raise failures[0]
            self._check_ids()
            for failure in failures:
                _logger.error("Going on without it: %s", failure)
        except BaseException:
            self.release_locks()
            raise

    def _check_ids(self) -> None:
        """Refuses a directory that is mounted twice, or a copy of another one. Raises LogDirectoryError."""
        paths: dict[Uuid, str] = {}
        for directory in self.online():
            if directory.directory_id is None:
                continue
            first = paths.setdefault(directory.directory_id, directory.path)
            if first != directory.path:
                raise LogDirectoryError(
                    f"Duplicate directory ID {directory.directory_id} found. It was the ID of {first}, but also of "
                    f"{directory.path}"
                )

    def release_locks(self) -> None:
        """Gives the directories free; everything else stays as it is."""
        for directory in self._directories:
            directory.release_lock()

    def at(self, path: str) -> LogDirectory | None:
        """The directory with this path."""
        return next((directory for directory in self._directories if directory.path == path), None)

    def online(self) -> list[LogDirectory]:
        """Those that can be used."""
        return [directory for directory in self._directories if directory.is_online]

    @property
    def has_offline(self) -> bool:
        """Whether logs may lie in a log directory that cannot be looked into."""
        return not all(directory.is_online for directory in self._directories)

    def has_id(self, directory_id: Uuid) -> bool:
        """Whether one of the log directories, online or not, has this id."""
        return any(directory.directory_id == directory_id for directory in self._directories)

    def has_online_id(self, directory_id: Uuid) -> bool:
        """Whether one of the log directories that can be used has this id."""
        return any(directory.directory_id == directory_id for directory in self.online())

    def clean_shutdown_broker_epoch(self) -> int | None:
        """The broker epoch under which all were left cleanly, None if they were not or disagree."""
        epochs = {read_clean_shutdown_broker_epoch(self._filesystem, directory.path) for directory in self.online()}
        return epochs.pop() if len(epochs) == 1 else None
