"""ListGroups: all groups; version 4 asks for states (KIP-518), 5 for types (KIP-848)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import KafkaError
from kafkalite.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse


@serves(ListGroupsRequest)
def list_groups(context: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse:
    try:
        groups = context.broker.group_coordinator.list_groups(request.states_filter, request.types_filter)
    except KafkaError as error:
        return ListGroupsResponse(error_code=operation_error(error))
    return ListGroupsResponse(groups=groups)
