"""DescribeConfigs: the effective configurations of topics, brokers, groups, client metrics subscriptions and loggers.

A BROKER without a name is what was set for all brokers. Version 1 brought the sources of values and their synonyms, 3
types and documentation. Documentation says what a property does in this broker: its texts are not Apache Kafka's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.broker_loggers import logger_levels
from kafkalite.broker.config_admin_manager import parse_node_id
from kafkalite.broker.request_context import RequestContext
from kafkalite.config.broker_config import ConfigSource
from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF
from kafkalite.config.client_metrics_config import CLIENT_METRICS_CONFIG_DEF
from kafkalite.config.config_def import ConfigDef
from kafkalite.config.config_entry import (
    UNKNOWN_TYPE,
    ConfigEntry,
    broker_default_entries,
    broker_entries,
    client_metrics_entries,
    documentation,
    group_entries,
    topic_entries,
)
from kafkalite.config.group_config import GROUP_CONFIG_DEF
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configurations_image import ConfigResource, ConfigResourceType
from kafkalite.metadata.topic_name import validate_topic_name
from kafkalite.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)


@serves(DescribeConfigsRequest)
def describe_configs(context: RequestContext, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    if any(resource.resource_type not in _DESCRIPTIONS for resource in request.resources):
        error = ErrorCode.INVALID_REQUEST
        return DescribeConfigsResponse(
            results=[_refusal(resource, error, error.message) for resource in request.resources]
        )
    return DescribeConfigsResponse(results=[_describe(context, request, resource) for resource in request.resources])


def _refusal(resource: DescribeConfigsResource, error: ErrorCode, message: str | None) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=error,
        error_message=message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )


def _describe(
    context: RequestContext, request: DescribeConfigsRequest, resource: DescribeConfigsResource
) -> DescribeConfigsResult:
    describe, definition = _DESCRIPTIONS[resource.resource_type]
    try:
        entries = describe(context, resource.resource_name)
    except KafkaError as error:
        return _refusal(resource, error.error, error.message)
    wanted = resource.configuration_keys
    results = []
    for entry in entries:
        if wanted and entry.name not in wanted:
            continue
        result = DescribeConfigsResourceResult(
            name=entry.name,
            value=entry.value,
            read_only=entry.is_read_only,
            config_source=entry.source,
            is_sensitive=entry.is_sensitive,
            config_type=entry.type,
        )
        if request.include_synonyms:
            result.synonyms = [
                DescribeConfigsSynonym(name=name, value=value, source=source) for name, value, source in entry.synonyms
            ]
        if definition is not None:
            result.documentation = documentation(definition, entry.name) if request.include_documentation else None
        results.append(result)
    return DescribeConfigsResult(
        resource_type=resource.resource_type, resource_name=resource.resource_name, configs=results
    )


def _topic(context: RequestContext, name: str) -> list[ConfigEntry]:
    validate_topic_name(name)
    image = context.broker.metadata.image
    if name not in image.topics.by_name:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "")
    return topic_entries(context.broker.config, image.configs.topic_configs(name))


def _broker(context: RequestContext, name: str) -> list[ConfigEntry]:
    config = context.broker.config
    if not name:
        return broker_default_entries(config)
    if parse_node_id(name, "Broker") != context.node_id:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            f"Unexpected broker id, expected {context.node_id} or empty string, but received {name}",
        )
    return broker_entries(config)


def _broker_logger(context: RequestContext, name: str) -> list[ConfigEntry]:
    if not name:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Broker id must not be empty")
    if parse_node_id(name, "Broker") != context.node_id:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST, f"Unexpected broker id, expected {context.node_id} but received {name}"
        )
    source = ConfigSource.DYNAMIC_BROKER_LOGGER_CONFIG
    return [
        ConfigEntry(logger, level, source, False, False, [], UNKNOWN_TYPE) for logger, level in logger_levels().items()
    ]


def _client_metrics(context: RequestContext, name: str) -> list[ConfigEntry]:
    if not name:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Client metrics subscription name must not be empty")
    resource = ConfigResource(ConfigResourceType.CLIENT_METRICS, name)
    return client_metrics_entries(context.broker.metadata.image.configs.configs(resource))


def _group(context: RequestContext, name: str) -> list[ConfigEntry]:
    if not name:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Group name must not be empty")
    resource = ConfigResource(ConfigResourceType.GROUP, name)
    return group_entries(context.broker.config, context.broker.metadata.image.configs.configs(resource))


_DESCRIPTIONS: Final[dict[int, tuple[Callable[[RequestContext, str], list[ConfigEntry]], ConfigDef | None]]] = {
    ConfigResourceType.TOPIC: (_topic, TOPIC_CONFIG_DEF),
    ConfigResourceType.BROKER: (_broker, BROKER_CONFIG_DEF),
    ConfigResourceType.BROKER_LOGGER: (_broker_logger, None),
    ConfigResourceType.CLIENT_METRICS: (_client_metrics, CLIENT_METRICS_CONFIG_DEF),
    ConfigResourceType.GROUP: (_group, GROUP_CONFIG_DEF),
}
