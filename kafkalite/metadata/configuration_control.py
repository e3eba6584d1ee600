"""Decides on changes of configurations: which records make them, or why they cannot be.

The rules and texts are those of Apache Kafka's ConfigAdminManager (what a broker checks) and
ConfigurationControlManager (what a controller checks), in this order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from kafkalite.config.broker_config import BROKER_CONFIG_DEF, BrokerConfig
from kafkalite.config.broker_config_rules import UnmetRequirementError
from kafkalite.config.client_metrics_config import validate_client_metrics_overrides
from kafkalite.config.config_def import NO_DEFAULT, ConfigKey
from kafkalite.config.config_value import LIST, ConfigException
from kafkalite.config.group_config import validate_group_overrides
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF, validate_topic_overrides
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configurations_image import ConfigResource, ConfigResourceType
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.topic_name import validate_topic_name
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import ClearElrRecord

MAX_VALUE_LENGTH: Final = 32767

_STARTUP_ONLY: Final = ("listeners", "listener.security.protocol.map")


class AlterOperation(IntEnum):
    """What an incremental change does to a property, as IncrementalAlterConfigs numbers it."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Alteration(NamedTuple):
    """A change of one property. `operation` may be a number that is no AlterOperation."""

    name: str
    operation: int
    value: str | None


