"""StreamsGroupTopologyDescriptionUpdate: a member sends what its topology looks like, for people (new in 4.4).

Apache Kafka gives it to a plugin, group.streams.topology.description.plugin.class, and refuses it where there is none.
Plugins are Java classes, so that it is always refused here.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.streams_group_topology_description_update import (
    StreamsGroupTopologyDescriptionUpdateRequest,
    StreamsGroupTopologyDescriptionUpdateResponse,
)


@serves(StreamsGroupTopologyDescriptionUpdateRequest)
def streams_group_topology_description_update(
    context: RequestContext, request: StreamsGroupTopologyDescriptionUpdateRequest
) -> StreamsGroupTopologyDescriptionUpdateResponse:
    message = "The broker has no streams group topology description plugin configured."
    if not context.broker.streams_groups.is_enabled:
        message = ErrorCode.UNSUPPORTED_VERSION.message
    return StreamsGroupTopologyDescriptionUpdateResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION, error_message=message
    )
