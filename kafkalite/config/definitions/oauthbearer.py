"""SASL/OAUTHBEARER.

Apache Kafka's SaslConfigs.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import HIGH, LOW, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, CLASS, INT, LIST, LONG, PASSWORD, STRING
from kafkalite.config.units import HOUR_MS, SECOND_MS
from kafkalite.config.validators import between, list_of, one_of_any_case

KEYS: Final = (
    ConfigKey(
        "sasl.oauthbearer.jwt.retriever.class",
        CLASS,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
        MEDIUM,
    ),
    ConfigKey(
        "sasl.oauthbearer.jwt.validator.class",
        CLASS,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        MEDIUM,
    ),
    ConfigKey("sasl.oauthbearer.scope", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.client.credentials.client.id", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.client.credentials.client.secret", PASSWORD, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.algorithm", STRING, "RS256", MEDIUM, one_of_any_case("ES256", "RS256")),
    ConfigKey("sasl.oauthbearer.assertion.claim.aud", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.claim.exp.seconds", INT, 300, LOW, between(0, 86400)),
    ConfigKey("sasl.oauthbearer.assertion.claim.iss", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.claim.jti.include", BOOLEAN, False, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.claim.nbf.seconds", INT, 60, LOW, between(0, 3600)),
    ConfigKey("sasl.oauthbearer.assertion.claim.sub", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.file", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.private.key.file", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.private.key.passphrase", PASSWORD, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.assertion.template.file", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.scope.claim.name", STRING, "scope", LOW),
    ConfigKey("sasl.oauthbearer.sub.claim.name", STRING, "sub", LOW),
    ConfigKey("sasl.oauthbearer.token.endpoint.url", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.url", STRING, None, MEDIUM),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.refresh.ms", LONG, HOUR_MS, LOW),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", LONG, 100, LOW),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", LONG, 10 * SECOND_MS, LOW),
    ConfigKey("sasl.oauthbearer.clock.skew.seconds", INT, 30, LOW),
    ConfigKey("sasl.oauthbearer.allow.unverified.audience", BOOLEAN, False, MEDIUM),
    ConfigKey("sasl.oauthbearer.expected.audience", LIST, (), HIGH, list_of()),
    ConfigKey("sasl.oauthbearer.allow.unverified.issuer", BOOLEAN, False, MEDIUM),
    ConfigKey("sasl.oauthbearer.expected.issuer", STRING, None, HIGH),
)
