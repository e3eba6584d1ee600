"""Fetch sessions (KIP-227): what a consumer fetches is remembered, so that requests and answers only say what changed.

A session holds its partitions in the order in which they are read; one that gave records goes to the end, so that a
small `max_bytes` starves nobody. Epochs count the requests of a session: 0 asks for a new one, -1 for none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.fetch import FetchPartition, PartitionData

INVALID_SESSION_ID: Final = 0
INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
MIN_EVICTION_MS: Final = 120_000
"""A session that was used within this time gives way only to a larger one."""

PartitionKey: TypeAlias = "tuple[str | Uuid, int]"
"""Topic id from version 13 on, topic name before; and the partition."""


class FetchablePartition:
    """A partition that a request or session wants, and what the client was last told of it."""

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "high_watermark",
        "last_fetched_epoch",
        "log_start_offset",
        "max_bytes",
        "partition",
        "topic",
        "topic_id",
    )

    def __init__(self, topic: str | None, topic_id: Uuid, wanted: FetchPartition) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partition: int = wanted.partition
        self.high_watermark = -1
        self.log_start_offset = -1
        self.update(wanted)

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

    __slots__ = ("created_ms", "epoch", "is_privileged", "last_used_ms", "partitions", "session_id", "uses_topic_ids")

    def __init__(self, session_id: int, *, uses_topic_ids: bool, is_privileged: bool, now_ms: int) -> None:
        self.session_id = session_id
        self.uses_topic_ids = uses_topic_ids
        self.is_privileged = is_privileged
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.epoch = 1
        self.partitions: dict[PartitionKey, FetchablePartition] = {}

    def update(
        self, wanted: Iterable[tuple[PartitionKey, str | None, FetchPartition]], forgotten: Iterable[PartitionKey]
    ) -> None:
        """Adds or changes partitions, then drops those that the client has forgotten."""
        for key, topic, partition in wanted:
            known = self.partitions.get(key)
            if known is None:
                topic_id = key[0] if isinstance(key[0], Uuid) else Uuid.ZERO
                self.partitions[key] = FetchablePartition(topic, topic_id, partition)
            else:
                known.update(partition)
        for key in forgotten:
            self.partitions.pop(key, None)

    def move_to_end(self, key: PartitionKey) -> None:
        """The partition gave records: the others come first next time."""
        self.partitions[key] = self.partitions.pop(key)


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
        self._sessions.pop(session_id, None)

    def create(self, size: int, *, uses_topic_ids: bool, is_privileged: bool, now_ms: int) -> FetchSession | None:
        """A new session for a number of partitions, or None where no session may give way to it."""
        if len(self._sessions) >= self._slots and not self._evict(size, is_privileged, now_ms):
            return None
        session_id = self._random_session_id()
        while session_id == INVALID_SESSION_ID or session_id in self._sessions:
            session_id = self._random_session_id()
        session = FetchSession(session_id, uses_topic_ids=uses_topic_ids, is_privileged=is_privileged, now_ms=now_ms)
        self._sessions[session_id] = session
        return session

    def _evict(self, size: int, is_privileged: bool, now_ms: int) -> bool:
        if not self._sessions:
            return False
        oldest = next(iter(self._sessions.values()))
        if now_ms - oldest.last_used_ms > MIN_EVICTION_MS:
            del self._sessions[oldest.session_id]
            return True
        candidates = [s for s in self._sessions.values() if is_privileged or now_ms - s.created_ms > MIN_EVICTION_MS]
        least = min(candidates, key=lambda s: (s.is_privileged, len(s.partitions), s.session_id), default=None)
        if least is None or (is_privileged, size) <= (least.is_privileged, len(least.partitions)):
            return False
        del self._sessions[least.session_id]
        return True
