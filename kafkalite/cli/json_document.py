"""JSON files that users write for the tools, read with the complaints of the originals."""

from __future__ import annotations

import json
from typing import Any

from kafkalite.cli.java_exceptions import ToolError

_MAPPING_ERROR = "com.fasterxml.jackson.databind.JsonMappingException"


class JsonDocument:
    """A value in a document; each access raises ToolError where the value is of another kind."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        return json.dumps(self.value, separators=(",", ":"), ensure_ascii=False)

    def fields(self) -> dict[str, JsonDocument]:
        if not isinstance(self.value, dict):
            raise ToolError(f"Expected JSON object, received {self}", _MAPPING_ERROR)
        return {name: JsonDocument(value) for name, value in self.value.items()}

    def field(self, name: str) -> JsonDocument:
        fields = self.fields()
        if name not in fields:
            raise ToolError(f"No such field exists: `{name}`", _MAPPING_ERROR)
        return fields[name]

    def elements(self) -> list[JsonDocument]:
        if not isinstance(self.value, list):
            raise ToolError(f"Expected JSON array, received {self}", _MAPPING_ERROR)
        return [JsonDocument(value) for value in self.value]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise ToolError(f"Expected `String` value, received {self}", _MAPPING_ERROR)
        return self.value

    def integer(self, *, bits: int = 32) -> int:
        is_integer = isinstance(self.value, int) and not isinstance(self.value, bool)
        if not is_integer or not -(2 ** (bits - 1)) <= self.value < 2 ** (bits - 1):
            name = "Integer" if bits == 32 else "Long"
            raise ToolError(f"Expected `{name}` value, received {self}", _MAPPING_ERROR)
        return int(self.value)


def parse_json(text: str) -> JsonDocument | None:
    """Reads a document; None where the text is none."""
    try:
        return JsonDocument(json.loads(text))
    except (ValueError, RecursionError):
        return None
