"""DeleteGroups: removes groups without members, and their offsets. Version 3 has room for a text with each error."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.protocol.messages.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)


@serves(DeleteGroupsRequest)
def delete_groups(context: RequestContext, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    results: list[DeletableGroupResult] = []
    for group_id in dict.fromkeys(request.groups_names):
        result = context.broker.group_coordinator.delete_group(group_id)
        assert isinstance(result, DeletableGroupResult)
        results.append(result)
    return DeleteGroupsResponse(results=results)
