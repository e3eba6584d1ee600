"""PEM: certificates and private keys as text, between lines that say what they are.

Apache Kafka takes them in properties too, where line breaks may have become blanks; they are put in order here.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BLOCK: Final = re.compile(
    r"-+BEGIN\s+([A-Z0-9 ]+?)-+\s+(?:[\w-]+:[^\r\n]*[\r\n]+)*([a-zA-Z0-9/+=\s]*?)-+END\s+\1-+",
)
_LINE_LENGTH: Final = 64


class PemBlock(NamedTuple):
    """One thing of a PEM text: what it is, and its text in the usual form."""

    label: str
    text: str


def pem_blocks(text: str) -> list[PemBlock]:
    """All that stands in a PEM text; whatever is written around it is skipped."""
    return [PemBlock(label, to_pem(label, base64)) for label, base64 in _BLOCK.findall(text)]


def certificates_of(text: str) -> list[str]:
    """The certificates of a PEM text, in their order."""
    return [block.text for block in pem_blocks(text) if block.label == "CERTIFICATE"]


def private_keys_of(text: str) -> list[str]:
    """The private keys of a PEM text, in their order."""
    return [block.text for block in pem_blocks(text) if block.label.endswith("PRIVATE KEY")]


def to_pem(label: str, base64: str) -> str:
    """PEM of what is base64 already."""
    digits = "".join(base64.split())
    lines = [digits[start : start + _LINE_LENGTH] for start in range(0, len(digits), _LINE_LENGTH)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))
