"""Subscriptions of clients to metrics, and when they may push them, with moved time."""

from __future__ import annotations

from typing import cast

import pytest

from kafkalite.broker.broker import Broker
from kafkalite.broker.client_metrics_manager import MAX_INSTANCES, ClientMetricsInstance, ClientMetricsManager
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.configurations_image import ConfigResourceType, ConfigurationsImage
from kafkalite.protocol.messages.push_telemetry import PushTelemetryRequest
from kafkalite.protocol.metadata_records.settings import ConfigRecord

ID = Uuid(b"i" * 16)
INTERVAL_MS = 300_000


class Clients:
    """A manager, its subscriptions, a connected client and the time."""

    def __init__(self) -> None:
        self.configs = ConfigurationsImage()
        self.manager = ClientMetricsManager(lambda: self.configs)
        self.context = self.connect()
        self.now_ms = 1_000

    def connect(self, **facts: str) -> RequestContext:
        context = RequestContext(cast(Broker, None), client_host="10.0.0.7", client_port=1234)
        context.client_id = facts.get("client_id", "app-1")
        context.client_software_name = facts.get("software", "apache-kafka-java")
        context.client_software_version = "4.4.0"
        return context

    def subscription(self, name: str, **configs: str | None) -> None:
        for key, value in configs.items():
            self.configs.replay(
                ConfigRecord(
                    resource_type=ConfigResourceType.CLIENT_METRICS,
                    resource_name=name,
                    name=key.replace("_", "."),
                    value=value,
                )
            )

    def get(self, client_instance_id: Uuid = ID, context: RequestContext | None = None) -> ClientMetricsInstance:
        return self.manager.get_subscription(client_instance_id, context or self.context, self.now_ms)

    def push(self, subscription_id: int, **facts: object) -> ErrorCode:
        request = PushTelemetryRequest(client_instance_id=ID, subscription_id=subscription_id, **facts)
        try:
            self.manager.check_push(request, self.context, 1_000, self.now_ms)
        except KafkaError as error:
            return error.error
        return ErrorCode.NONE


@pytest.fixture
def clients() -> Clients:
    return Clients()


def test_a_client_gets_what_all_subscriptions_that_match_it_ask_for(clients: Clients) -> None:
    clients.subscription("a", metrics="m.one,m.two", interval_ms="5000", match="client_id=app-.*")
    clients.subscription("b", metrics="m.two,m.three", interval_ms="7000", match="client_source_address=10[.]0[.]0[.]7")
    clients.subscription("c", metrics="m.four", interval_ms="100", match="client_id=app,client_software_version=4.4.0")
    instance = clients.get()
    assert sorted(instance.metrics) == ["m.one", "m.three", "m.two"]
    assert instance.push_interval_ms == 5000


def test_whoever_is_asked_for_everything_is_asked_for_nothing_else(clients: Clients) -> None:
    clients.subscription("a", metrics="m.one")
    clients.subscription("b", metrics="*")
    assert clients.get().metrics == ["*"]


def test_without_subscriptions_nothing_is_asked_for(clients: Clients) -> None:
    instance = clients.get(Uuid.ZERO)
    assert (instance.metrics, instance.push_interval_ms) == ([], INTERVAL_MS)
    assert instance.client_instance_id != Uuid.ZERO


def test_a_client_may_not_ask_again_before_its_interval_is_over(clients: Clients) -> None:
    clients.get()
    clients.now_ms += INTERVAL_MS - 1
    with pytest.raises(KafkaError) as refused:
        clients.get()
    assert refused.value.error is ErrorCode.THROTTLING_QUOTA_EXCEEDED
    clients.now_ms += 1
    assert clients.get().client_instance_id == ID


def test_the_first_push_may_come_at_once_and_the_next_one_an_interval_later(clients: Clients) -> None:
    number = clients.get().subscription_id
    clients.now_ms += 1
    assert clients.push(number) is ErrorCode.NONE
    clients.now_ms += INTERVAL_MS - 1
    assert clients.push(number) is ErrorCode.THROTTLING_QUOTA_EXCEEDED
    assert clients.push(number, terminating=True) is ErrorCode.NONE, "the last one may come at any time"
    clients.now_ms += INTERVAL_MS
    assert clients.push(number) is ErrorCode.INVALID_REQUEST, "and is the last one"


def test_a_push_that_is_not_what_was_asked_for_is_refused(clients: Clients) -> None:
    number = clients.get().subscription_id
    for facts, expected in (
        ({"subscription_id": number + 1}, ErrorCode.UNKNOWN_SUBSCRIPTION_ID),
        ({"compression_type": 5}, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        ({"compression_type": -1}, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        ({"metrics": bytes(1_001)}, ErrorCode.TELEMETRY_TOO_LARGE),
        ({"metrics": bytes(1_000)}, ErrorCode.NONE),
    ):
        clients.now_ms += INTERVAL_MS
        assert clients.push(**{"subscription_id": number, **facts}) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("reserved", [Uuid.ZERO, Uuid.ONE])
def test_who_pushes_has_an_id_of_its_own(clients: Clients, reserved: Uuid) -> None:
    request = PushTelemetryRequest(client_instance_id=reserved)
    with pytest.raises(KafkaError) as refused:
        clients.manager.check_push(request, clients.context, 1_000, clients.now_ms)
    assert refused.value.error is ErrorCode.INVALID_REQUEST


def test_a_subscription_that_has_changed_is_unknown_and_asked_for_again_at_once(clients: Clients) -> None:
    number = clients.get().subscription_id
    clients.subscription("a", metrics="m")
    clients.now_ms += 1
    assert clients.push(number) is ErrorCode.UNKNOWN_SUBSCRIPTION_ID
    instance = clients.get()
    assert instance.metrics == ["m"]
    assert instance.subscription_id != number
    clients.subscription("a", metrics=None)
    assert clients.get().subscription_id == number


def test_subscription_ids_are_those_of_apache_kafka(clients: Clients) -> None:
    # Recorded from Apache Kafka 4.4.0: no metrics, every five minutes, a client of this id.
    assert clients.get(Uuid(b"y" * 16)).subscription_id == -725132322


def test_a_client_is_forgotten_with_its_connection(clients: Clients) -> None:
    clients.get()
    assert clients.manager.instance_count == 1
    for on_disconnect in clients.context.disconnect_watchers:
        on_disconnect(clients.context)
    assert clients.manager.instance_count == 0
    assert clients.get(context=clients.connect()).client_instance_id == ID


def test_a_client_that_stays_away_for_three_intervals_begins_anew(clients: Clients) -> None:
    number = clients.get().subscription_id
    assert clients.push(number, terminating=True) is ErrorCode.NONE
    clients.now_ms += 3 * INTERVAL_MS
    assert clients.push(number) is ErrorCode.NONE


def test_only_so_many_clients_are_remembered(clients: Clients) -> None:
    clients.get()
    for number in range(MAX_INSTANCES):
        clients.get(Uuid((number + 256).to_bytes(16)))
    assert clients.manager.instance_count <= MAX_INSTANCES
    assert clients.get().last_get_ms == clients.now_ms, "the one that was seen first is the one that is forgotten"
