"""ElectLeaders: asks for the preferred or, uncleanly, any leader (KIP-460); each partition has the one it can have.

Version 0 knows preferred leaders alone; asked for all partitions, the answer leaves out those that need no election.
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.metadata.controller_result import TOO_LATE
from kafkalite.metadata.partition_admin import PREFERRED_ELECTION, UNCLEAN_ELECTION, all_partitions, elect_leader
from kafkalite.protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

FIRST_VERSION_WITH_ERROR: Final = 1


@serves(ElectLeadersRequest)
def elect_leaders(context: RequestContext, request: ElectLeadersRequest) -> ElectLeadersResponse:
    if request.timeout_ms <= 0 and request.topic_partitions != []:
        return _refuse(context, request, TOO_LATE.error)
    image = context.broker.metadata.image
    is_about_all = request.topic_partitions is None
    is_known = request.election_type in (PREFERRED_ELECTION, UNCLEAN_ELECTION)
    if is_about_all and not is_known:
        return ElectLeadersResponse(error_code=ErrorCode.INVALID_REQUEST)
    wanted = (
        list(all_partitions(image))
        if request.topic_partitions is None
        else [(topic.topic, topic.partitions) for topic in request.topic_partitions]
    )
    results = []
    for name, partitions in wanted:
        outcomes = [(index, elect_leader(image, name, index, request.election_type)) for index in partitions]
        results.append(
            ReplicaElectionResult(
                topic=name,
                partition_result=[
                    PartitionResult(partition_id=index, error_code=error.error, error_message=error.message)
                    for index, error in outcomes
                    if not (is_about_all and error.error is ErrorCode.ELECTION_NOT_NEEDED)
                ],
            )
        )
    response = ElectLeadersResponse(replica_election_results=results)
    if results and not is_known:
        response.error_code = ErrorCode.INVALID_REQUEST
    return response


def _refuse(context: RequestContext, request: ElectLeadersRequest, error: ErrorCode) -> ElectLeadersResponse:
    return ElectLeadersResponse(
        error_code=error if context.api_version >= FIRST_VERSION_WITH_ERROR else ErrorCode.NONE,
        replica_election_results=[
            ReplicaElectionResult(
                topic=topic.topic,
                partition_result=[
                    PartitionResult(partition_id=index, error_code=error, error_message=None)
                    for index in topic.partitions
                ],
            )
            for topic in request.topic_partitions or ()
        ],
    )
