"""TLS, SASL, principals and delegation tokens.

Apache Kafka's BrokerSecurityConfigs, DelegationTokenManagerConfigs.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import LOW, MEDIUM, PER_BROKER, ConfigKey
from kafkalite.config.config_value import BOOLEAN, CLASS, DOUBLE, INT, LIST, LONG, PASSWORD, SHORT, STRING
from kafkalite.config.units import DAY_MS, HOUR_MS, KIB, SECOND_MS
from kafkalite.config.validators import at_least, list_of, one_of

KEYS: Final = (
    ConfigKey("connections.max.reauth.ms", LONG, 0, MEDIUM),
    ConfigKey("sasl.server.max.receive.size", INT, 512 * KIB, MEDIUM),
    ConfigKey("security.providers", STRING, None, LOW),
    ConfigKey(
        "principal.builder.class",
        CLASS,
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        MEDIUM,
        mode=PER_BROKER,
    ),
    ConfigKey("ssl.client.auth", STRING, "none", MEDIUM, one_of("required", "requested", "none"), PER_BROKER),
    ConfigKey("ssl.principal.mapping.rules", STRING, "DEFAULT", LOW),
    ConfigKey("ssl.allow.dn.changes", BOOLEAN, False, LOW),
    ConfigKey("ssl.allow.san.changes", BOOLEAN, False, LOW),
    ConfigKey("ssl.protocol", STRING, "TLSv1.3", MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.provider", STRING, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.enabled.protocols", LIST, ("TLSv1.2", "TLSv1.3"), MEDIUM, list_of(), PER_BROKER),
    ConfigKey("ssl.keystore.type", STRING, "JKS", MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.keystore.location", STRING, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.keystore.password", PASSWORD, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.key.password", PASSWORD, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.keystore.key", PASSWORD, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.keystore.certificate.chain", PASSWORD, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.truststore.type", STRING, "JKS", MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.truststore.location", STRING, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.truststore.password", PASSWORD, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.truststore.certificates", PASSWORD, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.keymanager.algorithm", STRING, "SunX509", MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.trustmanager.algorithm", STRING, "PKIX", MEDIUM, mode=PER_BROKER),
    ConfigKey("ssl.endpoint.identification.algorithm", STRING, "https", LOW, mode=PER_BROKER),
    ConfigKey("ssl.secure.random.implementation", STRING, None, LOW, mode=PER_BROKER),
    ConfigKey("ssl.cipher.suites", LIST, (), MEDIUM, list_of(), PER_BROKER),
    ConfigKey("ssl.engine.factory.class", CLASS, None, LOW, mode=PER_BROKER),
    ConfigKey("sasl.mechanism.inter.broker.protocol", STRING, "GSSAPI", MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.enabled.mechanisms", LIST, ("GSSAPI",), MEDIUM, list_of(), PER_BROKER),
    ConfigKey("sasl.server.callback.handler.class", CLASS, None, MEDIUM),
    ConfigKey("sasl.kerberos.principal.to.local.rules", LIST, ("DEFAULT",), MEDIUM, list_of(), PER_BROKER),
    ConfigKey("sasl.jaas.config", PASSWORD, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.client.callback.handler.class", CLASS, None, MEDIUM),
    ConfigKey("sasl.login.class", CLASS, None, MEDIUM),
    ConfigKey("sasl.login.callback.handler.class", CLASS, None, MEDIUM),
    ConfigKey("sasl.kerberos.service.name", STRING, None, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.kerberos.kinit.cmd", STRING, "/usr/bin/kinit", MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.kerberos.ticket.renew.window.factor", DOUBLE, 0.8, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.kerberos.ticket.renew.jitter", DOUBLE, 0.05, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.kerberos.min.time.before.relogin", LONG, 60000, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.login.refresh.window.factor", DOUBLE, 0.8, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.login.refresh.window.jitter", DOUBLE, 0.05, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.login.refresh.min.period.seconds", SHORT, 60, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.login.refresh.buffer.seconds", SHORT, 300, MEDIUM, mode=PER_BROKER),
    ConfigKey("sasl.login.connect.timeout.ms", INT, None, LOW),
    ConfigKey("sasl.login.read.timeout.ms", INT, None, LOW),
    ConfigKey("sasl.login.retry.backoff.max.ms", LONG, 10 * SECOND_MS, LOW),
    ConfigKey("sasl.login.retry.backoff.ms", LONG, 100, LOW),
    ConfigKey("delegation.token.secret.key", PASSWORD, None, MEDIUM),
    ConfigKey("delegation.token.max.lifetime.ms", LONG, 7 * DAY_MS, MEDIUM, at_least(1)),
    ConfigKey("delegation.token.expiry.time.ms", LONG, DAY_MS, MEDIUM, at_least(1)),
    ConfigKey("delegation.token.expiry.check.interval.ms", LONG, HOUR_MS, LOW, at_least(1)),
)

LISTENER_ONLY_DYNAMIC_NAMES: Final = frozenset(
    (
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
    )
)
"""What may be set while the broker runs under `listener.name.{listener}.` only."""
