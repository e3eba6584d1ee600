"""How messages are described: structs of fields with version ranges, defaults and tags.

A definition reads like Apache Kafka's schema of the same message:

    class ListOffsetsPartition(Struct):
        partition_index: int = int32()
        current_leader_epoch: int = int32(versions="4+", default=-1, ignorable=True)

    class ListOffsetsRequest(Request, api_key=2, versions="1-11", flexible="6+"):
        topics: list[ListOffsetsTopic] = array(ListOffsetsTopic)

Every field has a default, so `ListOffsetsPartition()` is valid and each name can be given as a keyword. Encoders and
decoders are compiled from the description for one version at a time, when that version is first met: see `codec`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, NamedTuple, Self

from kafkalite.identifiers import Uuid

MAX_VERSION: Final = 32767


class VersionRange(NamedTuple):
    """Versions from `lowest` to `highest`, both included; empty where lowest is above highest."""

    lowest: int
    highest: int

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Reads "3", "1-4", "2+" and "none" (or nothing)."""
        if text in ("none", ""):
            return NO_VERSIONS
        if text.endswith("+"):
            return cls(int(text[:-1]), MAX_VERSION)
        lowest, _, highest = text.partition("-")
        return cls(int(lowest), int(highest or lowest))

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.lowest <= version <= self.highest

    def __str__(self) -> str:
        if self.lowest > self.highest:
            return "none"
        if self.highest == MAX_VERSION:
            return f"{self.lowest}+"
        return f"{self.lowest}-{self.highest}" if self.lowest != self.highest else str(self.lowest)


NO_VERSIONS: Final = VersionRange(0, -1)
ALL_VERSIONS: Final = VersionRange(0, MAX_VERSION)
_RANGES: dict[str, VersionRange] = {}


def _range(text: str) -> VersionRange:
    known = _RANGES.get(text)
    if known is None:
        known = _RANGES[text] = VersionRange.parse(text)
    return known


