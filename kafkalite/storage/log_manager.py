"""The logs of a broker: its log directories, their locks and checkpoints, and the steps that keep them (LogManager).

Opening goes in this order: `directories.open` (lock, meta.properties), then, once the metadata log has told which
topics there are, `read_logs` (slow, perhaps in a worker thread) and `put_into_service`. The steps of housekeeping are
driven from outside, which also gives the time: `cleanup_steps`, `flush_steps`, those of `checkpoints`,
`prepare_deletions`, `remove_expired_producers`. `close` syncs everything and leaves the clean-shutdown file.

`__cluster_metadata-0` lies in one of the directories too but is opened by the metadata store, not from here.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.storage.file_names import (
    DELETE_DIRECTORY_SUFFIX,
    FUTURE_DIRECTORY_SUFFIX,
    STRAY_DIRECTORY_SUFFIX,
    renamed_directory,
    unique_suffix,
)
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_checkpoints import LogCheckpoints
from kafkalite.storage.log_context import DEFAULT_PRODUCER_ID_EXPIRATION_MS, LogContext
from kafkalite.storage.log_directories import LogDirectories
from kafkalite.storage.log_directory import LogDirectory, is_final
from kafkalite.storage.log_flush import LogFlush
from kafkalite.storage.log_flush_scheduler import due_flush_steps
from kafkalite.storage.log_retention import retention_steps
from kafkalite.storage.log_shutdown import close_logs
from kafkalite.storage.logs_to_load import LogToLoad, find_logs, further_first, read_logs, settle_copies
from kafkalite.storage.partition_log import PartitionLog

if TYPE_CHECKING:
    from kafkalite.storage.log_cleaner_manager import LogCleanerManager

_logger = logging.getLogger(__name__)


class LoadedLogs(NamedTuple):
    """What loading found."""

    loaded: int
    recovered: int
    stray: list[str]
    """The directories that the metadata did not know, by their new names."""


class LogManager:
    """All logs, by topic partition."""

    def __init__(
        self,
        filesystem: FileSystem,
        log_dirs: Sequence[str],
        *,
        producer_id_expiration_ms: int = DEFAULT_PRODUCER_ID_EXPIRATION_MS,
        is_transaction_verification_enabled: bool = True,
        max_open_files: int | None = None,
    ) -> None:
        self._filesystem = filesystem
        self.context = LogContext(
            filesystem,
            producer_id_expiration_ms=producer_id_expiration_ms,
            is_transaction_verification_enabled=is_transaction_verification_enabled,
            max_open_files=max_open_files,
        )
        self.context.release_files = self.release_files
        self.context.release_indexes = self._release_indexes
        self.context.report_failure = self._note_failure
        self.directories = LogDirectories(filesystem, log_dirs)
        self.checkpoints = LogCheckpoints(filesystem, self.directories, self._all_logs_in, self._note_failure)
        self.context.note_records_deleted = self.checkpoints.note_records_deleted
        self._logs: dict[TopicPartition, PartitionLog] = {}
        self._read: dict[TopicPartition, PartitionLog] = {}  # found by `read_logs`, not in service yet
        self.future_logs: dict[TopicPartition, PartitionLog] = {}
        """The copies of logs that are on their way to another directory (see FutureLog)."""
        self.get = self._logs.get
        """`get(topic_partition) -> PartitionLog | None`: the dictionary's own, it is on every request's path."""
        self._unavailable: dict[TopicPartition, Uuid | None] = {}
        self._cleaner: LogCleanerManager | None = None
        self.on_directory_failure: Callable[[LogDirectory], None] | None = None
        self._is_closed = False

    # --- opening ---

    def read_logs(
        self,
        topic_config: Callable[[str], TopicConfig],
        *,
        now_ms: int,
        is_stray: Callable[[TopicPartition, Uuid | None, LogDirectory], bool] = lambda *_: False,
        is_assigned: Callable[[TopicPartition, LogDirectory], bool] = lambda *_: False,
        removed_topics: Collection[Uuid] = (),
        on_progress: Callable[[int, int], None] = lambda loaded, total: None,
        on_recovery: Callable[[TopicPartition, int, int], None] | None = None,
    ) -> LoadedLogs:
        """Opens every log, recovering those of directories that were not left cleanly; none is served yet.

        `is_stray` tells of a partition and the topic id in its directory whether the metadata knows no such replica
        here; such a log is renamed to -stray and left alone. It goes, as in `delete`, where its topic is one of
        `removed_topics` (the broker ended before its directory was renamed) or where nothing was ever written to it (it
        ended before the metadata had the topic). `is_assigned` tells whether the metadata has a replica in
        a directory (see `settle_copies`). `on_recovery` is told how many bytes of a log have been
        recovered, and of how many. May run in another thread, as long as nobody does more here than to ask for
        logs (there are none) and for what is offline. Raises LogDirectoryError, OSError, and LoadingInterruptedError
        after `interrupt_loading`.
        """
        self.context.on_change = self._begin_changes
        self.context.note_recovered = on_recovery
        work: list[LogToLoad] = []
        for directory in self.directories.online():
            try:
                work += find_logs(self.context, directory, self.checkpoints, now_ms)
            except OSError as error:
                if not is_final(error, is_sync=False):
                    raise
                _logger.error("Error while loading log dir %s: %s", directory.path, error)
                self.fail_directory(directory.path)
        work = settle_copies(self.context, work, is_stray, is_assigned, now_ms)
        strays: list[PartitionLog] = []
        deleted: list[PartitionLog] = []
        recovered = 0
        for found, log in read_logs(self.context, work, topic_config, now_ms, on_progress):
            if log is None:
                if not found.is_future:
                    self._unavailable[found.topic_partition] = None
                continue
            recovered += not found.directory.had_clean_shutdown
            if found.is_future:
                self.future_logs[found.topic_partition] = log
            elif is_stray(found.topic_partition, log.topic_id, found.directory):
                (deleted if log.topic_id in removed_topics or not log.log_end_offset else strays).append(log)
            elif found.topic_partition in self._read:
                kept, other = further_first(self._read[found.topic_partition], log)
                self._read[found.topic_partition] = kept
                strays.append(other)
            else:
                self._read[found.topic_partition] = log
        for log in deleted:
            _logger.info(
                "Deleting the log of %s in %s, whose topic has been deleted", log.topic_partition, log.directory
            )
            path = self._rename_directory(log, DELETE_DIRECTORY_SUFFIX)
            self.context.delete_later(path, now_ms + log.config.file_delete_delay_ms, is_directory=True)
        loaded = len(work) - len(strays) - len(deleted)
        return LoadedLogs(loaded, recovered, [self._set_aside(log) for log in strays])

    def _set_aside(self, stray: PartitionLog) -> str:
        path = self._rename_directory(stray, STRAY_DIRECTORY_SUFFIX)
        _logger.warning("Log of %s is marked stray and renamed to %s", stray.topic_partition, path)
        return path

    def interrupt_loading(self) -> None:
        """Has a `read_logs` that is under way in another thread end soon."""
        self.context.is_loading_interrupted = True

    def put_into_service(self) -> None:
        """What `read_logs` has found is served from here on, but for what lies in a directory that has failed since.

        Before that the clean-shutdown files go: a start that ends earlier leaves the directories as clean as they were.
        Raises OSError.
        """
        self.context.on_change = self.context.note_recovered = None
        for directory in self.directories.online():
            try:
                directory.begin_changes(self._filesystem)
            except OSError as error:
                if not is_final(error, is_sync=False):
                    raise
                _logger.error("Cannot remove the clean-shutdown file of log dir %s: %s", directory.path, error)
                self.fail_directory(directory.path)
        online = {directory.path for directory in self.directories.online()}
        for topic_partition, log in self._read.items():
            if log.log_directory in online:
                self._logs[topic_partition] = log
            else:
                self._take_offline(log)
        self._read = {}

    def _begin_changes(self, path: str) -> None:
        directory = self.directories.at(path)
        assert directory is not None, path
        directory.begin_changes(self._filesystem)

    def abandon_loading(self) -> None:
        """Lets go of everything, as a kill would. Directories whose last end was clean and in which nothing had to be
        repaired stay as they are; the others are not closed for a clean end, not all of their logs having been read."""
        for log in chain(self._read.values(), self.future_logs.values()):
            log.release_files(with_active=True)
        self._read = {}
        self.future_logs.clear()
        self.release_locks()

    # --- the logs ---

    def __len__(self) -> int:
        return len(self._logs)

    def logs(self) -> Iterable[PartitionLog]:
        return self._logs.values()

    def partitions_of(self, topic: str) -> list[TopicPartition]:
        return [topic_partition for topic_partition in self._logs if topic_partition.topic == topic]

    @property
    def has_offline_logs(self) -> bool:
        """Whether `is_offline` is true of any partition."""
        return bool(self._unavailable)

    def is_offline(self, topic_partition: TopicPartition) -> bool:
        """Whether a partition has a log that cannot be served: its directory has failed, or the log did not open."""
        return topic_partition in self._unavailable

    @property
    def offline_partitions(self) -> Collection[TopicPartition]:
        """The partitions of which `is_offline` is true."""
        return self._unavailable.keys()

    def set_offline(self, topic_partition: TopicPartition, topic_id: Uuid) -> None:
        """A partition's log is known to lie elsewhere: none is made in its place."""
        self._unavailable[topic_partition] = topic_id

    def forget_offline(self, topic_id: Uuid) -> None:
        """A topic has been deleted: what was offline of it is in nobody's way."""
        for topic_partition in [name for name, of in self._unavailable.items() if of == topic_id]:
            del self._unavailable[topic_partition]

    def logs_in(self, directory: LogDirectory) -> list[PartitionLog]:
        return [log for log in self._logs.values() if log.log_directory == directory.path]

    def directory_of(self, log: PartitionLog) -> LogDirectory:
        directory = self.directories.at(log.log_directory)
        assert directory is not None, log
        return directory

    def directory_for_new_log(self) -> LogDirectory:
        """The online directory with the fewest logs. Raises KafkaError(KAFKA_STORAGE_ERROR) if there is none."""
        online = self.directories.online()
        if not online:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "All log directories are offline")
        if len(online) == 1:
            return online[0]
        counts = dict.fromkeys((directory.path for directory in online), 0)
        for log in self._all_logs():
            path = log.log_directory
            if path in counts:
                counts[path] += 1
        return min(online, key=lambda directory: counts[directory.path])

    def create(
        self,
        topic_partition: TopicPartition,
        topic_id: Uuid | None,
        config: TopicConfig,
        now_ms: int,
        *,
        directory: LogDirectory | None = None,
    ) -> PartitionLog:
        """The log of a partition, made if there is none.

        Raises KafkaError: INCONSISTENT_TOPIC_ID if there is one of another topic id, KAFKA_STORAGE_ERROR.
        """
        if topic_partition in self._unavailable:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log of {topic_partition} could not be loaded")
        log = self._logs.get(topic_partition)
        if log is not None:
            if topic_id is not None:
                if log.topic_id is None:
                    log.assign_topic_id(topic_id)
                elif log.topic_id != topic_id:
                    raise KafkaError(
                        ErrorCode.INCONSISTENT_TOPIC_ID,
                        f"Tried to assign topic ID {topic_id} to log for topic partition {topic_partition}, but log "
                        f"already contained topic ID {log.topic_id}",
                    )
            return log
        if directory is None:
            directory = self.directory_for_new_log()
        self.checkpoints.make_way(topic_partition)
        path = f"{directory.path}/{topic_partition}"
        try:
            if not self._filesystem.is_directory(directory.path):  # making it anew would hide what was lost with it
                raise FileNotFoundError(errno.ENOENT, "The log directory has gone", directory.path)
            log = PartitionLog.create(self.context, path, topic_partition, topic_id, config, now_ms=now_ms)
        except OSError as error:
            _logger.error("Error while creating log for %s in dir %s: %s", topic_partition, directory.path, error)
            self._note_failure(directory.path, error)
            raise KafkaError(
                ErrorCode.KAFKA_STORAGE_ERROR, f"Error while creating log for {topic_partition} in dir {directory.path}"
            ) from error
        self._logs[topic_partition] = log
        return log

    def create_future(self, source: PartitionLog, directory: LogDirectory, first_offset: int, now_ms: int) -> None:
        """Makes the directory of a copy of a log, which then is one of `future_logs`. Raises OSError, KafkaError."""
        topic_partition = source.topic_partition
        name = renamed_directory(topic_partition, unique_suffix(), FUTURE_DIRECTORY_SUFFIX)
        if not name.startswith(f"{topic_partition}."):  # cut: nobody could tell whose it is
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic name is too long.")
        self.checkpoints.make_way(topic_partition)
        self.future_logs[topic_partition] = PartitionLog.create(
            self.context,
            f"{directory.path}/{name}",
            topic_partition,
            source.topic_id,
            source.config,
            now_ms=now_ms,
            log_start_offset=first_offset,
        )

    def delete_future(self, topic_partition: TopicPartition, now_ms: int) -> None:
        """As `delete`, of the copy alone and without a delay: nobody reads it."""
        copy = self.future_logs.pop(topic_partition, None)
        if copy is not None and not copy.is_closed:
            self.checkpoints.note_stale([topic_partition])
            path = self._rename_directory(copy, DELETE_DIRECTORY_SUFFIX)
            self.context.delete_later(path, now_ms, is_directory=True)

    def replace(self, log: PartitionLog, now_ms: int) -> None:
        """Takes a log into service whose directory lies beside the one of its partition so far, which goes as in
        `delete`. No crash on the way brings back what DeleteRecords took, or has the old one preferred to the new."""
        old = self._logs[log.topic_partition]
        self._logs[log.topic_partition] = log
        self.future_logs.pop(log.topic_partition, None)
        directory = self.directory_of(log)
        self.checkpoints.write_now(self.checkpoints.prepare_start_offsets_in(directory))
        self._retire(old, now_ms)
        self._filesystem.sync_directory(old.log_directory)

    def delete(self, topic_partition: TopicPartition, now_ms: int) -> None:
        """Renames a log's directory to -delete; its files go away after `file.delete.delay.ms` (`delete_due_files`)."""
        log = self._logs.pop(topic_partition, None)
        if log is not None:
            self._retire(log, now_ms)

    def _retire(self, log: PartitionLog, now_ms: int) -> None:
        topic_partition = log.topic_partition
        self.checkpoints.note_stale([topic_partition])
        try:
            path = self._rename_directory(log, DELETE_DIRECTORY_SUFFIX)
        except OSError as error:
            raise log.storage_error("deleting the log", error) from error
        self.context.delete_later(path, now_ms + log.config.file_delete_delay_ms, is_directory=True)
        if log.config.is_compacted:
            self.cleaner.forget(topic_partition, log.log_directory)

    def _rename_directory(self, log: PartitionLog, kind_suffix: str) -> str:
        """Takes a log out of service under another name; whoever still sends from it keeps its files open."""
        log.finish_append()
        log.is_closed = True
        name = renamed_directory(log.topic_partition, unique_suffix(), kind_suffix)
        path = f"{log.log_directory}/{name}"
        self._filesystem.rename(log.directory, path)
        log.release_files(with_active=True)
        return path

    # --- housekeeping ---

    @property
    def cleaner(self) -> LogCleanerManager:
        """Compacts logs: see `LogCleanerManager.clean_filthiest`."""
        if self._cleaner is None:
            from kafkalite.storage.log_cleaner_manager import LogCleanerManager

            self._cleaner = LogCleanerManager(self._filesystem)
        return self._cleaner

    def cleanup_steps(self, now_ms: int) -> Iterator[int]:
        """Applies retention to every log, some at a time; each step gives how many segments went in it."""
        return retention_steps(list(self._logs.values()), now_ms)

    def flush_steps(self, now_ms: int) -> Iterator[list[LogFlush]]:
        """The flushes that are due, a few at a time: logs whose `flush.ms` is over, segments that have rolled, logs
        that nobody writes to any more, and, where a recovery would take long, the logs with the largest parts in it.

        Call `sync` of each in a worker thread; then `finish`, or `fail` with the OSError, back here.
        """
        return due_flush_steps([*self._logs.values(), *self.future_logs.values()], now_ms)

    def update_producer_id_expiration(self, expiration_ms: int) -> None:
        """Takes over another producer.id.expiration.ms for all logs."""
        self.context.producer_id_expiration_ms = expiration_ms
        for log in self._all_logs():
            log.producer_state.expiration_ms = expiration_ms

    def update_transaction_verification(self, is_enabled: bool) -> None:
        """Takes over another transaction.partition.verification.enable for all logs."""
        self.context.is_transaction_verification_enabled = is_enabled
        for log in self._logs.values():
            log.producer_state.is_verification_enabled = is_enabled

    def prepare_deletions(self, now_ms: int) -> Callable[[], int] | None:
        """What removes the segments and logs whose delay is over, and says how many files and directories they were:
        for a worker thread to call, because taking away a large file takes long. None where nothing is due."""
        due = self.context.take_due(now_ms)
        return partial(self.context.remove, due) if due else None

    def remove_expired_producers(self, now_ms: int) -> None:
        for log in self._logs.values():
            log.producer_state.remove_expired(now_ms)

    def release_files(self, is_out: bool = False) -> int:
        """Lets go of descriptors: inactive segments' first, active ones' too where that leaves too many, or where the
        process has no other left."""
        held = sum(log.release_files() for log in self._all_logs())
        if is_out or held > self.context.max_open_files // 2:
            held = sum(log.release_files(with_active=True) for log in self._all_logs())
        return held

    def _all_logs(self) -> Iterator[PartitionLog]:
        return chain(self._logs.values(), self._read.values(), self.future_logs.values())

    def _all_logs_in(self, directory: LogDirectory) -> list[PartitionLog]:
        """Its logs, and those on their way there."""
        return [log for log in self._all_logs() if log.log_directory == directory.path]

    def _release_indexes(self) -> None:
        for log in self._all_logs():
            for segment in log.segments[:-1]:
                segment.release_indexes()

    # --- failures ---

    def _note_failure(self, path: str, error: OSError, is_sync: bool = False) -> None:
        if is_final(error, is_sync=is_sync):
            self.fail_directory(path)

    def check_directories(self) -> None:
        """Gives directories up that have gone: files that are open would take records that nobody ever finds again."""
        for directory in self.directories:
            if directory.is_online and directory.has_gone(self._filesystem):
                _logger.error("Log directory %s has gone", directory.path)
                self.fail_directory(directory.path)

    def fail_directory(self, path: str) -> None:
        """Takes a log directory and its logs out of service: what is on its disk is not known any more."""
        for directory in self.directories:
            if directory.path == path and directory.is_online:
                directory.is_online = False
                offline = self.logs_in(directory)
                _logger.error("Stopping serving logs in dir %s: %d partitions are offline", path, len(offline))
                for log in offline:
                    del self._logs[log.topic_partition]
                    self._take_offline(log)
                for copy in [copy for copy in self.future_logs.values() if copy.log_directory == path]:
                    del self.future_logs[copy.topic_partition]
                    copy.is_closed = True
                    copy.release_files(with_active=True)
                if self.on_directory_failure is not None:
                    self.on_directory_failure(directory)

    def _take_offline(self, log: PartitionLog) -> None:
        self._unavailable[log.topic_partition] = log.topic_id
        log.is_closed = True
        log.release_files(with_active=True)

    # --- closing ---

    def close(self, *, now_ms: int, broker_epoch: int = -1) -> None:
        """Syncs and closes all logs, writes the checkpoints and, where all went well, the clean-shutdown files."""
        if self._is_closed:
            return
        self._is_closed = True
        for directory in self.directories:
            if directory.lock is None:
                continue
            try:
                if directory.is_online:
                    logs = self._all_logs_in(directory)
                    close_logs(
                        self._filesystem, directory, logs, self.checkpoints, now_ms=now_ms, broker_epoch=broker_epoch
                    )
            except (OSError, KafkaError) as error:
                _logger.error("Log directory %s is left unclean: %s", directory.path, error)
        self._logs.clear()
        self.future_logs.clear()
        self.release_locks()

    def release_locks(self) -> None:
        """Gives the directories free; everything else stays as it is."""
        self.directories.release_locks()
