"""What kafka-topics --describe prints: a line for each topic, a line for each of its partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from kafkalite.client.admin import Admin, raise_for
from kafkalite.client.wire_client import NoCommonVersionError
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.java_hash_map import string_map_order
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResult,
)
from kafkalite.protocol.messages.describe_topic_partitions import DescribeTopicPartitionsRequest, TopicRequest
from kafkalite.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
    OngoingPartitionReassignment,
)
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

if TYPE_CHECKING:
    from kafkalite.cli.kafka_topics import TopicCommandOptions

_TOPIC_RESOURCE: Final = 2
_DEFAULT_CONFIG_SOURCE: Final = 5
_DEFAULT_PARTITION_LIMIT: Final = 2000


class Partition(NamedTuple):
    """A partition; `elr` and `last_known_elr` are None where the broker does not tell."""

    number: int
    leader: int | None
    replicas: Sequence[int]
    isr: Sequence[int]
    elr: Sequence[int] | None
    last_known_elr: Sequence[int] | None


class Topic(NamedTuple):
    name: str
    topic_id: Uuid
    partitions: list[Partition]


class TopicDescriber:
    """Asks for topics and prints them."""

    def __init__(self, admin: Admin, options: TopicCommandOptions) -> None:
        self._admin = admin
        self._options = options
        has = options.has
        self._reports = [
            report
            for report in (options.under_replicated, options.unavailable, options.under_min_isr, options.at_min_isr)
            if has(report)
        ]
        self._live_brokers: set[int] = set()

    def describe_by_name(self, names: Sequence[str]) -> None:
        """Describes topics that exist; in the order of the original, which is that of Java's hash map."""
        topics = {topic.name: topic for topic in self._described(names)}
        order = string_map_order(sorted(topics), capacity=len(topics))
        self._print([topics[name] for name in order])

    def describe_by_id(self, topic_id: Uuid) -> None:
        request = MetadataRequest(topics=[MetadataRequestTopic(topic_id=topic_id, name=None)])
        request.allow_auto_topic_creation = False
        response = self._admin.send(request, call="describeTopicsWithIds")
        topics = []
        for topic in response.topics:
            raise_for(topic.error_code)
            partitions = [
                Partition(p.partition_index, _node(p.leader_id), p.replica_nodes, p.isr_nodes, None, None)
                for p in topic.partitions
            ]
            topics.append(Topic(topic.name, topic.topic_id, partitions))
        self._print(topics)

    def _described(self, names: Sequence[str]) -> list[Topic]:
        try:
            return self._described_by_pages(names)
        except NoCommonVersionError:
            return self._described_by_metadata(names)

    def _described_by_pages(self, names: Sequence[str]) -> list[Topic]:
        options = self._options
        limit: int | None = options.options.value(options.partition_limit)
        request = DescribeTopicPartitionsRequest(
            topics=[TopicRequest(name=name) for name in names],
            response_partition_limit=_DEFAULT_PARTITION_LIMIT if limit is None else limit,
        )
        topics: dict[str, Topic] = {}
        while True:
            response = self._admin.send(request, call="describeTopics")
            for found in response.topics:
                raise_for(found.error_code)
                topic = topics.setdefault(found.name, Topic(found.name, found.topic_id, []))
                for p in found.partitions:
                    elr, last_known = p.eligible_leader_replicas, p.last_known_elr
                    topic.partitions.append(
                        Partition(p.partition_index, _node(p.leader_id), p.replica_nodes, p.isr_nodes, elr, last_known)
                    )
            if response.next_cursor is None:
                return list(topics.values())
            request.cursor = response.next_cursor
            request.topics = [topic for topic in request.topics if topic.name >= response.next_cursor.topic_name]

    def _described_by_metadata(self, names: Sequence[str]) -> list[Topic]:
        topics = []
        for found in self._admin.metadata(names, call="describeTopics").topics:
            raise_for(found.error_code)
            partitions = [
                Partition(p.partition_index, _node(p.leader_id), p.replica_nodes, p.isr_nodes, None, None)
                for p in found.partitions
            ]
            topics.append(Topic(found.name or "", found.topic_id, partitions))
        return topics

    def _configs(self, topics: Sequence[Topic]) -> dict[str, DescribeConfigsResult]:
        """The answers by topic: those with an error end the description when it comes to them."""
        resources = [
            DescribeConfigsResource(resource_type=_TOPIC_RESOURCE, resource_name=topic.name, configuration_keys=None)
            for topic in topics
        ]
        response = self._admin.send(DescribeConfigsRequest(resources=resources), call="describeConfigs")
        return {result.resource_name: result for result in response.results}

    def _reassignments(self, topics: Sequence[Topic]) -> dict[TopicPartition, OngoingPartitionReassignment]:
        wanted = [
            ListPartitionReassignmentsTopics(name=topic.name, partition_indexes=[p.number for p in topic.partitions])
            for topic in topics
        ]
        request = ListPartitionReassignmentsRequest(topics=wanted, timeout_ms=self._admin.api_timeout_ms)
        try:
            response = self._admin.send(request, call="listPartitionReassignments")
        except NoCommonVersionError:
            return {}
        if response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
            return {}
        raise_for(response.error_code, response.error_message)
        return {
            TopicPartition(topic.name, partition.partition_index): partition
            for topic in response.topics
            for partition in topic.partitions
        }

    def _print(self, topics: Sequence[Topic]) -> None:
        configs = self._configs(topics)
        cluster = self._admin.send(DescribeClusterRequest(), call="listNodes")
        raise_for(cluster.error_code, cluster.error_message)
        self._live_brokers = {broker.broker_id for broker in cluster.brokers}
        reassignments = self._reassignments(topics)
        options = self._options
        for topic in topics:
            topic.partitions.sort(key=lambda partition: partition.number)
            found = configs[topic.name]
            raise_for(found.error_code, found.error_message)
            entries = {entry.name: entry for entry in found.configs}
            overrides = [
                f"{name}={_value(entries[name])}"
                for name in string_map_order(entries, capacity=None)
                if entries[name].config_source != _DEFAULT_CONFIG_SOURCE
            ]
            if not self._reports and (overrides or not options.has(options.with_overrides)):
                self._print_topic(topic, overrides, reassignments)
            if not options.has(options.with_overrides):
                for partition in topic.partitions:
                    reassignment = reassignments.get(TopicPartition(topic.name, partition.number))
                    if not self._reports or self._is_reported(partition, reassignment, entries):
                        _print_partition(topic.name, partition, reassignment)

    def _print_topic(
        self,
        topic: Topic,
        overrides: Sequence[str],
        reassignments: Mapping[TopicPartition, OngoingPartitionReassignment],
    ) -> None:
        first = topic.partitions[0]
        replication_factor = _replication_factor(first, reassignments.get(TopicPartition(topic.name, first.number)))
        columns = [f"Topic: {topic.name}"]
        if topic.topic_id != Uuid.ZERO:
            columns.append(f"TopicId: {topic.topic_id}")
        columns.append(f"PartitionCount: {len(topic.partitions)}")
        columns.append(f"ReplicationFactor: {replication_factor}")
        columns.append(f"Configs: {','.join(overrides)}")
        print("\t".join(columns))

    def _is_reported(
        self,
        partition: Partition,
        reassignment: OngoingPartitionReassignment | None,
        configs: Mapping[str, DescribeConfigsResourceResult],
    ) -> bool:
        """Whether one of the reports that were asked for shows this partition."""
        options = self._options
        min_isr = int(configs["min.insync.replicas"].value or 1)
        is_shown = {
            options.under_replicated: _replication_factor(partition, reassignment) > len(partition.isr),
            options.unavailable: partition.leader not in self._live_brokers,
            options.under_min_isr: partition.leader is None or len(partition.isr) < min_isr,
            options.at_min_isr: len(partition.isr) == min_isr,
        }
        return any(is_shown[report] for report in self._reports)


