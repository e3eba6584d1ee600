"""The configuration of one group: its own overrides over the broker's defaults, and the bounds the broker sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kafkalite.config.config_def import ConfigDef
from kafkalite.config.config_value import ConfigException, ConfigValue, java_string
from kafkalite.config.definitions import group

GROUP_CONFIG_DEF: Final = ConfigDef(group.KEYS)

GROUP_CONFIG_SYNONYMS: Final[Mapping[str, str | None]] = {
    **{name: f"group.{name}" for name in GROUP_CONFIG_DEF.keys},
    "streams.assignor.name": "group.streams.assignors",
    "errors.deadletterqueue.copy.record.enable": None,
    "errors.deadletterqueue.topic.name": None,
    "share.auto.offset.reset": None,
    "share.isolation.level": None,
    "share.renew.acknowledge.enable": None,
}
"""Group property -> the broker's property that is its default, if there is one."""

# Group properties that the broker bounds: on both sides, from above only, from below only.
_RANGES: Final = (
    "consumer.heartbeat.interval.ms",
    "consumer.session.timeout.ms",
    "consumer.assignment.interval.ms",
    "share.heartbeat.interval.ms",
    "share.session.timeout.ms",
    "share.record.lock.duration.ms",
    "share.delivery.count.limit",
    "share.partition.max.record.locks",
    "share.assignment.interval.ms",
    "streams.heartbeat.interval.ms",
    "streams.session.timeout.ms",
    "streams.assignment.interval.ms",
)
_MAXIMA: Final = {
    "streams.num.standby.replicas": "group.streams.max.standby.replicas",
    "streams.num.warmup.replicas": "group.streams.max.warmup.replicas",
}
_MINIMA: Final = {"streams.task.offset.interval.ms": "group.streams.min.task.offset.interval.ms"}


def bounds(name: str, broker_values: Mapping[str, ConfigValue]) -> tuple[int | None, int | None]:
    """The least and the greatest value that the broker allows for a group property; None where it sets no bound."""
    if name in _RANGES:
        kind, _, rest = name.partition(".")
        return broker_values[f"group.{kind}.min.{rest}"], broker_values[f"group.{kind}.max.{rest}"]
    minimum = broker_values[_MINIMA[name]] if name in _MINIMA else None
    maximum = broker_values[_MAXIMA[name]] if name in _MAXIMA else None
    return minimum, maximum


class GroupConfig:
    """What a group obeys. Values set before the broker's bounds were narrowed are brought within them."""

    __slots__ = (*(name.replace(".", "_") for name in GROUP_CONFIG_DEF.keys), "overrides")

    consumer_assignment_interval_ms: int
    consumer_assignor_offload_enable: bool
    consumer_heartbeat_interval_ms: int
    consumer_session_timeout_ms: int
    errors_deadletterqueue_copy_record_enable: bool
    errors_deadletterqueue_topic_name: str
    share_assignment_interval_ms: int
    share_assignor_offload_enable: bool
    share_auto_offset_reset: str
    share_delivery_count_limit: int
    share_heartbeat_interval_ms: int
    share_isolation_level: str
    share_partition_max_record_locks: int
    share_record_lock_duration_ms: int
    share_renew_acknowledge_enable: bool
    share_session_timeout_ms: int
    streams_acceptable_recovery_lag: int
    streams_assignment_interval_ms: int
    streams_assignor_name: str | None
    streams_assignor_offload_enable: bool
    streams_heartbeat_interval_ms: int
    streams_initial_rebalance_delay_ms: int
    streams_num_standby_replicas: int
    streams_num_warmup_replicas: int
    streams_rack_aware_assignment_tags: tuple[str, ...]
    streams_session_timeout_ms: int
    streams_task_offset_interval_ms: int

    def __init__(self, overrides: Mapping[str, str], broker_values: Mapping[str, ConfigValue]) -> None:
        """`broker_values` are the broker's properties by name (`BrokerConfig.values`)."""
        self.overrides: Mapping[str, str] = dict(overrides)
        for name, value in group_values(overrides, broker_values).items():
            if name in overrides:
                minimum, maximum = bounds(name, broker_values)
                value = value if maximum is None else min(value, maximum)
                value = value if minimum is None else max(value, minimum)
            setattr(self, name.replace(".", "_"), value)

    def __getitem__(self, name: str) -> ConfigValue:
        """The value of a property by its name, `config["consumer.session.timeout.ms"]`."""
        if name not in GROUP_CONFIG_DEF.keys:
            raise KeyError(name)
        return getattr(self, name.replace(".", "_"))


def group_values(overrides: Mapping[str, str], broker_values: Mapping[str, ConfigValue]) -> dict[str, ConfigValue]:
    """The values of all group properties, unbounded; raises ConfigException for a bad override."""
    values = {}
    for name, key in GROUP_CONFIG_DEF.keys.items():
        text = overrides.get(name)
        synonym = GROUP_CONFIG_SYNONYMS[name]
        if text is not None:
            values[name] = key.parse(text)
        elif synonym is None:
            values[name] = key.default
        elif name == "streams.assignor.name":
            values[name] = next(iter(broker_values[synonym]), None)
        else:
            values[name] = broker_values[synonym]
    return values


def validate_group_overrides(overrides: Mapping[str, str], broker_values: Mapping[str, ConfigValue]) -> None:
    """Whether a group may have `overrides`, all of them together; raises ConfigException."""
    for name in overrides:
        if name not in GROUP_CONFIG_DEF.keys:
            raise ConfigException(f"Unknown group config name: {name}")
    tags = overrides.get("streams.rack.aware.assignment.tags", "").split(",")
    if len({tag.strip() for tag in tags}) != len(tags):
        raise ConfigException("streams.rack.aware.assignment.tags must not contain duplicate tag keys.")
    values = group_values(overrides, broker_values)
    for name in overrides:
        _check_bounds(name, values[name], *bounds(name, broker_values))
    assignor, assignors = values["streams.assignor.name"], broker_values["group.streams.assignors"]
    if "streams.assignor.name" in overrides and assignor not in assignors:
        raise ConfigException(
            f"streams.assignor.name '{assignor}' is not a registered task assignor. "
            f"Registered assignors are: {java_string(assignors)}."
        )
    for kind in ("consumer", "share", "streams"):
        session, heartbeat = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
        if values[session] <= values[heartbeat]:
            raise ConfigException(f"{session} must be greater than {heartbeat}")
    if values["errors.deadletterqueue.topic.name"].startswith("__"):
        raise ConfigException("errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'")


def _check_bounds(name: str, value: ConfigValue, minimum: int | None, maximum: int | None) -> None:
    if minimum is not None and maximum is not None:
        if not minimum <= value <= maximum:
            raise ConfigException(f"{name} must be in the range {minimum} to {maximum} inclusive.")
    elif minimum is not None and value < minimum:
        raise ConfigException(f"{name} must be greater than or equal to {minimum}")
    elif maximum is not None and value > maximum:
        raise ConfigException(f"{name} must be less than or equal to {maximum}")
