"""The records by which brokers and controllers register, come and go (ClusterControlManager)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.cluster_image import (
    ENTER_CONTROLLED_SHUTDOWN,
    FENCE,
    UNFENCE,
    BrokerRegistration,
    ControllerRegistration,
    Endpoint,
)
from kafkalite.metadata.features import SUPPORTED_FEATURES
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_elections import (
    changes_after_directory_failure,
    changes_after_shutdown,
    changes_after_unfencing,
    changes_before_shutdown,
)
from kafkalite.metadata.partition_registration import is_reserved_directory
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.nodes import BrokerRegistrationChangeRecord


class NodeRegistration(NamedTuple):
    """What a starting node tells of itself; `previous_broker_epoch` is that of the clean-shutdown file, else -1."""

    node_id: int
    incarnation_id: Uuid
    listeners: Sequence[Endpoint]
    log_directories: Sequence[Uuid]
    rack: str | None = None
    previous_broker_epoch: int = -1


def register_broker(image: MetadataImage, node: NodeRegistration, first_offset: int) -> list[MetadataRecord]:
    """A new incarnation of a broker, fenced for now.

    The registration comes last; its own offset becomes the broker's epoch, `first_offset` being that of the first of
    these records. Raises KafkaError(INVALID_REGISTRATION, UNSUPPORTED_VERSION).
    """
    directories = list(node.log_directories)
    if versions.is_directory_assignment_supported(image.features.metadata_version_or_raise()):
        _check_directories(image, node.node_id, directories)
    else:
        directories = []
    for name, supported in SUPPORTED_FEATURES.items():
        level = image.features.level(name)
        if level not in supported:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION,
                f"Unable to register because the broker does not support finalized version {level} of {name}. The "
                f"broker wants a version between {supported.lowest} and {supported.highest}, inclusive.",
            )
    existing = image.cluster.brokers.get(node.node_id)
    records: list[MetadataRecord] = []
    if existing is None or existing.incarnation_id != node.incarnation_id:
        is_clean = existing is not None and existing.epoch == node.previous_broker_epoch
        records.extend(changes_after_shutdown(image, node.node_id, is_clean=is_clean))
    registration = BrokerRegistration(
        id=node.node_id,
        epoch=first_offset + len(records),
        incarnation_id=node.incarnation_id,
        listeners=tuple(node.listeners),
        supported_features=dict(SUPPORTED_FEATURES),
        rack=node.rack,
        fenced=True,
        in_controlled_shutdown=False,
        is_migrating_zk_broker=False,
        directories=tuple(directories),
        cordoned_directories=None,
    )
    records.append(registration.to_record())
    return records


def _check_directories(image: MetadataImage, broker_id: int, directories: list[Uuid]) -> None:
    if not directories:
        raise KafkaError(ErrorCode.INVALID_REGISTRATION, "No directories specified in request")
    if any(is_reserved_directory(directory) for directory in directories):
        raise KafkaError(ErrorCode.INVALID_REGISTRATION, "Reserved directory ID in request")
    if len(set(directories)) != len(directories):
        raise KafkaError(ErrorCode.INVALID_REGISTRATION, "Duplicate directory ID in request")
    for other in image.cluster.brokers.values():
        shared = [directory for directory in directories if directory in other.directories]
        if other.id != broker_id and shared:
            raise KafkaError(
                ErrorCode.INVALID_REGISTRATION,
                f"Broker {other.id} is already registered with directory {shared[0]}",
            )


def register_controller(image: MetadataImage, node: NodeRegistration) -> list[MetadataRecord]:
    """The registration of this node as controller; none below the level that knows of such."""
    if not versions.is_controller_registration_supported(image.features.metadata_version_or_raise()):
        return []
    registration = ControllerRegistration(
        id=node.node_id,
        incarnation_id=node.incarnation_id,
        zk_migration_ready=False,
        listeners=tuple(node.listeners),
        supported_features=dict(SUPPORTED_FEATURES),
    )
    return [registration.to_record()]


def unfence_broker(
    image: MetadataImage, broker_id: int, cordoned_directories: Sequence[Uuid] = ()
) -> list[MetadataRecord]:
    """A registered broker is ready: it may lead, and leads what has no leader."""
    epoch = image.cluster.brokers[broker_id].epoch
    records: list[MetadataRecord] = [
        BrokerRegistrationChangeRecord(broker_id=broker_id, broker_epoch=epoch, fenced=UNFENCE)
    ]
    records.extend(changes_after_unfencing(image, broker_id))
    if versions.are_cordoned_log_dirs_supported(image.features.metadata_version_or_raise()):
        records.append(
            BrokerRegistrationChangeRecord(
                broker_id=broker_id, broker_epoch=epoch, cordoned_log_dirs=list(cordoned_directories)
            )
        )
    return records


def take_directories_offline(
    image: MetadataImage, broker_id: int, failed_directories: Sequence[Uuid]
) -> list[MetadataRecord]:
    """Log directories of a broker have failed; none for those that its registration does not name."""
    broker = image.cluster.brokers[broker_id]
    records: list[MetadataRecord] = []
    if not versions.is_directory_assignment_supported(image.features.metadata_version_or_raise()):
        return records
    newly_failed = [directory for directory in broker.directories if directory in failed_directories]
    for directory in newly_failed:
        records.extend(changes_after_directory_failure(image, broker_id, directory))
    if newly_failed:
        left = [directory for directory in broker.directories if directory not in failed_directories]
        records.append(BrokerRegistrationChangeRecord(broker_id=broker_id, broker_epoch=broker.epoch, log_dirs=left))
    return records


def enter_controlled_shutdown(image: MetadataImage, broker_id: int) -> list[MetadataRecord]:
    """A broker is about to stop: its partitions lose their leader, and it stays eligible to lead them again."""
    broker = image.cluster.brokers[broker_id]
    records: list[MetadataRecord] = []
    if not broker.in_controlled_shutdown:
        records.append(
            BrokerRegistrationChangeRecord(
                broker_id=broker_id, broker_epoch=broker.epoch, in_controlled_shutdown=ENTER_CONTROLLED_SHUTDOWN
            )
        )
    records.extend(changes_before_shutdown(image, broker_id))
    return records


def fence_broker(image: MetadataImage, broker_id: int) -> list[MetadataRecord]:
    """A broker has stopped, or has not been heard of."""
    records: list[MetadataRecord] = list(changes_before_shutdown(image, broker_id))
    epoch = image.cluster.brokers[broker_id].epoch
    records.append(BrokerRegistrationChangeRecord(broker_id=broker_id, broker_epoch=epoch, fenced=FENCE))
    return records
