"""JKS, the file format of Java's older key stores, as the JDK's JavaKeyStore and KeyProtector write it.

file         magic 0xFEEDFEED | version int32 (1, 2) | count int32 | entries | SHA-1 of password, "Mighty Aphrodite"
             and all that is before it
entry        tag int32 | alias UTF | creation time int64, then
  1 key      size int32, protected key | count int32, certificates, that of the key first
  2 trusted  certificate
certificate  type UTF ("X.509"; not in version 1) | size int32, DER
key          DER: SEQUENCE (algorithm, OCTET STRING (salt [20] | key XOR keystream | SHA-1 of password, key))
keystream    SHA-1 of password and salt, SHA-1 of password and that, and so on; passwords are UTF-16, big-endian
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from kafkalite.tls.der import OCTET_STRING, DerError, read_element
from kafkalite.tls.key_entries import KeyEntries, KeyEntry, StoreError

MAGIC: Final = b"\xfe\xed\xfe\xed"
_DIGEST_SIZE: Final = 20
_WHITENER: Final = b"Mighty Aphrodite"
_KEY_ENTRY: Final = 1
_TRUSTED_ENTRY: Final = 2
_TRUNCATED: Final = "the file ends too early"


def read_java_key_store(data: bytes, password: str | None, key_password: str | None) -> KeyEntries:
    """The content of a JKS file; raises StoreError. Without a password its integrity is not checked, as in Java."""
    if password is not None:
        digest = hashlib.sha1(password.encode("utf-16-be") + _WHITENER + data[:-_DIGEST_SIZE]).digest()
        if digest != data[-_DIGEST_SIZE:]:
            raise StoreError("Keystore was tampered with, or password was incorrect")
    reader = _Reader(data[:-_DIGEST_SIZE], len(MAGIC))
    version = reader.int32()
    keys: list[KeyEntry] = []
    trusted: list[bytes] = []
    for _ in range(reader.int32()):
        tag = reader.int32()
        reader.text()
        reader.take(8)
        if tag == _KEY_ENTRY:
            protected = reader.sized()
            chain = [reader.certificate(version) for _ in range(reader.int32())]
            if key_password is not None:
                keys.append(KeyEntry(_unprotected(protected, key_password), chain))
        elif tag == _TRUSTED_ENTRY:
            trusted.append(reader.certificate(version))
        else:
            raise StoreError(f"Unrecognized keystore entry: {tag}")
    return KeyEntries(keys, trusted)


def _unprotected(protected: bytes, password: str) -> bytes:
    """The private key (PKCS #8, DER) of a protected one."""
    try:
        [sealed] = [child.content for child in read_element(protected).children() if child.tag == OCTET_STRING]
    except (DerError, ValueError):
        raise StoreError("UnrecoverableKeyException: the private key is not protected in a known way") from None
    salt, encrypted, check = sealed[:_DIGEST_SIZE], sealed[_DIGEST_SIZE:-_DIGEST_SIZE], sealed[-_DIGEST_SIZE:]
    secret = password.encode("utf-16-be")
    keystream = bytearray()
    digest = salt
    while len(keystream) < len(encrypted):
        digest = hashlib.sha1(secret + digest).digest()
        keystream += digest
    key = bytes(byte ^ mask for byte, mask in zip(encrypted, keystream, strict=False))
    if hashlib.sha1(secret + key).digest() != check:
        raise StoreError("Cannot recover key: the key password is wrong")
    return key


class _Reader:
    """Reads a file's fields one after the other; raises StoreError where it ends."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def take(self, size: int) -> bytes:
        start, self._position = self._position, self._position + size
        if size < 0 or self._position > len(self._data):
            raise StoreError(_TRUNCATED)
        return self._data[start : self._position]

    def int32(self) -> int:
        value: int = struct.unpack(">i", self.take(4))[0]
        return value

    def sized(self) -> bytes:
        return self.take(self.int32())

    def text(self) -> str:
        return self.take(int.from_bytes(self.take(2))).decode("utf-8", "replace")

    def certificate(self, version: int) -> bytes:
        if version == 2:
            self.text()
        return self.sized()
