"""The topology of a streams application, as its members send it and as its record keeps it.

A subtopology reads source topics, its own or repartition topics that another one writes, and keeps its state in
changelog topics. Apache Kafka's StreamsTopology.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.protocol.coordinator_records.streams_group import (
    CopartitionGroup,
    StreamsGroupTopologyValue,
    Subtopology,
    TopicConfig,
    TopicInfo,
)
from kafkalite.protocol.messages import streams_group_describe as describe
from kafkalite.protocol.messages import streams_group_heartbeat as heartbeat


class StreamsTopology(NamedTuple):
    """Subtopologies by id, in the order in which Apache Kafka, which keeps them in a HashMap, goes through them."""

    epoch: int
    subtopologies: Mapping[str, Subtopology]

    @classmethod
    def of(cls, value: StreamsGroupTopologyValue) -> Self:
        """What a record says."""
        by_id = {subtopology.subtopology_id: subtopology for subtopology in value.subtopologies}
        return cls(value.epoch, {subtopology_id: by_id[subtopology_id] for subtopology_id in hash_map_order(by_id)})

    @property
    def required_topics(self) -> frozenset[str]:
        """All topics that have to exist before it can run."""
        return frozenset(
            name
            for subtopology in self.subtopologies.values()
            for name in (*source_topics(subtopology), *(topic.name for topic in subtopology.state_changelog_topics))
        )

    def subtopology_reading(self, topic: str) -> Subtopology | None:
        """The subtopology that has the topic among its sources."""
        found = [s for s in self.subtopologies.values() if topic in source_topics(s)]
        return found[-1] if found else None

    def describe(self) -> describe.Topology:
        """The topology as administrators see it while its topics are not settled."""
        return describe.Topology(
            epoch=self.epoch,
            subtopologies=[
                describe.Subtopology(
                    subtopology_id=subtopology_id,
                    source_topics=sorted(subtopology.source_topics),
                    repartition_sink_topics=sorted(subtopology.repartition_sink_topics),
                    repartition_source_topics=_described(subtopology.repartition_source_topics),
                    state_changelog_topics=_described(subtopology.state_changelog_topics),
                )
                for subtopology_id, subtopology in sorted(self.subtopologies.items())
            ],
        )


def source_topics(subtopology: Subtopology) -> list[str]:
    """The topics that a subtopology reads, the repartition topics among them."""
    return [*subtopology.source_topics, *(topic.name for topic in subtopology.repartition_source_topics)]


def topology_value(topology: heartbeat.Topology) -> StreamsGroupTopologyValue:
    """What the record of a topology says that has come with a heartbeat."""
    return StreamsGroupTopologyValue(
        epoch=topology.epoch,
        subtopologies=[
            Subtopology(
                subtopology_id=subtopology.subtopology_id,
                source_topics=subtopology.source_topics,
                source_topic_regex=subtopology.source_topic_regex,
                state_changelog_topics=_topic_infos(subtopology.state_changelog_topics),
                repartition_sink_topics=subtopology.repartition_sink_topics,
                repartition_source_topics=_topic_infos(subtopology.repartition_source_topics),
                copartition_groups=[
                    CopartitionGroup(
                        source_topics=group.source_topics,
                        source_topic_regex=group.source_topic_regex,
                        repartition_source_topics=group.repartition_source_topics,
                    )
                    for group in subtopology.copartition_groups
                ],
            )
            for subtopology in topology.subtopologies
        ],
    )


def _topic_infos(topics: Iterable[heartbeat.TopicInfo]) -> list[TopicInfo]:
    return [
        TopicInfo(
            name=topic.name,
            partitions=topic.partitions,
            replication_factor=topic.replication_factor,
            topic_configs=[TopicConfig(key=config.key, value=config.value) for config in topic.topic_configs],
        )
        for topic in topics
    ]


def _described(topics: Iterable[TopicInfo]) -> list[describe.TopicInfo]:
    described = [
        describe.TopicInfo(
            name=topic.name,
            partitions=topic.partitions,
            replication_factor=topic.replication_factor,
            topic_configs=[describe.KeyValue(key=config.key, value=config.value) for config in topic.topic_configs],
        )
        for topic in topics
    ]
    return sorted(described, key=lambda topic: topic.name)
