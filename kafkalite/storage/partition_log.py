"""The log of one partition (UnifiedLog): append, read, roll, and the offsets that everything else goes by.

One thread changes a log. What takes long is cut so that another thread can do the slow step: syncing (log_flush). Reads
give slices of files, not bytes.

On one node every appended record is committed at once, so the high watermark is the log's end; the last stable offset
stays behind it while a transaction is open.
"""

from __future__ import annotations

import logging
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.compression import Buffer, CompressionType
from kafkalite.records.log_validator import NO_BOUND, validate_and_convert, validate_client_batch, with_timestamps
from kafkalite.records.record_batch import (
    BatchHeader,
    TimestampType,
    check_crc,
    corrupt_record,
    iter_batches,
    set_offset_and_epoch,
)
from kafkalite.storage.checkpoint_files import EpochEntry
from kafkalite.storage.end_transaction_marker import EndTransactionMarker, read_end_transaction_marker
from kafkalite.storage.file_names import (
    LEADER_EPOCH_CHECKPOINT_FILE,
    PARTITION_METADATA_FILE,
)
from kafkalite.storage.leader_epoch_cache import LeaderEpochFileCache
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.log_slice import EMPTY_SLICE, LogSlice
from kafkalite.storage.partition_metadata import write_partition_metadata
from kafkalite.storage.producer_snapshot import ProducerSnapshots
from kafkalite.storage.producer_state import (
    TRANSACTION_VERSION_UNKNOWN,
    AppendOrigin,
    ProducerStateManager,
    VerificationState,
)
from kafkalite.storage.producer_state_entry import ProducerStateEntry
from kafkalite.storage.timestamp_lookup import (
    TimestampAndOffset,
    first_offset_at_or_after,
    offset_of_max_timestamp,
)
from kafkalite.storage.transaction_index import AbortedTxn

_logger = logging.getLogger(__name__)

_PREFIX: Final = Struct(">qii")
"""Base offset, batch length, leader epoch: the first 16 bytes, all that a leader rewrites in most batches."""
_CODECS: Final = {codec.name.lower(): codec for codec in CompressionType} | {"uncompressed": CompressionType.NONE}
NO_TIMESTAMP: Final = -1


class LogAppendInfo(NamedTuple):
    """Where an append went. For a batch that was there already: where it is, and nothing was written."""

    first_offset: int
    last_offset: int
    log_append_time_ms: int
    """-1 unless the topic stamps its records (or the batch was a duplicate: its own timestamp then)."""
    log_start_offset: int
    is_duplicate: bool = False
    is_flush_due: bool = False
    """flush.messages are waiting for a sync, and the caller took it upon itself (`defer_flush`)."""


class FetchDataInfo:
    """What a read gives: a stretch of whole batches (the last one may be cut), and for read_committed what to skip."""

    __slots__ = ("aborted_transactions", "records")

    def __init__(self, records: LogSlice, aborted_transactions: list[AbortedTxn] | None) -> None:
        self.records = records
        self.aborted_transactions = aborted_transactions
        """Aborted transactions overlapping the records; None for read_uncommitted."""


