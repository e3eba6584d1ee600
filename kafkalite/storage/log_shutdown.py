"""Closing the logs of a log directory so that the next start need not check them.

The order is what makes the clean-shutdown file true: the logs and their indexes are synced, then recovery points move
and producer snapshots are written and synced, then the checkpoints, and the clean-shutdown file comes last.
"""

from __future__ import annotations

from kafkalite.storage.clean_shutdown_file import write_clean_shutdown_file
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_checkpoints import LogCheckpoints
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.log_flush import LogFlush, prepare_flush
from kafkalite.storage.partition_log import PartitionLog

_LOGS_SYNCED_ONE_BY_ONE = 32
"""With more of them it is quicker to sync the whole volume."""


def close_logs(
    filesystem: FileSystem,
    directory: LogDirectory,
    logs: list[PartitionLog],
    checkpoints: LogCheckpoints,
    *,
    now_ms: int,
    broker_epoch: int,
) -> None:
    """Syncs and closes all logs of a directory; leaves the clean-shutdown file where nothing in it is left unread.

    Raises OSError, KafkaError: there is no clean-shutdown file then.
    """
    syncs_volume = len(logs) > _LOGS_SYNCED_ONE_BY_ONE
    flushes = []
    for log in logs:
        log.close()
        flush = prepare_flush(log, with_checkpoint=True, syncs_volume=syncs_volume)
        if flush is not None:
            flushes.append(flush)
            if not syncs_volume:
                flush.sync()
        log.release_files(with_active=True)
    if syncs_volume and flushes:
        filesystem.sync_volume(directory.path)
    for flush in flushes:
        flush.finish(now_ms)
    _sync_snapshots(filesystem, directory, flushes, syncs_volume)
    for write in checkpoints.prepare_all_in(directory):
        write.write()
    if directory.is_online and (directory.had_clean_shutdown or not directory.has_unread_logs):
        write_clean_shutdown_file(filesystem, directory.path, broker_epoch)


def _sync_snapshots(
    filesystem: FileSystem, directory: LogDirectory, flushes: list[LogFlush], syncs_volume: bool
) -> None:
    paths = [path for flush in flushes if (path := flush.snapshot_path()) is not None]
    if syncs_volume and paths:
        filesystem.sync_volume(directory.path)
        return
    for path in paths:
        file = filesystem.open(path)
        try:
            file.sync()
        finally:
            file.close()
        filesystem.sync_directory(path.rpartition("/")[0])
