"""The group coordinator as handlers call it: checks a request, finds the group's shard, and answers errors.

What it is asked for is known to exist and to be allowed: topics are looked up by the handlers. Apache Kafka's
GroupCoordinatorService.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from kafkalite.broker.coordinator_runtime import CoordinatorContext
from kafkalite.broker.coordinator_service import CoordinatorService
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.request_context import RequestContext
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.group_config import GroupConfig
from kafkalite.config.units import MINUTE_MS
from kafkalite.coordinator.classic_group_requests import join_error
from kafkalite.coordinator.consumer_group_heartbeat_validation import validate_heartbeat
from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.group import GroupType
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.group_coordinator_shard import GroupCoordinatorShard
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import GROUP_METADATA_TOPIC, Uuid
from kafkalite.metadata.configurations_image import ConfigResource, ConfigResourceType
from kafkalite.metadata.features import GROUP_VERSION_FEATURE
from kafkalite.protocol.messages import consumer_group_describe
from kafkalite.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from kafkalite.protocol.messages.delete_groups import DeletableGroupResult
from kafkalite.protocol.messages.describe_groups import DescribedGroup
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kafkalite.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse
from kafkalite.protocol.messages.list_groups import ListedGroup
from kafkalite.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from kafkalite.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kafkalite.protocol.messages.txn_offset_commit import TxnOffsetCommitRequest, TxnOffsetCommitResponse
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import RemoveTopicRecord
from kafkalite.records.compression import CompressionType
from kafkalite.records.record_batch import NO_SEQUENCE

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker
    from kafkalite.broker.write_support import WriteSupport
    from kafkalite.identifiers import ProducerIdAndEpoch


class GroupCoordinator(CoordinatorService[GroupCoordinatorShard]):
    """All groups, each in its shard."""

    def __init__(self, broker: Broker) -> None:
        config = broker.config
        super().__init__(
            broker,
            GROUP_METADATA_TOPIC,
            load_buffer_size=config.offsets_load_buffer_size,
            compression=CompressionType(config.offsets_topic_compression_codec),
        )
        self.config = group_coordinator_config(config)
        self._group_configs: dict[str, GroupConfig] = {}

    def _new_shard(self, timers: CoordinatorTimers) -> GroupCoordinatorShard:
        return GroupCoordinatorShard(
            timers,
            self.config,
            self.metadata,
            self.group_config,
            random_uuid=_random_member_uuid,
            random_member_id=lambda: str(random_uuid()),
        )

    @cached_property
    def metadata(self) -> CoordinatorMetadataImage:
        """The topics, as all shards see them."""
        store = self._broker.metadata
        return CoordinatorMetadataImage(store.image, lambda: store.last_applied_offset)

    def group_config(self, group_id: str) -> GroupConfig:
        """What a group obeys."""
        overrides = self._broker.metadata.image.configs.configs(ConfigResource(ConfigResourceType.GROUP, group_id))
        key = group_id if overrides else ""  # all groups that override nothing are alike
        config = self._group_configs.get(key)
        if config is None:
            config = self._group_configs[key] = GroupConfig(overrides, self._broker.config.values)
        return config

    @property
    def has_consumer_protocol(self) -> bool:
        """Whether consumer groups are served: group.coordinator.rebalance.protocols and the feature group.version."""
        return (
            GroupType.CONSUMER.value in self._broker.config.group_coordinator_rebalance_protocols
            and self._broker.metadata.image.features.level(GROUP_VERSION_FEATURE) >= 1
        )

    def _on_metadata_change(self, records: Sequence[MetadataRecord]) -> None:
        if any(isinstance(record, ConfigRecord) for record in records):
            self._group_configs.clear()
        changed = self.metadata.on_change(records)
        if not changed and not any(isinstance(record, RemoveTopicRecord) for record in records):
            return
        if not self._has_topic:
            self.runtime.unload()
            return
        topics = self._broker.metadata.image.topics
        topic_ids: set[Uuid] = {record.topic_id for record in records if isinstance(record, RemoveTopicRecord)}

        def follow(context: CoordinatorContext[GroupCoordinatorShard]) -> None:
            context.shard.groups.on_topics_changed(changed)
            if topic_ids:
                context.run(context.shard.delete_topics(topic_ids, topics.by_name.__contains__))

        self.runtime.for_each(follow)

    def _context(self, group_id: str) -> CoordinatorContext[GroupCoordinatorShard]:
        if not group_id:
            raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        return self.runtime.context_for(group_id)

    # Members

    def heartbeat_consumer_group(
        self, context: RequestContext, request: ConsumerGroupHeartbeatRequest
    ) -> ConsumerGroupHeartbeatResponse | Future[ConsumerGroupHeartbeatResponse]:
        """ConsumerGroupHeartbeat; what is wrong with the request itself is told before there need be a coordinator."""
        try:
            validate_heartbeat(request, context.api_version, self.config.consumer_group_assignors)
            partition = self._context(request.group_id)
            return partition.run(partition.shard.groups.heartbeat_consumer_group(context, request))
        except KafkaError as error:
            error_code = operation_error(error)
            message = error.message if error.message != error_code.message else None
            return ConsumerGroupHeartbeatResponse(error_code=error_code, error_message=message)

    def join_group(
        self, context: RequestContext, request: JoinGroupRequest
    ) -> JoinGroupResponse | Future[JoinGroupResponse]:
        """JoinGroup; a future where others have to join first."""
        if not request.group_id:
            return join_error(ErrorCode.INVALID_GROUP_ID, request.member_id)
        config = self.config
        if not config.min_session_timeout_ms <= request.session_timeout_ms <= config.max_session_timeout_ms:
            return join_error(ErrorCode.INVALID_SESSION_TIMEOUT, request.member_id)
        try:
            partition = self._context(request.group_id)
            return partition.run(partition.shard.groups.join_classic_group(context, request))
        except KafkaError as error:
            return join_error(operation_error(error))

    def sync_group(
        self, context: RequestContext, request: SyncGroupRequest
    ) -> SyncGroupResponse | Future[SyncGroupResponse]:
        """SyncGroup; a future where the leader's assignment is awaited."""
        try:
            partition = self._context(request.group_id)
            return partition.run(partition.shard.groups.sync_classic_group(context, request))
        except KafkaError as error:
            return SyncGroupResponse(error_code=operation_error(error))

    def heartbeat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        """Heartbeat."""
        try:
            partition = self._context(request.group_id)
            error_code = partition.shard.groups.heartbeat_classic_group(request)
        except KafkaError as error:
            if error.error is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                return HeartbeatResponse()  # as Apache Kafka: nobody knows yet, and the member shall not leave for it
            return HeartbeatResponse(error_code=operation_error(error))
        partition.arm()
        return HeartbeatResponse(error_code=error_code)

    def leave_group(
        self, context: RequestContext, request: LeaveGroupRequest
    ) -> LeaveGroupResponse | Future[LeaveGroupResponse]:
        """LeaveGroup, with the members in `request.members` whatever its version."""
        try:
            partition = self._context(request.group_id)
            return partition.run(partition.shard.groups.leave_classic_group(context, request))
        except KafkaError as error:
            error_code = operation_error(error)
            if error_code is not ErrorCode.UNKNOWN_MEMBER_ID:
                return LeaveGroupResponse(error_code=error_code)
            return LeaveGroupResponse(
                members=[
                    MemberResponse(
                        member_id=member.member_id,
                        group_instance_id=member.group_instance_id,
                        error_code=error_code,
                    )
                    for member in request.members
                ]
            )

    # Offsets

    def commit_offsets(
        self, context: RequestContext, request: OffsetCommitRequest
    ) -> OffsetCommitResponse | Future[OffsetCommitResponse]:
        """OffsetCommit of partitions that exist; raises KafkaError. An empty group id is a group's as any other."""
        partition = self.runtime.context_for(request.group_id)
        return partition.run(partition.shard.offsets.commit(context, request))

    def commit_transactional_offsets(
        self,
        context: RequestContext,
        request: TxnOffsetCommitRequest,
        producer: ProducerIdAndEpoch,
        support: WriteSupport,
    ) -> TxnOffsetCommitResponse:
        """TxnOffsetCommit of partitions that exist; raises KafkaError, also where the transaction does not allow it."""
        partition = self._context(request.group_id)
        guard = self._broker.transaction_coordinator.start_write(
            partition.log, request.transactional_id, producer, NO_SEQUENCE, support
        )
        answer = partition.run(
            partition.shard.offsets.commit_transactional(context, request),
            producer.producer_id,
            producer.producer_epoch,
            guard,
        )
        assert isinstance(answer, TxnOffsetCommitResponse)
        return answer

    def fetch_offsets(self, request: OffsetFetchRequestGroup, *, require_stable: bool) -> OffsetFetchResponseGroup:
        """OffsetFetch of one group; raises KafkaError."""
        return self.runtime.context_for(request.group_id).shard.offsets.fetch(request, require_stable=require_stable)

    def delete_offsets(self, request: OffsetDeleteRequest) -> OffsetDeleteResponse | Future[OffsetDeleteResponse]:
        """OffsetDelete of partitions that exist; raises KafkaError."""
        partition = self._context(request.group_id)
        return partition.run(partition.shard.offsets.delete(request))

    # Administration

    def describe_group(self, group_id: str, api_version: int) -> DescribedGroup:
        """One group of DescribeGroups."""
        try:
            return self.runtime.context_for(group_id).shard.groups.describe_classic_group(group_id, api_version)
        except KafkaError as error:
            return DescribedGroup(group_id=group_id, error_code=operation_error(error))

    def describe_consumer_group(self, group_id: str) -> consumer_group_describe.DescribedGroup:
        """One group of ConsumerGroupDescribe."""
        try:
            return self._context(group_id).shard.groups.describe_consumer_group(group_id)
        except KafkaError as error:
            return consumer_group_describe.DescribedGroup(group_id=group_id, error_code=operation_error(error))

    def list_groups(self, states_filter: Iterable[str], types_filter: Iterable[str]) -> list[ListedGroup]:
        """ListGroups."""
        states, types = list(states_filter), list(types_filter)
        return [
            group for context in self.runtime.contexts() for group in context.shard.groups.list_groups(states, types)
        ]

    def delete_group(self, group_id: str) -> DeletableGroupResult | Future[DeletableGroupResult]:
        """One group of DeleteGroups."""
        try:
            self._broker.share_groups.delete_state(group_id)
            partition = self.runtime.context_for(group_id)
            return partition.run(partition.shard.delete_group(group_id))
        except KafkaError as error:
            return DeletableGroupResult(group_id=group_id, error_code=operation_error(error))


