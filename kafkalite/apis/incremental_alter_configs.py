"""IncrementalAlterConfigs: sets, removes and, in lists, adds and takes away single properties of resources (KIP-339).

All changes of a resource are made or none; resources do not depend on each other. Changes are in force when the answer
leaves, and are stored, except the levels of loggers (KIP-412), which end with the process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.broker_loggers import alter_logger_levels
from kafkalite.broker.config_admin_manager import ConfigAdminManager
from kafkalite.broker.metadata_store import answer_or_raise
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configuration_control import ConfigChange, UnknownOperationError
from kafkalite.metadata.configurations_image import ConfigResource, ConfigResourceType
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from kafkalite.protocol.metadata_record import MetadataRecord


@serves(IncrementalAlterConfigsRequest)
def incremental_alter_configs(
    context: RequestContext, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse | Awaitable[IncrementalAlterConfigsResponse]:
    metadata = context.broker.metadata
    manager = ConfigAdminManager(metadata.written_image, context.broker.config)
    asked = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    response = IncrementalAlterConfigsResponse()
    forwarded: list[tuple[ConfigResource, list[ConfigChange], AlterConfigsResourceResponse]] = []
    for resource in request.resources:
        target = ConfigResource(resource.resource_type, resource.resource_name)
        changes = [ConfigChange(config.name, config.config_operation, config.value) for config in resource.configs]
        answer = AlterConfigsResourceResponse(
            error_message=None, resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        response.responses.append(answer)
        try:
            if asked[target] > 1:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            if target.type == ConfigResourceType.BROKER_LOGGER:
                alter_logger_levels(context.node_id, target.name, changes, validate_only=request.validate_only)
            else:
                manager.check_incremental(target, changes)
                forwarded.append((target, changes, answer))
        except KafkaError as error:
            answer.error_code, answer.error_message = error.error, error.message
    records: list[MetadataRecord] = []
    try:
        for target, changes, answer in forwarded:
            try:
                records += manager.incremental_alter(target, changes)
            except UnknownOperationError:
                raise
            except KafkaError as error:
                answer.error_code, answer.error_message = error.error, error.message
    except UnknownOperationError as failure:
        records = []
        for _, _, answer in forwarded:
            answer.error_code, answer.error_message = failure.error, None
    return metadata.commit([] if request.validate_only else records, answer_or_raise(response))