def _print_partition(name: str, partition: Partition, reassignment: OngoingPartitionReassignment | None) -> None:
    columns = [
        f"\tTopic: {name}",
        f"Partition: {partition.number}",
        f"Leader: {'none' if partition.leader is None else partition.leader}",
        f"Replicas: {_joined(partition.replicas)}",
        f"Isr: {_joined(partition.isr)}",
    ]
    if reassignment is not None:
        columns.append(f"Adding Replicas: {_joined(reassignment.adding_replicas)}")
        columns.append(f"Removing Replicas: {_joined(reassignment.removing_replicas)}")
    columns.append(f"Elr: {'N/A' if partition.elr is None else _joined(partition.elr)}")
    columns.append(f"LastKnownElr: {'N/A' if partition.last_known_elr is None else _joined(partition.last_known_elr)}")
    print("\t".join(columns))


def _replication_factor(partition: Partition, reassignment: OngoingPartitionReassignment | None) -> int:
    if reassignment is not None:
        changing = {*reassignment.adding_replicas, *reassignment.removing_replicas}
        if changing.intersection(partition.replicas):
            return len(reassignment.replicas) - len(reassignment.adding_replicas)
    return len(partition.replicas)


def _node(node_id: int) -> int | None:
    return None if node_id < 0 else node_id


def _joined(nodes: Sequence[int]) -> str:
    return ",".join(map(str, nodes))


def _value(entry: DescribeConfigsResourceResult) -> str:
    return "null" if entry.value is None else entry.value
