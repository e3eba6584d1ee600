"""DER, as far as certificates and key stores need it: elements and object identifiers.

element    tag uint8 | length (below 128: one byte; else 0x80 + n, then n bytes) | content
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31


class DerError(ValueError):
    """Bytes that are no DER."""


class DerElement(NamedTuple):
    """One element: its tag, its content, and all its bytes."""

    tag: int
    content: bytes
    encoded: bytes

    def children(self) -> Iterator[DerElement]:
        """The elements that the content is made of."""
        return iter_elements(self.content)


def iter_elements(data: bytes) -> Iterator[DerElement]:
    """The elements that follow each other in `data`; raises DerError."""
    position = 0
    while position < len(data):
        element = read_element(data, position)
        yield element
        position += len(element.encoded)


def read_element(data: bytes, position: int = 0) -> DerElement:
    """The element at `position`; raises DerError."""
    header = data[position : position + 2]
    if len(header) < 2:
        raise DerError("ends too early")
    tag, size = header
    start = position + 2
    if size >= 0x80:
        count = size - 0x80
        size = int.from_bytes(data[start : start + count])
        start += count
    if start + size > len(data):
        raise DerError("ends too early")
    return DerElement(tag, data[start : start + size], data[position : start + size])


def object_identifier(content: bytes) -> str:
    """The dotted form of an object identifier: 2.5.4.3."""
    numbers = []
    number = 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise DerError("an object identifier without a number")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
