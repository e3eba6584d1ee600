"""What a key store holds, whatever its format."""

from __future__ import annotations

from typing import NamedTuple


class StoreError(Exception):
    """A store that cannot be read; the message says why, in one line."""


class KeyEntry(NamedTuple):
    """A private key (PKCS #8, DER) and its certificates (DER), its own first."""

    private_key: bytes
    certificate_chain: list[bytes]


class KeyEntries(NamedTuple):
    """The private keys and the trusted certificates (DER) of a store."""

    keys: list[KeyEntry]
    trusted_certificates: list[bytes]
