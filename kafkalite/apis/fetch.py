"""Fetch: record batches from given offsets on, at once or when there are enough of them.

Version 4 knows isolation levels, 7 fetch sessions (KIP-227), 9 and 12 fencing and divergence by leader epochs, 11
racks; 13 names topics by id, 15 moves the replica's id into a tag, 16 names the addresses of leaders; 17 and 18
concern replicas.
The bytes of the records are not touched: the answer names pieces of segments, which the kernel sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from kafkalite.broker.api_registry import serves
from kafkalite.broker.broker import Broker, check_leader_epoch
from kafkalite.broker.fetch_sessions import (
    FINAL_EPOCH,
    INITIAL_EPOCH,
    INVALID_SESSION_ID,
    FetchablePartition,
    FetchSession,
    FetchSessionError,
    PartitionKey,
    has_shard,
)
from kafkalite.broker.purgatory import DelayedOperation
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.protocol.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    SnapshotId,
)
from kafkalite.storage.log_slice import LogSlice
from kafkalite.storage.partition_log import PartitionLog

DIVERGING_EPOCH_VERSION: Final = 12
TOPIC_IDS_VERSION: Final = 13
SMALL_SIZE: Final = 16_384
"""In bytes: so much is read and leaves in one write with the answer around it. Sent from its file, it costs a system
call, a packet and a wake-up of the client more for each side of it, which is dearer than to copy it."""

# The same for all answers, and never changed in place.
_NOT_DIVERGING: Final = EpochEndOffset()
_NO_LEADER: Final = LeaderIdAndEpoch()
_NO_SNAPSHOT: Final = SnapshotId()

_Answer: TypeAlias = "tuple[FetchablePartition, PartitionData]"


@serves(FetchRequest, while_loading=True)
def fetch(context: RequestContext, request: FetchRequest) -> FetchResponse | DelayedOperation:
    """Answers at once, or later, when data, an error or the end of the wait has come."""
    try:
        return _Fetch(context, request).start()
    except FetchSessionError as error:
        return FetchResponse(error_code=error.error)
    except KafkaError as error:
        return _refused(context, request, error.error)


class _Fetch:
    """One request on its way to its answer."""

    __slots__ = (
        "_broker",
        "_context",
        "_expected_epoch",
        "_is_from_replica",
        "_max_bytes",
        "_min_bytes",
        "_partitions",
        "_request",
        "_session",
        "_uses_topic_ids",
    )

    def __init__(self, context: RequestContext, request: FetchRequest) -> None:
        """Finds or prepares the session; raises FetchSessionError where the request does not fit it, KafkaError where
        nobody could have such a session."""
        self._context = context
        self._broker: Broker = context.broker
        self._request = request
        self._is_from_replica = _is_from_replica(request)
        self._uses_topic_ids = context.api_version >= TOPIC_IDS_VERSION
        self._max_bytes = min(request.max_bytes, self._broker.config.fetch_max_bytes)
        self._min_bytes = min(request.min_bytes, self._max_bytes)
        self._session: FetchSession | None = None
        self._expected_epoch = 0
        sessions = self._broker.fetch_sessions
        if not has_shard(request.session_id):
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        if request.session_epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            if request.session_id != INVALID_SESSION_ID:
                sessions.remove(request.session_id)
            self._partitions = self._wanted_now()
            return
        session = sessions.find(request.session_id, request.session_epoch, uses_topic_ids=self._uses_topic_ids)
        if request.topics or request.forgotten_topics_data:
            session.update(self._wanted(), self._forgotten())
        if session.partitions:
            sessions.touch(session, self._broker.clock.steady_ms())
            session.see(self._broker.metadata.last_applied_offset, request.isolation_level)
            self._session = session
            self._expected_epoch = session.epoch
            self._partitions = session.partitions
        else:
            # A session that has nothing left ends, and the request is answered as one without a session.
            sessions.remove(session.session_id)
            self._partitions = self._wanted_now()

    def start(self) -> FetchResponse | DelayedOperation:
        if not 0 <= self._request.isolation_level <= 1 and any(map(self._is_known, self._partitions.values())):
            return _refused(self._context, self._request, ErrorCode.UNKNOWN_SERVER_ERROR)
        answers, size, is_due = self._read()
        if is_due or size >= self._min_bytes or self._request.max_wait_ms <= 0:
            return self._respond(answers)
        session = self._session
        watched = self._partitions.values() if session is None else session.unsettled()
        operation = self._broker.fetch_purgatory.delay(
            [TopicPartition(p.topic, p.partition) for p in watched if p.topic is not None],
            self._request.max_wait_ms,
            self._try_complete,
        )
        if session is not None:
            session.wait_with(operation)
        return operation

    def _try_complete(self, is_expired: bool) -> FetchResponse | None:
        answers, size, is_due = self._read()
        if is_due or is_expired or size >= self._min_bytes:
            return self._respond(answers)
        return None

    # --- what is wanted -----------------------------------------------------------------------------------------------

    def _wanted(self) -> Iterable[tuple[PartitionKey, str | None, FetchPartition]]:
        topics = self._broker.metadata.image.topics
        for topic in self._request.topics:
            name: str | None = topic.topic
            identity: str | Uuid = topic.topic
            if self._uses_topic_ids:
                image = topics.by_id.get(topic.topic_id)
                name, identity = None if image is None else image.name, topic.topic_id
            for partition in topic.partitions:
                yield (identity, partition.partition), name, partition

    def _is_known(self, wanted: FetchablePartition) -> bool:
        topic = None if wanted.topic is None else self._broker.metadata.image.topics.topic(wanted.topic)
        return topic is not None and wanted.partition in topic.partitions

    def _wanted_now(self) -> dict[PartitionKey, FetchablePartition]:
        return {key: FetchablePartition(key, topic, wanted) for key, topic, wanted in self._wanted()}

    def _forgotten(self) -> Iterable[PartitionKey]:
        for topic in self._request.forgotten_topics_data:
            for partition in topic.partitions:
                yield (topic.topic_id if self._uses_topic_ids else topic.topic), partition

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[list[_Answer], int, bool]:
        """What can be answered now: the partitions' data, the size of their records, and whether that must go out.

        Of a session's partitions only those are looked at that may have something new to its client.
        """
        session = self._session
        readable: list[_Answer] = []
        erroneous: list[_Answer] = []
        # Consumers hear of unknown topic ids before other errors, replicas of all errors in their order.
        unknown_ids: list[_Answer] = erroneous if self._is_from_replica else []
        size = 0
        limit = self._max_bytes
        is_due = False
        has_readable = session is not None and session.has_settled
        partitions = self._partitions.values() if session is None else session.unsettled()
        for wanted in partitions:
            if wanted.topic is None:
                image = self._broker.metadata.image.topics.by_id.get(wanted.topic_id)
                if image is None:
                    unknown_ids.append((wanted, _error(wanted, ErrorCode.UNKNOWN_TOPIC_ID)))
                    continue
                wanted.topic = image.name
            try:
                log = self._broker.leader_log(wanted.topic, wanted.partition)
                if wanted.topic_id != log.topic_id and self._uses_topic_ids:
                    raise KafkaError(ErrorCode.INCONSISTENT_TOPIC_ID)
                has_readable = True
                if session is not None and self._is_settled(log, wanted):
                    session.settle(wanted, log.topic_partition)
                    continue
                data = self._read_partition(log, wanted, limit, minimum_one_batch=size == 0)
            except KafkaError as error:
                data = _error(wanted, error.error)
                if error.error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                    erroneous.append((wanted, data))
                    continue
                if self._context.api_version <= 5 and error.error is ErrorCode.KAFKA_STORAGE_ERROR:
                    data.error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER
                data.aborted_transactions = None
                has_readable = is_due = True
                if (
                    self._context.api_version >= 16
                    and error.error in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)
                    and not self._broker.is_loading  # nobody leads yet
                ):
                    data.current_leader = LeaderIdAndEpoch(
                        leader_id=self._context.node_id,
                        leader_epoch=self._broker.leader_log(wanted.topic, wanted.partition).leader_epoch,
                    )
            if data.diverging_epoch.epoch >= 0:
                is_due = True
            records_size = len(data.records)
            size += records_size
            limit = max(0, limit - records_size)  # of a negative limit, too, nothing is left for the next
            readable.append((wanted, data))
        if unknown_ids is not erroneous:
            erroneous = unknown_ids + erroneous
        return readable + erroneous, size, is_due or not has_readable

    def _read_partition(
        self, log: PartitionLog, wanted: FetchablePartition, max_bytes: int, *, minimum_one_batch: bool
    ) -> PartitionData:
        """Raises KafkaError where the partition cannot be read at that offset."""
        if wanted.current_leader_epoch >= 0:
            check_leader_epoch(log, wanted.current_leader_epoch)
        if self._is_from_replica:  # no replica but this one exists
            is_epoch_known = wanted.current_leader_epoch >= 0
            raise KafkaError(
                ErrorCode.UNKNOWN_LEADER_EPOCH if is_epoch_known else ErrorCode.NOT_LEADER_OR_FOLLOWER,
            )
        data = PartitionData(
            partition_index=wanted.partition,
            high_watermark=log.high_watermark,
            last_stable_offset=log.last_stable_offset,
            log_start_offset=log.log_start_offset,
            diverging_epoch=_NOT_DIVERGING,
            current_leader=_NO_LEADER,
            snapshot_id=_NO_SNAPSHOT,
            aborted_transactions=None,
            records=b"",
        )
        if wanted.last_fetched_epoch >= 0:
            diverging = _diverging_epoch(log, wanted)
            if diverging is not None:
                data.diverging_epoch = diverging
                return data
        max_bytes = min(wanted.max_bytes, max_bytes)
        found = log.read(
            wanted.fetch_offset,
            max(0, max_bytes),
            isolation_level=self._request.isolation_level,
            minimum_one_batch=minimum_one_batch or max_bytes < 0,
        )
        if max_bytes < 0 and found.records:  # Apache Kafka does not begin to read so little.
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        data.records = found.records
        if found.aborted_transactions is not None:
            if not found.records and max_bytes > 0 and wanted.fetch_offset < log.last_stable_offset:
                return data  # a batch that is larger than what may be read leaves nothing, not even an empty list
            data.aborted_transactions = [
                AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
                for aborted in found.aborted_transactions
            ]
        return data

    def _is_settled(self, log: PartitionLog, wanted: FetchablePartition) -> bool:
        """Whether a partition's reader has all there is to read, and has been told where it begins and ends."""
        return (
            wanted.high_watermark == log.high_watermark
            and wanted.log_start_offset == log.log_start_offset
            and wanted.last_fetched_epoch < 0
            and (log.last_stable_offset if self._request.isolation_level else log.high_watermark)
            <= wanted.fetch_offset
            <= log.log_end_offset
            and wanted.current_leader_epoch in (-1, log.leader_epoch)
            and not self._is_from_replica
        )

    # --- answering ----------------------------------------------------------------------------------------------------

    def _respond(self, answers: list[_Answer]) -> FetchResponse:
        session = self._session
        response = FetchResponse()
        if session is not None:
            response.session_id = session.session_id
            if session.epoch != self._expected_epoch:
                response.error_code = ErrorCode.INVALID_FETCH_SESSION_EPOCH
                return response
            answers = [answer for answer in answers if answer[0].note_answer(answer[1])]
            for wanted, data in answers:
                if data.records:
                    session.move_to_end(wanted)
            if self._context.api_version < DIVERGING_EPOCH_VERSION and any(map(_is_diverging, answers)):
                # The session's earlier requests were of a version that says which epoch the client read last.
                return _refused(self._context, self._request, ErrorCode.UNSUPPORTED_VERSION)
        elif self._request.session_epoch == INITIAL_EPOCH and self._context.api_version >= 7:
            response.session_id = self._new_session(answers)
        self._add_topics(response, answers)
        return response

    def _new_session(self, answers: list[_Answer]) -> int:
        session = self._broker.fetch_sessions.create(
            len(answers),
            self._broker.fetch_purgatory,
            uses_topic_ids=self._uses_topic_ids,
            is_privileged=self._is_from_replica,
            now_ms=self._broker.clock.steady_ms(),
        )
        if session is None:
            return INVALID_SESSION_ID
        for wanted, data in answers:
            wanted.note_answer(data)
            session.add(wanted)
        return session.session_id

    def _add_topics(self, response: FetchResponse, answers: list[_Answer]) -> None:
        topic: FetchableTopicResponse | None = None
        identity: str | Uuid | None = None
        for wanted, data in answers:
            if topic is None or wanted.key[0] != identity:
                identity = wanted.key[0]
                topic = FetchableTopicResponse(topic=wanted.topic or "", topic_id=wanted.topic_id)
                response.responses.append(topic)
            topic.partitions.append(data)
            if data.records and len(data.records) <= SMALL_SIZE:
                data.records = _read(data.records)
            if data.current_leader.leader_id >= 0 and not response.node_endpoints:
                host, port = self._context.advertised_address()
                response.node_endpoints.append(NodeEndpoint(node_id=self._context.node_id, host=host, port=port))


