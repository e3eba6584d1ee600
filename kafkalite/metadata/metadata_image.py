"""The cluster's metadata as the records of the metadata log, replayed in order, have made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.client_quotas_image import ClientQuotasImage
from kafkalite.metadata.cluster_image import ClusterImage
from kafkalite.metadata.configurations_image import ConfigurationsImage
from kafkalite.metadata.features_image import FeaturesImage
from kafkalite.metadata.security_images import AclsImage, DelegationTokensImage, ScramImage
from kafkalite.metadata.topics_image import TopicsImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.control import NoOpRecord, ZkMigrationStateRecord
from kafkalite.protocol.metadata_records.nodes import (
    BrokerRegistrationChangeRecord,
    FenceBrokerRecord,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    UnfenceBrokerRecord,
    UnregisterBrokerRecord,
    UnregisterControllerRecord,
)
from kafkalite.protocol.metadata_records.security import (
    AccessControlEntryRecord,
    DelegationTokenRecord,
    RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord,
    RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
)
from kafkalite.protocol.metadata_records.settings import (
    ClientQuotaRecord,
    ConfigRecord,
    FeatureLevelRecord,
    ProducerIdsRecord,
)
from kafkalite.protocol.metadata_records.topics import (
    ClearElrRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)


class ProducerIdsImage:
    """The first producer id that no block has claimed, and who claimed the last block; -1 before the first block."""

    __slots__ = ("broker_epoch", "broker_id", "next_producer_id")

    def __init__(self) -> None:
        self.next_producer_id = -1
        self.broker_id = -1
        self.broker_epoch = -1

    def copy(self) -> ProducerIdsImage:
        image = ProducerIdsImage()
        image.next_producer_id = self.next_producer_id
        image.broker_id = self.broker_id
        image.broker_epoch = self.broker_epoch
        return image

    def replay(self, record: ProducerIdsRecord) -> None:
        if record.next_producer_id <= self.next_producer_id:
            raise ValueError(
                f"Next Producer ID from replayed record ({record.next_producer_id}) is not greater than current next "
                f"Producer ID ({self.next_producer_id})"
            )
        self.next_producer_id = record.next_producer_id
        self.broker_id = record.broker_id
        self.broker_epoch = record.broker_epoch

    def to_records(self) -> Iterator[MetadataRecord]:
        if self.next_producer_id >= 0:
            yield ProducerIdsRecord(
                broker_id=self.broker_id, broker_epoch=self.broker_epoch, next_producer_id=self.next_producer_id
            )


class MetadataImage:
    """Everything the cluster knows of itself. Only `replay` changes it."""

    __slots__ = (
        "acls",
        "client_quotas",
        "cluster",
        "configs",
        "delegation_tokens",
        "features",
        "producer_ids",
        "scram",
        "topics",
    )

    def __init__(self) -> None:
        self.features = FeaturesImage()
        self.cluster = ClusterImage()
        self.topics = TopicsImage()
        self.configs = ConfigurationsImage()
        self.client_quotas = ClientQuotasImage()
        self.producer_ids = ProducerIdsImage()
        self.acls = AclsImage()
        self.scram = ScramImage()
        self.delegation_tokens = DelegationTokensImage()

    def copy(self) -> MetadataImage:
        """An image of its own: what is replayed on either one, the other does not see."""
        image = MetadataImage()
        image.features = self.features.copy()
        image.cluster = self.cluster.copy()
        image.topics = self.topics.copy()
        image.configs = self.configs.copy()
        image.client_quotas = self.client_quotas.copy()
        image.producer_ids = self.producer_ids.copy()
        image.acls = self.acls.copy()
        image.scram = self.scram.copy()
        image.delegation_tokens = self.delegation_tokens.copy()
        return image

    def replay(self, record: MetadataRecord) -> None:
        """Applies one record; raises ValueError where it contradicts what is there.

        Metadata transactions are not seen here: whoever reads the log holds their records back until they end.
        """
        replay = _REPLAYS.get(type(record))
        if replay is None:
            raise ValueError(f"Unknown record type {type(record).__name__}")
        replay(self, record)

    def to_records(self) -> Iterator[MetadataRecord]:
        """The records of a snapshot: replayed on an empty image they make this one."""
        level = self.features.metadata_version_or_raise()
        yield from self.features.to_records()
        yield from self.cluster.to_records(with_controllers=versions.is_controller_registration_supported(level))
        yield from self.topics.to_records(metadata_version=level, is_elr_enabled=self.features.is_elr_enabled)
        yield from self.configs.to_records()
        yield from self.client_quotas.to_records()
        yield from self.producer_ids.to_records()
        yield from self.acls.to_records()
        if versions.is_scram_supported(level):
            yield from self.scram.to_records()
        if versions.are_delegation_tokens_supported(level):
            yield from self.delegation_tokens.to_records()

    def _replay_remove_topic(self, record: RemoveTopicRecord) -> None:
        topic = self.topics.replay_remove_topic(record)
        self.configs.remove_topic(topic.name)


_REPLAYS: Final[dict[type[MetadataRecord], Callable[[MetadataImage, Any], object]]] = {
    RegisterBrokerRecord: lambda image, record: image.cluster.replay_register_broker(record),
    UnregisterBrokerRecord: lambda image, record: image.cluster.replay_unregister_broker(record.broker_id),
    TopicRecord: lambda image, record: image.topics.replay_topic(record),
    PartitionRecord: lambda image, record: image.topics.replay_partition(record),
    ConfigRecord: lambda image, record: image.configs.replay(record),
    PartitionChangeRecord: lambda image, record: image.topics.replay_partition_change(record),
    FenceBrokerRecord: lambda image, record: image.cluster.replay_fencing(record.id, record.epoch, fenced=True),
    UnfenceBrokerRecord: lambda image, record: image.cluster.replay_fencing(record.id, record.epoch, fenced=False),
    RemoveTopicRecord: MetadataImage._replay_remove_topic,
    DelegationTokenRecord: lambda image, record: image.delegation_tokens.replay(record),
    UserScramCredentialRecord: lambda image, record: image.scram.replay(record),
    FeatureLevelRecord: lambda image, record: image.features.replay(record),
    ClientQuotaRecord: lambda image, record: image.client_quotas.replay(record),
    ProducerIdsRecord: lambda image, record: image.producer_ids.replay(record),
    BrokerRegistrationChangeRecord: lambda image, record: image.cluster.replay_registration_change(record),
    AccessControlEntryRecord: lambda image, record: image.acls.replay(record),
    RemoveAccessControlEntryRecord: lambda image, record: image.acls.replay_remove(record),
    NoOpRecord: lambda image, record: None,
    ZkMigrationStateRecord: lambda image, record: None,
    RemoveUserScramCredentialRecord: lambda image, record: image.scram.replay_remove(record),
    RemoveDelegationTokenRecord: lambda image, record: image.delegation_tokens.replay_remove(record),
    RegisterControllerRecord: lambda image, record: image.cluster.replay_register_controller(record),
    ClearElrRecord: lambda image, record: image.topics.replay_clear_elr(record),
    UnregisterControllerRecord: lambda image, record: image.cluster.replay_unregister_controller(record.controller_id),
}
