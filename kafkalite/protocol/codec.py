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

from kafkalite.protocol.code_buffer import CodeBuffer
from kafkalite.protocol.decoder_generator import DecoderGenerator
from kafkalite.protocol.encoder_generator import EncoderGenerator
from kafkalite.protocol.primitives import Buffer, ProtocolError, UnsupportedVersionError
from kafkalite.protocol.schema import Message, Struct

M = TypeVar("M", bound=Message)
Decoder = Callable[[memoryview, int, int], tuple[Any, int]]
Encoder = Callable[[Any, bytearray], None]

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
    source = CodeBuffer()
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


def _compile_decoder(cls: type[Struct], version: int, is_flexible: bool) -> Decoder:
    source = CodeBuffer()
    source.line("def decode(b, p, end):")
    target = DecoderGenerator(source, version, is_flexible).struct(cls, "    ")
    source.line(f"    return {target}, p")
    decoder: Decoder = source.compile(f"<decode {cls.__name__} version {version}>")["decode"]
    return decoder


def _compile_encoder(cls: type[Struct], version: int, is_flexible: bool) -> Encoder:
    source = CodeBuffer()
    source.line("def encode(o1, out):")
    EncoderGenerator(source, version, is_flexible).struct(cls, "o1", "    ", "out")
    source.line("    return")
    encoder: Encoder = source.compile(f"<encode {cls.__name__} version {version}>")["encode"]
    return encoder
