"""Messages as JSON, field by field as Apache Kafka's generated converters write them.

Names are the schemas' in camel case, in their order; bytes are base64, ids their 22 characters; a tagged field stands
there only when it is not at its default. Text is compact and escaped as Jackson escapes it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from typing import Any, Final

from kafkalite.protocol.schema import Field, Struct

_ESCAPE: Final = re.compile(r"\\(?:u00[0-9a-f]{2}|.)")


def to_json(value: object) -> str:
    """Compact JSON text; control characters are escaped with capital digits."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\\u" not in text:
        return text
    return _ESCAPE.sub(lambda found: "\\u" + found[0][2:].upper() if found[0][1] == "u" else found[0], text)


def message_to_json(message: Struct, version: int) -> dict[str, Any]:
    """The fields that a message has in this version, ready for `to_json`."""
    out: dict[str, Any] = {}
    for field in message.fields:
        if version not in field.versions:
            continue
        value = getattr(message, field.name)
        if version in field.tagged_versions and field.tag is not None and value == field.new_default():
            continue
        out[camel_case(field.name)] = _value_to_json(field, value, version)
    return out


def _value_to_json(field: Field, value: Any, version: int) -> Any:
    if value is None:
        return None
    if field.kind == "array":
        if isinstance(field.element, Field):
            return [_value_to_json(field.element, item, version) for item in value]
        return [message_to_json(item, version) for item in value]
    if field.kind == "struct":
        return message_to_json(value, version)
    if field.kind == "uuid":
        return str(value)
    if field.kind in ("bytes", "records"):
        return b64encode(value).decode("ascii")
    return value


@cache
def camel_case(name: str) -> str:
    """`leader_epoch` as `leaderEpoch`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
