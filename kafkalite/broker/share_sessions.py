"""Share sessions (KIP-932): the partitions that a share group member fetches, remembered from request to request.

A member has one session, which ends with its connection. Epochs count a session's requests: 0 begins one, -1 ends it.
Apache Kafka's ShareSession and ShareSessionCache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid

INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
_MAX_EPOCH: Final = 0x7FFFFFFF

TopicIdPartition: TypeAlias = "tuple[Uuid, int]"
SessionKey: TypeAlias = "tuple[str, str]"
"""Group id and member id."""


class CachedSharePartition:
    """A partition of a session, and the name that its topic had when it joined: that is what it is looked up by."""

    __slots__ = ("must_respond", "topic")

    def __init__(self, topic: str | None, *, must_respond: bool) -> None:
        self.topic = topic
        """None where there was no such topic."""
        self.must_respond = must_respond
        """Whether the next answer must name the partition even if there is nothing to say."""


class ShareSession:
    """One member's partitions, in the order in which they are served."""

    __slots__ = ("connection", "epoch", "key", "partitions")

    def __init__(self, key: SessionKey, partitions: Mapping[TopicIdPartition, str | None], connection: object) -> None:
        self.key = key
        self.epoch = 1
        self.connection = connection
        self.partitions = {
            partition: CachedSharePartition(topic, must_respond=False) for partition, topic in partitions.items()
        }

    def update(self, wanted: Mapping[TopicIdPartition, str | None], forgotten: Iterable[TopicIdPartition]) -> None:
        """Adds partitions with the names of their topics, then drops those that the member has forgotten."""
        for partition, topic in wanted.items():
            if partition not in self.partitions:
                self.partitions[partition] = CachedSharePartition(topic, must_respond=True)
        for partition in forgotten:
            self.partitions.pop(partition, None)

    def advance(self) -> None:
        """A request has been taken: the next one has the next epoch."""
        self.epoch = 1 if self.epoch == _MAX_EPOCH else self.epoch + 1

    def note_answer(self, partition: TopicIdPartition, *, has_records: bool, has_error: bool) -> bool:
        """Whether the answer is to name the partition; one that had records goes to the end."""
        cached = self.partitions.get(partition)
        if cached is None:
            return has_records or has_error
        must_respond = has_records or has_error or cached.must_respond
        if has_records:
            del self.partitions[partition]
        self.partitions[partition] = cached
        cached.must_respond = has_error
        return must_respond


class ShareSessionCache:
    """At most `group.share.max.share.sessions` sessions."""

    def __init__(self, max_sessions: int) -> None:
        self._max_sessions = max_sessions
        self._sessions: dict[SessionKey, ShareSession] = {}

    def get(self, key: SessionKey) -> ShareSession | None:
        return self._sessions.get(key)

    def find(self, key: SessionKey, epoch: int) -> ShareSession:
        """The session of a request that goes on with it; raises KafkaError where the request does not fit."""
        session = self._sessions.get(key)
        if session is None:
            raise KafkaError(ErrorCode.SHARE_SESSION_NOT_FOUND)
        if session.epoch != epoch:
            raise KafkaError(ErrorCode.INVALID_SHARE_SESSION_EPOCH)
        return session

    def create(
        self, key: SessionKey, partitions: Mapping[TopicIdPartition, str | None], connection: object
    ) -> ShareSession | None:
        """A new session in the place of the member's old one; None where there are too many."""
        self._sessions.pop(key, None)
        if len(self._sessions) >= self._max_sessions:
            return None
        session = self._sessions[key] = ShareSession(key, partitions, connection)
        return session

    def remove(self, key: SessionKey) -> ShareSession | None:
        """Ends a session, if there is one."""
        return self._sessions.pop(key, None)

    def has_group(self, group_id: str) -> bool:
        """Whether some member of the group has a session."""
        return any(group == group_id for group, _ in self._sessions)

    def of_connection(self, connection: object) -> list[ShareSession]:
        """The sessions that came over a connection."""
        return [session for session in self._sessions.values() if session.connection is connection]
