"""The registered brokers and controllers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kafkalite.identifiers import Uuid
from kafkalite.metadata.partition_registration import LOST_DIRECTORY, MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.nodes import (
    BrokerEndpoint,
    BrokerFeature,
    BrokerRegistrationChangeRecord,
    ControllerEndpoint,
    ControllerFeature,
    RegisterBrokerRecord,
    RegisterControllerRecord,
)

FENCE = 1
UNFENCE = -1
ENTER_CONTROLLED_SHUTDOWN = 1


class Endpoint(NamedTuple):
    """A listener as it was registered; `security_protocol` is Kafka's number."""

    name: str
    host: str
    port: int
    security_protocol: int


class BrokerRegistration(NamedTuple):
    """A broker; `cordoned_directories` is None until the broker has told them."""

    id: int
    epoch: int
    incarnation_id: Uuid
    listeners: tuple[Endpoint, ...]
    supported_features: dict[str, tuple[int, int]]
    rack: str | None
    fenced: bool
    in_controlled_shutdown: bool
    is_migrating_zk_broker: bool
    directories: tuple[Uuid, ...]
    cordoned_directories: tuple[Uuid, ...] | None

    @property
    def is_active(self) -> bool:
        """Whether it may lead partitions and be given new ones."""
        return not self.fenced and not self.in_controlled_shutdown

    def has_online_directory(self, directory: Uuid) -> bool:
        """Whether a replica in that log directory can be used; true where it is not known (DirectoryId.isOnline)."""
        if directory in (UNASSIGNED_DIRECTORY, MIGRATING_DIRECTORY):
            return True
        return directory != LOST_DIRECTORY and (not self.directories or directory in self.directories)

    def to_record(self) -> RegisterBrokerRecord:
        return RegisterBrokerRecord(
            broker_id=self.id,
            is_migrating_zk_broker=self.is_migrating_zk_broker,
            incarnation_id=self.incarnation_id,
            broker_epoch=self.epoch,
            end_points=[
                BrokerEndpoint(name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol)
                for e in self.listeners
            ],
            features=[
                BrokerFeature(name=name, min_supported_version=low, max_supported_version=high)
                for name, (low, high) in self.supported_features.items()
            ],
            rack=self.rack,
            fenced=self.fenced,
            in_controlled_shutdown=self.in_controlled_shutdown,
            log_dirs=list(self.directories),
            cordoned_log_dirs=None if self.cordoned_directories is None else list(self.cordoned_directories),
        )


class ControllerRegistration(NamedTuple):
    """A controller."""

    id: int
    incarnation_id: Uuid
    zk_migration_ready: bool
    listeners: tuple[Endpoint, ...]
    supported_features: dict[str, tuple[int, int]]

    def to_record(self) -> RegisterControllerRecord:
        return RegisterControllerRecord(
            controller_id=self.id,
            incarnation_id=self.incarnation_id,
            zk_migration_ready=self.zk_migration_ready,
            end_points=[
                ControllerEndpoint(name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol)
                for e in self.listeners
            ],
            features=[
                ControllerFeature(name=name, min_supported_version=low, max_supported_version=high)
                for name, (low, high) in self.supported_features.items()
            ],
        )


class ClusterImage:
    """Brokers and controllers by id."""

    __slots__ = ("brokers", "controllers")

    def __init__(self) -> None:
        self.brokers: dict[int, BrokerRegistration] = {}
        self.controllers: dict[int, ControllerRegistration] = {}

    def copy(self) -> ClusterImage:
        image = ClusterImage()
        image.brokers = self.brokers.copy()
        image.controllers = self.controllers.copy()
        return image

    def is_active(self, broker_id: int) -> bool:
        broker = self.brokers.get(broker_id)
        return broker is not None and broker.is_active

    def replay_register_broker(self, record: RegisterBrokerRecord) -> None:
        self.brokers[record.broker_id] = BrokerRegistration(
            record.broker_id,
            record.broker_epoch,
            record.incarnation_id,
            _endpoints(record.end_points),
            _features(record.features),
            record.rack,
            record.fenced,
            record.in_controlled_shutdown,
            record.is_migrating_zk_broker,
            tuple(sorted(record.log_dirs)),
            None if record.cordoned_log_dirs is None else tuple(record.cordoned_log_dirs),
        )

    def replay_unregister_broker(self, broker_id: int) -> None:
        self.brokers.pop(broker_id, None)

    def replay_fencing(self, broker_id: int, broker_epoch: int, *, fenced: bool) -> None:
        """FenceBrokerRecord and UnfenceBrokerRecord, which old logs hold."""
        broker = self._broker(broker_id, broker_epoch, "fence" if fenced else "unfence")
        self.brokers[broker_id] = broker._replace(fenced=fenced)

    def replay_registration_change(self, record: BrokerRegistrationChangeRecord) -> None:
        broker = self._broker(record.broker_id, record.broker_epoch, "change")
        if record.fenced not in (UNFENCE, 0, FENCE):
            raise ValueError(f"Unable to replay {record!r}: unknown value for fenced field: {record.fenced}")
        if record.in_controlled_shutdown not in (0, ENTER_CONTROLLED_SHUTDOWN):
            raise ValueError(
                f"Unable to replay {record!r}: unknown value for inControlledShutdown field: "
                f"{record.in_controlled_shutdown}"
            )
        if record.fenced:
            broker = broker._replace(fenced=record.fenced == FENCE)
        if record.in_controlled_shutdown:
            broker = broker._replace(in_controlled_shutdown=True)
        if record.log_dirs:
            broker = broker._replace(directories=tuple(sorted(record.log_dirs)))
        if record.cordoned_log_dirs is not None:
            broker = broker._replace(cordoned_directories=tuple(record.cordoned_log_dirs))
        self.brokers[record.broker_id] = broker

    def replay_register_controller(self, record: RegisterControllerRecord) -> None:
        self.controllers[record.controller_id] = ControllerRegistration(
            record.controller_id,
            record.incarnation_id,
            record.zk_migration_ready,
            _endpoints(record.end_points),
            _features(record.features),
        )

    def replay_unregister_controller(self, controller_id: int) -> None:
        self.controllers.pop(controller_id, None)

    def _broker(self, broker_id: int, broker_epoch: int, action: str) -> BrokerRegistration:
        broker = self.brokers.get(broker_id)
        if broker is None:
            raise ValueError(f"Tried to {action} broker {broker_id}, but that broker was not registered.")
        if broker.epoch != broker_epoch:
            raise ValueError(
                f"Tried to {action} broker {broker_id}, but the given epoch, {broker_epoch}, did not match the current "
                f"broker epoch, {broker.epoch}"
            )
        return broker

    def to_records(self, *, with_controllers: bool) -> Iterator[MetadataRecord]:
        for broker in self.brokers.values():
            yield broker.to_record()
        if with_controllers:
            for controller in self.controllers.values():
                yield controller.to_record()


def _endpoints(endpoints: list[BrokerEndpoint] | list[ControllerEndpoint]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(e.name, e.host, e.port, e.security_protocol) for e in endpoints)


def _features(features: list[BrokerFeature] | list[ControllerFeature]) -> dict[str, tuple[int, int]]:
    return {feature.name: (feature.min_supported_version, feature.max_supported_version) for feature in features}
