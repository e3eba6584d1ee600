"""The numbers that the group coordinator goes by; their properties' names stand beside them."""

from __future__ import annotations

from typing import Final, NamedTuple

NEW_MEMBER_JOIN_TIMEOUT_MS: Final = 5 * 60 * 1000
"""How long a member that does not know its id yet is waited for; fixed in Apache Kafka."""


class GroupCoordinatorConfig(NamedTuple):
    """Settings of the group coordinator, with Apache Kafka's defaults."""

    initial_rebalance_delay_ms: int = 3000  # group.initial.rebalance.delay.ms
    max_size: int = 2**31 - 1  # group.max.size
    min_session_timeout_ms: int = 6000  # group.min.session.timeout.ms
    max_session_timeout_ms: int = 1_800_000  # group.max.session.timeout.ms
    offset_metadata_max_size: int = 4096  # offset.metadata.max.bytes
    offsets_retention_ms: int = 10080 * 60_000  # offsets.retention.minutes
    offsets_retention_check_interval_ms: int = 600_000  # offsets.retention.check.interval.ms
    consumer_group_max_size: int = 2**31 - 1  # group.consumer.max.size
    consumer_group_assignors: tuple[str, ...] = ("uniform", "range")  # group.consumer.assignors
    consumer_group_migration_policy: str = "bidirectional"  # group.consumer.migration.policy
    share_group_max_size: int = 200  # group.share.max.size
    share_group_initialize_retry_interval_ms: int = 30_000  # group.share.initialize.retry.interval.ms
    streams_group_max_size: int = 2**31 - 1  # group.streams.max.size
    consumer_group_regex_refresh_interval_ms: int = 600_000  # group.consumer.regex.refresh.interval.ms
