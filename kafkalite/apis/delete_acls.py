"""DeleteAcls: without an authorizer there is nothing to delete, and the answer says so for each filter."""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse
from kafkalite.protocol.primitives import ProtocolError

UNKNOWN: Final = 0


@serves(DeleteAclsRequest)
def delete_acls(context: RequestContext, request: DeleteAclsRequest) -> DeleteAclsResponse:
    for wanted in request.filters:
        if UNKNOWN in (
            wanted.pattern_type_filter,
            wanted.resource_type_filter,
            wanted.operation,
            wanted.permission_type,
        ):
            raise ProtocolError("DeleteAcls contains UNKNOWN elements")
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(error_code=ErrorCode.SECURITY_DISABLED, error_message="No Authorizer is configured.")
            for _ in request.filters
        ]
    )
