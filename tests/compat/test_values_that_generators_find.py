"""What requests that were made at random from the message schemas have shown to be told differently."""

from __future__ import annotations

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages import incremental_alter_configs as configs
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.list_transactions import ListTransactionsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from transaction_scenarios import Transactions
from transcript import Compare, Side


@pytest.mark.parametrize("pattern", ["a{1000}", "a{1001}", "(?=a)", r"(a)\1", r"\p{Lu}.*", r"\Qa\E", "(", "["])
def test_transactions_are_listed_by_patterns_of_the_same_syntax(compare: Compare, pattern: str) -> None:
    def scenario(side: Side) -> None:
        Transactions(side, "Xa").init()
        side.ask(ListTransactionsRequest(transactional_id_pattern=pattern), 2)

    compare(scenario)


def test_a_new_topics_configuration_is_told_as_it_was_written(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        written = [("min.cleanable.dirty.ratio", "1e-3"), ("flush.messages", " 5 "), ("cleanup.policy", "compact")]
        topic = CreatableTopic(
            name="new",
            num_partitions=1,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=name, value=value) for name, value in written],
        )
        answer = side.send(CreateTopicsRequest(topics=[topic], timeout_ms=10_000, validate_only=True), 7)
        told = {config.name: config.value for config in answer.topics[0].configs}
        side.note("told", [told[name] for name, _ in written])

    compare(scenario)


@pytest.mark.parametrize("version", [12, 13])
def test_topics_that_have_neither_name_nor_id_spoil_a_question_for_names(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        nothing = MetadataRequestTopic(name=None)
        for label, topics in [
            ("alone", [nothing]),
            ("beside a name", [MetadataRequestTopic(name=topic), nothing]),
            ("beside an id", [MetadataRequestTopic(topic_id=side.topic_id(topic), name=None), nothing]),
            ("beside an unknown id", [nothing, MetadataRequestTopic(topic_id=Uuid(b"u" * 16), name=None)]),
        ]:
            side.ask(MetadataRequest(topics=topics, allow_auto_topic_creation=False), version, label=label)

    compare(scenario)


@pytest.mark.parametrize("match", ["client_id=", "client_id=a=", "client_id==a", "=", "==", "client_id=a,client_id="])
def test_what_a_client_metrics_subscription_matches_is_split_alike(compare: Compare, match: str) -> None:
    def scenario(side: Side) -> None:
        resource = configs.AlterConfigsResource(
            resource_type=16,
            resource_name="match",
            configs=[configs.AlterableConfig(name="match", config_operation=0, value=match)],
        )
        side.ask(configs.IncrementalAlterConfigsRequest(resources=[resource], validate_only=True))

    compare(scenario)


def test_damage_behind_a_transactional_batch_is_its_own_partitions_trouble(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        first, second = side.topic(), side.topic()
        batch = build_batch(
            [Record(0, 1000, None, b"v")], producer_id=1, producer_epoch=4, base_sequence=0, is_transactional=True
        )
        damaged = bytes(range(61))
        for label, records in [("behind", [batch, damaged]), ("before", [damaged, batch])]:
            topics = [
                TopicProduceData(name=name, partition_data=[PartitionProduceData(index=0, records=data)])
                for name, data in zip((first, second), records, strict=True)
            ]
            request = ProduceRequest(transactional_id="unknown", acks=1, timeout_ms=1000, topic_data=topics)
            side.ask(request, 8, label=label)

    compare(scenario)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metric.reporters", ","),
        ("metric.reporters", "a,,"),
        ("metric.reporters", "a,"),
        ("listeners", ","),
        ("cordoned.log.dirs", "*,*"),
        ("log.cleanup.policy", "delete,delete"),
        ("log.cleanup.policy", ","),
    ],
)
def test_what_dynamic_lists_say_twice_is_refused(compare: Compare, name: str, value: str) -> None:
    def scenario(side: Side) -> None:
        resource = configs.AlterConfigsResource(
            resource_type=4,
            resource_name="1",
            configs=[configs.AlterableConfig(name=name, config_operation=0, value=value)],
        )
        side.ask(configs.IncrementalAlterConfigsRequest(resources=[resource], validate_only=True))

    compare(scenario)


def test_a_batch_that_is_too_large_to_be_read_comes_without_aborted_transactions(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topics = [side.topic(), side.topic()]
        for topic in topics:
            side.produce(topic, "a" * 100)
        for size in (0, 1, 80, 1000):
            wanted = [
                FetchTopic(topic=topic, partitions=[FetchPartition(fetch_offset=0, partition_max_bytes=size)])
                for topic in topics
            ]
            request = FetchRequest(isolation_level=1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, topics=wanted)
            side.ask(request, 12, label=f"{size} bytes")

    compare(scenario)
