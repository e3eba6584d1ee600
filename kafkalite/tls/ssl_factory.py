"""The certificates of a listener, and what may take their place while it runs. Apache Kafka's SslFactory."""

from __future__ import annotations

import os
import ssl
from typing import Final

from kafkalite.config.config_value import ConfigException
from kafkalite.tls.certificate import subject_alternative_names, subject_name
from kafkalite.tls.key_store import load_key_material
from kafkalite.tls.pem import certificates_of
from kafkalite.tls.ssl_config import SslConfig
from kafkalite.tls.ssl_context import server_context

_RECONFIGURABLE: Final = (
    "keystore_type",
    "keystore_location",
    "keystore_password",
    "key_password",
    "keystore_key",
    "keystore_certificate_chain",
    "truststore_type",
    "truststore_location",
    "truststore_password",
    "truststore_certificates",
)
"""What may change while a listener runs; the rest is read at the start."""


class SslFactory:
    """The context of a listener's connections, read from its stores once. Raises ConfigException."""

    def __init__(self, config: SslConfig) -> None:
        self._config = config
        self._modification_times = _modification_times(config)
        key = load_key_material(config)
        if key is None:
            raise ConfigException(
                "No SSL keystore: set ssl.keystore.location, or ssl.keystore.key with ssl.keystore.certificate.chain"
            )
        self.context = server_context(config, key)
        self._certificate = ssl.PEM_cert_to_DER_cert(certificates_of(key.certificate_chain)[0])

    def reconfigured(self, config: SslConfig) -> SslFactory:
        """The factory for `config`: itself where neither properties nor files have changed. Raises ConfigException.

        Who has connected stays connected; a new certificate has to be the same listener's.
        """
        wanted = self._config._replace(**{name: getattr(config, name) for name in _RECONFIGURABLE})
        if wanted == self._config and _modification_times(wanted) == self._modification_times:
            return self
        try:
            factory = SslFactory(wanted)
            self._check_successor(factory, config)
        except ConfigException as error:
            raise ConfigException(f"Validation of dynamic config update of SSLFactory failed: {error}") from None
        return factory

    def _check_successor(self, factory: SslFactory, config: SslConfig) -> None:
        old, new = subject_name(self._certificate), subject_name(factory._certificate)
        if not config.allow_dn_changes and old.lower() != new.lower():
            raise ConfigException(
                f"Keystore DistinguishedName does not match:  existing={{DN={old}}}, new={{DN={new}}}"
            )
        old_names, new_names = map(subject_alternative_names, (self._certificate, factory._certificate))
        if not config.allow_san_changes and not set(old_names) <= set(new_names):
            raise ConfigException(
                "Keystore SubjectAltNames do not match: "
                f" existing={{SAN=[{', '.join(old_names)}]}}, new={{SAN=[{', '.join(new_names)}]}}"
            )
        if not _has_truststore(self._config) and _has_truststore(factory._config):
            raise ConfigException(
                "Cannot add SSL truststore to an existing listener for which no truststore was configured."
            )


def _has_truststore(config: SslConfig) -> bool:
    return config.truststore_location is not None or config.truststore_certificates is not None


def _modification_times(config: SslConfig) -> list[int | None]:
    """Of the files that a configuration names; None for one that is not there."""
    times: list[int | None] = []
    for path in (config.keystore_location, config.truststore_location):
        try:
            times.append(None if path is None else os.stat(path).st_mtime_ns)
        except OSError:
            times.append(None)
    return times
