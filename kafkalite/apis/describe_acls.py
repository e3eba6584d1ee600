"""DescribeAcls: without an authorizer nothing is allowed or denied, and the answer says so."""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from kafkalite.protocol.primitives import ProtocolError

UNKNOWN: Final = 0


@serves(DescribeAclsRequest)
def describe_acls(context: RequestContext, request: DescribeAclsRequest) -> DescribeAclsResponse:
    if UNKNOWN in (
        request.pattern_type_filter,
        request.resource_type_filter,
        request.permission_type,
        request.operation,
    ):
        raise ProtocolError("DescribeAcls contains UNKNOWN elements")
    return DescribeAclsResponse(
        error_code=ErrorCode.SECURITY_DISABLED, error_message="No Authorizer is configured on the broker"
    )
