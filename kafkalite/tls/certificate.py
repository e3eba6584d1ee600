"""The names in an X.509 certificate, and how Apache Kafka writes them: CN=alice,OU=Sales\\, EMEA,O=Example,C=DE.

certificate  SEQUENCE (to be signed, algorithm, signature)
to be signed SEQUENCE ([0] version, serial number, algorithm, issuer, validity, subject, ...)
extensions   [3] SEQUENCE of SEQUENCE (OBJECT IDENTIFIER, [BOOLEAN], OCTET STRING)
name         SEQUENCE of SET of SEQUENCE (OBJECT IDENTIFIER, value); the last is written first
"""

from __future__ import annotations

from typing import Final

from kafkalite.tls.der import DerElement, DerError, object_identifier, read_element

_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"
_IP_ADDRESS: Final = 7
_KEYWORDS: Final = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
"""What RFC 2253 has keywords for, and so Java's X500Principal.getName()."""
_ENCODINGS: Final = {
    0x0C: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_ESCAPED: Final = {ord(character): "\\" + character for character in ',=+<>#;"\\'} | {0: "\\00"}


def issuer_and_subject(certificate: bytes) -> tuple[DerElement, DerElement]:
    """The names of who signed a certificate (DER) and of whose it is; raises DerError."""
    fields = _fields(certificate)
    return fields[2], fields[4]


def subject_name(certificate: bytes) -> str:
    """Whose a certificate (DER) is, in the form of RFC 2253, as Java's X500Principal.getName() writes it."""
    _, subject = issuer_and_subject(certificate)
    return ",".join("+".join(map(_attribute, relative.children())) for relative in reversed(list(subject.children())))


def subject_alternative_names(certificate: bytes) -> list[str]:
    """The other names in a certificate (DER), each with the number of its kind: [2, localhost], [7, 127.0.0.1]."""
    for field in _fields(certificate):
        if field.tag != _EXTENSIONS:
            continue
        for extension in read_element(field.content).children():
            identifier, *_, value = extension.children()
            if object_identifier(identifier.content) == _SUBJECT_ALTERNATIVE_NAME:
                return [_general_name(name) for name in read_element(value.content).children()]
    return []


def _general_name(name: DerElement) -> str:
    kind = name.tag & 0x1F
    if kind == _IP_ADDRESS and len(name.content) == 4:
        return f"[{kind}, {'.'.join(map(str, name.content))}]"
    return f"[{kind}, {name.content.decode('ascii') if name.content.isascii() else name.content.hex()}]"


def _fields(certificate: bytes) -> list[DerElement]:
    """What is signed: serial number, algorithm, issuer, validity, subject, key, and what may follow."""
    elements = list(read_element(certificate).children())
    fields = list(elements[0].children()) if elements else []
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) < 6:
        raise DerError("is incomplete")
    return fields


def _attribute(element: DerElement) -> str:
    kind, value = element.children()
    identifier = object_identifier(kind.content)
    keyword = _KEYWORDS.get(identifier)
    encoding = _ENCODINGS.get(value.tag)
    if keyword is None or encoding is None:
        return f"{keyword or identifier}=#{value.encoded.hex()}"
    return f"{keyword}={_escaped(value.content.decode(encoding, 'replace'))}"


def _escaped(value: str) -> str:
    """A value with a backslash before what has a meaning in a name."""
    body = value.lstrip(" ")
    leading = len(value) - len(body)
    body = body.rstrip(" ")
    trailing = len(value) - leading - len(body)
    return "\\ " * leading + body.translate(_ESCAPED) + "\\ " * trailing
