"""CreateAcls (API key 30): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, Struct, array, int8, int16, int32, string


class AclCreationResult(Struct):
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")


class CreateAclsResponse(Response, versions="1-3", flexible="2+"):
    throttle_time_ms: int = int32()
    results: list[AclCreationResult] = array(AclCreationResult)


class AclCreation(Struct):
    resource_type: int = int8()
    resource_name: str = string()
    resource_pattern_type: int = int8(versions="1+", default=3)
    principal: str = string()
    host: str = string()
    operation: int = int8()
    permission_type: int = int8()


class CreateAclsRequest(
    Request, api_key=30, versions="1-3", flexible="2+", listeners=("broker", "controller"), response=CreateAclsResponse
):
    creations: list[AclCreation] = array(AclCreation)
