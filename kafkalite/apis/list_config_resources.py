"""ListConfigResources: the resources that have, or may have, configurations of their own (KIP-1142).

Version 0 was ListClientMetricsResources and knows no other type.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.metadata.configurations_image import ConfigResourceType
from kafkalite.protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)


@serves(ListConfigResourcesRequest)
def list_config_resources(context: RequestContext, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse:
    image = context.broker.metadata.image
    names = {
        ConfigResourceType.GROUP: image.configs.resources(ConfigResourceType.GROUP),
        ConfigResourceType.CLIENT_METRICS: image.configs.resources(ConfigResourceType.CLIENT_METRICS),
        ConfigResourceType.BROKER_LOGGER: [str(context.node_id)],
        ConfigResourceType.BROKER: [str(context.node_id)],
        ConfigResourceType.TOPIC: list(image.topics.by_name),
    }
    if context.api_version == 0:
        names = {ConfigResourceType.CLIENT_METRICS: names[ConfigResourceType.CLIENT_METRICS]}
    wanted = request.resource_types or list(names)
    if any(resource_type not in names for resource_type in wanted):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_type=resource_type, resource_name=name)
            for resource_type, of_type in names.items()
            if resource_type in wanted
            for name in of_type
        ]
    )
