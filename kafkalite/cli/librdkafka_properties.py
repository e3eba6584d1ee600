"""Properties of Apache Kafka's Java clients in the spelling of librdkafka, and the defaults of the Java clients.

The tools that produce and consume take the Java clients' properties (--command-property, --command-config) and run on
confluent-kafka. A property that librdkafka does not have is dropped with a warning, as the Java clients do with names
that they do not know.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from kafkalite.cli.client_config_def import CONSUMER_CONFIG_DEF, PRODUCER_CONFIG_DEF
from kafkalite.cli.command_line import exit_with_error
from kafkalite.cli.console_log import log
from kafkalite.config.config_def import ConfigDef
from kafkalite.config.config_value import ConfigException

Properties = dict[str, str]

# Java's name -> librdkafka's name, where the value stays as it is.
_RENAMED: Final = {
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "max.request.size": "message.max.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms": "socket.connection.setup.timeout.ms",
}
# What the Java clients have and what means nothing here: said nowhere, because nothing is lost.
_MEANINGLESS: Final = frozenset(
    {
        "auto.include.jmx.reporter",
        "buffer.memory",
        "client.dns.lookup",
        "default.api.timeout.ms",
        "exclude.internal.topics",
        "interceptor.classes",
        "key.deserializer",
        "key.serializer",
        "max.block.ms",
        "max.poll.records",
        "metadata.max.idle.ms",
        "metadata.recovery.strategy",
        "metric.reporters",
        "metrics.num.samples",
        "metrics.recording.level",
        "metrics.sample.window.ms",
        "partitioner.adaptive.partitioning.enable",
        "partitioner.availability.timeout.ms",
        "partitioner.ignore.keys",
        "security.providers",
        "ssl.enabled.protocols",
        "ssl.protocol",
        "ssl.provider",
        "value.deserializer",
        "value.serializer",
    }
)
# Java's stores, which are read here: librdkafka takes PEM.
_STORES: Final = frozenset(
    {
        "ssl.key.password",
        "ssl.keystore.certificate.chain",
        "ssl.keystore.key",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.type",
        "ssl.truststore.certificates",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
    }
)
_ASSIGNORS: Final = {
    "RangeAssignor": "range",
    "RoundRobinAssignor": "roundrobin",
    "CooperativeStickyAssignor": "cooperative-sticky",
}
_RECONNECTING: Final = {"reconnect.backoff.ms": "50", "reconnect.backoff.max.ms": "1000"}
_REPEAT_INTERVAL_S: Final = 5.0
_TIMING: Final = re.compile(r" \(after \d+ms in state .*\)$")
_JAAS_OPTION: Final = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;]+))""")


def confluent_kafka() -> Any:
    """The package confluent_kafka, or the end of the tool with one line that says how to get it."""
    try:
        import confluent_kafka as package
    except ImportError:
        exit_with_error("This tool needs the package confluent-kafka: pip install confluent-kafka")
    return package


def _assignors(value: str) -> Properties:
    names = [name.strip().rpartition(".")[2] for name in value.split(",")]
    known = [_ASSIGNORS.get(name, name) for name in names if name != "StickyAssignor"]
    # Eager and cooperative assignors do not mix in librdkafka.
    if "cooperative-sticky" in known and len(known) > 1:
        known.remove("cooperative-sticky")
    return {"partition.assignment.strategy": ",".join(known or ["range"])}


def _jaas_config(value: str) -> Properties:
    options = {name: quoted or single or bare for name, quoted, single, bare in _JAAS_OPTION.findall(value)}
    names = {"username": "sasl.username", "password": "sasl.password"}
    return {names[name]: text for name, text in options.items() if name in names}


def _auto_offset_reset(value: str) -> Properties:
    return {"auto.offset.reset": {"none": "error"}.get(value, value)}


def _endpoint_identification(value: str) -> Properties:
    return {"ssl.endpoint.identification.algorithm": value or "none"}


def _cipher_suites(value: str) -> Properties:
    from kafkalite.tls.cipher_suites import openssl_name

    names = [name.strip() for name in value.split(",") if name.strip()]
    return {"ssl.cipher.suites": ":".join(openssl_name(name) or name for name in names)} if names else {}


def _sasl_mechanism(value: str) -> Properties:
    return {"sasl.mechanism": value, **({"sasl.oauthbearer.method": "oidc"} if value == "OAUTHBEARER" else {})}


_TRANSLATED: Final[Mapping[str, Callable[[str], Properties]]] = {
    "auto.offset.reset": _auto_offset_reset,
    "partition.assignment.strategy": _assignors,
    "sasl.jaas.config": _jaas_config,
    "sasl.mechanism": _sasl_mechanism,
    "ssl.cipher.suites": _cipher_suites,
    "ssl.endpoint.identification.algorithm": _endpoint_identification,
}


def _check(definition: ConfigDef, properties: Mapping[str, str]) -> None:
    """Ends the tool, in the Java client's words, for a value that librdkafka would take or stumble over."""
    try:
        definition.parse(properties)
    except ConfigException as error:
        exit_with_error(f"org.apache.kafka.common.config.ConfigException: {error}")


def to_librdkafka(properties: Mapping[str, str]) -> Properties:
    """The same configuration under librdkafka's names."""
    translated: Properties = {}
    for name, value in properties.items():
        if name in _MEANINGLESS or name in _STORES:
            continue
        if name in _TRANSLATED:
            translated |= _TRANSLATED[name](value)
        else:
            translated[_RENAMED.get(name, name)] = value
    if not _STORES.isdisjoint(properties):
        translated |= _stores(properties)
    return translated


