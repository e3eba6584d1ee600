"""Which metrics clients are asked for, and who pushes them (KIP-714): Apache Kafka's ClientMetricsManager.

A client asks for its subscription: what all client metrics resources that match it want together. It comes back with
the metrics in the interval that it was told, no sooner, and names the subscription by its id; when the subscriptions
have changed the id is unknown, and it asks again. Nothing of this outlives the broker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from crc32c import crc32c

from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.request_context import RequestContext
from kafkalite.config.client_metrics_config import CLIENT_METRICS_CONFIG_DEF, parse_match
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.configurations_image import ConfigResource, ConfigResourceType, ConfigurationsImage
from kafkalite.protocol.messages.push_telemetry import PushTelemetryRequest
from kafkalite.records.compression import CompressionType

MAX_INSTANCES: Final = 16_384
MIN_EXPIRY_MS: Final = 60_000
ALL_METRICS: Final = "*"
ACCEPTED_COMPRESSION_TYPES: Final = (
    CompressionType.ZSTD, CompressionType.LZ4, CompressionType.GZIP, CompressionType.SNAPPY,
)  # fmt: skip
"""Best first."""

_DEFAULT_INTERVAL_MS: Final[int] = CLIENT_METRICS_CONFIG_DEF.keys["interval.ms"].default
_NEVER: Final = float("-inf")
_ASKS_AGAIN_AT_ONCE: Final = frozenset((ErrorCode.UNKNOWN_SUBSCRIPTION_ID, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE))


class ClientMetricsInstance:
    """A client that has asked for a subscription or pushed metrics, and what it is subscribed to."""

    __slots__ = (
        "attributes", "client_instance_id", "expires_at_ms", "is_terminating", "last_error", "last_get_ms",
        "last_push_ms", "metrics", "push_interval_ms", "subscription_id", "subscription_version",
    )  # fmt: skip

    def __init__(
        self, client_instance_id: Uuid, attributes: Mapping[str, str | None], metrics: Sequence[str],
        push_interval_ms: int, subscription_version: int,
    ) -> None:  # fmt: skip
        self.client_instance_id = client_instance_id
        self.attributes = attributes
        self.metrics = metrics
        self.push_interval_ms = push_interval_ms
        self.subscription_id = _subscription_id(client_instance_id, metrics, push_interval_ms)
        self.subscription_version = subscription_version
        self.last_get_ms = self.last_push_ms = self.expires_at_ms = _NEVER
        self.is_terminating = False
        self.last_error = ErrorCode.NONE

    def may_get(self, now_ms: int) -> bool:
        """Whether it is time to ask for the subscription again, which is noted."""
        if now_ms - max(self.last_get_ms, self.last_push_ms) < self.push_interval_ms:
            return False
        self.last_get_ms = now_ms
        return True

    def may_push(self, now_ms: int) -> bool:
        """Whether it is time to push, which is noted; the first push after a subscription may come at any time."""
        if self.last_get_ms <= self.last_push_ms and now_ms - self.last_push_ms < self.push_interval_ms:
            return False
        self.last_push_ms = now_ms
        return True


def _subscription_id(client_instance_id: Uuid, metrics: Sequence[str], push_interval_ms: int) -> int:
    """Apache Kafka's number: a checksum of the subscription as Java prints it, and the hash of the client's id."""
    text = f"[{', '.join(metrics)}]{push_interval_ms}"
    halves = int.from_bytes(client_instance_id[:8]) ^ int.from_bytes(client_instance_id[8:])
    number = crc32c(text.encode()) ^ (halves >> 32) ^ (halves & 0xFFFFFFFF)
    return number - (1 << 32) if number >> 31 else number


class ClientMetricsManager:
    """The instances of clients; times are those of a clock that only grows."""

    def __init__(self, configs: Callable[[], ConfigurationsImage]) -> None:
        self._configs = configs
        self._instances: OrderedDict[Uuid, ClientMetricsInstance] = OrderedDict()
        self._instances_of_connections: dict[RequestContext, Uuid] = {}
        self._subscriptions: list[dict[str, Any]] = []
        self._known_configs: dict[str, Mapping[str, str]] = {}
        self._version = 0

    @property
    def instance_count(self) -> int:
        return len(self._instances)

    def get_subscription(self, client_instance_id: Uuid, context: RequestContext, now_ms: int) -> ClientMetricsInstance:
        """The client's subscription; a client without an id is given one. Raises THROTTLING_QUOTA_EXCEEDED."""
        if client_instance_id == Uuid.ZERO:
            client_instance_id = random_uuid()
        instance = self._instance(client_instance_id, context, now_ms)
        if not instance.may_get(now_ms) and instance.last_error not in _ASKS_AGAIN_AT_ONCE:
            raise KafkaError(ErrorCode.THROTTLING_QUOTA_EXCEEDED)
        instance.last_error = ErrorCode.NONE
        return instance

    def check_push(
        self, request: PushTelemetryRequest, context: RequestContext, max_bytes: int, now_ms: int
    ) -> ClientMetricsInstance:
        """The client that pushes metrics, which may be taken. Raises KafkaError."""
        if request.client_instance_id in (Uuid.ZERO, Uuid.ONE):
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        instance = self._instance(request.client_instance_id, context, now_ms)
        error = _refusal(instance, request, max_bytes, now_ms)
        instance.is_terminating = request.terminating
        instance.last_error = error
        if error:
            raise KafkaError(error)
        return instance

    def _instance(self, client_instance_id: Uuid, context: RequestContext, now_ms: int) -> ClientMetricsInstance:
        self._read_subscriptions()
        instance = self._instances.get(client_instance_id)
        if instance is None or instance.expires_at_ms <= now_ms:
            instance = self._subscribe(client_instance_id, _attributes(client_instance_id, context))
            self._belongs_to(context, client_instance_id)
        elif instance.subscription_version < self._version:
            instance = self._subscribe(client_instance_id, instance.attributes)
            self._belongs_to(context, client_instance_id)
        self._instances.move_to_end(client_instance_id)
        instance.expires_at_ms = now_ms + max(MIN_EXPIRY_MS, 3 * instance.push_interval_ms)
        return instance

    def _subscribe(self, client_instance_id: Uuid, attributes: Mapping[str, str | None]) -> ClientMetricsInstance:
        metrics: list[str] = []
        interval_ms = _DEFAULT_INTERVAL_MS
        for subscription in self._subscriptions:
            patterns = subscription["match"]
            if all((value := attributes[name]) is not None and p.fullmatch(value) for name, p in patterns.items()):
                metrics += subscription["metrics"]
                interval_ms = min(interval_ms, subscription["interval.ms"])
        wanted = [ALL_METRICS] if ALL_METRICS in metrics else hash_map_order(metrics)
        instance = ClientMetricsInstance(client_instance_id, attributes, wanted, interval_ms, self._version)
        self._instances[client_instance_id] = instance
        if len(self._instances) > MAX_INSTANCES:
            self._instances.popitem(last=False)
        return instance

    def _read_subscriptions(self) -> None:
        image = self._configs()
        kind = ConfigResourceType.CLIENT_METRICS
        configs = {name: dict(image.configs(ConfigResource(kind, name))) for name in image.resources(kind)}
        if configs == self._known_configs:
            return
        self._known_configs = dict(configs)
        self._version += 1
        self._subscriptions = []
        for overrides in configs.values():
            values = CLIENT_METRICS_CONFIG_DEF.parse(overrides)
            self._subscriptions.append({**values, "match": parse_match(values["match"])})

    def _belongs_to(self, context: RequestContext, client_instance_id: Uuid) -> None:
        self._instances_of_connections[context] = client_instance_id
        context.watch_disconnect(self._on_disconnect)

    def _on_disconnect(self, context: RequestContext) -> None:
        client_instance_id = self._instances_of_connections.pop(context, None)
        if client_instance_id is not None:
            self._instances.pop(client_instance_id, None)


def _attributes(client_instance_id: Uuid, context: RequestContext) -> dict[str, str | None]:
    """What subscriptions may match."""
    return {
        "client_instance_id": str(client_instance_id),
        "client_id": context.client_id,
        "client_software_name": context.client_software_name,
        "client_software_version": context.client_software_version,
        "client_source_address": context.client_host,
        "client_source_port": str(context.client_port),
    }


def _refusal(instance: ClientMetricsInstance, request: PushTelemetryRequest, max_bytes: int, now_ms: int) -> ErrorCode:
    if instance.is_terminating:
        return ErrorCode.INVALID_REQUEST
    if not instance.may_push(now_ms) and not request.terminating:
        return ErrorCode.THROTTLING_QUOTA_EXCEEDED
    if request.subscription_id != instance.subscription_id:
        return ErrorCode.UNKNOWN_SUBSCRIPTION_ID
    if not CompressionType.NONE <= request.compression_type <= CompressionType.ZSTD:
        return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    if len(request.metrics) > max_bytes:
        return ErrorCode.TELEMETRY_TOO_LARGE
    return ErrorCode.NONE
