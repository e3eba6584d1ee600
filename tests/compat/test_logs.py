"""What is asked of single logs, beside Apache Kafka: epochs, deletion, log directories, producers; and SASL."""

from __future__ import annotations

import pytest

from kafkalite.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kafkalite.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from kafkalite.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from kafkalite.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from kafkalite.protocol.messages.sasl_handshake import SaslHandshakeRequest
from transcript import Compare, Side


@pytest.mark.parametrize("version", [2, 3, 4])
def test_ends_of_leader_epochs_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        side.produce(topic, "a", "b")

        def ask(name: str, partition: int, epoch: int, current_epoch: int = -1) -> None:
            wanted = OffsetForLeaderPartition(
                partition=partition, leader_epoch=epoch, current_leader_epoch=current_epoch
            )
            request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic=name, partitions=[wanted])])
            side.ask(request, version, label=f"{name} {partition}, epoch {epoch}, current {current_epoch}")

        for epoch in (-1, 0, 1, 100):
            ask(topic, 0, epoch)
            ask(topic, 1, epoch)
        for current_epoch in (0, 1, 50):
            ask(topic, 0, 0, current_epoch)
        ask(topic, 7, 0)
        ask("no-such-topic", 0, 0)

    compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_records_are_deleted_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        compacted = side.topic(cleanup_policy="compact")
        for _ in range(3):
            side.produce(topic, "a", "b", "c")

        def ask(name: str, offset: int, partition: int = 0) -> None:
            wanted = DeleteRecordsPartition(partition_index=partition, offset=offset)
            request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=name, partitions=[wanted])], timeout_ms=5000)
            side.ask(request, version, label=f"{name} {partition} up to {offset}")

        for offset in (0, 4, 2, 10, -2, -1, -1):
            ask(topic, offset)
        ask(topic, 0, partition=9)
        ask("no-such-topic", 0)
        ask(compacted, 0)

    compare(scenario)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_log_directories_are_described_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        side.produce(topic, "a", "b")
        for partitions in ([0], [0, 1], [1, 9]):
            wanted = [DescribableLogDirTopic(topic=topic, partitions=partitions)]
            side.ask(DescribeLogDirsRequest(topics=wanted), version, label=str(partitions))
        unknown = [DescribableLogDirTopic(topic="no-such-topic", partitions=[0])]
        side.ask(DescribeLogDirsRequest(topics=unknown), version, label="unknown topic")
        side.ask(DescribeLogDirsRequest(topics=[]), version, label="no topics")

    compare(scenario)


def test_producers_are_described_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        producer_id = side.producer_id()
        facts = {"producer_id": producer_id, "producer_epoch": 0}
        side.ask(DescribeProducersRequest(topics=[TopicRequest(name=topic, partition_indexes=[0, 5])]), label="none")
        side.produce(topic, "a", "b", base_sequence=0, **facts)
        side.produce(topic, "c", base_sequence=2, **facts)
        side.ask(DescribeProducersRequest(topics=[TopicRequest(name=topic, partition_indexes=[0])]), label="one")
        for name in ("no-such-topic", "not valid!", ""):
            side.ask(DescribeProducersRequest(topics=[TopicRequest(name=name, partition_indexes=[0])]), label=name)

    compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_producer_ids_are_given_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        side.producer_id()  # Apache Kafka's coordinator is loaded then

        def ask(label: str, **facts: int) -> None:
            request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000, **facts)
            side.ask(request, version, label=label)

        ask("the first")
        ask("the second")
        if version >= 3:
            ask("one had before", producer_id=5, producer_epoch=3)
            ask("half of one", producer_id=5)
            ask("the other half", producer_epoch=5)
        side.ask(InitProducerIdRequest(transactional_id="", transaction_timeout_ms=1000), version, label="empty")

    compare(scenario)


@pytest.mark.parametrize("version", [0, 1])
def test_sasl_is_refused_alike_where_there_is_none(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "no such mechanism", ""):
            side.ask(SaslHandshakeRequest(mechanism=mechanism), version, label=mechanism)
        side.ask(SaslAuthenticateRequest(auth_bytes=b"x"), version, label="authenticate")
        side.ask(SaslHandshakeRequest(mechanism="PLAIN"), version, label="and on")

    compare(scenario)


@pytest.mark.parametrize("version", [1, 2])
def test_moves_between_log_directories_are_judged_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        [place] = side.send(DescribeLogDirsRequest(topics=None)).results

        def ask(label: str, path: str, name: str = topic, index: int = 0) -> None:
            wanted = AlterReplicaLogDir(path=path, topics=[AlterReplicaLogDirTopic(name=name, partitions=[index])])
            side.ask(AlterReplicaLogDirsRequest(dirs=[wanted]), version, label=label)

        ask("to where it is", place.log_dir)
        ask("to where nothing is", "/no/such/directory")
        ask("an unknown topic", place.log_dir, name="no-such-topic")
        ask("an unknown partition", place.log_dir, index=9)
        ask("an unknown topic to nowhere", "/no/such/directory", name="no-such-topic")
        side.ask(AlterReplicaLogDirsRequest(), version, label="nothing")

    compare(scenario)
