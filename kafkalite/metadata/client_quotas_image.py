"""The quotas of users, client ids and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ClientQuotaRecord, EntityData

ClientQuotaEntity: TypeAlias = tuple[tuple[str, str | None], ...]
"""Entity types with names, sorted by type; a name of None is the type's default."""


def entity_of(parts: list[EntityData]) -> ClientQuotaEntity:
    by_type = {part.entity_type: part.entity_name for part in parts}
    return tuple(sorted(by_type.items(), key=lambda item: item[0]))


class ClientQuotasImage:
    """Quota values by entity and key."""

    __slots__ = ("by_entity",)

    def __init__(self) -> None:
        self.by_entity: dict[ClientQuotaEntity, dict[str, float]] = {}

    def copy(self) -> ClientQuotasImage:
        image = ClientQuotasImage()
        image.by_entity = {entity: quotas.copy() for entity, quotas in self.by_entity.items()}
        return image

    def replay(self, record: ClientQuotaRecord) -> None:
        entity = entity_of(record.entity)
        if not record.remove:
            self.by_entity.setdefault(entity, {})[record.key] = record.value
            return
        quotas = self.by_entity.get(entity)
        if quotas is not None:
            quotas.pop(record.key, None)
            if not quotas:
                del self.by_entity[entity]

    def to_records(self) -> Iterator[MetadataRecord]:
        for entity, quotas in self.by_entity.items():
            for key, value in quotas.items():
                yield ClientQuotaRecord(
                    entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                    key=key,
                    value=value,
                )
