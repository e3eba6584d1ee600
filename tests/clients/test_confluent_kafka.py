"""confluent-kafka (librdkafka): fetches by topic id, cooperative groups, and the widest admin client outside Java."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from client_scenarios import (
    ALL_CODECS,
    PARTITIONS,
    Message,
    check_group_of_two,
    codec_messages,
    decoded,
    encoded,
    messages_of,
    wait_until,
)


class ConfluentMember:
    def __init__(self, bootstrap_servers: str, topic: str, group: str, **settings: str) -> None:
        self.received: list[str] = []
        self.rebalances = 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **({} if settings.get("group.protocol") == "consumer" else {"heartbeat.interval.ms": 100}),
                "fetch.wait.max.ms": 50,
                **settings,
            }
        )
        self._consumer.subscribe([topic], on_assign=self._count_rebalance)

    def _count_rebalance(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.rebalances += 1

    def poll(self) -> None:
        for message in self._consumer.consume(100, timeout=0.05):
            assert message.error() is None, message.error()
            self.received.append(message.value().decode())

    def assigned(self) -> set[int]:
        return {topic_partition.partition for topic_partition in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


def create_topic(bootstrap_servers: str, topic: str, partitions: int, **config: str) -> AdminClient:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    config = {name.replace("_", "."): value for name, value in config.items()}
    admin.create_topics([NewTopic(topic, partitions, config=config)])[topic].result()
    return admin


def produce_values(bootstrap_servers: str, topic: str, values: Sequence[str]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for number, value in enumerate(values):
        producer.produce(topic, value.encode(), partition=number % PARTITIONS)
    assert producer.flush(10) == 0


@pytest.mark.parametrize("idempotence", [False, True], ids=["plain", "idempotent"])
def test_reads_back_what_it_produced_with_every_codec(bootstrap_servers: str, topic: str, idempotence: bool) -> None:
    delivered: list[int] = []

    def on_delivery(error: KafkaError | None, message: object) -> None:
        assert error is None
        delivered.append(message.offset())  # type: ignore[attr-defined]

    for codec in ALL_CODECS:
        settings = {"compression.type": codec, "linger.ms": 100, "enable.idempotence": idempotence}
        producer = Producer({"bootstrap.servers": bootstrap_servers, **settings})
        for message in codec_messages(codec):
            producer.produce(
                topic,
                encoded(message.value),
                encoded(message.key),
                0,
                on_delivery=on_delivery,
                headers=[(key, value.encode()) for key, value in message.headers],
            )
        assert producer.flush(10) == 0
    expected = messages_of(ALL_CODECS)
    assert delivered == list(range(len(expected)))

    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "unused", "check.crcs": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = consumer.consume(len(expected), timeout=10)
    read = [
        Message(
            decoded(record.key()),
            decoded(record.value()),
            tuple((key, value.decode()) for key, value in record.headers() or ()),
        )
        for record in records
    ]
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0))
    consumer.close()
    assert read == expected
    assert (low, high) == (0, len(expected))


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_shares_a_topic_in_a_group_of_two_and_resumes(
    bootstrap_servers: str, topic: str, group: str, strategy: str
) -> None:
    create_topic(bootstrap_servers, topic, PARTITIONS)
    settings = {"partition.assignment.strategy": strategy}
    check_group_of_two(
        lambda: ConfluentMember(bootstrap_servers, topic, group, **settings),
        lambda values: produce_values(bootstrap_servers, topic, values),
    )


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_shares_a_topic_in_a_group_that_the_broker_assigns(
    bootstrap_servers: str, topic: str, group: str, assignor: str
) -> None:
    create_topic(bootstrap_servers, topic, PARTITIONS)
    settings = {"group.protocol": "consumer", "group.remote.assignor": assignor}
    check_group_of_two(
        lambda: ConfluentMember(bootstrap_servers, topic, group, **settings),
        lambda values: produce_values(bootstrap_servers, topic, values),
    )


def test_reads_topics_that_a_regular_expression_matches(bootstrap_servers: str, topic: str, group: str) -> None:
    create_topic(bootstrap_servers, f"{topic}-a", 1)
    create_topic(bootstrap_servers, f"{topic}-b", 1)
    settings = {"group.protocol": "consumer", "group.instance.id": "static"}
    member = ConfluentMember(bootstrap_servers, f"^{topic}-(a|none)", group, **settings)
    produce_values(bootstrap_servers, f"{topic}-b", ["not read"])
    produce_values(bootstrap_servers, f"{topic}-a", ["read"])
    wait_until(lambda: bool(member.received), meanwhile=member.poll)
    assert member.received == ["read"]
    member.close()


def test_a_static_member_comes_back_without_a_rebalance_of_the_others(
    bootstrap_servers: str, topic: str, group: str
) -> None:
    create_topic(bootstrap_servers, topic, PARTITIONS)

    def join(instance: str) -> ConfluentMember:
        return ConfluentMember(bootstrap_servers, topic, group, **{"group.instance.id": instance})

    staying, leaving = join("one"), join("two")

    def poll_both() -> None:
        staying.poll()
        leaving.poll()

    wait_until(lambda: len(staying.assigned()) == len(leaving.assigned()) == 2, meanwhile=poll_both)
    held, rebalances = leaving.assigned(), staying.rebalances
    leaving.close()
    leaving = join("two")
    wait_until(lambda: leaving.assigned() == held, meanwhile=poll_both)
    produce_values(bootstrap_servers, topic, ["a", "b", "c", "d"])
    wait_until(lambda: len(staying.received) == len(leaving.received) == 2, meanwhile=poll_both)
    assert staying.rebalances == rebalances
    staying.close()
    leaving.close()


def test_a_message_that_is_too_large_is_refused_and_the_next_one_accepted(bootstrap_servers: str, topic: str) -> None:
    create_topic(bootstrap_servers, topic, 1, max_message_bytes="1000")
    errors: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 0})
    for value in (b"x" * 2000, b"x" * 500):
        producer.produce(topic, value, on_delivery=lambda error, _message: errors.append(error))
        assert producer.flush(10) == 0
    assert errors[0] is not None
    assert errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert errors[1] is None


def test_messages_sent_without_acknowledgement_arrive_in_order(bootstrap_servers: str, topic: str) -> None:
    create_topic(bootstrap_servers, topic, 1)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "acks": 0, "linger.ms": 0})
    for number in range(50):
        producer.produce(topic, b"%d" % number)
        producer.poll(0)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "unused"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = [message.value() for message in consumer.consume(50, timeout=10)]
    consumer.close()
    assert values == [b"%d" % number for number in range(50)]


def test_looks_up_offsets_by_time(bootstrap_servers: str, topic: str) -> None:
    admin = create_topic(bootstrap_servers, topic, 1)
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for timestamp in (1000, 3000, 2000):
        producer.produce(topic, b"value", partition=0, timestamp=timestamp)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "unused"})
    found = {
        timestamp: consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=10)[0].offset
        for timestamp in (0, 1000, 1001, 3000, 3001)
    }
    consumer.close()
    assert found == {0: 0, 1000: 0, 1001: 1, 3000: 1, 3001: -1}
    partition = TopicPartition(topic, 0)
    for spec, expected in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 3), (OffsetSpec.max_timestamp(), 1)):
        assert admin.list_offsets({partition: spec})[partition].result().offset == expected
    assert admin.delete_records([TopicPartition(topic, 0, 2)])[partition].result().low_watermark == 2
    assert admin.list_offsets({partition: OffsetSpec.earliest()})[partition].result().offset == 2


def test_creates_describes_alters_and_deletes_a_topic(bootstrap_servers: str, topic: str) -> None:
    admin = create_topic(bootstrap_servers, topic, 2, retention_ms="60000")
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic(topic, 2)])[topic].result()
    assert refused.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    described = admin.describe_topics(TopicCollection([topic]))[topic].result()
    assert [(partition.id, partition.leader.id, len(partition.isr)) for partition in described.partitions] == [
        (0, 1, 1),
        (1, 1, 1),
    ]
    assert not described.is_internal

    def config(name: str) -> tuple[str, int]:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entry = admin.describe_configs([resource])[resource].result()[name]
        return entry.value, entry.source

    assert config("retention.ms") == ("60000", ConfigSource.DYNAMIC_TOPIC_CONFIG.value)
    assert config("cleanup.policy") == ("delete", ConfigSource.DEFAULT_CONFIG.value)
    changes = [
        ConfigEntry("retention.ms", "50000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    admin.incremental_alter_configs([resource])[resource].result()
    wait_until(lambda: config("retention.ms")[0] == "50000")
    assert config("cleanup.policy") == ("delete,compact", ConfigSource.DYNAMIC_TOPIC_CONFIG.value)
    removal = [ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=removal)
    admin.incremental_alter_configs([resource])[resource].result()
    wait_until(lambda: config("retention.ms") == ("604800000", ConfigSource.DEFAULT_CONFIG.value))

    admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    wait_until(lambda: len(admin.list_topics(topic).topics[topic].partitions) == 3)
    admin.delete_topics([topic])[topic].result()
    wait_until(lambda: topic not in admin.list_topics().topics)


def test_describes_and_changes_groups(bootstrap_servers: str, topic: str, group: str) -> None:
    admin = create_topic(bootstrap_servers, topic, PARTITIONS)
    produce_values(bootstrap_servers, topic, ["a", "b", "c", "d"])
    member = ConfluentMember(bootstrap_servers, topic, group, **{"client.id": "the-member"})
    wait_until(lambda: len(member.received) == 4, meanwhile=member.poll)
    member.commit()
    described = admin.describe_consumer_groups([group])[group].result()
    assert (described.state, described.partition_assignor, described.is_simple_consumer_group) == (
        ConsumerGroupState.STABLE,
        "range",
        False,
    )
    (only_member,) = described.members
    assert (only_member.client_id, len(only_member.assignment.topic_partitions)) == ("the-member", PARTITIONS)
    member.close()

    def state() -> ConsumerGroupState:
        listed = admin.list_consumer_groups().result().valid
        (found,) = [entry.state for entry in listed if entry.group_id == group]
        return ConsumerGroupState(found)

    wait_until(lambda: state() == ConsumerGroupState.EMPTY)
    changed = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 1, 7)])
    admin.alter_consumer_group_offsets([changed])[group].result()
    offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
    assert {entry.partition: entry.offset for entry in offsets.topic_partitions} == {0: 1, 1: 7, 2: 1, 3: 1}
    admin.delete_consumer_groups([group])[group].result()
    assert group not in [entry.group_id for entry in admin.list_consumer_groups().result().valid]


def test_describes_the_cluster(bootstrap_servers: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    cluster = admin.describe_cluster().result()
    (node,) = cluster.nodes
    assert (node.id, cluster.controller.id) == (1, 1)
    assert f"{node.host}:{node.port}" == bootstrap_servers
    assert cluster.cluster_id == admin.list_topics().cluster_id
