"""AlterUserScramCredentials: stores what proves a password, derived from the salted password that clients send."""

from __future__ import annotations

from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.metadata_store import answer_or_raise
from kafkalite.broker.request_context import RequestContext
from kafkalite.metadata import scram_control
from kafkalite.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)


@serves(AlterUserScramCredentialsRequest)
def alter_user_scram_credentials(
    context: RequestContext, request: AlterUserScramCredentialsRequest
) -> AlterUserScramCredentialsResponse | Awaitable[AlterUserScramCredentialsResponse]:
    store = context.broker.metadata
    result = scram_control.alter_user_scram_credentials(store.written_image, request)
    response = AlterUserScramCredentialsResponse(
        results=[
            AlterUserScramCredentialsResult(user=user, error_code=error.error, error_message=error.message)
            for user, error in result.response
        ]
    )
    return store.commit(result.records, answer_or_raise(response))
