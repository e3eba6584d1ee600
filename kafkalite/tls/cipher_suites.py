"""Cipher suites by the names of the standards, which Java uses, and by those of OpenSSL."""

from __future__ import annotations

import re
from typing import Final

_TLS_1_3: Final = re.compile(r"TLS_(AES|CHACHA20|SM4)_[A-Z0-9_]+")
_TLS_1_2: Final = re.compile(r"(?:TLS|SSL)_([A-Z_]+?)_WITH_([A-Z0-9_]+)")
_KEY_EXCHANGES: Final = {
    "RSA": "",
    "DHE_RSA": "DHE-RSA-",
    "DHE_DSS": "DHE-DSS-",
    "ECDHE_RSA": "ECDHE-RSA-",
    "ECDHE_ECDSA": "ECDHE-ECDSA-",
    "ECDH_ANON": "AECDH-",
    "DH_ANON": "ADH-",
    "PSK": "PSK-",
}


def is_tls_1_3(name: str) -> bool:
    """Whether a suite is one of TLS 1.3, whose names are the same everywhere."""
    return _TLS_1_3.fullmatch(name) is not None


def openssl_name(name: str) -> str | None:
    """OpenSSL's name of a suite: ECDHE-RSA-AES256-GCM-SHA384; None for a name that follows no rule."""
    match = _TLS_1_2.fullmatch(name)
    if match is None or match[1] not in _KEY_EXCHANGES:
        return None
    cipher = re.sub(r"AES_(\d+)", r"AES\1", match[2])
    cipher = re.sub(r"CAMELLIA_(\d+)", r"CAMELLIA\1", cipher)
    cipher = re.sub(r"(AES\d+)_CBC_", r"\1_", cipher)
    if cipher.startswith("CHACHA20_POLY1305"):
        cipher = "CHACHA20_POLY1305"
    return _KEY_EXCHANGES[match[1]] + cipher.replace("_", "-")
