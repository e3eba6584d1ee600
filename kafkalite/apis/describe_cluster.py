"""DescribeCluster: the cluster's id and its one broker.

Version 1 can ask for controllers instead, which clients do not reach here; version 2 for fenced brokers too, of which
a directory from a larger cluster may know some.
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED_FOR
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKER_ENDPOINT: Final = 1
CONTROLLER_ENDPOINT: Final = 2


@serves(DescribeClusterRequest, while_loading=True)
def describe_cluster(context: RequestContext, request: DescribeClusterRequest) -> DescribeClusterResponse:
    if request.endpoint_type == CONTROLLER_ENDPOINT:
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            error_message="The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type "
            "CONTROLLER",
        )
    if request.endpoint_type != BROKER_ENDPOINT:
        return DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"Unsupported endpoint type {request.endpoint_type}",
        )
    broker = context.broker
    host, port = context.advertised_address()
    brokers = [DescribeClusterBroker(broker_id=broker.node_id, host=host, port=port, rack=broker.config.broker_rack)]
    if request.include_fenced_brokers:
        for other in broker.metadata.image.cluster.brokers.values():
            endpoint = next((e for e in other.listeners if e.name == context.listener_name), None)
            if other.id != broker.node_id and other.fenced and endpoint is not None:
                brokers.append(
                    DescribeClusterBroker(
                        broker_id=other.id, host=endpoint.host, port=endpoint.port, rack=other.rack, is_fenced=True
                    )
                )
    operations = CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_ASKED_FOR
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        brokers=brokers,
        cluster_authorized_operations=operations,
    )
