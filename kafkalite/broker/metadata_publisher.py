"""Carries changes of the metadata to where they take effect: logs come and go, configurations and epochs change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException
from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.metadata.configurations_image import CLUSTER_DEFAULT, ConfigResource, ConfigResourceType
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_registration import is_reserved_directory
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import (
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
)
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog

logger = logging.getLogger("kafkalite.metadata")


class MetadataPublisher:
    """Keeps logs and configurations in step with the image; `publish` is a listener of the metadata store."""

    def __init__(
        self,
        image: MetadataImage,
        config: BrokerConfig,
        logs: LogManager,
        *,
        now_ms: Callable[[], int],
        on_append: Callable[[PartitionLog], None],
        on_delete: Callable[[TopicPartition], None],
        on_placed: Callable[[dict[TopicPartition, Uuid]], None],
    ) -> None:
        """`on_placed` is told of partitions whose log lies in another directory than the metadata says."""
        self._image = image
        self._config = config
        self._logs = logs
        self._now_ms = now_ms
        self._on_append = on_append
        self._on_delete = on_delete
        self._on_placed = on_placed
        self._placed: dict[TopicPartition, Uuid] = {}

    def publish_all(self) -> None:
        """Brings everything in step with the image as it stands: after the start's replay."""
        self.update_broker_config()
        for topic in self._image.topics.by_name.values():
            for index in topic.partitions:
                self._assign(topic.topic_id, index)
        self._tell_directories()

    def publish(self, records: Sequence[MetadataRecord]) -> None:
        """Takes over one change. A log that cannot be made or changed is reported and leaves the others alone."""
        changed_configs: dict[ConfigResource, None] = {}
        for record in records:
            match record:
                case PartitionRecord() | PartitionChangeRecord():
                    self._assign(record.topic_id, record.partition_id)
                case RemoveTopicRecord():
                    self._remove(record.topic_id)
                case ConfigRecord():
                    changed_configs[ConfigResource(record.resource_type, record.resource_name)] = None
        for resource in changed_configs:
            if resource.type == ConfigResourceType.TOPIC:
                self._update_topic_config(resource.name)
            elif resource == CLUSTER_DEFAULT or resource == ConfigResource(
                ConfigResourceType.BROKER, str(self._config.node_id)
            ):
                self.update_broker_config()
        self._tell_directories()

    def publish_moved(self, log: PartitionLog) -> None:
        """A log has moved to another directory: it is put to work there, and the metadata is told."""
        topic_id = self._image.topics.topic_id(log.topic_partition.topic)
        if topic_id is not None:
            self._assign(topic_id, log.topic_partition.partition)
            self._tell_directories()

    def _assign(self, topic_id: Uuid, index: int) -> None:
        topic = self._image.topics.by_id.get(topic_id)
        if topic is None or index not in topic.partitions:
            return
        topic_partition = TopicPartition(topic.name, index)
        log = self._logs.get(topic_partition)
        if log is None:
            if self._logs.is_offline(topic_partition) or self._is_elsewhere(topic_partition, topic):
                return
            try:
                log = self._logs.create(topic_partition, topic_id, self.topic_config(topic.name), now_ms=self._now_ms())
            except KafkaError as error:
                logger.error("%s: its log cannot be made: %s", topic_partition, error)
                return
        if log.on_append is None:
            log.on_append = self._on_append
        if log.topic_id is None:  # partition.metadata was lost, the name is known: it is this topic's
            log.assign_topic_id(topic_id)
        partition = topic.partitions[index]
        if partition.leader == self._config.node_id:
            log.begin_leader_epoch(partition.leader_epoch)
        directory_id = self._logs.directory_of(log).directory_id
        if directory_id is not None and partition.directories != (directory_id,):
            self._placed[topic_partition] = directory_id

    def _is_elsewhere(self, topic_partition: TopicPartition, topic: TopicImage) -> bool:
        """Whether a log that is not here lies in a directory that is not here either: an empty one in its place would
        hide that."""
        partition = topic.partitions[topic_partition.partition]
        directory = partition.directory(self._config.node_id)
        if is_reserved_directory(directory) or self._logs.has_directory(directory):
            return False
        logger.error(
            "%s is offline: it lies in the log directory with the id %s, which is none of log.dirs. Give it back, or "
            "delete the topic",
            topic_partition,
            directory,
        )
        self._logs.set_offline(topic_partition, topic.topic_id)
        return True

    def _tell_directories(self) -> None:
        if self._placed:
            placed, self._placed = self._placed, {}
            self._on_placed(placed)

    def _remove(self, topic_id: Uuid) -> None:
        self._logs.forget_offline(topic_id)
        for log in [log for log in self._logs.logs() if log.topic_id == topic_id]:
            self._logs.delete(log.topic_partition, now_ms=self._now_ms())
            self._on_delete(log.topic_partition)

    def topic_config(self, name: str) -> TopicConfig:
        config, complaints = TopicConfig.of_stored(self._image.configs.topic_configs(name), self._config.topic_defaults)
        for complaint in complaints:
            logger.warning("Topic %s: %s", name, complaint)
        return config

    def _update_topic_config(self, name: str) -> None:
        topic = self._image.topics.by_name.get(name)
        if topic is None:
            return
        config = self.topic_config(name)
        for index in topic.partitions:
            log = self._logs.get(TopicPartition(name, index))
            if log is not None:
                log.update_config(config)

    def update_broker_config(self) -> None:
        configs = self._image.configs
        try:
            complaints = self._config.update_dynamic(
                configs.configs(CLUSTER_DEFAULT),
                configs.configs(ConfigResource(ConfigResourceType.BROKER, str(self._config.node_id))),
            )
        except ConfigException as error:
            logger.warning("The broker's dynamic configuration is not taken over: %s", error)
            return
        for complaint in complaints:
            logger.warning(complaint)
        self._logs.update_producer_id_expiration(self._config.producer_id_expiration_ms)
        self._logs.update_transaction_verification(self._config.transaction_partition_verification_enable)
        for name in self._image.topics.by_name:
            self._update_topic_config(name)
