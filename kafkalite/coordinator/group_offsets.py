"""Committed offsets of groups: commit, fetch, delete, expiry, and those of transactions that are still open.

An offset committed in a transaction is pending until the transaction's marker: invisible, then taken over or dropped.
Offsets age from their commit, or in a group with a protocol from when it became empty (KIP-211); what a member still
reads does not age. Apache Kafka's OffsetMetadataManager.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final, NamedTuple

from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.classic_group_requests import Sender
from kafkalite.coordinator.classic_group_state import PREPARING_REBALANCE, STABLE
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.group import PartitionCommitValidator
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.coordinator.group_metadata_manager import GroupMetadataManager
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_records.offsets import OffsetCommitKey, OffsetCommitValue
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kafkalite.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from kafkalite.protocol.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from kafkalite.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

NO_PRODUCER_ID: Final = -1
INVALID_OFFSET: Final = -1
NO_RETENTION_TIME: Final = -1
NO_EXPIRY: Final = -1
GROUP_ID_NOT_FOUND_MIN_VERSION: Final = 9
TXN_GROUP_ID_NOT_FOUND_MIN_VERSION: Final = 6
OFFSET_COMMIT_VALUE_VERSION: Final = 4
OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY: Final = 1
"""The only version that has an expire timestamp: for clients that give a retention time with their commit."""


class OffsetAndMetadata(NamedTuple):
    """One committed offset. `record_offset` is where its record stands in `__consumer_offsets`."""

    committed_offset: int
    leader_epoch: int
    metadata: str
    commit_timestamp_ms: int
    expire_timestamp_ms: int
    topic_id: Uuid
    record_offset: int


Partition = tuple[str, str, int]
"""Group, topic, partition."""
Offsets = dict[str, dict[str, dict[int, OffsetAndMetadata]]]
"""By group, topic and partition; never an empty dictionary inside."""


class OffsetMetadataManager:
    """The offsets of all groups of one `__consumer_offsets` partition."""

    __slots__ = ("_config", "_groups", "offsets", "open_transactions", "pending_transactional_offsets")

    def __init__(self, groups: GroupMetadataManager, config: GroupCoordinatorConfig) -> None:
        self._groups = groups
        self._config = config
        self.offsets: Offsets = {}
        self.pending_transactional_offsets: dict[int, dict[Partition, OffsetAndMetadata]] = {}
        self.open_transactions: dict[str, dict[tuple[str, int], set[int]]] = {}

    # Commit

    def commit(self, sender: Sender, request: OffsetCommitRequest) -> CoordinatorResult[OffsetCommitResponse]:
        """OffsetCommit, for topics that exist; raises KafkaError where the sender may not commit."""
        group_id = request.group_id
        validate = self._validate_commit(sender, request)
        now_ms = sender.now_ms
        expire_timestamp_ms, version = NO_EXPIRY, OFFSET_COMMIT_VALUE_VERSION
        if request.retention_time_ms != NO_RETENTION_TIME:
            expire_timestamp_ms = now_ms + request.retention_time_ms
            version = OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY
        records: list[CoordinatorRecord] = []
        topics = []
        for topic in request.topics:
            partitions = []
            for partition in topic.partitions:
                index = partition.partition_index
                if self._is_too_large(partition.committed_metadata):
                    error = ErrorCode.OFFSET_METADATA_TOO_LARGE
                else:
                    error = ErrorCode.NONE
                    if validate is not None:
                        validate(topic.name, topic.topic_id, index)
                    value = _offset_of(topic, partition, now_ms, expire_timestamp_ms)
                    key = OffsetCommitKey(group=group_id, topic=topic.name, partition=index)
                    records.append(CoordinatorRecord(key, value, version))
                partitions.append(OffsetCommitResponsePartition(partition_index=index, error_code=error))
            topics.append(OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=partitions))
        return CoordinatorResult(records, OffsetCommitResponse(topics=topics))

    def _validate_commit(self, sender: Sender, request: OffsetCommitRequest) -> PartitionCommitValidator | None:
        group = self._groups.groups.get(request.group_id)
        generation_id = request.generation_id_or_member_epoch
        if group is None:
            if generation_id < 0:
                self._groups.ensure_simple_group(request.group_id, sender.now_ms)
                return None
            if sender.api_version >= GROUP_ID_NOT_FOUND_MIN_VERSION:
                self._groups.group(request.group_id)
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        validate = group.validate_offset_commit(
            request.member_id,
            request.group_instance_id,
            generation_id,
            is_transactional=False,
            api_version=sender.api_version,
        )
        if isinstance(group, ClassicGroup) and group.state in (STABLE, PREPARING_REBALANCE):
            self._groups.rebalance.reschedule_session(group, group.members[request.member_id])
        return validate

    def commit_transactional(
        self, sender: Sender, request: TxnOffsetCommitRequest
    ) -> CoordinatorResult[TxnOffsetCommitResponse]:
        """TxnOffsetCommit, for topics that exist; its records belong into a batch of the transaction."""
        group_id = request.group_id
        self._validate_transactional_commit(sender, request)
        now_ms = sender.now_ms
        records: list[CoordinatorRecord] = []
        topics = []
        for topic in request.topics:
            partitions = []
            for partition in topic.partitions:
                index = partition.partition_index
                if self._is_too_large(partition.committed_metadata):
                    error = ErrorCode.OFFSET_METADATA_TOO_LARGE
                else:
                    error = ErrorCode.NONE
                    value = _offset_of(topic, partition, now_ms, NO_EXPIRY)
                    key = OffsetCommitKey(group=group_id, topic=topic.name, partition=index)
                    records.append(CoordinatorRecord(key, value, OFFSET_COMMIT_VALUE_VERSION))
                partitions.append(TxnOffsetCommitResponsePartition(partition_index=index, error_code=error))
            topics.append(TxnOffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=partitions))
        return CoordinatorResult(records, TxnOffsetCommitResponse(topics=topics))

    def _validate_transactional_commit(self, sender: Sender, request: TxnOffsetCommitRequest) -> None:
        group = self._groups.groups.get(request.group_id)
        if group is None:
            if request.generation_id_or_member_epoch >= 0:
                if sender.api_version >= TXN_GROUP_ID_NOT_FOUND_MIN_VERSION:
                    self._groups.group(request.group_id)
                raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
            self._groups.ensure_simple_group(request.group_id, sender.now_ms)
            return
        try:
            validate = group.validate_offset_commit(
                request.member_id,
                request.group_instance_id,
                request.generation_id_or_member_epoch,
                is_transactional=True,
                api_version=sender.api_version,
            )
            if validate is not None:
                for topic in request.topics:
                    topic_id = self._groups.metadata.topic_id(topic.name) or Uuid.ZERO
                    for partition in topic.partitions:
                        if not self._is_too_large(partition.committed_metadata or ""):
                            validate(topic.name, topic_id, partition.partition_index)
        except KafkaError as error:
            if error.error is ErrorCode.STALE_MEMBER_EPOCH:  # Producers know no member epochs.
                raise KafkaError(ErrorCode.ILLEGAL_GENERATION) from error
            raise

    def _is_too_large(self, metadata: str | None) -> bool:
        if not metadata:
            return False
        limit = self._config.offset_metadata_max_size
        # Apache Kafka counts UTF-16 units: at least one, at most two a character.
        return 2 * len(metadata) > limit and len(metadata.encode("utf-16-le", "surrogatepass")) > 2 * limit

    # Fetch

    def fetch(self, request: OffsetFetchRequestGroup, *, require_stable: bool) -> OffsetFetchResponseGroup:
        """OffsetFetch of named topics, or of all that have offsets; a group that does not exist has none."""
        group_id = request.group_id
        group = self._groups.groups.get(group_id)
        offsets: dict[str, dict[int, OffsetAndMetadata]] = {}
        if group is not None:
            try:
                group.validate_offset_fetch(request.member_id, request.member_epoch)
                offsets = self.offsets.get(group_id, offsets)
            except KafkaError as error:
                if error.error is not ErrorCode.GROUP_ID_NOT_FOUND:
                    raise
        unstable = self.open_transactions.get(group_id) if require_stable else None
        topics = []
        if request.topics is None:
            for name, committed in offsets.items():
                topics.append(
                    OffsetFetchResponseTopics(
                        name=name,
                        partitions=[
                            _fetched(index, offset)
                            if unstable is None or (name, index) not in unstable
                            else _unstable(index)
                            for index, offset in committed.items()
                        ],
                    )
                )
            return OffsetFetchResponseGroup(group_id=group_id, topics=topics)
        for topic in request.topics:
            name, topic_id = topic.name, topic.topic_id
            of_topic = offsets.get(name)
            partitions = []
            for index in topic.partition_indexes:
                if unstable is not None and (name, index) in unstable:
                    partitions.append(_unstable(index))
                    continue
                offset = None if of_topic is None else of_topic.get(index)
                if offset is not None and _differ(offset.topic_id, topic_id):
                    offset = None
                partitions.append(_fetched(index, offset))
            topics.append(OffsetFetchResponseTopics(name=name, topic_id=topic_id, partitions=partitions))
        return OffsetFetchResponseGroup(group_id=group_id, topics=topics)

    # Delete and expire

    def delete(self, request: OffsetDeleteRequest) -> CoordinatorResult[OffsetDeleteResponse]:
        """OffsetDelete of topics that exist; raises KafkaError where the group does not allow it now."""
        group = self._groups.group(request.group_id)
        group.validate_offset_delete()
        records: list[CoordinatorRecord] = []
        topics = []
        for topic in request.topics:
            is_subscribed = group.is_subscribed_to_topic(topic.name)
            partitions = []
            for partition in topic.partitions:
                index = partition.partition_index
                error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if is_subscribed else ErrorCode.NONE
                partitions.append(OffsetDeleteResponsePartition(partition_index=index, error_code=error))
                if not is_subscribed and self._has_offset(request.group_id, topic.name, index):
                    records.append(_tombstone(request.group_id, topic.name, index))
            topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=partitions))
        return CoordinatorResult(records, OffsetDeleteResponse(topics=topics))

    def delete_all(self, group_id: str) -> list[CoordinatorRecord]:
        """Tombstones for all offsets of a group that is about to go."""
        of_group = self.offsets.get(group_id, {})
        committed = {(topic, index): None for topic, of_topic in of_group.items() for index in of_topic}
        pending = dict.fromkeys(self.open_transactions.get(group_id, ()))
        return [_tombstone(group_id, topic, index) for topic, index in committed | pending]

    def expire(self, group_id: str, now_ms: int) -> tuple[list[CoordinatorRecord], bool]:
        """Tombstones for the offsets of a group that are too old, and whether none is left then."""
        has_open_transactions = group_id in self.open_transactions
        of_group = self.offsets.get(group_id)
        if of_group is None:
            return [], not has_open_transactions
        group = self._groups.group(group_id)
        retention_ms = self._config.offsets_retention_ms
        records: list[CoordinatorRecord] = []
        is_all_expired = True
        for topic, of_topic in of_group.items():
            if group.is_subscribed_to_topic(topic):
                is_all_expired = False
                continue
            for index, offset in of_topic.items():
                base_ms = group.offset_expiration_base_ms(offset.commit_timestamp_ms)
                if base_ms is None:
                    return [], False
                if offset.expire_timestamp_ms >= 0:
                    is_expired = now_ms >= offset.expire_timestamp_ms
                else:
                    is_expired = now_ms - base_ms >= retention_ms
                if is_expired and (topic, index) not in self.open_transactions.get(group_id, ()):
                    records.append(_tombstone(group_id, topic, index))
                else:
                    is_all_expired = False
        return records, is_all_expired and not has_open_transactions

    def delete_topics(self, topic_ids: Container[Uuid], has_topic: Callable[[str], bool]) -> list[CoordinatorRecord]:
        """Tombstones for the offsets of topics that have just been deleted.

        Offsets of older clients have no topic id: they go with the last topic of their name.
        """
        gone: dict[Partition, None] = {}
        for group_id, of_group in self.offsets.items():
            for name, of_topic in of_group.items():
                for index, offset in of_topic.items():
                    if offset.topic_id in topic_ids or (offset.topic_id == Uuid.ZERO and not has_topic(name)):
                        gone[group_id, name, index] = None
        for of_producer in self.pending_transactional_offsets.values():
            for partition, offset in of_producer.items():
                if offset.topic_id in topic_ids or (offset.topic_id == Uuid.ZERO and not has_topic(partition[1])):
                    gone[partition] = None
        return [_tombstone(*partition) for partition in gone]

    def _has_offset(self, group_id: str, topic: str, index: int) -> bool:
        return index in self.offsets.get(group_id, {}).get(topic, ()) or (
            (topic, index) in self.open_transactions.get(group_id, ())
        )

    # Replay

    def replay(
        self, record_offset: int, producer_id: int, key: OffsetCommitKey, value: OffsetCommitValue | None, now_ms: int
    ) -> None:
        """An offset's record; with a producer id it belongs to a transaction and is pending until its marker."""
        group_id, topic, index = key.group, key.topic, key.partition
        if value is None:
            self._remove(group_id, topic, index)
            for open_producer_id in self.open_transactions.get(group_id, {}).get((topic, index), ()):
                self.pending_transactional_offsets[open_producer_id].pop((group_id, topic, index), None)
            self._close(group_id, topic, index)
            return
        if group_id not in self._groups.groups:
            self._groups.ensure_simple_group(group_id, now_ms)
        offset = OffsetAndMetadata(
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            value.topic_id,
            record_offset,
        )
        if producer_id == NO_PRODUCER_ID:
            self._put(group_id, topic, index, offset)
        else:
            self.pending_transactional_offsets.setdefault(producer_id, {})[group_id, topic, index] = offset
            self.open_transactions.setdefault(group_id, {}).setdefault((topic, index), set()).add(producer_id)

    def replay_end_transaction_marker(self, producer_id: int, *, is_commit: bool) -> None:
        """A transaction has ended: its offsets count if it was committed and nothing newer stands in the log."""
        for (group_id, topic, index), offset in self.pending_transactional_offsets.pop(producer_id, {}).items():
            producers = self.open_transactions.get(group_id, {}).get((topic, index))
            if producers is not None:
                producers.discard(producer_id)
                if not producers:
                    self._close(group_id, topic, index)
            if is_commit:
                existing = self.offsets.get(group_id, {}).get(topic, {}).get(index)
                if existing is None or offset.record_offset > existing.record_offset:
                    self._put(group_id, topic, index, offset)

    def _put(self, group_id: str, topic: str, index: int, offset: OffsetAndMetadata) -> None:
        of_group = self.offsets.get(group_id)
        if of_group is None:
            of_group = self.offsets[group_id] = {}
        of_topic = of_group.get(topic)
        if of_topic is None:
            of_topic = of_group[topic] = {}
        of_topic[index] = offset

    def _remove(self, group_id: str, topic: str, index: int) -> None:
        of_group = self.offsets.get(group_id)
        if of_group is None or topic not in of_group:
            return
        of_group[topic].pop(index, None)
        if not of_group[topic]:
            del of_group[topic]
            if not of_group:
                del self.offsets[group_id]

    def _close(self, group_id: str, topic: str, index: int) -> None:
        of_group = self.open_transactions.get(group_id)
        if of_group is not None:
            of_group.pop((topic, index), None)
            if not of_group:
                del self.open_transactions[group_id]


