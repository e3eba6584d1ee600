"""The metadata image: every record of the metadata log is replayed, and a snapshot makes the same image again."""

from __future__ import annotations

import pytest

from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.metadata.cluster_image import Endpoint
from kafkalite.metadata.configurations_image import CLUSTER_DEFAULT, ConfigResource, ConfigResourceType
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_registration import MIGRATING_DIRECTORY
from kafkalite.metadata.record_versions import record_version
from kafkalite.metadata.security_images import ScramCredential, StandardAcl
from kafkalite.protocol import metadata_record
from kafkalite.protocol.metadata_record import MetadataRecord, read_frame
from kafkalite.protocol.metadata_records import control, nodes, security, settings, topics

TOPIC_ID = Uuid(b"\x01" * 16)
DIRECTORY = Uuid(b"\xd1" * 16)
ACL_ID = Uuid(b"\xac" * 16)


def replayed(*records: MetadataRecord) -> MetadataImage:
    image = MetadataImage()
    for record in records:
        image.replay(record)
    return image


def broker(**facts: object) -> nodes.RegisterBrokerRecord:
    endpoint = nodes.BrokerEndpoint(name="PLAINTEXT", host="localhost", port=9092)
    return nodes.RegisterBrokerRecord(
        **{"broker_id": 1, "broker_epoch": 5, "end_points": [endpoint], "log_dirs": [DIRECTORY], **facts}
    )


def topic(name: str = "orders", topic_id: Uuid = TOPIC_ID, partitions: int = 1) -> list[MetadataRecord]:
    return [
        topics.TopicRecord(name=name, topic_id=topic_id),
        *(
            topics.PartitionRecord(
                partition_id=index,
                topic_id=topic_id,
                replicas=[1],
                isr=[1],
                leader=1,
                leader_epoch=0,
                partition_epoch=0,
                directories=[DIRECTORY],
            )
            for index in range(partitions)
        ),
    ]


def everything() -> list[MetadataRecord]:
    return [
        settings.FeatureLevelRecord(name="metadata.version", feature_level=30),
        settings.FeatureLevelRecord(name="eligible.leader.replicas.version", feature_level=1),
        broker(rack="r1"),
        nodes.RegisterControllerRecord(controller_id=1, incarnation_id=DIRECTORY),
        *topic(partitions=2),
        topics.PartitionChangeRecord(
            topic_id=TOPIC_ID, partition_id=1, leader=-1, isr=[], eligible_leader_replicas=[1], last_known_elr=[1]
        ),
        settings.ConfigRecord(resource_type=2, resource_name="orders", name="retention.ms", value="5"),
        settings.ConfigRecord(resource_type=4, resource_name="", name="min.insync.replicas", value="1"),
        settings.ClientQuotaRecord(
            entity=[
                settings.EntityData(entity_type="user", entity_name=None),
                settings.EntityData(entity_type="client-id", entity_name="a"),
            ],
            key="producer_byte_rate",
            value=1.5,
        ),
        settings.ProducerIdsRecord(broker_id=1, broker_epoch=5, next_producer_id=2000),
        security.AccessControlEntryRecord(id=ACL_ID, resource_type=2, resource_name="orders", principal="User:a"),
        security.UserScramCredentialRecord(
            name="alice", mechanism=1, salt=b"s", stored_key=b"k", server_key=b"v", iterations=4096
        ),
        security.DelegationTokenRecord(owner="User:a", requester="User:b", renewers=["User:c"], token_id="t"),
    ]


def test_every_record_of_the_metadata_log_can_be_replayed() -> None:
    transactions = {control.BeginTransactionRecord, control.EndTransactionRecord, control.AbortTransactionRecord}
    image = replayed(broker(), *topic())
    for record_class in metadata_record._TYPES.values():
        if record_class in transactions:
            continue
        try:
            image.replay(record_class())
        except ValueError as error:
            assert "Unknown record type" not in str(error)


