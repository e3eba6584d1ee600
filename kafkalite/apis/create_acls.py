"""CreateAcls: without an authorizer no entry is taken, for none would be obeyed."""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse
from kafkalite.protocol.primitives import ProtocolError

UNKNOWN: Final = 0


@serves(CreateAclsRequest)
def create_acls(context: RequestContext, request: CreateAclsRequest) -> CreateAclsResponse:
    for acl in request.creations:
        if UNKNOWN in (acl.resource_pattern_type, acl.resource_type, acl.permission_type, acl.operation):
            raise ProtocolError("CreateAcls contains UNKNOWN elements")
    return CreateAclsResponse(
        results=[
            AclCreationResult(error_code=ErrorCode.SECURITY_DISABLED, error_message="No Authorizer is configured.")
            for _ in request.creations
        ]
    )
