"""Features, quorum, registrations, elections and reassignments, beside Apache Kafka."""

from __future__ import annotations

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.add_raft_voter import AddRaftVoterRequest, Listener
from kafkalite.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    RequestPartitionData,
    RequestTopicData,
)
from kafkalite.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from kafkalite.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from kafkalite.protocol.messages.remove_raft_voter import RemoveRaftVoterRequest
from kafkalite.protocol.messages.unregister_broker import UnregisterBrokerRequest
from kafkalite.protocol.messages.unregister_controller import UnregisterControllerRequest
from kafkalite.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest
from transcript import Compare, Side


@pytest.mark.parametrize("version", [0, 1, 2])
def test_updates_of_features_are_judged_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        for name, level, upgrade_type in (
            ("metadata.version", 34, 1),
            ("metadata.version", 6, 1),
            ("metadata.version", 20, 1),
            ("group.version", 0, 1),
            ("group.version", 1, 1),
            ("group.version", 2, 1),
            ("group.version", 1, 2),
            ("no.such.version", 1, 1),
            ("no.such.version", 0, 1),
            ("transaction.version", -1, 1),
            ("transaction.version", 3, 1),
            ("streams.version", 1, 9),
            ("share.version", 0, 0),
        ):
            wanted = FeatureUpdateKey(feature=name, max_version_level=level)
            if version:
                wanted.upgrade_type = upgrade_type
            elif upgrade_type != 1:
                continue
            request = UpdateFeaturesRequest(feature_updates=[wanted], validate_only=version > 0)
            side.ask(request, version, label=f"{name} {level} {upgrade_type}")
        side.ask(UpdateFeaturesRequest(), version, label="nothing")

    compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_other_quorums_are_unknown_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        for name, partitions in (("__cluster_metadata", [1]), ("other", [0]), ("__cluster_metadata", [0, 0])):
            wanted = RequestTopicData(
                topic_name=name, partitions=[RequestPartitionData(partition_index=index) for index in partitions]
            )
            side.ask(DescribeQuorumRequest(topics=[wanted]), version, label=f"{name} {partitions}")
        side.ask(DescribeQuorumRequest(), version, label="none")
        wanted = RequestTopicData(topic_name="__cluster_metadata", partitions=[RequestPartitionData()])
        [topic] = side.send(DescribeQuorumRequest(topics=[wanted]), version).topics
        [partition] = topic.partitions
        voters = [(voter.replica_id, voter.last_fetch_timestamp) for voter in partition.current_voters]
        side.note("leader and voters", [partition.error_code, partition.leader_id, *map(list, voters)])

    compare(scenario)


def test_nodes_that_are_not_there_are_not_unregistered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        side.ask(UnregisterBrokerRequest(broker_id=77))
        side.ask(UnregisterControllerRequest(controller_id=77))
        side.ask(UnregisterControllerRequest(controller_id=1), label="the active one")

    compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_elections_are_not_needed_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        for kind in (0, 1, 5) if version else (0,):
            for name, partitions in ((topic, [0, 1, 7]), ("no-such-topic", [0])):
                wanted = [TopicPartitions(topic=name, partitions=partitions)]
                request = ElectLeadersRequest(election_type=kind, topic_partitions=wanted)
                side.ask(request, version, label=f"{name} {kind}")
            side.ask(ElectLeadersRequest(election_type=kind, topic_partitions=[]), version, label="none")

    compare(scenario)


@pytest.mark.parametrize("version", [0, 1])
def test_reassignments_are_judged_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        for allow_change in (True, False) if version else (True,):
            for name, index, replicas in (
                (topic, 0, [1]),
                (topic, 0, [2]),
                (topic, 0, [1, 2]),
                (topic, 0, [1, 1]),
                (topic, 0, []),
                (topic, 0, [-1]),
                (topic, 0, None),
                (topic, 9, [1]),
                ("no-such-topic", 0, [1]),
            ):
                wanted = ReassignablePartition(partition_index=index, replicas=replicas)
                request = AlterPartitionReassignmentsRequest(
                    topics=[ReassignableTopic(name=name, partitions=[wanted])],
                    allow_replication_factor_change=allow_change,
                )
                side.ask(request, version, label=f"{name} {index} {replicas} {allow_change}")
        side.ask(ListPartitionReassignmentsRequest(topics=None), 0)
        some = [ListPartitionReassignmentsTopics(name=topic, partition_indexes=[0])]
        side.ask(ListPartitionReassignmentsRequest(topics=some), 0, label="some")

    compare(scenario)


def test_requests_about_voters_are_refused_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        cluster_id = side.send(DescribeClusterRequest()).cluster_id
        controller = [Listener(name="CONTROLLER", host="localhost", port=1)]
        for voter_id, directory_id, listeners in (
            (1, Uuid.ZERO, controller),
            (-1, Uuid(b"d" * 16), controller),
            (2, Uuid(b"d" * 16), []),
        ):
            request = AddRaftVoterRequest(
                cluster_id=cluster_id,
                voter_id=voter_id,
                voter_directory_id=directory_id,
                listeners=listeners,
                timeout_ms=1000,
            )
            for version in (0, 1):
                side.ask(request, version, label=f"add {voter_id} {directory_id} {len(listeners)}")
            remove = RemoveRaftVoterRequest(
                cluster_id=cluster_id, voter_id=min(voter_id, 0), voter_directory_id=Uuid.ZERO
            )
            side.ask(remove, label=f"remove {voter_id}")
        removal = RemoveRaftVoterRequest(cluster_id=None, voter_id=-1, voter_directory_id=Uuid(b"d" * 16))
        side.ask(removal, label="no cluster id")

    compare(scenario)
