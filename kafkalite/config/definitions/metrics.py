"""Metrics and client telemetry.

Apache Kafka's MetricConfigs.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, LOW, ConfigKey
from kafkalite.config.config_value import INT, LIST, LONG, STRING
from kafkalite.config.units import MIB, SECOND_MS
from kafkalite.config.validators import at_least, list_of

CLIENT_TELEMETRY_REPORTER: Final = "kafkalite.ClientTelemetry"
"""The reporter that is built in: it keeps what clients push in a topic."""

KEYS: Final = (
    ConfigKey("metrics.num.samples", INT, 2, LOW, at_least(1)),
    ConfigKey("metrics.sample.window.ms", LONG, 30 * SECOND_MS, LOW, at_least(1)),
    ConfigKey("metric.reporters", LIST, ("org.apache.kafka.common.metrics.JmxReporter",), LOW, list_of(), CLUSTER_WIDE),
    ConfigKey("metrics.recording.level", STRING, "INFO", LOW),
    ConfigKey("kafka.metrics.reporters", LIST, (), LOW, list_of()),
    ConfigKey("kafka.metrics.polling.interval.secs", INT, 10, LOW, at_least(1)),
    ConfigKey("telemetry.max.bytes", INT, MIB, LOW, at_least(1)),
)