class ConfigurationControl:
    """Makes the records of changes; changes nothing itself. A resource's changes are made all or none."""

    def __init__(self, image: MetadataImage, config: BrokerConfig) -> None:
        self._image = image
        self._config = config

    def incremental_alter(self, resource: ConfigResource, alterations: Sequence[Alteration]) -> list[MetadataRecord]:
        """The records that change single properties of a resource; raises KafkaError."""
        check_alterations(alterations)
        self._check_resource(resource)
        for alteration in alterations:
            if alteration.operation not in AlterOperation.__members__.values():
                raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown operations type {alteration.operation}")
        existing = self._image.configs.configs(resource)
        if resource.type == ConfigResourceType.BROKER:
            usable = self._config.dynamic_overrides if resource.name else self._config.dynamic_defaults
            self._check_broker(resource, _apply_to_broker(usable, alterations))
        altered = {
            alteration.name: _new_value(resource, alteration, existing.get(alteration.name))
            for alteration in alterations
        }
        return self._records(resource, altered, removed=())

    def alter(self, resource: ConfigResource, configs: Sequence[tuple[str, str | None]]) -> list[MetadataRecord]:
        """The records after which a resource has just these properties; raises KafkaError."""
        check_alterations([Alteration(name, AlterOperation.SET, value) for name, value in configs])
        if resource.type == ConfigResourceType.BROKER_LOGGER:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource.type}")
        self._check_resource(resource)
        wanted = {name: value for name, value in configs if value is not None}
        if resource.type == ConfigResourceType.BROKER:
            self._check_broker(resource, wanted)
        existing = self._image.configs.configs(resource)
        return self._records(resource, dict(wanted), removed=[name for name in existing if name not in wanted])

    def _check_resource(self, resource: ConfigResource) -> None:
        if resource.type not in (
            ConfigResourceType.TOPIC,
            ConfigResourceType.BROKER,
            ConfigResourceType.CLIENT_METRICS,
            ConfigResourceType.GROUP,
        ):
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
        existing = self._image.configs.configs(resource)
        for name in _STARTUP_ONLY:
            if wanted.get(name) != existing.get(name):
                raise KafkaError(
                    ErrorCode.INVALID_REQUEST,
                    f"{name} cannot be changed while the broker runs; change it in the configuration file",
                )

    def _records(
        self, resource: ConfigResource, altered: Mapping[str, str | None], removed: Collection[str]
    ) -> list[MetadataRecord]:
        existing = self._image.configs.configs(resource)
        is_broker = resource.type == ConfigResourceType.BROKER
        records = [
            _record(resource, name, value)
            for name, value in altered.items()
            if is_broker or existing.get(name) != value  # a broker may have to read a file anew
        ]
        resulting = dict(existing)
        for record in records:
            self._check_eligible_leader_replicas(resource, record.name, record.value)
            if record.value is None:
                resulting.pop(record.name, None)
            elif len(record.value) > MAX_VALUE_LENGTH:
                raise KafkaError(
                    ErrorCode.INVALID_CONFIG,
                    "The configuration value cannot be added because it exceeds the maximum value size of "
                    f"{MAX_VALUE_LENGTH} bytes.",
                )
            else:
                resulting[record.name] = record.value
        for name in removed:
            self._check_eligible_leader_replicas(resource, name, None)
            resulting.pop(name, None)
        self._validate(resource, resulting)
        records += [_record(resource, name, None) for name in removed]
        return [*records, *self._clear_elr_records(records)]

    def _validate(self, resource: ConfigResource, resulting: Mapping[str, str]) -> None:
        """Whether a resource may have just these properties, and whether there is such a resource."""
        try:
            if resource.type == ConfigResourceType.TOPIC:
                if not resource.name:
                    raise KafkaError(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
                validate_topic_name(resource.name)
                validate_topic_overrides(
                    resulting,
                    self._config.topic_defaults,
                    existing=self._image.configs.configs(resource),
                    is_remote_storage_enabled=self._config["remote.log.storage.system.enable"],
                )
                if resource.name not in self._image.topics.by_name:
                    raise KafkaError(
                        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{resource.name}' does not exist."
                    )
            elif resource.type == ConfigResourceType.CLIENT_METRICS:
                validate_client_metrics_overrides(resource.name, resulting)
            elif resource.type == ConfigResourceType.GROUP:
                if not resource.name:
                    raise KafkaError(ErrorCode.INVALID_REQUEST, "Default group resources are not allowed.")
                validate_group_overrides(resulting, self._config.values)
        except ConfigException as error:
            raise KafkaError(ErrorCode.INVALID_CONFIG, str(error)) from None

    def _check_eligible_leader_replicas(self, resource: ConfigResource, name: str, value: str | None) -> None:
        """Where there are eligible leader replicas (KIP-966) min.insync.replicas is not a single broker's affair."""
        if name != "min.insync.replicas" or resource.type != ConfigResourceType.BROKER:
            return
        if not self._image.features.is_elr_enabled:
            return
        if resource.name:
            raise KafkaError(
                ErrorCode.INVALID_CONFIG, "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
            )
        if value is None:
            raise KafkaError(
                ErrorCode.INVALID_CONFIG, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
            )

    def _clear_elr_records(self, records: Sequence[ConfigRecord]) -> list[MetadataRecord]:
        """What a change of min.insync.replicas brings with it: eligible leader replicas are chosen anew."""
        if not self._image.features.is_elr_enabled:
            return []
        return [
            ClearElrRecord(topic_name=record.resource_name if record.resource_type == ConfigResourceType.TOPIC else "")
            for record in records
            if record.name == "min.insync.replicas"
        ]


def check_alterations(alterations: Sequence[Alteration]) -> None:
    """Raises KafkaError(INVALID_REQUEST) where a property is changed twice, or set to nothing."""
    if len({alteration.name for alteration in alterations}) != len(alterations):
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
    without_value = [
        alteration.name
        for alteration in alterations
        if alteration.value is None and alteration.operation != AlterOperation.DELETE
    ]
    if without_value:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {', '.join(without_value)}")


def parse_node_id(name: str, what: str) -> int:
    """A resource's name as a number; raises KafkaError(INVALID_REQUEST). `what` is how the text calls it."""
    digits = name[1:] if name[:1] in ("+", "-") else name
    if not (digits.isascii() and digits.isdigit() and -(2**31) <= int(name) < 2**31):
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{what} id must be an integer, but it is: {name}")
    return int(name)


def _record(resource: ConfigResource, name: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=resource.type, resource_name=resource.name, name=name, value=value)


def _apply_to_broker(existing: Mapping[str, str], alterations: Sequence[Alteration]) -> dict[str, str]:
    """A broker's properties after changes, as the broker itself foresees them."""
    resulting = dict(existing)
    for name, operation, value in alterations:
        if operation == AlterOperation.DELETE:
            resulting.pop(name, None)
        elif operation == AlterOperation.SET:
            resulting[name] = value or ""
        else:
            key = BROKER_CONFIG_DEF.keys.get(name)
            verb = "append" if operation == AlterOperation.APPEND else "subtract"
            if key is None:
                raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown config name: {name}")
            if key.type is not LIST:
                raise KafkaError(ErrorCode.INVALID_CONFIG, f"Config value {verb} is not allowed for config key: {name}")
            resulting[name] = _changed_list(key, operation, value or "", existing.get(name))
    return resulting


def _new_value(resource: ConfigResource, alteration: Alteration, current: str | None) -> str | None:
    """The text that a property will have; None: none of its own."""
    name, operation, value = alteration
    if operation == AlterOperation.DELETE:
        return None
    if operation == AlterOperation.SET:
        return value
    if resource.type == ConfigResourceType.TOPIC:
        key = TOPIC_CONFIG_DEF.keys.get(name)
    elif resource.type == ConfigResourceType.BROKER:
        key = BROKER_CONFIG_DEF.keys.get(name)
    else:
        key = None  # as in Apache Kafka, lists of groups and subscriptions are set as a whole
    if key is None or key.type is not LIST:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Can't {AlterOperation(operation).name} to key {name} because its type is not LIST.",
        )
    return _changed_list(key, operation, value or "", current)


def _changed_list(key: ConfigKey, operation: int, value: str, current: str | None) -> str:
    """A list's text with the elements of `value` added where they are missing, or taken away."""
    if current is not None:
        elements = [element for element in current.split(",") if element]
    else:
        elements = [] if key.default is NO_DEFAULT or key.default is None else list(key.default)
    for element in _split(value):
        if operation == AlterOperation.APPEND:
            if element not in elements:
                elements.append(element)
        elif element in elements:
            elements.remove(element)
    return ",".join(elements)


def _split(text: str) -> list[str]:
    """As Java splits at commas: empty strings at the end are dropped, but the empty text is one empty string."""
    if not text:
        return [""]
    elements = text.split(",")
    while elements and not elements[-1]:
        elements.pop()
    return elements
