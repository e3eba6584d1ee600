"""What becomes of partitions when a broker stops, dies and comes back: the rules of Apache Kafka's controller."""

from __future__ import annotations

from typing import Any

import pytest

from cluster_image_builder import ClusterImageBuilder, NewCluster
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.metadata.cluster_control import (
    NodeRegistration,
    enter_controlled_shutdown,
    fence_broker,
    register_broker,
    register_controller,
    take_directories_offline,
    unfence_broker,
)
from kafkalite.metadata.cluster_image import Endpoint
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_elections import assign_directories, effective_min_isr
from kafkalite.metadata.partition_registration import (
    LOST_DIRECTORY,
    MIGRATING_DIRECTORY,
    RECOVERED,
    RECOVERING,
    UNASSIGNED_DIRECTORY,
)
from kafkalite.protocol.metadata_records.nodes import (
    BrokerRegistrationChangeRecord,
    RegisterBrokerRecord,
    RegisterControllerRecord,
)
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import PartitionChangeRecord

NEW_INCARNATION = Uuid(b"\x77" * 16)


def state(image: MetadataImage, topic_id: Uuid, index: int = 0) -> tuple[object, ...]:
    partition = image.topics.by_id[topic_id].partitions[index]
    return partition.leader, partition.isr, partition.elr, partition.last_known_elr


def node(broker_id: int = 1, **facts: Any) -> NodeRegistration:
    values: dict[str, Any] = {
        "node_id": broker_id,
        "incarnation_id": NEW_INCARNATION,
        "listeners": [Endpoint("PLAINTEXT", "localhost", 9092, 0)],
        "log_directories": [Uuid(bytes((0xD0, broker_id)) * 8)],
    }
    return NodeRegistration(**{**values, **facts})


def stop(cluster: ClusterImageBuilder) -> MetadataImage:
    cluster.replay(enter_controlled_shutdown(cluster.image, 1))
    return cluster.replay(fence_broker(cluster.image, 1))


def start(cluster: ClusterImageBuilder, *, previous_broker_epoch: int = -1) -> MetadataImage:
    registration = register_broker(cluster.image, node(previous_broker_epoch=previous_broker_epoch), 100)
    cluster.replay(registration)
    return cluster.replay(unfence_broker(cluster.image, 1))


class TestOneBroker:
    def test_a_controlled_shutdown_leaves_partitions_without_leader_but_eligible(self, cluster: NewCluster) -> None:
        one = cluster(1)
        topic = one.add_topic("orders", [1])
        records = enter_controlled_shutdown(one.image, 1)
        assert records == [
            BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=11, in_controlled_shutdown=1),
            PartitionChangeRecord(
                topic_id=topic, partition_id=0, leader=-1, isr=[], eligible_leader_replicas=[1], last_known_elr=[1]
            ),
        ]
        one.replay(records)
        assert fence_broker(one.image, 1) == [BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=11, fenced=1)]

    def test_a_controlled_shutdown_is_entered_once(self, cluster: NewCluster) -> None:
        one = cluster(1)
        one.add_topic("orders", [1])
        one.replay(enter_controlled_shutdown(one.image, 1))
        assert enter_controlled_shutdown(one.image, 1) == []

    def test_after_a_clean_stop_the_eligible_replica_leads_again(self, cluster: NewCluster) -> None:
        one = cluster(1)
        topic = one.add_topic("orders", [1], [1])
        image = stop(one)
        registration = register_broker(image, node(previous_broker_epoch=11), 100)
        assert len(registration) == 1  # no partition changes before the broker is unfenced
        one.replay(registration)
        records = unfence_broker(image, 1)
        assert records == [
            BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=100, fenced=-1),
            *(
                PartitionChangeRecord(
                    topic_id=topic,
                    partition_id=index,
                    leader=1,
                    isr=[1],
                    eligible_leader_replicas=[],
                    last_known_elr=[],
                )
                for index in range(2)
            ),
            BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=100, cordoned_log_dirs=[]),
        ]
        one.replay(records)
        partition = image.topics.by_id[topic].partitions[0]
        assert (partition.leader, partition.leader_epoch, partition.leader_recovery_state) == (1, 2, RECOVERED)

    @pytest.mark.parametrize("is_stopped", [True, False])
    def test_after_an_unclean_end_the_last_known_leader_is_elected(self, cluster: NewCluster, is_stopped: bool) -> None:
        one = cluster(1)
        topic = one.add_topic("orders", [1])
        if is_stopped:
            stop(one)  # but the file that says so is lost
        image = start(one)
        assert state(image, topic) == (1, (1,), (), ())
        assert image.topics.by_id[topic].partitions[0].leader_recovery_state == RECOVERING

    def test_an_unclean_end_first_clears_who_was_eligible(self, cluster: NewCluster) -> None:
        one = cluster(1)
        topic = one.add_topic("orders", [1])
        records = register_broker(one.image, node(), 100)
        assert records[:-1] == [
            PartitionChangeRecord(topic_id=topic, partition_id=0, leader=-1, isr=[], last_known_elr=[1])
        ]
        assert isinstance(records[-1], RegisterBrokerRecord)
        assert records[-1].broker_epoch == 101  # its own offset

    def test_the_same_incarnation_changes_nothing(self, cluster: NewCluster) -> None:
        one = cluster(1)
        one.add_topic("orders", [1])
        [record] = register_broker(one.image, node(incarnation_id=Uuid(b"\x01" * 16)), 100)
        assert isinstance(record, RegisterBrokerRecord)

    def test_without_elr_the_last_in_sync_replica_stays_named(self, cluster: NewCluster) -> None:
        one = cluster(1, metadata_version=21, elr=0)
        topic = one.add_topic("orders", [1])
        image = stop(one)
        assert state(image, topic) == (-1, (1,), (), ())
        image = start(one)
        assert state(image, topic) == (1, (1,), (), ())
        assert image.topics.by_id[topic].partitions[0].leader_recovery_state == RECOVERED


