"""Joins coordinators, which are pure, with their topic's logs and with the loop.

A coordinator has one shard for each partition of its topic. An operation on a shard gives a CoordinatorResult; here its
records are appended as one batch, replayed, and the request is answered: at once, or through a future where the
coordinator's answer is still to come. The shard's timers run by one call of the clock for each partition.
Apache Kafka's CoordinatorRuntime, without its queues: on one loop an operation is over before the next begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from kafkalite.broker.clock import Clock, Timer
from kafkalite.broker.coordinator_loader import CoordinatorLoader
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult, Deferred
from kafkalite.coordinator.coordinator_timers import NEVER, CoordinatorTimers
from kafkalite.coordinator.string_hash import partition_for
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin, VerificationState

logger = logging.getLogger(__name__)

T = TypeVar("T")
NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
MAX_REMEMBERED_KEYS: Final = 10_000
_LOADED: Final = object()
RETRY_BACKOFF_MS: Final = 500
"""When a timer's records could not be written, its shard is looked at again after this."""


class CoordinatorShard(Protocol):
    """The state machine of one partition."""

    def decode(self, key: bytes, value: bytes | None) -> tuple[CoordinatorKey, CoordinatorValue | None] | None:
        """A record's key and value; None for a type that is not known."""

    def replay(
        self, record_offset: int, producer_id: int, key: CoordinatorKey, value: CoordinatorValue | None, now_ms: int
    ) -> None:
        """Brings one record into the state."""

    def replay_end_transaction_marker(self, producer_id: int, *, is_commit: bool) -> None:
        """A transaction has ended in the partition."""

    def on_written(self) -> None:
        """An operation's records have been appended, and replayed if they are."""

    def on_loaded(self, now_ms: int) -> None:
        """All records have been replayed."""

    def on_unloaded(self) -> None:
        """The partition is given up: whoever waits is to be answered."""


S = TypeVar("S", bound=CoordinatorShard)


class CoordinatorContext(Generic[S]):
    """One partition of a coordinator: its shard, log and timers."""

    __slots__ = (
        "_clock",
        "_compression",
        "_log",
        "_logs",
        "_wakeup",
        "_wakeup_ms",
        "shard",
        "timers",
        "topic_partition",
    )

    def __init__(
        self,
        log: PartitionLog,
        logs: Callable[[], LogManager],
        clock: Clock,
        new_shard: Callable[[CoordinatorTimers], S],
        compression: CompressionType,
    ) -> None:
        self._log = log
        self._logs = logs
        self.topic_partition = log.topic_partition
        self.timers = CoordinatorTimers(clock.steady_ms)
        self.shard = new_shard(self.timers)
        self._clock = clock
        self._compression = compression
        self._wakeup: Timer | None = None
        self._wakeup_ms = NEVER

    @property
    def log(self) -> PartitionLog:
        """The partition's log, wherever it has moved to; raises KAFKA_STORAGE_ERROR if its directory is offline."""
        if self._log.is_closed:
            log = self._logs().get(self.topic_partition)
            if log is None:
                raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
            self._log = log
        return self._log

    # Operations

    def run(
        self,
        result: CoordinatorResult[T],
        producer_id: int = NO_PRODUCER_ID,
        producer_epoch: int = NO_PRODUCER_EPOCH,
        verification_guard: VerificationState | None = None,
    ) -> T | asyncio.Future[T]:
        """Puts an operation's effects into force; its answer, or a future where the coordinator has yet to give one.

        With a producer's id the records are part of its transaction, which `verification_guard` proves to be under way.
        Raises KafkaError where they could not be written and nobody has been told yet.
        """
        reply = result.reply
        records = result.records
        if records:
            try:
                self._append(records, result, producer_id, producer_epoch, verification_guard)
            except KafkaError as error:
                logger.warning("Writing to %s failed: %s", self.topic_partition, error)
                if result.on_appended is not None:
                    result.on_appended(error)
                self.arm()
                if isinstance(reply, Deferred) and reply.is_done:
                    return reply.value
                raise
        if result.on_appended is not None:
            result.on_appended(None)
        if self.timers.next_deadline_ms < self._wakeup_ms:
            self.arm()
        if isinstance(reply, Deferred):
            return reply.value if reply.is_done else _future_of(reply)
        return reply  # type: ignore[return-value]

    def _append(
        self,
        records: Sequence[CoordinatorRecord],
        result: CoordinatorResult[Any],
        producer_id: int,
        producer_epoch: int,
        verification_guard: VerificationState | None,
    ) -> None:
        now_ms = self._clock.now_ms()
        limit = self.log.config.max_message_bytes
        first = 0
        while first < len(records):
            encoded: list[Record] = []
            size = 0
            for record in records[first:]:
                key, value = record.to_bytes()
                size += len(key) + len(value or b"") + 32
                if encoded and not result.is_atomic and size > limit // 2:
                    break
                encoded.append(Record(len(encoded), now_ms, key, value))
            batch = build_batch(
                encoded,
                compression=self._compression,
                producer_id=producer_id,
                producer_epoch=producer_epoch,
                is_transactional=producer_id != NO_PRODUCER_ID,
            )
            if len(batch) > limit:
                raise KafkaError(
                    ErrorCode.MESSAGE_TOO_LARGE,
                    f"Message batch size is {len(batch)} bytes in append to partition {self.topic_partition} "
                    f"which exceeds the maximum configured size of {limit}.",
                )
            offset = self.log.append(
                batch, now_ms=now_ms, origin=AppendOrigin.COORDINATOR, verification_guard=verification_guard
            ).first_offset
            if result.is_replayed:
                replay = self.shard.replay
                for record in records[first : first + len(encoded)]:
                    replay(offset, producer_id, record.key, record.value, now_ms)
                    offset += 1
            first += len(encoded)
        self.shard.on_written()

    # Timers

    def arm(self) -> None:
        """Makes sure that the loop comes by when the earliest timer is due."""
        next_ms = self.timers.next_deadline_ms
        if next_ms >= self._wakeup_ms:
            return
        if self._wakeup is not None:
            self._wakeup.cancel()
        self._wakeup_ms = next_ms
        self._wakeup = self._clock.call_later(max(0, next_ms - self._clock.steady_ms()), self._wake)

    def _wake(self) -> None:
        self._wakeup = None
        self._wakeup_ms = NEVER
        self.run_due()
        self.arm()

    def run_due(self) -> None:
        """Runs what is due by now, without waiting for the loop."""
        for operation in self.timers.pop_due():
            try:
                result = operation(self._clock.now_ms())
                try:
                    self.run(result)
                except KafkaError:
                    if result.is_replayed and result.on_appended is None:
                        # Nothing has changed, and nobody else sees to it.
                        self.timers.schedule(("retry", operation), RETRY_BACKOFF_MS, operation)
            except Exception:
                logger.exception("A timer of %s failed", self.topic_partition)

    def unload(self) -> None:
        """Gives the partition up."""
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
        self._wakeup_ms = NEVER
        self.timers.clear()
        self.shard.on_unloaded()
        self.timers.clear()


