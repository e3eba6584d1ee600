"""DescribeUserScramCredentials: the mechanisms of users' credentials and their iterations; nothing secret."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.metadata import scram_control
from kafkalite.protocol.messages.describe_user_scram_credentials import (
    CredentialInfo,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)


@serves(DescribeUserScramCredentialsRequest)
def describe_user_scram_credentials(
    context: RequestContext, request: DescribeUserScramCredentialsRequest
) -> DescribeUserScramCredentialsResponse:
    names = [user.name for user in request.users or ()]
    return DescribeUserScramCredentialsResponse(
        results=[
            DescribeUserScramCredentialsResult(
                user=user,
                error_code=error.error,
                error_message=error.message or "",
                credential_infos=[CredentialInfo(mechanism=mechanism, iterations=n) for mechanism, n in found],
            )
            for user, error, found in scram_control.describe_user_scram_credentials(
                context.broker.metadata.image.scram, names
            )
        ],
    )