def test_a_record_of_no_known_type_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown record type BeginTransactionRecord"):
        MetadataImage().replay(control.BeginTransactionRecord())


def test_a_snapshot_makes_the_same_image() -> None:
    image = replayed(*everything())
    level = image.features.metadata_version_or_raise()
    frames = [record.to_frame(record_version(record, level)) for record in image.to_records()]
    copy = replayed(*map(read_frame, frames))
    assert copy.features.finalized_versions == {"eligible.leader.replicas.version": 1}
    assert copy.features.metadata_version == 30
    assert copy.cluster.brokers == image.cluster.brokers
    assert copy.cluster.controllers == image.cluster.controllers
    assert copy.topics.by_id[TOPIC_ID].partitions == image.topics.by_id[TOPIC_ID].partitions
    assert copy.configs.by_resource == image.configs.by_resource
    assert copy.client_quotas.by_entity == image.client_quotas.by_entity
    assert copy.producer_ids.next_producer_id == 2000
    assert copy.acls.by_id == image.acls.by_id
    assert copy.scram.by_mechanism == image.scram.by_mechanism
    assert copy.delegation_tokens.by_id == image.delegation_tokens.by_id


def test_a_snapshot_begins_with_the_metadata_version() -> None:
    first = next(iter(replayed(*everything()).to_records()))
    assert first == settings.FeatureLevelRecord(name="metadata.version", feature_level=30)


