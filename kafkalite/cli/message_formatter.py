"""How kafka-console-consumer writes a record: Apache Kafka's formatters, under the names of their classes."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import BinaryIO, Final, NamedTuple, Protocol

from kafkalite.cli.console_log import log

Deserializer = Callable[[bytes], bytes]


class ConsumerRecord(NamedTuple):
    """A record as a formatter sees it."""

    topic: str
    partition: int
    offset: int
    timestamp_type: str | None  # CreateTime, LogAppendTime, or None where it has no timestamp
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    delivery_count: int | None = None  # how often a share group has handed it out


class MessageFormatter(Protocol):
    """What --formatter names: a class made with its properties."""

    def write_to(self, record: ConsumerRecord, output: BinaryIO) -> None: ...


def _number(form: str) -> Deserializer:
    def deserialize(data: bytes) -> bytes:
        if len(data) != struct.calcsize(form):
            raise ValueError(f"Size of data received by the deserializer is not {struct.calcsize(form)}")
        return str(struct.unpack(form, data)[0]).encode()

    return deserialize


def _text(data: bytes) -> bytes:
    return data


def _uuid(data: bytes) -> bytes:
    return str(uuid.UUID(data.decode())).encode()


def _boolean(data: bytes) -> bytes:
    if data not in (b"\0", b"\1"):
        raise ValueError("Unexpected byte received by the deserializer")
    return b"true" if data == b"\1" else b"false"


_PACKAGE: Final = "org.apache.kafka.common.serialization."
_DESERIALIZERS: Final[dict[str, Deserializer]] = {
    f"{_PACKAGE}BooleanDeserializer": _boolean,
    f"{_PACKAGE}ByteArrayDeserializer": _text,
    f"{_PACKAGE}BytesDeserializer": _text,
    f"{_PACKAGE}DoubleDeserializer": _number(">d"),
    f"{_PACKAGE}FloatDeserializer": _number(">f"),
    f"{_PACKAGE}IntegerDeserializer": _number(">i"),
    f"{_PACKAGE}LongDeserializer": _number(">q"),
    f"{_PACKAGE}ShortDeserializer": _number(">h"),
    f"{_PACKAGE}StringDeserializer": _text,
    f"{_PACKAGE}UUIDDeserializer": _uuid,
}


_COORDINATOR_FORMATTERS: Final = frozenset(
    {
        "GroupMetadataMessageFormatter",
        "OffsetsMessageFormatter",
        "ShareGroupMessageFormatter",
        "ShareGroupStateMessageFormatter",
        "TransactionLogMessageFormatter",
    }
)


class DefaultMessageFormatter:
    """Columns, as many as the print.* properties ask for, and the value as it is."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        def is_true(name: str, default: bool = False) -> bool:
            return properties[name].strip().lower() == "true" if name in properties else default

        def text(name: str, default: str) -> bytes:
            return properties.get(name, default).encode()

        self.prints_timestamp = is_true("print.timestamp")
        self.prints_partition = is_true("print.partition")
        self.prints_offset = is_true("print.offset")
        self.prints_delivery = is_true("print.delivery")
        self.prints_epoch = is_true("print.epoch")
        self.prints_headers = is_true("print.headers")
        self.prints_key = is_true("print.key")
        self.prints_value = is_true("print.value", default=True)
        self._separator = text("key.separator", "\t")
        self._line_separator = text("line.separator", "\n")
        self._headers_separator = text("headers.separator", ",")
        self._null_literal = text("null.literal", "null")
        self._key_deserializer = _deserializer(properties, "key.deserializer")
        self._value_deserializer = _deserializer(properties, "value.deserializer")
        self._headers_deserializer = _deserializer(properties, "headers.deserializer")

    def write_to(self, record: ConsumerRecord, output: BinaryIO) -> None:
        """Writes one record; raises ValueError for a field that its deserializer refuses."""
        columns = []
        if self.prints_timestamp:
            is_known = record.timestamp_type is not None
            columns.append(f"{record.timestamp_type}:{record.timestamp}".encode() if is_known else b"NO_TIMESTAMP")
        if self.prints_partition:
            columns.append(b"Partition:%d" % record.partition)
        if self.prints_offset:
            columns.append(b"Offset:%d" % record.offset)
        if self.prints_delivery:
            count = record.delivery_count
            columns.append(b"Delivery:NOT_PRESENT" if count is None else b"Delivery:%d" % count)
        if self.prints_epoch:
            # The consumer that the formatter serves does not pass the epoch on, neither does Apache Kafka's.
            columns.append(b"Epoch:NOT_PRESENT")
        if self.prints_headers:
            columns.append(self._headers(record))
        if self.prints_key:
            columns.append(self._key_deserializer(self._or_literal(record.key)))
        if self.prints_value:
            columns.append(self._value_deserializer(self._or_literal(record.value)))
        if columns:
            output.write(self._separator.join(columns) + self._line_separator)

    def _headers(self, record: ConsumerRecord) -> bytes:
        pairs = [
            name.encode() + b":" + self._headers_deserializer(self._or_literal(value)) for name, value in record.headers
        ]
        return self._headers_separator.join(pairs) or b"NO_HEADERS"

    def _or_literal(self, field: bytes | None) -> bytes:
        return self._null_literal if field is None else field


def _deserializer(properties: Mapping[str, str], name: str) -> Deserializer:
    class_name = properties.get(name)
    if class_name is None:
        return _text
    if class_name not in _DESERIALIZERS:
        log("ERROR", f"Unable to instantiate a deserializer from {class_name}", "DefaultMessageFormatter")
        return _text
    return _DESERIALIZERS[class_name]


class LoggingMessageFormatter(DefaultMessageFormatter):
    """Writes the record and logs it as well."""

    def write_to(self, record: ConsumerRecord, output: BinaryIO) -> None:
        super().write_to(record, output)
        timestamp = f"{record.timestamp_type}:{record.timestamp}, " if record.timestamp_type is not None else ""
        key = "key:null " if record.key is None else f"key:{record.key.decode(errors='replace')}, "
        value = "null" if record.value is None else record.value.decode(errors="replace")
        output.flush()
        log("INFO", f"{timestamp}{key}value:{value}", "LoggingMessageFormatter")


class NoOpMessageFormatter:
    """Writes nothing."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        pass

    def write_to(self, record: ConsumerRecord, output: BinaryIO) -> None:
        pass


def new_formatter(class_name: str, properties: Mapping[str, str]) -> MessageFormatter:
    """The formatter of that name: Apache Kafka's of any release, or a Python class as package.module.Class.

    Raises LookupError.
    """
    simple_name = re.split(r"[.$]", class_name)[-1]
    if class_name.startswith(("org.apache.kafka.", "kafka.")):
        if simple_name in _COORDINATOR_FORMATTERS:
            module, name = "kafkalite.cli.coordinator_record_message_formatter", simple_name
        elif simple_name == "RemoteLogMetadataFormatter":
            module, name = "kafkalite.cli.remote_log_metadata_text", simple_name
        else:
            module, name = __name__, simple_name
    else:
        module, _, name = class_name.rpartition(".")
    try:
        formatter: MessageFormatter = getattr(import_module(module), name)(properties)
    except (ImportError, AttributeError, ValueError):
        raise LookupError(class_name) from None
    return formatter
