"""Fetch sessions (KIP-227): what a consumer fetches is remembered, so that requests and answers only say what changed.

A session holds its partitions in the order in which they are read; one that gave records goes to the end, so that a
small `max_bytes` starves nobody. Epochs count the requests of a session: 0 asks for a new one, -1 for none.

Most partitions of a large session are settled: their reader has all there is, and knows where they begin and end. They
are not looked at again before something happens to them, so that a fetch costs what its news cost, however many
partitions the session has. What may change the answer for a settled partition, and is looked for:

- records, markers, a new start, its deletion, the failure of its disk: the purgatory is told of all of them
- a new leader epoch, a topic that is made again: then the metadata have changed, and everything is looked at once more
- what the client asks: its request names the partition; or it asks with another isolation level
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final, TypeAlias

from kafkalite.broker.purgatory import DelayedOperation, Purgatory
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.protocol.messages.fetch import FetchPartition, PartitionData

INVALID_SESSION_ID: Final = 0
INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
MIN_EVICTION_MS: Final = 120_000
"""A session that was used within this time gives way only to a larger one."""

_SHARDS: Final = 8
_SHARD_SIZE: Final = 0x7FFFFFFF // _SHARDS

PartitionKey: TypeAlias = "tuple[str | Uuid, int]"
"""Topic id from version 13 on, topic name before; and the partition."""


def has_shard(session_id: int) -> bool:
    """Whether a session of this id could be: Apache Kafka divides the ids among eight shards, from 0 on, which do not
    quite reach the end; ids that are negative, but not by as much as a shard is large, lead to the first one."""
    return -_SHARD_SIZE < session_id < _SHARDS * _SHARD_SIZE


class FetchablePartition:
    """A partition that a request or session wants, and what the client was last told of it."""

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "high_watermark",
        "key",
        "last_fetched_epoch",
        "log_start_offset",
        "max_bytes",
        "order",
        "partition",
        "session",
        "topic",
        "topic_id",
    )

    def __init__(self, key: PartitionKey, topic: str | None, wanted: FetchPartition) -> None:
        self.key = key
        self.topic = topic
        self.topic_id = key[0] if isinstance(key[0], Uuid) else Uuid.ZERO
        self.partition: int = wanted.partition
        self.high_watermark = -1
        self.log_start_offset = -1
        self.session: FetchSession | None = None
        self.order = 0
        """Its place among the partitions of its session."""
        self.update(wanted)

    def on_change(self) -> None:
        """Something has happened to the partition, which was settled in its session."""
        if self.session is not None:
            self.session.on_change(self)

    def update(self, wanted: FetchPartition) -> None:
        """Takes over what a request says of the partition."""
        self.fetch_offset: int = wanted.fetch_offset
        self.max_bytes: int = wanted.partition_max_bytes
        self.current_leader_epoch: int = wanted.current_leader_epoch
        self.last_fetched_epoch: int = wanted.last_fetched_epoch

    def note_answer(self, data: PartitionData) -> bool:
        """Remembers what the client is about to be told; false where that is nothing new to it."""
        is_news = (
            bool(data.records)
            or self.high_watermark != data.high_watermark
            or self.log_start_offset != data.log_start_offset
            or data.error_code != 0
            or data.diverging_epoch.epoch >= 0
            or data.preferred_read_replica >= 0
        )
        # After an error the partition is news again, whatever its watermark will be.
        self.high_watermark = -1 if data.error_code else data.high_watermark
        self.log_start_offset = data.log_start_offset
        return is_news


class FetchSession:
    """The partitions of one incremental fetch session."""

    __slots__ = (
        "_next_order",
        "_purgatory",
        "_seen",
        "_unsettled",
        "_waiting",
        "created_ms",
        "epoch",
        "is_privileged",
        "last_used_ms",
        "partitions",
        "session_id",
        "uses_topic_ids",
    )

    def __init__(
        self, session_id: int, purgatory: Purgatory, *, uses_topic_ids: bool, is_privileged: bool, now_ms: int
    ) -> None:
        self.session_id = session_id
        self.uses_topic_ids = uses_topic_ids
        self.is_privileged = is_privileged
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.epoch = 1
        self.partitions: dict[PartitionKey, FetchablePartition] = {}
        """In the order in which they are read."""
        self._purgatory = purgatory
        self._unsettled: set[FetchablePartition] = set()
        self._waiting: dict[DelayedOperation, None] = {}
        self._next_order = 0
        self._seen = (-1, -1)

    def update(
        self, wanted: Iterable[tuple[PartitionKey, str | None, FetchPartition]], forgotten: Iterable[PartitionKey]
    ) -> None:
        """Adds or changes partitions, then drops those that the client has forgotten."""
        for key, topic, partition in wanted:
            known = self.partitions.get(key)
            if known is None:
                self.add(FetchablePartition(key, topic, partition))
            else:
                known.update(partition)
                self._unsettle(known)
        for key in forgotten:
            dropped = self.partitions.pop(key, None)
            if dropped is not None:
                self._stop_observing(dropped)
                self._unsettled.discard(dropped)

    def add(self, partition: FetchablePartition) -> None:
        """Puts a partition behind the others."""
        partition.session = self
        self._put_last(partition)
        self._unsettled.add(partition)

    def move_to_end(self, partition: FetchablePartition) -> None:
        """The partition gave records: the others come first next time."""
        if self.partitions.pop(partition.key, None) is not None:
            self._put_last(partition)

    def _put_last(self, partition: FetchablePartition) -> None:
        partition.order = self._next_order
        self._next_order += 1
        self.partitions[partition.key] = partition

    # --- what has to be looked at -------------------------------------------------------------------------------------

    @property
    def has_settled(self) -> bool:
        """Whether some of the partitions need not be looked at."""
        return len(self._unsettled) < len(self.partitions)

    def unsettled(self) -> list[FetchablePartition]:
        """The partitions of which there may be something to say, in their order."""
        if not self.has_settled:
            return list(self.partitions.values())
        return sorted(self._unsettled, key=attrgetter("order"))

    def see(self, metadata_offset: int, isolation_level: int) -> None:
        """A request has come: all that was settled under other metadata or another isolation level is so no more."""
        seen = (metadata_offset, isolation_level)
        if seen != self._seen:
            self._seen = seen
            self._unsettle_all()

    def settle(self, partition: FetchablePartition, topic_partition: TopicPartition) -> None:
        """The partition's reader has all there is and knows it: nothing to look at before something happens to it."""
        self._unsettled.discard(partition)
        self._purgatory.observe(topic_partition, partition)

    def on_change(self, partition: FetchablePartition) -> None:
        self._unsettled.add(partition)
        for operation in self._waiting:
            self._purgatory.wake(operation)

    def wait_with(self, operation: DelayedOperation) -> None:
        """An operation that is woken when something happens to a partition that is settled."""
        self._waiting[operation] = None
        operation.add_done_callback(self._waiting.pop)

    def close(self) -> None:
        """The session has ended: what happens concerns a request that still waits, and nobody else."""
        self._unsettle_all()

    def _unsettle_all(self) -> None:
        for partition in self.partitions.values():
            self._unsettle(partition)

    def _unsettle(self, partition: FetchablePartition) -> None:
        if partition not in self._unsettled:
            self._stop_observing(partition)
            self._unsettled.add(partition)

    def _stop_observing(self, partition: FetchablePartition) -> None:
        if partition.topic is not None:
            self._purgatory.stop_observing(TopicPartition(partition.topic, partition.partition), partition)


