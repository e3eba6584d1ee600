"""Changing the levels of features (FeatureControlManager, KIP-584): all of a request's changes or none."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configurations_image import CLUSTER_DEFAULT, ConfigResourceType
from kafkalite.metadata.features import (
    ELIGIBLE_LEADER_REPLICAS_FEATURE,
    FEATURES,
    KRAFT_VERSION_FEATURE,
    SUPPORTED_FEATURES,
    validate_level,
)
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.metadata_version import METADATA_VERSION_FEATURE, has_metadata_changed
from kafkalite.metadata.partition_elections import MIN_INSYNC_REPLICAS
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord, FeatureLevelRecord


class UpgradeType(IntEnum):
    """What a change of a level may be, by Kafka's numbers."""

    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


class FeatureUpdate(NamedTuple):
    """A wanted level; `upgrade_type` is an UpgradeType's number, or one that is not known."""

    level: int
    upgrade_type: int


def update_features(
    image: MetadataImage,
    node_id: int,
    kraft_version: int,
    updates: Mapping[str, FeatureUpdate],
    *,
    min_insync_replicas: int = 1,
) -> list[MetadataRecord]:
    """The records of the changes; raises KafkaError(INVALID_UPDATE_VERSION) for the first that cannot be.

    `min_insync_replicas` is the broker's own setting, for the moment when the cluster needs one of its own.
    """
    levels = image.features.finalized_versions | {METADATA_VERSION_FEATURE: image.features.metadata_version_or_raise()}
    proposed = levels | {name: update.level for name, update in updates.items()}
    current = levels | {KRAFT_VERSION_FEATURE: kraft_version}
    records: list[MetadataRecord] = []
    for name, update in updates.items():
        try:
            _check(name, update, current.get(name, 0), node_id)
            if name in FEATURES and name != KRAFT_VERSION_FEATURE:
                validate_level(name, update.level, proposed)
        except ValueError as error:
            raise KafkaError(
                ErrorCode.INVALID_UPDATE_VERSION,
                f"Invalid update version {update.level} for feature {name}. {error}",
            ) from None
        if name == METADATA_VERSION_FEATURE:
            _check_metadata_downgrade(update, current[name])
        if name != KRAFT_VERSION_FEATURE:
            records.append(FeatureLevelRecord(name=name, feature_level=update.level))
    elr = updates.get(ELIGIBLE_LEADER_REPLICAS_FEATURE)
    if elr is not None and elr.level > 0:
        return _elr_safety_records(image, min_insync_replicas) + records
    return records


def _elr_safety_records(image: MetadataImage, min_insync_replicas: int) -> list[MetadataRecord]:
    """With eligible leader replicas min.insync.replicas is the cluster's affair, not a single broker's (KIP-966)."""
    records: list[MetadataRecord] = []
    if MIN_INSYNC_REPLICAS not in image.configs.configs(CLUSTER_DEFAULT):
        records.append(_min_insync_replicas_record("", str(min_insync_replicas)))
    for resource, values in image.configs.by_resource.items():
        if resource.type == ConfigResourceType.BROKER and resource.name and MIN_INSYNC_REPLICAS in values:
            records.append(_min_insync_replicas_record(resource.name, None))
    return records


def _min_insync_replicas_record(broker: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(
        resource_type=ConfigResourceType.BROKER, resource_name=broker, name=MIN_INSYNC_REPLICAS, value=value
    )


def _check_metadata_downgrade(update: FeatureUpdate, current: int) -> None:
    """metadata.version falls only over levels that brought no new form of a record."""
    if update.level < current and has_metadata_changed(update.level, current):
        detail = (
            "Unsafe metadata downgrade is not supported in this version."
            if update.upgrade_type == UpgradeType.UNSAFE_DOWNGRADE
            else "Refusing to perform the requested downgrade because it might delete metadata information."
        )
        raise KafkaError(
            ErrorCode.INVALID_UPDATE_VERSION,
            f"Unsupported metadata.version downgrade from {current} to {update.level}. {detail}",
        )


def _check(name: str, update: FeatureUpdate, current: int, node_id: int) -> None:
    if update.upgrade_type not in UpgradeType.__members__.values():
        raise ValueError("The controller does not support the given upgrade type.")
    if update.level < 0:
        raise ValueError("A feature version cannot be less than 0.")
    supported = SUPPORTED_FEATURES.get(name)
    if supported is None:
        if update.level:
            raise ValueError(f"Local controller {node_id} does not support this feature.")
        raise ValueError(f"Feature {name} not found.")
    if update.level not in supported:
        raise ValueError(f"Local controller {node_id} only supports versions {supported.lowest}-{supported.highest}")
    is_upgrade = update.upgrade_type == UpgradeType.UPGRADE
    if update.level < current and is_upgrade:
        raise ValueError(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
            "downgrade."
        )
    if update.level > current and not is_upgrade:
        raise ValueError("Can't downgrade to a newer version.")
    if name == KRAFT_VERSION_FEATURE and update.level < current:
        raise ValueError("Can't downgrade the version of this feature.")
