"""Quota windows and broker-wide throttles.

Apache Kafka's QuotaConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, LOW, MEDIUM, ConfigKey
from kafkalite.config.config_value import CLASS, INT, LONG
from kafkalite.config.units import MAX_LONG
from kafkalite.config.validators import at_least

KEYS: Final = (
    ConfigKey("quota.window.num", INT, 11, LOW, at_least(1)),
    ConfigKey("replication.quota.window.num", INT, 11, LOW, at_least(1)),
    ConfigKey("alter.log.dirs.replication.quota.window.num", INT, 11, LOW, at_least(1)),
    ConfigKey("controller.quota.window.num", INT, 11, LOW, at_least(1)),
    ConfigKey("quota.window.size.seconds", INT, 1, LOW, at_least(1)),
    ConfigKey("replication.quota.window.size.seconds", INT, 1, LOW, at_least(1)),
    ConfigKey("alter.log.dirs.replication.quota.window.size.seconds", INT, 1, LOW, at_least(1)),
    ConfigKey("controller.quota.window.size.seconds", INT, 1, LOW, at_least(1)),
    ConfigKey("client.quota.callback.class", CLASS, None, LOW),
)

DYNAMIC_KEYS: Final = (
    ConfigKey("follower.replication.throttled.rate", LONG, MAX_LONG, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("leader.replication.throttled.rate", LONG, MAX_LONG, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("replica.alter.log.dirs.io.max.bytes.per.second", LONG, MAX_LONG, MEDIUM, at_least(0), CLUSTER_WIDE),
)
"""Throttles that can be set only while the broker runs, never in its file."""
