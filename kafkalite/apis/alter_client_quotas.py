"""AlterClientQuotas: sets and removes quotas of users, client ids and addresses, or only says what would come of it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.metadata_store import answer_or_raise
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.string_hash import sized_hash_map_order
from kafkalite.metadata.client_quota_control import alter_client_quotas as alter
from kafkalite.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    EntityData,
    ResponseEntryData,
)


@serves(AlterClientQuotasRequest)
def alter_client_quotas(
    context: RequestContext, request: AlterClientQuotasRequest
) -> AlterClientQuotasResponse | Awaitable[AlterClientQuotasResponse]:
    store = context.broker.metadata
    result = alter(store.written_image.client_quotas, request.entries, _is_resolvable, sized_hash_map_order)
    response = AlterClientQuotasResponse(
        entries=[
            ResponseEntryData(
                error_code=error.error,
                error_message=error.message,
                entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
            )
            for entity, error in result.response
        ]
    )
    return store.commit([] if request.validate_only else result.records, answer_or_raise(response))


def _is_resolvable(address: str) -> bool:
    try:
        socket.getaddrinfo(address, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return address == "localhost"
    return True
