"""The configuration of one group: its own overrides over the broker's defaults, and the bounds the broker sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kafkalite.config.config_def import ConfigDef
from kafkalite.config.config_value import ConfigException, ConfigValue
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

# Group property -> the broker's properties that bound it, if it bounds it on that side.
_BOUNDS: Final[Mapping[str, tuple[str | None, str]]] = {
    "consumer.heartbeat.interval.ms": (
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    "consumer.session.timeout.ms": ("group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
    "consumer.assignment.interval.ms": (
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    "share.heartbeat.interval.ms": ("group.share.min.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"),
    "share.session.timeout.ms": ("group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"),
    "share.record.lock.duration.ms": (
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    "share.delivery.count.limit": ("group.share.min.delivery.count.limit", "group.share.max.delivery.count.limit"),
    "share.partition.max.record.locks": (
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    "share.assignment.interval.ms": (
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    "streams.heartbeat.interval.ms": (
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    "streams.session.timeout.ms": ("group.streams.min.session.timeout.ms", "group.streams.max.session.timeout.ms"),
    "streams.num.standby.replicas": (None, "group.streams.max.standby.replicas"),
    "streams.assignment.interval.ms": (
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
}


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
            if name in overrides and name in _BOUNDS:
                lower, upper = _BOUNDS[name]
                value = min(value, broker_values[upper])
                value = value if lower is None else max(value, broker_values[lower])
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
    values = group_values(overrides, broker_values)
    for name, (lower, upper) in _BOUNDS.items():
        if lower is not None and values[name] < broker_values[lower]:
            raise ConfigException(f"{name} must be greater than or equal to {lower}")
        if values[name] > broker_values[upper]:
            raise ConfigException(f"{name} must be less than or equal to {upper}")
    for kind in ("consumer", "share", "streams"):
        session, heartbeat = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
        if values[session] <= values[heartbeat]:
            raise ConfigException(f"{session} must be greater than {heartbeat}")
