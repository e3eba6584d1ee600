"""PKCS #12, the format of Java's key stores since Java 9, read with the program `openssl`.

Its ciphers are not to be had in Python's library, and the program is where Python's ssl is. It is asked once at the
start, and the password goes through its environment, which nobody else can read.
"""

from __future__ import annotations

import os
import re
import subprocess
from base64 import b64decode
from typing import Final

from kafkalite.tls.certificate import issuer_and_subject
from kafkalite.tls.der import DerError
from kafkalite.tls.key_entries import KeyEntries, KeyEntry, StoreError
from kafkalite.tls.pem import pem_blocks

_PROGRAM: Final = "openssl"
_PASSWORD: Final = "KAFKALITE_STORE_PASSWORD"
_TIMEOUT_S: Final = 30
_BAG: Final = re.compile(r"^Bag Attributes", re.MULTILINE)
_LOCAL_KEY_ID: Final = re.compile(r"^\s+localKeyID: ([0-9A-F ]+?)\s*$", re.MULTILINE)


def read_pkcs12(path: str, password: str | None) -> KeyEntries:
    """The content of a PKCS #12 file; raises StoreError. Keys have the store's password, as Java's tools make them."""
    output = _ask_openssl(path, password, ())
    if output is None:  # ciphers of the last century, which OpenSSL 3 keeps apart
        output = _ask_openssl(path, password, ("-legacy",))
    if output is None:
        raise StoreError("keystore password was incorrect, or it is no PKCS12 file")
    keys: list[tuple[str | None, bytes]] = []
    certificates: list[tuple[str | None, bytes]] = []
    for bag in _BAG.split(output)[1:]:
        match = _LOCAL_KEY_ID.search(bag)
        key_id = match[1] if match else None
        for label, text in pem_blocks(bag):
            content = b64decode("".join(text.splitlines()[1:-1]))
            (certificates if label == "CERTIFICATE" else keys).append((key_id, content))
    try:
        return _entries(keys, certificates)
    except DerError as error:
        raise StoreError(f"a certificate {error}") from None


def _entries(keys: list[tuple[str | None, bytes]], certificates: list[tuple[str | None, bytes]]) -> KeyEntries:
    entries = []
    in_chains: set[bytes] = set()
    by_subject = {issuer_and_subject(certificate)[1].encoded: certificate for _, certificate in certificates}
    for key_id, key in keys:
        own = [certificate for certificate_id, certificate in certificates if certificate_id == key_id]
        chain = own[:1]
        while chain:
            issuer, subject = (name.encoded for name in issuer_and_subject(chain[-1]))
            if issuer == subject or issuer not in by_subject or by_subject[issuer] in chain:
                break
            chain.append(by_subject[issuer])
        in_chains.update(chain)
        entries.append(KeyEntry(key, chain))
    return KeyEntries(entries, [certificate for _, certificate in certificates if certificate not in in_chains])


def _ask_openssl(path: str, password: str | None, options: tuple[str, ...]) -> str | None:
    """What `openssl pkcs12` prints; None where it cannot read the file."""
    command = [_PROGRAM, "pkcs12", "-in", path, "-nodes", "-passin", f"env:{_PASSWORD}", *options]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, _PASSWORD: password or ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise StoreError("PKCS12 is read with the program openssl, which is not installed; PEM needs nothing") from None
    except subprocess.TimeoutExpired:
        raise StoreError(f"openssl did not read it within {_TIMEOUT_S} s") from None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
