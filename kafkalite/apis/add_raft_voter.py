"""AddRaftVoter: asks for a second controller (KIP-853), which this node cannot have; it says why."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import KafkaError
from kafkalite.metadata.raft_voters import check_cluster_id, refuse_to_add
from kafkalite.protocol.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse


@serves(AddRaftVoterRequest)
def add_raft_voter(context: RequestContext, request: AddRaftVoterRequest) -> AddRaftVoterResponse:
    broker = context.broker
    try:
        check_cluster_id(request.cluster_id, broker.cluster_id)
        raise refuse_to_add(
            request.voter_id,
            request.voter_directory_id,
            {listener.name.upper(): (listener.host, listener.port) for listener in request.listeners},
            default_listener=broker.controller_listeners()[0][0],
            kraft_version=broker.metadata.kraft_version,
            this_voter=(broker.node_id, broker.metadata.voter_directory_id),
        )
    except KafkaError as error:
        return AddRaftVoterResponse(error_code=error.error, error_message=error.message)
