"""How kafka-dump-log reads keys and values: as text or numbers, or as the records of one of Kafka's own logs.

A decoder gives the texts for key and payload, None where there is nothing to show. What cannot be decoded is said in
place of the key (or the payload, in the metadata log), and the dump goes on with the next record.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final, TypeAlias

from kafkalite.cli.log_dump import DumpError
from kafkalite.cli.message_json import message_to_json, to_json
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, read_prefix
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.records.record import Record

Decoded: TypeAlias = tuple[str | None, str | None]
RecordDecoder: TypeAlias = Callable[[Record], Decoded]

_API_PACKAGE: Final = "org.apache.kafka.tools.api."


def _integer_of(size: int) -> Callable[[bytes], str]:
    def decode(raw: bytes) -> str:
        if len(raw) < size:
            raise DumpError("", "java.nio.BufferUnderflowException")
        return str(int.from_bytes(raw[:size], "big", signed=True))

    return decode


_FIELD_DECODERS: Final[dict[str, Callable[[bytes], str]]] = {
    "StringDecoder": lambda raw: raw.decode("utf-8", "replace"),
    "LongDecoder": _integer_of(8),
    "IntegerDecoder": _integer_of(4),
    "DefaultDecoder": bytes.hex,
}


def decoder_of_classes(key_class: str, value_class: str) -> RecordDecoder:
    """Reads keys and values with the decoders that Apache Kafka ships; raises DumpError for any other class.

    DefaultDecoder shows hexadecimal digits, where the original shows the address of a Java array.
    """
    decode_key, decode_value = _field_decoder(key_class), _field_decoder(value_class)

    def decode(record: Record) -> Decoded:
        return (
            None if record.key is None else decode_key(record.key),
            None if record.value is None else decode_value(record.value),
        )

    return decode


def _field_decoder(class_name: str) -> Callable[[bytes], str]:
    decoder = _FIELD_DECODERS.get(class_name.removeprefix(_API_PACKAGE))
    if decoder is None or not class_name.startswith(_API_PACKAGE):
        raise DumpError("Failed to load decoder class", "java.lang.RuntimeException")
    return decoder


def offsets_decoder() -> RecordDecoder:
    """Reads records of `__consumer_offsets`."""
    from kafkalite.protocol.coordinator_records import (
        classic_group,
        consumer_group,
        offsets,
        share_group,
        streams_group,
    )

    modules = (classic_group, consumer_group, offsets, share_group, streams_group)
    return _CoordinatorRecordDecoder(modules, {classic_group.GroupMetadataValue: _classic_group_to_json}).decode


def transaction_log_decoder() -> RecordDecoder:
    """Reads records of `__transaction_state`."""
    from kafkalite.protocol.coordinator_records import transaction_log

    return _CoordinatorRecordDecoder((transaction_log,), {}).decode


def share_group_state_decoder() -> RecordDecoder:
    """Reads records of `__share_group_state`."""
    from kafkalite.protocol.coordinator_records import share_state

    return _CoordinatorRecordDecoder((share_state,), {}).decode


class _CoordinatorRecordDecoder:
    """The records of one coordinator: keys and values found by the type in front of the key."""

    def __init__(
        self,
        modules: Iterable[ModuleType],
        converters: dict[type[CoordinatorValue], Callable[[Any, int], dict[str, Any]]],
    ) -> None:
        self._keys: dict[int, type[CoordinatorKey]] = {}
        self._values: dict[int, type[CoordinatorValue]] = {}
        self._converters = converters
        for module in modules:
            for found in vars(module).values():
                if not isinstance(found, type) or found.__module__ != module.__name__:
                    continue
                if issubclass(found, CoordinatorKey):
                    self._keys[found.record_type] = found
                elif issubclass(found, CoordinatorValue):
                    self._values[found.record_type] = found

    def decode(self, record: Record) -> Decoded:
        if record.key is None:
            raise DumpError(
                f"Failed to decode message at offset {record.offset} using the specified decoder (message had a "
                "missing key)",
                "java.lang.RuntimeException",
            )
        try:
            if len(record.key) < 2:
                raise ProtocolError("Could not read version from key's buffer.")
            record_type = read_prefix(record.key)
            if record_type not in self._keys:
                return f"Unknown record type {record_type} at offset {record.offset}, skipping.", None
            key = _read(self._keys[record_type], record.key, 0, record_type, "key")
            shown_key = to_json({"type": str(record_type), "data": message_to_json(key, 0)})
            if record.value is None:
                return shown_key, "<DELETE>"
            if len(record.value) < 2:
                raise ProtocolError("Could not read version from value's buffer.")
            value_class = self._values[record_type]
            version = read_prefix(record.value)
            if version not in value_class.valid_versions:
                raise ProtocolError(f"Found an unknown record version {version} for {record_type} type")
            value = _read(value_class, record.value, version, version, "value")
        except ProtocolError as error:
            return f"Error at offset {record.offset}, skipping. {error}", None
        converter = self._converters.get(value_class)
        data = message_to_json(value, version) if converter is None else converter(value, version)
        return shown_key, to_json({"version": str(version), "data": data})


def _read(
    message_class: type[CoordinatorKey] | type[CoordinatorValue], raw: bytes, version: int, shown: int, part: str
) -> CoordinatorKey | CoordinatorValue:
    try:
        return message_class.decode_from(raw, 2, version)[0]
    except ProtocolError as error:
        raise ProtocolError(
            f"Could not read record with version {shown} from {part}'s buffer due to: {error}."
        ) from error


def _classic_group_to_json(value: Any, version: int) -> dict[str, Any]:
    """A classic group; the members' bytes are shown as what consumers put into them, where they are consumers."""
    from kafkalite.protocol.consumer_protocol import ConsumerProtocolAssignment, ConsumerProtocolSubscription

    data = message_to_json(value, version)
    if value.protocol_type != "consumer":
        return data
    for member, shown in zip(value.members, data["members"], strict=True):
        for name, message_class in (
            ("subscription", ConsumerProtocolSubscription),
            ("assignment", ConsumerProtocolAssignment),
        ):
            try:
                raw = getattr(member, name)
                inner_version = read_prefix(raw)
                inner = message_class.decode_from(raw, 2, inner_version)[0]
                shown[name] = message_to_json(inner, inner_version)
            except Exception:
                continue  # not a consumer's bytes after all: they stay as they are
    return data