class PartitionLog:
    """One partition's log. Made by `create` or by log_recovery.load_log."""

    __slots__ = (
        "_base_offsets",
        "_compression_level",
        "_compression_target",
        "_context",
        "_flushed_position",
        "_must_validate_records",
        "_timestamp_after_max_ms",
        "_timestamp_type",
        "_unstable_position",
        "config",
        "directory",
        "high_watermark",
        "is_closed",
        "is_metadata_unsynced",
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
        self._context = context
        self.directory = directory
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.segments = segments
        self._base_offsets = [segment.base_offset for segment in segments]
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
        self.last_flush_ms = now_ms
        self._flushed_position = (segments[0].base_offset, 0)
        self.is_closed = False
        self.on_append: Callable[[PartitionLog], None] | None = None
        """Called after each append that wrote something, and whenever the last stable offset has moved with it."""
        self.is_metadata_unsynced = False
        self._unstable_position: tuple[int, int, int] | None = None
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
                    roll_jitter_ms=roll_jitter_ms(config),
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
    def context(self) -> LogContext:
        return self._context

    @property
    def active_segment(self) -> LogSegment:
        return self.segments[-1]

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
        return sum(segment.size for segment in self.segments_from(base_offset)) - position

    def note_flushed(self, offset: int, base_offset: int, position: int, now_ms: int) -> None:
        """All before `offset`, which is at a position of the segment with that base offset, is on the disk."""
        self.last_flush_ms = now_ms
        if self.recovery_point < offset <= self.log_end_offset:
            self.recovery_point = offset
            self._flushed_position = (base_offset, position)

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
        write_partition_metadata(self._context.filesystem, path, topic_id, sync=False)
        self.is_metadata_unsynced = True

    def begin_leader_epoch(self, epoch: int) -> None:
        """From here on appends carry this epoch; it is known to begin at the log's end before it has records."""
        self.leader_epoch = epoch
        if epoch > self.leader_epoch_cache.latest_epoch:
            self.leader_epoch_cache.begin(epoch, self.log_end_offset)

    def update_config(self, config: TopicConfig) -> None:
        """Takes on another configuration; it holds from the next append, read or step on."""
        self.config = config
        self._timestamp_type = (
            TimestampType.LOG_APPEND_TIME
            if config.message_timestamp_type == "LogAppendTime"
            else TimestampType.CREATE_TIME
        )
        codec = config.compression_type
        self._compression_target = None if codec == "producer" else _CODECS[codec]
        self._compression_level: int | None = {
            "gzip": config.compression_gzip_level,
            "lz4": config.compression_lz4_level,
            "zstd": config.compression_zstd_level,
        }.get(codec)
        # What a batch's header alone cannot answer for.
        self._must_validate_records = (
            config.is_compacted
            or config.message_timestamp_before_max_ms != NO_BOUND
            or self._compression_target is not None
        )
        # With LogAppendTime the producer's timestamps do not count.
        self._timestamp_after_max_ms = (
            config.message_timestamp_after_max_ms if self._timestamp_type is TimestampType.CREATE_TIME else NO_BOUND
        )

    # --- appending ---

    def append(
        self,
        records: Buffer,
        *,
        now_ms: int,
        leader_epoch: int | None = None,
        origin: AppendOrigin = AppendOrigin.CLIENT,
        produce_version: int = 13,
        verification_guard: VerificationState | None = None,
        transaction_version: int = TRANSACTION_VERSION_UNKNOWN,
        defer_flush: bool = False,
    ) -> LogAppendInfo:
        """Appends batches, giving them their offsets and leader epoch; when it returns they are in the page cache.

        A client's append is one batch and is checked as Apache Kafka checks it (log_validator); the others are trusted.
        Raises KafkaError (RecordValidationError where single records are to blame); nothing is appended then.
        """
        if origin is not AppendOrigin.CLIENT:
            return self._append_trusted(
                records,
                now_ms,
                self.leader_epoch if leader_epoch is None else leader_epoch,
                origin,
                verification_guard,
                transaction_version,
                defer_flush,
            )
        config = self.config
        header = validate_client_batch(
            records,
            self.topic_partition,
            max_message_bytes=config.max_message_bytes,
            produce_version=produce_version,
        )
        size = header[1] + 12
        view = memoryview(records)
        if len(view) != size:
            view = view[:size]
        log_append_time_ms = NO_TIMESTAMP
        if (
            self._must_validate_records
            or header[8] < header[7]
            or header[8] - now_ms > self._timestamp_after_max_ms
            or header[5] & 0x08
        ):
            batch, header = self._validate_records(view, header, now_ms)
            view = memoryview(batch)
            size = header[1] + 12
        elif self._timestamp_type:
            batch, header = with_timestamps(bytes(view), header, now_ms, self._timestamp_type)
            view = memoryview(batch)
        if self._timestamp_type:
            log_append_time_ms = now_ms
        offset = self.log_end_offset
        producer_id = header[9]
        if producer_id >= 0:
            duplicate = self.producer_state.check_data_batch(header, offset, origin, verification_guard)
            if duplicate is not None:
                return LogAppendInfo(
                    duplicate.first_offset,
                    duplicate.last_offset,
                    duplicate.timestamp,
                    self.log_start_offset,
                    True,
                )
        if size > config.segment_bytes:
            raise self._batch_larger_than_segment(size)
        if leader_epoch is None:
            leader_epoch = self.leader_epoch
        if leader_epoch > self.leader_epoch_cache.written_epoch:
            self._assign_epoch(leader_epoch, offset)
        next_offset = offset + header[6] + 1
        segment = self.segments[-1]
        if segment.should_roll(config, size, header[8], next_offset - 1, now_ms):
            segment = self.roll(now_ms)
        try:
            segment.append(_PREFIX.pack(offset, header[1], leader_epoch), view[16:], next_offset - 1, header[8])
        except OSError as error:
            raise self.storage_error("appending records", error) from error
        self.log_end_offset = self.high_watermark = next_offset
        if producer_id >= 0:
            self.producer_state.add_data_batch(header, offset)
            if self.producer_state.ongoing_transactions:
                self.update_last_stable_offset()
            else:
                self.last_stable_offset = next_offset
        elif not self.producer_state.ongoing_transactions:
            self.last_stable_offset = next_offset
        is_flush_due = next_offset - self.recovery_point >= config.flush_messages
        if is_flush_due and not defer_flush:
            self.flush(now_ms)
            is_flush_due = False
        if self.on_append is not None:
            self.on_append(self)
        return LogAppendInfo(offset, next_offset - 1, log_append_time_ms, self.log_start_offset, False, is_flush_due)

    def _validate_records(self, view: memoryview, header: BatchHeader, now_ms: int) -> tuple[Buffer, BatchHeader]:
        config = self.config
        batch, header = validate_and_convert(
            bytes(view),
            header,
            self.topic_partition,
            now_ms=now_ms,
            target_compression=self._compression_target,
            target_level=self._compression_level,
            is_compacted=config.is_compacted,
            timestamp_type=self._timestamp_type,
            timestamp_before_max_ms=config.message_timestamp_before_max_ms,
            timestamp_after_max_ms=config.message_timestamp_after_max_ms,
            max_decompressed_size=config.max_decompressed_message_bytes,
        )
        if header.size_in_bytes > config.max_message_bytes:
            raise KafkaError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"Message batch size is {header.size_in_bytes} bytes in append to partition {self.topic_partition} "
                f"which exceeds the maximum configured size of {config.max_message_bytes}.",
            )
        return batch, header

    def _batch_larger_than_segment(self, size: int) -> KafkaError:
        return KafkaError(
            ErrorCode.RECORD_LIST_TOO_LARGE,
            f"Message batch size is {size} bytes in append to partition {self.topic_partition}, which exceeds the "
            f"maximum configured segment size of {self.config.segment_bytes}.",
        )

    def _assign_epoch(self, epoch: int, offset: int) -> None:
        try:
            self.leader_epoch_cache.assign(epoch, offset)
        except OSError as error:
            raise self.storage_error("writing leader epochs", error) from error

    def _append_trusted(
        self,
        records: Buffer,
        now_ms: int,
        leader_epoch: int,
        origin: AppendOrigin,
        verification_guard: VerificationState | None,
        transaction_version: int,
        defer_flush: bool,
    ) -> LogAppendInfo:
        """Appends the broker's own batches (one or several, control batches too) with one write into one segment.

        With AppendOrigin.REPLICATION they keep their offsets and epochs, which may leave gaps.
        """
        buffer = bytearray(records)
        batches = list(iter_batches(buffer))
        if not batches or batches[-1][0] + batches[-1][1].size_in_bytes != len(buffer):
            raise corrupt_record(f"The records of an append to {self.topic_partition} are no whole batches")
        is_replication = origin is AppendOrigin.REPLICATION
        first_offset = offset = self.log_end_offset
        placed: list[tuple[int, BatchHeader, EndTransactionMarker | None]] = []
        for position, header in batches:
            if is_replication:
                check_crc(buffer, position, header)
                if header.base_offset < offset:
                    raise KafkaError(
                        ErrorCode.UNKNOWN_SERVER_ERROR,
                        f"Unexpected offset in append to {self.topic_partition}. First offset {header.base_offset} is "
                        f"less than the next offset {offset}.",
                    )
                if position == 0:
                    first_offset = header.base_offset
            else:
                set_offset_and_epoch(buffer, position, offset, leader_epoch)
                header = header._replace(base_offset=offset, partition_leader_epoch=leader_epoch)
            marker = None
            if header.producer_id >= 0:
                if header.is_control:
                    marker = read_end_transaction_marker(buffer, position, header)
                    if marker is not None:
                        self.producer_state.check_marker(header, marker, offset, origin, transaction_version)
                else:
                    self.producer_state.check_data_batch(header, offset, origin, verification_guard)
            placed.append((position, header, marker))
            offset = header.next_offset
        if len(buffer) > self.config.segment_bytes:
            raise self._batch_larger_than_segment(len(buffer))
        max_timestamp = max(header.max_timestamp for _, header, _ in placed)
        for _, header, _ in placed:
            if header.partition_leader_epoch > self.leader_epoch_cache.written_epoch:
                self._assign_epoch(header.partition_leader_epoch, header.base_offset)
        segment = self.segments[-1]
        if segment.should_roll(self.config, len(buffer), max_timestamp, offset - 1, now_ms):
            segment = self.roll(now_ms, first_offset)
        try:
            segment.append_batches(buffer, [(position, header) for position, header, _ in placed])
        except OSError as error:
            raise self.storage_error("appending records", error) from error
        self.log_end_offset = self.high_watermark = offset
        for _, header, marker in placed:
            aborted = update_producer_state(self.producer_state, header, marker)
            if aborted is not None:
                segment.transaction_index.append(aborted)
        self.update_last_stable_offset()
        is_flush_due = offset - self.recovery_point >= self.config.flush_messages
        if is_flush_due and not defer_flush:
            self.flush(now_ms)
            is_flush_due = False
        if self.on_append is not None:
            self.on_append(self)
        return LogAppendInfo(first_offset, offset - 1, NO_TIMESTAMP, self.log_start_offset, False, is_flush_due)

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

    def remove_expired_producers(self, now_ms: int) -> None:
        self.producer_state.remove_expired(now_ms)

    def roll(self, now_ms: int, expected_next_offset: int = 0) -> LogSegment:
        """Begins a new segment at the end of the log, with a producer snapshot beside it. Raises KafkaError."""
        active = self.segments[-1]
        base_offset = max(expected_next_offset, self.log_end_offset)
        if base_offset == active.base_offset and not active.size:
            return active
        try:
            active.become_inactive()
            self.take_producer_snapshot()
            segment = LogSegment.create(
                self._context,
                self.directory,
                base_offset,
                self.config,
                now_ms=now_ms,
                roll_jitter_ms=roll_jitter_ms(self.config),
            )
        except OSError as error:
            raise self.storage_error("rolling a segment", error) from error
        self.segments.append(segment)
        self._base_offsets.append(base_offset)
        return segment

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
        if offset < self.log_start_offset or offset > self.log_end_offset:
            raise self._offset_out_of_range(offset)
        upper_bound = self.last_stable_offset if isolation_level else self.high_watermark
        if offset >= upper_bound:
            return FetchDataInfo(EMPTY_SLICE, [] if isolation_level else None)
        segments = self.segments
        slot = len(segments) - 1
        segment = segments[-1]
        if offset < segment.base_offset:
            slot = max(0, bisect_right(self._base_offsets, offset) - 1)
            segment = segments[slot]
        try:
            found = segment.find_batch(offset)
            while found is None:
                slot += 1
                if slot == len(segments):
                    return FetchDataInfo(EMPTY_SLICE, [] if isolation_level else None)
                segment = segments[slot]
                found = segment.find_batch(offset)
            _, position, batch_size = found
            size = segment.size - position
            if upper_bound != self.log_end_offset:
                size = min(size, self._end_position(upper_bound, segment) - position)
            if size > max_bytes:
                size = max_bytes if max_bytes >= batch_size else batch_size if minimum_one_batch else 0
            if size <= 0:
                return FetchDataInfo(EMPTY_SLICE, [] if isolation_level else None)
            records = LogSlice(segment.file, position, size)
            if not isolation_level:
                return FetchDataInfo(records, None)
            return FetchDataInfo(records, self._aborted_transactions(offset, slot, position + size))
        except OSError as error:
            raise self.storage_error(f"reading from offset {offset}", error) from error

    def _offset_out_of_range(self, offset: int) -> KafkaError:
        if offset < self.log_start_offset:
            return KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Received request for offset {offset} for partition {self.topic_partition}, but we only have log "
                f"segments starting from offset: {self.log_start_offset}.",
            )
        return KafkaError(
            ErrorCode.OFFSET_OUT_OF_RANGE,
            f"Received request for offset {offset} for partition {self.topic_partition}, but we only have log segments "
            f"upto {self.log_end_offset}.",
        )

    def _end_position(self, offset: int, segment: LogSegment) -> int:
        """Up to which position of a segment there are batches before `offset`."""
        cached = self._unstable_position
        if cached is None or cached[0] != offset:
            slot = max(0, bisect_right(self._base_offsets, offset) - 1)
            holder = self.segments[slot]
            found = holder.find_batch(offset)
            cached = (offset, holder.base_offset, holder.size if found is None else found.position)
            self._unstable_position = cached
        _, base_offset, position = cached
        if segment.base_offset == base_offset:
            return position
        return segment.size if segment.base_offset < base_offset else 0

    def _aborted_transactions(self, offset: int, slot: int, end_position: int) -> list[AbortedTxn]:
        """The aborted transactions of a read that began at `offset` in a segment and ended at a position in it."""
        upper_bound = self.segments[slot].offset_index.upper_bound_offset(end_position)
        if upper_bound is None:
            upper_bound = self._base_offsets[slot + 1] if slot + 1 < len(self.segments) else self.log_end_offset
        return self.collect_aborted_transactions(offset, upper_bound, slot)

    def collect_aborted_transactions(
        self, start_offset: int, upper_bound_offset: int, slot: int | None = None
    ) -> list[AbortedTxn]:
        """The aborted transactions that overlap a range of offsets, in the order of their markers."""
        if slot is None:
            slot = max(0, bisect_right(self._base_offsets, start_offset) - 1)
        aborted: list[AbortedTxn] = []
        for segment in self.segments[slot:]:
            if segment.transaction_index.collect(start_offset, upper_bound_offset, aborted):
                break
        return aborted

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
        return self._look_up(
            lambda: first_offset_at_or_after(self._visible_segments(), timestamp, self.log_start_offset)
        )

    def offset_for_max_timestamp(self) -> TimestampAndOffset | None:
        """The first record with the largest timestamp. Raises KafkaError."""
        return self._look_up(lambda: offset_of_max_timestamp(self._visible_segments(), self.log_start_offset))

    def _look_up(self, search: Callable[[], TimestampAndOffset | None]) -> TimestampAndOffset | None:
        try:
            return search()
        except OSError as error:
            raise self.storage_error("looking up a timestamp", error) from error

    def _visible_segments(self) -> list[LogSegment]:
        """The segments that hold records behind the log's start."""
        return list(self.segments_from(self.log_start_offset))

    def segments_from(self, offset: int) -> Iterator[LogSegment]:
        """The segment that would hold `offset`, and those behind it."""
        return iter(self.segments[max(0, bisect_right(self._base_offsets, offset) - 1) :])

    def delete_records(self, before_offset: int) -> int:
        """Moves the log's start; see log_retention.delete_records. Returns the low watermark, raises KafkaError."""
        from kafkalite.storage.log_retention import delete_records

        return delete_records(self, before_offset)

    def drop_segments(self, count: int) -> None:
        """Takes the first segments out of the log; their files are the caller's."""
        del self.segments[:count], self._base_offsets[:count]

    def replace_segments(self, old: list[LogSegment], new: LogSegment) -> bool:
        """Puts one segment in the place of neighbouring ones, whose files are the caller's.

        Changes nothing and gives False unless all of them are still here, and inactive."""
        first = bisect_right(self._base_offsets, old[0].base_offset) - 1
        behind = first + len(old)
        if first < 0 or behind >= len(self.segments) or self.segments[first:behind] != old:
            return False
        self.segments[first:behind] = [new]
        self._base_offsets[first:behind] = [new.base_offset]
        return True

    # --- errors ---

    def storage_error(self, doing: str, error: OSError, *, is_sync: bool = False) -> KafkaError:
        """Reports a failed system call and makes the answer for the client.

        A log that was taken out of service reports nothing: its files may be gone.
        """
        if self.is_closed:
            return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log of {self.topic_partition} is closed")
        _logger.error("Error while %s of %s in dir %s: %s", doing, self.topic_partition, self.log_directory, error)
        self._context.report_failure(self.log_directory, error, is_sync)
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
            if segment.is_open() and (with_active or segment is not self.segments[-1]):
                segment.release_file()
            held += segment.is_open()
        return held

    def close(self) -> None:
        """Writes indexes and producer snapshot and lets go of all files. Syncs nothing: flush before, and after."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.log_end_offset != self.recovery_point or not self.snapshots.offsets:
            self.take_producer_snapshot()
        for segment in self.segments:
            segment.close()


def roll_jitter_ms(config: TopicConfig) -> int:
    """A random part of segment.jitter.ms, so that not all partitions roll at once."""
    if not config.segment_jitter_ms:
        return 0
    return random.randrange(min(config.segment_jitter_ms, config.segment_ms) or 1)


def update_producer_state(
    state: ProducerStateManager, header: BatchHeader, marker: EndTransactionMarker | None
) -> AbortedTxn | None:
    """Takes one batch of the log into the producers' state; the transaction index's entry if it aborts one."""
    if header.producer_id < 0:
        return None
    if not header.is_control:
        state.add_data_batch(header, header.base_offset)
        return None
    return None if marker is None else state.add_marker(header, marker, header.base_offset)
