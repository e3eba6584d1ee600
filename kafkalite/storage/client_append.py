"""A client's append up to the write: one batch is checked, and gets its offset and its place at the end of the log.

What the batch says of itself is checked first (log_validator), then, where the topic's configuration asks for it, its
records, which may be converted (batch_conversion), and last its producer's sequence (producer_state). Codes and texts
are those of Apache Kafka's UnifiedLog.append. Batches that need none of it go another way: see plain_append.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.batch_conversion import validate_and_convert, with_timestamps
from kafkalite.records.compression import Buffer, CompressionType
from kafkalite.records.log_validator import validate_client_batch
from kafkalite.records.record import NO_TIMESTAMP
from kafkalite.records.record_batch import BATCH_PREFIX_SIZE, BatchHeader, TimestampType, pack_batch_prefix
from kafkalite.records.record_validation import NO_BOUND, NO_RECORD_BOUND
from kafkalite.storage.log_append_info import LogAppendInfo
from kafkalite.storage.producer_state import AppendOrigin, VerificationState

if TYPE_CHECKING:
    from kafkalite.storage.log_segment import LogSegment
    from kafkalite.storage.partition_log import PartitionLog

_CODECS: Final = {codec.name.lower(): codec for codec in CompressionType} | {"uncompressed": CompressionType.NONE}
_NEVER: Final = 0x7FFFFFFFFFFFFFFF
"""The default of flush.messages."""

PlacedBatch: TypeAlias = "tuple[LogSegment, bytes, memoryview, BatchHeader, int]"
"""The segment, what is written there in two pieces, the header of what is written, and the time of a log that stamps
its records (-1 of one that does not)."""


class AppendRules:
    """What a topic's configuration asks of clients' batches, as an append wants to know it."""

    __slots__ = (
        "compression_level",
        "compression_target",
        "must_validate_records",
        "takes_plain_batches",
        "timestamp_after_max_ms",
        "timestamp_type",
    )

    def __init__(self, config: TopicConfig) -> None:
        self.timestamp_type = (
            TimestampType.LOG_APPEND_TIME
            if config.message_timestamp_type == "LogAppendTime"
            else TimestampType.CREATE_TIME
        )
        self.timestamp_after_max_ms = NO_BOUND if self.timestamp_type else config.message_timestamp_after_max_ms
        """How far producers' timestamps may be ahead; with LogAppendTime they do not count."""
        codec = config.compression_type
        self.compression_target = None if codec == "producer" else _CODECS[codec]
        self.compression_level: int | None = {
            "gzip": config.compression_gzip_level,
            "lz4": config.compression_lz4_level,
            "zstd": config.compression_zstd_level,
        }.get(codec)
        self.must_validate_records = (
            config.is_compacted
            or config.message_timestamp_before_max_ms != NO_BOUND
            or config.max_decompressed_message_bytes != NO_RECORD_BOUND
            or self.compression_target is not None
        )
        """Whether a batch's header alone cannot answer for it."""
        self.takes_plain_batches = (
            not self.must_validate_records and not self.timestamp_type and config.flush_messages >= _NEVER
        )
        """Whether most batches can be appended as they are, and answered at once: see plain_append."""


def place_client_batch(
    log: PartitionLog,
    records: Buffer,
    now_ms: int,
    header: BatchHeader | None,
    leader_epoch: int | None,
    produce_version: int,
    verification_guard: VerificationState | None,
    *,
    is_validated: bool = False,
) -> PlacedBatch | LogAppendInfo:
    """Checks a batch, but for what `validate_client_batch` looks at where that `is_validated`, and finds its place;
    rolls the log where it has to. Or the answer of a duplicate."""
    if log.context.is_read_only:
        log.context.check_writable()
    config, rules = log.config, log.append_rules
    if header is None or not is_validated:
        header = validate_client_batch(
            records,
            log.topic_partition,
            max_message_bytes=config.max_message_bytes,
            produce_version=produce_version,
            header=header,
        )
    size = header[1] + 12
    view = records if type(records) is memoryview else memoryview(records)
    if len(view) != size:
        view = view[:size]
    log_append_time_ms = NO_TIMESTAMP
    if (
        rules.must_validate_records
        or header[8] < header[7]
        or header[8] - now_ms > rules.timestamp_after_max_ms
        or header[5] & 0x08
    ):
        batch, header = _validate_records(log, view, header, now_ms)
        view = memoryview(batch)
        size = header[1] + 12
    elif rules.timestamp_type:
        batch, header = with_timestamps(bytes(view), header, now_ms, rules.timestamp_type)
        view = memoryview(batch)
    if rules.timestamp_type:
        log_append_time_ms = now_ms
    offset = log.log_end_offset
    if header[9] >= 0:
        duplicate = log.producer_state.check_data_batch(header, offset, AppendOrigin.CLIENT, verification_guard)
        if duplicate is not None:
            return LogAppendInfo(
                duplicate.first_offset, duplicate.last_offset, duplicate.timestamp, log.log_start_offset, True
            )
    if size > config.segment_bytes:
        raise log.batch_larger_than_segment(size)
    if leader_epoch is None:
        leader_epoch = log.leader_epoch
    if leader_epoch > log.leader_epoch_cache.written_epoch:
        log.leader_epoch_cache.assign(leader_epoch, offset)
    segment = log.segments.active
    if segment.should_roll(config, size, header[8], offset + header[6], now_ms):
        segment = log.roll(now_ms)
    prefix = pack_batch_prefix(offset, header[1], leader_epoch)
    return segment, prefix, view[BATCH_PREFIX_SIZE:], header, log_append_time_ms


def _validate_records(
    log: PartitionLog, view: memoryview, header: BatchHeader, now_ms: int
) -> tuple[Buffer, BatchHeader]:
    config, rules = log.config, log.append_rules
    batch, header = validate_and_convert(
        bytes(view),
        header,
        log.topic_partition,
        now_ms=now_ms,
        target_compression=rules.compression_target,
        target_level=rules.compression_level,
        is_compacted=config.is_compacted,
        timestamp_type=rules.timestamp_type,
        timestamp_before_max_ms=config.message_timestamp_before_max_ms,
        timestamp_after_max_ms=config.message_timestamp_after_max_ms,
        max_decompressed_message_bytes=config.max_decompressed_message_bytes,
    )
    if header.size_in_bytes > config.max_message_bytes:
        raise KafkaError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"Message batch size is {header.size_in_bytes} bytes in append to partition {log.topic_partition} "
            f"which exceeds the maximum configured size of {config.max_message_bytes}.",
        )
    return batch, header
