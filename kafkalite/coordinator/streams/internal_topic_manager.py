"""Settles a topology's topics: partition counts of internal topics, copartitioning, and what is missing.

Repartition topics get the partitions of what is written into them, or what the application asks for; topics that are
joined have to have equally many; changelogs have one partition for each task. Apache Kafka's InternalTopicManager,
RepartitionTopics, CopartitionedTopicsEnforcer and ChangelogTopics.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.streams.configured_topology import (
    ConfiguredInternalTopic,
    ConfiguredSubtopology,
    ConfiguredTopology,
    Status,
    TopicConfigurationError,
)
from kafkalite.coordinator.streams.streams_topology import StreamsTopology, source_topics
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.coordinator_records.streams_group import Subtopology, TopicInfo
from kafkalite.protocol.messages.create_topics import CreatableTopic

logger = logging.getLogger(__name__)

_MAX_SHOWN_TOPICS: Final = 3
_TO_BE_DECIDED: Final = 0
"""The number of partitions of an internal topic for which the application does not ask for one."""


def configure_topology(
    group_id: str, member_id: str, topology: StreamsTopology, metadata: CoordinatorMetadataImage
) -> ConfiguredTopology:
    """The topology with the topics that there are now; raises STREAMS_INVALID_TOPOLOGY where none could do."""
    try:
        configured = _configure(topology, metadata)
    except TopicConfigurationError as error:
        logger.warning(
            "[GroupId %s][MemberId %s] Topic configuration failed for topology epoch %d: %s",
            group_id,
            member_id,
            topology.epoch,
            error,
        )
        return ConfiguredTopology(topology.epoch, None, {}, error)
    logger.info(
        "[GroupId %s][MemberId %s] Valid topic configuration found for topology epoch %d%s",
        group_id,
        member_id,
        topology.epoch,
        f", but {configured.error}" if configured.error else ".",
    )
    return configured


def _configure(topology: StreamsTopology, metadata: CoordinatorMetadataImage) -> ConfiguredTopology:
    # Groups that point at topics which are not there are worse than topics that do not exist: they come first.
    copartition_groups = [
        group
        for subtopology_id in hash_map_order(topology.subtopologies)
        for group in _copartition_groups(topology.subtopologies[subtopology_id])
    ]
    _check_source_topics(topology, metadata)
    counts = _PartitionCounts(topology, metadata, copartition_groups)
    subtopologies = {
        subtopology_id: counts.configure(topology.subtopologies[subtopology_id])
        for subtopology_id in sorted(topology.subtopologies)
    }
    missing = _missing_internal_topics(subtopologies.values(), topology, metadata)
    error = None
    if missing:
        error = TopicConfigurationError(
            Status.MISSING_INTERNAL_TOPICS, f"Internal topics are missing: {summarize_topics(missing)}"
        )
    return ConfiguredTopology(topology.epoch, subtopologies, missing, error)


def _check_source_topics(topology: StreamsTopology, metadata: CoordinatorMetadataImage) -> None:
    missing = sorted(
        {
            topic
            for subtopology in topology.subtopologies.values()
            for topic in subtopology.source_topics
            if metadata.topic_id(topic) is None
        }
    )
    if missing:
        raise TopicConfigurationError(
            Status.MISSING_SOURCE_TOPICS, f"Source topics {summarize_topics(missing)} are missing."
        )


def _missing_internal_topics(
    subtopologies: Iterable[ConfiguredSubtopology], topology: StreamsTopology, metadata: CoordinatorMetadataImage
) -> dict[str, CreatableTopic]:
    needed = {
        topic.name: topic
        for subtopology in subtopologies
        for topics in (subtopology.repartition_source_topics, subtopology.state_changelog_topics)
        for topic in topics.values()
    }
    required = [
        name
        for subtopology in topology.subtopologies.values()
        for name in (*source_topics(subtopology), *(topic.name for topic in subtopology.state_changelog_topics))
    ]
    for name in hash_map_order(required):
        existing = existing_partition_count(metadata, name)
        if name in needed and existing not in (None, needed[name].partition_count):
            raise _incorrectly_partitioned(
                f"Existing topic {name} has different number of partitions: "
                f"expected {needed[name].partition_count}, found {existing}"
            )
    return {
        name: needed[name].creatable()
        for name in hash_map_order(needed)
        if existing_partition_count(metadata, name) is None
    }


class _PartitionCounts:
    """The partitions of the internal topics of one topology. What exists already counts as it is."""

    def __init__(
        self,
        topology: StreamsTopology,
        metadata: CoordinatorMetadataImage,
        copartition_groups: Iterable[frozenset[str]],
    ) -> None:
        self._metadata = metadata
        self._subtopologies = topology.subtopologies.values()
        self._decided: dict[str, int] = {}
        self._decide_repartition_topics()
        self._enforce_copartitioning(copartition_groups)
        for subtopology in self._subtopologies:
            if not source_topics(subtopology):
                raise _invalid_topology(f"No source topics found for subtopology {subtopology.subtopology_id}")
            count = self._task_count(subtopology)
            for topic in subtopology.state_changelog_topics:
                self._decided[topic.name] = count

    def configure(self, subtopology: Subtopology) -> ConfiguredSubtopology:
        return ConfiguredSubtopology(
            self._task_count(subtopology),
            frozenset(subtopology.source_topics),
            self._internal_topics(subtopology.repartition_source_topics),
            frozenset(subtopology.repartition_sink_topics),
            self._internal_topics(subtopology.state_changelog_topics),
        )

    def _internal_topics(self, topics: Iterable[TopicInfo]) -> dict[str, ConfiguredInternalTopic]:
        internal_topics: dict[str, ConfiguredInternalTopic] = {}
        for topic in topics:
            count = topic.partitions or self._decided[topic.name]
            if count < 1 or topic.name in internal_topics:
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
            configs = {config.key: config.value for config in topic.topic_configs}
            if len(configs) < len(topic.topic_configs):
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
            internal_topics[topic.name] = ConfiguredInternalTopic(topic.name, count, topic.replication_factor, configs)
        return internal_topics

    def _count(self, topic: str) -> int | None:
        existing = existing_partition_count(self._metadata, topic)
        return self._decided.get(topic) if existing is None else existing

    def _known_count(self, topic: str) -> int:
        count = self._count(topic)
        if count is None:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        return count

    def _task_count(self, subtopology: Subtopology) -> int:
        return max(self._known_count(topic) for topic in source_topics(subtopology))

    def _decide_repartition_topics(self) -> None:
        counts = {
            topic.name: topic.partitions
            for subtopology in self._subtopologies
            for topic in subtopology.repartition_source_topics
            if topic.partitions != _TO_BE_DECIDED
        }
        is_complete = False
        while not is_complete:
            is_complete = True
            has_progressed = False
            for subtopology in self._subtopologies:
                for topic in subtopology.repartition_sink_topics:
                    if topic in counts:
                        continue
                    known = [counts[t.name] for t in subtopology.repartition_source_topics if t.name in counts]
                    external = [self._count(source) for source in subtopology.source_topics]
                    known += [count for count in external if count is not None]
                    if known:
                        counts[topic] = max(known)
                        has_progressed = True
                    else:
                        is_complete = False
            if not is_complete and not has_progressed:
                raise _invalid_topology(
                    "Failed to compute number of partitions for all repartition topics. There may be loops in the "
                    "topology that cannot be resolved."
                )
        if any(topic.name not in counts for s in self._subtopologies for topic in s.repartition_source_topics):
            raise _invalid_topology(
                "Failed to compute number of partitions for all repartition topics, because a repartition source topic "
                "is never used as a sink topic."
            )
        self._decided.update(counts)

    def _enforce_copartitioning(self, copartition_groups: Iterable[frozenset[str]]) -> None:
        repartition_topics = [topic for s in self._subtopologies for topic in s.repartition_source_topics]
        fixed = {topic.name for topic in repartition_topics if topic.partitions != _TO_BE_DECIDED}
        flexible = {topic.name for topic in repartition_topics if topic.partitions == _TO_BE_DECIDED}
        for group in copartition_groups:
            self._decided.update(self._enforce(group, fixed, flexible))

    def _enforce(self, group: frozenset[str], fixed: Collection[str], flexible: Collection[str]) -> dict[str, int]:
        """The partitions of the repartition topics of a group of topics that must have equally many."""
        if not group:
            return {}
        repartition = {topic: self._known_count(topic) for topic in group if topic in fixed or topic in flexible}
        external = {topic: self._known_count(topic) for topic in group if topic not in repartition}
        if external:
            count = _same_count(external)
        elif fixed:
            # As in Apache Kafka, all topics of a fixed number are compared, those of other groups too.
            fixed_counts = {self._known_count(topic) for topic in fixed}
            if len(fixed_counts) > 1:
                raise _not_the_same(repartition)
            [count] = fixed_counts
        else:
            count = max(repartition.values())
        for topic, own_count in repartition.items():
            if topic in fixed and own_count != count:
                raise _incorrectly_partitioned(
                    f"Number of partitions [{own_count}] of repartition topic [{topic}] "
                    f"doesn't match number of partitions [{count}] of the source topic."
                )
        return dict.fromkeys(repartition, count)


def _copartition_groups(subtopology: Subtopology) -> list[frozenset[str]]:
    repartition_topics = [topic.name for topic in subtopology.repartition_source_topics]
    return [
        frozenset(
            [
                *_at(subtopology.source_topics, group.source_topics),
                *_at(repartition_topics, group.repartition_source_topics),
            ]
        )
        for group in subtopology.copartition_groups
    ]


def _at(topics: Sequence[str], indexes: Iterable[int]) -> Iterator[str]:
    for index in indexes:
        if not 0 <= index < len(topics):
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        yield topics[index]


def existing_partition_count(metadata: CoordinatorMetadataImage, topic: str) -> int | None:
    """The number of a topic's partitions, None where it does not exist."""
    topic_id = metadata.topic_id(topic)
    return None if topic_id is None else metadata.partition_count(topic_id)


def summarize_topics(topics: Collection[str]) -> str:
    """Names for people: the first three, and how many more there are."""
    shown = ", ".join(list(topics)[:_MAX_SHOWN_TOPICS])
    more = len(topics) - _MAX_SHOWN_TOPICS
    return f"{shown} and {more} additional topics" if more > 0 else shown


def _same_count(counts: Mapping[str, int]) -> int:
    if len(set(counts.values())) > 1:
        raise _not_the_same(counts)
    return next(iter(counts.values()))


def _not_the_same(counts: Mapping[str, int]) -> TopicConfigurationError:
    listed = ", ".join(f"{topic}={counts[topic]}" for topic in sorted(counts))
    return _incorrectly_partitioned(f"Following topics do not have the same number of partitions: [{{{listed}}}]")


def _incorrectly_partitioned(message: str) -> TopicConfigurationError:
    return TopicConfigurationError(Status.INCORRECTLY_PARTITIONED_TOPICS, message)


def _invalid_topology(message: str) -> KafkaError:
    return KafkaError(ErrorCode.STREAMS_INVALID_TOPOLOGY, message)
