"""StreamsGroupDescribe (API key 89): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import (
    Request,
    Response,
    Struct,
    array,
    boolean,
    int8,
    int16,
    int32,
    int64,
    string,
    struct,
    uint16,
)


class KeyValue(Struct):
    key: str = string()
    value: str = string()


class TopicInfo(Struct):
    name: str = string()
    partitions: int = int32()
    replication_factor: int = int16()
    topic_configs: list[KeyValue] = array(KeyValue)


class Subtopology(Struct):
    subtopology_id: str = string()
    source_topics: list[str] = array(string)
    repartition_sink_topics: list[str] = array(string)
    state_changelog_topics: list[TopicInfo] = array(TopicInfo)
    repartition_source_topics: list[TopicInfo] = array(TopicInfo)


class Topology(Struct):
    epoch: int = int32()
    subtopologies: list[Subtopology] | None = array(Subtopology, default=None, nullable="0+")


class Endpoint(Struct):
    host: str = string()
    port: int = uint16()


class TaskOffset(Struct):
    subtopology_id: str = string()
    partition: int = int32()
    offset: int = int64()


class TaskIds(Struct):
    subtopology_id: str = string()
    partitions: list[int] = array(int32)


class Assignment(Struct):
    active_tasks: list[TaskIds] = array(TaskIds)
    standby_tasks: list[TaskIds] = array(TaskIds)
    warmup_tasks: list[TaskIds] = array(TaskIds)


class Member(Struct):
    member_id: str = string()
    member_epoch: int = int32()
    instance_id: str | None = string(default=None, nullable="0+")
    rack_id: str | None = string(default=None, nullable="0+")
    client_id: str = string()
    client_host: str = string()
    topology_epoch: int = int32()
    process_id: str = string()
    user_endpoint: Endpoint | None = struct(Endpoint, default=None, nullable="0+")
    client_tags: list[KeyValue] = array(KeyValue)
    task_offsets: list[TaskOffset] = array(TaskOffset)
    task_end_offsets: list[TaskOffset] = array(TaskOffset)
    assignment: Assignment = struct(Assignment)
    target_assignment: Assignment = struct(Assignment)
    is_classic: bool = boolean()


class TopologyDescriptionNode(Struct):
    name: str = string(versions="1+")
    node_type: int = int8(versions="1+")
    source_topics: list[str] = array(string, versions="1+")
    sink_topic: str | None = string(versions="1+", default=None, nullable="1+")
    stores: list[str] = array(string, versions="1+")
    successors: list[str] = array(string, versions="1+")


class TopologyDescriptionSubtopology(Struct):
    subtopology_id: str = string(versions="1+")
    nodes: list[TopologyDescriptionNode] = array(TopologyDescriptionNode, versions="1+")


class TopologyDescriptionGlobalStore(Struct):
    source: TopologyDescriptionNode = struct(TopologyDescriptionNode, versions="1+")
    processor: TopologyDescriptionNode = struct(TopologyDescriptionNode, versions="1+")


class TopologyDescription(Struct):
    subtopologies: list[TopologyDescriptionSubtopology] = array(TopologyDescriptionSubtopology, versions="1+")
    global_stores: list[TopologyDescriptionGlobalStore] = array(TopologyDescriptionGlobalStore, versions="1+")


class DescribedGroup(Struct):
    error_code: int = int16()
    error_message: str | None = string(default=None, nullable="0+")
    group_id: str = string()
    group_state: str = string()
    group_epoch: int = int32()
    assignment_epoch: int = int32()
    topology: Topology | None = struct(Topology, default=None, nullable="0+")
    members: list[Member] = array(Member)
    authorized_operations: int = int32(default=-0x80000000)
    topology_description: TopologyDescription | None = struct(
        TopologyDescription, versions="1+", default=None, nullable="1+"
    )
    topology_description_status: int = int8(versions="1+")
    assignor_name: str | None = string(versions="1+", default=None, nullable="1+", ignorable=True)


class StreamsGroupDescribeResponse(Response, versions="0-1", flexible="0+"):
    throttle_time_ms: int = int32()
    groups: list[DescribedGroup] = array(DescribedGroup)


class StreamsGroupDescribeRequest(
    Request, api_key=89, versions="0-1", flexible="0+", response=StreamsGroupDescribeResponse
):
    group_ids: list[str] = array(string)
    include_authorized_operations: bool = boolean()
    include_topology_description: bool = boolean(versions="1+")
