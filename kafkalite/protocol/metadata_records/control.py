"""Records of the metadata log about the log itself: its transactions, its idle beat, its past migration."""

from __future__ import annotations

from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.schema import int8, string


class BeginTransactionRecord(MetadataRecord, api_key=23, versions="0", flexible="0+"):
    name: str | None = string(default=None, nullable="0+", tag=0)


class EndTransactionRecord(MetadataRecord, api_key=24, versions="0", flexible="0+"):
    pass


class AbortTransactionRecord(MetadataRecord, api_key=25, versions="0", flexible="0+"):
    reason: str | None = string(default=None, nullable="0+", tag=0)


class NoOpRecord(MetadataRecord, api_key=20, versions="0", flexible="0+"):
    pass


class ZkMigrationStateRecord(MetadataRecord, api_key=21, versions="0", flexible="0+"):
    zk_migration_state: int = int8()
