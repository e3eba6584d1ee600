"""Records of `__consumer_offsets` about streams groups (KIP-1071)."""

from __future__ import annotations

from typing import Final

from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, RecordType
from kafkalite.protocol.schema import Struct, array, int8, int16, int32, int64, string, struct, uint16


class StreamsGroupMetadataKey(CoordinatorKey, record_type=17, versions="0"):
    group_id: str = string(versions="0")


class LastAssignmentConfig(Struct):
    key: str = string()
    value: str = string()


class StreamsGroupMetadataValue(CoordinatorValue, record_type=17, versions="0", flexible="0+"):
    epoch: int = int32()
    metadata_hash: int = int64()
    validated_topology_epoch: int = int32(default=-1, tag=0)
    last_assignment_configs: list[LastAssignmentConfig] | None = array(LastAssignmentConfig, nullable="0+", tag=1)
    stored_description_topology_epoch: int = int32(default=-1, tag=2)
    failed_description_topology_epoch: int = int32(default=-1, tag=3)


class StreamsGroupTopologyKey(CoordinatorKey, record_type=23, versions="0"):
    group_id: str = string(versions="0")


class TopicConfig(Struct):
    key: str = string()
    value: str = string()


class TopicInfo(Struct):
    name: str = string()
    partitions: int = int32()
    replication_factor: int = int16()
    topic_configs: list[TopicConfig] = array(TopicConfig)


class CopartitionGroup(Struct):
    source_topics: list[int] = array(int16)
    source_topic_regex: list[int] = array(int16)
    repartition_source_topics: list[int] = array(int16)


class Subtopology(Struct):
    subtopology_id: str = string()
    source_topics: list[str] = array(string)
    source_topic_regex: list[str] = array(string)
    state_changelog_topics: list[TopicInfo] = array(TopicInfo)
    repartition_sink_topics: list[str] = array(string)
    repartition_source_topics: list[TopicInfo] = array(TopicInfo)
    copartition_groups: list[CopartitionGroup] = array(CopartitionGroup)


class StreamsGroupTopologyValue(CoordinatorValue, record_type=23, versions="0", flexible="0+"):
    epoch: int = int32()
    subtopologies: list[Subtopology] = array(Subtopology)


class StreamsGroupMemberMetadataKey(CoordinatorKey, record_type=19, versions="0"):
    group_id: str = string(versions="0")
    member_id: str = string(versions="0")


class Endpoint(Struct):
    host: str = string()
    port: int = uint16()


class KeyValue(Struct):
    key: str = string()
    value: str = string()


class StreamsGroupMemberMetadataValue(CoordinatorValue, record_type=19, versions="0", flexible="0+"):
    instance_id: str | None = string(nullable="0+")
    rack_id: str | None = string(nullable="0+")
    client_id: str = string()
    client_host: str = string()
    rebalance_timeout_ms: int = int32(default=-1)
    topology_epoch: int = int32()
    process_id: str = string()
    user_endpoint: Endpoint | None = struct(Endpoint, default=None, nullable="0+")
    client_tags: list[KeyValue] = array(KeyValue)


class StreamsGroupTargetAssignmentMetadataKey(CoordinatorKey, record_type=20, versions="0"):
    group_id: str = string(versions="0")


class StreamsGroupTargetAssignmentMetadataValue(CoordinatorValue, record_type=20, versions="0", flexible="0+"):
    assignment_epoch: int = int32()
    assignment_timestamp: int = int64(tag=0, ignorable=True)


class StreamsGroupTargetAssignmentMemberKey(CoordinatorKey, record_type=21, versions="0"):
    group_id: str = string(versions="0")
    member_id: str = string(versions="0")


class TargetAssignmentMemberTaskIds(Struct):
    subtopology_id: str = string()
    partitions: list[int] = array(int32)


class StreamsGroupTargetAssignmentMemberValue(CoordinatorValue, record_type=21, versions="0", flexible="0+"):
    active_tasks: list[TargetAssignmentMemberTaskIds] = array(TargetAssignmentMemberTaskIds)
    standby_tasks: list[TargetAssignmentMemberTaskIds] = array(TargetAssignmentMemberTaskIds)
    warmup_tasks: list[TargetAssignmentMemberTaskIds] = array(TargetAssignmentMemberTaskIds)


class StreamsGroupCurrentMemberAssignmentKey(CoordinatorKey, record_type=22, versions="0"):
    group_id: str = string(versions="0")
    member_id: str = string(versions="0")


class CurrentMemberAssignmentTaskIds(Struct):
    subtopology_id: str = string()
    partitions: list[int] = array(int32)
    assignment_epochs: list[int] | None = array(int32, nullable="0+", tag=0)


class StreamsGroupCurrentMemberAssignmentValue(CoordinatorValue, record_type=22, versions="0", flexible="0+"):
    member_epoch: int = int32()
    previous_member_epoch: int = int32()
    state: int = int8()
    active_tasks: list[CurrentMemberAssignmentTaskIds] = array(CurrentMemberAssignmentTaskIds)
    standby_tasks: list[CurrentMemberAssignmentTaskIds] = array(CurrentMemberAssignmentTaskIds)
    warmup_tasks: list[CurrentMemberAssignmentTaskIds] = array(CurrentMemberAssignmentTaskIds)
    active_tasks_pending_revocation: list[CurrentMemberAssignmentTaskIds] = array(CurrentMemberAssignmentTaskIds)
    standby_tasks_pending_revocation: list[CurrentMemberAssignmentTaskIds] = array(CurrentMemberAssignmentTaskIds)
    warmup_tasks_pending_revocation: list[CurrentMemberAssignmentTaskIds] = array(CurrentMemberAssignmentTaskIds)


RECORD_TYPES: Final[tuple[RecordType, ...]] = (
    (StreamsGroupMetadataKey, StreamsGroupMetadataValue),
    (StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue),
    (StreamsGroupTargetAssignmentMetadataKey, StreamsGroupTargetAssignmentMetadataValue),
    (StreamsGroupTargetAssignmentMemberKey, StreamsGroupTargetAssignmentMemberValue),
    (StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue),
    (StreamsGroupTopologyKey, StreamsGroupTopologyValue),
)
