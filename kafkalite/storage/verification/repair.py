"""Mending a log as the next start would: what follows from the log is made again, the rest is left to its recovery."""

from __future__ import annotations

from collections.abc import Callable

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition
from kafkalite.storage.checkpoint_files import (
    CorruptCheckpointError,
    read_offset_checkpoint,
    write_offset_checkpoint,
)
from kafkalite.storage.file_names import (
    CLEANER_OFFSET_CHECKPOINT_FILE,
    LOG_START_OFFSET_CHECKPOINT_FILE,
    RECOVERY_POINT_CHECKPOINT_FILE,
    REPLICATION_OFFSET_CHECKPOINT_FILE,
)
from kafkalite.storage.filesystem import FileSystem, remove_if_exists
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_flush import prepare_flush
from kafkalite.storage.log_loader import load_log
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.verification.finding import Finding, Remedy
from kafkalite.storage.verification.partition_verification import PartitionFacts, VerifiedLog


def needs_repair(log: VerifiedLog) -> bool:
    """Whether there is anything that a repair can do for a log."""
    return any(finding.remedy is not Remedy.NONE for finding in log.findings)


def repair_log(filesystem: FileSystem, log: VerifiedLog, config: TopicConfig, *, now_ms: int) -> list[str]:
    """Mends a log and brings it to the disk; returns the files that were removed to be made again.

    A log that is sound but for its tail is recovered from its beginning. One with damage in its middle is treated
    as at a start: behind the recovery point it is cut there, before it nothing is touched. Raises OSError, KafkaError.
    """
    facts = log.facts
    removed = [path for path in _rebuilt_files(log.findings) if remove_if_exists(filesystem, path)]
    context = LogContext(filesystem, is_transaction_verification_enabled=False)
    mended = load_log(
        context,
        facts.directory,
        facts.topic_partition,
        config,
        now_ms=now_ms,
        had_clean_shutdown=facts.had_clean_shutdown and log.has_lost_batches,
        log_start_offset=facts.log_start_offset,
        recovery_point=facts.recovery_point or 0 if log.has_lost_batches else 0,
    )
    log_end_offset = mended.log_end_offset
    mended.close()
    flush = prepare_flush(mended, with_checkpoint=True)
    if flush is not None:
        flush.run(now_ms)
    context.delete_due(now_ms + config.file_delete_delay_ms + 1)
    filesystem.sync_directory(facts.directory)
    _write_checkpoints(filesystem, facts, mended, log_end_offset)
    return removed


def _rebuilt_files(findings: list[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.path for finding in findings if finding.remedy is Remedy.REBUILD))


def _write_checkpoints(filesystem: FileSystem, facts: PartitionFacts, log: PartitionLog, log_end_offset: int) -> None:
    log_dir = log.log_directory
    end = log_end_offset
    _change_checkpoint(filesystem, f"{log_dir}/{RECOVERY_POINT_CHECKPOINT_FILE}", facts, lambda offset: end)
    _change_checkpoint(
        filesystem,
        f"{log_dir}/{LOG_START_OFFSET_CHECKPOINT_FILE}",
        facts,
        lambda offset: log.log_start_offset if offset is not None and offset > end else offset,
    )
    for name in (REPLICATION_OFFSET_CHECKPOINT_FILE, CLEANER_OFFSET_CHECKPOINT_FILE):
        _change_checkpoint(
            filesystem, f"{log_dir}/{name}", facts, lambda offset: None if offset is None else min(offset, end)
        )


def _change_checkpoint(
    filesystem: FileSystem, path: str, facts: PartitionFacts, change: Callable[[int | None], int | None]
) -> None:
    """Replaces the log's entry, which may be None for none, if that makes a difference."""
    offsets = _read_checkpoint(filesystem, path)
    before = offsets.get(facts.topic_partition)
    after = change(before)
    if after is not None and after != before:
        offsets[facts.topic_partition] = after
        write_offset_checkpoint(filesystem, path, offsets)


def _read_checkpoint(filesystem: FileSystem, path: str) -> dict[TopicPartition, int]:
    try:
        return dict(read_offset_checkpoint(filesystem, path))
    except CorruptCheckpointError:
        return {}
