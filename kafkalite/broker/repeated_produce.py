"""What producers say again and again: Produce requests that differ in correlation id and records only.

    size int32 | API key int16, version int16 | correlation id int32 | beginning | length, records | tags

The beginning (client id, acks, topic, partition, ...) was decoded once and is recognised by its bytes; of the answer
only offsets change. What remains is to look at the batch, and all that one read of a connection brings for the same
partition is appended with one write; or together with what other connections bring (`network.gathered_produce`).

Whatever is out of the ordinary is left to the API's handler: requests for several partitions, transactions, topics
whose records the broker has to look at, flushes to wait for, large batches (whose validation or writing takes long),
and errors.

Where writing takes long, a worker thread does it; the connection waits, and others go on. Else the answers leave as
soon as the bytes stand in the log: while the log takes them in, the client makes its next request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias

from kafkalite.broker.batch_validator import is_slow_to_validate
from kafkalite.broker.log_appender import LARGE_BATCH
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.codec import compile_encoder
from kafkalite.protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from kafkalite.protocol.primitives import write_unsigned_varint
from kafkalite.records.record import NO_TIMESTAMP
from kafkalite.records.record_batch import (
    COMPRESSION_MASK,
    LOG_OVERHEAD,
    MAGIC_POSITION,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    read_header,
)
from kafkalite.storage.unfinished_append import UnfinishedAppend

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker
    from kafkalite.broker.purgatory import DelayedOperation
    from kafkalite.identifiers import Uuid
    from kafkalite.storage.partition_log import PartitionLog

FIRST_VERSION: Final = 7
"""From here on a batch may have any codec, and the three offsets of an answer stand together."""
_BEGINNING_POSITION: Final = 12
_unpack_frame: Final = Struct(">iii").unpack_from
"""Size, API key and version as one number, correlation id."""
_unpack_length: Final = Struct(">i").unpack_from
_pack_length: Final = Struct(">i").pack
_NO_TAGS: Final = b"\0\0\0"
"""Behind the records, in flexible versions: the tagged fields of the partition, of the topic and of the request."""
_UNUSUAL_ATTRIBUTES: Final = ~COMPRESSION_MASK
_MAX_KNOWN: Final = 10_000
_MAX_STRANGERS: Final = 10 * _MAX_KNOWN
_MAX_BEGINNING_SIZE: Final = 1_000
_MAX_BEGINNING_SIZES: Final = 8
_OFFSETS: Final = Struct(">qqq")
Run: TypeAlias = list[tuple[int, int, memoryview, BatchHeader]]
"""Requests for one partition that have the same beginning: position of the frame, correlation id, records, the header
of their batch."""
PackAnswer: TypeAlias = Callable[[int, int, int, int], bytes]
_PATTERN_OFFSETS: Final = (0x0123456789ABCDE0, 0x123456789ABCDEF0, 0x23456789ABCDEF01)


class KnownRequest:
    """What the beginning of a request says, and how such requests are answered."""

    __slots__ = ("_version", "is_flexible", "pack_answer", "partition", "topic", "topic_id", "topic_id_partition")

    def __init__(self, version: int, topic: str, topic_id: Uuid, partition: int, *, has_answer: bool) -> None:
        self._version = version
        self.is_flexible = version in ProduceRequest.flexible_versions
        self.topic = topic
        self.topic_id = topic_id
        self.partition = partition
        self.topic_id_partition = (topic_id, partition)
        self.pack_answer = self._compile_answer() if has_answer else None
        """The frame that answers: given correlation id, base offset, log append time and log start offset."""

    def plain_log(self, broker: Broker) -> PartitionLog | None:
        """Where the batches of such requests are appended to; None where the handler has to say what they meet."""
        try:
            log = broker.leader_log(self.topic, self.partition)
        except KafkaError:
            return None
        return log if log.topic_id == self.topic_id and log.append_rules.takes_plain_batches else None

    def answer(self, run: Run, offset: int, log_start_offset: int, out: bytearray) -> int:
        """Answers requests that have an answer, whose batches went to `offset` and behind; returns where they end."""
        pack_answer = self.pack_answer
        assert pack_answer is not None
        for _, correlation_id, _, header in run:
            out += pack_answer(correlation_id, offset, NO_TIMESTAMP, log_start_offset)
            offset += header[6] + 1
        return offset

    def refuse(self, run: Run, error: ErrorCode, out: bytearray) -> None:
        """Answers requests of which nothing was appended."""
        encoded = self._encode(PartitionProduceResponse(index=self.partition, error_code=error, base_offset=-1))
        for _, correlation_id, _, _ in run:
            out += _pack_length(4 + len(encoded)) + _pack_length(correlation_id) + encoded

    def _encode(self, answer: PartitionProduceResponse) -> bytes:
        """A response behind its correlation id."""
        topic = TopicProduceResponse(name=self.topic, topic_id=self.topic_id, partition_responses=[answer])
        encoded = bytearray(b"\0" if self.is_flexible else b"")  # the header's tagged fields
        compile_encoder(ProduceResponse, self._version)(ProduceResponse(responses=[topic]), encoded)
        return bytes(encoded)

    def _compile_answer(self) -> PackAnswer:
        base_offset, log_append_time_ms, log_start_offset = _PATTERN_OFFSETS
        answer = PartitionProduceResponse(
            index=self.partition,
            base_offset=base_offset,
            log_append_time_ms=log_append_time_ms,
            log_start_offset=log_start_offset,
        )
        before, _, behind = self._encode(answer).partition(_OFFSETS.pack(*_PATTERN_OFFSETS))
        layout = Struct(f">ii{len(before)}sqqq{len(behind)}s")
        size = layout.size - 4
        pack = layout.pack

        def pack_answer(correlation_id: int, base_offset: int, log_append_time_ms: int, log_start_offset: int) -> bytes:
            return pack(size, correlation_id, before, base_offset, log_append_time_ms, log_start_offset, behind)

        return pack_answer


class KnownRequests:
    """The requests of one version that are known by their beginnings, whichever of a broker's connections they come on.

    So a thousand producers that write to a thousand partitions cost the memory of a thousand requests. When as many are
    known as may be, they stay, until much more has come that is not among them: to learn a request costs more than to
    decode it.
    """

    __slots__ = ("_strangers", "by_beginning")

    def __init__(self) -> None:
        self.by_beginning: dict[bytes, KnownRequest] = {}
        self._strangers = 0

    def has_room(self) -> bool:
        """Whether another one may be added; asked once for each."""
        if len(self.by_beginning) < _MAX_KNOWN:
            return True
        self._strangers += 1
        if self._strangers < _MAX_STRANGERS:
            return False
        self._strangers = 0
        self.by_beginning.clear()
        return True


def _beginning_of(frame: memoryview, records_size: int, *, is_flexible: bool) -> bytes | None:
    """The part of such a request that stays the same; None if there is more behind the records than no tags."""
    if is_flexible:
        tags = _NO_TAGS
        length = bytearray()
        write_unsigned_varint(length, records_size + 1)
    else:
        tags = b""
        length = bytearray(_pack_length(records_size))
    behind = len(frame) - len(tags)
    end = behind - records_size - len(length)
    if frame[behind:] != tags or frame[end : end + len(length)] != length:
        return None
    return bytes(frame[_BEGINNING_POSITION:end])


def _send_answers(
    send: Callable[[bytearray], object], known: KnownRequest, run: Run, log_start_offset: int, offset: int
) -> None:
    answers = bytearray()
    known.answer(run, offset, log_start_offset, answers)
    send(answers)


class PendingRun:
    """The answers of several requests whose batches a worker thread is writing."""

    __slots__ = ("_append", "_known", "_log", "_run", "awaitable")

    def __init__(
        self,
        known: KnownRequest,
        run: Run,
        log: PartitionLog,
        append: UnfinishedAppend,
        written: DelayedOperation,
    ) -> None:
        """Of `run` only correlation ids and headers are looked at: the records' buffer may be another's by now."""
        self._known = known
        self._run = run
        self._log = log
        self._append = append
        self.awaitable = written

    def encode(self, written: bool, out: bytearray) -> None:
        """Appends all the answers, once `awaitable` is done."""
        try:
            offset = self._append.finish().first_offset
        except KafkaError as error:
            self._known.refuse(self._run, error.error, out)
            return
        self._known.answer(self._run, offset, self._log.log_start_offset, out)


class RepeatedProduce:
    """The requests that one connection makes and that are known, and the answering of them."""

    __slots__ = ("_beginning_sizes", "_broker", "_key_and_version", "_known", "_requests", "pending")

    def __init__(self, broker: Broker) -> None:
        self.pending: PendingRun | None = None
        """Where `answer` stopped because of it: the answers that have to be waited for before all that follow."""
        self._broker = broker
        self._key_and_version = -1
        self._requests = KnownRequests()
        self._known = self._requests.by_beginning
        self._beginning_sizes: tuple[int, ...] = ()
        """How long the beginnings are that have come on this connection, the latest first."""

    def remember(
        self,
        frame: memoryview,
        records_size: int,
        version: int,
        topic: str,
        topic_id: Uuid,
        partition: int,
        *,
        has_answer: bool,
    ) -> None:
        """Takes in a request, given with its size field, whose records have this size."""
        beginning = _beginning_of(frame, records_size, is_flexible=version in ProduceRequest.flexible_versions)
        if beginning is None or len(beginning) > _MAX_BEGINNING_SIZE:
            return
        key_and_version = ProduceRequest.api_key << 16 | version
        if key_and_version != self._key_and_version:
            self._key_and_version = key_and_version
            self._requests = self._broker.known_produce_requests[version]
            self._known = self._requests.by_beginning
        known = self._known.get(beginning)
        if known is None or known.topic_id != topic_id:
            if known is None and not self._requests.has_room():
                return
            self._known[beginning] = KnownRequest(version, topic, topic_id, partition, has_answer=has_answer)
        size = len(beginning)
        if size not in self._beginning_sizes:
            self._beginning_sizes = (size, *self._beginning_sizes)[:_MAX_BEGINNING_SIZES]

    def answer(
        self,
        view: memoryview,
        position: int,
        end: int,
        max_size: int,
        out: bytearray,
        send: Callable[[bytearray], object],
    ) -> int:
        """Answers the requests from `position` on as far as they are known; returns where the first other one begins.

        No frame may be larger than `max_size`. Answers go into `out`, or at once to `send` where they are all that this
        read asks for."""
        for known, run, behind in self.recognise(view, position, end, max_size):
            stop_at = self._append(known, run, behind, out, None if out or behind < end else send)
            if stop_at is not None:
                return stop_at
            position = behind
        return position

    def recognise(
        self, view: memoryview, position: int, end: int, max_size: int
    ) -> Iterator[tuple[KnownRequest, Run, int]]:
        """The requests from `position` on as far as they are known, those of one beginning in a row together, each time
        with the position behind them."""
        run: Run = []
        known: KnownRequest | None = None
        while end - position > _BEGINNING_POSITION:
            size, key_and_version, correlation_id = _unpack_frame(view, position)
            behind = position + 4 + size
            if behind > end or size > max_size or key_and_version != self._key_and_version:
                break
            begins_at = position + _BEGINNING_POSITION
            for beginning_size in self._beginning_sizes:
                at = begins_at + beginning_size
                found = self._known.get(bytes(view[begins_at:at]))
                if found is not None:
                    break
            else:
                break
            if behind - at <= RECORD_BATCH_OVERHEAD:
                break
            if found.is_flexible:
                length = view[at]
                at += 1
                if length >= 0x80:
                    length += (view[at] << 7) - 0x80
                    at += 1
                    if length >= 0x4000:
                        length += (view[at] << 14) - 0x4000
                        at += 1
                length -= 1
                if at + length + len(_NO_TAGS) != behind or bytes(view[at + length : behind]) != _NO_TAGS:
                    break
            else:
                (length,) = _unpack_length(view, at)
                at += 4
                if at + length != behind:
                    break
            if not RECORD_BATCH_OVERHEAD < length < LARGE_BATCH or view[at + MAGIC_POSITION] != 2:
                break
            header = read_header(view, at)
            attributes = header[5]
            if header[1] + LOG_OVERHEAD != length or attributes & _UNUSUAL_ATTRIBUTES:
                break
            if attributes and is_slow_to_validate(header, view[at : at + length]):
                break
            if found is not known:
                if known is not None:
                    yield known, run, position
                    run = []
                known = found
            run.append((position, correlation_id, view[at : at + length], header))
            position = behind
        if known is not None:
            yield known, run, position

    def _append(
        self,
        known: KnownRequest,
        run: Run,
        behind: int,
        out: bytearray,
        send: Callable[[bytearray], object] | None,
    ) -> int | None:
        """Appends a run of batches that ends before `behind`; returns where to stop, None for nowhere.

        `send`: where the answers may go at once. They wait while consumers do, who are told of the records first."""
        broker = self._broker
        log = known.plain_log(broker)
        if log is None:
            return run[0][0]
        pack_answer = known.pack_answer
        now_ms = broker.clock.now_ms()
        batches = [(records, header) for _, _, records, header in run]
        size = behind - run[0][0]
        may_put_off = pack_answer is not None and broker.log_appender.has_time_for(size)
        on_written = None
        if send is not None and pack_answer is not None and not broker.fetch_purgatory.size:
            on_written = partial(_send_answers, send, known, run, log.log_start_offset)
        offset = log.append_plain(batches, now_ms, may_put_off=may_put_off, on_written=on_written)
        if isinstance(offset, UnfinishedAppend):
            written = broker.log_appender.write(offset)
            self.pending = PendingRun(known, run, log, offset, written)
            return behind
        if offset is not None:
            if pack_answer is not None and on_written is None:
                known.answer(run, offset, log.log_start_offset, out)
            return None
        for position, correlation_id, records, header in run:
            try:
                appended = log.append(records, now_ms=now_ms, header=header)
            except KafkaError:
                return position  # the handler meets the error again, and answers it
            if pack_answer is not None:
                first_offset, _, log_append_time_ms, log_start_offset, _, _ = appended
                out += pack_answer(correlation_id, first_offset, log_append_time_ms, log_start_offset)
        return None
