"""Changes of dynamic configurations: of brokers, topics, groups and client metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kafkalite.client.admin import Admin, raise_for
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

TOPIC: Final = 2
BROKER: Final = 4
CLIENT_METRICS: Final = 16
_SET: Final = 0
_DELETE: Final = 1


def alter_configs(admin: Admin, resource_type: int, name: str, changes: Mapping[str, str | None]) -> None:
    """Sets properties of a resource, deletes those whose value is None; raises KafkaError.

    A broker's own properties are sent to that broker where it is known.
    """
    configs = [
        AlterableConfig(name=key, value=value, config_operation=_DELETE if value is None else _SET)
        for key, value in changes.items()
    ]
    resource = AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=configs)
    node_id = None
    if resource_type == BROKER and name.isdigit() and int(name) in admin.brokers():
        node_id = int(name)
    response = admin.send(
        IncrementalAlterConfigsRequest(resources=[resource]),
        call="incrementalAlterConfigs",
        node_id=node_id,
        retry_if=lambda response: response.responses[0].error_code == ErrorCode.NOT_CONTROLLER,
    )
    raise_for(response.responses[0].error_code, response.responses[0].error_message)
