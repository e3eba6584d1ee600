"""Streams groups as handlers call them: requests are checked, shards asked, and internal topics made that they miss.

Apache Kafka makes internal topics behind the answer that tells a member of them; here they exist when it is answered.
As there, a topic that could not be made is not tried again for two heartbeats, whose answers tell why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.group import GroupType
from kafkalite.coordinator.streams.configured_topology import Status
from kafkalite.coordinator.streams.streams_group_heartbeat_validation import validate_heartbeat
from kafkalite.coordinator.streams.streams_group_heartbeats import StreamsGroupHeartbeatResult
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import INTERNAL_TOPICS
from kafkalite.metadata.features import STREAMS_VERSION_FEATURE
from kafkalite.metadata.replication_control import create_topics
from kafkalite.metadata.topic_name import reason_invalid
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.streams_group_describe import DescribedGroup
from kafkalite.protocol.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
    Topology,
)

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

_MAX_SHOWN_ERRORS: Final = 3
_ERROR_LIFETIME_IN_HEARTBEATS: Final = 2


class StreamsGroups:
    """What the group coordinator does for streams groups besides what their rules say."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._creation_errors: dict[str, tuple[str, int]] = {}  # by topic, with the time until which it is remembered

    @property
    def is_enabled(self) -> bool:
        """Whether streams groups are served: group.coordinator.rebalance.protocols and the feature streams.version."""
        return (
            GroupType.STREAMS.value in self._broker.config.group_coordinator_rebalance_protocols
            and self._broker.metadata.image.features.level(STREAMS_VERSION_FEATURE) >= 1
        )

    def heartbeat(
        self, context: RequestContext, request: StreamsGroupHeartbeatRequest
    ) -> StreamsGroupHeartbeatResponse:
        """StreamsGroupHeartbeat; what is wrong with the request itself is told before there need be a coordinator."""
        try:
            if request.topology is not None:
                _check_topic_names(request.topology)
            validate_heartbeat(request)
            partition = self._broker.group_coordinator.runtime.context_for(request.group_id)
            result = partition.run(partition.shard.groups.streams_groups.heartbeat(context, request))
        except KafkaError as error:
            error_code = operation_error(error)
            is_told = error_code is error.error and error_code is not ErrorCode.UNKNOWN_SERVER_ERROR
            message = error.message if is_told else None
            return StreamsGroupHeartbeatResponse(error_code=error_code, error_message=message)
        assert isinstance(result, StreamsGroupHeartbeatResult)
        if result.missing_internal_topics:
            self._create_topics(request.group_id, result.missing_internal_topics, result.response, context.now_ms)
        return result.response

    def describe(self, group_id: str) -> DescribedGroup:
        """One group of StreamsGroupDescribe."""
        if not group_id:
            return DescribedGroup(group_id=group_id, error_code=ErrorCode.INVALID_GROUP_ID)
        try:
            partition = self._broker.group_coordinator.runtime.context_for(group_id)
        except KafkaError as error:
            return DescribedGroup(group_id=group_id, error_code=operation_error(error))
        try:
            partition.shard.groups.require_written(group_id)
        except KafkaError as error:
            return DescribedGroup(group_id=group_id, error_code=error.error, error_message=error.message)
        return partition.shard.groups.streams_groups.describe(group_id)

    def _create_topics(
        self,
        group_id: str,
        topics: Mapping[str, CreatableTopic],
        response: StreamsGroupHeartbeatResponse,
        now_ms: int,
    ) -> None:
        """Makes internal topics; those that could not be made a moment ago are told of instead."""
        self._creation_errors = {name: error for name, error in self._creation_errors.items() if now_ms < error[1]}
        known = {name: self._creation_errors[name][0] for name in topics if name in self._creation_errors}
        for status in response.status or ():
            if known and status.status_code == Status.MISSING_INTERNAL_TOPICS:
                status.status_detail += f"; Creation failed: {_summary(known)}."
        wanted = [topic for name, topic in topics.items() if name not in known]
        if not wanted:
            return
        heartbeat_interval_ms = self._broker.group_coordinator.group_config(group_id).streams_heartbeat_interval_ms
        expires_ms = now_ms + _ERROR_LIFETIME_IN_HEARTBEATS * heartbeat_interval_ms
        for name, message in self._refusals(wanted):
            self._creation_errors[name] = (message, expires_ms)

    def _refusals(self, topics: list[CreatableTopic]) -> Iterator[tuple[str, str]]:
        """Makes topics; yields those that could not be made, and why."""
        broker = self._broker
        try:
            result = create_topics(
                broker.metadata.written_image,
                broker.config,
                CreateTopicsRequest(topics=topics),
                describable=(),
                new_topic_id=random_uuid,
            )
            broker.metadata.append(result.records)
        except KafkaError as error:
            for topic in topics:
                yield topic.name, str(error)
            return
        for created in result.response.topics:
            if created.error_code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):
                yield created.name, created.error_message or ErrorCode.for_code(created.error_code).message


def _summary(errors: Mapping[str, str]) -> str:
    shown = ", ".join(f"{name} ({message})" for name, message in list(errors.items())[:_MAX_SHOWN_ERRORS])
    more = len(errors) - _MAX_SHOWN_ERRORS
    return f"{shown} and {more} more" if more > 0 else shown


def _check_topic_names(topology: Topology) -> None:
    """Raises STREAMS_INVALID_TOPOLOGY where a topology names topics that it cannot have."""
    names = list(dict.fromkeys(_topic_names(topology)))
    internal = [name for name in names if name in INTERNAL_TOPICS]
    if internal:
        raise KafkaError(
            ErrorCode.STREAMS_INVALID_TOPOLOGY,
            f"Use of Kafka internal topics {','.join(internal)} in a Kafka Streams topology is prohibited.",
        )
    invalid = [name for name in names if reason_invalid(name) is not None]
    if invalid:
        raise KafkaError(
            ErrorCode.STREAMS_INVALID_TOPOLOGY, f"Topic names {','.join(invalid)} are not valid topic names."
        )


def _topic_names(topology: Topology) -> Iterable[str]:
    for subtopology in topology.subtopologies:
        yield from subtopology.source_topics
        yield from subtopology.repartition_sink_topics
        for topics in (subtopology.repartition_source_topics, subtopology.state_changelog_topics):
            yield from (topic.name for topic in topics)
