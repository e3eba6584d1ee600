"""The topics as coordinators see them: names, ids, numbers of partitions, and hashes that tell whether one has changed.

Apache Kafka's CoordinatorMetadataImage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from struct import pack

from kafkalite.coordinator.xxh3 import xxh3_64
from kafkalite.identifiers import Uuid
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import (
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)

NO_PARTITIONS = -1


class CoordinatorMetadataImage:
    """One for all shards of a coordinator. `version` is the offset of the metadata log up to which it goes."""

    __slots__ = ("_hashed_names", "_hashes", "_image", "_version", "version_with_new_topics")

    def __init__(self, image: MetadataImage, version: Callable[[], int]) -> None:
        self._image = image
        self._version = version
        self._hashes: dict[str, int] = {}
        self._hashed_names: dict[Uuid, str] = {}
        self.version_with_new_topics = version()

    @property
    def version(self) -> int:
        return self._version()

    @property
    def topic_names(self) -> Iterable[str]:
        return self._image.topics.by_name

    def topic_id(self, name: str) -> Uuid | None:
        return self._image.topics.topic_id(name)

    def topic_name(self, topic_id: Uuid) -> str | None:
        """None where the topic does not exist any more."""
        topic = self._image.topics.by_id.get(topic_id)
        return None if topic is None else topic.name

    def topic_ids(self, names: Iterable[str]) -> dict[str, Uuid]:
        """Those of the topics that exist, in the order of their names."""
        topics = self._image.topics
        found = ((name, topics.topic_id(name)) for name in sorted(names))
        return {name: topic_id for name, topic_id in found if topic_id is not None}

    def partition_count(self, topic_id: Uuid) -> int:
        """NO_PARTITIONS where the topic does not exist."""
        topic = self._image.topics.by_id.get(topic_id)
        return NO_PARTITIONS if topic is None else len(topic.partitions)

    def on_change(self, records: Iterable[MetadataRecord]) -> set[str]:
        """The image has just changed by these records; the topics that are new, changed or gone."""
        changed: set[str] = set()
        for record in records:
            if isinstance(record, TopicRecord):
                changed.add(record.name)
                self.version_with_new_topics = self._version()
            elif isinstance(record, PartitionRecord | PartitionChangeRecord | RemoveTopicRecord):
                # The name of one that is gone is known here if it ever mattered to a group.
                name = self.topic_name(record.topic_id) or self._hashed_names.get(record.topic_id)
                if name is not None:
                    changed.add(name)
        for name in changed:
            self._hashes.pop(name, None)
        return changed

    def group_hash(self, names: Iterable[str]) -> int:
        """One number for the present state of all these topics, 0 where none exists; KIP-1101."""
        hashes = b"".join(
            pack("<q", topic_hash)
            for topic_hash in (self._topic_hash(name) for name in sorted(names))
            if topic_hash is not None
        )
        return _signed(xxh3_64(hashes)) if hashes else 0

    def _topic_hash(self, name: str) -> int | None:
        topic_hash = self._hashes.get(name)
        if topic_hash is None:
            topic = self._image.topics.topic(name)
            if topic is None:
                return None
            self._hashed_names[topic.topic_id] = name
            topic_hash = self._hashes[name] = _signed(xxh3_64(b"".join(self._described(topic))))
        return topic_hash

    def _described(self, topic: TopicImage) -> Iterator[bytes]:
        """A topic as it is hashed: ids and lengths little-endian, texts in UTF-16."""
        yield b"\x00" + topic.topic_id[7::-1] + topic.topic_id[:7:-1]
        yield _text(topic.name)
        yield pack("<i", len(topic.partitions))
        for index in range(len(topic.partitions)):
            yield pack("<i", index)
            for rack in self._racks(topic, index):
                yield pack("<i", len(rack)) + _text(rack)

    def _racks(self, topic: TopicImage, index: int) -> list[str]:
        brokers = self._image.cluster.brokers
        replicas = topic.partitions[index].replicas
        racks = [brokers[replica].rack for replica in replicas if replica in brokers]
        return sorted(rack for rack in racks if rack is not None)


def _text(text: str) -> bytes:
    return text.encode("utf-16-le") + pack("<i", len(text))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
