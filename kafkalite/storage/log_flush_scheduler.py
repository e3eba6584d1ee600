"""Which logs are due for a flush, looked at every `log.flush.scheduler.interval.ms` (due_flush_steps).

A log is flushed because its `flush.ms` is over or because it has rolled, and beyond what Apache Kafka does so that a
start after a kill is soon over: the logs that would have the largest parts in a recovery that takes too long, and those
that nobody writes to any more, a few in each round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from kafkalite.errors import KafkaError
from kafkalite.storage.log_flush import LogFlush, prepare_flush
from kafkalite.storage.partition_log import PartitionLog

MAX_RECOVERY_S: Final = 0.5
"""Logs are flushed when reading what is unflushed in all of them would take longer than that after a kill. Rarely
enough that a burst of records goes at the page cache's speed, not at the disk's."""
MAX_SEGMENTS_PER_FLUSH: Final = 100
"""Each has some five files, all of which are open while they wait for their sync."""
WRITTEN_BACK_MS: Final = 35_000
"""After so long a system has written appended bytes to the disk by itself, and syncing them costs next to nothing."""
MAX_QUIET_LOGS: Final = 10
"""So many logs that nobody writes to are flushed in a round."""
MAX_COSTLY_LOGS: Final = 100
"""So many are flushed at once because a recovery would take long; others follow in the next round."""
FLUSHES_PER_STEP: Final = 8
"""Each opens some files when it is prepared, and may replace one when it is finished."""
_RECOVERED_BYTES_PER_S: Final = 6 << 30
_RECOVERED_BATCHES_PER_S: Final = 400_000


def due_flush_steps(logs: Iterable[PartitionLog], now_ms: int) -> Iterator[list[LogFlush]]:
    """The flushes of this round, a few at a time: each few are prepared when they are asked for. Not those that cannot
    be prepared, and not those of logs that have gone meanwhile."""
    unflushed = [log for log in logs if log.log_end_offset != log.recovery_point]
    wanted = _most_costly(unflushed)
    quiet = (log for log in unflushed if abs(now_ms - log.last_append_ms) >= WRITTEN_BACK_MS)
    wanted.update(islice(quiet, MAX_QUIET_LOGS))
    flushes: list[LogFlush] = []
    for log in unflushed:
        if log.is_closed:
            continue
        is_rolled = log.active_segment.base_offset > log.recovery_point
        # After a clock was set back by more than that, nobody knows how long it is: better too early than too late.
        is_due = abs(now_ms - log.last_flush_ms) >= log.config.flush_ms
        if log in wanted or is_rolled or is_due:
            try:
                flush = prepare_flush(
                    log,
                    with_checkpoint=log in wanted or is_rolled,
                    max_segments=MAX_SEGMENTS_PER_FLUSH,
                    only_rolled=not (log in wanted or is_due),
                )
            except KafkaError:
                continue  # reported where it happened; the other logs are none the worse for it
            if flush is not None:
                flushes.append(flush)
                if len(flushes) == FLUSHES_PER_STEP:
                    yield flushes
                    flushes = []
    if flushes:
        yield flushes


def recovery_s(log: PartitionLog) -> float:
    """About how long it would take to read, after a kill, what was appended to a log since its last flush."""
    return log.unflushed_bytes() / _RECOVERED_BYTES_PER_S + log.unflushed_batches / _RECOVERED_BATCHES_PER_S


def _most_costly(logs: list[PartitionLog]) -> set[PartitionLog]:
    """The logs to flush so that a recovery of all takes half of what it may; none while it takes less than it may."""
    costs = {log: recovery_s(log) for log in logs}
    total = sum(costs.values())
    costly: set[PartitionLog] = set()
    if total > MAX_RECOVERY_S:
        for log in sorted(costs, key=costs.__getitem__, reverse=True)[:MAX_COSTLY_LOGS]:
            costly.add(log)
            total -= costs[log]
            if total <= MAX_RECOVERY_S / 2:
                break
    return costly
