"""Requests that no client of Apache Kafka makes, found by random ones: what is wrong with them is told alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from group_scenarios import GroupOnSide
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages import add_partitions_to_txn as add_partitions
from kafkalite.protocol.messages import alter_client_quotas as quotas
from kafkalite.protocol.messages import alter_share_group_offsets as share_alteration
from kafkalite.protocol.messages import alter_user_scram_credentials as scram
from kafkalite.protocol.messages import consumer_group_heartbeat as consumer
from kafkalite.protocol.messages import create_topics, list_offsets, offset_fetch, produce, update_features
from kafkalite.protocol.messages import delete_records as deletion
from kafkalite.protocol.messages import describe_share_group_offsets as share_offsets
from kafkalite.protocol.messages import describe_topic_partitions as partitions
from kafkalite.protocol.messages import elect_leaders as election
from kafkalite.protocol.messages import fetch as messages
from kafkalite.protocol.messages import incremental_alter_configs as configs
from kafkalite.protocol.messages import initialize_share_group_state as initialize
from kafkalite.protocol.messages import offset_commit as commit
from kafkalite.protocol.messages import share_fetch as shares
from kafkalite.protocol.messages import streams_group_heartbeat as streams
from kafkalite.protocol.messages import txn_offset_commit as txn_commit
from kafkalite.protocol.messages import write_share_group_state as write
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from streams_group_scenarios import first_heartbeat
from transaction_scenarios import Transactions
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]


def find_coordinator(side: Side, key: str, key_type: int) -> None:
    """Waits until there is one: Apache Kafka makes its topic first."""
    request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
    side.eventually(lambda: not side.send(request, 6).coordinators[0].error_code)


def fetch(topic: str, *, forgotten: bool = False, **facts: Any) -> messages.FetchRequest:
    partition = messages.FetchPartition(
        partition=0, partition_max_bytes=1 << 20, current_leader_epoch=facts.pop("leader_epoch", -1)
    )
    return messages.FetchRequest(
        topics=[messages.FetchTopic(topic=topic, partitions=[partition])],
        forgotten_topics_data=[messages.ForgottenTopic(topic=topic, partitions=[0])] if forgotten else [],
        **facts,
    )


def fetch_offsets(side: Side, group_id: str, *members: tuple[str | None, int]) -> None:
    """Asks for all offsets of a group, as each of these members at that epoch."""
    for member_id, epoch in members:
        group = offset_fetch.OffsetFetchRequestGroup(
            group_id=group_id, member_id=member_id, member_epoch=epoch, topics=None
        )
        side.ask(offset_fetch.OffsetFetchRequest(groups=[group]), 9, label=f"{member_id!r} at {epoch}")


def test_a_fetch_session_that_has_nothing_left(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        side.produce(topic, "a")
        session = side.ask(fetch(topic, session_epoch=0), 12)
        side.ask(fetch(topic, session_id=session.session_id, session_epoch=1, forgotten=True), 12, label="forgotten")
        side.ask(fetch(topic, session_id=session.session_id, session_epoch=2), 12, label="the session is gone")

    compare(scenario)


def test_isolation_levels_that_do_not_exist_and_replicas_that_do_not(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        side.produce(topic, "a")
        for level in (2, -1):
            for version in (4, 12):
                side.ask(fetch(topic, isolation_level=level), version, label=f"level {level}")
        for replica_id in (1, 7):
            side.ask(fetch(topic, replica_id=replica_id), 12, label=f"replica {replica_id}")
            for epoch in (0, 1):
                side.ask(fetch(topic, replica_id=replica_id, leader_epoch=epoch), 12, label=f"replica, epoch {epoch}")
        for level, replica_id in ((2, -1), (0, 1), (0, 7), (1, -2)):
            asked = [list_offsets.ListOffsetsPartition(partition_index=index, timestamp=-1) for index in (0, 3)]
            topics = [list_offsets.ListOffsetsTopic(name=topic, partitions=asked)]
            side.ask(list_offsets.ListOffsetsRequest(replica_id=replica_id, isolation_level=level, topics=topics), 5)

    compare(scenario)


def test_what_is_asked_last_of_a_partition_is_done(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        for _ in range(4):
            side.produce(topic, "a")
        for offsets in ((3, 1), (1, 9), (9, 2)):
            asked = [deletion.DeleteRecordsPartition(partition_index=0, offset=offset) for offset in offsets]
            topics = [deletion.DeleteRecordsTopic(name=topic, partitions=asked)]
            side.ask(deletion.DeleteRecordsRequest(topics=topics, timeout_ms=10_000), 2, label=str(offsets))

    compare(scenario)


def test_a_topic_without_a_name_is_not_described(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        for cursor in (None, partitions.Cursor(topic_name="", partition_index=0)):
            topics = [partitions.TopicRequest(name=name) for name in ("", topic)]
            side.ask(partitions.DescribeTopicPartitionsRequest(topics=topics, cursor=cursor), 0)

    compare(scenario)


def test_of_several_wrong_properties_the_same_one_is_told_of(compare: Compare) -> None:
    wrong = {"file.delete.delay.ms": "-1", "segment.ms": "0", "cleanup.policy": "x", "retention.ms": "y"}

    def scenario(side: Side) -> None:
        topic = create_topics.CreatableTopic(
            name=f"{side.namespace}-wrong",
            num_partitions=1,
            replication_factor=1,
            configs=[create_topics.CreatableTopicConfig(name=name, value=value) for name, value in wrong.items()],
        )
        side.ask(create_topics.CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7)

    compare(scenario)


def test_an_operation_on_a_property_that_nobody_knows(compare: Compare) -> None:
    def resource(name: str, *changes: tuple[str, int, str], resource_type: int = 2) -> configs.AlterConfigsResource:
        altered = [configs.AlterableConfig(name=key, config_operation=op, value=value) for key, op, value in changes]
        return configs.AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=altered)

    def scenario(side: Side) -> None:
        topic, other = side.topic(), side.topic()
        for resources in (
            [resource(topic, ("retention.ms", 9, "1")), resource(other, ("retention.ms", 0, "1"))],
            [resource(topic, ("retention.ms", -1, "1"), ("max.compaction.lag.ms", 3, "1"))],
            [resource("x", resource_type=3), resource("", ("share.session.timeout.ms", 4, "1"), resource_type=32)],
            [resource("1", ("log.retention.ms", 9, "1"), resource_type=4), resource(other, ("retention.ms", 9, "1"))],
        ):
            side.ask(configs.IncrementalAlterConfigsRequest(resources=resources), 1)

    compare(scenario)


def test_share_partitions_that_are_named_twice_and_batches_that_end_before_they_begin(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id, group_id = side.topic_id(topic), f"{side.namespace}-state"
        find_coordinator(side, f"{group_id}:{topic_id}:0", 2)
        known = initialize.InitializeStateData(topic_id=topic_id, partitions=[initialize.PartitionData(partition=0)])
        first = initialize.InitializeShareGroupStateRequest(group_id=group_id, topics=[known])
        side.eventually(lambda: not side.send(first, 0).results[0].partitions[0].error_code)
        side.normalise.ordinal("uuid", topic_id)
        for indexes in ((0, 0), (-1, -1), ()):
            topics = [
                initialize.InitializeStateData(topic_id=topic_id, partitions=[]),
                initialize.InitializeStateData(
                    topic_id=topic_id, partitions=[initialize.PartitionData(partition=index) for index in indexes]
                ),
            ]
            request = initialize.InitializeShareGroupStateRequest(group_id=group_id, topics=topics)
            side.ask(request, 0, label=str(indexes))
        for ranges in (((0, 5), (20, 10)), ((0, 5), (3, 8))):
            batches = [write.StateBatch(first_offset=first, last_offset=last) for first, last in ranges]
            partition = write.PartitionData(partition=0, state_batches=batches)
            topic_data = write.WriteStateData(topic_id=topic_id, partitions=[partition])
            answer = side.send(write.WriteShareGroupStateRequest(group_id=group_id, topics=[topic_data]), 0)
            side.note(str(ranges), answer.results[0].partitions[0].error_code)  # The text is of Java's making.

    compare(scenario)


def test_features_that_cannot_be_are_told_of_in_the_same_order(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        updates = [
            update_features.FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=4)
            for name, level in (("transaction.version", 29), ("metadata.version", 3), ("group.version", 9))
        ]
        request = update_features.UpdateFeaturesRequest(feature_updates=updates, validate_only=True, timeout_ms=10_000)
        side.ask(request, 2)

    compare(scenario)


def test_a_member_that_joins_without_topics_gets_an_assignment_as_soon_as_it_names_some(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        for number, subscriptions in enumerate(([[], ["x"]], [[], [], ["x"]])):
            GroupOnSide(side, f"{side.namespace}-{number}")
            for names in subscriptions:
                request = consumer.ConsumerGroupHeartbeatRequest(
                    group_id=f"{side.namespace}-{number}",
                    member_id=str(uuid.UUID(int=number + 1)),
                    rebalance_timeout_ms=5000,
                    subscribed_topic_names=names,
                    topic_partitions=[],
                )
                side.ask(request, 1, label=str(subscriptions))

    compare(scenario)


def test_offsets_for_nobody_at_an_epoch(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group_id = f"{side.namespace}-offsets"
        request = consumer.ConsumerGroupHeartbeatRequest(
            group_id=group_id,
            member_id=str(uuid.UUID(int=7)),
            rebalance_timeout_ms=5000,
            subscribed_topic_names=["x"],
            topic_partitions=[],
        )
        GroupOnSide(side, group_id)
        side.ask(request, 1)
        fetch_offsets(side, group_id, (None, 1), (None, -1), ("", 1), ("", -1))

    compare(scenario)


def test_offsets_of_a_streams_group_for_nobody_at_an_epoch(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        subtopology = streams.Subtopology(subtopology_id="0", source_topics=[topic])
        request = first_heartbeat(f"{side.namespace}-streams", streams.Topology(subtopologies=[subtopology]))
        GroupOnSide(side, request.group_id)
        side.ask(request, 0)
        fetch_offsets(side, request.group_id, (None, 0), (None, 1), (None, -1), ("", 1), ("", -1), ("x", -1))

    compare(scenario)


def test_a_topology_with_a_negative_epoch(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        subtopology = streams.Subtopology(subtopology_id="0", source_topics=[topic])
        topology = streams.Topology(epoch=-1, subtopologies=[subtopology])
        request = first_heartbeat(f"{side.namespace}-streams", topology)
        GroupOnSide(side, request.group_id)
        side.ask(request, 0)

    compare(scenario)


def test_a_partition_that_is_to_join_a_transaction_twice(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        find_coordinator(side, f"{side.namespace}-unknown", 1)
        request = add_partitions.AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=f"{side.namespace}-unknown",
            v3_and_below_producer_id=5,
            v3_and_below_topics=[add_partitions.AddPartitionsToTxnTopic(name=topic, partitions=[0, 0])],
        )

        def is_answered() -> bool:
            [result] = side.send(request, 3).results_by_topic_v3_and_below
            return result.results_by_partition[0].partition_error_code not in (14, 15, 16)

        side.eventually(is_answered)
        side.ask(request, 3)

    compare(scenario)


def test_share_group_offsets_of_no_partition_and_of_the_same_twice(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        side.normalise.ordinal("uuid", side.topic_id(topic))

        def request(*named: tuple[str, list[int]]) -> share_offsets.DescribeShareGroupOffsetsRequest:
            topics = [
                share_offsets.DescribeShareGroupOffsetsRequestTopic(topic_name=name, partitions=indexes)
                for name, indexes in named
            ]
            group = share_offsets.DescribeShareGroupOffsetsRequestGroup(group_id=side.namespace, topics=topics)
            return share_offsets.DescribeShareGroupOffsetsRequest(groups=[group])

        # Apache Kafka's coordinator hears of a new topic last.
        known = request((topic, [0]))
        side.eventually(lambda: side.send(known, 0).groups[0].topics[0].topic_id != Uuid.ZERO)
        asked: list[list[tuple[str, list[int]]]] = [
            [(topic, [0, 0])],
            [(topic, [])],
            [(topic, [1]), (topic, [1])],
            [(topic, [1]), ("no-such", [0, 0]), (topic, [0]), ("no-such", [0])],
            [(topic, [1]), (topic, [])],
        ]
        for named in asked:
            side.ask(request(*named), 0, label=str(named))

    compare(scenario)


def test_a_scram_credential_of_an_empty_password(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        upsertion = scram.ScramCredentialUpsertion(name=side.namespace, mechanism=1, iterations=4096, salt=b"s")
        side.ask(scram.AlterUserScramCredentialsRequest(upsertions=[upsertion]), 0)

    compare(scenario)


def test_a_way_to_acquire_records_that_nobody_knows(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic_id = side.topic_id(side.topic())
        member_id = str(Uuid(uuid.UUID(int=9).bytes))
        for epoch in (0, 1, 2):
            topics = [shares.FetchTopic(topic_id=topic_id, partitions=[shares.FetchPartition(partition_index=0)])]
            request = shares.ShareFetchRequest(
                group_id=f"{side.namespace}-share",
                member_id=member_id,
                share_session_epoch=epoch,
                max_records=1,
                batch_size=1,
                share_acquire_mode=2,
                topics=topics,
            )
            side.ask(request, 2, label=f"epoch {epoch}")

    compare(scenario)


def test_share_partitions_that_a_fetch_session_begins_with_twice(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic_id = side.topic_id(side.topic())
        side.normalise.ordinal("uuid", topic_id)
        for epoch, indexes in ((0, (0,)), (1, (0, 0)), (0, (0, 0)), (1, ())):
            asked = [shares.FetchPartition(partition_index=index) for index in indexes]
            request = shares.ShareFetchRequest(
                group_id=f"{side.namespace}-share",
                member_id=str(Uuid(uuid.UUID(int=9).bytes)),
                share_session_epoch=epoch,
                topics=[shares.FetchTopic(topic_id=topic_id, partitions=asked)],
            )
            side.ask(request, 2, label=f"{indexes} at epoch {epoch}")

    compare(scenario)


def test_offsets_of_share_groups_for_topics_that_are_named_twice(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        side.normalise.ordinal("uuid", side.topic_id(topic))
        group = GroupOnSide(side)
        for named in (
            ((topic, (7,)), (topic, (8,))),
            ((topic, (9,)), (topic, ())),
            ((topic, ()), ("no-such", ())),
            (("no-such", (0,)),),
            (),
        ):
            topics = [
                share_alteration.AlterShareGroupOffsetsRequestTopic(
                    topic_name=name,
                    partitions=[
                        share_alteration.AlterShareGroupOffsetsRequestPartition(partition_index=index)
                        for index in indexes
                    ],
                )
                for name, indexes in named
            ]
            request = share_alteration.AlterShareGroupOffsetsRequest(group_id=group.group_id, topics=topics)
            side.ask(request, 0, label=str(named))
            side.ask(DeleteGroupsRequest(groups_names=[group.group_id]), 3)

    compare(scenario)


def test_a_commit_of_which_nothing_is_kept_makes_a_group_all_the_same(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        group = GroupOnSide(side)
        partition = commit.OffsetCommitRequestPartition(partition_index=0, committed_metadata="x" * 5000)
        topics = [commit.OffsetCommitRequestTopic(name=topic, partitions=[partition])]
        side.ask(commit.OffsetCommitRequest(group_id=group.group_id, topics=topics), 8)
        side.ask(DeleteGroupsRequest(groups_names=[group.group_id]), 3)

    compare(scenario)


def test_records_deleted_of_a_topic_that_is_named_twice(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        side.produce(topic, "a", "b")
        topics = [
            deletion.DeleteRecordsTopic(
                name=topic, partitions=[deletion.DeleteRecordsPartition(partition_index=0, offset=offset)]
            )
            for offset in (1, 0)
        ]
        side.ask(deletion.DeleteRecordsRequest(topics=topics, timeout_ms=10_000), 2)

    compare(scenario)


def test_transactional_records_among_repeated_ones_and_unknown_codecs_for_unknown_partitions(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        plain = build_batch([Record(0, 1000, b"k", b"v", [])])
        transactional = build_batch([Record(0, 1000, b"k", b"v", [])], producer_id=9, producer_epoch=0, base_sequence=0,
                                    is_transactional=True)  # fmt: skip
        unknown_codec = bytearray(plain)
        unknown_codec[22] = 6
        for version, named in (
            (8, [(0, transactional), (0, plain)]),
            (8, [(7, transactional), (0, plain)]),
            (4, [(7, bytes(unknown_codec)), (0, plain)]),
            (4, [(0, bytes(unknown_codec)), (7, plain)]),
        ):
            data = [produce.PartitionProduceData(index=index, records=batch) for index, batch in named]
            topics = [produce.TopicProduceData(name=topic, partition_data=data)]
            request = produce.ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=topics)
            side.ask(request, version, label=str([index for index, _ in named]))

    compare(scenario)


def test_a_transaction_commits_for_a_group_that_does_not_exist_and_for_topics_named_twice(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        topic_id = side.topic_id(topic)
        side.normalise.ordinal("uuid", topic_id)
        GroupOnSide(side)
        producer = Transactions(side)
        begun = side.send(producer.init_request(), 4)
        for version in (3, 5, 6):
            for generation_id, epoch in ((-1, 0), (3, 0), (-1, 99)):
                topics = [
                    txn_commit.TxnOffsetCommitRequestTopic(
                        name=topic,
                        topic_id=topic_id,
                        partitions=[txn_commit.TxnOffsetCommitRequestPartition(partition_index=index)],
                    )
                    for index in (0, 1)
                ]
                request = txn_commit.TxnOffsetCommitRequest(
                    transactional_id=producer.transactional_id,
                    group_id=f"{side.namespace}-{'group' if generation_id < 0 else 'unknown'}",
                    producer_id=begun.producer_id,
                    producer_epoch=epoch,
                    generation_id_or_member_epoch=generation_id,
                    topics=topics,
                )
                side.ask(request, version, label=f"generation {generation_id}, epoch {epoch}")

    compare(scenario)


def test_quotas_that_are_no_numbers(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        for key in ("consumer_byte_rate", "no.such.quota"):
            for value in (float("inf"), float("nan"), -1.0):
                entry = quotas.RequestEntryData(
                    entity=[quotas.EntityData(entity_type="user", entity_name=side.namespace)],
                    ops=[quotas.OpData(key=key, value=value)],
                )
                side.ask(quotas.AlterClientQuotasRequest(entries=[entry]), 1, label=f"{key} {value}")

    compare(scenario)


def test_elections_of_a_kind_that_does_not_exist(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        named = [election.TopicPartitions(topic=side.topic(), partitions=[0, 7])]
        for topic_partitions in (named, None):
            request = election.ElectLeadersRequest(
                election_type=5, topic_partitions=topic_partitions, timeout_ms=10_000
            )
            for version in (1, 2):
                side.ask(request, version, label="all" if topic_partitions is None else "named")

    compare(scenario)


def test_of_several_wrong_quotas_the_same_one_is_told_of(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        user, address = ("user", side.namespace), ("ip", "1.2.3.4")
        rates = {"producer_byte_rate": -1.0, "x": 1.0, "consumer_byte_rate": 1.5, "request_percentage": -2.0}
        for entity, values in (
            ([user], rates),
            ([user], dict(reversed(rates.items()))),
            ([user], {"consumer_byte_rate": 2.0**63, "producer_byte_rate": 2.0**64}),
            ([address, user], {"x": 1.0}),
            ([("y", "z"), ("x", "z"), user], {"x": 1.0}),
        ):
            entry = quotas.RequestEntryData(
                entity=[quotas.EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                ops=[quotas.OpData(key=key, value=value) for key, value in values.items()],
            )
            for entries in ([entry], [entry, entry]):
                request = quotas.AlterClientQuotasRequest(entries=entries, validate_only=True)
                side.ask(request, 1, label=f"{len(entries)}: {entity} {values}")

    compare(scenario)
