"""The configuration of one topic: its own overrides over the broker's defaults, as attributes cheap to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kafkalite.config.config_def import ConfigDef
from kafkalite.config.config_value import ConfigException, ConfigValue
from kafkalite.config.definitions import topic
from kafkalite.config.units import HOUR_MS, MINUTE_MS

TOPIC_CONFIG_DEF: Final = ConfigDef(topic.KEYS)

TOPIC_CONFIG_SYNONYMS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "cleanup.policy": (("log.cleanup.policy", 1),),
    "compression.gzip.level": (("compression.gzip.level", 1),),
    "compression.lz4.level": (("compression.lz4.level", 1),),
    "compression.type": (("compression.type", 1),),
    "compression.zstd.level": (("compression.zstd.level", 1),),
    "delete.retention.ms": (("log.cleaner.delete.retention.ms", 1),),
    "file.delete.delay.ms": (("log.segment.delete.delay.ms", 1),),
    "flush.messages": (("log.flush.interval.messages", 1),),
    "flush.ms": (("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)),
    "index.interval.bytes": (("log.index.interval.bytes", 1),),
    "local.retention.bytes": (("log.local.retention.bytes", 1),),
    "local.retention.ms": (("log.local.retention.ms", 1),),
    "max.compaction.lag.ms": (("log.cleaner.max.compaction.lag.ms", 1),),
    "max.decompressed.message.bytes": (("max.decompressed.message.bytes", 1),),
    "max.message.bytes": (("message.max.bytes", 1),),
    "message.timestamp.after.max.ms": (("log.message.timestamp.after.max.ms", 1),),
    "message.timestamp.before.max.ms": (("log.message.timestamp.before.max.ms", 1),),
    "message.timestamp.type": (("log.message.timestamp.type", 1),),
    "min.cleanable.dirty.ratio": (("log.cleaner.min.cleanable.ratio", 1),),
    "min.compaction.lag.ms": (("log.cleaner.min.compaction.lag.ms", 1),),
    "min.insync.replicas": (("min.insync.replicas", 1),),
    "preallocate": (("log.preallocate", 1),),
    "remote.copy.lag.bytes": (("log.remote.copy.lag.bytes", 1),),
    "remote.copy.lag.ms": (("log.remote.copy.lag.ms", 1),),
    "retention.bytes": (("log.retention.bytes", 1),),
    "retention.ms": (("log.retention.ms", 1), ("log.retention.minutes", MINUTE_MS), ("log.retention.hours", HOUR_MS)),
    "segment.bytes": (("log.segment.bytes", 1),),
    "segment.index.bytes": (("log.index.size.max.bytes", 1),),
    "segment.jitter.ms": (("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR_MS)),
    "segment.ms": (("log.roll.ms", 1), ("log.roll.hours", HOUR_MS)),
    "unclean.leader.election.enable": (("unclean.leader.election.enable", 1),),
}
"""Topic property -> the broker's properties that are its default, each with its unit in ms; the first set counts."""


