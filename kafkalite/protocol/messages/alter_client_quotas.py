"""AlterClientQuotas (API key 49): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, Struct, array, boolean, float64, int16, int32, string


class EntityData(Struct):
    entity_type: str = string()
    entity_name: str | None = string(nullable="0+")


class ResponseEntryData(Struct):
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")
    entity: list[EntityData] = array(EntityData)


class AlterClientQuotasResponse(Response, versions="0-1", flexible="1+"):
    throttle_time_ms: int = int32()
    entries: list[ResponseEntryData] = array(ResponseEntryData)


class OpData(Struct):
    key: str = string()
    value: float = float64()
    remove: bool = boolean()


class RequestEntryData(Struct):
    entity: list[EntityData] = array(EntityData)
    ops: list[OpData] = array(OpData)


class AlterClientQuotasRequest(
    Request,
    api_key=49,
    versions="0-1",
    flexible="1+",
    listeners=("broker", "controller"),
    response=AlterClientQuotasResponse,
):
    entries: list[RequestEntryData] = array(RequestEntryData)
    validate_only: bool = boolean()
