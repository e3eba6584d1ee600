"""What follows when a log directory fails: its partitions have no leader any more, or the broker has to end.

As in Apache Kafka the metadata learns in one batch which partitions are offline (`PartitionChangeRecord`s without a
leader) and which directories are left (`BrokerRegistrationChangeRecord`). A broker whose last log directory has failed,
or the one with its metadata, ends; so does one that cannot write those records within `log.dir.failure.timeout.ms`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from kafkalite.broker.clock import Clock, Timer
from kafkalite.broker.metadata_store import MetadataStore
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.metadata.cluster_control import take_directories_offline
from kafkalite.storage.log_directory import LogDirectory, is_final
from kafkalite.storage.log_manager import LogManager

logger = logging.getLogger("kafkalite.log_dirs")

RETRY_INTERVAL_MS: Final = 1_000


class Resigning(Protocol):
    """Somebody who works on partitions' logs and lets go of those that are offline."""

    def resign_offline(self) -> None: ...


class LogDirFailureHandler:
    """Takes the log manager's reports. What has to be done is done in the loop's next round: a report may come from the
    midst of an append or of a change of the metadata."""

    def __init__(
        self,
        logs: LogManager,
        metadata: MetadataStore,
        metadata_log_dir: str,
        clock: Clock,
        *,
        timeout_ms: int,
        resigning: Iterable[Resigning],
        on_offline: Callable[[TopicPartition], Any],
        on_fatal: Callable[[str], Any],
    ) -> None:
        """`on_offline` is told of each partition without a log, `on_fatal` why the broker cannot go on. `resigning` are
        those who are there when it happens."""
        self._logs = logs
        self._metadata = metadata
        self._metadata_log_dir = metadata_log_dir
        is_own = logs.directories.at(metadata_log_dir) is None
        self._own_metadata_log_dir = LogDirectory(metadata_log_dir) if is_own else None
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._resigning = resigning
        self._on_offline = on_offline
        self._on_fatal = on_fatal
        self._timer: Timer | None = None
        self._failed_at_ms = 0
        self._is_closed = False

    def on_failure(self, directory: LogDirectory) -> None:
        """A directory has gone offline (`LogManager.on_directory_failure`)."""
        if self._timer is None and not self._is_closed:
            self._failed_at_ms = self._clock.steady_ms()
            self._timer = self._clock.call_later(0, self._handle)

    def on_metadata_failure(self, error: OSError, is_sync: bool) -> None:
        """The metadata log could not be written (`MetadataStore.on_failure`)."""
        if not is_final(error, is_sync=is_sync):
            return
        own = self._own_metadata_log_dir
        if own is None:
            self._logs.fail_directory(self._metadata_log_dir)
        elif own.is_online:
            own.is_online = False
            self.on_failure(own)

    def check_directories(self) -> None:
        """Looks whether all directories are still there, also one that holds nothing but the metadata."""
        self._logs.check_directories()
        directory = self._own_metadata_log_dir
        if directory is not None and directory.is_online and directory.has_gone(self._logs.context.filesystem):
            directory.is_online = False
            self.on_failure(directory)

    def close(self) -> None:
        """The broker stops."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def reason_to_end(self) -> str | None:
        """Why a broker with what is left cannot go on."""
        directories = self._logs.directories
        if not directories.online():
            return f"all log dirs in {', '.join(directory.path for directory in directories)} have failed"
        own = self._own_metadata_log_dir
        if any(
            directory.path == self._metadata_log_dir and not directory.is_online
            for directory in (directories if own is None else [own])
        ):
            return f"the metadata log dir {self._metadata_log_dir} has failed"
        return None

    def _handle(self) -> None:
        self._timer = None
        reason = self.reason_to_end()
        if reason is not None:
            self._on_fatal(reason)
            return
        for one in self._resigning:
            one.resign_offline()
        for topic_partition in self._logs.offline_partitions:
            self._on_offline(topic_partition)
        self._tell()

    def _tell(self) -> None:
        self._timer = None
        store = self._metadata
        failed = [one.directory_id for one in self._logs.directories if not one.is_online]
        known = [directory for directory in failed if directory is not None]
        try:
            store.append(take_directories_offline(store.written_image, store.node_id, known))
        except KafkaError as error:
            if self._clock.steady_ms() - self._failed_at_ms >= self._timeout_ms:
                self._on_fatal(f"the metadata cannot be told which log dirs have failed: {error}")
            else:
                logger.error("The metadata cannot be told yet which log dirs have failed: %s", error)
                self._timer = self._clock.call_later(RETRY_INTERVAL_MS, self._tell)
