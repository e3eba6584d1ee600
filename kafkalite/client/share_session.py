"""The share session that a member has with one broker (KIP-932): its partitions, its epoch, what is acknowledged.

The first request of a session has epoch 0 and names every partition; the ones behind it count upwards and name only
what changes. Acknowledgements travel with fetches, never with the first: a broker that has just begun a session has
nothing that could be acknowledged. Epoch -1 ends the session and gives back what is still acquired.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from enum import IntEnum
from typing import Any, Final, NamedTuple

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages import share_acknowledge, share_fetch

NEW_SESSION_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
_LAST_EPOCH: Final = 2**31 - 1

TopicIdPartition = tuple[Uuid, int]


class AcknowledgeType(IntEnum):
    """What became of an acquired record; a gap is an offset without a record."""

    GAP = 0
    ACCEPT = 1
    RELEASE = 2
    REJECT = 3


class ShareFetchLimits(NamedTuple):
    """How long a fetch waits and how much it may bring; mode 1 (record_limit) brings no more records than allowed."""

    max_wait_ms: int = 500
    min_bytes: int = 1
    max_bytes: int = 50 * 1024 * 1024
    max_records: int = 500
    share_acquire_mode: int = 0


class ShareSession:
    """One member's session with one broker."""

    def __init__(self, group_id: str, member_id: str) -> None:
        self.epoch = NEW_SESSION_EPOCH
        self._group_id = group_id
        self._member_id = member_id
        self._partitions: frozenset[TopicIdPartition] = frozenset()
        self._acknowledged: defaultdict[TopicIdPartition, dict[int, AcknowledgeType]] = defaultdict(dict)

    @property
    def is_new(self) -> bool:
        return self.epoch == NEW_SESSION_EPOCH

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to fetch and nothing to say."""
        return not self._partitions and not self._acknowledged

    def acknowledge(self, partition: TopicIdPartition, offset: int, how: AcknowledgeType) -> None:
        """Notes what the next request is to tell the broker."""
        self._acknowledged[partition][offset] = how

    def fetch_request(self, wanted: Set[TopicIdPartition], limits: ShareFetchLimits) -> share_fetch.ShareFetchRequest:
        """The next fetch, which makes `wanted` the session's partitions."""
        acknowledged = self._take_acknowledged()
        added = wanted if self.is_new else wanted - self._partitions
        removed = frozenset() if self.is_new else self._partitions - wanted
        self._partitions = frozenset(wanted)
        topics: dict[Uuid, share_fetch.FetchTopic] = {}
        for topic_id, index in sorted(added | acknowledged.keys()):
            topic = topics.setdefault(topic_id, share_fetch.FetchTopic(topic_id=topic_id))
            batches = [
                share_fetch.AcknowledgementBatch(first_offset=first, last_offset=last, acknowledge_types=[how])
                for first, last, how in _ranges(acknowledged.get((topic_id, index), {}))
            ]
            topic.partitions.append(share_fetch.FetchPartition(partition_index=index, acknowledgement_batches=batches))
        forgotten: dict[Uuid, share_fetch.ForgottenTopic] = {}
        for topic_id, index in sorted(removed):
            forgotten.setdefault(topic_id, share_fetch.ForgottenTopic(topic_id=topic_id)).partitions.append(index)
        return share_fetch.ShareFetchRequest(
            group_id=self._group_id,
            member_id=self._member_id,
            share_session_epoch=self.epoch,
            topics=list(topics.values()),
            forgotten_topics_data=list(forgotten.values()),
            max_wait_ms=limits.max_wait_ms,
            min_bytes=limits.min_bytes,
            max_bytes=limits.max_bytes,
            max_records=limits.max_records,
            batch_size=limits.max_records,
            share_acquire_mode=limits.share_acquire_mode,
        )

    def final_request(self) -> share_acknowledge.ShareAcknowledgeRequest | None:
        """Acknowledges what is left and ends the session; None where the broker has none."""
        acknowledged = self._take_acknowledged()
        if self.is_new:
            return None
        topics: dict[Uuid, share_acknowledge.AcknowledgeTopic] = {}
        for (topic_id, index), offsets in sorted(acknowledged.items()):
            topic = topics.setdefault(topic_id, share_acknowledge.AcknowledgeTopic(topic_id=topic_id))
            batches = [
                share_acknowledge.AcknowledgementBatch(first_offset=first, last_offset=last, acknowledge_types=[how])
                for first, last, how in _ranges(offsets)
            ]
            topic.partitions.append(
                share_acknowledge.AcknowledgePartition(partition_index=index, acknowledgement_batches=batches)
            )
        self.reset()
        return share_acknowledge.ShareAcknowledgeRequest(
            group_id=self._group_id,
            member_id=self._member_id,
            share_session_epoch=FINAL_EPOCH,
            topics=list(topics.values()),
        )

    def advance(self) -> None:
        """The broker has answered: the session goes on with the next epoch, which is never 0 again."""
        self.epoch = 1 if self.epoch == _LAST_EPOCH else self.epoch + 1

    def reset(self) -> None:
        """Begins anew: the broker has lost the session, and with it what was acquired and not acknowledged."""
        self.epoch = NEW_SESSION_EPOCH
        self._partitions = frozenset()
        self._acknowledged.clear()

    def _take_acknowledged(self) -> dict[TopicIdPartition, dict[int, AcknowledgeType]]:
        taken = {} if self.is_new else dict(self._acknowledged)
        self._acknowledged.clear()
        return taken


def _ranges(offsets: Mapping[int, AcknowledgeType]) -> Iterator[Any]:
    """Runs of consecutive offsets with the same fate: first, last, what became of them."""
    first = last = None
    for offset in sorted(offsets):
        if first is not None and last is not None and offset == last + 1 and offsets[offset] is offsets[first]:
            last = offset
            continue
        if first is not None:
            yield first, last, offsets[first]
        first = last = offset
    if first is not None:
        yield first, last, offsets[first]