def _read(records: LogSlice) -> LogSlice | bytes:
    """The bytes of a slice; where they cannot be had, the slice, for whoever sends it to meet the same trouble."""
    try:
        found = records.read()
    except OSError:
        return records
    return found if len(found) == len(records) else records


def _is_diverging(answer: _Answer) -> bool:
    return answer[1].diverging_epoch.epoch >= 0


def _is_from_replica(request: FetchRequest) -> bool:
    return request.replica_id >= 0 or request.replica_state.replica_id >= 0


def _refused(context: RequestContext, request: FetchRequest, error: ErrorCode) -> FetchResponse:
    """The answer to a request that cannot be looked at; before version 13 it names all partitions."""
    response = FetchResponse(error_code=error, session_id=request.session_id)
    if context.api_version < TOPIC_IDS_VERSION:
        for topic in request.topics:
            partitions = [
                PartitionData(partition_index=partition.partition, error_code=error, high_watermark=-1, records=b"")
                for partition in topic.partitions
            ]
            response.responses.append(FetchableTopicResponse(topic=topic.topic, partitions=partitions))
    return response


def _error(wanted: FetchablePartition, error: ErrorCode) -> PartitionData:
    return PartitionData(partition_index=wanted.partition, error_code=error, high_watermark=-1, records=b"")


def _diverging_epoch(log: PartitionLog, wanted: FetchablePartition) -> EpochEndOffset | None:
    """Where the reader's log leaves this one (KIP-595), or None where it agrees."""
    epoch, end_offset = log.end_offset_for_epoch(wanted.last_fetched_epoch)
    if epoch == -1 or end_offset == -1:
        raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
    if epoch < wanted.last_fetched_epoch or end_offset < wanted.fetch_offset:
        return EpochEndOffset(epoch=epoch, end_offset=end_offset)
    return None
