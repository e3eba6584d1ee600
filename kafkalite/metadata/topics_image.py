"""All topics with their partitions, by name and by id."""

from __future__ import annotations

from collections.abc import Iterator

from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.metadata.partition_registration import PartitionRegistration
from kafkalite.metadata.topic_name import has_collision_chars, unify_collision_chars
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import (
    ClearElrRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)


class TopicImage:
    """A topic: its name, its id, and its partitions by number."""

    __slots__ = ("encoded", "name", "partitions", "topic_id")

    def __init__(self, name: str, topic_id: Uuid) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions: dict[int, PartitionRegistration] = {}
        self.encoded: dict[int, bytes] = {}
        """How the topic stands in answers, under keys of whoever has encoded them; forgotten with each change."""

    def copy(self) -> TopicImage:
        topic = TopicImage(self.name, self.topic_id)
        topic.partitions = self.partitions.copy()  # registrations are never changed, only replaced
        return topic

    def __repr__(self) -> str:
        return f"TopicImage({self.name!r}, {self.topic_id!r}, {len(self.partitions)} partitions)"


class TopicsImage:
    """The topics. Changed by records alone; readers keep no TopicImage across a change of the metadata."""

    __slots__ = ("_names_with_collision_chars", "by_id", "by_name")

    def __init__(self) -> None:
        self.by_name: dict[str, TopicImage] = {}
        self.by_id: dict[Uuid, TopicImage] = {}
        self._names_with_collision_chars: dict[str, set[str]] = {}

    def copy(self) -> TopicsImage:
        image = TopicsImage()
        for topic_id, topic in self.by_id.items():
            image.by_id[topic_id] = image.by_name[topic.name] = topic.copy()
        image._names_with_collision_chars = {
            unified: set(names) for unified, names in self._names_with_collision_chars.items()
        }
        return image

    def __len__(self) -> int:
        return len(self.by_name)

    def topic(self, name: str) -> TopicImage | None:
        return self.by_name.get(name)

    def topic_by_id(self, topic_id: Uuid) -> TopicImage | None:
        return self.by_id.get(topic_id)

    def topic_id(self, name: str) -> Uuid | None:
        topic = self.by_name.get(name)
        return None if topic is None else topic.topic_id

    def partition(self, topic_partition: TopicPartition) -> PartitionRegistration | None:
        topic = self.by_name.get(topic_partition.topic)
        return None if topic is None else topic.partitions.get(topic_partition.partition)

    def names_colliding_with(self, name: str) -> set[str]:
        """Topics whose names are the same once '.' and '_' are taken for one, `name` itself among them if it exists."""
        if not has_collision_chars(name):
            return set()
        return self._names_with_collision_chars.get(unify_collision_chars(name), set())

    def replay_topic(self, record: TopicRecord) -> None:
        existing = self.by_name.get(record.name)
        if existing is not None:
            raise ValueError(
                f"Found duplicate TopicRecord for {record.name}: its ID was {existing.topic_id} and "
                f"would be {record.topic_id}"
            )
        topic = TopicImage(record.name, record.topic_id)
        self.by_name[record.name] = topic
        self.by_id[record.topic_id] = topic
        if has_collision_chars(record.name):
            self._names_with_collision_chars.setdefault(unify_collision_chars(record.name), set()).add(record.name)

    def replay_partition(self, record: PartitionRecord) -> None:
        topic = self._topic_of(record.topic_id, record.partition_id)
        topic.encoded.clear()
        topic.partitions[record.partition_id] = PartitionRegistration.from_record(record)

    def replay_partition_change(self, record: PartitionChangeRecord) -> None:
        topic = self._topic_of(record.topic_id, record.partition_id)
        partition = topic.partitions.get(record.partition_id)
        if partition is None:
            raise ValueError(
                f"Tried to change partition {record.topic_id}:{record.partition_id}, but no partition with that id "
                "was found."
            )
        topic.encoded.clear()
        topic.partitions[record.partition_id] = partition.merge(record)

    def replay_remove_topic(self, record: RemoveTopicRecord) -> TopicImage:
        """Forgets a topic and returns what it was."""
        topic = self.by_id.pop(record.topic_id, None)
        if topic is None:
            raise ValueError(f"Can't find topic with ID {record.topic_id} to remove.")
        del self.by_name[topic.name]
        if has_collision_chars(topic.name):
            unified = unify_collision_chars(topic.name)
            names = self._names_with_collision_chars[unified]
            names.discard(topic.name)
            if not names:
                del self._names_with_collision_chars[unified]
        return topic

    def replay_clear_elr(self, record: ClearElrRecord) -> None:
        """Empties the ELR of one topic's partitions, of all topics' where no name is given."""
        if record.topic_name:
            topic = self.by_name.get(record.topic_name)
            if topic is None:
                raise ValueError(f"Unable to find a topic named {record.topic_name} in order to clear its ELRs.")
            topics = [topic]
        else:
            topics = list(self.by_name.values())
        for topic in topics:
            topic.encoded.clear()
            for partition_id, partition in topic.partitions.items():
                if partition.elr or partition.last_known_elr:
                    topic.partitions[partition_id] = partition._replace(
                        elr=(), last_known_elr=(), partition_epoch=partition.partition_epoch + 1
                    )

    def _topic_of(self, topic_id: Uuid, partition_id: int) -> TopicImage:
        topic = self.by_id.get(topic_id)
        if topic is None:
            raise ValueError(
                f"Tried to create partition {topic_id}:{partition_id}, but no topic with that ID was found."
            )
        return topic

    def to_records(self, *, metadata_version: int, is_elr_enabled: bool) -> Iterator[MetadataRecord]:
        for topic in self.by_id.values():
            yield TopicRecord(name=topic.name, topic_id=topic.topic_id)
            for partition_id, partition in topic.partitions.items():
                yield partition.to_record(
                    topic.topic_id, partition_id, metadata_version=metadata_version, is_elr_enabled=is_elr_enabled
                )
