"""The records by which topics are created, grow and go, and which requests are refused (ReplicationControlManager)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_entry import topic_entries
from kafkalite.config.config_value import ConfigException
from kafkalite.config.topic_config import validate_topic_overrides
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.configurations_image import ConfigResourceType
from kafkalite.metadata.controller_result import ApiError, ControllerResult
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_elections import MIN_INSYNC_REPLICAS
from kafkalite.metadata.partition_registration import PartitionRegistration
from kafkalite.metadata.replica_placement import (
    assigned_partition,
    invalid_assignment,
    new_partition,
    place,
    validate_manual_assignment,
)
from kafkalite.metadata.topic_name import validate_topic_name
from kafkalite.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from kafkalite.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import ClearElrRecord, RemoveTopicRecord, TopicRecord

MAX_PARTITIONS_PER_BATCH: Final = 10_000
_DEFAULT: Final = -1
_MAX_CONFIG_VALUE_LENGTH: Final = 32767


def create_topics(
    image: MetadataImage,
    config: BrokerConfig,
    request: CreateTopicsRequest,
    *,
    describable: Collection[str] | None,
    new_topic_id: Callable[[], Uuid],
) -> ControllerResult[CreateTopicsResponse]:
    """The records and results of new topics, each of them refused or created for itself.

    `describable` are the topics whose configurations the client may see, None for all of them. Raises
    KafkaError(POLICY_VIOLATION) where there would be too many partitions at once.
    """
    _validate_total_number_of_partitions(request, config)
    results: list[CreatableTopicResult] = []
    records: list[MetadataRecord] = []
    settings = _RequestedSettings(config)
    placed: dict[int, PartitionRegistration] = {}
    for topic in request.topics:
        try:
            is_describable = describable is None or topic.name in describable
            topic_records, result = _create_topic(image, config, topic, settings, placed, is_describable, new_topic_id)
        except KafkaError as refusal:
            error = ApiError.of(refusal)
            results.append(CreatableTopicResult(name=topic.name, error_code=error.error, error_message=error.message))
        else:
            records += topic_records
            results.append(result)
    return ControllerResult([] if request.validate_only else records, CreateTopicsResponse(topics=results))


class _RequestedSettings:
    """Configurations of new topics, checked and described once for all topics of a request that have the same."""

    def __init__(self, config: BrokerConfig) -> None:
        self._config = config
        self._valid: set[tuple[tuple[str, str], ...]] = set()
        self._described: dict[tuple[tuple[str, str], ...], list[CreatableTopicConfigs]] = {}

    def validate(self, configs: dict[str, str]) -> None:
        """Raises ConfigException."""
        key = tuple(configs.items())
        if key not in self._valid:
            config = self._config
            validate_topic_overrides(
                configs, config.topic_defaults, is_remote_storage_enabled=config.remote_log_storage_system_enable
            )
            self._valid.add(key)

    def describe(self, configs: dict[str, str]) -> list[CreatableTopicConfigs]:
        """What is in force for such a topic; its own values stand as they were written."""
        key = tuple(configs.items())
        described = self._described.get(key)
        if described is None:
            described = self._described[key] = [
                CreatableTopicConfigs(
                    name=entry.name,
                    value=configs.get(entry.name, entry.value),
                    read_only=entry.is_read_only,
                    config_source=entry.source,
                    is_sensitive=entry.is_sensitive,
                )
                for entry in sorted(topic_entries(self._config, configs))
            ]
        return described


def _validate_total_number_of_partitions(request: CreateTopicsRequest, config: BrokerConfig) -> None:
    total = 0
    for topic in request.topics:
        if topic.assignments:
            total += len(topic.assignments)
        elif topic.num_partitions == _DEFAULT:
            total += config.num_partitions
        elif topic.num_partitions > 0:
            total += topic.num_partitions
    if total > MAX_PARTITIONS_PER_BATCH:
        raise KafkaError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")


def _create_topic(
    image: MetadataImage,
    config: BrokerConfig,
    topic: CreatableTopic,
    settings: _RequestedSettings,
    placed: dict[int, PartitionRegistration],
    is_describable: bool,
    new_topic_id: Callable[[], Uuid],
) -> tuple[list[MetadataRecord], CreatableTopicResult]:
    validate_topic_name(topic.name)
    if image.topics.topic(topic.name) is not None:
        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.")
    colliding = image.topics.names_colliding_with(topic.name)
    if colliding:
        raise KafkaError(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"Topic '{topic.name}' collides with existing topic: {next(iter(colliding))}",
        )
    config_records, configs = _new_topic_configs(image, settings, topic)
    partitions = _new_partitions(image, config, topic, placed)
    topic_id = new_topic_id()
    result = CreatableTopicResult(name=topic.name, topic_id=topic_id, error_message=None)
    if is_describable:
        result.configs = settings.describe(configs)
        result.num_partitions = len(partitions)
        result.replication_factor = len(partitions[0].replicas)
    else:
        result.topic_config_error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    records: list[MetadataRecord] = [TopicRecord(name=topic.name, topic_id=topic_id), *config_records]
    for partition_id, partition in enumerate(partitions):
        records.append(_partition_record(image, partition, topic_id, partition_id))
    return records, result


def _new_topic_configs(
    image: MetadataImage, settings: _RequestedSettings, topic: CreatableTopic
) -> tuple[list[MetadataRecord], dict[str, str]]:
    without_value = [entry.name for entry in topic.configs if entry.value is None]
    if without_value:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG, f"Null value not supported for topic configs: {','.join(without_value)}"
        )
    configs = {entry.name: entry.value for entry in topic.configs if entry.value is not None}
    if any(len(value) > _MAX_CONFIG_VALUE_LENGTH for value in configs.values()):
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            "The configuration value cannot be added because it exceeds the maximum value size of "
            f"{_MAX_CONFIG_VALUE_LENGTH} bytes.",
        )
    try:
        settings.validate(configs)
    except ConfigException as error:
        raise KafkaError(ErrorCode.INVALID_CONFIG, str(error)) from None
    records: list[MetadataRecord] = [
        ConfigRecord(resource_type=ConfigResourceType.TOPIC, resource_name=topic.name, name=name, value=value)
        for name, value in configs.items()
    ]
    if MIN_INSYNC_REPLICAS in configs and image.features.is_elr_enabled:
        records.append(ClearElrRecord(topic_name=topic.name))
    return records, configs


def _new_partitions(
    image: MetadataImage, config: BrokerConfig, topic: CreatableTopic, placed: dict[int, PartitionRegistration]
) -> list[PartitionRegistration]:
    """`placed`: new partitions of this request, by replication factor; others of the same factor are placed alike."""
    if topic.assignments:
        return _manually_assigned_partitions(image, topic)
    if topic.replication_factor < _DEFAULT or topic.replication_factor == 0:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if topic.num_partitions < _DEFAULT or topic.num_partitions == 0:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
    count = config.num_partitions if topic.num_partitions == _DEFAULT else topic.num_partitions
    factor = config.default_replication_factor if topic.replication_factor == _DEFAULT else topic.replication_factor
    partition = placed.get(factor)
    if partition is None:
        try:
            replicas = place(image, factor)
        except KafkaError as error:
            raise KafkaError(
                ErrorCode.INVALID_REPLICATION_FACTOR,
                f"Unable to replicate the partition {factor} time(s): {error.message}",
            ) from None
        partition = placed[factor] = new_partition(image, replicas)
    return [partition] * count


def _manually_assigned_partitions(image: MetadataImage, topic: CreatableTopic) -> list[PartitionRegistration]:
    if topic.replication_factor != _DEFAULT:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        )
    if topic.num_partitions != _DEFAULT:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        )
    partitions: dict[int, PartitionRegistration] = {}
    factor: int | None = None
    for assignment in topic.assignments:
        index = assignment.partition_index
        if index in partitions:
            raise invalid_assignment(f"Found multiple manual partition assignments for partition {index}")
        validate_manual_assignment(image, assignment.broker_ids, factor)
        factor = len(assignment.broker_ids)
        partitions[index] = assigned_partition(image, assignment.broker_ids, index)
    if sorted(partitions) != list(range(len(partitions))):
        raise invalid_assignment("partitions should be a consecutive 0-based integer sequence")
    return [partitions[index] for index in range(len(partitions))]


def _partition_record(
    image: MetadataImage, partition: PartitionRegistration, topic_id: Uuid, index: int
) -> MetadataRecord:
    features = image.features
    return partition.to_record(
        topic_id,
        index,
        metadata_version=features.metadata_version_or_raise(),
        is_elr_enabled=features.is_elr_enabled,
    )


def delete_topics(image: MetadataImage, topic_ids: Collection[Uuid]) -> ControllerResult[dict[Uuid, ApiError]]:
    """The records that remove topics, and a result for each."""
    records: list[MetadataRecord] = []
    results: dict[Uuid, ApiError] = {}
    for topic_id in topic_ids:
        if image.topics.topic_by_id(topic_id) is None:
            results[topic_id] = ApiError(ErrorCode.UNKNOWN_TOPIC_ID, None)
        else:
            records.append(RemoveTopicRecord(topic_id=topic_id))
            results[topic_id] = ApiError(ErrorCode.NONE, None)
    return ControllerResult(records, results)


def create_partitions(
    image: MetadataImage, request: CreatePartitionsRequest
) -> ControllerResult[list[CreatePartitionsTopicResult]]:
    """The records and results of more partitions for existing topics."""
    records: list[MetadataRecord] = []
    results = []
    for topic in request.topics:
        error = ApiError(ErrorCode.NONE, None)
        try:
            records += _create_partitions(image, topic, MAX_PARTITIONS_PER_BATCH - len(records))
        except KafkaError as refusal:
            error = ApiError.of(refusal)
        results.append(
            CreatePartitionsTopicResult(name=topic.name, error_code=error.error, error_message=error.message)
        )
    return ControllerResult([] if request.validate_only else records, results)


def _create_partitions(image: MetadataImage, wanted: CreatePartitionsTopic, room: int) -> list[MetadataRecord]:
    topic = image.topics.topic(wanted.name)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    existing = len(topic.partitions)
    if wanted.count == existing:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {existing} partition(s).")
    if wanted.count < existing:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {wanted.name} currently has {existing} partition(s); {wanted.count} would not be an increase.",
        )
    additional = wanted.count - existing
    if wanted.assignments is not None and len(wanted.assignments) != additional:
        raise invalid_assignment(
            f"Attempted to add {additional} additional partition(s), but only {len(wanted.assignments)} assignment(s) "
            "were specified."
        )
    if additional > room:
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)  # more records than Apache Kafka's controller takes at once
    factor = len(next(iter(topic.partitions.values())).replicas)
    if wanted.assignments is not None:
        partitions = []
        for index, assignment in enumerate(wanted.assignments, existing):
            validate_manual_assignment(image, assignment.broker_ids, factor)
            partitions.append(assigned_partition(image, assignment.broker_ids, index))
    else:
        partitions = [new_partition(image, place(image, factor))] * additional
    return [
        _partition_record(image, partition, topic.topic_id, index)
        for index, partition in enumerate(partitions, existing)
    ]
