"""AlterClientQuotas: sets and removes quotas of users, client ids and addresses, or only says what would come of it."""

from __future__ import annotations

import socket

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.metadata.client_quota_control import alter_client_quotas as alter
from kafkalite.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    EntityData,
    ResponseEntryData,
)


@serves(AlterClientQuotasRequest)
def alter_client_quotas(context: RequestContext, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse:
    store = context.broker.metadata
    result = alter(store.image.client_quotas, request.entries, _is_resolvable)
    if not request.validate_only:
        store.append(result.records)
    return AlterClientQuotasResponse(
        entries=[
            ResponseEntryData(
                error_code=error.error,
                error_message=error.message,
                entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
            )
            for entity, error in result.response
        ]
    )


def _is_resolvable(address: str) -> bool:
    try:
        socket.getaddrinfo(address, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return address == "localhost"
    return True