def cluster_metadata_decoder() -> RecordDecoder:
    """Reads records of `__cluster_metadata`."""
    from kafkalite.protocol.metadata_record import read_frame_and_version

    def decode(record: Record) -> Decoded:
        if not record.value:
            return None, f"Error at {record.offset}, skipping. Error while reading frame version"
        try:
            message, version = read_frame_and_version(record.value)
            shown = to_json(
                {
                    "type": _record_type_name(type(message).__name__),
                    "version": version,
                    "data": message_to_json(message, version),
                }
            )
        except (ProtocolError, struct.error) as error:
            shown = f"Error at {record.offset}, skipping. {error}"
        return None, shown

    return decode


def remote_log_metadata_decoder() -> RecordDecoder:
    """Reads records of `__remote_log_metadata`."""
    from kafkalite.cli.remote_log_metadata_text import describe
    from kafkalite.protocol.remote_log_metadata import read_remote_log_metadata

    def decode(record: Record) -> Decoded:
        try:
            if record.value is None:
                raise ValueError("the record has no value")
            return None, describe(read_remote_log_metadata(record.value))
        except (ProtocolError, ValueError) as error:
            return None, f"Error at offset {record.offset}, skipping. {error}"

    return decode


def _record_type_name(class_name: str) -> str:
    """`RegisterBrokerRecord` as `REGISTER_BROKER_RECORD`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", class_name).upper()
