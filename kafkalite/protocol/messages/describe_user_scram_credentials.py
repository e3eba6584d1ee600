"""DescribeUserScramCredentials (API key 50): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, Struct, array, int8, int16, int32, string


class CredentialInfo(Struct):
    mechanism: int = int8()
    iterations: int = int32()


class DescribeUserScramCredentialsResult(Struct):
    user: str = string()
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")
    credential_infos: list[CredentialInfo] = array(CredentialInfo)


class DescribeUserScramCredentialsResponse(Response, versions="0", flexible="0+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")
    results: list[DescribeUserScramCredentialsResult] = array(DescribeUserScramCredentialsResult)


class UserName(Struct):
    name: str = string()


class DescribeUserScramCredentialsRequest(
    Request,
    api_key=50,
    versions="0",
    flexible="0+",
    listeners=("broker", "controller"),
    response=DescribeUserScramCredentialsResponse,
):
    users: list[UserName] | None = array(UserName, nullable="0+")
