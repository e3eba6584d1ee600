"""Decides on requests that change configurations: which records make a change, or why it cannot be made.

First what Apache Kafka's broker checks before it forwards a change (ConfigAdminManager), then what its controller
checks (ControllerConfigurationValidator here, ConfigurationControlManager in metadata/configuration_control.py). A
resource's changes are made all or none. Nothing is changed here: that is done by the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF
from kafkalite.config.broker_config_rules import UnmetRequirementError
from kafkalite.config.client_metrics_config import validate_client_metrics_overrides
from kafkalite.config.config_def import ConfigKey
from kafkalite.config.config_value import LIST, ConfigException
from kafkalite.config.group_config import validate_group_overrides
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF, validate_topic_overrides
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configuration_control import (
    OPERATIONS,
    AlterConfigOpType,
    ConfigChange,
    changed_list,
    incremental_alter_config,
    legacy_alter_config,
)
from kafkalite.metadata.configurations_image import ConfigResource, ConfigResourceType
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.topic_name import validate_topic_name
from kafkalite.protocol.metadata_record import MetadataRecord

_STORED_TYPES: Final = (
    ConfigResourceType.TOPIC,
    ConfigResourceType.BROKER,
    ConfigResourceType.CLIENT_METRICS,
    ConfigResourceType.GROUP,
)


class ConfigAdminManager:
    """Makes the records of the changes that clients ask for; raises KafkaError for those that are refused."""

    def __init__(self, image: MetadataImage, config: BrokerConfig) -> None:
        self._image = image
        self._config = config

    def check_incremental(self, resource: ConfigResource, changes: Sequence[ConfigChange]) -> None:
        """What the broker checks of a resource before the controller hears of it."""
        check_changes(changes)
        self._check_resource(resource)
        if resource.type == ConfigResourceType.BROKER:
            for change in changes:
                if change.operation not in OPERATIONS:
                    raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown operations type {change.operation}")
            usable = self._config.dynamic_overrides if resource.name else self._config.dynamic_defaults
            self._check_broker(resource, _foreseen(usable, changes))

    def incremental_alter(self, resource: ConfigResource, changes: Sequence[ConfigChange]) -> list[MetadataRecord]:
        """The records that change single properties of a resource that has been checked.

        Raises UnknownOperationError too: then no resource of the request may be changed.
        """
        by_name = {change.name: change for change in changes}
        # Of several mistakes the first is told of: the order is that of Apache Kafka's HashMap.
        ordered = [by_name[name] for name in hash_map_order(by_name)]
        return incremental_alter_config(self._image, resource, ordered, self._validate, key_of=_key_of)

    def alter(self, resource: ConfigResource, configs: Sequence[tuple[str, str | None]]) -> list[MetadataRecord]:
        """The records after which a resource has just these properties."""
        check_changes([ConfigChange(name, AlterConfigOpType.SET, value) for name, value in configs])
        self._check_resource(resource)
        if resource.type == ConfigResourceType.BROKER:
            self._check_broker(resource, {name: value or "" for name, value in configs})
        return legacy_alter_config(self._image, resource, dict(configs), self._validate)

    def _check_resource(self, resource: ConfigResource) -> None:
        if resource.type not in _STORED_TYPES:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource.type}")
        if resource.type == ConfigResourceType.BROKER and resource.name:
            node_id = parse_node_id(resource.name, "Node")
            if node_id != self._config.node_id:
                raise KafkaError(
                    ErrorCode.INVALID_REQUEST,
                    f"Unexpected broker id, expected {self._config.node_id}, but received {resource.name}",
                )

    def _check_broker(self, resource: ConfigResource, wanted: Mapping[str, str]) -> None:
        """Whether this broker could run with what it would have."""
        try:
            self._config.validate_dynamic(wanted, for_all_brokers=not resource.name)
        except UnmetRequirementError as error:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"requirement failed: {error}") from None
        except ConfigException as error:
            raise KafkaError(ErrorCode.INVALID_REQUEST, str(error)) from None

    def _validate(self, resource: ConfigResource, configs: Mapping[str, str], existing: Mapping[str, str]) -> None:
        """Whether a resource may have just these properties, and whether there is such a resource."""
        if resource.type == ConfigResourceType.TOPIC:
            if not resource.name:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
            validate_topic_name(resource.name)
            validate_topic_overrides(
                configs,
                self._config.topic_defaults,
                existing=existing,
                is_remote_storage_enabled=self._config["remote.log.storage.system.enable"],
            )
            if resource.name not in self._image.topics.by_name:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{resource.name}' does not exist.")
        elif resource.type == ConfigResourceType.CLIENT_METRICS:
            validate_client_metrics_overrides(resource.name, configs)
        elif resource.type == ConfigResourceType.GROUP:
            if not resource.name:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Default group resources are not allowed.")
            validate_group_overrides(configs, self._config.values)


def check_changes(changes: Sequence[ConfigChange]) -> None:
    """Raises KafkaError(INVALID_REQUEST) where a property is changed twice, or set to nothing."""
    if len({change.name for change in changes}) != len(changes):
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
    without_value = [
        change.name for change in changes if change.value is None and change.operation != AlterConfigOpType.DELETE
    ]
    if without_value:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {', '.join(without_value)}")


def parse_node_id(name: str, what: str) -> int:
    """A resource's name as a number; raises KafkaError(INVALID_REQUEST). `what` is how the text calls it."""
    digits = name[1:] if name[:1] in ("+", "-") else name
    if not (digits.isascii() and digits.isdigit() and -(2**31) <= int(name) < 2**31):
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{what} id must be an integer, but it is: {name}")
    return int(name)


def _key_of(resource_type: int, name: str) -> ConfigKey | None:
    """The definition by which a list is recognised; lists of groups and subscriptions are set as a whole."""
    if resource_type == ConfigResourceType.TOPIC:
        return TOPIC_CONFIG_DEF.keys.get(name)
    return BROKER_CONFIG_DEF.keys.get(name) if resource_type == ConfigResourceType.BROKER else None


def _foreseen(existing: Mapping[str, str], changes: Sequence[ConfigChange]) -> dict[str, str]:
    """A broker's properties after changes, as the broker itself foresees them."""
    resulting = dict(existing)
    for name, operation, value in changes:
        if operation == AlterConfigOpType.DELETE:
            resulting.pop(name, None)
        elif operation == AlterConfigOpType.SET:
            resulting[name] = value or ""
        else:
            resulting[name] = _foreseen_list(name, operation, value or "", existing.get(name))
    return resulting


def _foreseen_list(name: str, operation: int, value: str, current: str | None) -> str:
    key = BROKER_CONFIG_DEF.keys.get(name)
    if key is None:
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown config name: {name}")
    if key.type is not LIST:
        verb = "append" if operation == AlterConfigOpType.APPEND else "subtract"
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Config value {verb} is not allowed for config key: {name}")
    return changed_list(key, operation, value, current)