class TestTopics:
    def test_are_found_by_name_and_by_id(self) -> None:
        image = replayed(*topic(partitions=3))
        assert image.topics.topic_id("orders") == TOPIC_ID
        assert image.topics.by_id[TOPIC_ID].name == "orders"
        assert list(image.topics.by_name["orders"].partitions) == [0, 1, 2]
        partition = image.topics.partition(TopicPartition("orders", 2))
        assert partition is not None
        assert (partition.leader, partition.replicas, partition.directories) == (1, (1,), (DIRECTORY,))
        assert image.topics.partition(TopicPartition("orders", 3)) is None
        assert image.topics.partition(TopicPartition("other", 0)) is None

    def test_naming_a_leader_begins_a_new_leader_epoch_even_if_it_is_the_same(self) -> None:
        image = replayed(*topic())
        image.replay(topics.PartitionChangeRecord(topic_id=TOPIC_ID, partition_id=0, isr=[]))
        partition = image.topics.by_id[TOPIC_ID].partitions[0]
        assert (partition.leader_epoch, partition.partition_epoch, partition.isr) == (0, 1, ())
        image.replay(topics.PartitionChangeRecord(topic_id=TOPIC_ID, partition_id=0, leader=1))
        partition = image.topics.by_id[TOPIC_ID].partitions[0]
        assert (partition.leader_epoch, partition.partition_epoch, partition.leader) == (1, 2, 1)

    def test_a_partition_without_directories_is_migrating(self) -> None:
        image = replayed(
            topics.TopicRecord(name="old", topic_id=TOPIC_ID),
            topics.PartitionRecord(partition_id=0, topic_id=TOPIC_ID, replicas=[1, 2], isr=[1]),
        )
        assert image.topics.by_id[TOPIC_ID].partitions[0].directories == (MIGRATING_DIRECTORY,) * 2

    def test_directories_that_do_not_match_the_replicas_are_refused(self) -> None:
        record = topics.PartitionRecord(partition_id=0, topic_id=TOPIC_ID, replicas=[1, 2], directories=[DIRECTORY])
        with pytest.raises(ValueError, match="has 2 replicas but 1 directories"):
            replayed(topics.TopicRecord(name="old", topic_id=TOPIC_ID), record)

    def test_a_removed_topic_takes_its_configuration_with_it(self) -> None:
        image = replayed(
            *topic("a.b"),
            settings.ConfigRecord(resource_type=2, resource_name="a.b", name="retention.ms", value="5"),
            topics.RemoveTopicRecord(topic_id=TOPIC_ID),
        )
        assert len(image.topics) == 0
        assert image.topics.by_id == {}
        assert image.configs.topic_configs("a.b") == {}
        assert image.topics.names_colliding_with("a_b") == set()

    def test_names_collide_where_dots_and_underscores_stand_for_each_other(self) -> None:
        image = replayed(*topic("a.b_c"), *topic("plain", Uuid(b"\x02" * 16)))
        assert image.topics.names_colliding_with("a_b.c") == {"a.b_c"}
        assert image.topics.names_colliding_with("plain") == set()

    def test_clearing_eligible_replicas_of_one_topic_leaves_others(self) -> None:
        other = Uuid(b"\x02" * 16)
        changes = [
            topics.PartitionChangeRecord(
                topic_id=topic_id, partition_id=0, leader=-1, isr=[], eligible_leader_replicas=[1], last_known_elr=[1]
            )
            for topic_id in (TOPIC_ID, other)
        ]
        image = replayed(*topic(), *topic("other", other), *changes, topics.ClearElrRecord(topic_name="orders"))
        assert image.topics.by_id[TOPIC_ID].partitions[0].elr == ()
        assert image.topics.by_id[TOPIC_ID].partitions[0].last_known_elr == ()
        assert image.topics.by_id[other].partitions[0].elr == (1,)
        image.replay(topics.ClearElrRecord())
        assert image.topics.by_id[other].partitions[0].elr == ()

    @pytest.mark.parametrize(
        ("records", "message"),
        [
            ([*topic(), *topic()], "Found duplicate TopicRecord for orders"),
            ([topics.PartitionRecord(topic_id=TOPIC_ID, partition_id=0)], "no topic with that ID"),
            ([topics.PartitionChangeRecord(topic_id=TOPIC_ID, partition_id=0)], "no topic with that ID"),
            ([*topic(), topics.PartitionChangeRecord(topic_id=TOPIC_ID, partition_id=7)], "no partition with that id"),
            ([topics.RemoveTopicRecord(topic_id=TOPIC_ID)], "Can't find topic with ID"),
            ([topics.ClearElrRecord(topic_name="x")], "Unable to find a topic named x"),
        ],
    )
    def test_records_that_contradict_the_image_are_refused(self, records: list[MetadataRecord], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            replayed(*records)


class TestCluster:
    def test_a_broker_is_registered_fenced_and_then_changed(self) -> None:
        image = replayed(broker())
        registered = image.cluster.brokers[1]
        assert registered.fenced
        assert not image.cluster.is_active(1)
        assert registered.listeners == (Endpoint("PLAINTEXT", "localhost", 9092, 0),)
        assert registered.cordoned_directories is None
        image.replay(nodes.BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=5, fenced=-1))
        assert image.cluster.is_active(1)
        image.replay(nodes.BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=5, cordoned_log_dirs=[]))
        assert image.cluster.brokers[1].cordoned_directories == ()
        image.replay(nodes.BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=5, in_controlled_shutdown=1))
        assert not image.cluster.is_active(1)
        image.replay(nodes.BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=5, fenced=1))
        assert image.cluster.brokers[1].fenced
        assert image.cluster.brokers[1].in_controlled_shutdown

    def test_old_records_fence_and_unfence(self) -> None:
        image = replayed(broker(), nodes.UnfenceBrokerRecord(id=1, epoch=5))
        assert image.cluster.is_active(1)
        image.replay(nodes.FenceBrokerRecord(id=1, epoch=5))
        assert not image.cluster.is_active(1)

    def test_a_change_of_another_incarnation_is_refused(self) -> None:
        with pytest.raises(ValueError, match="did not match the current broker epoch, 5"):
            replayed(broker(), nodes.BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=4, fenced=1))
        with pytest.raises(ValueError, match="that broker was not registered"):
            replayed(nodes.BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=4, fenced=1))

    def test_brokers_and_controllers_unregister(self) -> None:
        image = replayed(
            broker(),
            nodes.RegisterControllerRecord(controller_id=1),
            nodes.UnregisterBrokerRecord(broker_id=1, broker_epoch=5),
            nodes.UnregisterControllerRecord(controller_id=1),
        )
        assert image.cluster.brokers == {}
        assert image.cluster.controllers == {}