class FetchSessionError(Exception):
    """A request does not fit its session."""

    def __init__(self, error: ErrorCode) -> None:
        super().__init__(error.name)
        self.error = error


class FetchSessionCache:
    """At most `max.incremental.fetch.session.cache.slots` sessions, the least useful ones giving way."""

    def __init__(self, slots: int, random_session_id: Callable[[], int]) -> None:
        self._slots = slots
        self._random_session_id = random_session_id
        self._sessions: dict[int, FetchSession] = {}  # the one used longest ago first

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, session_id: int, epoch: int, *, uses_topic_ids: bool) -> FetchSession:
        """The session of an incremental request; raises FetchSessionError where the request does not fit."""
        session = self._sessions.get(session_id)
        if session is None:
            raise FetchSessionError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != epoch:
            raise FetchSessionError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            raise FetchSessionError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        return session

    def touch(self, session: FetchSession, now_ms: int) -> None:
        """The session has been used by a request: it is the youngest, and its next epoch is due."""
        session.last_used_ms = now_ms
        session.epoch = 1 if session.epoch == 0x7FFFFFFF else session.epoch + 1
        del self._sessions[session.session_id]
        self._sessions[session.session_id] = session

    def remove(self, session_id: int) -> None:
        """Ends a session, if there is one."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.close()

    def create(
        self, size: int, purgatory: Purgatory, *, uses_topic_ids: bool, is_privileged: bool, now_ms: int
    ) -> FetchSession | None:
        """A new session for a number of partitions, or None where no session may give way to it."""
        if len(self._sessions) >= self._slots and not self._evict(size, is_privileged, now_ms):
            return None
        session_id = self._random_session_id()
        while session_id == INVALID_SESSION_ID or not has_shard(session_id) or session_id in self._sessions:
            session_id = self._random_session_id()
        session = FetchSession(
            session_id, purgatory, uses_topic_ids=uses_topic_ids, is_privileged=is_privileged, now_ms=now_ms
        )
        self._sessions[session_id] = session
        return session

    def _evict(self, size: int, is_privileged: bool, now_ms: int) -> bool:
        if not self._sessions:
            return False
        oldest = next(iter(self._sessions.values()))
        if now_ms - oldest.last_used_ms > MIN_EVICTION_MS:
            self.remove(oldest.session_id)
            return True
        candidates = [s for s in self._sessions.values() if is_privileged or now_ms - s.created_ms > MIN_EVICTION_MS]
        least = min(candidates, key=lambda s: (s.is_privileged, len(s.partitions), s.session_id), default=None)
        if least is None or (is_privileged, size) <= (least.is_privileged, len(least.partitions)):
            return False
        self.remove(least.session_id)
        return True
