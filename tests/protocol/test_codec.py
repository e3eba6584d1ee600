"""Encoding and decoding: every message in every version, exact bytes of some, and bytes that are no message."""

from __future__ import annotations

import random
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkalite.identifiers import Uuid
from kafkalite.protocol.api_keys import ApiKey, request_class
from kafkalite.protocol.codec import compile_encoder
from kafkalite.protocol.coordinator_records.consumer_group import (
    ClassicMemberMetadata,
    ConsumerGroupMemberMetadataValue,
)
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.fetch import FetchResponse, NodeEndpoint
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from kafkalite.protocol.messages.produce import ProduceRequest
from kafkalite.protocol.primitives import ProtocolError, UnsupportedVersionError
from kafkalite.protocol.schema import Field, Message, Struct

SomeStruct = TypeVar("SomeStruct", bound=Struct)

_NUMBERS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}


def random_value(field: Field, version: int, chance: random.Random, *, is_flexible: bool) -> Any:
    """A value that a version can carry; null now and then where it may be."""
    if version in field.nullable and chance.random() < 0.2:
        return None
    kind = field.kind
    if kind in _NUMBERS:
        bits = _NUMBERS[kind]
        return chance.choice([0, 1, -1, (1 << bits) - 1, -(1 << bits), chance.randrange(-(1 << bits), 1 << bits)])
    if kind in ("uint16", "uint32"):
        return chance.randrange(1 << int(kind[4:]))
    if kind == "bool":
        return chance.random() < 0.5
    if kind == "float64":
        return chance.uniform(-1e9, 1e9)
    if kind == "uuid":
        return Uuid(chance.randbytes(16))
    if kind == "string":
        return "".join(chance.choices("aé😀\x00 Z", k=chance.choice([0, 1, 5, 200])))
    if kind in ("bytes", "records"):
        return chance.randbytes(chance.choice([0, 1, 126, 127, 128, 300]))
    if kind == "struct":
        return random_struct(field.element, version, chance)
    count = chance.choice([0, 1, 2, 130 if not isinstance(field.element, type) else 3])
    if isinstance(field.element, Field):
        return [random_value(field.element, version, chance, is_flexible=is_flexible) for _ in range(count)]
    return [random_struct(field.element, version, chance) for _ in range(count)]


def random_struct(cls: type[SomeStruct], version: int, chance: random.Random) -> SomeStruct:
    values = {
        field.name: random_value(field, version, chance, is_flexible=False)
        for field in cls.fields
        if version in field.versions
    }
    return cls(**values)


def versions_of(cls: type[Message]) -> range:
    return range(cls.valid_versions.lowest, cls.valid_versions.highest + 1)


def test_every_version_of_a_message_round_trips(message_class: type[Message]) -> None:
    for version in versions_of(message_class):
        for seed in range(3):
            message = random_struct(message_class, version, random.Random(f"{message_class.__name__} {version} {seed}"))
            encoded = message.encode(version)
            decoded, end = message_class.decode_from(encoded, 0, version)
            assert decoded == message
            assert end == len(encoded)
            assert decoded.encode(version) == encoded


def test_a_message_that_is_cut_anywhere_is_refused(message_class: type[Message]) -> None:
    for version in versions_of(message_class):
        message = random_struct(message_class, version, random.Random(f"cut {message_class.__name__} {version}"))
        encoded = message.encode(version)
        for length in {*range(min(len(encoded), 40)), len(encoded) // 2, len(encoded) - 1} - {-1, len(encoded)}:
            with pytest.raises(ProtocolError):
                message_class.decode(encoded[:length], version)


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=120), pick=st.integers(min_value=0), is_response=st.booleans())
def test_noise_is_decoded_or_refused_with_the_one_error(noise: bytes, pick: int, is_response: bool) -> None:
    keys = list(ApiKey)
    request = request_class(keys[pick % len(keys)])
    cls: type[Message] = request.response_type if is_response else request
    versions = versions_of(cls)
    try:
        decoded = cls.decode(noise, versions[pick % len(versions)])
    except ProtocolError:
        return
    assert isinstance(decoded, cls)


