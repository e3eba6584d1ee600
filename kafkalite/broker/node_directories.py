"""The directories of a node at its start: log.dirs and metadata.log.dir, locked, of one cluster, formatted if new."""

from __future__ import annotations

from collections.abc import Sequence

from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.storage_formatter import DirectoryFormat, format_directories
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_directories import LogDirectories
from kafkalite.storage.log_directory import LogDirectory, LogDirectoryError
from kafkalite.storage.meta_properties import read_meta_properties


class NodeDirectories:
    """The log directories and the one of the metadata log, which may be a disk of its own."""

    def __init__(self, filesystem: FileSystem, log_directories: LogDirectories, metadata_log_dir: str) -> None:
        self._filesystem = filesystem
        self._log_directories = log_directories
        self._metadata_log_dir = metadata_log_dir
        self._apart: LogDirectory | None = None
        """The metadata's directory where it is none of the log directories."""

    def open(self) -> None:
        """Makes and locks what can be used of them. Raises LogDirectoryError, MetaPropertiesError."""
        self._log_directories.open(self._metadata_log_dir)
        if self._log_directories.at(self._metadata_log_dir) is None:
            self._apart = LogDirectory(self._metadata_log_dir)
            self._apart.open(self._filesystem)

    def format_new(self, node_id: int, controller_listeners: Sequence[tuple[str, str, int]], now_ms: int) -> str:
        """Formats those that are new; returns the cluster's id. Raises LogDirectoryError, FormatError."""
        directories = self._log_directories.online()
        if self._apart is not None:
            directories.append(self._apart)
        cluster_ids = {each.meta_properties.cluster_id for each in directories if each.meta_properties is not None}
        if len(cluster_ids) > 1:
            names = ", ".join(map(str, cluster_ids))
            raise LogDirectoryError(f"The log directories belong to different clusters: {names}")
        cluster_id = (cluster_ids.pop() if cluster_ids else None) or str(random_uuid())
        paths = [directory.path for directory in directories]
        try:
            format_directories(
                self._filesystem,
                paths,
                self._metadata_log_dir,
                DirectoryFormat(cluster_id, node_id, controller_listeners),
                now_ms=now_ms,
                random_uuid=random_uuid,
                is_synced=self._filesystem.is_durable,
            )
        except OSError as error:
            raise LogDirectoryError(f"Cannot format log directory {', '.join(paths)}: {error.strerror}") from error
        for directory in directories:
            directory.meta_properties = read_meta_properties(self._filesystem, directory.path)
        return cluster_id

    def release_metadata_lock(self) -> None:
        """Gives the metadata's own directory free; the log directories are the log manager's to release."""
        if self._apart is not None:
            self._apart.release_lock()
