"""In which version each record of the metadata log is written at the cluster's metadata.version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kafkalite.metadata.metadata_version import partition_record_version, register_broker_record_version
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.nodes import BrokerRegistrationChangeRecord, RegisterBrokerRecord
from kafkalite.protocol.metadata_records.topics import PartitionChangeRecord, PartitionRecord


def record_version(record: MetadataRecord, metadata_version: int) -> int:
    """The version Apache Kafka writes this record in; 0 for all but those that have grown."""
    choose = _VERSIONS.get(type(record))
    return 0 if choose is None else choose(record, metadata_version)


def _registration_change_version(record: BrokerRegistrationChangeRecord, metadata_version: int) -> int:
    # As old as what it tells allows, so that a reader of that age can follow.
    if record.cordoned_log_dirs is not None:
        return 3
    if record.log_dirs:
        return 2
    return 1 if record.in_controlled_shutdown else 0


_VERSIONS: Final[dict[type[MetadataRecord], Callable[[Any, int], int]]] = {
    RegisterBrokerRecord: lambda record, metadata_version: register_broker_record_version(metadata_version),
    PartitionRecord: lambda record, metadata_version: partition_record_version(metadata_version),
    PartitionChangeRecord: lambda record, metadata_version: partition_record_version(metadata_version),
    BrokerRegistrationChangeRecord: _registration_change_version,
}