class TestSettings:
    def test_a_configuration_without_value_is_removed(self) -> None:
        image = replayed(
            settings.ConfigRecord(resource_type=4, resource_name="", name="a", value="1"),
            settings.ConfigRecord(resource_type=4, resource_name="1", name="b", value="2"),
            settings.ConfigRecord(resource_type=4, resource_name="1", name="b", value=None),
            settings.ConfigRecord(resource_type=4, resource_name="1", name="never-set", value=None),
        )
        assert image.configs.by_resource == {CLUSTER_DEFAULT: {"a": "1"}}
        assert image.configs.resources(ConfigResourceType.BROKER) == [""]
        assert image.configs.configs(ConfigResource(ConfigResourceType.GROUP, "g")) == {}

    def test_level_0_ends_a_feature(self) -> None:
        image = replayed(
            settings.FeatureLevelRecord(name="group.version", feature_level=1),
            settings.FeatureLevelRecord(name="group.version", feature_level=0),
            settings.FeatureLevelRecord(name="kraft.version", feature_level=1),
        )
        assert image.features.finalized_versions == {}
        assert image.features.level("group.version") == 0

    def test_a_metadata_version_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Unsupported metadata version"):
            replayed(settings.FeatureLevelRecord(name="metadata.version", feature_level=99))

    def test_quotas_are_kept_by_entity_whatever_its_order(self) -> None:
        def quota(*entity: tuple[str, str | None], key: str, remove: bool = False) -> MetadataRecord:
            parts = [settings.EntityData(entity_type=kind, entity_name=name) for kind, name in entity]
            return settings.ClientQuotaRecord(entity=parts, key=key, value=2.0, remove=remove)

        image = replayed(
            quota(("user", "a"), ("client-id", None), key="x"),
            quota(("client-id", None), ("user", "a"), key="y"),
            quota(("ip", "1.2.3.4"), key="z"),
            quota(("ip", "1.2.3.4"), key="z", remove=True),
        )
        assert image.client_quotas.by_entity == {(("client-id", None), ("user", "a")): {"x": 2.0, "y": 2.0}}

    def test_producer_ids_only_rise(self) -> None:
        image = replayed(settings.ProducerIdsRecord(broker_id=1, next_producer_id=1000))
        with pytest.raises(ValueError, match=r"\(1000\) is not greater than current"):
            image.replay(settings.ProducerIdsRecord(broker_id=1, next_producer_id=1000))


class TestSecurity:
    def test_entries_are_added_and_removed(self) -> None:
        image = replayed(*everything())
        assert image.acls.by_id[ACL_ID] == StandardAcl(2, "orders", 0, "User:a", "", 0, 0)
        assert image.scram.credential(1, "alice") == ScramCredential(b"s", b"k", b"v", 4096)
        assert image.delegation_tokens.by_id["t"].renewers == ("User:c",)
        image.replay(security.RemoveAccessControlEntryRecord(id=ACL_ID))
        image.replay(security.RemoveUserScramCredentialRecord(name="alice", mechanism=1))
        image.replay(security.RemoveDelegationTokenRecord(token_id="t"))
        assert (image.acls.by_id, image.scram.by_mechanism, image.delegation_tokens.by_id) == ({}, {}, {})
        assert image.scram.credential(1, "alice") is None

    def test_an_entry_that_is_not_there_cannot_be_removed(self) -> None:
        with pytest.raises(ValueError, match="Failed to find existing ACL"):
            replayed(security.RemoveAccessControlEntryRecord(id=ACL_ID))
