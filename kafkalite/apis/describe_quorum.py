"""DescribeQuorum: leader, voters and observers of the metadata log, all of which are this node (KIP-595).

Version 1 tells when replicas last fetched, version 2 their directories and the addresses of the voters.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import CLUSTER_METADATA_TOPIC
from kafkalite.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    ReplicaState,
    ResponsePartitionData,
    ResponseTopicData,
)


@serves(DescribeQuorumRequest)
def describe_quorum(context: RequestContext, request: DescribeQuorumRequest) -> DescribeQuorumResponse:
    asked = [(topic.topic_name, [p.partition_index for p in topic.partitions]) for topic in request.topics]
    if asked != [(CLUSTER_METADATA_TOPIC, [0])]:
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return DescribeQuorumResponse(
            topics=[
                ResponseTopicData(
                    topic_name=name,
                    partitions=[
                        ResponsePartitionData(partition_index=index, error_code=unknown, error_message=unknown.message)
                        for index in partitions
                    ],
                )
                for name, partitions in asked
            ]
        )
    store = context.broker.metadata
    now_ms = context.now_ms
    voter = ReplicaState(
        replica_id=context.node_id,
        log_end_offset=store.log.end_offset,
        last_fetch_timestamp=now_ms,
        last_caught_up_timestamp=now_ms,
    )
    response = DescribeQuorumResponse(
        topics=[
            ResponseTopicData(
                topic_name=CLUSTER_METADATA_TOPIC,
                partitions=[
                    ResponsePartitionData(
                        leader_id=context.node_id,
                        leader_epoch=store.leader_epoch,
                        high_watermark=store.log.end_offset,
                        current_voters=[voter],
                    )
                ],
            )
        ]
    )
    if context.api_version >= 2:
        controllers = context.broker.controller_listeners()
        voter.replica_directory_id = store.voter_directory_id
        response.nodes = [
            Node(
                node_id=context.node_id,
                listeners=[Listener(name=name, host=host, port=port) for name, host, port in controllers],
            )
        ]
    return response
