"""Key stores and trust stores as ssl.keystore.* and ssl.truststore.* describe them, read into PEM.

Apache Kafka's DefaultSslEngineFactory: what may be combined, and the words in which it refuses.
"""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Final, NamedTuple

from kafkalite.config.config_value import ConfigException
from kafkalite.tls.key_entries import KeyEntries, StoreError
from kafkalite.tls.pem import certificates_of, private_keys_of, to_pem
from kafkalite.tls.ssl_config import SslConfig

_PEM: Final = "PEM"
_JAVA_TYPES: Final = ("JKS", "PKCS12")
_DER_SEQUENCE: Final = b"\x30"


class KeyMaterial(NamedTuple):
    """A private key and its certificates, its own first, as PEM. `password` is that of the key, if it has one."""

    private_key: str
    certificate_chain: str
    password: str | None


def load_key_material(config: SslConfig) -> KeyMaterial | None:
    """The key of ssl.keystore.*; None where nothing is configured. Raises ConfigException."""
    path, password = config.keystore_location, config.keystore_password
    chain, key = config.keystore_certificate_chain, config.keystore_key
    is_pem = config.keystore_type == _PEM
    if key is not None:
        _refuse_if(
            not is_pem,
            "SSL private key can be specified only for PEM, but key store type is " + config.keystore_type + ".",
        )
        _refuse_if(chain is None, "SSL private key is specified, but certificate chain is not specified.")
        _refuse_if(path is not None, "Both SSL key store location and separate private key are specified.")
        _refuse_if(
            password is not None,
            "SSL key store password cannot be specified with PEM format, only key password may be specified.",
        )
        return _pem_key_material(key, chain or "", config.key_password, "Invalid PEM keystore configs")
    _refuse_if(chain is not None, "SSL certificate chain is specified, but private key is not specified")
    if path is None:
        _refuse_if(password is not None, "SSL key store is not specified, but key store password is specified.")
        return None
    if is_pem:
        _refuse_if(
            password is not None,
            "SSL key store password cannot be specified with PEM format, only key password may be specified",
        )
        failed = f"Failed to load PEM SSL keystore {path}"
        text = _read(path, failed).decode("utf-8", "replace")
        return _pem_key_material(text, text, config.key_password, failed)
    if password is None:
        raise ConfigException("SSL key store is specified, but key store password is not specified.")
    entries = _load_java_store(path, config.keystore_type, password, config.key_password or password)
    keys = [entry for entry in entries.keys if entry.certificate_chain]
    if not keys:
        raise ConfigException(f"Failed to load SSL keystore {path}: it holds no private key with a certificate")
    chain_pem = "".join(map(_certificate_pem, keys[0].certificate_chain))
    return KeyMaterial(to_pem("PRIVATE KEY", b64encode(keys[0].private_key).decode()), chain_pem, None)


def load_trusted_certificates(config: SslConfig) -> str | None:
    """The certificates of ssl.truststore.* as PEM; None where nothing is configured. Raises ConfigException."""
    path, password, certificates = (
        config.truststore_location,
        config.truststore_password,
        config.truststore_certificates,
    )
    is_pem = config.truststore_type == _PEM
    if certificates is not None:
        _refuse_if(
            not is_pem,
            "SSL trust store certs can be specified only for PEM, but trust store type is "
            + config.truststore_type
            + ".",
        )
        _refuse_if(path is not None, "Both SSL trust store location and separate trust certificates are specified.")
    _refuse_if(is_pem and password is not None, "SSL trust store password cannot be specified for PEM format.")
    if certificates is not None:
        return _pem_certificates(certificates, "Invalid PEM truststore configs")
    if path is None:
        _refuse_if(password is not None, "SSL trust store is not specified, but trust store password is specified.")
        return None
    if is_pem:
        failed = f"Failed to load PEM SSL keystore {path}"
        return _pem_certificates(_read(path, failed).decode("utf-8", "replace"), failed)
    entries = _load_java_store(path, config.truststore_type, password, None)
    trusted = entries.trusted_certificates + [entry.certificate_chain[0] for entry in entries.keys[:1]]
    if not trusted:
        raise ConfigException(f"Failed to load SSL truststore {path}: the trustAnchors parameter must be non-empty")
    return "".join(map(_certificate_pem, trusted))


def _pem_key_material(key_text: str, chain_text: str, password: str | None, failed: str) -> KeyMaterial:
    keys, chain = private_keys_of(key_text), certificates_of(chain_text)
    if not keys:
        raise ConfigException(f"{failed}: No matching PRIVATE KEY entries in PEM file")
    if len(keys) != 1:
        raise ConfigException(f"{failed}: Expected one private key, but found {len(keys)}")
    if not chain:
        raise ConfigException(f"{failed}: No matching CERTIFICATE entries in PEM file")
    return KeyMaterial(keys[0], "".join(chain), password)


def _pem_certificates(text: str, failed: str) -> str:
    certificates = certificates_of(text)
    if not certificates:
        raise ConfigException(f"{failed}: No matching CERTIFICATE entries in PEM file")
    return "".join(certificates)


def _load_java_store(path: str, kind: str, password: str | None, key_password: str | None) -> KeyEntries:
    """As Java, which reads JKS and PKCS12 by what stands in the file, whichever of the two is configured."""
    failed = f"Failed to load SSL keystore {path} of type {kind}"
    if kind.upper() not in _JAVA_TYPES:
        raise ConfigException(f"{failed}: {kind} not found (it may be JKS, PKCS12 or PEM)")
    data = _read(path, failed)
    from kafkalite.tls.java_key_store import MAGIC, read_java_key_store
    from kafkalite.tls.pkcs12 import read_pkcs12

    try:
        if data.startswith(MAGIC):
            return read_java_key_store(data, password, key_password)
        if data.startswith(_DER_SEQUENCE):
            return read_pkcs12(path, password)
    except StoreError as error:
        raise ConfigException(f"{failed}: {error}") from None
    raise ConfigException(f"{failed}: Invalid keystore format")


def _certificate_pem(certificate: bytes) -> str:
    return to_pem("CERTIFICATE", b64encode(certificate).decode())


def _read(path: str, failed: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigException(f"{failed}: {os.strerror(error.errno) if error.errno else error}") from None


def _refuse_if(condition: bool, message: str) -> None:
    if condition:
        raise ConfigException(message)
