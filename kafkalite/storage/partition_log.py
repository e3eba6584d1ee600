"""The log of one partition (UnifiedLog): append, read, roll, and the offsets that everything else goes by.

One thread changes a log. What takes long is cut so that another thread can do the slow step: syncing (log_flush). Reads
give slices of files, not bytes.

On one node every appended record is committed at once, so the high watermark is the log's end; the last stable offset
stays behind it while a transaction is open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.compression import Buffer
from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.checkpoint_files import EpochEntry
from kafkalite.storage.client_append import AppendRules, place_client_batch
from kafkalite.storage.file_names import (
    LEADER_EPOCH_CHECKPOINT_FILE,
    PARTITION_METADATA_FILE,
)
from kafkalite.storage.leader_epoch_cache import LeaderEpochFileCache
from kafkalite.storage.log_append_info import LogAppendInfo
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_read import FetchDataInfo, collect_aborted_transactions, read_log
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.log_segments import LogSegments
from kafkalite.storage.partition_metadata import write_partition_metadata
from kafkalite.storage.plain_append import append_plain
from kafkalite.storage.producer_snapshot import ProducerSnapshots, encode_snapshot
from kafkalite.storage.producer_state import (
    TRANSACTION_VERSION_UNKNOWN,
    AppendOrigin,
    ProducerStateManager,
    VerificationState,
)
from kafkalite.storage.producer_state_entry import ProducerStateEntry
from kafkalite.storage.transaction_index import AbortedTxn
from kafkalite.storage.trusted_append import append_trusted
from kafkalite.storage.unfinished_append import UnfinishedAppend

if TYPE_CHECKING:
    from kafkalite.storage.timestamp_lookup import TimestampAndOffset

_logger = logging.getLogger(__name__)


class PartitionLog:
    """One partition's log. Made by `create` or by log_loader.load_log."""

    __slots__ = (
        "_flushed_position",
        "append_rules",
        "config",
        "context",
        "directory",
        "high_watermark",
        "is_closed",
        "is_metadata_unsynced",
        "last_append_ms",
        "last_flush_ms",
        "last_stable_offset",
        "leader_epoch",
        "leader_epoch_cache",
        "log_end_offset",
        "log_start_offset",
        "on_append",
        "producer_state",
        "recovery_point",
        "segments",
        "snapshots",
        "topic_id",
        "topic_partition",
        "unfinished_append",
        "unflushed_batches",
        "unstable_position",
        "unsynced_indexes_from",
    )

    def __init__(
        self,
        context: LogContext,
        directory: str,
        topic_partition: TopicPartition,
        topic_id: Uuid | None,
        config: TopicConfig,
        segments: list[LogSegment],
        leader_epoch_cache: LeaderEpochFileCache,
        producer_state: ProducerStateManager,
        snapshots: ProducerSnapshots,
        *,
        log_start_offset: int,
        log_end_offset: int,
        recovery_point: int,
        now_ms: int,
    ) -> None:
        self.context = context
        self.directory = directory
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.segments = LogSegments(segments)
        self.leader_epoch_cache = leader_epoch_cache
        self.producer_state = producer_state
        self.snapshots = snapshots
        self.leader_epoch = max(0, leader_epoch_cache.latest_epoch)
        """The epoch that appends carry unless they bring their own; set by whoever knows the partition's leader."""
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset
        self.high_watermark = log_end_offset
        self.last_stable_offset = log_end_offset
        self.recovery_point = recovery_point
        """All before this offset is on the disk."""
        self.last_append_ms = self.last_flush_ms = now_ms
        self._flushed_position = (segments[0].base_offset, 0)
        self.unflushed_batches = 0
        """How many batches were appended since the last flush; a flush of a part leaves it as it is."""
        self.unfinished_append: UnfinishedAppend | None = None
        """A batch that another thread is writing behind the log's end."""
        self.unsynced_indexes_from: int | None = None
        """The base offset of the first inactive segment whose index files may not be on the disk."""
        self.is_closed = False
        self.on_append: Callable[[PartitionLog], None] | None = None
        """Called after each append that wrote something, and whenever the last stable offset has moved with it."""
        self.is_metadata_unsynced = False
        self.unstable_position: tuple[int, int, int] | None = None
        self.update_config(config)
        self.update_last_stable_offset()

    @classmethod
    def create(
        cls,
        context: LogContext,
        directory: str,
        topic_partition: TopicPartition,
        topic_id: Uuid | None,
        config: TopicConfig,
        *,
        now_ms: int,
        log_start_offset: int = 0,
    ) -> PartitionLog:
        """A new, empty log in a new directory. Nothing is synced before its first flush. Raises OSError."""
        filesystem = context.filesystem
        filesystem.make_directories(directory)
        log = cls(
            context,
            directory,
            topic_partition,
            topic_id,
            config,
            [
                LogSegment.create(
                    context,
                    directory,
                    log_start_offset,
                    config,
                    now_ms=now_ms,
                )
            ],
            LeaderEpochFileCache(filesystem, f"{directory}/{LEADER_EPOCH_CHECKPOINT_FILE}"),
            ProducerStateManager(
                topic_partition,
                expiration_ms=context.producer_id_expiration_ms,
                is_verification_enabled=context.is_transaction_verification_enabled,
            ),
            ProducerSnapshots(filesystem, directory),
            log_start_offset=log_start_offset,
            log_end_offset=log_start_offset,
            recovery_point=log_start_offset,
            now_ms=now_ms,
        )
        log.segments[0].release_file()  # thousands may be created at once; the first append opens it
        if topic_id is not None:
            log.assign_topic_id(topic_id)
        return log

    def __repr__(self) -> str:
        return (
            f"PartitionLog({self.topic_partition}, dir={self.directory}, logStartOffset={self.log_start_offset}, "
            f"lastStableOffset={self.last_stable_offset}, logEndOffset={self.log_end_offset})"
        )

    @property
    def active_segment(self) -> LogSegment:
        return self.segments.active

    @property
    def log_directory(self) -> str:
        """The log.dir that holds this log."""
        return self.directory.rpartition("/")[0]

    def size(self) -> int:
        """The bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    def unflushed_bytes(self) -> int:
        """How much was appended since the last flush: what a recovery would have to read (at least that)."""
        base_offset, position = self._flushed_position
        active = self.segments.active
        if base_offset >= active.base_offset:
            return active.size - position
        return sum(segment.size for segment in self.segments.from_offset(base_offset)) - position

    def note_flushed(self, offset: int, base_offset: int, position: int, batches: int, now_ms: int) -> None:
        """All before `offset`, which is at a position of the segment with that base offset, is on the disk; `batches`
        of those that were appended since the last flush."""
        self.last_flush_ms = now_ms
        self.unflushed_batches = max(0, self.unflushed_batches - batches)
        if self.recovery_point < offset <= self.log_end_offset:
            self.recovery_point = offset
            self._flushed_position = (base_offset, position)
        if self.unsynced_indexes_from is not None:
            # Segments that have rolled since the flush was prepared are still to be synced.
            self.unsynced_indexes_from = base_offset if base_offset < self.segments.active.base_offset else None

    def assign_topic_id(self, topic_id: Uuid) -> None:
        """Writes partition.metadata. Raises KafkaError(INCONSISTENT_TOPIC_ID) if the log has another id."""
        if self.topic_id is not None and self.topic_id != topic_id:
            raise KafkaError(
                ErrorCode.INCONSISTENT_TOPIC_ID,
                f"Tried to assign topic ID {topic_id} to log for topic partition {self.topic_partition}, but log "
                f"already contained topic ID {self.topic_id}",
            )
        self.topic_id = topic_id
        path = f"{self.directory}/{PARTITION_METADATA_FILE}"
        write_partition_metadata(self.context.filesystem, path, topic_id, sync=False)
        self.is_metadata_unsynced = True

    def begin_leader_epoch(self, epoch: int) -> None:
        """From here on appends carry this epoch; it is known to begin at the log's end before it has records."""
        self.leader_epoch = epoch
        if epoch > self.leader_epoch_cache.latest_epoch:
            self.leader_epoch_cache.begin(epoch, self.log_end_offset)

    def update_config(self, config: TopicConfig) -> None:
        """Takes on another configuration; it holds from the next append, read or step on."""
        self.config = config
        self.append_rules = AppendRules(config)

    # --- appending ---

    def append(
        self,
        records: Buffer,
        *,
        now_ms: int,
        header: BatchHeader | None = None,
        leader_epoch: int | None = None,
        origin: AppendOrigin = AppendOrigin.CLIENT,
        produce_version: int = 13,
        verification_guard: VerificationState | None = None,
        transaction_version: int = TRANSACTION_VERSION_UNKNOWN,
        defer_flush: bool = False,
    ) -> LogAppendInfo:
        """Appends batches, giving them their offsets and leader epoch; when it returns they are in the page cache.

        A client's append is one batch and is checked as Apache Kafka checks it (log_validator); the others are trusted.
        `header`: of a client's batch of format 2, where it has been read already.
        Raises KafkaError (RecordValidationError where single records are to blame); nothing is appended then.
        """
        if self.unfinished_append is not None:
            self.finish_append()
        if origin is not AppendOrigin.CLIENT:
            return append_trusted(
                self,
                records,
                now_ms,
                self.leader_epoch if leader_epoch is None else leader_epoch,
                origin,
                verification_guard,
                transaction_version,
                defer_flush,
            )
        placed = place_client_batch(self, records, now_ms, header, leader_epoch, produce_version, verification_guard)
        if isinstance(placed, LogAppendInfo):
            return placed
        segment, prefix, rest, header, log_append_time_ms = placed
        try:
            segment.append(prefix, rest, self.log_end_offset + header[6], header[8])
        except OSError as error:
            raise self.storage_error("appending records", error) from error
        return self.note_appended(header, log_append_time_ms, now_ms, defer_flush)

    def append_plain(
        self,
        batches: list[tuple[memoryview, BatchHeader]],
        now_ms: int,
        *,
        may_put_off: bool = False,
        on_written: Callable[[int], object] | None = None,
    ) -> int | UnfinishedAppend | None:
        """Appends what most producers send, batches of format 2 given with their headers, with one write: see
        plain_append. None, and nothing was appended: `append` has to take them one by one."""
        if self.unfinished_append is not None:
            self.finish_append()
        if not self.append_rules.takes_plain_batches:
            return None
        return append_plain(self, batches, now_ms, may_put_off, on_written)

    def begin_append(
        self, records: Buffer, *, now_ms: int, header: BatchHeader | None = None, is_validated: bool = False
    ) -> UnfinishedAppend | LogAppendInfo:
        """As `append` of a client's batch, but the bytes are still to be written, by whichever thread. `is_validated`:
        the batch, given with its header, has passed `validate_client_batch`.

        Nothing of it can be seen before `UnfinishedAppend.finish`. Whoever changes the log meanwhile waits for that.
        The answer of a duplicate comes at once.
        """
        self.finish_append()
        placed = place_client_batch(self, records, now_ms, header, None, 13, None, is_validated=is_validated)
        if isinstance(placed, LogAppendInfo):
            return placed
        segment, prefix, rest, header, log_append_time_ms = placed
        self.unfinished_append = UnfinishedAppend(self, segment, (prefix, rest), [header], log_append_time_ms, now_ms)
        return self.unfinished_append

    def finish_append(self) -> None:
        """Waits until a batch that another thread is writing is in the log; its error is told to who began it."""
        if self.unfinished_append is not None:
            self.unfinished_append.settle()

    def note_appended(
        self, header: BatchHeader, log_append_time_ms: int, now_ms: int, defer_flush: bool
    ) -> LogAppendInfo:
        """Takes in a client's batch that stands at the log's end now."""
        offset = self.log_end_offset
        next_offset = offset + header[6] + 1
        self.log_end_offset = self.high_watermark = next_offset
        self.last_append_ms = now_ms
        self.unflushed_batches += 1
        producer_state = self.producer_state
        if header[9] >= 0:
            producer_state.add_data_batch(header, offset)
        if not producer_state.ongoing_transactions:
            self.last_stable_offset = next_offset
        elif header[9] >= 0:
            self.update_last_stable_offset()
        is_flush_due = self.is_flush_due()
        if is_flush_due and not defer_flush:
            self.flush(now_ms)
            is_flush_due = False
        if self.on_append is not None:
            self.on_append(self)
        return LogAppendInfo(offset, next_offset - 1, log_append_time_ms, self.log_start_offset, False, is_flush_due)

    def note_several_appended(self, segment: LogSegment, headers: list[BatchHeader], now_ms: int) -> None:
        """Takes in batches, none of a transaction, whose bytes stand at the log's end, in this segment."""
        offset = self.log_end_offset
        end = segment.note_several_appended(headers, offset)
        producer_state = self.producer_state
        if producer_state.producers or headers[0][9] >= 0:
            for header in headers:
                if header[9] >= 0:
                    producer_state.add_data_batch(header, offset)
                offset += header[6] + 1
        self.log_end_offset = self.high_watermark = end
        self.last_append_ms = now_ms
        self.unflushed_batches += len(headers)
        if not producer_state.ongoing_transactions:
            self.last_stable_offset = end
        if self.on_append is not None:
            self.on_append(self)

    def is_flush_due(self) -> bool:
        """Whether as many records as flush.messages were appended since the last flush, or more."""
        return self.log_end_offset - self.recovery_point >= self.config.flush_messages

    def batch_larger_than_segment(self, size: int) -> KafkaError:
        return KafkaError(
            ErrorCode.RECORD_LIST_TOO_LARGE,
            f"Message batch size is {size} bytes in append to partition {self.topic_partition}, which exceeds the "
            f"maximum configured segment size of {self.config.segment_bytes}.",
        )

    def update_last_stable_offset(self) -> None:
        """Before the last stable offset every transaction has ended."""
        unstable = self.producer_state.first_unstable_offset()
        if unstable is None or unstable >= self.high_watermark:
            self.last_stable_offset = self.high_watermark
        else:
            self.last_stable_offset = max(unstable, self.log_start_offset)

    def start_transaction_verification(
        self, producer_id: int, sequence: int, epoch: int, supports_epoch_bump: bool, now_ms: int
    ) -> VerificationState | None:
        """See `ProducerStateManager.start_verification`; what it gives goes with the append as `verification_guard`."""
        return self.producer_state.start_verification(producer_id, sequence, epoch, supports_epoch_bump, now_ms)

    def active_producers(self, now_ms: int | None = None) -> list[ProducerStateEntry]:
        """Who has written lately (given the time: without those that have expired); the entries are the log's own."""
        if now_ms is not None:
            self.producer_state.remove_expired(now_ms)
        return list(self.producer_state.producers.values())

    def roll(self, now_ms: int, expected_next_offset: int = 0) -> LogSegment:
        """Begins a new segment at the end of the log, with a producer snapshot beside it. Raises KafkaError."""
        self.finish_append()
        active = self.segments.active
        base_offset = max(expected_next_offset, self.log_end_offset)
        if base_offset == active.base_offset and not active.size:
            return active
        try:
            active.become_inactive()
            if self.unsynced_indexes_from is None:
                self.unsynced_indexes_from = active.base_offset
            self.take_producer_snapshot()
            segment = LogSegment.create(
                self.context,
                self.directory,
                base_offset,
                self.config,
                now_ms=now_ms,
            )
        except OSError as error:
            raise self.storage_error("rolling a segment", error) from error
        self.segments.add(segment)
        return segment

    def encode_producer_snapshot(self) -> bytes:
        """What is known of the producers at the end of the log."""
        return encode_snapshot(self.producer_state.producers.values())

    def take_producer_snapshot(self) -> int:
        """Writes what is known of the producers at the end of the log; returns the snapshot's offset."""
        self.producer_state.map_end_offset = offset = self.log_end_offset
        if self.snapshots.latest_offset() != offset:
            self.snapshots.write(offset, self.producer_state.producers.values())
        return offset

    # --- reading ---

    def read(
        self, offset: int, max_bytes: int, *, isolation_level: int = 0, minimum_one_batch: bool = True
    ) -> FetchDataInfo:
        """The batches from the one that holds `offset` on, at most `max_bytes` of them (the last may be cut).

        The first batch comes whole even when it is larger, unless `minimum_one_batch` is false: nothing then.
        Raises KafkaError(OFFSET_OUT_OF_RANGE) before the log's start and behind its end.
        """
        return read_log(self, offset, max_bytes, isolation_level, minimum_one_batch)

    def collect_aborted_transactions(self, start_offset: int, upper_bound_offset: int) -> list[AbortedTxn]:
        """The aborted transactions that overlap a range of offsets, in the order of their markers."""
        return collect_aborted_transactions(self, start_offset, upper_bound_offset)

    def end_offset_for_epoch(self, epoch: int) -> EpochEntry:
        """The largest epoch up to the requested one, and where it ended; (-1, -1) for an unknown one."""
        return self.leader_epoch_cache.end_offset_for(epoch, self.log_end_offset)

    @property
    def latest_epoch(self) -> int:
        """The leader epoch of the log's end: of its leader, or of the last batch where there was none since."""
        return max(self.leader_epoch, self.leader_epoch_cache.latest_epoch)

    def epoch_for_offset(self, offset: int) -> int:
        """The leader epoch to which an offset belongs, -1 if that is not known."""
        epoch = self.leader_epoch_cache.epoch_for_offset(offset)
        return -1 if epoch is None else epoch

    def offset_for_timestamp(self, timestamp: int) -> TimestampAndOffset | None:
        """The first record whose timestamp is at least `timestamp`. Raises KafkaError."""
        from kafkalite.storage.timestamp_lookup import first_offset_at_or_after

        return first_offset_at_or_after(self, timestamp)

    def offset_for_max_timestamp(self) -> TimestampAndOffset | None:
        """The first record with the largest timestamp. Raises KafkaError."""
        from kafkalite.storage.timestamp_lookup import offset_of_max_timestamp

        return offset_of_max_timestamp(self)

    def delete_records(self, before_offset: int) -> int:
        """Moves the log's start; see log_retention.delete_records. Returns the low watermark, raises KafkaError."""
        from kafkalite.storage.log_retention import delete_records

        return delete_records(self, before_offset)

    # --- errors ---

    def storage_error(self, doing: str, error: OSError, *, is_sync: bool = False) -> KafkaError:
        """Reports a failed system call and makes the answer for the client.

        A log that was taken out of service reports nothing: its files may be gone.
        """
        if self.is_closed:
            return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log of {self.topic_partition} is closed")
        _logger.error("Error while %s of %s in dir %s: %s", doing, self.topic_partition, self.log_directory, error)
        self.context.report_failure(self.log_directory, error, is_sync)
        return KafkaError(
            ErrorCode.KAFKA_STORAGE_ERROR, f"Error while {doing} of {self.topic_partition} in dir {self.log_directory}"
        )

    # --- flushing and closing ---

    def flush(self, now_ms: int) -> None:
        """Returns when all that was appended is on the disk; see log_flush for the steps of it. Raises KafkaError."""
        from kafkalite.storage.log_flush import prepare_flush

        flush = prepare_flush(self)
        if flush is not None:
            flush.run(now_ms)

    def release_files(self, *, with_active: bool = False) -> int:
        """Lets go of the descriptors of inactive segments (and of the active one); returns how many are still held."""
        held = 0
        for segment in self.segments:
            if segment.is_open() and (with_active or segment is not self.segments.active):
                segment.release_file()
            held += segment.is_open()
        return held

    def close(self) -> None:
        """Writes the indexes and lets go of all files. A flush with checkpoint must follow."""
        if self.is_closed:
            return
        self.finish_append()
        self.is_closed = True
        for segment in self.segments:
            segment.close()
