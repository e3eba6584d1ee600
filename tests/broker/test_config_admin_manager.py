"""Which changes of configurations are made, by which records, and which are refused."""

from __future__ import annotations

import pytest

from kafkalite.broker.config_admin_manager import ConfigAdminManager
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.bootstrap_metadata import bootstrap_records
from kafkalite.metadata.configuration_control import AlterConfigOpType, ConfigChange
from kafkalite.metadata.configurations_image import CLUSTER_DEFAULT, ConfigResource, ConfigResourceType
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import ClearElrRecord, TopicRecord

SET, DELETE, APPEND, SUBTRACT = AlterConfigOpType
TOPIC = ConfigResource(ConfigResourceType.TOPIC, "t")
BROKER = ConfigResource(ConfigResourceType.BROKER, "1")
GROUP = ConfigResource(ConfigResourceType.GROUP, "g")
SUBSCRIPTION = ConfigResource(ConfigResourceType.CLIENT_METRICS, "s")


class Cluster:
    """An image with a topic `t`, and a broker whose configuration follows it."""

    def __init__(self) -> None:
        self.image = MetadataImage()
        self.config = BrokerConfig()
        self.manager = ConfigAdminManager(self.image, self.config)
        self.replay([*bootstrap_records(), TopicRecord(name="t", topic_id=Uuid(bytes(15) + b"\1"))])

    def replay(self, records: list[MetadataRecord]) -> None:
        for record in records:
            self.image.replay(record)
        configs = self.image.configs
        self.config.update_dynamic(configs.configs(CLUSTER_DEFAULT), configs.configs(BROKER))

    def change(self, resource: ConfigResource, *changes: tuple[str, int, str | None]) -> list[MetadataRecord]:
        wanted = [ConfigChange(*change) for change in changes]
        self.manager.check_incremental(resource, wanted)
        records = self.manager.incremental_alter(resource, wanted)
        self.replay(records)
        return records

    def value(self, resource: ConfigResource, name: str) -> str | None:
        return self.image.configs.configs(resource).get(name)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def facts(records: list[MetadataRecord]) -> list[tuple[str, str | None]]:
    return [(record.name, record.value) for record in records if isinstance(record, ConfigRecord)]


def test_a_value_is_set_and_removed(cluster: Cluster) -> None:
    assert facts(cluster.change(TOPIC, ("retention.ms", SET, "5"))) == [("retention.ms", "5")]
    assert facts(cluster.change(TOPIC, ("retention.ms", DELETE, None))) == [("retention.ms", None)]


def test_what_changes_nothing_writes_nothing_except_on_brokers(cluster: Cluster) -> None:
    cluster.change(TOPIC, ("retention.ms", SET, "5"))
    assert cluster.change(TOPIC, ("retention.ms", SET, "5"), ("segment.ms", DELETE, None)) == []
    cluster.change(BROKER, ("log.cleaner.threads", SET, "2"))
    assert facts(cluster.change(BROKER, ("log.cleaner.threads", SET, "2"))) == [("log.cleaner.threads", "2")]


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ([(APPEND, "compact")], "delete,compact"),
        ([(APPEND, "compact"), (APPEND, "compact,delete")], "delete,compact"),
        ([(SUBTRACT, "delete")], ""),
        ([(SET, "compact"), (SUBTRACT, "compact,no-such"), (APPEND, "delete")], "delete"),
        ([(APPEND, ",")], "delete"),
    ],
)
def test_lists_grow_and_shrink_from_their_default_on(
    cluster: Cluster, changes: list[tuple[int, str]], value: str
) -> None:
    for operation, text in changes:
        cluster.change(TOPIC, ("cleanup.policy", operation, text))
    assert cluster.value(TOPIC, "cleanup.policy") == value


def test_legacy_alterations_remove_what_they_do_not_name(cluster: Cluster) -> None:
    cluster.change(TOPIC, ("retention.ms", SET, "5"), ("segment.ms", SET, "6"))
    records = cluster.manager.alter(TOPIC, [("segment.ms", "7")])
    assert facts(records) == [("segment.ms", "7"), ("retention.ms", None)]


def test_a_changed_min_insync_replicas_clears_the_eligible_leader_replicas(cluster: Cluster) -> None:
    assert cluster.change(TOPIC, ("min.insync.replicas", SET, "2"))[1:] == [ClearElrRecord(topic_name="t")]


def test_a_broker_obeys_what_was_set_on_it_and_on_all(cluster: Cluster) -> None:
    cluster.change(CLUSTER_DEFAULT, ("log.retention.ms", SET, "70000"), ("message.max.bytes", SET, "5"))
    cluster.change(BROKER, ("message.max.bytes", SET, "6"), ("plugin.token", SET, "x"))
    assert cluster.config.topic_defaults["retention.ms"] == 70000
    assert cluster.config.message_max_bytes == 6


