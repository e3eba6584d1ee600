"""AlterConfigs: gives resources just the properties that it names; what else was set on them is gone.

Deprecated in favour of IncrementalAlterConfigs. The levels of loggers cannot be altered this way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.config_admin_manager import ConfigAdminManager
from kafkalite.broker.metadata_store import answer_or_raise
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configurations_image import ConfigResource
from kafkalite.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


@serves(AlterConfigsRequest)
def alter_configs(
    context: RequestContext, request: AlterConfigsRequest
) -> AlterConfigsResponse | Awaitable[AlterConfigsResponse]:
    metadata = context.broker.metadata
    manager = ConfigAdminManager(metadata.written_image, context.broker.config)
    asked = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    response = AlterConfigsResponse()
    records = []
    for resource in request.resources:
        target = ConfigResource(resource.resource_type, resource.resource_name)
        answer = AlterConfigsResourceResponse(
            error_message=None, resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        response.responses.append(answer)
        try:
            if asked[target] > 1:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            records += manager.alter(target, [(config.name, config.value) for config in resource.configs])
        except KafkaError as error:
            answer.error_code, answer.error_message = error.error, error.message
    return metadata.commit([] if request.validate_only else records, answer_or_raise(response))
