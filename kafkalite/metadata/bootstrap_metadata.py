"""The records that a cluster begins with (Formatter, BootstrapMetadata, ActivationRecordsGenerator)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.configurations_image import CLUSTER_DEFAULT
from kafkalite.metadata.features import (
    ELIGIBLE_LEADER_REPLICAS_FEATURE,
    FEATURES,
    KRAFT_VERSION_FEATURE,
    default_level,
    validate_level,
)
from kafkalite.metadata.metadata_version import FORMAT_VERSION, METADATA_VERSION_FEATURE
from kafkalite.metadata.partition_elections import MIN_INSYNC_REPLICAS
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.control import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
)
from kafkalite.protocol.metadata_records.settings import ConfigRecord, FeatureLevelRecord

TRANSACTION_NAME = "Bootstrap records"
ABORT_REASON = "Controller failover"


def bootstrap_levels(
    metadata_version: int = FORMAT_VERSION, explicit: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The levels of all features of a new cluster, `explicit` ones instead of the defaults; raises ValueError."""
    levels = {METADATA_VERSION_FEATURE: metadata_version}
    for name in FEATURES:
        levels[name] = (explicit or {}).get(name, default_level(name, metadata_version))
    for name in FEATURES:
        validate_level(name, levels[name], levels)
    return levels


def bootstrap_records(levels: Mapping[str, int] | None = None) -> list[MetadataRecord]:
    """The feature levels as records: metadata.version, then the others by name; kraft.version is not among them."""
    if levels is None:
        levels = bootstrap_levels()
    records: list[MetadataRecord] = [
        FeatureLevelRecord(name=METADATA_VERSION_FEATURE, feature_level=levels[METADATA_VERSION_FEATURE])
    ]
    for name in sorted(FEATURES):
        if name != KRAFT_VERSION_FEATURE and levels.get(name, 0) > 0:
            records.append(FeatureLevelRecord(name=name, feature_level=levels[name]))
    return records


def level_of(records: Iterable[MetadataRecord], feature: str) -> int:
    """The level that bootstrap records give a feature, 0 if none."""
    level = 0
    for record in records:
        if isinstance(record, FeatureLevelRecord) and record.name == feature:
            level = record.feature_level
    return level


def activation_records(
    bootstrap: Sequence[MetadataRecord], *, is_log_empty: bool, is_in_transaction: bool, min_insync_replicas: int
) -> list[MetadataRecord]:
    """What a new leader writes before anything else: the bootstrap records into an empty log, and an end to a
    transaction that its predecessor has left open."""
    if not is_log_empty:
        return [AbortTransactionRecord(reason=ABORT_REASON)] if is_in_transaction else []
    records: list[MetadataRecord] = []
    has_transactions = versions.are_transactions_supported(level_of(bootstrap, METADATA_VERSION_FEATURE))
    if is_in_transaction:
        records.append(AbortTransactionRecord(reason=ABORT_REASON))
    if has_transactions:
        records.append(BeginTransactionRecord(name=TRANSACTION_NAME))
    records.extend(bootstrap)
    if level_of(bootstrap, ELIGIBLE_LEADER_REPLICAS_FEATURE) > 0:
        # With eligible leader replicas this value decides who is eligible, so the cluster has to agree on it.
        records.append(
            ConfigRecord(
                resource_type=CLUSTER_DEFAULT.type,
                resource_name=CLUSTER_DEFAULT.name,
                name=MIN_INSYNC_REPLICAS,
                value=str(min_insync_replicas),
            )
        )
    if has_transactions:
        records.append(EndTransactionRecord())
    return records
