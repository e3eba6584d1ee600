"""Carries changes of the metadata to where they take effect: logs come and go, configurations and epochs change.

A change may be of thousands of partitions, so most of it is done in steps, between which the loop serves connections:
new logs are made before the image shows their partitions, the others follow after everybody has heard of the change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from kafkalite.broker.metadata_store import MetadataStore
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException
from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.metadata.configurations_image import CLUSTER_DEFAULT, ConfigResource, ConfigResourceType
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_registration import PartitionRegistration, is_reserved_directory
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import (
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog

logger = logging.getLogger("kafkalite.metadata")

LOGS_PER_STEP: Final = 8
"""Each costs some 200 us to make or to take away, files and directories."""
MAX_STEP_MS: Final = 2
"""On a disk that is busy each may cost ten milliseconds: when so many are over, others have their turn."""
TOPICS_PER_STEP: Final = 16
"""Each costs some 100 us when its configuration is parsed."""
PARTITIONS_PER_STEP: Final = 500
"""Each costs some microseconds."""


class _Pace:
    """Counts the logs that are made or taken away in a step, whatever topics they are of."""

    __slots__ = ("_began_ms", "_logs", "_steady_ms")

    def __init__(self, steady_ms: Callable[[], int]) -> None:
        self._steady_ms = steady_ms
        self.begin_step()

    def begin_step(self) -> None:
        self._logs = 0
        self._began_ms = self._steady_ms()

    def is_step_over(self) -> bool:
        """Called after each log: whether others should have their turn."""
        self._logs += 1
        return self._logs >= LOGS_PER_STEP or self._steady_ms() - self._began_ms >= MAX_STEP_MS


class MetadataPublisher:
    """Keeps logs and configurations in step with the image, once `attach` has tied it to the metadata store."""

    def __init__(
        self,
        image: MetadataImage,
        config: BrokerConfig,
        logs: LogManager,
        *,
        now_ms: Callable[[], int],
        steady_ms: Callable[[], int],
        on_append: Callable[[PartitionLog], None],
        on_delete: Callable[[TopicPartition], None],
        on_placed: Callable[[dict[TopicPartition, Uuid]], None],
    ) -> None:
        """`on_placed` is told of partitions whose log lies in another directory than the metadata says."""
        self._image = image
        self._config = config
        self._logs = logs
        self._now_ms = now_ms
        self._steady_ms = steady_ms
        self._on_append = on_append
        self._on_delete = on_delete
        self._on_placed = on_placed
        self._placed: dict[TopicPartition, Uuid] = {}
        self._going: dict[Uuid, TopicImage] = {}
        self._unmade: set[TopicPartition] = set()

    def attach(self, store: MetadataStore) -> None:
        """From here on changes are carried out; the first of the store's listeners, for others go by configurations."""
        store.add_listener(self.publish_broker_config)
        store.add_publisher(self.prepare, self.publish)

    def publish_all(self) -> None:
        """Brings everything in step with the image as it stands: after the start's replay."""
        self.update_broker_config()
        for topic in self._image.topics.by_name.values():
            for index in topic.partitions:
                self._assign(topic.topic_id, index)
        self._tell_directories()

    def prepare(self, records: Sequence[MetadataRecord]) -> Iterator[None]:
        """Makes the logs of partitions that will be there when the image has these records.

        A log that cannot be made is reported and leaves the others alone.
        """
        names: dict[Uuid, str] = {}
        overrides: dict[str, dict[str, str]] = {}
        for record in records:
            match record:
                case TopicRecord():
                    names[record.topic_id] = record.name
                case ConfigRecord() if record.resource_type == ConfigResourceType.TOPIC and record.value is not None:
                    overrides.setdefault(record.resource_name, {})[record.name] = record.value
                case RemoveTopicRecord():
                    topic = self._image.topics.by_id.get(record.topic_id)
                    if topic is not None:
                        self._going[record.topic_id] = topic
        configs: dict[str, TopicConfig] = {}
        pace = _Pace(self._steady_ms)
        for record in records:
            if not isinstance(record, PartitionRecord):
                continue
            name = names.get(record.topic_id)
            if name is None:
                topic = self._image.topics.by_id.get(record.topic_id)
                if topic is None:
                    continue
                name = topic.name
            config = configs.get(name)
            if config is None:
                config = configs[name] = self._config_of(
                    name, {**self._image.configs.topic_configs(name), **overrides.get(name, {})}
                )
            if self._is_here(PartitionRegistration.from_record(record)):
                topic_partition = TopicPartition(name, record.partition_id)
                if self._make(topic_partition, record.topic_id, config) is None:
                    self._unmade.add(topic_partition)
            if pace.is_step_over():
                yield
                pace.begin_step()

    def _is_here(self, partition: PartitionRegistration) -> bool:
        directory = partition.directory(self._config.node_id)
        return is_reserved_directory(directory) or self._logs.directories.has_id(directory)

    def publish(self, records: Sequence[MetadataRecord]) -> Iterator[None]:
        """Brings the logs in step with a change that the image shows."""
        configs: dict[str, None] = {}
        has_broker_config = False
        assigned = 0
        pace = _Pace(self._steady_ms)
        for record in records:
            match record:
                case PartitionRecord() | PartitionChangeRecord():
                    self._assign(record.topic_id, record.partition_id)
                    assigned += 1
                    if assigned % PARTITIONS_PER_STEP == 0:
                        yield
                case RemoveTopicRecord():
                    yield from self._remove(record.topic_id, pace)
                case ConfigRecord():
                    if record.resource_type == ConfigResourceType.TOPIC:
                        configs[record.resource_name] = None
                    else:
                        has_broker_config = has_broker_config or self._is_broker_config(record)
        yield from self._update_topic_configs(list(self._image.topics.by_name) if has_broker_config else configs)
        self._tell_directories()

    def publish_broker_config(self, records: Sequence[MetadataRecord]) -> None:
        """Takes over what has changed for this broker, without the topics that inherit it."""
        if any(isinstance(record, ConfigRecord) and self._is_broker_config(record) for record in records):
            self._take_over_broker_config()

    def _is_broker_config(self, record: ConfigRecord) -> bool:
        resource = ConfigResource(record.resource_type, record.resource_name)
        return resource in (CLUSTER_DEFAULT, ConfigResource(ConfigResourceType.BROKER, str(self._config.node_id)))

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
            if topic_partition in self._unmade:  # not a second time, nor in another directory
                self._unmade.remove(topic_partition)
                return
            if self._logs.is_offline(topic_partition) or self._is_elsewhere(topic_partition, topic):
                return
            log = self._make(topic_partition, topic_id, self.topic_config(topic.name))
            if log is None:
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

    def _make(self, topic_partition: TopicPartition, topic_id: Uuid, config: TopicConfig) -> PartitionLog | None:
        try:
            log = self._logs.create(topic_partition, topic_id, config, now_ms=self._now_ms())
        except KafkaError as error:
            logger.error("%s: its log cannot be made: %s", topic_partition, error)
            return None
        log.on_append = self._on_append
        return log

    def _is_elsewhere(self, topic_partition: TopicPartition, topic: TopicImage) -> bool:
        """Whether a log that is not here lies in a directory that is not here either: an empty one in its place would
        hide that."""
        partition = topic.partitions[topic_partition.partition]
        directory = partition.directory(self._config.node_id)
        if is_reserved_directory(directory):
            if not self._logs.directories.has_offline:
                return False
            logger.error("%s is offline: its log lies in none of the log directories that can be used", topic_partition)
        elif self._logs.directories.has_online_id(directory):
            return False
        else:
            logger.error(
                "%s is offline: it lies in the log directory with the id %s, which is none of %s. Give it back, or "
                "delete the topic",
                topic_partition,
                directory,
                "those of log.dirs that can be used" if self._logs.directories.has_offline else "log.dirs",
            )
        self._logs.set_offline(topic_partition, topic.topic_id)
        return True

    def _tell_directories(self) -> None:
        if self._placed:
            placed, self._placed = self._placed, {}
            self._on_placed(placed)

    def _remove(self, topic_id: Uuid, pace: _Pace) -> Iterator[None]:
        self._logs.forget_offline(topic_id)
        topic = self._going.pop(topic_id, None)
        if topic is None:
            return
        for index in topic.partitions:
            topic_partition = TopicPartition(topic.name, index)
            log = self._logs.get(topic_partition)
            if log is not None and log.topic_id == topic_id:
                self._logs.delete(topic_partition, now_ms=self._now_ms())
                self._on_delete(topic_partition)
            if pace.is_step_over():
                yield
                pace.begin_step()

    def topic_config(self, name: str) -> TopicConfig:
        return self._config_of(name, self._image.configs.topic_configs(name))

    def _config_of(self, name: str, overrides: Mapping[str, str]) -> TopicConfig:
        config, complaints = TopicConfig.of_stored(overrides, self._config.topic_defaults)
        for complaint in complaints:
            logger.warning("Topic %s: %s", name, complaint)
        return config

    def _update_topic_configs(self, names: Iterable[str]) -> Iterator[None]:
        for number, name in enumerate(names, 1):
            topic = self._image.topics.by_name.get(name)
            if topic is None:
                continue
            config = self.topic_config(name)
            for count, index in enumerate(topic.partitions, 1):
                log = self._logs.get(TopicPartition(name, index))
                if log is not None:
                    log.update_config(config)
                if count % PARTITIONS_PER_STEP == 0:
                    yield
            if number % TOPICS_PER_STEP == 0:
                yield

    def update_broker_config(self) -> None:
        """Takes over the broker's dynamic configuration, with all topics that inherit it, at once."""
        if self._take_over_broker_config():
            for _ in self._update_topic_configs(self._image.topics.by_name):
                pass

    def _take_over_broker_config(self) -> bool:
        configs = self._image.configs
        try:
            complaints = self._config.update_dynamic(
                configs.configs(CLUSTER_DEFAULT),
                configs.configs(ConfigResource(ConfigResourceType.BROKER, str(self._config.node_id))),
            )
        except ConfigException as error:
            logger.warning("The broker's dynamic configuration is not taken over: %s", error)
            return False
        for complaint in complaints:
            logger.warning(complaint)
        self._logs.update_producer_id_expiration(self._config.producer_id_expiration_ms)
        self._logs.update_transaction_verification(self._config.transaction_partition_verification_enable)
        return True