def _fetched(index: int, offset: OffsetAndMetadata | None) -> OffsetFetchResponsePartitions:
    if offset is None:
        return OffsetFetchResponsePartitions(partition_index=index, committed_offset=INVALID_OFFSET, metadata="")
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=offset.committed_offset,
        committed_leader_epoch=offset.leader_epoch,
        metadata=offset.metadata,
    )


def _unstable(index: int) -> OffsetFetchResponsePartitions:
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=INVALID_OFFSET,
        metadata="",
        error_code=ErrorCode.UNSTABLE_OFFSET_COMMIT,
    )


def _differ(one: Uuid, other: Uuid) -> bool:
    """Whether both ids are known and not the same: then the topic is another one of the same name."""
    return one != other and one != Uuid.ZERO and other != Uuid.ZERO


def _tombstone(group_id: str, topic: str, index: int) -> CoordinatorRecord:
    return CoordinatorRecord(OffsetCommitKey(group=group_id, topic=topic, partition=index), None)


def _offset_of(
    topic: OffsetCommitRequestTopic | TxnOffsetCommitRequestTopic,
    partition: OffsetCommitRequestPartition | TxnOffsetCommitRequestPartition,
    now_ms: int,
    expire_timestamp_ms: int,
) -> OffsetCommitValue:
    return OffsetCommitValue(
        offset=partition.committed_offset,
        leader_epoch=partition.committed_leader_epoch,
        metadata=partition.committed_metadata or "",
        commit_timestamp=now_ms,
        expire_timestamp=expire_timestamp_ms,
        topic_id=topic.topic_id,
    )
