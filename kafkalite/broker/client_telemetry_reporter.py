"""Keeps the metrics that clients push in a topic, where any consumer can see them.

Switched on by naming it in `metric.reporters`. Apache Kafka has no reporter of this kind of its own: there a Java class
that implements ClientTelemetryExporterProvider is named in the same place. Each number is one record: its key is the
client's instance id, its value a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kafkalite.broker.auto_topic_creation import auto_create_topics
from kafkalite.broker.client_metrics_manager import ClientMetricsInstance
from kafkalite.errors import ErrorCode
from kafkalite.protocol.opentelemetry_metrics import MetricPoint, decode_metrics
from kafkalite.records.record import Record, encode_record
from kafkalite.records.record_batch import RECORD_BATCH_OVERHEAD, build_batch

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

CLIENT_TELEMETRY_TOPIC: Final = "client-telemetry"


def report_client_telemetry(broker: Broker, instance: ClientMetricsInstance, metrics: bytes) -> Awaitable[None] | None:
    """Appends what a client has pushed to the topic, which is made with the first of it.

    Raises KafkaError where these are no metrics, or they cannot be written.
    """
    points = decode_metrics(metrics)
    if CLIENT_TELEMETRY_TOPIC in broker.metadata.image.topics.by_name:
        _append(broker, instance.attributes, points)
        return None

    def write(failed: Mapping[str, ErrorCode]) -> None:
        _append(broker, instance.attributes, points)  # raises where the topic could not be made

    return auto_create_topics(broker, [CLIENT_TELEMETRY_TOPIC], write)


def _append(broker: Broker, client: Mapping[str, str | None], points: Sequence[MetricPoint]) -> None:
    log = broker.leader_log(CLIENT_TELEMETRY_TOPIC, 0)
    key = (client["client_instance_id"] or "").encode()
    now_ms = broker.clock.now_ms()
    batch: list[Record] = []
    size = RECORD_BATCH_OVERHEAD
    for point in points:
        value = json.dumps({**client, **point._asdict()}, separators=(",", ":")).encode()
        record_size = len(encode_record(len(batch), 0, key, value, []))
        if batch and size + record_size > log.config.max_message_bytes:
            log.append(build_batch(batch), now_ms=now_ms)
            batch, size = [], RECORD_BATCH_OVERHEAD
        batch.append(Record(len(batch), now_ms, key, value, []))
        size += record_size
    if batch:
        log.append(build_batch(batch), now_ms=now_ms)
