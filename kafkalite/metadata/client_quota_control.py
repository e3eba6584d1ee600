"""Changing and describing the quotas of users, client ids and addresses (ClientQuotaControlManager)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Final

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.client_quotas_image import ClientQuotaEntity, ClientQuotasImage
from kafkalite.metadata.controller_result import ApiError, ControllerResult
from kafkalite.protocol.messages.alter_client_quotas import OpData, RequestEntryData
from kafkalite.protocol.messages.describe_client_quotas import ComponentData
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ClientQuotaRecord, EntityData

USER: Final = "user"
CLIENT_ID: Final = "client-id"
IP: Final = "ip"
MATCH_EXACT: Final = 0
MATCH_DEFAULT: Final = 1
MATCH_SPECIFIED: Final = 2

_MAX: Final = {"an INT": float(0x7FFFFFFF), "a LONG": float(0x7FFFFFFFFFFFFFFF)}
_CLIENT_KEYS: Final[dict[str, str | None]] = {
    "producer_byte_rate": "a LONG",
    "consumer_byte_rate": "a LONG",
    "request_percentage": None,
    "controller_mutation_rate": None,
}
_IP_KEYS: Final[dict[str, str | None]] = {"connection_creation_rate": "an INT"}
"""Quota keys with the integral type that their values must fit, None for those that are real numbers."""

_NONE: Final = ApiError(ErrorCode.NONE, None)


def alter_client_quotas(
    image: ClientQuotasImage,
    entries: Sequence[RequestEntryData],
    is_resolvable: Callable[[str], bool],
    checking_order: Callable[[Sequence[str]], Sequence[str]],
) -> ControllerResult[list[tuple[ClientQuotaEntity, ApiError]]]:
    """The records and each entity's outcome; `is_resolvable` says whether a name is an address or can be resolved.

    Of several mistakes the first one in `checking_order`, of types and of keys, is told.
    """
    records: list[MetadataRecord] = []
    outcomes: dict[ClientQuotaEntity, ApiError] = {}
    for entry in entries:
        entity = _entity_of(entry)
        kinds = checking_order([part.entity_type for part in entry.entity])
        keys = [op.key for op in entry.ops]
        if entity in outcomes or len(set(keys)) < len(keys):
            outcomes[entity] = ApiError(ErrorCode.INVALID_REQUEST, f"Ignoring duplicate entity {_text(entity, kinds)}")
            continue
        try:
            ops = {op.key: op for op in entry.ops}
            ordered = [ops[key] for key in checking_order(keys)]
            records += _alter_entity(image, entity, kinds, ordered, is_resolvable)
            outcomes[entity] = _NONE
        except KafkaError as error:
            outcomes[entity] = ApiError(error.error, error.message)
    return ControllerResult(records, list(outcomes.items()))


def describe_client_quotas(
    image: ClientQuotasImage, components: Sequence[ComponentData], *, is_strict: bool
) -> list[tuple[ClientQuotaEntity, dict[str, float]]]:
    """The entities that a filter names, with their quotas; raises KafkaError for a filter that cannot be."""
    exact: dict[str, str | None] = {}
    specified: set[str] = set()
    for component in components:
        kind = component.entity_type
        if not kind:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Invalid empty entity type.")
        if kind in exact or kind in specified:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST, f"Entity type {kind} cannot appear more than once in the filter."
            )
        if kind not in (USER, CLIENT_ID, IP):
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, f"Unsupported entity type {kind}")
        if component.match_type == MATCH_EXACT:
            if component.match is None:
                raise KafkaError(
                    ErrorCode.INVALID_REQUEST, "Request specified MATCH_TYPE_EXACT, but set match string to null."
                )
            exact[kind] = component.match
            continue
        name = {MATCH_DEFAULT: "MATCH_TYPE_DEFAULT", MATCH_SPECIFIED: "MATCH_TYPE_SPECIFIED"}.get(component.match_type)
        if name is None:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown match type {component.match_type}")
        if component.match is not None:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Request specified {name}, but also specified a match string.")
        if component.match_type == MATCH_DEFAULT:
            exact[kind] = None
        else:
            specified.add(kind)
    asked = exact.keys() | specified
    if IP in asked and len(asked) > 1:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "Invalid entity filter component combination. IP filter component should not be used with user or "
            "clientId filter component.",
        )
    return [
        (entity, quotas)
        for entity, quotas in image.by_entity.items()
        if _matches(dict(entity), exact, specified, is_strict=is_strict)
    ]


def _matches(
    entity: dict[str, str | None], exact: dict[str, str | None], specified: set[str], *, is_strict: bool
) -> bool:
    if is_strict and len(entity) != len(exact) + len(specified):
        return False
    return specified <= entity.keys() and all(kind in entity and entity[kind] == name for kind, name in exact.items())


def _entity_of(entry: RequestEntryData) -> ClientQuotaEntity:
    return tuple(sorted({part.entity_type: part.entity_name for part in entry.entity}.items()))


def _text(entity: ClientQuotaEntity, kinds: Sequence[str]) -> str:
    names = dict(entity)
    return f"ClientQuotaEntity(entries={{{', '.join(f'{kind}={_java(names[kind])}' for kind in kinds)}}})"


def _java(name: str | None) -> str:
    return "null" if name is None else name


def _alter_entity(
    image: ClientQuotasImage,
    entity: ClientQuotaEntity,
    kinds: Sequence[str],
    ops: Sequence[OpData],
    is_resolvable: Callable[[str], bool],
) -> list[MetadataRecord]:
    names = dict(entity)
    valid_keys = _valid_keys({kind: names[kind] for kind in kinds}, is_resolvable)
    current = image.by_entity.get(entity, {})
    records: list[MetadataRecord] = []
    for op in ops:
        parts = [EntityData(entity_type=kind, entity_name=name) for kind, name in entity]
        if op.remove:
            if op.key in current:
                records.append(ClientQuotaRecord(entity=parts, key=op.key, remove=True))
            continue
        _check_value(valid_keys, op.key, op.value)
        if current.get(op.key) != op.value:
            records.append(ClientQuotaRecord(entity=parts, key=op.key, value=op.value))
    return records


def _valid_keys(names: dict[str, str | None], is_resolvable: Callable[[str], bool]) -> dict[str, str | None]:
    if not names:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Invalid empty client quota entity")
    for kind, name in names.items():
        if kind not in (USER, CLIENT_ID, IP):
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unhandled client quota entity type: {kind}")
        if name == "":
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Empty {kind} not supported")
    if IP not in names:
        return _CLIENT_KEYS
    if len(names) > 1:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        )
    address = names[IP]
    if address is not None and not is_resolvable(address):
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{address} is not a valid IP or resolvable host.")
    return _IP_KEYS


def _check_value(valid_keys: dict[str, str | None], key: str, value: float) -> None:
    if key not in valid_keys:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Invalid configuration key {key}")
    if not isfinite(value):
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Quota {key} must be a finite number")
    if value <= 0:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Quota {key} must be greater than 0")
    integral = valid_keys[key]
    if integral is None:
        return
    if value > _MAX[integral]:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Proposed value for {key} is too large for {integral}.")
    if value % 1.0 > 1e-6:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{key} cannot be a fractional value.")
