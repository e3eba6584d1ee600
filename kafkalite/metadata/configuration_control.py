"""The records by which configurations change, and which changes are refused (ConfigurationControlManager)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from kafkalite.config.config_def import ConfigKey
from kafkalite.config.config_value import LIST, ConfigException, to_text
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.configurations_image import ConfigResource, ConfigResourceType
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_elections import MIN_INSYNC_REPLICAS
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import ClearElrRecord

CORDONED_LOG_DIRS: Final = "cordoned.log.dirs"
MAX_VALUE_LENGTH: Final = 32767


class AlterConfigOpType(IntEnum):
    """What an incremental change does to a property."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


OPERATIONS: Final = frozenset(AlterConfigOpType)


class UnknownOperationError(KafkaError):
    """An incremental change does what nobody knows; Apache Kafka's controller fails over it as a whole."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.UNKNOWN_SERVER_ERROR)


class ConfigChange(NamedTuple):
    """One property of an incremental change."""

    name: str
    operation: int
    value: str | None


Validator = Callable[[ConfigResource, Mapping[str, str], Mapping[str, str]], None]
"""Checks all properties that a resource would have, given what it has now; raises KafkaError or ConfigException."""


def incremental_alter_config(
    image: MetadataImage,
    resource: ConfigResource,
    changes: Iterable[ConfigChange],
    validate: Validator,
    *,
    key_of: Callable[[int, str], ConfigKey | None],
) -> list[MetadataRecord]:
    """The records of one resource's changes, all or none; raises KafkaError.

    `key_of(resource type, name)` is the definition of a property, None if there is none.
    """
    current = image.configs.configs(resource)
    records: list[ConfigRecord] = []
    for change in changes:
        value = _changed_value(resource, change, current.get(change.name), key_of(resource.type, change.name))
        # An unchanged value of a broker is written again: brokers take it as a sign to look at its files anew.
        if value != current.get(change.name) or resource.type == ConfigResourceType.BROKER:
            records.append(_config_record(resource, change.name, value))
    _check(image, resource, records, validate)
    return [*records, *_clear_elr_records(image, records)]


def legacy_alter_config(
    image: MetadataImage, resource: ConfigResource, configs: Mapping[str, str | None], validate: Validator
) -> list[MetadataRecord]:
    """The records by which a resource has exactly `configs`; what is not named is removed. Raises KafkaError."""
    current = image.configs.configs(resource)
    altered = [
        _config_record(resource, name, value)
        for name, value in configs.items()
        if current.get(name) != value or resource.type == ConfigResourceType.BROKER
    ]
    removed = [_config_record(resource, name, None) for name in current if name not in configs]
    records = altered + removed
    _check(image, resource, records, validate)
    return [*records, *_clear_elr_records(image, records)]


def _changed_value(
    resource: ConfigResource, change: ConfigChange, current: str | None, key: ConfigKey | None
) -> str | None:
    if change.operation == AlterConfigOpType.SET:
        return change.value
    if change.operation == AlterConfigOpType.DELETE:
        return None
    if change.operation not in OPERATIONS:
        raise UnknownOperationError
    operation = AlterConfigOpType(change.operation)
    if key is None or key.type is not LIST:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Can't {operation.name} to key {change.name} because its type is not LIST.",
        )
    return changed_list(key, operation, change.value or "", current)


def changed_list(key: ConfigKey, operation: int, value: str, current: str | None) -> str:
    """A list with the elements of `value` added where they are missing (APPEND) or taken away (SUBTRACT).

    `value` is split as Java does it: empty strings at its end are dropped, but the empty text is one empty string.
    """
    if current is None and isinstance(key.default, tuple):
        current = to_text(key.default)
    parts = [part for part in (current or "").split(",") if part]
    for element in value.rstrip(",").split(",") if value.rstrip(",") or not value else ():
        if operation == AlterConfigOpType.APPEND:
            if element not in parts:
                parts.append(element)
        elif element in parts:
            parts.remove(element)
    return ",".join(parts)


def _config_record(resource: ConfigResource, name: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=resource.type, resource_name=resource.name, name=name, value=value)


def _check(
    image: MetadataImage, resource: ConfigResource, records: Sequence[ConfigRecord], validate: Validator
) -> None:
    current = image.configs.configs(resource)
    configs = dict(current)
    for record in records:
        reason = _reason_refused(image, record)
        if reason is not None:
            raise KafkaError(ErrorCode.INVALID_CONFIG, reason)
        if record.value is None:
            configs.pop(record.name, None)
        else:
            configs[record.name] = record.value
    try:
        validate(resource, configs, current)
    except ConfigException as error:
        raise KafkaError(ErrorCode.INVALID_CONFIG, str(error)) from None


def _reason_refused(image: MetadataImage, record: ConfigRecord) -> str | None:
    is_broker = record.resource_type == ConfigResourceType.BROKER
    if record.name == MIN_INSYNC_REPLICAS and is_broker and image.features.is_elr_enabled:
        if record.resource_name:
            return f"Broker-level {MIN_INSYNC_REPLICAS} cannot be altered while ELR is enabled."
        if record.value is None:
            return f"Cluster-level {MIN_INSYNC_REPLICAS} cannot be removed while ELR is enabled."
    if record.name == CORDONED_LOG_DIRS and is_broker:
        level = image.features.metadata_version_or_raise()
        if not versions.are_cordoned_log_dirs_supported(level):
            return (
                f"The {CORDONED_LOG_DIRS} configuration value cannot be set because it requires metadata.version >= "
                "4.3-IV0"
            )
    if record.value is not None and len(record.value) > MAX_VALUE_LENGTH:
        return (
            "The configuration value cannot be added because it exceeds the maximum value size of "
            f"{MAX_VALUE_LENGTH} bytes."
        )
    return None


def _clear_elr_records(image: MetadataImage, records: Sequence[ConfigRecord]) -> list[MetadataRecord]:
    """Who is eligible to lead depends on min.insync.replicas: when that changes the eligible replicas start anew."""
    if not image.features.is_elr_enabled:
        return []
    return [
        ClearElrRecord(topic_name=record.resource_name if record.resource_type == ConfigResourceType.TOPIC else "")
        for record in records
        if record.name == MIN_INSYNC_REPLICAS
    ]
