"""DeleteRecords over the wire: the starts of many logs move with one request, and stay after a kill."""

from __future__ import annotations

from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite_process import StartKafkalite

PARTITIONS = 25
"""More than are dealt with in one step."""


def test_moved_starts_are_there_after_a_kill(start_kafkalite: StartKafkalite) -> None:
    broker = start_kafkalite()
    with WireClient(broker.bootstrap_servers) as client:
        topic = CreatableTopic(name="t", num_partitions=PARTITIONS, replication_factor=1)
        client.send(CreateTopicsRequest(topics=[topic]))
        batch = build_batch([Record(index, 1, None, b"x") for index in range(PARTITIONS)])
        data = [PartitionProduceData(index=index, records=batch) for index in range(PARTITIONS)]
        client.send(
            ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=data)]), 9
        )
        partitions = [DeleteRecordsPartition(partition_index=index, offset=index) for index in range(PARTITIONS)]
        partitions.append(DeleteRecordsPartition(partition_index=PARTITIONS, offset=1))
        request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name="t", partitions=partitions)], timeout_ms=1000)
        (answer,) = client.send(request).topics
        found = {one.partition_index: (one.low_watermark, one.error_code) for one in answer.partitions}
        assert found == {index: (index, 0) for index in range(PARTITIONS)} | {PARTITIONS: (-1, 3)}
    broker.kill()
    broker.start()
    with WireClient(broker.bootstrap_servers) as client:
        asked = [ListOffsetsPartition(partition_index=index, timestamp=-2) for index in range(PARTITIONS)]
        offsets = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="t", partitions=asked)])
        (listed,) = client.send(offsets).topics
        assert {one.partition_index: one.offset for one in listed.partitions} == {
            index: index for index in range(PARTITIONS)
        }
