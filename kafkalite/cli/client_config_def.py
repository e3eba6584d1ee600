"""What the Java clients' properties may be: for each its type and its validation, in the order in which they look.

The tools take properties that librdkafka has not, or takes in another form; a value that the Java client would refuse
is refused in its words. The tables are those of Apache Kafka's ProducerConfig and ConsumerConfig; defaults and
importance are left out, for nothing here asks for them.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import LOW, ConfigDef, ConfigKey
from kafkalite.config.config_value import (
    BOOLEAN,
    CLASS,
    DOUBLE,
    INT,
    LIST,
    LONG,
    PASSWORD,
    SHORT,
    STRING,
    ConfigException,
    ConfigType,
    ConfigValue,
)
from kafkalite.config.validators import (
    CONSUMER_OFFSET_RESET,
    GZIP_LEVEL,
    NON_EMPTY,
    Check,
    Validator,
    at_least,
    between,
    list_of,
    one_of,
    one_of_any_case,
)


def _key(name: str, type: ConfigType, validator: Validator | None = None) -> ConfigKey:
    return ConfigKey(name, type, None, LOW, validator)


def _either(first: str, second: str, *, any_case: bool = False) -> Check:
    def check(name: str, value: ConfigValue) -> None:
        if (value.lower() if any_case else value) not in (first, second):
            raise ConfigException.for_value(
                name,
                value,
                f"Invalid value `{value}` for configuration {name}. The value must either be '{first}' or '{second}'.",
            )

    return Check(f"[{first}, {second}]", check)


_NOT_NEGATIVE: Final = at_least(0)
_POSITIVE: Final = at_least(1)
_BUFFER_SIZE: Final = at_least(-1)
_ANY_LIST: Final = list_of()
_SECURITY_PROTOCOL: Final = _key(
    "security.protocol", STRING, one_of_any_case("SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT")
)
_SECURITY_PROVIDERS: Final = _key("security.providers", STRING)
_BOOTSTRAP: Final = (
    _key("bootstrap.servers", LIST, list_of(empty=False)),
    _key("client.dns.lookup", STRING, one_of("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only")),
)
_BUFFERS: Final = (_key("send.buffer.bytes", INT, _BUFFER_SIZE), _key("receive.buffer.bytes", INT, _BUFFER_SIZE))
_BACKOFF: Final = (
    _key("reconnect.backoff.ms", LONG, _NOT_NEGATIVE),
    _key("reconnect.backoff.max.ms", LONG, _NOT_NEGATIVE),
    _key("retry.backoff.ms", LONG, _NOT_NEGATIVE),
    _key("retry.backoff.max.ms", LONG, _NOT_NEGATIVE),
)
_RESOLVE_TIMEOUT: Final = _key("bootstrap.resolve.timeout.ms", LONG, _NOT_NEGATIVE)
_METRICS_PUSH: Final = _key("enable.metrics.push", BOOLEAN)
_METRICS: Final = (
    _key("metrics.sample.window.ms", LONG, _NOT_NEGATIVE),
    _key("metrics.num.samples", INT, _POSITIVE),
    _key("metrics.recording.level", STRING, one_of("INFO", "DEBUG", "TRACE")),
    _key("metric.reporters", LIST, _ANY_LIST),
)
_CONNECTIONS: Final = (
    _key("socket.connection.setup.timeout.ms", LONG),
    _key("socket.connection.setup.timeout.max.ms", LONG),
    _key("connections.max.idle.ms", LONG),
)
_REBOOTSTRAP: Final = (
    _key("metadata.recovery.strategy", STRING, one_of_any_case("REBOOTSTRAP", "NONE")),
    _key("metadata.recovery.rebootstrap.trigger.ms", LONG, _NOT_NEGATIVE),
    _key("metadata.cluster.check.enable", BOOLEAN),
)
_SSL: Final = (
    _key("ssl.protocol", STRING),
    _key("ssl.provider", STRING),
    _key("ssl.cipher.suites", LIST, _ANY_LIST),
    _key("ssl.enabled.protocols", LIST, _ANY_LIST),
    _key("ssl.keystore.type", STRING),
    _key("ssl.keystore.location", STRING),
    _key("ssl.keystore.password", PASSWORD),
    _key("ssl.key.password", PASSWORD),
    _key("ssl.keystore.key", PASSWORD),
    _key("ssl.keystore.certificate.chain", PASSWORD),
    _key("ssl.truststore.certificates", PASSWORD),
    _key("ssl.truststore.type", STRING),
    _key("ssl.truststore.location", STRING),
    _key("ssl.truststore.password", PASSWORD),
    _key("ssl.keymanager.algorithm", STRING),
    _key("ssl.trustmanager.algorithm", STRING),
    _key("ssl.endpoint.identification.algorithm", STRING),
    _key("ssl.secure.random.implementation", STRING),
    _key("ssl.engine.factory.class", CLASS),
)
_SASL: Final = (
    _key("sasl.kerberos.service.name", STRING),
    _key("sasl.kerberos.kinit.cmd", STRING),
    _key("sasl.kerberos.ticket.renew.window.factor", DOUBLE),
    _key("sasl.kerberos.ticket.renew.jitter", DOUBLE),
    _key("sasl.kerberos.min.time.before.relogin", LONG),
    _key("sasl.login.refresh.window.factor", DOUBLE, between(0.5, 1.0)),
    _key("sasl.login.refresh.window.jitter", DOUBLE, between(0.0, 0.25)),
    _key("sasl.login.refresh.min.period.seconds", SHORT, between(0, 900)),
    _key("sasl.login.refresh.buffer.seconds", SHORT, between(0, 3600)),
    _key("sasl.mechanism", STRING),
    _key("sasl.jaas.config", PASSWORD),
    _key("sasl.client.callback.handler.class", CLASS),
    _key("sasl.login.callback.handler.class", CLASS),
    _key("sasl.login.class", CLASS),
    _key("sasl.login.connect.timeout.ms", INT),
    _key("sasl.login.read.timeout.ms", INT),
    _key("sasl.login.retry.backoff.max.ms", LONG),
    _key("sasl.login.retry.backoff.ms", LONG),
    _key("sasl.oauthbearer.jwt.retriever.class", CLASS),
    _key("sasl.oauthbearer.jwt.validator.class", CLASS),
    _key("sasl.oauthbearer.scope", STRING),
    _key("sasl.oauthbearer.client.credentials.client.id", STRING),
    _key("sasl.oauthbearer.client.credentials.client.secret", PASSWORD),
    _key("sasl.oauthbearer.assertion.algorithm", STRING, one_of_any_case("ES256", "RS256")),
    _key("sasl.oauthbearer.assertion.claim.aud", STRING),
    _key("sasl.oauthbearer.assertion.claim.exp.seconds", INT, between(0, 86400)),
    _key("sasl.oauthbearer.assertion.claim.iss", STRING),
    _key("sasl.oauthbearer.assertion.claim.jti.include", BOOLEAN),
    _key("sasl.oauthbearer.assertion.claim.nbf.seconds", INT, between(0, 3600)),
    _key("sasl.oauthbearer.assertion.claim.sub", STRING),
    _key("sasl.oauthbearer.assertion.file", STRING),
    _key("sasl.oauthbearer.assertion.private.key.file", STRING),
    _key("sasl.oauthbearer.assertion.private.key.passphrase", PASSWORD),
    _key("sasl.oauthbearer.assertion.template.file", STRING),
    _key("sasl.oauthbearer.scope.claim.name", STRING),
    _key("sasl.oauthbearer.sub.claim.name", STRING),
    _key("sasl.oauthbearer.token.endpoint.url", STRING),
    _key("sasl.oauthbearer.jwks.endpoint.url", STRING),
    _key("sasl.oauthbearer.jwks.endpoint.refresh.ms", LONG),
    _key("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", LONG),
    _key("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", LONG),
    _key("sasl.oauthbearer.clock.skew.seconds", INT),
    _key("sasl.oauthbearer.allow.unverified.audience", BOOLEAN),
    _key("sasl.oauthbearer.expected.audience", LIST, _ANY_LIST),
    _key("sasl.oauthbearer.allow.unverified.issuer", BOOLEAN),
    _key("sasl.oauthbearer.expected.issuer", STRING),
    _key("sasl.oauthbearer.header.urlencode", BOOLEAN),
)

PRODUCER_CONFIG_DEF: Final = ConfigDef(
    (
        *_BOOTSTRAP,
        _key("buffer.memory", LONG, _NOT_NEGATIVE),
        _key("buffer.memory.allocation.strategy", STRING, one_of_any_case("FULL", "INCREMENTAL")),
        _key("retries", INT, between(0, 2**31 - 1)),
        _key("acks", STRING, one_of("all", "-1", "0", "1")),
        _key("compression.type", STRING, one_of("none", "gzip", "snappy", "lz4", "zstd")),
        _key("compression.gzip.level", INT, GZIP_LEVEL),
        _key("compression.lz4.level", INT, between(1, 17)),
        _key("compression.zstd.level", INT, between(-131072, 22)),
        _key("batch.size", INT, _NOT_NEGATIVE),
        _key("partitioner.adaptive.partitioning.enable", BOOLEAN),
        _key("partitioner.availability.timeout.ms", LONG, _NOT_NEGATIVE),
        _key("partitioner.ignore.keys", BOOLEAN),
        _key("partitioner.rack.aware", BOOLEAN),
        _key("linger.ms", LONG, _NOT_NEGATIVE),
        _key("delivery.timeout.ms", INT, _NOT_NEGATIVE),
        _key("client.id", STRING),
        _key("client.rack", STRING),
        *_BUFFERS,
        _key("max.request.size", INT, _NOT_NEGATIVE),
        *_BACKOFF,
        _RESOLVE_TIMEOUT,
        _METRICS_PUSH,
        _key("max.block.ms", LONG, _NOT_NEGATIVE),
        _key("request.timeout.ms", INT, _NOT_NEGATIVE),
        _key("metadata.max.age.ms", LONG, _NOT_NEGATIVE),
        _key("metadata.max.idle.ms", LONG, at_least(5000)),
        *_METRICS,
        _key("max.in.flight.requests.per.connection", INT, _POSITIVE),
        _key("key.serializer", CLASS),
        _key("value.serializer", CLASS),
        *_CONNECTIONS,
        _key("partitioner.class", CLASS),
        _key("interceptor.classes", LIST, _ANY_LIST),
        _SECURITY_PROTOCOL,
        _SECURITY_PROVIDERS,
        *_SSL,
        *_SASL,
        _key("enable.idempotence", BOOLEAN),
        _key("transaction.timeout.ms", INT),
        _key("transactional.id", STRING, NON_EMPTY),
        _key("transaction.two.phase.commit.enable", BOOLEAN),
        *_REBOOTSTRAP,
        _key("config.providers", LIST, _ANY_LIST),
    )
)

CONSUMER_CONFIG_DEF: Final = ConfigDef(
    (
        *_BOOTSTRAP,
        _RESOLVE_TIMEOUT,
        _key("group.id", STRING),
        _key("group.instance.id", STRING, NON_EMPTY),
        _key("session.timeout.ms", INT),
        _key("heartbeat.interval.ms", INT),
        _key("partition.assignment.strategy", LIST, _ANY_LIST),
        _key("metadata.max.age.ms", LONG, _NOT_NEGATIVE),
        _key("enable.auto.commit", BOOLEAN),
        _key("auto.commit.interval.ms", INT, _NOT_NEGATIVE),
        _key("client.id", STRING),
        _key("client.rack", STRING),
        _key("max.partition.fetch.bytes", INT, _NOT_NEGATIVE),
        *_BUFFERS,
        _key("fetch.min.bytes", INT, _NOT_NEGATIVE),
        _key("fetch.max.bytes", INT, _NOT_NEGATIVE),
        _key("fetch.max.wait.ms", INT, _NOT_NEGATIVE),
        *_BACKOFF,
        _METRICS_PUSH,
        _key("auto.offset.reset", STRING, CONSUMER_OFFSET_RESET),
        _key("check.crcs", BOOLEAN),
        *_METRICS,
        _key("key.deserializer", CLASS),
        _key("value.deserializer", CLASS),
        _key("request.timeout.ms", INT, _NOT_NEGATIVE),
        _key("default.api.timeout.ms", INT, _NOT_NEGATIVE),
        *_CONNECTIONS,
        _key("interceptor.classes", LIST, _ANY_LIST),
        _key("max.poll.records", INT, _POSITIVE),
        _key("max.poll.interval.ms", INT, _POSITIVE),
        _key("exclude.internal.topics", BOOLEAN),
        _key("internal.throw.on.fetch.stable.offset.unsupported", BOOLEAN),
        _key("isolation.level", STRING, one_of("read_committed", "read_uncommitted")),
        _key("allow.auto.create.topics", BOOLEAN),
        _key("group.protocol", STRING, one_of_any_case("CONSUMER", "CLASSIC")),
        _key("group.remote.assignor", STRING),
        _SECURITY_PROVIDERS,
        _SECURITY_PROTOCOL,
        *_SSL,
        *_SASL,
        *_REBOOTSTRAP,
        _key("share.acknowledgement.mode", STRING, _either("implicit", "explicit")),
        _key("share.acquire.mode", STRING, _either("batch_optimized", "record_limit", any_case=True)),
        _key("config.providers", LIST, _ANY_LIST),
    )
)
