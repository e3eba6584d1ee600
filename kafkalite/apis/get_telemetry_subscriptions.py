"""GetTelemetrySubscriptions: which metrics a client is asked for, and how often (KIP-714).

Answered by whoever asks; announced by ApiVersions only where a reporter takes what clients push, as in Apache Kafka.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.client_metrics_manager import ACCEPTED_COMPRESSION_TYPES
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import KafkaError
from kafkalite.protocol.messages.get_telemetry_subscriptions import (
    GetTelemetrySubscriptionsRequest,
    GetTelemetrySubscriptionsResponse,
)


@serves(GetTelemetrySubscriptionsRequest)
def get_telemetry_subscriptions(
    context: RequestContext, request: GetTelemetrySubscriptionsRequest
) -> GetTelemetrySubscriptionsResponse:
    broker = context.broker
    try:
        instance = broker.client_metrics.get_subscription(request.client_instance_id, context, broker.clock.steady_ms())
    except KafkaError as error:
        return GetTelemetrySubscriptionsResponse(error_code=error.error)
    return GetTelemetrySubscriptionsResponse(
        client_instance_id=instance.client_instance_id,
        subscription_id=instance.subscription_id,
        accepted_compression_types=list(ACCEPTED_COMPRESSION_TYPES),
        push_interval_ms=instance.push_interval_ms,
        telemetry_max_bytes=broker.config["telemetry.max.bytes"],
        delta_temporality=True,
        requested_metrics=list(instance.metrics),
    )
