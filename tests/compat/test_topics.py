"""CreateTopics, CreatePartitions and DeleteTopics beside Apache Kafka: every version, refusals and their texts."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from kafkalite.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from kafkalite.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from transcript import Compare, Side

CREATE_VERSIONS = range(2, 8)
UNKNOWN_ID = Uuid(b"\x0b" * 16)


def new_topic(
    name: str,
    partitions: int = 1,
    factor: int = 1,
    assignments: Iterable[tuple[int, list[int]]] = (),
    **configs: str | None,
) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[CreatableReplicaAssignment(partition_index=i, broker_ids=ids) for i, ids in assignments],
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def create(*topics: CreatableTopic, validate_only: bool = False) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=list(topics), timeout_ms=30_000, validate_only=validate_only)


@pytest.mark.parametrize("version", CREATE_VERSIONS)
def test_new_topics_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        prefix = f"{side.namespace}-new"
        plain = new_topic(f"{prefix}-a", 3)
        configured = new_topic(f"{prefix}-b", 2, retention_ms="5", cleanup_policy="compact,delete")
        side.ask(create(plain, configured, validate_only=True), version, label="validated only")
        side.ask(create(plain, configured), version)
        side.ask(create(plain), version, label="again")
        side.ask(create(new_topic(f"{prefix}-c", -1, -1)), version, label="defaults")
        assigned = new_topic(f"{prefix}-d", -1, -1, assignments=[(0, [1]), (1, [1])])
        side.ask(create(assigned), version, label="manual assignment")
        side.ask(create(), version, label="nothing")

    compare(scenario)


@pytest.mark.parametrize("count", [2, 3, 8, 11, 12, 13, 24, 25, 40])
def test_of_several_unknown_configurations_the_same_one_is_named(compare: Compare, count: int) -> None:
    random = Random(count)

    def unknown() -> dict[str, str]:
        return {"".join(random.choices("abcdefghij._", k=random.randint(1, 12))): "1" for _ in range(count)}

    tries = [{**unknown(), "retention_ms": "5"} for _ in range(5)]

    def scenario(side: Side) -> None:
        name = f"{side.namespace}-unknown"
        side.ask(create(*(new_topic(f"{name}-{i}", 1, 1, (), **configs) for i, configs in enumerate(tries))), 7)
        side.ask(create(new_topic(name)), 7)
        for configs in tries:
            changes = [AlterableConfig(name=key, config_operation=0, value=value) for key, value in configs.items()]
            for resource_type in (2, 16, 32):  # topic, client metrics, group
                resource = AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=changes)
                side.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1)

    compare(scenario)


@pytest.mark.parametrize("version", CREATE_VERSIONS)
def test_topics_that_cannot_be_are_refused_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        good = f"{side.namespace}-good"
        refused = [
            new_topic(""),
            new_topic("."),
            new_topic(".."),
            new_topic("a" * 250),
            new_topic("with space"),
            new_topic("umlaut-ä"),
            new_topic("__cluster_metadata"),
            new_topic(good, 0),
            new_topic(good, -2),
            new_topic(good, 1, 0),
            new_topic(good, 1, -2),
            new_topic(good, 1, 2),
            new_topic(good, 1, 32767),
            new_topic(good, 10_001),
            new_topic(good, -1, 1, assignments=[(0, [1])]),
            new_topic(good, 1, -1, assignments=[(0, [1])]),
            new_topic(good, -1, -1, assignments=[(0, [1]), (0, [1])]),
            new_topic(good, -1, -1, assignments=[(1, [1])]),
            new_topic(good, -1, -1, assignments=[(0, [1]), (2, [1])]),
            new_topic(good, -1, -1, assignments=[(0, [])]),
            new_topic(good, -1, -1, assignments=[(0, [7])]),
            new_topic(good, -1, -1, assignments=[(0, [1, 1])]),
            new_topic(good, -1, -1, assignments=[(0, [1]), (1, [1, 7])]),
            new_topic(good, retention_ms=None),
            new_topic(good, retention_ms="x"),
            new_topic(good, retention_ms="-2"),
            new_topic(good, no_such_config="1"),
            new_topic(good, cleanup_policy="shred"),
            new_topic(good, segment_bytes="1"),
            new_topic(good, min_compaction_lag_ms="10", max_compaction_lag_ms="5"),
            new_topic(good, remote_storage_enable="true"),
        ]
        for index, topic in enumerate(refused):
            side.ask(create(topic), version, label=f"{index}: {topic}"[:300])
        side.ask(create(new_topic(good), new_topic(good)), version, label="the same name twice")
        side.ask(create(new_topic(f"{good}_x"), new_topic("a b")), version, label="one of two")
        side.ask(create(new_topic(f"{good}.x")), version, label="a name that collides")
        many = [new_topic(f"{good}-{i}", 5001) for i in range(2)]
        side.ask(create(*many), version, label="too many partitions in all")

    compare(scenario)


@pytest.mark.parametrize("version", range(4))
def test_more_partitions_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)

        def ask(name: str, count: int, assignments: list[list[int]] | None = None, **facts: bool) -> None:
            wanted = CreatePartitionsTopic(
                name=name,
                count=count,
                assignments=assignments
                and [CreatePartitionsAssignment(broker_ids=broker_ids) for broker_ids in assignments],
            )
            request = CreatePartitionsRequest(topics=[wanted], timeout_ms=30_000, **facts)
            side.ask(request, version, label=f"{count} {assignments} {facts}")

        ask(topic, 4, validate_only=True)
        ask(topic, 2)
        ask(topic, 1)
        ask(topic, 0)
        ask(topic, -1)
        ask("no-such-topic", 3)
        ask("", 3)
        ask(topic, 4, [[1]])
        ask(topic, 3, [[7]])
        ask(topic, 3, [[1, 1]])
        ask(topic, 3, [[]])
        ask(topic, 3, [[1, 7]])
        ask(topic, 3, [[1]])
        ask(topic, 5)
        twice = CreatePartitionsTopic(name=topic, count=9, assignments=None)
        side.ask(CreatePartitionsRequest(topics=[twice, twice], timeout_ms=30_000), version, label="twice")
        side.wait_for_leaders(topic, 5)

    compare(scenario)


@pytest.mark.parametrize("version", range(1, 7))
def test_deleted_topics_are_answered_alike(compare: Compare, version: int) -> None:
    def delete(*names: str) -> DeleteTopicsRequest:
        if version < 6:
            return DeleteTopicsRequest(topic_names=list(names), timeout_ms=30_000)
        return DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in names], timeout_ms=30_000)

    def scenario(side: Side) -> None:
        first, second, third = side.topic(), side.topic(2), side.topic()
        side.ask(delete(first, "no-such-topic", ""), version)
        side.ask(delete(first), version, label="again")
        side.ask(delete(second, second), version, label="the same name twice")
        side.ask(delete(), version, label="nothing")
        if version >= 6:
            ids = {name: side.topic_id(name) for name in (second, third)}
            for topic_id in (UNKNOWN_ID, *ids.values()):
                side.note("gets its ordinal", topic_id)
            wanted = [
                DeleteTopicState(name=None, topic_id=ids[second]),
                DeleteTopicState(name=None, topic_id=UNKNOWN_ID),
                DeleteTopicState(name=None),
                DeleteTopicState(name=third, topic_id=ids[third]),
            ]
            side.ask(DeleteTopicsRequest(topics=wanted, timeout_ms=30_000), version, label="by id")
            both = [DeleteTopicState(name=third), DeleteTopicState(name=None, topic_id=ids[third])]
            side.ask(DeleteTopicsRequest(topics=both, timeout_ms=30_000), version, label="by name and by id")
            same = [DeleteTopicState(name=None, topic_id=ids[third])] * 2
            side.ask(DeleteTopicsRequest(topics=same, timeout_ms=30_000), version, label="the same id twice")
            side.ask(delete(third), version, label="at last")

    compare(scenario)


@pytest.mark.parametrize("timeout_ms", [0, -1])
def test_changes_that_are_given_no_time_come_too_late_alike(compare: Compare, timeout_ms: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        new, twice = new_topic(f"{topic}-new"), [new_topic(f"{topic}-twice")] * 2
        for label, topics in {
            "new": [new, new_topic(topic), new_topic("a b"), *twice],
            "twice": twice,
            "metadata": [new_topic("__cluster_metadata")],
            "nothing": [],
        }.items():
            for validate_only in (False, True):
                request = CreateTopicsRequest(topics=topics, timeout_ms=timeout_ms, validate_only=validate_only)
                side.ask(request, 7, label=f"create {label}")
        by_name, by_id = DeleteTopicState(name=topic), DeleteTopicState(name=None, topic_id=UNKNOWN_ID)
        for label, states in {
            "names": [by_name, DeleteTopicState(name=f"{topic}-nowhere")],
            "a name twice": [by_name, by_name],
            "an id": [by_id],
            "nobody": [DeleteTopicState(name=None), DeleteTopicState(name=topic, topic_id=UNKNOWN_ID)],
            "all": [by_name, by_id, DeleteTopicState(name=None)],
            "nothing": [],
        }.items():
            side.ask(DeleteTopicsRequest(topics=states, timeout_ms=timeout_ms), 6, label=f"delete {label}")
        more, other = CreatePartitionsTopic(name=topic, count=3), CreatePartitionsTopic(name="other", count=3)
        for label, grown in {"one": [more, other], "twice": [more, more], "all": [more, more, other]}.items():
            side.ask(CreatePartitionsRequest(topics=grown, timeout_ms=timeout_ms), 3, label=f"more partitions {label}")
        elected = [TopicPartitions(topic=topic, partitions=[0, 7])]
        for election_type in (0, 9):
            for version in (0, 1, 2) if election_type == 0 else (2,):
                election = ElectLeadersRequest(topic_partitions=elected, timeout_ms=timeout_ms)
                election.election_type = election_type
                side.ask(election, version, label=f"elect {election_type}")
        side.ask(ElectLeadersRequest(topic_partitions=None, timeout_ms=timeout_ms), 2, label="elect all")
        side.ask(ElectLeadersRequest(topic_partitions=[], timeout_ms=timeout_ms), 2, label="elect none")
        moved = ReassignableTopic(name=topic, partitions=[ReassignablePartition(partition_index=0, replicas=[1])])
        for reassigned in [[moved], []]:
            reassignment = AlterPartitionReassignmentsRequest(topics=reassigned, timeout_ms=timeout_ms)
            side.ask(reassignment, 1, label=f"reassign {len(reassigned)}")

    compare(scenario)
