"""The source of a codec as it is being written (CodeBuffer), and what every codec's code names."""

from __future__ import annotations

import struct as _struct
from typing import Any, Final

from kafkalite.identifiers import Uuid
from kafkalite.protocol import primitives
from kafkalite.protocol.primitives import ProtocolError, UnsupportedVersionError
from kafkalite.protocol.schema import Field

FIXED: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float64": "d",
}
"""The kinds of fixed size that struct.Struct knows, with its codes for them."""


class CodeBuffer:
    """The lines of functions being written, and the objects that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "ProtocolError": ProtocolError,
            "Uuid": Uuid,
            "overrun": _overrun,
            "unrepresentable": _unrepresentable,
            "null": _null,
            "uvarint": primitives.read_unsigned_varint,
            "write_uvarint": primitives.write_unsigned_varint,
            "write_tags": _write_tags,
        }

    def line(self, text: str) -> None:
        self.lines.append(text)

    def name(self, value: Any, hint: str) -> str:
        """A name for an object in the functions' namespace."""
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name

    def packer(self, kinds: list[str]) -> tuple[str, int]:
        """A name for the struct.Struct of these fixed-size kinds, and its size."""
        codes = "".join(FIXED[kind] for kind in kinds)
        packer = _struct.Struct(">" + codes)
        name = f"fixed_{codes}".replace("?", "z")
        self.names[name + "_unpack"] = packer.unpack_from
        self.names[name + "_pack"] = packer.pack
        return name, packer.size

    def default(self, field: Field) -> str:
        """An expression for a field's default value."""
        if field.kind == "array" and field.default is not None:
            return "[]"
        if field.kind == "struct" and field.default is not None:
            return self.name(field.element, "new") + "()"
        if isinstance(field.default, (int, str, bytes, float, type(None))) and not isinstance(field.default, Uuid):
            return repr(field.default)
        return self.name(field.default, "default")

    def compile(self, filename: str) -> dict[str, Any]:
        exec(compile("\n".join(self.lines), filename, "exec"), self.names)
        return self.names


def _overrun(what: str) -> Any:
    raise ProtocolError(f"Error reading {what}: its size reaches beyond the end of the message")


def _null(what: str) -> Any:
    raise ProtocolError(f"non-nullable field {what} was serialized as null")


def _unrepresentable(name: str, version: int) -> Any:
    raise UnsupportedVersionError(f"Attempted to write a non-default {name} at version {version}")


def _write_tags(out: bytearray, tags: list[tuple[int, bytearray]]) -> None:
    primitives.write_unsigned_varint(out, len(tags))
    for tag, value in tags:
        primitives.write_unsigned_varint(out, tag)
        primitives.write_unsigned_varint(out, len(value))
        out += value
