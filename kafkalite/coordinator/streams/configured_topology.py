"""A topology whose topics are settled: how many tasks each subtopology has, which internal topics it needs.

Apache Kafka's ConfiguredTopology.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from kafkalite.protocol.messages import streams_group_describe as describe
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig

_DEFAULT_REPLICATION_FACTOR = -1


class Status(IntEnum):
    """What a heartbeat's answer tells a member besides its tasks."""

    STALE_TOPOLOGY = 0
    MISSING_SOURCE_TOPICS = 1
    INCORRECTLY_PARTITIONED_TOPICS = 2
    MISSING_INTERNAL_TOPICS = 3
    SHUTDOWN_APPLICATION = 4
    ASSIGNMENT_DELAYED = 5
    MISSING_CLIENT_TAGS = 6


class TopicConfigurationError(Exception):
    """Why a topology cannot run with the topics there are."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ConfiguredInternalTopic(NamedTuple):
    """An internal topic as it has to be; a replication factor of 0 is the broker's default."""

    name: str
    partition_count: int
    replication_factor: int
    configs: Mapping[str, str]

    def creatable(self) -> CreatableTopic:
        """What CreateTopics is asked for."""
        return CreatableTopic(
            name=self.name,
            num_partitions=self.partition_count,
            replication_factor=self.replication_factor or _DEFAULT_REPLICATION_FACTOR,
            configs=[CreatableTopicConfig(name=name, value=value) for name, value in self.configs.items()],
        )

    def describe(self) -> describe.TopicInfo:
        """The topic as administrators see it."""
        return describe.TopicInfo(
            name=self.name,
            partitions=self.partition_count,
            replication_factor=self.replication_factor,
            topic_configs=[describe.KeyValue(key=key, value=value) for key, value in self.configs.items()],
        )


class ConfiguredSubtopology(NamedTuple):
    """A subtopology with the number of its tasks."""

    task_count: int
    source_topics: frozenset[str]
    repartition_source_topics: Mapping[str, ConfiguredInternalTopic]
    repartition_sink_topics: frozenset[str]
    state_changelog_topics: Mapping[str, ConfiguredInternalTopic]

    @property
    def is_stateful(self) -> bool:
        return bool(self.state_changelog_topics)

    def describe(self, subtopology_id: str) -> describe.Subtopology:
        """The subtopology as administrators see it."""
        return describe.Subtopology(
            subtopology_id=subtopology_id,
            source_topics=sorted(self.source_topics),
            repartition_sink_topics=sorted(self.repartition_sink_topics),
            repartition_source_topics=_described(self.repartition_source_topics),
            state_changelog_topics=_described(self.state_changelog_topics),
        )


class ConfiguredTopology(NamedTuple):
    """What has been made of a topology: subtopologies in the order of their ids, None where `error` forbids them."""

    epoch: int
    subtopologies: Mapping[str, ConfiguredSubtopology] | None
    missing_internal_topics: Mapping[str, CreatableTopic]
    error: TopicConfigurationError | None

    @property
    def is_ready(self) -> bool:
        """Whether its tasks can be given to members."""
        return self.error is None

    def describe(self) -> describe.Topology:
        """The topology as administrators see it."""
        return describe.Topology(
            epoch=self.epoch,
            subtopologies=[
                subtopology.describe(subtopology_id)
                for subtopology_id, subtopology in (self.subtopologies or {}).items()
            ],
        )


def _described(topics: Mapping[str, ConfiguredInternalTopic]) -> list[Any]:
    ordered: Iterable[ConfiguredInternalTopic] = (topics[name] for name in sorted(topics))
    return [topic.describe() for topic in ordered]
