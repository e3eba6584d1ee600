"""RemoveRaftVoter: takes a controller out of the quorum (KIP-853); this node is the only one and has to stay."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import KafkaError
from kafkalite.metadata.raft_voters import check_cluster_id, refuse_to_remove
from kafkalite.protocol.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse


@serves(RemoveRaftVoterRequest)
def remove_raft_voter(context: RequestContext, request: RemoveRaftVoterRequest) -> RemoveRaftVoterResponse:
    broker = context.broker
    try:
        check_cluster_id(request.cluster_id, broker.cluster_id)
        raise refuse_to_remove(
            request.voter_id,
            request.voter_directory_id,
            kraft_version=broker.metadata.kraft_version,
            this_voter=(broker.node_id, broker.metadata.voter_directory_id),
        )
    except KafkaError as error:
        return RemoveRaftVoterResponse(error_code=error.error, error_message=error.message)
