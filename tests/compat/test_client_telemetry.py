"""Client telemetry (KIP-714), which Apache Kafka answers also where no reporter wants it and ApiVersions is silent."""

from __future__ import annotations

import time

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.get_telemetry_subscriptions import GetTelemetrySubscriptionsRequest
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.push_telemetry import PushTelemetryRequest
from kafkalite.records.compression import CompressionType, compress
from transcript import Compare, Side

CLIENT_METRICS = 16
INTERVAL_MS = 150


def get(side: Side, client_instance_id: bytes, label: str = "") -> int:
    """The id of the subscription, which follows from the client's and from what is asked for."""
    request = GetTelemetrySubscriptionsRequest(client_instance_id=Uuid(client_instance_id))
    return int(side.ask(request, 0, label=label).subscription_id)


def push(side: Side, client_instance_id: bytes, subscription_id: int, label: str, **facts: object) -> None:
    request = PushTelemetryRequest(
        client_instance_id=Uuid(client_instance_id), subscription_id=subscription_id, **facts
    )
    side.ask(request, 0, label=label)


def subscribe(side: Side, name: str, **configs: str | None) -> None:
    """Sets or, with None, removes what a subscription says, and waits until clients would hear of it."""
    altered = [
        AlterableConfig(name=key.replace("_", "."), config_operation=0 if value is not None else 1, value=value)
        for key, value in configs.items()
    ]
    resource = AlterConfigsResource(resource_type=CLIENT_METRICS, resource_name=name, configs=altered)
    side.ask(IncrementalAlterConfigsRequest(resources=[resource]))
    time.sleep(0.3)  # nothing in the answers says when Apache Kafka's broker has seen it


def test_without_subscriptions(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        answer = side.send(GetTelemetrySubscriptionsRequest(client_instance_id=Uuid.ZERO), 0)
        answer.subscription_id = 0  # goes by the id that the client is given
        side.note("a client without an id", answer)
        for first in (b"y" * 16, bytes(15) + b"\1"):
            number = get(side, first)
            get(side, first, "too early")
            push(side, first, number, "the first push", metrics=b"no metrics at all")
            push(side, first, number, "too early")
            push(side, first, number, "the last push", terminating=True)
            push(side, first, number, "after the last one")
            get(side, first, "and now")
        push(side, b"n" * 16, 1, "a client that nobody has seen")
        push(side, b"n" * 16, 1, "the same again")

    compare(scenario)


def test_what_is_pushed_is_checked(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        subscribe(side, "checked", metrics="org.apache.kafka.", interval_ms=str(INTERVAL_MS))
        client = b"b" * 16
        number = get(side, client)
        cases: list[tuple[str, dict[str, object]]] = [
            ("empty", {"metrics": b""}),
            ("another subscription", {"subscription_id": number + 1}),
            ("no such codec", {"compression_type": 9, "metrics": b"x"}),
            ("too large", {"metrics": bytes((1 << 20) + 1)}),
            ("as large as may be", {"metrics": bytes(1 << 20)}),
        ]
        for codec in CompressionType:
            if codec not in (CompressionType.NONE, CompressionType.SNAPPY):
                cases.append((f"bad {codec.name}", {"compression_type": codec, "metrics": b"x"}))
            good = compress(codec, b"metrics" * 9)
            cases.append((f"good {codec.name}", {"compression_type": codec, "metrics": good}))
        zeros = compress(CompressionType.ZSTD, bytes(2 << 20))
        cases.append(("larger than it looks", {"compression_type": CompressionType.ZSTD, "metrics": zeros}))
        for label, facts in cases:
            time.sleep(INTERVAL_MS / 1000 + 0.01)
            push(side, client, **{"subscription_id": number, "label": label, **facts})  # type: ignore[arg-type]
        subscribe(side, "checked", metrics=None, interval_ms=None)
        push(side, client, number, "no longer what is asked for")
        get(side, client, "which is what it hears")
        get(side, client, "once")

    compare(scenario)


def test_subscriptions_that_match_are_combined(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        subscribe(side, "one", metrics="a,b,c.d", interval_ms="400", match="client_id=com.*")
        subscribe(side, "two", metrics="b,e", interval_ms="999", match="client_source_address=127[.]0[.]0[.]1")
        subscribe(side, "other", metrics="z", interval_ms="100", match="client_id=nobody")
        get(side, b"c" * 16)
        subscribe(side, "all", metrics="*")
        get(side, b"c" * 16, "changed")
        get(side, b"d" * 16, "another client")
        for name in ("one", "two", "other", "all"):
            subscribe(side, name, metrics=None, interval_ms=None, match=None)
        get(side, b"c" * 16, "none of it")

    compare(scenario)
