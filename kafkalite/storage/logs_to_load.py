"""What a start finds in a log directory: the logs to be loaded, and what the directory's checkpoints say of each.

It takes the clean-shutdown file away at once, so that a start which is killed half-way counts as unclean.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition
from kafkalite.storage.checkpoint_files import CorruptCheckpointError
from kafkalite.storage.clean_shutdown_file import remove_clean_shutdown_file
from kafkalite.storage.file_names import LOG_START_OFFSET_CHECKPOINT_FILE, RECOVERY_POINT_CHECKPOINT_FILE
from kafkalite.storage.log_checkpoints import LogCheckpoints
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.partition_log import PartitionLog

_logger = logging.getLogger(__name__)


class LogToLoad(NamedTuple):
    """A log as it lies in its directory."""

    directory: LogDirectory
    name: str
    topic_partition: TopicPartition
    log_start_offset: int
    recovery_point: int

    def load(self, context: LogContext, topic_config: Callable[[str], TopicConfig], now_ms: int) -> PartitionLog:
        """Opens it, recovering it if its directory was not left cleanly. Raises OSError."""
        from kafkalite.storage.log_loader import load_log  # a new directory has nothing to load

        return load_log(
            context,
            f"{self.directory.path}/{self.name}",
            self.topic_partition,
            topic_config(self.topic_partition.topic),
            now_ms=now_ms,
            had_clean_shutdown=self.directory.had_clean_shutdown,
            log_start_offset=self.log_start_offset,
            recovery_point=self.recovery_point,
        )


def find_logs(
    context: LogContext, directory: LogDirectory, checkpoints: LogCheckpoints, now_ms: int
) -> list[LogToLoad]:
    """The directory's logs; notes in it whether it was left cleanly. What was on its way out goes. Raises OSError."""
    directory.had_clean_shutdown = remove_clean_shutdown_file(context.filesystem, directory.path)
    recovery_points = _read_checkpoint(checkpoints, directory, RECOVERY_POINT_CHECKPOINT_FILE)
    start_offsets = _read_checkpoint(checkpoints, directory, LOG_START_OFFSET_CHECKPOINT_FILE)
    checkpoints.note_stale(recovery_points.keys() | start_offsets.keys())
    found = []
    for topic_partition, kind, name in directory.log_names(context.filesystem):
        if kind == "current":
            start_offset = start_offsets.get(topic_partition, 0)
            recovery_point = recovery_points.get(topic_partition, 0)
            found.append(LogToLoad(directory, name, topic_partition, start_offset, recovery_point))
        else:  # deleted, or the copy of a move that has not come to its end
            context.delete_later(f"{directory.path}/{name}", now_ms, is_directory=True)
    return found


def read_logs(
    context: LogContext,
    work: Sequence[LogToLoad],
    topic_config: Callable[[str], TopicConfig],
    now_ms: int,
    on_progress: Callable[[int, int], None],
) -> Iterator[tuple[LogToLoad, PartitionLog | None]]:
    """Opens one log after the other; None for one that cannot be read. Raises LoadingInterruptedError."""
    for done, found in enumerate(work, 1):
        context.check_loading()
        log: PartitionLog | None = None
        try:
            log = found.load(context, topic_config, now_ms)
        except OSError as error:
            # One unreadable log neither keeps the others from being served nor is replaced by an empty one.
            directory = found.directory
            _logger.error("Error while loading log %s in dir %s: %s", found.topic_partition, directory.path, error)
            directory.has_unread_logs = True
        yield found, log
        on_progress(done, len(work))


def _read_checkpoint(checkpoints: LogCheckpoints, directory: LogDirectory, name: str) -> dict[TopicPartition, int]:
    try:
        return checkpoints.read(directory.path, name)
    except CorruptCheckpointError as error:
        _logger.warning("Going on without %s: %s", name, error)
        # Without recovery points everything is checked again.
        if name == RECOVERY_POINT_CHECKPOINT_FILE:
            directory.had_clean_shutdown = False
        return {}
