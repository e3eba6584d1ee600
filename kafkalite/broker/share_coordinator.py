"""The share coordinator as its APIs and share partitions call it: keeps their state in `__share_group_state`.

Nothing in that topic is compacted: from time to time what has been overtaken is deleted from the start of each
partition. Apache Kafka's ShareCoordinatorService and, because here it is a call and no request, its Persister.
"""

from __future__ import annotations

import logging
from asyncio import Future, ensure_future
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kafkalite.broker.coordinator_runtime import CoordinatorContext
from kafkalite.broker.coordinator_service import CoordinatorService
from kafkalite.coordinator.coordinator_result import CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.share_coordinator import (
    ShareCoordinatorConfig,
    ShareCoordinatorShard,
    ShareGroupOffset,
    SharePartitionKey,
    ShareStateWrite,
)
from kafkalite.errors import KafkaError
from kafkalite.identifiers import SHARE_GROUP_STATE_TOPIC, Uuid
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import RemoveTopicRecord
from kafkalite.records.compression import CompressionType

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class ShareCoordinator(CoordinatorService[ShareCoordinatorShard]):
    """The state of all share partitions."""

    def __init__(self, broker: Broker) -> None:
        config = broker.config
        super().__init__(
            broker,
            SHARE_GROUP_STATE_TOPIC,
            load_buffer_size=config.share_coordinator_load_buffer_size,
            compression=CompressionType(config.share_coordinator_state_topic_compression_codec),
        )
        self._config = ShareCoordinatorConfig(
            updates_per_snapshot=config.share_coordinator_snapshot_update_records_per_snapshot,
            cold_snapshot_interval_ms=config.share_coordinator_cold_partition_snapshot_interval_ms,
        )
        self._prune_interval_ms: int = config.share_coordinator_state_topic_prune_interval_ms
        self._is_closed = False
        self._writing: Future[None] | None = None
        self._has_pruned = False

    def _new_shard(self, timers: CoordinatorTimers) -> ShareCoordinatorShard:
        return ShareCoordinatorShard(timers, self._config, self._partition_count)

    def _partition_count(self, topic_id: Uuid) -> int:
        topic = self._broker.metadata.image.topics.by_id.get(topic_id)
        return 0 if topic is None else len(topic.partitions)

    def start(self) -> None:
        """As of all coordinators; what has been overtaken is deleted now and then."""
        super().start()
        self._broker.clock.call_later(self._prune_interval_ms, self._prune)

    def close(self) -> None:
        """The broker stops."""
        self._is_closed = True
        super().close()

    def _on_metadata_change(self, records: Sequence[MetadataRecord]) -> None:
        topic_ids: set[Uuid] = {record.topic_id for record in records if isinstance(record, RemoveTopicRecord)}
        if not topic_ids:
            return
        if not self._has_topic:
            self.runtime.unload()
            return
        self.runtime.for_each(lambda context: context.run(context.shard.delete_topics(topic_ids)))

    def _prune(self) -> None:
        if self._is_closed:
            return
        self._has_pruned = False
        with self._broker.logs.checkpoints.start_offsets_written_later():
            self.runtime.for_each(self._prune_partition)
        writing = self._broker.checkpoint_log_starts() if self._has_pruned else None
        if writing is not None:
            self._writing = ensure_future(writing)
        self._broker.clock.call_later(self._prune_interval_ms, self._prune)

    def _prune_partition(self, context: CoordinatorContext[ShareCoordinatorShard]) -> None:
        try:
            offset = context.shard.redundant_offset
            if offset > context.log.log_start_offset:
                context.log.delete_records(offset)
                self._has_pruned = True
        except KafkaError as error:
            logger.warning("What has been overtaken in %s stays: %s", context.topic_partition, error)

    # What share partitions and administrators ask

    def initialize(self, key: SharePartitionKey, state_epoch: int, start_offset: int) -> None:
        """Begins a share partition at an offset, -1 where its group decides that later; raises KafkaError."""
        context = self._context(key, "initialize share group state")
        _run(context, context.shard.initialize(key, state_epoch, start_offset, self._broker.clock.now_ms()))

    def read(self, key: SharePartitionKey, leader_epoch: int) -> ShareGroupOffset:
        """What has been kept of a share partition that has been initialised; raises KafkaError."""
        context = self._context(key, "read share group state")
        state = _run(context, context.shard.read(key, leader_epoch, self._broker.clock.now_ms()))
        assert state is not None
        return state

    def summary(self, key: SharePartitionKey) -> ShareGroupOffset | None:
        """What has been kept of a share partition, None where nothing has; raises KafkaError."""
        return self._context(key, "read share group state summary").shard.summary(key)

    def write(self, key: SharePartitionKey, write: ShareStateWrite) -> None:
        """Keeps what has changed; raises KafkaError."""
        context = self._context(key, "write share group state")
        _run(context, context.shard.write(key, write, self._broker.clock.now_ms()))

    def delete(self, key: SharePartitionKey) -> None:
        """Forgets a share partition; raises KafkaError."""
        context = self._context(key, "delete share group state")
        _run(context, context.shard.delete(key))

    def _context(self, key: SharePartitionKey, operation: str) -> CoordinatorContext[ShareCoordinatorShard]:
        try:
            return self.runtime.context_for(str(key))
        except KafkaError as error:
            raise KafkaError(error.error, f"Unable to {operation}: {error.message}") from error


def _run(context: CoordinatorContext[ShareCoordinatorShard], result: CoordinatorResult[T]) -> T | None:
    answer = context.run(result)
    assert not isinstance(answer, Future)
    return answer


def answer_partitions(
    group_id: str,
    topics: Sequence[Any],
    answer: Callable[[Uuid, Any], R],
    *,
    is_partial: bool = False,
) -> Iterator[tuple[Uuid, list[R]]]:
    """The answers to a request about share partitions by topic; the last one where a partition is named twice.

    There are none where no group is named or, unless `is_partial`, some topic has no partitions.
    """
    if not group_id or not (is_partial or all(topic.partitions for topic in topics)):
        return
    answers: dict[Uuid, dict[int, R]] = {}
    for topic in topics:
        for partition in topic.partitions:
            answers.setdefault(topic.topic_id, {})[partition.partition] = answer(topic.topic_id, partition)
    for topic_id, of_topic in answers.items():
        yield topic_id, list(of_topic.values())
