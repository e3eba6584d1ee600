"""ShareFetch: gives records to a share group member, and takes what it says of those it has got (KIP-932).

Version 1 limits records and names batches, 2 knows acquire modes (KIP-1206) and renews locks (KIP-1222). The bytes of
the records are not touched: the answer names pieces of segments, which the kernel sends, and says which of the records
in them the member has got.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.broker import Broker
from kafkalite.broker.purgatory import DelayedOperation
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.share_acknowledgements import RENEW_MIN_VERSION, Outcomes, acknowledge_all, is_member_id_valid
from kafkalite.broker.share_partitions import FetchedRecords, InitializationError
from kafkalite.broker.share_sessions import FINAL_EPOCH, INITIAL_EPOCH, ShareSession, TopicIdPartition
from kafkalite.coordinator.share_acquisition import AcquireLimits, ShareAcquireMode
from kafkalite.coordinator.share_coordinator import SharePartitionKey
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.protocol.messages.share_fetch import (
    AcquiredRecords,
    LeaderIdAndEpoch,
    PartitionData,
    ShareFetchableTopicResponse,
    ShareFetchRequest,
    ShareFetchResponse,
)

ACQUIRE_MODES: Final = frozenset(ShareAcquireMode)
RECORD_LIMIT: Final = 1


@serves(ShareFetchRequest)
def share_fetch(context: RequestContext, request: ShareFetchRequest) -> ShareFetchResponse | DelayedOperation:
    """Answers at once, or later, when there are records or the wait is over."""
    if not context.broker.share_groups.is_enabled:
        return ShareFetchResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    if request.group_id is None or not is_member_id_valid(request.member_id):
        return ShareFetchResponse(error_code=ErrorCode.INVALID_REQUEST)
    is_renew_ack = context.api_version >= RENEW_MIN_VERSION and request.is_renew_ack
    if is_renew_ack and (request.max_bytes or request.min_bytes or request.max_records or request.max_wait_ms):
        return ShareFetchResponse(error_code=ErrorCode.INVALID_REQUEST)
    try:
        fetch = _ShareFetch(context, request)
    except KafkaError as error:
        answer = ShareFetchResponse(error_code=error.error)
        if error.error is not ErrorCode.SHARE_SESSION_LIMIT_REACHED:
            return answer
        # A member that is turned away waits its time out, so that it does not come back at once.
        return context.broker.fetch_purgatory.delay(
            (), request.max_wait_ms, lambda is_expired: answer if is_expired else None
        )
    return fetch.start(is_renew_ack=is_renew_ack)


class _ShareFetch:
    """One request on its way to its answer."""

    __slots__ = (
        "_acknowledged",
        "_broker",
        "_context",
        "_erroneous",
        "_expected_epoch",
        "_group_id",
        "_late_errors",
        "_limits",
        "_max_bytes",
        "_member_id",
        "_min_bytes",
        "_request",
        "_session",
        "_wanted",
    )

    def __init__(self, context: RequestContext, request: ShareFetchRequest) -> None:
        """Finds, begins or goes on with the session; raises KafkaError where the request does not fit it."""
        self._context = context
        self._broker: Broker = context.broker
        self._request = request
        self._group_id, self._member_id = request.group_id or "", request.member_id or ""
        self._max_bytes = min(request.max_bytes, self._broker.config.fetch_max_bytes)
        self._min_bytes = min(request.min_bytes, self._max_bytes)
        mode = ShareAcquireMode.RECORD_LIMIT if request.share_acquire_mode == RECORD_LIMIT else ShareAcquireMode(0)
        self._limits = AcquireLimits(request.max_records, request.batch_size, mode)
        self._session: ShareSession | None = None
        self._expected_epoch = 0
        self._acknowledged: Outcomes = {}
        self._erroneous: dict[TopicIdPartition, PartitionData] = {}
        self._late_errors: set[TopicIdPartition] = set()
        """Of the erroneous ones those whose state could not be had: who gets records at once, or does not wait, hears
        nothing of them. Apache Kafka has to ask for the state, and does so several times."""
        self._wanted: dict[TopicIdPartition, str] = {}
        self._find_partitions(self._begin())

    def _begin(self) -> Mapping[TopicIdPartition, str | None]:
        """The partitions to look at, with the names of their topics, None where there is none."""
        request = self._request
        by_id = self._broker.metadata.image.topics.by_id
        sessions = self._broker.share_partitions.sessions
        key = (self._group_id, self._member_id)
        named = [
            ((topic.topic_id, one.partition_index), image.name if (image := by_id.get(topic.topic_id)) else None)
            for topic in request.topics
            for one in topic.partitions
        ]
        has_acknowledgements = any(
            partition.acknowledgement_batches for topic in request.topics for partition in topic.partitions
        )
        epoch = request.share_session_epoch
        wanted: dict[TopicIdPartition, str | None] = {}
        if epoch == FINAL_EPOCH:
            if sessions.get(key) is None:
                raise KafkaError(ErrorCode.SHARE_SESSION_NOT_FOUND)
        elif epoch == INITIAL_EPOCH:
            if has_acknowledgements:
                raise KafkaError(ErrorCode.INVALID_REQUEST)
            wanted = dict(named)
            if len(wanted) < len(named):  # Apache Kafka ends the old session and fails to make the new one.
                sessions.remove(key)
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
            if sessions.create(key, wanted, self._context) is None:
                raise KafkaError(ErrorCode.SHARE_SESSION_LIMIT_REACHED)
            self._context.watch_disconnect(self._broker.share_partitions.on_disconnect)
        else:
            session = self._session = sessions.find(key, epoch)
            session.update(
                dict(named),
                [(topic.topic_id, index) for topic in request.forgotten_topics_data for index in topic.partitions],
            )
            session.advance()
            self._expected_epoch = session.epoch
            wanted = {partition: cached.topic for partition, cached in session.partitions.items()}
        if has_acknowledgements:
            self._acknowledged = acknowledge_all(
                self._broker,
                key,
                request.topics,
                supports_renew=self._context.api_version >= RENEW_MIN_VERSION,
                is_renew_ack=request.is_renew_ack,
            )
        return wanted

    def _find_partitions(self, wanted: Mapping[TopicIdPartition, str | None]) -> None:
        topics = self._broker.metadata.image.topics
        for partition, topic in wanted.items():
            index = partition[1]
            if topic is None:
                self._erroneous[partition] = _error(index, ErrorCode.UNKNOWN_TOPIC_ID)
            elif topics.partition(TopicPartition(topic, index)) is None:
                self._erroneous[partition] = _error(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            else:
                self._wanted[partition] = topic

    # --- fetching -----------------------------------------------------------------------------------------------------

    def start(self, *, is_renew_ack: bool) -> ShareFetchResponse | DelayedOperation:
        if is_renew_ack:
            # Records that are renewed should not wait for others.
            return self._respond({}, with_errors=False)
        if self._wanted and self._request.share_acquire_mode not in ACQUIRE_MODES:
            return ShareFetchResponse(error_code=ErrorCode.UNKNOWN_SERVER_ERROR)
        if not self._wanted or not self._limits.max_records or not self._max_bytes:
            return self._respond({})
        self._rotate()
        has_loaded = self._load()
        if self._request.max_wait_ms <= 0:
            self._forget_late_errors()
        if not has_loaded:
            if not self._late_errors:
                return self._respond({})
            # Who is told so would be back at once: as in Apache Kafka it is told when its time is over.
            return self._broker.fetch_purgatory.delay(
                (), self._request.max_wait_ms, lambda is_expired: self._respond({}) if is_expired else None
            )
        answer = self._try_complete(is_expired=self._request.max_wait_ms <= 0, is_first=True)
        if answer is not None:
            return answer
        return self._broker.fetch_purgatory.delay(
            [TopicPartition(topic, index) for (_, index), topic in self._wanted.items()],
            self._request.max_wait_ms,
            lambda is_expired: self._try_complete(is_expired=is_expired),
        )

    def _rotate(self) -> None:
        """Every request of a session begins with another partition, so that none is starved."""
        epoch = self._request.share_session_epoch
        if epoch > 0:
            partitions = list(self._wanted.items())
            first = epoch % len(partitions)
            self._wanted = dict(partitions[first:] + partitions[:first])

    def _load(self) -> bool:
        """Has the share partitions ready; false where none can be read."""
        for partition, topic in list(self._wanted.items()):
            try:
                self._broker.share_partitions.load(self._key(partition), topic)
            except KafkaError as error:
                self._fail(partition, error)
        return bool(self._wanted)

    def _fail(self, partition: TopicIdPartition, error: KafkaError) -> None:
        self._erroneous[partition] = _error(partition[1], error.error)
        if isinstance(error, InitializationError):
            self._late_errors.add(partition)
        del self._wanted[partition]

    def _forget_late_errors(self) -> None:
        for partition in self._late_errors:
            del self._erroneous[partition]
        self._late_errors.clear()

    def _key(self, partition: TopicIdPartition) -> SharePartitionKey:
        return SharePartitionKey(self._group_id, *partition)

    def _try_complete(self, *, is_expired: bool, is_first: bool = False) -> ShareFetchResponse | None:
        if not self._load():
            return self._respond({})
        partitions = self._broker.share_partitions
        readable = [partition for partition in self._wanted if partitions.can_acquire(self._key(partition))]
        found: dict[TopicIdPartition, FetchedRecords] = {}
        size = 0
        is_due = is_expired
        for partition in readable:
            try:
                fetched = partitions.read(
                    self._key(partition), max(1, self._max_bytes // len(readable)), self._min_bytes
                )
            except KafkaError as error:
                self._fail(partition, error)
                is_due = True
                continue
            found[partition] = fetched
            size += fetched.slice.size
        if not is_due and (not found or size < self._min_bytes):
            return None
        if is_first and size:
            self._forget_late_errors()
        return self._respond(self._acquire(found))

    def _acquire(self, found: dict[TopicIdPartition, FetchedRecords]) -> dict[TopicIdPartition, PartitionData]:
        partitions = self._broker.share_partitions
        answers: dict[TopicIdPartition, PartitionData] = {}
        remaining = self._limits.max_records
        for partition, fetched in found.items():
            limits = self._limits._replace(max_records=remaining)
            acquired = partitions.acquire(self._key(partition), self._member_id, fetched, limits)
            data = answers[partition] = PartitionData(partition_index=partition[1], records=b"")
            if acquired:
                data.records = fetched.cut(acquired[0].first_offset, acquired[-1].last_offset)
                data.acquired_records = [
                    AcquiredRecords(first_offset=first, last_offset=last, delivery_count=deliveries)
                    for first, last, deliveries in acquired
                ]
                remaining -= sum(records.last_offset - records.first_offset + 1 for records in acquired)
        return answers

    # --- answering ----------------------------------------------------------------------------------------------------

    def _respond(
        self, answers: dict[TopicIdPartition, PartitionData], *, with_errors: bool = True
    ) -> ShareFetchResponse:
        if with_errors:
            answers = {**answers, **self._erroneous}
        session = self._session
        if session is not None:
            if session.epoch != self._expected_epoch:  # another request has gone on with it while this one waited
                return ShareFetchResponse(error_code=ErrorCode.INVALID_SHARE_SESSION_EPOCH)
            answers = {
                partition: data
                for partition, data in answers.items()
                if session.note_answer(partition, has_records=bool(data.records), has_error=data.error_code != 0)
            }
        for partition, outcome in self._acknowledged.items():
            data = answers.setdefault(partition, PartitionData(partition_index=partition[1], records=b""))
            data.acknowledge_error_code, data.acknowledge_error_message = outcome.error, outcome.message
        if self._request.share_session_epoch == FINAL_EPOCH:
            self._broker.share_partitions.release_session((self._group_id, self._member_id))
        config = self._broker.share_partitions.group_config(self._group_id)
        response = ShareFetchResponse(acquisition_lock_timeout_ms=config.share_record_lock_duration_ms)
        topics: dict[Uuid, ShareFetchableTopicResponse] = {}
        for (topic_id, _), data in answers.items():
            if data.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER:
                data.current_leader = LeaderIdAndEpoch(leader_id=self._context.node_id, leader_epoch=0)
            topics.setdefault(topic_id, ShareFetchableTopicResponse(topic_id=topic_id)).partitions.append(data)
        response.responses = list(topics.values())
        return response


def _error(index: int, error: ErrorCode) -> PartitionData:
    return PartitionData(partition_index=index, error_code=error, records=b"")
