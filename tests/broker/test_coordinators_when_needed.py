"""Coordinators are there from when somebody needs them: at the start if there is state to load, else at a request."""

from __future__ import annotations

import subprocess
import sys

from kafkalite.errors import ErrorCode
from kafkalite.identifiers import GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from offline_broker import OfflineBroker

COORDINATORS = {"group_coordinator", "transaction_coordinator", "share_coordinator", "share_partitions"}
PRODUCED_AND_FETCHED = """
import sys
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.testing import KafkaliteServer
with KafkaliteServer() as kafka, WireClient(kafka.bootstrap_servers) as client:
    client.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
    partition = PartitionProduceData(index=0, records=build_batch([Record(0, 0, None, b"v", ())]))
    topics = [TopicProduceData(name="t", partition_data=[partition])]
    request = ProduceRequest(acks=-1, timeout_ms=1_000, topic_data=topics)
    [produced] = client.send(request, 9).responses
    wanted = FetchTopic(topic="t", partitions=[FetchPartition(partition=0, partition_max_bytes=1_000)])
    [fetched] = client.send(FetchRequest(max_wait_ms=0, topics=[wanted]), 12).responses
    assert (produced.partition_responses[0].error_code, fetched.partitions[0].high_watermark) == (0, 1)
    print(*sorted(name for name in sys.modules if name.startswith("kafkalite.coordinator.")))
"""


def made(broker: OfflineBroker) -> set[str]:
    return COORDINATORS & set(vars(broker.broker))


def commit(broker: OfflineBroker) -> int:
    topic = OffsetCommitRequestTopic(name="t", partitions=[OffsetCommitRequestPartition(committed_offset=7)])
    [answer] = broker.ask(OffsetCommitRequest(group_id="g", topics=[topic]), 8).topics
    return int(answer.partitions[0].error_code)


def committed(broker: OfflineBroker) -> int:
    group = OffsetFetchRequestGroup(group_id="g", topics=None)
    [topic] = broker.ask(OffsetFetchRequest(groups=[group]), 9).groups[0].topics
    return int(topic.partitions[0].committed_offset)


def test_who_produces_and_fetches_loads_no_code_of_coordinators() -> None:
    done = subprocess.run([sys.executable, "-c", PRODUCED_AND_FETCHED], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


async def test_a_request_makes_the_one_that_it_asks_for(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t")
    assert made(offline_broker) == set()
    offline_broker.create_topic(GROUP_METADATA_TOPIC, 2)
    assert (commit(offline_broker), committed(offline_broker)) == (0, 7)
    assert made(offline_broker) == {"group_coordinator"}


async def test_a_start_makes_those_that_have_state_to_load(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t")
    offline_broker.create_topic(GROUP_METADATA_TOPIC, 2)
    offline_broker.create_topic(TRANSACTION_STATE_TOPIC)
    assert commit(offline_broker) == 0
    offline_broker.restart()
    assert made(offline_broker) == {"group_coordinator", "transaction_coordinator"}
    assert committed(offline_broker) == 7


async def test_one_that_was_made_late_follows_the_metadata(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t")
    offline_broker.create_topic(GROUP_METADATA_TOPIC)
    assert commit(offline_broker) == 0
    assert len(list(offline_broker.broker.group_coordinator.runtime.contexts())) == 1
    offline_broker.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name=GROUP_METADATA_TOPIC)], timeout_ms=1_000))
    assert list(offline_broker.broker.group_coordinator.runtime.contexts()) == []


async def test_one_that_is_asked_for_while_the_broker_stops_serves_nobody(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic(TRANSACTION_STATE_TOPIC)
    offline_broker.broker.begin_shutdown()
    answer = offline_broker.ask(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1_000))
    assert answer.error_code == ErrorCode.NOT_COORDINATOR
