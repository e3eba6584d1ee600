"""A topology is settled with the topics there are: counts of partitions, copartitioning, what is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consumer_group_simulation import ConsumerGroupSimulation
from kafkalite.coordinator.streams.configured_topology import ConfiguredTopology, Status
from kafkalite.coordinator.streams.internal_topic_manager import configure_topology
from kafkalite.coordinator.streams.streams_topology import StreamsTopology
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.coordinator_records.streams_group import (
    CopartitionGroup,
    StreamsGroupTopologyValue,
    Subtopology,
    TopicConfig,
    TopicInfo,
)

Configure = Callable[..., ConfiguredTopology]


@pytest.fixture
def topics() -> ConsumerGroupSimulation:
    return ConsumerGroupSimulation()


@pytest.fixture
def configure(topics: ConsumerGroupSimulation) -> Configure:
    def configure(*subtopologies: Subtopology) -> ConfiguredTopology:
        topology = StreamsTopology.of(StreamsGroupTopologyValue(epoch=3, subtopologies=list(subtopologies)))
        return configure_topology("g", "m", topology, topics.metadata)

    return configure


def topic(name: str, partitions: int = 0, **configs: str) -> TopicInfo:
    return TopicInfo(
        name=name,
        partitions=partitions,
        topic_configs=[TopicConfig(key=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def word_count() -> tuple[Subtopology, Subtopology]:
    first = Subtopology(subtopology_id="0", source_topics=["lines"], repartition_sink_topics=["words"])
    second = Subtopology(
        subtopology_id="1",
        repartition_source_topics=[topic("words", cleanup_policy="delete")],
        state_changelog_topics=[topic("counts", cleanup_policy="compact")],
    )
    return first, second


def test_source_topics_must_exist(configure: Configure) -> None:
    names = [f"t{number}" for number in range(5)]
    configured = configure(Subtopology(subtopology_id="0", source_topics=names))
    assert configured.error is not None
    assert not configured.is_ready
    assert configured.error.status is Status.MISSING_SOURCE_TOPICS
    assert configured.error.message == "Source topics t0, t1, t2 and 2 additional topics are missing."
    assert configured.subtopologies is None


def test_internal_topics_get_the_partitions_of_what_flows_into_them(
    configure: Configure, topics: ConsumerGroupSimulation
) -> None:
    topics.topic("lines", 3)
    configured = configure(*word_count())
    assert configured.error is not None
    assert configured.error.status is Status.MISSING_INTERNAL_TOPICS
    assert configured.error.message.startswith("Internal topics are missing: ")
    missing = configured.missing_internal_topics
    assert {name: created.num_partitions for name, created in missing.items()} == {"words": 3, "counts": 3}
    assert [(c.name, c.value) for c in missing["counts"].configs] == [("cleanup.policy", "compact")]
    assert missing["words"].replication_factor == -1
    assert configured.subtopologies is not None
    assert {name: (s.task_count, s.is_stateful) for name, s in configured.subtopologies.items()} == {
        "0": (3, False),
        "1": (3, True),
    }


def test_a_topology_is_ready_once_all_its_topics_are_there(
    configure: Configure, topics: ConsumerGroupSimulation
) -> None:
    for name in ("lines", "words", "counts"):
        topics.topic(name, 2)
    configured = configure(*word_count())
    assert configured.is_ready
    assert configured.missing_internal_topics == {}


def test_an_internal_topic_of_another_size_is_refused(configure: Configure, topics: ConsumerGroupSimulation) -> None:
    topics.topic("lines", 2)
    topics.topic("words", 2)
    topics.topic("counts", 5)
    error = configure(*word_count()).error
    assert error is not None
    assert error.status is Status.INCORRECTLY_PARTITIONED_TOPICS
    assert error.message == "Existing topic counts has different number of partitions: expected 2, found 5"


def test_joined_topics_must_have_equally_many_partitions(configure: Configure, topics: ConsumerGroupSimulation) -> None:
    topics.topic("left", 2)
    topics.topic("right", 3)
    error = configure(
        Subtopology(
            subtopology_id="0",
            source_topics=["left", "right"],
            copartition_groups=[CopartitionGroup(source_topics=[0, 1])],
        )
    ).error
    assert error is not None
    assert error.status is Status.INCORRECTLY_PARTITIONED_TOPICS
    assert error.message == "Following topics do not have the same number of partitions: [{left=2, right=3}]"


def test_a_repartition_topic_follows_the_topic_that_it_is_joined_with(
    configure: Configure, topics: ConsumerGroupSimulation
) -> None:
    topics.topic("in", 2)
    topics.topic("table", 6)
    configured = configure(
        Subtopology(subtopology_id="0", source_topics=["in"], repartition_sink_topics=["rekeyed"]),
        Subtopology(
            subtopology_id="1",
            source_topics=["table"],
            repartition_source_topics=[topic("rekeyed")],
            copartition_groups=[CopartitionGroup(source_topics=[0], repartition_source_topics=[0])],
        ),
    )
    assert configured.missing_internal_topics["rekeyed"].num_partitions == 6


def test_a_repartition_topic_of_a_fixed_size_must_fit(configure: Configure, topics: ConsumerGroupSimulation) -> None:
    topics.topic("table", 6)
    error = configure(
        Subtopology(
            subtopology_id="0",
            source_topics=["table"],
            repartition_source_topics=[topic("rekeyed", 4)],
            repartition_sink_topics=["rekeyed"],
            copartition_groups=[CopartitionGroup(source_topics=[0], repartition_source_topics=[0])],
        )
    ).error
    assert error is not None
    assert error.message == (
        "Number of partitions [4] of repartition topic [rekeyed] doesn't match number of partitions [6] of the source "
        "topic."
    )


def test_loops_of_repartition_topics_are_no_topology(configure: Configure) -> None:
    with pytest.raises(KafkaError, match="There may be loops in the topology") as raised:
        configure(
            Subtopology(subtopology_id="0", repartition_source_topics=[topic("a")], repartition_sink_topics=["b"]),
            Subtopology(subtopology_id="1", repartition_source_topics=[topic("b")], repartition_sink_topics=["a"]),
        )
    assert raised.value.error is ErrorCode.STREAMS_INVALID_TOPOLOGY


def test_what_nobody_writes_cannot_be_repartitioned(configure: Configure, topics: ConsumerGroupSimulation) -> None:
    topics.topic("in", 1)
    with pytest.raises(KafkaError, match="never used as a sink topic"):
        configure(
            Subtopology(subtopology_id="0", source_topics=["in"]),
            Subtopology(subtopology_id="1", repartition_source_topics=[topic("lost")]),
        )


def test_a_subtopology_without_sources_is_refused(configure: Configure) -> None:
    with pytest.raises(KafkaError, match="No source topics found for subtopology 0"):
        configure(Subtopology(subtopology_id="0"))