class Field:
    """One field: `kind` is a primitive's name, "struct" or "array"; `element` is what an array or struct is made of."""

    __slots__ = (
        "default", "element", "flexible", "ignorable", "kind", "may_be_encoded", "name", "nullable", "tag",
        "tagged_versions", "versions",
    )  # fmt: skip

    def __init__(
        self, kind: str, versions: VersionRange, default: Any, element: Any = None,
        nullable: VersionRange = NO_VERSIONS, tag: int | None = None, tagged_versions: VersionRange = NO_VERSIONS,
        flexible: VersionRange | None = None, ignorable: bool = False,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.versions = versions
        self.default = default
        self.element = element
        self.nullable = nullable
        self.tag = tag
        self.tagged_versions = tagged_versions
        self.flexible = flexible
        self.ignorable = ignorable
        self.may_be_encoded = False
        self.name = ""

    def new_default(self) -> Any:
        """The value a field has when none was given; lists and structs are made anew each time."""
        if self.kind == "array" and self.default is not None:
            return []
        if self.kind == "struct" and self.default is not None:
            return self.element()
        return self.default


def _primitive(kind: str, zero: Any) -> Any:
    def declare(
        *,
        versions: str = "0+",
        default: Any = zero,
        nullable: str = "none",
        tag: int | None = None,
        flexible: str | None = None,
        ignorable: bool = False,
    ) -> Any:
        return Field(
            kind,
            _range(versions),
            default,
            None,
            _range(nullable),
            tag,
            NO_VERSIONS if tag is None else _range(versions),
            None if flexible is None else _range(flexible),
            ignorable,
        )

    declare.__name__ = kind
    return declare


boolean = _primitive("bool", False)
int8 = _primitive("int8", 0)
int16 = _primitive("int16", 0)
uint16 = _primitive("uint16", 0)
int32 = _primitive("int32", 0)
uint32 = _primitive("uint32", 0)
int64 = _primitive("int64", 0)
float64 = _primitive("float64", 0.0)
uuid = _primitive("uuid", Uuid.ZERO)
string = _primitive("string", "")
bytes_ = _primitive("bytes", b"")
records = _primitive("records", None)


def array(element: Any, *, may_be_encoded: bool = False, **facts: Any) -> Any:
    """An array of a Struct class or of a primitive (`array(int32)`); its default is an empty list, or None if given.

    Where elements `may_be_encoded`, bytes stand for a struct that has been encoded before, in the same version.
    """
    declared: Field = _primitive("array", ())(**facts)
    declared.element = element if isinstance(element, type) else element()
    declared.may_be_encoded = may_be_encoded
    return declared


def struct(element: type[Struct], **facts: Any) -> Any:
    """A nested Struct; its default is a new one, or None if given."""
    declared: Field = _primitive("struct", ())(**facts)
    declared.element = element
    return declared


class _StructType(type):
    """Takes the fields out of a class body and gives it slots instead."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **facts: Any) -> _StructType:
        fields = [value for value in body.values() if isinstance(value, Field)]
        for attribute, value in list(body.items()):
            if isinstance(value, Field):
                value.name = attribute
                del body[attribute]
        body["__slots__"] = tuple(field.name for field in fields)
        body["fields"] = fields
        body["encoders"] = {}
        body["decoders"] = {}
        return super().__new__(mcs, name, bases, body, **facts)


class Struct(metaclass=_StructType):
    """A group of fields; two are equal when their types and fields are."""

    fields: ClassVar[list[Field]]
    encoders: ClassVar[dict[Any, Any]]
    decoders: ClassVar[dict[Any, Any]]

    def __init__(self, **values: Any) -> None:
        from kafkalite.protocol.codec import compile_init

        compile_init(type(self))
        self.__init__(**values)  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, field.name) == getattr(other, field.name) for field in self.fields)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in self.fields)})"


class Message(Struct):
    """A struct that stands for itself on the wire or on disk and carries its own version range."""

    valid_versions: ClassVar[VersionRange] = ALL_VERSIONS
    flexible_versions: ClassVar[VersionRange] = NO_VERSIONS

    def __init_subclass__(cls, *, versions: str = "0+", flexible: str = "none", **facts: Any) -> None:
        super().__init_subclass__(**facts)
        cls.valid_versions = _range(versions)
        cls.flexible_versions = _range(flexible)

    def encode(self, version: int) -> bytes:
        """The bytes of this message in a version; raises UnsupportedVersionError where a set field is unknown to it."""
        out = bytearray()
        self.encode_into(out, version)
        return bytes(out)

    def encode_into(self, out: bytearray, version: int) -> None:
        """Appends the bytes of this message in a version to `out`."""
        cls = type(self)
        encoder = cls.encoders.get(version)
        if encoder is None:
            from kafkalite.protocol.codec import compile_encoder

            encoder = compile_encoder(cls, version)
        encoder(self, out)

    @classmethod
    def decode(cls, buffer: bytes | bytearray | memoryview, version: int) -> Self:
        """Reads a message that begins at the buffer's start; raises ProtocolError where the bytes are none."""
        return cls.decode_from(buffer, 0, version)[0]

    @classmethod
    def decode_from(cls, buffer: bytes | bytearray | memoryview, position: int, version: int) -> tuple[Self, int]:
        """Reads a message that begins at `position`; returns it with the position behind it."""
        from kafkalite.protocol.codec import decode_message

        return decode_message(cls, buffer, position, version)


class Response(Message):
    """What a broker answers."""

    api_key: ClassVar[int] = -1


class Request(Message):
    """What a client asks: bound to its API's number, the listeners that take it, and the response that answers it."""

    api_key: ClassVar[int] = -1
    listener_types: ClassVar[tuple[str, ...]] = ()
    latest_version_unstable: ClassVar[bool] = False
    response_type: ClassVar[type[Response]]

    def __init_subclass__(
        cls,
        *,
        api_key: int = -1,
        listeners: tuple[str, ...] = ("broker",),
        response: type[Response] = Response,
        latest_version_unstable: bool = False,
        **facts: Any,
    ) -> None:
        super().__init_subclass__(**facts)
        cls.api_key = api_key
        cls.listener_types = listeners
        cls.latest_version_unstable = latest_version_unstable
        cls.response_type = response
        response.api_key = api_key