REFUSALS = [
    (TOPIC, ("retention.ms", SET, None), "INVALID_REQUEST", "Null value not supported for : retention.ms"),
    (
        TOPIC,
        ("retention.ms", APPEND, "1"),
        "INVALID_CONFIG",
        "Can't APPEND to key retention.ms because its type is not LIST.",
    ),
    (TOPIC, ("retention.ms", 9, "1"), "UNKNOWN_SERVER_ERROR", ErrorCode.UNKNOWN_SERVER_ERROR.message),
    (CLUSTER_DEFAULT, ("log.retention.ms", 9, "1"), "INVALID_REQUEST", "Unknown operations type 9"),
    (TOPIC, ("no.such", SET, "1"), "INVALID_CONFIG", "Unknown topic config name: no.such"),
    (
        ConfigResource(ConfigResourceType.TOPIC, "u"),
        ("retention.ms", SET, "1"),
        "UNKNOWN_TOPIC_OR_PARTITION",
        "The topic 'u' does not exist.",
    ),
    (
        ConfigResource(ConfigResourceType.TOPIC, ""),
        ("retention.ms", SET, "1"),
        "INVALID_REQUEST",
        "Default topic resources are not allowed.",
    ),
    (BROKER, ("node.id", SET, "2"), "INVALID_REQUEST", "Cannot update these configs dynamically: [node.id]"),
    (
        BROKER,
        ("log.segment.bytes", APPEND, "2"),
        "INVALID_CONFIG",
        "Config value append is not allowed for config key: log.segment.bytes",
    ),
    (
        BROKER,
        ("min.insync.replicas", SET, "1"),
        "INVALID_CONFIG",
        "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
    ),
    (
        CLUSTER_DEFAULT,
        ("min.insync.replicas", DELETE, None),
        "INVALID_CONFIG",
        "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
    ),
    (
        CLUSTER_DEFAULT,
        ("log.retention.ms", SET, "0"),
        "INVALID_REQUEST",
        "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    ),
    (
        ConfigResource(ConfigResourceType.BROKER, "2"),
        ("log.retention.ms", SET, "1"),
        "INVALID_REQUEST",
        "Unexpected broker id, expected 1, but received 2",
    ),
    (
        ConfigResource(ConfigResourceType.BROKER, "x"),
        ("log.retention.ms", SET, "1"),
        "INVALID_REQUEST",
        "Node id must be an integer, but it is: x",
    ),
    (
        GROUP,
        ("consumer.session.timeout.ms", SET, "5"),
        "INVALID_CONFIG",
        "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.",
    ),
    (SUBSCRIPTION, ("no.such", SET, "5"), "INVALID_REQUEST", "Unknown client metrics configuration: no.such"),
    (ConfigResource(64, "x"), ("a", SET, "5"), "INVALID_REQUEST", "Unknown resource type 64"),
]


@pytest.mark.parametrize(("resource", "change", "error", "message"), REFUSALS)
def test_a_change_that_cannot_be_made_is_refused(
    cluster: Cluster, resource: ConfigResource, change: tuple[str, int, str | None], error: str, message: str
) -> None:
    with pytest.raises(KafkaError) as refusal:
        cluster.change(resource, change)
    assert (refusal.value.error, refusal.value.message) == (ErrorCode[error], message)


def test_one_bad_change_keeps_the_good_ones_of_its_resource_from_being_made(cluster: Cluster) -> None:
    with pytest.raises(KafkaError):
        cluster.change(TOPIC, ("retention.ms", SET, "5"), ("segment.ms", SET, "x"))
    assert cluster.value(TOPIC, "retention.ms") is None


def test_a_property_is_changed_once_at_a_time(cluster: Cluster) -> None:
    with pytest.raises(KafkaError, match="Error due to duplicate config keys"):
        cluster.change(TOPIC, ("retention.ms", SET, "5"), ("retention.ms", DELETE, None))


def test_a_value_can_outgrow_what_is_stored_only_by_appending(cluster: Cluster) -> None:
    name = "leader.replication.throttled.replicas"
    cluster.change(TOPIC, (name, SET, ",".join(f"{index}:1" for index in range(3000))))
    with pytest.raises(KafkaError, match="exceeds the maximum value size of 32767 bytes"):
        cluster.change(TOPIC, (name, APPEND, ",".join(f"{index}:2" for index in range(3000))))


def test_a_stored_property_that_is_not_obeyed_does_not_keep_others_from_being_set(cluster: Cluster) -> None:
    cluster.replay([ConfigRecord(resource_type=4, resource_name="1", name="node.id", value="7")])
    assert facts(cluster.change(BROKER, ("log.cleaner.threads", SET, "2"))) == [("log.cleaner.threads", "2")]
