"""Moves logs between log directories while they are written and read (KIP-113, ReplicaAlterLogDirsThread).

A move that a stop or a crash interrupts goes on after the next start, from where its copy ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kafkalite.broker.clock import Clock, Timer
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog

if TYPE_CHECKING:
    from kafkalite.storage.future_log import FutureLog

logger = logging.getLogger("kafkalite.log_dirs")

STEP_BYTES: Final = 1024 * 1024
"""What is copied in one go: about a millisecond in which nothing else happens."""
STEP_INTERVAL_MS: Final = 2


class ReplicaAlterLogDirs:
    """The moves that are under way, a step of one of them at a time."""

    def __init__(self, logs: LogManager, clock: Clock, on_moved: Callable[[PartitionLog], None]) -> None:
        self._logs = logs
        self._clock = clock
        self._on_moved = on_moved
        self._moves: dict[TopicPartition, FutureLog] = {}
        self._timer: Timer | None = None

    def future_logs_in(self, directory: LogDirectory) -> list[FutureLog]:
        """The copies that grow in a log directory."""
        return [move for move in self._moves.values() if move.destination is directory]

    def start(self) -> None:
        """Goes on with the moves that an earlier run has begun."""
        for copy in list(self._logs.future_logs.values()):
            try:
                self._resume(copy)
            except (KafkaError, OSError) as error:
                logger.error("%s cannot be moved to %s: %s", copy.topic_partition, copy.log_directory, error)
        self._schedule()

    def _resume(self, copy: PartitionLog) -> None:
        source = self._logs.get(copy.topic_partition)
        if source is None:
            return  # it cannot be read now; the copy waits with it
        from kafkalite.storage.future_log import FutureLog

        move = FutureLog.resume(self._logs, source, copy)
        if move is None:
            destination = self._logs.directory_of(copy)
            logger.warning("%s is no part of %s any more: beginning that copy anew", copy, source)
            self._logs.delete_future(copy.topic_partition, self._clock.now_ms())
            move = FutureLog.begin(self._logs, source, destination, now_ms=self._clock.now_ms())
        else:
            logger.info(
                "Going on with the move of %s to %s at offset %d", source, copy.log_directory, copy.log_end_offset
            )
        self._moves[copy.topic_partition] = move

    def move(self, topic_partition: TopicPartition, path: str) -> None:
        """Begins to move a partition's log to a log directory, instead of to wherever it was moving.

        Raises KafkaError: LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR, UNKNOWN_TOPIC_OR_PARTITION,
        INVALID_TOPIC_EXCEPTION for a name that leaves no room for that of a copy.
        """
        destination = self._logs.directories.at(path)
        if destination is None:
            raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND)
        if not destination.is_online:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
        log = self._logs.get(topic_partition)
        if log is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        under_way = self._moves.get(topic_partition)
        if under_way is not None:
            if under_way.destination is destination:
                return
            del self._moves[topic_partition]
            self._abandon(under_way)
        if self._logs.directory_of(log) is destination:
            return
        from kafkalite.storage.future_log import FutureLog  # few brokers ever move a log

        try:
            move = FutureLog.begin(self._logs, log, destination, now_ms=self._clock.now_ms())
        except OSError as error:
            raise log.storage_error("beginning to move the log", error) from error
        self._moves[topic_partition] = move
        self._schedule()

    def close(self) -> None:
        """Leaves the copies as they are, for the next start to go on with."""
        if self._timer is not None:
            self._timer.cancel()
        self._moves.clear()

    def _abandon(self, move: FutureLog) -> None:
        try:
            move.abandon(self._clock.now_ms())
        except OSError as error:  # its log directory has failed
            logger.warning("%s cannot be removed: %s", move.copy.directory, error)

    def _schedule(self) -> None:
        if self._timer is None and self._moves:
            self._timer = self._clock.call_later(STEP_INTERVAL_MS, self._step)

    def _step(self) -> None:
        self._timer = None
        topic_partition, move = next(iter(self._moves.items()))
        del self._moves[topic_partition]
        try:
            if move.copy.is_closed or self._logs.is_offline(topic_partition):
                pass  # one of the two directories has failed: the copy stays, for a start that has both again
            elif self._logs.get(topic_partition) is not move.source:
                self._abandon(move)  # the topic has been deleted
            elif move.advance(STEP_BYTES, now_ms=self._clock.now_ms()):
                self._on_moved(move.take_over(now_ms=self._clock.now_ms()))
                logger.info("%s has moved to %s", topic_partition, move.destination.path)
            else:
                self._moves[topic_partition] = move  # behind the others
        except (KafkaError, OSError) as error:
            logger.error("%s cannot be moved to %s: %s", topic_partition, move.destination.path, error)
            if self._logs.get(topic_partition) is move.source:
                self._abandon(move)
        self._schedule()
