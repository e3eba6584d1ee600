"""The dynamic configurations of topics, brokers, groups and client metrics, as they were set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord


class ConfigResourceType(IntEnum):
    """The kinds of resources that have configurations, by Kafka's numbers."""

    UNKNOWN = 0
    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigResource(NamedTuple):
    """A resource; a BROKER without a name stands for the default of all brokers."""

    type: int
    name: str


CLUSTER_DEFAULT = ConfigResource(ConfigResourceType.BROKER, "")
_NOTHING: Mapping[str, str] = {}


class ConfigurationsImage:
    """What was set, by resource. Resources with nothing set are left out."""

    __slots__ = ("by_resource",)

    def __init__(self) -> None:
        self.by_resource: dict[ConfigResource, dict[str, str]] = {}

    def copy(self) -> ConfigurationsImage:
        image = ConfigurationsImage()
        image.by_resource = {resource: configs.copy() for resource, configs in self.by_resource.items()}
        return image

    def configs(self, resource: ConfigResource) -> Mapping[str, str]:
        """What was set on a resource (not to be changed by the caller)."""
        return self.by_resource.get(resource, _NOTHING)

    def topic_configs(self, name: str) -> Mapping[str, str]:
        return self.by_resource.get(ConfigResource(ConfigResourceType.TOPIC, name), _NOTHING)

    def resources(self, resource_type: int) -> list[str]:
        """The names of the resources of a type that have something set."""
        return [resource.name for resource in self.by_resource if resource.type == resource_type]

    def replay(self, record: ConfigRecord) -> None:
        resource = ConfigResource(record.resource_type, record.resource_name)
        if record.value is not None:
            self.by_resource.setdefault(resource, {})[record.name] = record.value
            return
        configs = self.by_resource.get(resource)
        if configs is not None:
            configs.pop(record.name, None)
            if not configs:
                del self.by_resource[resource]

    def remove_topic(self, name: str) -> None:
        self.by_resource.pop(ConfigResource(ConfigResourceType.TOPIC, name), None)

    def to_records(self) -> Iterator[MetadataRecord]:
        for resource, configs in self.by_resource.items():
            for name, value in configs.items():
                yield ConfigRecord(resource_type=resource.type, resource_name=resource.name, name=name, value=value)