class _Loading(Generic[S]):
    """A partition that is being loaded, and what is to be done in it then."""

    __slots__ = ("context", "operations", "steps")

    def __init__(self, context: CoordinatorContext[S], steps: Iterator[None]) -> None:
        self.context = context
        self.steps = steps
        self.operations: list[Callable[[CoordinatorContext[S]], object]] = []


class CoordinatorRuntime(Generic[S]):
    """All partitions of a coordinator, loaded when the broker starts or when they are first asked for."""

    def __init__(
        self,
        topic: str,
        *,
        clock: Clock,
        logs: Callable[[], LogManager],
        ensure_topic: Callable[[], int],
        new_shard: Callable[[CoordinatorTimers], S],
        load_buffer_size: int,
        compression: CompressionType = CompressionType.NONE,
    ) -> None:
        self._topic = topic
        self._clock = clock
        self._logs = logs
        self._ensure_topic = ensure_topic
        self._new_shard = new_shard
        self._load_buffer_size = load_buffer_size
        self._compression = compression
        self._partition_count = 0
        self._contexts: dict[int, CoordinatorContext[S]] = {}
        self._contexts_by_key: dict[str, CoordinatorContext[S]] = {}
        self._loadings: dict[int, _Loading[S]] = {}
        self._to_load: deque[int] = deque()
        self._is_loading_scheduled = False
        self._is_closed = False

    def partition_for(self, key: str) -> int:
        """The partition that is responsible for a key; makes the topic if it is not there."""
        if not self._partition_count:
            self._partition_count = self._ensure_topic()
        return partition_for(key, self._partition_count)

    def context_for(self, key: str) -> CoordinatorContext[S]:
        """The partition that is responsible for a key, loaded.

        Raises COORDINATOR_NOT_AVAILABLE where its topic cannot be made, NOT_COORDINATOR where its log is offline,
        COORDINATOR_LOAD_IN_PROGRESS where it is still being loaded.
        """
        context = self._contexts_by_key.get(key)
        if context is None:
            if self._is_closed:
                raise KafkaError(ErrorCode.NOT_COORDINATOR)
            context = self.context(self.partition_for(key))
            if len(self._contexts_by_key) >= MAX_REMEMBERED_KEYS:
                self._contexts_by_key.clear()
            self._contexts_by_key[key] = context
        return context

    def context(self, partition: int) -> CoordinatorContext[S]:
        """A partition by its number, loaded; raises COORDINATOR_LOAD_IN_PROGRESS where that takes longer."""
        context = self._contexts.get(partition)
        if context is None:
            if partition not in self._loadings:
                self._begin_loading(partition)
                context = self._contexts.get(partition)
            if context is None:
                raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        return context

    def start(self, partition_count: int) -> None:
        """The topic exists, with so many partitions: what is in them is loaded, a step in each round of the loop."""
        self._partition_count = partition_count
        self._to_load.extend(range(partition_count))
        self._load_on()

    def _begin_loading(self, partition: int) -> None:
        """Takes the first step, which is the only one where there is little to load."""
        log = self._logs().get(TopicPartition(self._topic, partition))
        if log is None or self._is_closed:
            raise KafkaError(ErrorCode.NOT_COORDINATOR)
        context = CoordinatorContext(log, self._logs, self._clock, self._new_shard, self._compression)
        steps = CoordinatorLoader(context, self._clock, self._load_buffer_size).steps()
        loading = self._loadings[partition] = _Loading(context, steps)
        self._step(partition, loading)
        if partition in self._loadings and not self._is_loading_scheduled:
            self._is_loading_scheduled = True
            self._clock.call_later(0, self._load_on)

    def _step(self, partition: int, loading: _Loading[S]) -> None:
        try:
            if next(loading.steps, _LOADED) is not _LOADED:
                return
        except BaseException:
            self._loadings.pop(partition, None)  # whoever asks next tries again
            raise
        if self._loadings.pop(partition, None) is not loading:  # given up meanwhile
            return
        context = self._contexts[partition] = loading.context
        context.arm()
        for operation in loading.operations:
            operation(context)

    def _load_on(self) -> None:
        """A step of the partition whose turn it is, or the beginning of the next one."""
        self._is_loading_scheduled = True
        partition = -1
        try:
            if self._loadings:
                partition, loading = next(iter(self._loadings.items()))
                self._step(partition, loading)
                if partition in self._loadings:
                    self._loadings[partition] = self._loadings.pop(partition)
            else:
                while self._to_load and partition < 0:
                    index = self._to_load.popleft()
                    if index not in self._contexts and self._has_records(index):
                        partition = index
                        self._begin_loading(partition)
        except Exception:
            logger.exception("%s-%d cannot be loaded", self._topic, partition)
        self._is_loading_scheduled = bool(self._loadings or self._to_load)
        if self._is_loading_scheduled:
            self._clock.call_later(0, self._load_on)

    def _has_records(self, partition: int) -> bool:
        log = self._logs().get(TopicPartition(self._topic, partition))
        return not self._is_closed and log is not None and log.log_end_offset > log.log_start_offset

    def contexts(self) -> list[CoordinatorContext[S]]:
        """All partitions that have ever been written to; none while there is no topic.

        Raises COORDINATOR_LOAD_IN_PROGRESS where one is not loaded yet.
        """
        for index in range(self._partition_count):
            if self._has_records(index):
                self.context(index)
        return list(self._contexts.values())

    def for_each(self, operation: Callable[[CoordinatorContext[S]], object]) -> None:
        """Does something in all partitions that have ever been written to; where one is not loaded yet, when it is."""
        for index in range(self._partition_count):
            if index not in self._contexts and self._has_records(index):
                if index not in self._loadings:
                    try:
                        self._begin_loading(index)
                    except Exception:
                        logger.exception("%s-%d cannot be loaded", self._topic, index)
                if index in self._loadings:
                    self._loadings[index].operations.append(operation)
                    continue
            context = self._contexts.get(index)
            if context is not None:
                operation(context)

    def resign_offline(self) -> None:
        """Gives up the partitions whose log directory has failed: whoever waits is sent to another coordinator."""
        logs = self._logs()
        for index, loading in list(self._loadings.items()):
            if logs.is_offline(loading.context.topic_partition):
                del self._loadings[index]
        for index, context in list(self._contexts.items()):
            if logs.is_offline(context.topic_partition):
                del self._contexts[index]
                self._contexts_by_key.clear()
                context.unload()

    def unload(self) -> None:
        """Gives all partitions up: the topic has been deleted."""
        contexts, self._contexts = self._contexts, {}
        self._loadings.clear()
        self._to_load.clear()
        self._contexts_by_key.clear()
        self._partition_count = 0
        for context in contexts.values():
            context.unload()

    def close(self) -> None:
        """The broker stops: whoever waits is answered, and nothing is loaded any more."""
        self._is_closed = True
        self.unload()


def _future_of(reply: Deferred[T]) -> asyncio.Future[T]:
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def answer(value: T) -> None:
        # The client may have gone meanwhile, and the future with it.
        if not future.done():
            future.set_result(value)

    reply.on_done(answer)
    return future