def _stores(properties: Mapping[str, str]) -> Properties:
    """The key and the certificates of ssl.keystore.* and ssl.truststore.*; ends the tool where they cannot be read."""
    from kafkalite.tls.key_store import load_key_material, load_trusted_certificates
    from kafkalite.tls.ssl_config import SslConfig

    configured = dict(properties)
    for kind in ("ssl.keystore", "ssl.truststore"):
        if f"{kind}.type" not in configured and _is_pem(configured.get(f"{kind}.location")):
            configured[f"{kind}.type"] = "PEM"  # what librdkafka's users have there
    translated: Properties = {}
    try:
        config = SslConfig.of_client(configured)
        key, trusted = load_key_material(config), load_trusted_certificates(config)
    except ConfigException as error:
        exit_with_error(f"Failed to construct the client: {error}")
    if key is not None:
        translated |= {"ssl.key.pem": key.private_key, "ssl.certificate.pem": key.certificate_chain}
        if key.password is not None:
            translated["ssl.key.password"] = key.password
    if trusted is not None:
        translated["ssl.ca.pem"] = trusted
    return translated


def _is_pem(path: str | None) -> bool:
    if path is None:
        return False
    try:
        with open(path, "rb") as file:
            return b"-----BEGIN " in file.read(4096)
    except OSError:
        return False


def producer_properties(properties: Mapping[str, str]) -> Properties:
    """librdkafka's configuration for a producer that partitions, acknowledges and times out as the Java producer."""
    _check(PRODUCER_CONFIG_DEF, properties)
    translated = to_librdkafka(properties)
    defaults = {
        "partitioner": "murmur2_random",
        "linger.ms": "5",
        "batch.size": "16384",
        "message.max.bytes": "1048576",
        "queue.buffering.max.messages": "0",
        "queue.buffering.max.kbytes": "32768",
        "message.timeout.ms": str(
            max(int(properties.get("max.block.ms", "60000")), least_delivery_timeout_ms(properties))
        ),
        **_RECONNECTING,
    }
    if "delivery.timeout.ms" in translated:
        del defaults["message.timeout.ms"]
    if _may_be_idempotent(translated):
        defaults["enable.idempotence"] = "true"
    if translated.get("batch.size") == "0":
        translated["batch.size"] = "1"  # as in Java: each record alone
    if "buffer.memory" in properties:
        defaults["queue.buffering.max.kbytes"] = str(max(1, int(properties["buffer.memory"]) // 1024))
    return {**defaults, **translated}


def least_delivery_timeout_ms(properties: Mapping[str, str]) -> int:
    """What the Java producer gives a record at least: the time to wait for others, and for the answer to a request."""
    return int(properties.get("linger.ms", "5")) + int(properties.get("request.timeout.ms", "30000"))


def _may_be_idempotent(properties: Properties) -> bool:
    """The Java producer is idempotent unless something that it was told stands against it."""
    return (
        properties.get("acks", "all") in ("all", "-1")
        and int(properties.get("retries", "3")) > 0
        and int(properties.get("max.in.flight.requests.per.connection", "5")) <= 5
        and "enable.idempotence" not in properties
    )


def consumer_properties(properties: Mapping[str, str]) -> Properties:
    """librdkafka's configuration for a consumer with the Java consumer's defaults."""
    _check(CONSUMER_CONFIG_DEF, properties)
    if "group.id" in properties and not properties["group.id"].strip():
        exit_with_error(
            "org.apache.kafka.common.errors.InvalidGroupIdException: "
            "The configured group.id should not be an empty string or whitespace."
        )
    defaults = {
        "allow.auto.create.topics": "true",
        "isolation.level": "read_uncommitted",
        "auto.offset.reset": "latest",
        "session.timeout.ms": "45000",
        **_RECONNECTING,
    }
    if properties.get("group.protocol") == "consumer":
        del defaults["session.timeout.ms"]
    translated = {**defaults, **to_librdkafka(properties)}
    # librdkafka wants a poll interval that is no shorter than the session.
    translated.setdefault("max.poll.interval.ms", "300000")
    return translated


def new_client(client_class: Callable[..., Any], properties: Properties, **extra: Any) -> Any:
    """A Producer or Consumer; names that librdkafka refuses as unknown are dropped with a warning.

    Ends the tool with one line where a value is refused.
    """
    package = confluent_kafka()
    left = dict(properties)
    while True:
        try:
            return client_class({**left, **extra})
        except package.KafkaException as error:
            reason = error.args[0].str() if hasattr(error.args[0], "str") else str(error)
            unknown = re.search(r'No such configuration property: "([^"]+)"', reason)
            name = unknown[1] if unknown else None
            if name is None or name not in left:
                exit_with_error(f"Failed to construct the client: {reason.strip()}")
            print(f"Warning: The configuration '{name}' was supplied but isn't a known config.", file=sys.stderr)
            del left[name]


class ClientErrorLog:
    """The error callback of a client: says what is wrong, but not again at each of many attempts."""

    def __init__(self, logger: str) -> None:
        self._logger = logger
        self._said_at: dict[str, float] = {}

    def __call__(self, error: Any) -> None:
        message = _TIMING.sub("", str(error.str()))
        # That all brokers are down follows the reasons why.
        if error.name() == "_ALL_BROKERS_DOWN":
            return
        now = time.monotonic()
        if now - self._said_at.get(message, -_REPEAT_INTERVAL_S) >= _REPEAT_INTERVAL_S:
            self._said_at[message] = now
            log("WARN", message, self._logger)