class TestRegistration:
    def test_carries_what_the_broker_is(self, cluster: NewCluster) -> None:
        [record] = register_broker(cluster().image, node(rack="r1"), 7)
        assert isinstance(record, RegisterBrokerRecord)
        assert (record.broker_id, record.broker_epoch, record.fenced, record.rack) == (1, 7, True, "r1")
        assert record.incarnation_id == NEW_INCARNATION
        assert record.log_dirs == [Uuid(b"\xd0\x01" * 8)]
        assert {feature.name: feature.max_supported_version for feature in record.features} == {
            "metadata.version": 33,
            "kraft.version": 1,
            "transaction.version": 2,
            "group.version": 1,
            "eligible.leader.replicas.version": 1,
            "share.version": 2,
            "streams.version": 1,
        }

    @pytest.mark.parametrize(
        ("directories", "message"),
        [
            ([], "No directories specified in request"),
            ([Uuid.ZERO], "Reserved directory ID in request"),
            ([NEW_INCARNATION, NEW_INCARNATION], "Duplicate directory ID in request"),
            ([Uuid(b"\xd0\x02" * 8)], "Broker 2 is already registered with directory 0ALQAtAC0ALQAtAC0ALQAg"),
        ],
    )
    def test_directories_must_be_this_brokers_own(
        self, cluster: NewCluster, directories: list[Uuid], message: str
    ) -> None:
        with pytest.raises(KafkaError) as refusal:
            register_broker(cluster(2).image, node(log_directories=directories), 0)
        assert (refusal.value.error, refusal.value.message) == (ErrorCode.INVALID_REGISTRATION, message)

    def test_a_feature_level_that_is_not_supported_ends_the_start(self, cluster: NewCluster) -> None:
        one = cluster()
        one.image.features.finalized_versions["group.version"] = 9
        with pytest.raises(KafkaError, match=r"does not support finalized version 9 of group\.version"):
            register_broker(one.image, node(), 0)

    def test_controllers_register_from_3_7_on(self, cluster: NewCluster) -> None:
        assert register_controller(cluster(metadata_version=14, elr=0).image, node()) == []
        [record] = register_controller(cluster().image, node())
        assert isinstance(record, RegisterControllerRecord)
        assert (record.controller_id, record.incarnation_id) == (1, NEW_INCARNATION)
        assert [endpoint.port for endpoint in record.end_points] == [9092]


class TestManyBrokers:
    def test_leadership_goes_to_the_next_replica_in_sync(self, cluster: NewCluster) -> None:
        three = cluster(1, 2, 3)
        topic = three.add_topic("orders", [1, 2, 3])
        three.replay([ConfigRecord(resource_type=2, resource_name="orders", name="min.insync.replicas", value="2")])
        image = stop(three)
        assert state(image, topic) == (2, (2, 3), (), ())

    def test_below_min_insync_replicas_who_leaves_stays_eligible(self, cluster: NewCluster) -> None:
        three = cluster(1, 2, 3)
        topic = three.add_topic("orders", [1, 2, 3])
        three.replay([ConfigRecord(resource_type=2, resource_name="orders", name="min.insync.replicas", value="3")])
        image = stop(three)
        assert state(image, topic) == (2, (2, 3), (1,), ())
        three.replay(fence_broker(image, 2))
        assert state(image, topic) == (3, (3,), (1, 2), ())

    def test_an_unclean_election_needs_to_be_allowed(self, cluster: NewCluster) -> None:
        for allowed, expected in (("false", -1), ("true", 2)):
            two = cluster(1, 2, elr=0)
            topic = two.add_topic("orders", [1, 2], isr=[1])
            name = "unclean.leader.election.enable"
            two.replay([ConfigRecord(resource_type=2, resource_name="orders", name=name, value=allowed)])
            image = two.replay(fence_broker(two.image, 1))
            partition = image.topics.by_id[topic].partitions[0]
            assert partition.leader == expected
            assert partition.leader_recovery_state == (RECOVERING if expected == 2 else RECOVERED)

    def test_min_insync_replicas_is_never_more_than_there_are_replicas(self, cluster: NewCluster) -> None:
        two = cluster(1, 2)
        two.add_topic("orders", [1, 2])
        topic = two.image.topics.by_name["orders"]
        assert effective_min_isr(two.image, topic) == 1
        two.replay([ConfigRecord(resource_type=4, resource_name="", name="min.insync.replicas", value="5")])
        assert effective_min_isr(two.image, topic) == 2
        two.replay([ConfigRecord(resource_type=2, resource_name="orders", name="min.insync.replicas", value="1")])
        assert effective_min_isr(two.image, topic) == 1


