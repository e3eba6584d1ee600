"""Stock clients over TLS, on a listener that wants to see their certificates."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer, KafkaProducer

from apache_kafka import ApacheKafka, RunJavaTool
from certificates import PASSWORD, Certificates
from client_scenarios import KAFKA_PYTHON_METADATA_MAX_AGE_MS
from kafkalite_process import KafkaliteProcess
from ssl_listener import SslListener

LINES = [f"message {number}" for number in range(1000)]


class SslKafkalite(SslListener, KafkaliteProcess):
    pass


class SslApacheKafka(SslListener, ApacheKafka):
    pass


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SslKafkalite, id="kafkalite"),
        pytest.param(SslApacheKafka, id="apache-kafka", marks=[pytest.mark.oracle, pytest.mark.on_oracle]),
    ],
)
def broker(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SslListener]:
    """A broker whose SSL listener lets nobody in without a certificate."""
    broker_class: type[SslListener] = request.param
    folder = tmp_path_factory.mktemp("ssl")
    with broker_class(folder, certificates=certificates, properties={"ssl.client.auth": "required"}) as running:
        yield running
        if isinstance(running, KafkaliteProcess):
            running.check_that_it_ended_well()


@pytest.fixture
def topic() -> str:
    """A topic name that nobody has used."""
    return f"topic-{uuid.uuid4().hex[:12]}"


def test_confluent_kafka(broker: SslListener, topic: str) -> None:
    certificates = broker.certificates
    settings = {
        "bootstrap.servers": broker.ssl_bootstrap_servers,
        "security.protocol": "ssl",
        "ssl.ca.location": str(certificates.authority),
        "ssl.certificate.location": str(certificates.client),
        "ssl.key.location": str(certificates.client),
    }
    producer = Producer(settings)
    for line in LINES:
        producer.produce(topic, line.encode())
    assert producer.flush(30) == 0
    consumer = Consumer({**settings, "group.id": f"group-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    received: list[str] = []
    while len(received) < len(LINES):
        batch = consumer.consume(len(LINES), timeout=30)
        assert batch
        received += [message.value().decode() for message in batch]
    consumer.close()
    assert received == LINES


def test_kafka_python(broker: SslListener, topic: str) -> None:
    certificates = broker.certificates
    settings = {
        "bootstrap_servers": broker.ssl_bootstrap_servers,
        "security_protocol": "SSL",
        "ssl_cafile": str(certificates.authority),
        "ssl_certfile": str(certificates.client),
        "ssl_keyfile": str(certificates.client),
    }
    producer = KafkaProducer(**settings)
    for line in LINES:
        producer.send(topic, line.encode())
    producer.flush(30)
    producer.close()
    consumer = KafkaConsumer(
        topic,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
        metadata_max_age_ms=KAFKA_PYTHON_METADATA_MAX_AGE_MS,
        **settings,
    )
    received = [message.value.decode() for _, message in zip(LINES, consumer, strict=False)]
    consumer.close()
    assert received == LINES


async def test_aiokafka(broker: SslListener, topic: str) -> None:
    certificates = broker.certificates
    context: ssl.SSLContext = certificates.client_context(certificates.client)
    servers = broker.ssl_bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, security_protocol="SSL", ssl_context=context) as producer:
        await asyncio.gather(*[await producer.send(topic, line.encode()) for line in LINES])
    received: list[str] = []
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        security_protocol="SSL",
        ssl_context=context,
        auto_offset_reset="earliest",
    ) as consumer:
        while len(received) < len(LINES):
            message = await asyncio.wait_for(consumer.getone(), 30)
            received.append(message.value.decode())
    assert received == LINES


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["PEM", "PKCS12"])
def test_java_clients(broker: SslListener, topic: str, run_java_tool: RunJavaTool, tmp_path: Path, kind: str) -> None:
    properties = broker.java_client_properties(key=broker.certificates.client)
    if kind == "PKCS12":
        store = broker.certificates.java_store(broker.certificates.client, kind)
        properties |= {
            "ssl.keystore.type": kind,
            "ssl.keystore.location": str(store),
            "ssl.keystore.password": PASSWORD,
            "ssl.enabled.protocols": "TLSv1.2",
        }
    config = tmp_path / "client.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    common = ["--bootstrap-server", broker.ssl_bootstrap_servers, "--topic", topic, "--command-config", str(config)]
    produced = run_java_tool("org.apache.kafka.tools.ConsoleProducer", *common, stdin="\n".join(LINES) + "\n")
    assert produced.returncode == 0, produced.stderr
    consumer = "org.apache.kafka.tools.consumer.ConsoleConsumer"
    arguments = ["--from-beginning", "--max-messages", str(len(LINES)), "--timeout-ms", "30000"]
    consumed = run_java_tool(consumer, *common, *arguments)
    assert consumed.stdout.splitlines() == LINES, consumed.stderr


@pytest.mark.oracle
@pytest.mark.parametrize("key", [None, "stranger"])
def test_a_java_client_without_a_certificate_that_is_trusted_is_told_so(
    broker: SslListener, run_java_tool: RunJavaTool, tmp_path: Path, key: str | None
) -> None:
    properties = broker.java_client_properties(key=broker.certificates.stranger if key else None)
    config = tmp_path / "client.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    arguments = ["--bootstrap-server", broker.ssl_bootstrap_servers, "--list", "--command-config", str(config)]
    refused = run_java_tool("org.apache.kafka.tools.TopicCommand", *arguments)
    # In TLS 1.3 the broker refuses after the client has ended its part of the handshake.
    assert "Error while executing topic command : Failed to process post-handshake messages" in refused.stdout
    assert "failed authentication due to: Failed to process post-handshake messages" in refused.stderr
