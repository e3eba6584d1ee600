"""The properties of a client metrics subscription (KIP-714).

Apache Kafka's ClientMetricsConfigs.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import MEDIUM, ConfigKey
from kafkalite.config.config_value import INT, LIST
from kafkalite.config.units import MINUTE_MS
from kafkalite.config.validators import list_of

KEYS: Final = (
    ConfigKey("interval.ms", INT, 5 * MINUTE_MS, MEDIUM),
    ConfigKey("match", LIST, (), MEDIUM, list_of()),
    ConfigKey("metrics", LIST, (), MEDIUM, list_of()),
)
