"""A member of a share group (KIP-932), which acknowledges each record that it is given by itself.

    poll          heartbeats when they are due, then one fetch from each broker that leads an assigned partition
    acknowledge   what became of a record; the broker hears of it with the next fetch, or with the end
    close         acknowledges what is left, gives back what was acquired, leaves the group

There is one thread: nobody sends heartbeats while the records of a poll are worked on. A member that is put out of its
group because that took too long joins again, and what it had acquired goes to whoever comes next.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from kafkalite.client.admin import Admin, AdminTimeoutError, raise_for
from kafkalite.client.share_session import AcknowledgeType, ShareFetchLimits, ShareSession, TopicIdPartition
from kafkalite.client.wire_client import NoCommonVersionError, WireClient, WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.share_fetch import AcquiredRecords, PartitionData, ShareFetchRequest
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kafkalite.records.record import Record
from kafkalite.records.record_batch import check_crc, decode_batch, iter_batches

_JOINING: Final = 0
_LEAVING: Final = -1
_PAUSE_S: Final = 0.1
_LONGEST_CALL_S: Final = 5.0
_METADATA_MAX_AGE_S: Final = 300.0
_TIMESTAMP_TYPES: Final = ("CreateTime", "LogAppendTime")
_LEADER_MOVED: Final = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REPLICA_NOT_AVAILABLE,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.OFFSET_NOT_AVAILABLE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.INCONSISTENT_TOPIC_ID,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.UNKNOWN_SERVER_ERROR,
    }
)


class SharedRecord(NamedTuple):
    """A record that this member has acquired; `timestamp_type` is None where the record has no timestamp."""

    topic: str
    partition: int
    record: Record
    timestamp_type: str | None
    delivery_count: int


class ShareConsumer:
    """A member of a share group, over an Admin's connections; not to be shared between threads.

    `warn` hears of topics that are not there.
    """

    def __init__(
        self,
        admin: Admin,
        group_id: str,
        topics: Sequence[str],
        *,
        rack_id: str | None = None,
        limits: ShareFetchLimits | None = None,
        allows_auto_topic_creation: bool = True,
        warn: Callable[[str], None] = lambda message: None,
        now_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self.member_id = str(Uuid(os.urandom(16)))
        self._admin = admin
        self._group_id = group_id
        self._topics = sorted(set(topics))
        self._rack_id = rack_id
        self._limits = limits or ShareFetchLimits()
        self._allows_auto_topic_creation = allows_auto_topic_creation
        self._warn = warn
        self._now_s = now_s
        self._sleep_s = sleep_s
        self._epoch = _JOINING
        self._heartbeat_due_s = 0.0
        self._assigned: frozenset[TopicIdPartition] = frozenset()
        self._leaders: dict[TopicIdPartition, int] = {}
        self._topic_names: dict[Uuid, str] = {}
        self._metadata_due_s = 0.0
        self._missing: list[str] = []
        self._sessions: dict[int, ShareSession] = {}
        self._origins: dict[TopicPartition, tuple[ShareSession, TopicIdPartition]] = {}

    # --- what a consumer does

    def poll(self, timeout_s: float) -> list[SharedRecord]:
        """The records that a round of fetches acquires, waiting for some; each is to be acknowledged before the next.

        Raises KafkaError for what does not pass by waiting: no permission, an invalid topic, a corrupt batch.
        """
        deadline_s = self._now_s() + timeout_s
        while True:
            self._keep_up(deadline_s)
            records = self._fetch(max(0.0, deadline_s - self._now_s()))
            if records or self._now_s() >= deadline_s:
                return records

    def acknowledge(self, record: SharedRecord, how: AcknowledgeType) -> None:
        """Says what became of a record of the last poll."""
        session, partition = self._origins[TopicPartition(record.topic, record.partition)]
        session.acknowledge(partition, record.record.offset, how)

    def close(self, timeout_s: float = 30.0) -> None:
        """Ends the sessions and leaves the group, as far as brokers can be reached."""
        self._admin.api_timeout_s = min(timeout_s, _LONGEST_CALL_S)
        for node_id, session in self._sessions.items():
            request = session.final_request()
            if request is not None:
                with suppress(KafkaError):
                    self._attempt(partial(self._admin.send, request, call="shareAcknowledge", node_id=node_id))
        if self._epoch > _JOINING:
            self._epoch = _LEAVING
            with suppress(KafkaError):
                self._attempt(self._send_heartbeat)

    def _attempt(self, call: Callable[[], Any]) -> Any:
        """The call's result; None where no broker answered in time."""
        try:
            return call()
        except (AdminTimeoutError, WireClientError) as error:
            if isinstance(error, NoCommonVersionError):
                raise
            return None

    # --- membership and metadata

    def _keep_up(self, deadline_s: float) -> None:
        """Sends the heartbeat and asks for the metadata that are due."""
        now_s = self._now_s()
        self._admin.api_timeout_s = max(_PAUSE_S, min(_LONGEST_CALL_S, deadline_s - now_s))
        if now_s >= self._metadata_due_s:
            self._update_metadata(now_s)
        if now_s >= self._heartbeat_due_s:
            self._heartbeat(now_s)

    def _heartbeat(self, now_s: float) -> None:
        self._heartbeat_due_s = now_s + _PAUSE_S
        response = self._attempt(self._send_heartbeat)
        if response is None:
            return
        error = ErrorCode.for_code(response.error_code)
        if error in (ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID):
            self._rejoin()
            return
        if error.is_retriable:
            return
        raise_for(response.error_code, response.error_message)
        self._epoch = response.member_epoch
        if response.assignment is not None:
            self._assigned = frozenset(
                (topic.topic_id, index) for topic in response.assignment.topic_partitions for index in topic.partitions
            )
        # Without a partition there is nothing to do but to ask again, which need not wait for the interval.
        interval_s = response.heartbeat_interval_ms / 1000
        self._heartbeat_due_s = now_s + (interval_s if self._assigned else min(interval_s, 5 * _PAUSE_S))

    def _send_heartbeat(self) -> Any:
        is_joining = self._epoch == _JOINING
        request = ShareGroupHeartbeatRequest(
            group_id=self._group_id,
            member_id=self.member_id,
            member_epoch=self._epoch,
            rack_id=self._rack_id if is_joining else None,
            subscribed_topic_names=self._topics if is_joining else None,
        )
        return self._admin.send_to_coordinator(self._group_id, request, call="shareGroupHeartbeat")

    def _rejoin(self) -> None:
        self._epoch = _JOINING
        self._heartbeat_due_s = 0.0
        self._assigned = frozenset()
        for session in self._sessions.values():
            session.reset()

    def _update_metadata(self, now_s: float) -> None:
        self._metadata_due_s = now_s + _PAUSE_S
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=name) for name in self._topics],
            allow_auto_topic_creation=self._allows_auto_topic_creation,
        )
        response = self._attempt(lambda: self._admin.send(request, call="metadata"))
        if response is None:
            return
        missing: list[str] = []
        self._topic_names, self._leaders = {}, {}
        for topic in response.topics:
            error = ErrorCode.for_code(topic.error_code)
            if error is ErrorCode.INVALID_TOPIC_EXCEPTION:
                raise KafkaError(error, f"Invalid topics: [{topic.name}]")
            if error is ErrorCode.TOPIC_AUTHORIZATION_FAILED:
                raise KafkaError(error, f"Not authorized to access topics: [{topic.name}]")
            if error:
                missing.append(f"{topic.name}={error.name}")
                continue
            self._topic_names[topic.topic_id] = topic.name or ""
            for partition in topic.partitions:
                if partition.leader_id >= 0:
                    self._leaders[topic.topic_id, partition.partition_index] = partition.leader_id
        if missing and missing != self._missing:
            self._warn(f"Error while fetching metadata: {{{', '.join(missing)}}}")
        self._missing = missing
        if not missing:
            self._metadata_due_s = now_s + _METADATA_MAX_AGE_S

    def _metadata_are_stale(self) -> None:
        self._metadata_due_s = min(self._metadata_due_s, self._now_s() + _PAUSE_S)

    # --- records

    def _fetch(self, remaining_s: float) -> list[SharedRecord]:
        """One fetch from each broker, all under way at once."""
        wanted: dict[int, set[TopicIdPartition]] = {}
        for partition in self._assigned:
            leader = self._leaders.get(partition)
            if leader is None:
                self._metadata_are_stale()
            else:
                wanted.setdefault(leader, set()).add(partition)
        for leader in wanted:
            if leader not in self._sessions:
                self._sessions[leader] = ShareSession(self._group_id, self.member_id)
        limits = self._limits
        limits = limits._replace(max_wait_ms=min(limits.max_wait_ms, int(remaining_s * 1000)))
        under_way = []
        for node_id, session in self._sessions.items():
            if node_id in wanted or not (session.is_new or session.is_idle):
                sent = self._send_fetch(node_id, session.fetch_request(wanted.get(node_id, set()), limits))
                if sent is None:
                    session.reset()
                else:
                    under_way.append((session, *sent))
        if not under_way:
            self._sleep_s(min(remaining_s, _PAUSE_S))
        records: list[SharedRecord] = []
        for session, client, version, correlation_id in under_way:
            try:
                response = client.receive_response(ShareFetchRequest.response_type, version, correlation_id)
            except WireClientError:
                session.reset()
                self._metadata_are_stale()
                continue
            records += self._records_in(response, session)
        return records

    def _send_fetch(self, node_id: int, request: ShareFetchRequest) -> tuple[WireClient, int, int] | None:
        try:
            client = self._admin.client_of(node_id)
            client.timeout_s = self._admin.request_timeout_s
            version = client.version_for(request)
            return client, version, client.send_request(request, version)
        except NoCommonVersionError:
            raise
        except (WireClientError, KafkaError):
            self._metadata_are_stale()
            # What comes next is the heartbeat, which says what it is that cannot be reached.
            self._heartbeat_due_s = min(self._heartbeat_due_s, self._now_s() + _PAUSE_S)
            return None

    def _records_in(self, response: Any, session: ShareSession) -> Iterator[SharedRecord]:
        if response.error_code:
            session.reset()
            self._metadata_are_stale()
            self._sleep_s(_PAUSE_S)
            return
        session.advance()
        for topic in response.responses:
            for data in topic.partitions:
                partition = (topic.topic_id, data.partition_index)
                name = self._topic_names.get(topic.topic_id)
                error = ErrorCode.for_code(data.error_code)
                if error in _LEADER_MOVED or name is None:
                    self._metadata_are_stale()
                elif error:
                    raise KafkaError(error, f"{error.message} (partition {name}-{data.partition_index})")
                elif data.acquired_records:
                    self._origins[TopicPartition(name, data.partition_index)] = (session, partition)
                    yield from _acquired(name, partition, data, session)


def _acquired(
    topic: str, partition: TopicIdPartition, data: PartitionData, session: ShareSession
) -> Iterator[SharedRecord]:
    """The records among those fetched that were acquired.

    Offsets without a record are acknowledged at once: as gaps, or for others to read where no batch reaches so far.
    """
    last_offset = -1
    buffer = bytes(data.records or b"")
    left = {offset: acquired.delivery_count for acquired in data.acquired_records for offset in _offsets(acquired)}
    for position, header in iter_batches(buffer):
        check_crc(buffer, position, header)
        last_offset = header.last_offset
        if header.is_control:
            continue
        kind = None if header.magic == 0 else _TIMESTAMP_TYPES[header.timestamp_type]
        for record in decode_batch(buffer, position, header):
            delivery_count = left.pop(record.offset, None)
            if delivery_count is not None:
                yield SharedRecord(topic, partition[1], record, kind, delivery_count)
    for offset in left:
        session.acknowledge(
            partition, offset, AcknowledgeType.GAP if offset <= last_offset else AcknowledgeType.RELEASE
        )


def _offsets(acquired: AcquiredRecords) -> range:
    return range(acquired.first_offset, acquired.last_offset + 1)
