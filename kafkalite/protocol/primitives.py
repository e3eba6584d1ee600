"""The variable-length numbers of the protocol, and the one error that bad bytes raise.

An unsigned varint carries seven bits a byte, the lowest first, the top bit set on all but the last; a signed one is
zigzag-encoded first.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Buffer: TypeAlias = "bytes | bytearray | memoryview"

_UINT32_MASK: Final = 0xFFFFFFFF
_UINT64_MASK: Final = 0xFFFFFFFFFFFFFFFF


class ProtocolError(Exception):
    """Bytes that are no message of the kind that was expected."""


class UnsupportedVersionError(Exception):
    """A message cannot be expressed in a version: the version is unknown, or it lacks a field that was set."""


def read_unsigned_varint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Reads at most five bytes; returns the value (below 2**32) and the position behind it."""
    byte = buffer[position]
    if byte < 0x80:
        return byte, position + 1
    value = byte & 0x7F
    for index, shift in ((1, 7), (2, 14), (3, 21), (4, 28)):
        byte = buffer[position + index]
        if byte < 0x80:
            return (value | byte << shift) & _UINT32_MASK, position + index + 1
        value |= (byte & 0x7F) << shift
    raise ProtocolError(f"Varint is too long, the most significant bit in the 5th byte is set, value: {value:x}")


def read_varint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Reads a zigzag-encoded 32-bit number."""
    value, position = read_unsigned_varint(buffer, position)
    return (value >> 1) ^ -(value & 1), position


def read_varlong(buffer: Buffer, position: int) -> tuple[int, int]:
    """Reads a zigzag-encoded 64-bit number of at most ten bytes."""
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            value &= _UINT64_MASK
            return (value >> 1) ^ -(value & 1), position
        shift += 7
        if shift > 63:
            raise ProtocolError(f"Varlong is too long, most significant bit in the 10th byte is set, value: {value:x}")


def write_unsigned_varint(out: bytearray, value: int) -> None:
    """Appends a number from 0 to 2**32 - 1."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