def _random_member_uuid() -> str:
    """A random id as Java writes UUIDs; member ids end with one."""
    digits = random_uuid().hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def operation_error(error: KafkaError) -> ErrorCode:
    """What clients of a coordinator are told: errors of its log turn into those that they know how to go on from."""
    return _OPERATION_ERRORS.get(error.error, error.error)


_OPERATION_ERRORS = {
    ErrorCode.NETWORK_EXCEPTION: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.INVALID_FETCH_SIZE: ErrorCode.UNKNOWN_SERVER_ERROR,
}


def group_coordinator_config(config: BrokerConfig) -> GroupCoordinatorConfig:
    """The coordinator's settings out of the broker's."""
    return GroupCoordinatorConfig(
        initial_rebalance_delay_ms=config.group_initial_rebalance_delay_ms,
        max_size=config.group_max_size,
        min_session_timeout_ms=config.group_min_session_timeout_ms,
        max_session_timeout_ms=config.group_max_session_timeout_ms,
        offset_metadata_max_size=config.offset_metadata_max_bytes,
        offsets_retention_ms=config.offsets_retention_minutes * MINUTE_MS,
        offsets_retention_check_interval_ms=config.offsets_retention_check_interval_ms,
        share_group_max_size=config.group_share_max_size,
        share_group_initialize_retry_interval_ms=config.group_share_initialize_retry_interval_ms,
        streams_group_max_size=config.group_streams_max_size,
        consumer_group_max_size=config.group_consumer_max_size,
        consumer_group_assignors=tuple(config.group_consumer_assignors),
        consumer_group_migration_policy=config.group_consumer_migration_policy.lower(),
        consumer_group_regex_refresh_interval_ms=config.group_consumer_regex_refresh_interval_ms,
    )