@pytest.mark.parametrize("size", [b"\x7f\xff\xff\xff", b"\x00\x00\x00\x09"])
def test_an_array_longer_than_what_follows_is_refused_before_anything_is_made(size: bytes) -> None:
    with pytest.raises(ProtocolError, match="topics"):
        MetadataRequest.decode(size + b"\x00\x01a", 1)


def test_null_is_refused_where_none_may_be() -> None:
    with pytest.raises(ProtocolError, match="non-nullable field topics was serialized as null"):
        MetadataRequest.decode(b"\xff\xff\xff\xff", 0)


def test_the_bytes_of_an_old_version() -> None:
    request = ListOffsetsRequest(
        replica_id=-1,
        topics=[ListOffsetsTopic(name="t", partitions=[ListOffsetsPartition(partition_index=2, timestamp=-1)])],
    )
    assert request.encode(1).hex(" ") == (
        "ff ff ff ff 00 00 00 01 00 01 74 00 00 00 01 00 00 00 02 ff ff ff ff ff ff ff ff"
    )


def test_the_bytes_of_a_flexible_version_with_tags() -> None:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=None)], allow_auto_topic_creation=True)
    assert request.encode(12).hex(" ") == f"02 {'00 ' * 16}00 00 01 00 00"
    response = FetchResponse(node_endpoints=[NodeEndpoint(node_id=1, host="h", port=2)])
    assert response.encode(16).hex(" ") == (
        "00 00 00 00 00 00 00 00 00 00 01 01 00 0d 02 00 00 00 01 02 68 00 00 00 02 00 00"
    )
    assert FetchResponse.decode(response.encode(16), 16) == response


def test_a_nullable_struct_in_a_tag_is_marked_by_an_unsigned_number() -> None:
    written_by_apache_kafka = "00000872646b61666b610b2f3132372e302e302e3102087374616d70656401000493e000" + "01000100"
    value = ConsumerGroupMemberMetadataValue.decode(bytes.fromhex(written_by_apache_kafka), 0)
    assert value.subscribed_topic_names == ["stamped"]
    assert value.classic_member_metadata is None
    assert value.encode(0).hex() == written_by_apache_kafka
    value.classic_member_metadata = ClassicMemberMetadata(session_timeout_ms=6000)
    encoded = value.encode(0)
    assert encoded.hex().endswith("01000701000017700100")
    assert ConsumerGroupMemberMetadataValue.decode(encoded, 0) == value


def test_unknown_tags_are_passed_over() -> None:
    encoded = ApiVersionsRequest(client_software_name="a", client_software_version="1").encode(3)
    assert encoded[-1] == 0
    with_tag = encoded[:-1] + bytes((1, 99, 3)) + b"xyz"
    assert ApiVersionsRequest.decode(with_tag, 3) == ApiVersionsRequest.decode(encoded, 3)


def test_a_field_that_a_version_lacks_is_not_dropped_in_silence() -> None:
    request = MetadataRequest(topics=[], include_topic_authorized_operations=True)
    with pytest.raises(UnsupportedVersionError, match="include_topic_authorized_operations at version 1"):
        request.encode(1)
    with pytest.raises(UnsupportedVersionError, match="no version 2"):
        ProduceRequest().encode(2)


def test_names_that_are_no_utf8_are_replaced_as_java_does() -> None:
    request = MetadataRequest.decode(b"\x00\x00\x00\x01\x00\x02\xff\xfe", 1)
    assert request.topics is not None
    assert request.topics[0].name == "\ufffd\ufffd"


@pytest.mark.parametrize("version", [1, 9, 12])
def test_structs_that_were_encoded_before_stand_as_their_bytes(version: int) -> None:
    topics = [MetadataResponseTopic(name=name, topic_id=Uuid.ZERO) for name in ("a", "b")]
    whole = MetadataResponse(topics=topics).encode(version)
    out = bytearray()
    compile_encoder(MetadataResponseTopic, version, is_flexible=version >= 9)(topics[0], out)
    mixed: list[Any] = [bytes(out), topics[1]]
    assert MetadataResponse(topics=mixed).encode(version) == whole
