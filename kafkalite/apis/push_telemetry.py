"""PushTelemetry: a client hands in the metrics that it was asked for (KIP-714).

Answered whoever asks; announced by ApiVersions only where a reporter takes what clients push, as in Apache Kafka.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.client_metrics_manager import ClientMetricsInstance
from kafkalite.broker.client_telemetry_reporter import report_client_telemetry
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.push_telemetry import PushTelemetryRequest, PushTelemetryResponse
from kafkalite.records.compression import decompress

_logger = logging.getLogger(__name__)


@serves(PushTelemetryRequest)
def push_telemetry(
    context: RequestContext, request: PushTelemetryRequest
) -> PushTelemetryResponse | Awaitable[PushTelemetryResponse]:
    broker = context.broker
    max_bytes = broker.config["telemetry.max.bytes"]
    try:
        instance = broker.client_metrics.check_push(request, context, max_bytes, broker.clock.steady_ms())
    except KafkaError as error:
        return PushTelemetryResponse(error_code=error.error)
    if not request.metrics:
        return PushTelemetryResponse()
    try:
        metrics = bytes(decompress(request.compression_type, request.metrics, max_size=max_bytes))
        if not broker.config.is_client_telemetry_reported:
            return PushTelemetryResponse()
        reported = report_client_telemetry(broker, instance, metrics)
    except KafkaError as error:
        return _not_reported(instance, error)
    return _when_reported(instance, reported) if inspect.isawaitable(reported) else PushTelemetryResponse()


async def _when_reported(instance: ClientMetricsInstance, reported: Awaitable[None]) -> PushTelemetryResponse:
    try:
        await reported
    except KafkaError as error:
        return _not_reported(instance, error)
    return PushTelemetryResponse()


def _not_reported(instance: ClientMetricsInstance, error: KafkaError) -> PushTelemetryResponse:
    _logger.warning("Metrics of client %s are lost: %s", instance.client_instance_id, error)
    instance.last_error = ErrorCode.INVALID_RECORD
    return PushTelemetryResponse(error_code=ErrorCode.INVALID_RECORD)
