"""The ssl.* properties of a listener or of a client, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from kafkalite.config.config_value import ConfigValue

if TYPE_CHECKING:
    from kafkalite.config.broker_config import BrokerConfig


_PROPERTIES: Final = (
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.key.password",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
    "ssl.protocol",
    "ssl.enabled.protocols",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.client.auth",
    "ssl.allow.dn.changes",
    "ssl.allow.san.changes",
)


class SslConfig(NamedTuple):
    """What a TLS context is made of; names and order are those of the properties."""

    keystore_type: str
    keystore_location: str | None
    keystore_password: str | None
    key_password: str | None
    keystore_key: str | None
    keystore_certificate_chain: str | None
    truststore_type: str
    truststore_location: str | None
    truststore_password: str | None
    truststore_certificates: str | None
    protocol: str
    enabled_protocols: tuple[str, ...]
    cipher_suites: tuple[str, ...]
    endpoint_identification_algorithm: str
    client_auth: str
    allow_dn_changes: bool
    allow_san_changes: bool

    @classmethod
    def of_listener(cls, config: BrokerConfig, listener_name: str) -> SslConfig:
        """Of a broker's listener: `listener.name.{listener}.ssl.*` before `ssl.*`."""
        return cls._of(lambda name: config.listener_value(listener_name, name))

    @classmethod
    def of_client(cls, properties: Mapping[str, str]) -> SslConfig:
        """Of a client's properties; raises ConfigException. The defaults are those of brokers."""
        from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF

        def value_of(name: str) -> ConfigValue:
            key, text = BROKER_CONFIG_DEF.keys[name], properties.get(name)
            return key.default if text is None else key.parse(text)

        return cls._of(value_of)

    @classmethod
    def _of(cls, value_of: Callable[[str], ConfigValue]) -> SslConfig:
        return cls(*map(value_of, _PROPERTIES))
