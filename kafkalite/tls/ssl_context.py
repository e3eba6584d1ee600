"""Contexts of the ssl module for SslConfigs, on the server's and on the client's side."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafkalite.config.config_value import ConfigException
from kafkalite.tls.cipher_suites import is_tls_1_3, openssl_name
from kafkalite.tls.key_store import KeyMaterial, load_key_material, load_trusted_certificates
from kafkalite.tls.ssl_config import SslConfig

_VERSIONS: Final = {
    "TLSv1": (ssl.TLSVersion.TLSv1, ssl.OP_NO_TLSv1),
    "TLSv1.1": (ssl.TLSVersion.TLSv1_1, ssl.OP_NO_TLSv1_1),
    "TLSv1.2": (ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TLSv1_2),
    "TLSv1.3": (ssl.TLSVersion.TLSv1_3, ssl.OP_NO_TLSv1_3),
}
_CONTEXT_NAMES: Final = frozenset((*_VERSIONS, "TLS", "SSL", "SSLv2", "SSLv3", "DEFAULT"))
"""What Java has contexts for; which versions are spoken is said by ssl.enabled.protocols."""
_CLIENT_AUTH: Final = {"none": ssl.CERT_NONE, "requested": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class ServerSslObject(ssl.SSLObject):
    """The broker's end of a connection; knows the name by which the client came, if the client said so (SNI)."""

    requested_name: str | None = None


def _note_requested_name(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
    if isinstance(tls, ServerSslObject):
        tls.requested_name = name


def server_context(config: SslConfig, key: KeyMaterial) -> ssl.SSLContext:
    """The context of a listener, which shows the certificate of `key`; raises ConfigException."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.sslobject_class = ServerSslObject
    context.sni_callback = _note_requested_name
    _apply(context, config)
    _load_key(context, key)
    context.verify_mode = _CLIENT_AUTH[config.client_auth.lower()]
    _load_trusted(context, config, ssl.Purpose.CLIENT_AUTH)
    return context


def client_context(config: SslConfig) -> ssl.SSLContext:
    """The context of a client's connections; raises ConfigException."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = config.endpoint_identification_algorithm.lower() == "https"
    _apply(context, config)
    key = load_key_material(config)
    if key is not None:
        _load_key(context, key)
    _load_trusted(context, config, ssl.Purpose.SERVER_AUTH)
    return context


def _apply(context: ssl.SSLContext, config: SslConfig) -> None:
    """Versions and cipher suites."""
    if config.protocol not in _CONTEXT_NAMES:
        raise ConfigException(f"{config.protocol} SSLContext not available (ssl.protocol)")
    enabled = config.enabled_protocols or ("TLSv1.2", "TLSv1.3")
    for name in enabled:
        if name not in _VERSIONS:
            raise ConfigException(f"Unsupported protocol: {name} (ssl.enabled.protocols)")
    suites = config.cipher_suites
    if suites and not any(map(is_tls_1_3, suites)):
        enabled = tuple(name for name in enabled if name != "TLSv1.3")
    if suites and all(map(is_tls_1_3, suites)):
        enabled = tuple(name for name in enabled if name == "TLSv1.3")
    if not enabled:
        raise ConfigException("No appropriate protocol: ssl.enabled.protocols has none that ssl.cipher.suites go with")
    versions = [_VERSIONS[name][0] for name in enabled]
    context.minimum_version, context.maximum_version = min(versions), max(versions)
    for name, (version, without) in _VERSIONS.items():
        if min(versions) < version < max(versions) and name not in enabled:
            context.options |= without
    names = []
    for suite in suites:
        if not is_tls_1_3(suite):
            name = openssl_name(suite) or suite
            try:
                context.set_ciphers(name)
            except ssl.SSLError:
                raise ConfigException(f"Unsupported CipherSuite: {suite} (ssl.cipher.suites)") from None
            names.append(name)
    if names:
        context.set_ciphers(":".join(names))


def _load_key(context: ssl.SSLContext, key: KeyMaterial) -> None:
    with _readable_file(key.private_key + key.certificate_chain) as path:
        try:
            # Without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(path, password=key.password or "")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise ConfigException("The private key of the SSL keystore is not that of its certificate") from None
            if error.reason == "EE_KEY_TOO_SMALL":
                raise ConfigException("The private key of the SSL keystore is too small to be safe") from None
            raise ConfigException(
                "Invalid PEM keystore configs: the private key cannot be loaded"
                + (" with ssl.key.password" if key.password else "; if it is encrypted, set ssl.key.password")
            ) from None


def _load_trusted(context: ssl.SSLContext, config: SslConfig, purpose: ssl.Purpose) -> None:
    """Whose signatures are believed; where no trust store is configured, those that the system trusts, as in Java."""
    certificates = load_trusted_certificates(config)
    # A trusted certificate needs nobody above it, whoever signed it: so it is in Java.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if certificates is None:
        if context.verify_mode != ssl.CERT_NONE:
            context.load_default_certs(purpose)
        return
    try:
        context.load_verify_locations(cadata=certificates)
    except ssl.SSLError:
        raise ConfigException("Invalid PEM truststore configs: a certificate cannot be read") from None


@contextmanager
def _readable_file(text: str) -> Iterator[str]:
    """A file with `text` for as long as OpenSSL reads it, which takes keys from files only; in memory where it can."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("key"), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # readable by its owner only
            file.write(text)
            file.flush()
            yield file.name
