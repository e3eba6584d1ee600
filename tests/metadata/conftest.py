"""A cluster of one or more brokers as an image, for tests of what changes in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.nodes import BrokerEndpoint, RegisterBrokerRecord
from kafkalite.protocol.metadata_records.settings import FeatureLevelRecord
from kafkalite.protocol.metadata_records.topics import PartitionRecord, TopicRecord


class ClusterImageBuilder:
    """An image at metadata.version 4.3 with eligible leader replicas, and verbs that grow it."""

    def __init__(self, *brokers: int, metadata_version: int = 30, elr: int = 1) -> None:
        self.image = MetadataImage()
        self.replay(
            [
                FeatureLevelRecord(name="metadata.version", feature_level=metadata_version),
                FeatureLevelRecord(name="eligible.leader.replicas.version", feature_level=elr),
            ]
        )
        for broker in brokers:
            self.register(broker)

    def replay(self, records: Iterable[MetadataRecord]) -> MetadataImage:
        for record in records:
            self.image.replay(record)
        return self.image

    def register(self, broker_id: int, *, fenced: bool = False, directories: int = 1) -> None:
        self.replay(
            [
                RegisterBrokerRecord(
                    broker_id=broker_id,
                    broker_epoch=10 + broker_id,
                    incarnation_id=Uuid(bytes((broker_id,)) * 16),
                    end_points=[BrokerEndpoint(name="PLAINTEXT", host="localhost", port=9091 + broker_id)],
                    fenced=fenced,
                    log_dirs=[self.directory(broker_id, index) for index in range(directories)],
                )
            ]
        )

    @staticmethod
    def directory(broker_id: int, index: int = 0) -> Uuid:
        return Uuid(bytes((0xD0 + index, broker_id)) * 8)

    def add_topic(self, name: str, *replicas: list[int], **facts: object) -> Uuid:
        """A topic with one partition for each list of replicas, all of them in sync, the first one leading."""
        topic_id = Uuid(name.encode().ljust(16, b"-")[:16])
        self.replay([TopicRecord(name=name, topic_id=topic_id)])
        for index, brokers in enumerate(replicas):
            values = {
                "partition_id": index,
                "topic_id": topic_id,
                "replicas": brokers,
                "isr": brokers,
                "leader": brokers[0],
                "leader_epoch": 0,
                "partition_epoch": 0,
                "directories": [self.directory(broker) for broker in brokers],
            }
            self.replay([PartitionRecord(**{**values, **facts})])
        return topic_id


@pytest.fixture
def cluster() -> Callable[..., ClusterImageBuilder]:
    """`cluster(1, 2, metadata_version=..., elr=...)`: registered, unfenced brokers with these ids."""
    return ClusterImageBuilder
