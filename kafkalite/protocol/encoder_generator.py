"""Writes the source of a struct's encoder in one version (see codec)."""

from __future__ import annotations

import struct as _struct

from kafkalite.protocol.code_buffer import FIXED, CodeBuffer
from kafkalite.protocol.schema import Field, Struct


class EncoderGenerator:
    """Writes the encoder of a struct, those inside it included."""

    def __init__(self, source: CodeBuffer, version: int, is_flexible: bool) -> None:
        self.source, self.version, self.is_flexible = source, version, is_flexible
        self._depth = 1

    def struct(self, cls: type[Struct], target: str, indent: str, out: str) -> None:
        """Lines that append the struct in the variable `target` to `out`."""
        line = self.source.line
        fixed: list[Field] = []

        def flush() -> None:
            if fixed:
                name, _ = self.source.packer([field.kind for field in fixed])
                line(f"{indent}{out} += {name}_pack({', '.join(f'{target}.{field.name}' for field in fixed)})")
                fixed.clear()

        tagged: list[Field] = []
        for field in cls.fields:
            value = f"{target}.{field.name}"
            if self.version not in field.versions:
                if not field.ignorable:
                    line(f"{indent}if {self.differs(field, value)}: unrepresentable({field.name!r}, {self.version})")
            elif self.is_flexible and field.tag is not None and self.version in field.tagged_versions:
                tagged.append(field)
            elif field.kind in FIXED:
                fixed.append(field)
            else:
                flush()
                line(f"{indent}v = {value}")
                self.value(field, "v", indent, out)
        flush()
        if self.is_flexible:
            self.tags(tagged, target, indent, out)

    def _inner_struct(self, cls: type[Struct], value: str, indent: str, out: str) -> None:
        self._depth += 1
        target = f"o{self._depth}"
        if value != target:
            self.source.line(f"{indent}{target} = {value}")
        self.struct(cls, target, indent, out)
        self._depth -= 1

    def differs(self, field: Field, value: str) -> str:
        """An expression that is true where a field's value is not its default."""
        if field.default is None:
            return f"{value} is not None"
        if field.kind == "array":
            return f"{value} != []"
        if field.kind == "struct":
            inner = field.element.fields
            if all(isinstance(each.default, (int, str)) for each in inner):
                return " or ".join(f"{value}.{each.name} != {each.default!r}" for each in inner)
            return f"{value} != {self.source.name(field.element, 'new')}()"
        return f"{value} != {self.source.default(field)}"

    def value(self, field: Field, value: str, indent: str, out: str, *, is_tagged: bool = False) -> None:
        """Lines that append `value` to `out`; a null where none is allowed raises TypeError, as a bug of the caller."""
        line = self.source.line
        kind = field.kind
        is_nullable = self.version in field.nullable
        if kind in FIXED:
            name, _ = self.source.packer([kind])
            line(f"{indent}{out} += {name}_pack({value})")
            return
        if kind == "uuid":
            line(f"{indent}{out} += {value}")
            return
        if kind == "struct":
            if is_nullable:
                line(f"{indent}if {value} is None: {out}.append({0 if is_tagged else 255})")
                line(f"{indent}else:")
                indent += "    "
                line(f"{indent}{out}.append(1)")
            self._inner_struct(field.element, value, indent, out)
            return
        flexible = self.is_flexible if field.flexible is None else self.version in field.flexible
        if is_nullable:
            line(f"{indent}if {value} is None:")
            null = r"b'\0'" if flexible else r"b'\xff\xff'" if kind == "string" else r"b'\xff\xff\xff\xff'"
            line(f"{indent}    {out} += {null}")
            line(f"{indent}else:")
            indent += "    "
        if kind == "string":
            line(f"{indent}w = {value}.encode('utf-8', 'replace')")
            self._length("w", "int16", flexible, indent, out)
            line(f"{indent}{out} += w")
        elif kind == "bytes":
            self._length(value, "int32", flexible, indent, out)
            line(f"{indent}{out} += {value}")
        elif kind == "records":
            self._length(value, "int32", flexible, indent, out)
            line(f"{indent}if type({value}) in (bytes, memoryview, bytearray): {out} += {value}")
            line(f"{indent}else: {out}.append_slice({value})")
        else:
            self._length(value, "int32", flexible, indent, out)
            self._elements(field, value, indent, out)

    def _length(self, value: str, plain: str, flexible: bool, indent: str, out: str) -> None:
        line = self.source.line
        line(f"{indent}n = len({value})")
        if flexible:
            line(f"{indent}if n < 127: {out}.append(n + 1)")
            line(f"{indent}else: write_uvarint({out}, n + 1)")
        else:
            name, _ = self.source.packer([plain])
            line(f"{indent}{out} += {name}_pack(n)")

    def _elements(self, field: Field, value: str, indent: str, out: str) -> None:
        line = self.source.line
        element = field.element
        if isinstance(element, Field) and element.kind in FIXED:
            pack = self.source.name(_struct.pack, "pack")
            line(f"{indent}{out} += {pack}(f'>{{n}}{FIXED[element.kind]}', *{value})")
            return
        item = "item" if isinstance(element, Field) else f"o{self._depth + 1}"
        line(f"{indent}for {item} in {value}:")
        if isinstance(element, Field):
            self.value(element, item, indent + "    ", out)
            return
        if field.may_be_encoded:
            line(f"{indent}    if type({item}) is {self.source.name(bytes, 'bytes_type')}:")
            line(f"{indent}        {out} += {item}")
            line(f"{indent}        continue")
        self._inner_struct(element, item, indent + "    ", out)

    def tags(self, fields: list[Field], target: str, indent: str, out: str) -> None:
        line = self.source.line
        if not fields:
            line(f"{indent}{out}.append(0)")
            return
        tags, buffer = f"tags{self._depth}", f"t{self._depth}"
        line(f"{indent}{tags} = []")
        for field in sorted(fields, key=lambda field: field.tag or 0):
            value = f"{target}.{field.name}"
            line(f"{indent}if {self.differs(field, value)}:")
            line(f"{indent}    v = {value}")
            line(f"{indent}    {buffer} = bytearray()")
            self.value(field, "v", indent + "    ", buffer, is_tagged=True)
            line(f"{indent}    {tags}.append(({field.tag}, {buffer}))")
        line(f"{indent}if {tags}: write_tags({out}, {tags})")
        line(f"{indent}else: {out}.append(0)")