def test_the_broker_tells_in_which_directories_it_put_partitions(cluster: NewCluster) -> None:
    one = cluster()
    one.register(1, directories=2)
    topic = one.add_topic("orders", [1], [1], directories=[UNASSIGNED_DIRECTORY])
    first, second = (one.directory(1, index) for index in range(2))
    placed = {
        TopicPartition("orders", 0): first,
        TopicPartition("orders", 1): second,
        TopicPartition("unknown", 0): first,
    }
    records = assign_directories(one.image, 1, placed)
    one.replay(records)
    partitions = one.image.topics.by_id[topic].partitions
    assert [partitions[index].directories for index in range(2)] == [(first,), (second,)]
    assert [partitions[index].leader_epoch for index in range(2)] == [0, 0]
    assert assign_directories(one.image, 1, placed) == []


class TestFailedLogDirectory:
    """What Apache Kafka 4.4.0 writes when one of a broker's log directories fails."""

    def test_what_lies_in_it_loses_its_leader_and_the_registration_its_directory(self, cluster: NewCluster) -> None:
        one = cluster()
        one.register(1, directories=2)
        first, second = (one.directory(1, index) for index in range(2))
        healthy = one.add_topic("healthy", [1], directories=[first])
        topic = one.add_topic("orders", [1], [1], directories=[second])
        records = take_directories_offline(one.image, 1, [second])
        assert records == [
            *(
                PartitionChangeRecord(
                    topic_id=topic,
                    partition_id=index,
                    leader=-1,
                    isr=[],
                    eligible_leader_replicas=[1],
                    last_known_elr=[1],
                )
                for index in range(2)
            ),
            BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=11, log_dirs=[first]),
        ]
        one.replay(records)
        assert state(one.image, healthy) == (1, (1,), (), ())
        assert take_directories_offline(one.image, 1, [second]) == []

    def test_its_partitions_are_led_again_once_it_is_back(self, cluster: NewCluster) -> None:
        one = cluster()
        one.register(1, directories=2)
        first, second = (one.directory(1, index) for index in range(2))
        topic = one.add_topic("orders", [1], directories=[second])
        one.replay(take_directories_offline(one.image, 1, [second]))
        stop(one)
        one.replay(register_broker(one.image, node(previous_broker_epoch=11, log_directories=[first]), 100))
        one.replay(unfence_broker(one.image, 1))
        assert state(one.image, topic) == (-1, (), (1,), (1,))
        one.replay(register_broker(one.image, node(previous_broker_epoch=100, log_directories=[first, second]), 200))
        one.replay(unfence_broker(one.image, 1))
        assert state(one.image, topic) == (1, (1,), (), ())

    def test_below_3_7_the_metadata_knows_of_no_directories(self, cluster: NewCluster) -> None:
        one = cluster(1, metadata_version=14, elr=0)
        one.add_topic("orders", [1])
        assert take_directories_offline(one.image, 1, [one.directory(1)]) == []

    @pytest.mark.parametrize(
        ("directory", "is_online"),
        [(UNASSIGNED_DIRECTORY, True), (MIGRATING_DIRECTORY, True), (LOST_DIRECTORY, False), (Uuid(b"o" * 16), False)],
    )
    def test_what_is_not_known_counts_as_online(self, cluster: NewCluster, directory: Uuid, is_online: bool) -> None:
        broker = cluster(1).image.cluster.brokers[1]
        assert broker.has_online_directory(directory) is is_online
        without = broker._replace(directories=())
        assert without.has_online_directory(directory) is (directory != LOST_DIRECTORY)

    def test_reserved_directories_have_apache_kafkas_numbers(self) -> None:
        numbers = [int.from_bytes(bytes(it)) for it in (MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY, LOST_DIRECTORY)]
        assert numbers == [0, 1, 2]
