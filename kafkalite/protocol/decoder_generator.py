"""Writes the source of a struct's decoder in one version (see codec)."""

from __future__ import annotations

import struct as _struct

from kafkalite.protocol.code_buffer import FIXED, CodeBuffer
from kafkalite.protocol.schema import Field, Struct


class DecoderGenerator:
    """Writes the decoder of a struct, those inside it included: a call for each would cost as much as its fields."""

    def __init__(self, source: CodeBuffer, version: int, is_flexible: bool) -> None:
        self.source, self.version, self.is_flexible = source, version, is_flexible
        self._depth = 0

    def struct(self, cls: type[Struct], indent: str) -> str:
        """Lines that read a struct at `p`; returns the name of the variable that holds it then."""
        line = self.source.line
        self._depth += 1
        target = f"o{self._depth}"
        name = self.source.name(cls, cls.__name__)
        line(f"{indent}{target} = {self.source.name(cls.__new__, 'new')}({name})")
        fixed: list[Field] = []

        def flush() -> None:
            if fixed:
                name, size = self.source.packer([field.kind for field in fixed])
                targets = ", ".join(f"{target}.{field.name}" for field in fixed)
                line(f"{indent}{targets}{',' if len(fixed) == 1 else ''} = {name}_unpack(b, p)")
                line(f"{indent}p += {size}")
                fixed.clear()

        tagged: list[Field] = []
        for field in cls.fields:
            if self.version not in field.versions:
                line(f"{indent}{target}.{field.name} = {self.source.default(field)}")
            elif self.is_flexible and field.tag is not None and self.version in field.tagged_versions:
                line(f"{indent}{target}.{field.name} = {self.source.default(field)}")
                tagged.append(field)
            elif field.kind in FIXED:
                fixed.append(field)
            else:
                flush()
                self.value(field, f"{target}.{field.name}", indent)
        flush()
        if self.is_flexible:
            self.tags(tagged, target, indent)
        self._depth -= 1
        return target

    def value(self, field: Field, target: str, indent: str, *, is_tagged: bool = False) -> None:
        """Lines that read one field at `p` into `target` and move `p` behind it."""
        line = self.source.line
        kind = field.kind
        is_nullable = self.version in field.nullable
        if kind in FIXED:
            name, size = self.source.packer([kind])
            line(f"{indent}{target}, = {name}_unpack(b, p)")
            line(f"{indent}p += {size}")
        elif kind == "uuid":
            line(f"{indent}q = p + 16")
            line(f"{indent}if q > end: overrun({field.name!r})")
            line(f"{indent}{target} = Uuid(b[p:q])")
            line(f"{indent}p = q")
        elif kind == "struct":
            if is_nullable:
                line(f"{indent}p += 1")
                line(f"{indent}if b[p - 1] {'== 0' if is_tagged else '> 127'}:")
                line(f"{indent}    {target} = None")
                line(f"{indent}else:")
                indent += "    "
            line(f"{indent}{target} = {self.struct(field.element, indent)}")
        else:
            self._length(field, indent)
            line(f"{indent}if n < 0:")
            line(f"{indent}    {target} = None" if is_nullable else f"{indent}    {target} = null({field.name!r})")
            line(f"{indent}else:")
            if kind == "array":
                self._array(field, target, indent + "    ")
            else:
                self._bytes(field, target, indent + "    ")

    def _length(self, field: Field, indent: str) -> None:
        line = self.source.line
        flexible = self.is_flexible if field.flexible is None else self.version in field.flexible
        if flexible:
            line(f"{indent}n = b[p]")
            line(f"{indent}if n < 128: p += 1")
            line(f"{indent}else: n, p = uvarint(b, p)")
            line(f"{indent}n -= 1")
        else:
            name, size = self.source.packer(["int16" if field.kind == "string" else "int32"])
            line(f"{indent}n, = {name}_unpack(b, p)")
            line(f"{indent}p += {size}")

    def _bytes(self, field: Field, target: str, indent: str) -> None:
        line = self.source.line
        line(f"{indent}q = p + n")
        line(f"{indent}if q > end: overrun({field.name!r})")
        taken = {"string": 'str(b[p:q], "utf-8", "replace")', "bytes": "bytes(b[p:q])", "records": "b[p:q]"}
        line(f"{indent}{target} = {taken[field.kind]}")
        line(f"{indent}p = q")

    def _array(self, field: Field, target: str, indent: str) -> None:
        line = self.source.line
        element = field.element
        line(f"{indent}if n > end - p: overrun({field.name!r})")
        if isinstance(element, Field) and element.kind in FIXED:
            code = FIXED[element.kind]
            unpack = self.source.name(_struct.unpack_from, "unpack")
            size = _struct.calcsize(">" + code)
            line(f"{indent}{target} = list({unpack}(f'>{{n}}{code}', b, p))")
            line(f"{indent}p += n * {size}")
            return
        items = f"items{self._depth}"
        line(f"{indent}{target} = {items} = []")
        line(f"{indent}for _ in range(n):")
        item = "item"
        if isinstance(element, Field):
            self.value(element, item, indent + "    ")
        else:
            item = self.struct(element, indent + "    ")
        line(f"{indent}    {items}.append({item})")

    def tags(self, fields: list[Field], target: str, indent: str) -> None:
        line = self.source.line
        behind = f"behind{self._depth}"
        line(f"{indent}n = b[p]")
        line(f"{indent}p += 1")
        line(f"{indent}if n:")
        line(f"{indent}    if n > 127: n, p = uvarint(b, p - 1)")
        line(f"{indent}    for _ in range(n):")
        line(f"{indent}        tag, p = uvarint(b, p)")
        line(f"{indent}        size, p = uvarint(b, p)")
        line(f"{indent}        {behind} = p + size")
        line(f"{indent}        if {behind} > end: overrun('tagged fields')")
        condition = "if"
        for field in fields:
            line(f"{indent}        {condition} tag == {field.tag}:")
            self.value(field, f"{target}.{field.name}", f"{indent}            ", is_tagged=True)
            line(f"{indent}            if p != {behind}: overrun({field.name!r})")
            condition = "elif"
        line(f"{indent}        p = {behind}")
