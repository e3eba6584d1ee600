"""What a start finds in a log directory: the logs to be loaded, and what the directory's checkpoints say of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.storage.checkpoint_files import CorruptCheckpointError
from kafkalite.storage.clean_shutdown_file import has_clean_shutdown_file
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
    is_future: bool = False
    """The copy of a move to this directory that has not come to its end."""

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
    """The directory's logs, copies that were on their way here too; notes in it whether it was left cleanly.

    What was on its way out goes. Raises OSError.
    """
    directory.had_clean_shutdown = has_clean_shutdown_file(context.filesystem, directory.path)
    recovery_points = _read_checkpoint(checkpoints, directory, RECOVERY_POINT_CHECKPOINT_FILE)
    start_offsets = _read_checkpoint(checkpoints, directory, LOG_START_OFFSET_CHECKPOINT_FILE)
    checkpoints.note_stale(recovery_points.keys() | start_offsets.keys())
    found = []
    for topic_partition, kind, name in directory.log_names(context.filesystem):
        if kind == "current":
            start_offset = start_offsets.get(topic_partition, 0)
            recovery_point = recovery_points.get(topic_partition, 0)
            found.append(LogToLoad(directory, name, topic_partition, start_offset, recovery_point))
        elif kind == "future":
            recovery_point = recovery_points.get(topic_partition, 0)
            found.append(LogToLoad(directory, name, topic_partition, 0, recovery_point, is_future=True))
        else:
            context.delete_later(f"{directory.path}/{name}", now_ms, is_directory=True)
    return found


def settle_copies(
    context: LogContext,
    found: Sequence[LogToLoad],
    is_stray: Callable[[TopicPartition, Uuid | None, LogDirectory], bool],
    is_assigned: Callable[[TopicPartition, LogDirectory], bool],
    now_ms: int,
) -> list[LogToLoad]:
    """The logs, and the copies of moves that were interrupted and can go on. Raises OSError.

    A copy whose original lies in another directory stays a copy. Where there is no original, it takes its place if the
    metadata already has the log in its directory, as Apache Kafka has it say once the copy has caught up; if not, it is
    left alone.
    """
    work = [each for each in found if not each.is_future]
    originals = {each.topic_partition: each.directory for each in work}
    copied: set[TopicPartition] = set()
    for copy in found:
        if not copy.is_future:
            continue
        topic_partition, directory = copy.topic_partition, copy.directory
        path = f"{directory.path}/{copy.name}"
        original = originals.get(topic_partition)
        if is_stray(topic_partition, None, directory) or original is directory or topic_partition in copied:
            _logger.info("Deleting %s, a copy of a log that nobody needs", path)
            context.delete_later(path, now_ms, is_directory=True)
        elif original is not None:
            work.append(copy)
            copied.add(topic_partition)
        elif is_assigned(topic_partition, directory):
            _logger.warning("%s takes the place of the log that it was copied from, which is not here", path)
            context.filesystem.rename(path, f"{directory.path}/{topic_partition}")
            context.filesystem.sync_directory(directory.path)
            work.append(copy._replace(name=str(topic_partition), is_future=False))
            originals[topic_partition] = directory
        else:
            _logger.warning("Leaving %s alone, a copy of a log that is not here", path)
    return work


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


def further_first(one: PartitionLog, other: PartitionLog) -> tuple[PartitionLog, PartitionLog]:
    """Two logs of one partition, the one first that has come further; a log line tells of it.

    A copy gets the partition's name when it has all that the original has, and only it is written to from then on.
    """
    if (other.log_end_offset, other.log_start_offset) > (one.log_end_offset, one.log_start_offset):
        one, other = other, one
    _logger.error(
        "Duplicate log directories for %s are found in both %s and %s, as a move leaves them that was interrupted at "
        "its end. Going on with the one in %s, from offset %d to %d; the other one, from %d to %d, is put aside",
        one.topic_partition,
        one.log_directory,
        other.log_directory,
        one.log_directory,
        one.log_start_offset,
        one.log_end_offset,
        other.log_start_offset,
        other.log_end_offset,
    )
    return one, other
