"""Every definition against Apache Kafka's own schema of the same message, field by field."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.schema import Field, Message, Request, Struct, VersionRange

pytestmark = pytest.mark.oracle

_ZERO: dict[str, Any] = {"bool": False, "string": "", "bytes": b"", "records": None, "uuid": Uuid.ZERO, "float64": 0.0}


def snake_case(name: str) -> str:
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def expected_default(schema: dict[str, Any]) -> Any:
    given = schema.get("default")
    kind = schema["type"]
    if given == "null":
        return None
    if kind.startswith("[]"):
        return []
    if kind[0].isupper():
        return "a new one"
    if given is None or given == "":
        return _ZERO.get(kind, 0)
    if kind == "bool":
        return str(given).lower() == "true"
    if kind == "string":
        return given
    return float(given) if kind == "float64" else int(str(given), 0)


def facts_of_schema(schema: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    kind = schema["type"]
    element = kind.removeprefix("[]")
    fields = schema.get("fields") or (common.get(element, {}).get("fields") if element[0].isupper() else None)
    return {
        "name": snake_case(schema["name"]),
        "kind": "array" if kind.startswith("[]") else "struct" if kind[0].isupper() else kind,
        "element": element if kind.startswith("[]") and element[0].islower() else None,
        "versions": str(VersionRange.parse(schema.get("versions") or schema["taggedVersions"])),
        "nullable": str(VersionRange.parse(schema.get("nullableVersions", "none"))),
        "tag": schema.get("tag"),
        "tagged": str(VersionRange.parse(schema.get("taggedVersions", "none"))),
        "flexible": schema.get("flexibleVersions"),
        "ignorable": schema.get("ignorable", False),
        "default": expected_default(schema),
        "fields": [facts_of_schema(field, common) for field in fields or ()],
    }


def facts_of_field(field: Field) -> dict[str, Any]:
    is_struct = isinstance(field.element, type) and issubclass(field.element, Struct)
    default = field.new_default()
    return {
        "name": field.name,
        "kind": field.kind,
        "element": field.element.kind if field.kind == "array" and not is_struct else None,
        "versions": str(field.versions),
        "nullable": str(field.nullable),
        "tag": field.tag,
        "tagged": str(field.tagged_versions),
        "flexible": None if field.flexible is None else str(field.flexible),
        "ignorable": field.ignorable,
        "default": "a new one" if isinstance(default, Struct) else default,
        "fields": [facts_of_field(inner) for inner in field.element.fields] if is_struct else [],
    }


def test_a_definition_says_what_the_schema_says(message_class: type[Message], schemas: dict[str, Any]) -> None:
    schema = schemas[message_class.__name__]
    common = {struct["name"]: struct for struct in schema.get("commonStructs", ())}
    assert [facts_of_field(f) for f in message_class.fields] == [
        facts_of_schema(field, common) for field in schema.get("fields", ())
    ]
    assert str(message_class.valid_versions) == str(VersionRange.parse(schema["validVersions"]))
    assert str(message_class.flexible_versions) == str(VersionRange.parse(schema.get("flexibleVersions", "none")))
    if issubclass(message_class, Request):
        assert message_class.api_key == schema["apiKey"]
        assert set(message_class.listener_types) == set(schema.get("listeners", ()))
        assert message_class.latest_version_unstable == schema.get("latestVersionUnstable", False)
        assert message_class.response_type.api_key == schema["apiKey"]
    if issubclass(message_class, MetadataRecord):
        assert message_class.api_key == schema["apiKey"]
    if issubclass(message_class, CoordinatorKey | CoordinatorValue):
        assert message_class.record_type == schema["apiKey"]


def test_no_message_of_apache_kafka_is_missing(schemas: dict[str, Any], message_classes: list[type[Message]]) -> None:
    known = {cls.__name__ for cls in message_classes}
    expected = {name for name, schema in schemas.items() if schema["validVersions"] != "none"}
    assert expected - known == {"ProducerSnapshot"}  # a file: kafkalite/storage/producer_snapshot.py
