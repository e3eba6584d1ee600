"""Messages as the JSON that Apache Kafka's tools print: camelCase names, bytes in base64, tagged fields when set."""

from __future__ import annotations

import base64
from typing import Any

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Struct


def message_to_json(message: Struct, version: int) -> dict[str, Any]:
    """The fields that the message has in a version, in their order, ready for json.dumps."""
    result: dict[str, Any] = {}
    for field in message.fields:
        if version not in field.versions:
            continue
        value = getattr(message, field.name)
        is_tagged = field.tag is not None and version in field.tagged_versions
        if is_tagged and value == field.new_default():
            continue
        result[_camel_case(field.name)] = _value_to_json(value, version)
    return result


def _value_to_json(value: Any, version: int) -> Any:
    if isinstance(value, Struct):
        return message_to_json(value, version)
    if isinstance(value, list):
        return [_value_to_json(element, version) for element in value]
    if isinstance(value, Uuid):  # before bytes, which it is as well
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return value


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
