"""Compiles message definitions into encoders and decoders, one pair for each struct and version.

The source of a function is written out field by field, as a person would write it for that version, and compiled once:
fields of fixed size that follow each other are read and written by one `struct.Struct`, absent fields get their
defaults, tags are collected at the end. Layouts (KIP-482 calls those with varint lengths and tags "flexible"):

    string, bytes, records   length int16 (string) or int32, flexible: unsigned varint of length + 1; null is -1 or 0
    array                    count int32, flexible: unsigned varint of count + 1; null is -1 or 0
    nullable struct          int8, below zero for null, before the struct; as a tag: unsigned varint, 0 for null
    tagged fields            flexible: unsigned varint count, then tag, size and bytes of each, by rising tag

Nothing is ever allocated on the word of a length: a length beyond what is left of the buffer raises ProtocolError.
"""

from __future__ import annotations

import struct as _struct
from collections.abc import Callable
from typing import Any, Final, TypeVar

from kafkalite.identifiers import Uuid
from kafkalite.protocol import primitives
from kafkalite.protocol.primitives import Buffer, ProtocolError, UnsupportedVersionError
from kafkalite.protocol.schema import Field, Message, Struct

M = TypeVar("M", bound=Message)
Decoder = Callable[[memoryview, int, int], tuple[Any, int]]
Encoder = Callable[[Any, bytearray], None]

_FIXED: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float64": "d",
}
_UNSET: Final = object()


def decode_message(cls: type[M], buffer: Buffer, position: int, version: int) -> tuple[M, int]:
    """Reads one message; whatever is wrong with the bytes comes out as ProtocolError."""
    decoder = cls.decoders.get(version)
    if decoder is None:
        decoder = compile_decoder(cls, version)
    view = buffer if type(buffer) is memoryview else memoryview(buffer)
    try:
        message, end = decoder(view, position, len(view))
    except (IndexError, _struct.error) as error:
        raise ProtocolError(f"{cls.__name__} version {version} ends too early") from error
    return message, end


def compile_init(cls: type[Struct]) -> None:
    """Gives a struct an `__init__` with a keyword for each field."""
    source = _Source()
    source.names["_UNSET"] = _UNSET
    parameters = ["self"] + ["*"] * bool(cls.fields)
    lines = []
    for field in cls.fields:
        default = source.default(field)
        if default.endswith(("[]", "()")):  # made anew for each struct
            parameters.append(f"{field.name}=_UNSET")
            lines.append(f"    self.{field.name} = {default} if {field.name} is _UNSET else {field.name}")
        else:
            parameters.append(f"{field.name}={default}")
            lines.append(f"    self.{field.name} = {field.name}")
    source.line(f"def __init__({', '.join(parameters)}):")
    for line in lines or ["    pass"]:
        source.line(line)
    cls.__init__ = source.compile(f"<{cls.__name__}>")["__init__"]  # type: ignore[method-assign]


def compile_decoder(cls: type[Struct], version: int, *, is_flexible: bool | None = None) -> Decoder:
    """The decoder of a struct in a version, made on first use: `(view, position, end) -> (object, position)`."""
    is_flexible = _flexibility(cls, version, is_flexible)
    key = _key(cls, version, is_flexible)
    if key not in cls.decoders:
        cls.decoders[key] = _compile_decoder(cls, version, is_flexible)
    decoder: Decoder = cls.decoders[key]
    return decoder


def compile_encoder(cls: type[Struct], version: int, *, is_flexible: bool | None = None) -> Encoder:
    """The encoder of a struct in a version, made on first use: `(object, out)`."""
    is_flexible = _flexibility(cls, version, is_flexible)
    key = _key(cls, version, is_flexible)
    if key not in cls.encoders:
        cls.encoders[key] = _compile_encoder(cls, version, is_flexible)
    encoder: Encoder = cls.encoders[key]
    return encoder


def _flexibility(cls: type[Struct], version: int, is_flexible: bool | None) -> bool:
    if issubclass(cls, Message):
        if version not in cls.valid_versions:
            raise UnsupportedVersionError(f"{cls.__name__} has no version {version} (it has {cls.valid_versions})")
        return version in cls.flexible_versions
    return bool(is_flexible)


def _key(cls: type[Struct], version: int, is_flexible: bool) -> Any:
    """A message's version settles whether it is flexible; a struct may stand in messages of both kinds."""
    return version if issubclass(cls, Message) else (version, is_flexible)


class _Source:
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
        codes = "".join(_FIXED[kind] for kind in kinds)
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


# --- decoding ---------------------------------------------------------------------------------------------------------


def _compile_decoder(cls: type[Struct], version: int, is_flexible: bool) -> Decoder:
    source = _Source()
    source.line("def decode(b, p, end):")
    target = _DecoderWriter(source, version, is_flexible).struct(cls, "    ")
    source.line(f"    return {target}, p")
    decoder: Decoder = source.compile(f"<decode {cls.__name__} version {version}>")["decode"]
    return decoder


class _DecoderWriter:
    """Writes the decoder of a struct, those inside it included: a call for each would cost as much as its fields."""

    def __init__(self, source: _Source, version: int, is_flexible: bool) -> None:
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
            elif field.kind in _FIXED:
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
        if kind in _FIXED:
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
        if isinstance(element, Field) and element.kind in _FIXED:
            code = _FIXED[element.kind]
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


# --- encoding ---------------------------------------------------------------------------------------------------------


def _compile_encoder(cls: type[Struct], version: int, is_flexible: bool) -> Encoder:
    source = _Source()
    source.line("def encode(o1, out):")
    _EncoderWriter(source, version, is_flexible).struct(cls, "o1", "    ", "out")
    source.line("    return")
    encoder: Encoder = source.compile(f"<encode {cls.__name__} version {version}>")["encode"]
    return encoder


def _write_tags(out: bytearray, tags: list[tuple[int, bytearray]]) -> None:
    primitives.write_unsigned_varint(out, len(tags))
    for tag, value in tags:
        primitives.write_unsigned_varint(out, tag)
        primitives.write_unsigned_varint(out, len(value))
        out += value


class _EncoderWriter:
    """Writes the encoder of a struct, those inside it included."""

    def __init__(self, source: _Source, version: int, is_flexible: bool) -> None:
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
            elif field.kind in _FIXED:
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
        if kind in _FIXED:
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
        if isinstance(element, Field) and element.kind in _FIXED:
            pack = self.source.name(_struct.pack, "pack")
            line(f"{indent}{out} += {pack}(f'>{{n}}{_FIXED[element.kind]}', *{value})")
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