class TopicConfig:
    """What a log obeys. Made anew when a property changes, never changed."""

    __slots__ = (
        *(name.replace(".", "_") for name in TOPIC_CONFIG_DEF.keys),
        "is_compacted",
        "is_deleted",
        "max_segment_ms",
        "overrides",
    )

    cleanup_policy: tuple[str, ...]
    compression_gzip_level: int
    compression_lz4_level: int
    compression_type: str
    compression_zstd_level: int
    delete_retention_ms: int
    errors_deadletterqueue_group_enable: bool
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    follower_replication_throttled_replicas: tuple[str, ...]
    index_interval_bytes: int
    internal_segment_bytes: int | None
    leader_replication_throttled_replicas: tuple[str, ...]
    local_retention_bytes: int
    local_retention_ms: int
    max_compaction_lag_ms: int
    max_decompressed_message_bytes: int
    max_message_bytes: int
    message_timestamp_after_max_ms: int
    message_timestamp_before_max_ms: int
    message_timestamp_type: str
    min_cleanable_dirty_ratio: float
    min_compaction_lag_ms: int
    min_insync_replicas: int
    preallocate: bool
    remote_copy_lag_bytes: int
    remote_copy_lag_ms: int
    remote_log_copy_disable: bool
    remote_log_delete_on_disable: bool
    remote_storage_enable: bool
    retention_bytes: int
    retention_ms: int
    segment_bytes: int
    segment_index_bytes: int
    segment_jitter_ms: int
    segment_ms: int
    unclean_leader_election_enable: bool

    def __init__(
        self, overrides: Mapping[str, str] | None = None, defaults: Mapping[str, ConfigValue] | None = None
    ) -> None:
        """`defaults` are the broker's (`BrokerConfig.topic_defaults`); raises ConfigException for a bad override."""
        self.overrides: Mapping[str, str] = dict(overrides or {})
        """The topic's own properties, as they are stored."""
        defaults = defaults or {}
        for name, key in TOPIC_CONFIG_DEF.keys.items():
            text = self.overrides.get(name)
            value = defaults.get(name, key.default) if text is None else key.parse(text)
            setattr(self, name.replace(".", "_"), value)
        if self.internal_segment_bytes is not None:
            self.segment_bytes = self.internal_segment_bytes
        self.is_compacted = "compact" in self.cleanup_policy
        self.is_deleted = "delete" in self.cleanup_policy
        """Whether retention by time and size applies."""
        self.max_segment_ms = self.segment_ms
        if self.is_compacted and self.max_compaction_lag_ms > 0:
            self.max_segment_ms = min(self.segment_ms, self.max_compaction_lag_ms)

    @classmethod
    def of_stored(
        cls, overrides: Mapping[str, str], defaults: Mapping[str, ConfigValue] | None = None
    ) -> tuple[TopicConfig, list[str]]:
        """The configuration of overrides that another version may have written, and one line for each unusable one."""
        usable = {}
        complaints = []
        for name, text in overrides.items():
            key = TOPIC_CONFIG_DEF.keys.get(name)
            try:
                if key is None:
                    raise ConfigException(f"Unknown topic config name: {name}")
                key.parse(text)
            except ConfigException as error:
                complaints.append(str(error))
            else:
                usable[name] = text
        return cls(usable, defaults), complaints

    def __getitem__(self, name: str) -> ConfigValue:
        """The value of a property by its name, `config["retention.ms"]`."""
        if name not in TOPIC_CONFIG_DEF.keys:
            raise KeyError(name)
        return getattr(self, name.replace(".", "_"))


_CHECK_ORDER: Final = (
    "segment.bytes",
    "segment.ms",
    "segment.jitter.ms",
    "segment.index.bytes",
    "flush.messages",
    "flush.ms",
    "retention.bytes",
    "retention.ms",
    "max.message.bytes",
    "max.decompressed.message.bytes",
    "index.interval.bytes",
    "delete.retention.ms",
    "min.compaction.lag.ms",
    "max.compaction.lag.ms",
    "file.delete.delay.ms",
    "min.cleanable.dirty.ratio",
    "cleanup.policy",
    "unclean.leader.election.enable",
    "min.insync.replicas",
    "compression.type",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "preallocate",
    "message.timestamp.type",
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
    "remote.storage.enable",
    "local.retention.ms",
    "local.retention.bytes",
    "remote.log.copy.disable",
    "remote.copy.lag.ms",
    "remote.copy.lag.bytes",
    "remote.log.delete.on.disable",
    "errors.deadletterqueue.group.enable",
    "internal.segment.bytes",
)
"""The order in which Apache Kafka looks at properties: of several that are wrong, the first is told of."""


def validate_topic_overrides(
    overrides: Mapping[str, str],
    defaults: Mapping[str, ConfigValue] | None = None,
    *,
    existing: Mapping[str, str] | None = None,
    is_remote_storage_enabled: bool = False,
) -> None:
    """Whether a topic that had `existing` may have `overrides`, all of them together; raises ConfigException."""
    if not overrides.keys() <= TOPIC_CONFIG_DEF.keys.keys():
        from kafkalite.java_hash_map import string_map_order

        first = next(name for name in string_map_order(overrides) if name not in TOPIC_CONFIG_DEF.keys)
        raise ConfigException(f"Unknown topic config name: {first}")
    for name in _CHECK_ORDER:
        if name in overrides:
            TOPIC_CONFIG_DEF.keys[name].parse(overrides[name])
    config = TopicConfig(overrides, defaults)
    if config.min_compaction_lag_ms > config.max_compaction_lag_ms:
        raise ConfigException(
            f"conflict topic config setting min.compaction.lag.ms ({config.min_compaction_lag_ms})"
            f" > max.compaction.lag.ms ({config.max_compaction_lag_ms})"
        )
    if config.remote_storage_enable and not is_remote_storage_enabled:
        raise ConfigException(
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )
    was_remote = (existing or {}).get("remote.storage.enable", "false").lower() == "true"
    if was_remote and not config.remote_storage_enable and not config.remote_log_delete_on_disable:
        raise ConfigException(
            "It is invalid to disable remote storage without deleting remote data. "
            "If you want to keep the remote data and turn to read only, please set "
            "`remote.storage.enable=true,remote.log.copy.disable=true`. "
            "If you want to disable remote storage and delete all remote data, please set "
            "`remote.storage.enable=false,remote.log.delete.on.disable=true`."
        )
