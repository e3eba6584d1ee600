"""Requests that are recognised by their bytes are answered, and change the log, as those that are decoded."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest

from client_scenarios import wait_until
from kafkalite.broker import repeated_produce
from kafkalite.broker.repeated_produce import RepeatedProduce
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.records.compression import CompressionType
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.unfinished_append import UnfinishedAppend
from kafkalite.testing import KafkaliteServer
from produce_conversation import (
    NOW_MS,
    TOPICS,
    Conversation,
    DiskThatFills,
    answer_of,
    batch_of,
    create_topics,
    produce_frame,
)
from request_frames import frame_of

MAX_SEQUENCE = 0x7FFFFFFF


class StillClock:
    """The time in records stands still; timers go on."""

    def now_ms(self) -> int:
        return NOW_MS

    def steady_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def call_later(self, delay_ms: float, call: Callable[..., Any], *arguments: Any) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay_ms / 1000, call, *arguments)


@pytest.fixture
def disk() -> DiskThatFills:
    return DiskThatFills()


@pytest.fixture
def kafka(tmp_path: Path, disk: DiskThatFills) -> Iterator[KafkaliteServer]:
    with KafkaliteServer(tmp_path / "data", filesystem=disk) as server:
        create_topics(server, ["plain"])
        yield server


@pytest.fixture
def recognised(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames were answered by each look at what a read brought."""
    counts: list[int] = []
    answer = RepeatedProduce.answer

    def counting(
        self: RepeatedProduce, view: memoryview, position: int, end: int, max_size: int, out: bytearray, send: Any
    ) -> int:
        answers: list[bytearray] = []  # held back until they are counted
        stopped_at = answer(self, view, position, end, max_size, out, answers.append)
        frames = 0
        while position < stopped_at:
            position += 4 + int.from_bytes(view[position : position + 4], "big")
            frames += 1
        counts.append(frames)
        for each in answers:
            send(each)
        return stopped_at

    monkeypatch.setattr(RepeatedProduce, "answer", counting)
    return counts


@pytest.fixture
def conversation(kafka: KafkaliteServer) -> Iterator[Conversation]:
    opened = Conversation(kafka)
    yield opened
    opened.close()


def test_what_a_producer_repeats_is_recognised_and_its_batches_get_their_offsets(
    conversation: Conversation, recognised: list[int]
) -> None:
    conversation.exchange([produce_frame(batch_of(b"first"), 1)])
    assert not recognised
    frames = [produce_frame(batch_of(*[b"%d" % number] * number), 100 + number) for number in range(1, 20)]
    answers = conversation.exchange(frames)
    assert sum(recognised) == 19
    assert [int.from_bytes(payload[:4], "big") for payload in answers] == list(range(101, 120))
    assert [answer_of(payload).base_offset for payload in answers] == [1 + sum(range(n)) for n in range(1, 20)]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"partition": 1}, ErrorCode.NONE),
        ({"partition": 7}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"topic": "plait"}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"client_id": "producer2"}, ErrorCode.NONE),
        ({"acks": 1}, ErrorCode.NONE),
        ({"acks": 5}, ErrorCode.INVALID_REQUIRED_ACKS),
        ({"version": 10}, ErrorCode.NONE),
    ],
)
def test_a_request_with_another_beginning_is_decoded(
    conversation: Conversation, recognised: list[int], changed: dict[str, Any], error: ErrorCode
) -> None:
    conversation.exchange([produce_frame(batch_of(b"first"), 1)])
    [payload] = conversation.exchange([produce_frame(batch_of(b"other"), 2, **changed)])
    assert recognised == [0]
    assert answer_of(payload).error_code == error


@pytest.mark.parametrize("has_reader", [False, True])
@pytest.mark.parametrize("batches", [1, 2])
def test_an_answer_leaves_before_the_log_takes_the_batches_in_unless_a_reader_waits_for_them(
    kafka: KafkaliteServer,
    conversation: Conversation,
    monkeypatch: pytest.MonkeyPatch,
    batches: int,
    has_reader: bool,
) -> None:
    conversation.exchange([produce_frame(batch_of(b"first"), 1)])
    reader = Conversation(kafka)
    if has_reader:
        read_all = FetchPartition(partition=0, fetch_offset=1, partition_max_bytes=1_000)
        fetch = FetchRequest(max_wait_ms=60_000, min_bytes=1, topics=[FetchTopic(topic="plain", partitions=[read_all])])
        reader.begin(frame_of(fetch, 12, 1))
        server = kafka._server
        assert server is not None
        wait_until(lambda: server.broker.fetch_purgatory.size == 1)
    was_answered: list[bool] = []
    take_in = PartitionLog.note_several_appended

    def watching(log: PartitionLog, *facts: Any) -> None:
        was_answered.append(conversation.has_answer())
        take_in(log, *facts)

    monkeypatch.setattr(PartitionLog, "note_several_appended", watching)
    conversation.begin(*[produce_frame(batch_of(b"next"), number) for number in range(batches)])
    wait_until(lambda: bool(was_answered))
    answers = [conversation.read() for _ in range(batches)]
    assert [answer_of(payload).base_offset for payload in answers] == list(range(1, batches + 1))
    assert was_answered == [not has_reader]
    reader.close()


def idempotent_frames(sequences: list[int], epoch: int = 0) -> list[bytes]:
    """Batches of two records each that begin with these sequence numbers."""
    return [
        produce_frame(batch_of(b"a", b"b", producer_id=7, producer_epoch=epoch, base_sequence=sequence), number)
        for number, sequence in enumerate(sequences)
    ]


def test_what_an_idempotent_producer_sends_together_is_appended_with_one_write(
    conversation: Conversation, disk: DiskThatFills, fast_memory: None
) -> None:
    conversation.exchange(idempotent_frames([0]))
    before = disk.appends
    answers = [answer_of(payload) for payload in conversation.exchange(idempotent_frames(list(range(2, 42, 2))))]
    assert [(answer.error_code, answer.base_offset) for answer in answers] == [(0, at) for at in range(2, 42, 2)]
    assert disk.appends - before == 1


@pytest.mark.parametrize("memory", ["fast_memory", "slow_memory"])
def test_of_what_an_idempotent_producer_sends_together_duplicates_and_gaps_are_found(
    conversation: Conversation, memory: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(memory)
    conversation.exchange(idempotent_frames([0]))
    frames = idempotent_frames([2, 4, 4, 2, 8, 6]) + idempotent_frames([8], epoch=1) + idempotent_frames([0], epoch=1)
    frames += idempotent_frames([8])
    answers = [answer_of(payload) for payload in conversation.exchange(frames)]
    out_of_order = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
    assert [(answer.error_code, answer.base_offset) for answer in answers] == [
        (ErrorCode.NONE, 2),
        (ErrorCode.NONE, 4),
        (ErrorCode.NONE, 4),
        (ErrorCode.NONE, 2),
        out_of_order,
        (ErrorCode.NONE, 6),
        out_of_order,
        (ErrorCode.NONE, 8),
        (ErrorCode.INVALID_PRODUCER_EPOCH, -1),
    ]


def test_what_one_connection_repeats_another_one_need_not_have_learnt_anew(
    kafka: KafkaliteServer, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    usual = repeated_produce.KnownRequest.__init__

    def counting(self: Any, version: int, topic: str, *facts: Any, **more: Any) -> None:
        made.append(topic)
        usual(self, version, topic, *facts, **more)

    monkeypatch.setattr(repeated_produce.KnownRequest, "__init__", counting)
    other = Conversation(kafka)
    for one in (conversation, other, conversation, other):
        one.exchange([produce_frame(batch_of(b"same"), number) for number in range(3)])
    other.close()
    assert made == ["plain"]


def test_of_more_requests_than_may_be_known_the_first_ones_are_until_too_many_others_have_come(
    conversation: Conversation, recognised: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated_produce, "_MAX_KNOWN", 2)
    monkeypatch.setattr(repeated_produce, "_MAX_STRANGERS", 4)

    def recognised_now(*clients: str) -> int:
        before = sum(recognised)
        for client in clients:
            [payload] = conversation.exchange([produce_frame(batch_of(b"x"), 1, client_id=client)])
            assert answer_of(payload).error_code == ErrorCode.NONE
        return sum(recognised) - before

    assert recognised_now("a", "b") == 0
    assert recognised_now("a", "b", "c", "a", "c", "b") == 4, "the third one finds no room"
    assert recognised_now("c") == 0
    assert recognised_now("c") == 0, "with the fourth stranger all are forgotten, and it is learnt"
    assert recognised_now("c", "c", "a", "a") == 3


def test_producers_of_several_versions_are_recognised_each(kafka: KafkaliteServer, recognised: list[int]) -> None:
    conversations = {version: Conversation(kafka) for version in (9, 10, 12)}
    for expected in range(9):  # so few that they are not gathered
        version = (9, 10, 12)[expected % 3]
        [payload] = conversations[version].exchange([produce_frame(batch_of(b"x"), 1, version=version)])
        assert answer_of(payload, version).base_offset == expected
    assert recognised == [1] * 6
    for conversation in conversations.values():
        conversation.close()


def test_a_bad_batch_in_the_middle_of_others_is_refused_alone(conversation: Conversation) -> None:
    conversation.exchange([produce_frame(batch_of(b"first"), 1)])
    corrupt = bytearray(batch_of(b"corrupt"))
    corrupt[-1] ^= 1
    batches = [batch_of(b"a"), bytes(corrupt), batch_of(b"b"), None, batch_of(b"c")]
    answers = [answer_of(payload) for payload in conversation.exchange([produce_frame(b, 2) for b in batches])]
    expected = [
        (ErrorCode.NONE, 1),
        (ErrorCode.CORRUPT_MESSAGE, -1),
        (ErrorCode.NONE, 2),
        (ErrorCode.INVALID_RECORD, -1),
        (ErrorCode.NONE, 3),
    ]
    assert [(answer.error_code, answer.base_offset) for answer in answers] == expected


def test_a_topic_made_anew_under_its_name_is_another_topic(kafka: KafkaliteServer, conversation: Conversation) -> None:
    with WireClient(kafka.bootstrap_servers) as client:
        for expected in (0, 1):
            [payload] = conversation.exchange([produce_frame(batch_of(b"old"), 1)])
            assert answer_of(payload).base_offset == expected
        client.send(DeleteTopicsRequest(topics=[DeleteTopicState(name="plain")], timeout_ms=10_000), 6)
        [payload] = conversation.exchange([produce_frame(batch_of(b"none"), 2)])
        assert answer_of(payload).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        create_topics(kafka, ["plain"])
        for expected in (0, 1):
            [payload] = conversation.exchange([produce_frame(batch_of(b"new"), 3)])
            assert (answer_of(payload).error_code, answer_of(payload).base_offset) == (0, expected)


def test_a_changed_configuration_holds_for_the_next_request(kafka: KafkaliteServer, conversation: Conversation) -> None:
    for _ in range(2):
        conversation.exchange([produce_frame(batch_of(b"x" * 500), 1)])
    change = AlterableConfig(name="max.message.bytes", config_operation=0, value="400")
    resource = AlterConfigsResource(resource_type=2, resource_name="plain", configs=[change])
    with WireClient(kafka.bootstrap_servers) as client:
        assert client.send(IncrementalAlterConfigsRequest(resources=[resource])).responses[0].error_code == 0
    [large, small] = conversation.exchange([produce_frame(batch_of(b"x" * size), 2) for size in (500, 50)])
    assert answer_of(large).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert answer_of(small).base_offset == 2


@pytest.mark.parametrize("memory", ["fast_memory", "slow_memory"])
def test_no_record_is_acknowledged_on_a_full_disk(
    conversation: Conversation, disk: DiskThatFills, memory: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(memory)
    conversation.exchange([produce_frame(batch_of(b"first"), 1)])
    disk.is_full = True
    answers = conversation.exchange([produce_frame(batch_of(b"more"), number) for number in range(5)])
    assert {answer_of(payload).error_code for payload in answers} == {ErrorCode.KAFKA_STORAGE_ERROR}
    disk.is_full = False  # a stop that cannot write its last records is an error


def test_slow_writes_of_several_connections_keep_the_order_of_each(kafka: KafkaliteServer, slow_memory: None) -> None:
    conversations = [Conversation(kafka) for _ in range(4)]
    frames = [produce_frame(batch_of(b"x" * 1000), number) for number in range(40)]
    for conversation in conversations:
        conversation.exchange(frames[:1])
    for conversation in conversations:
        conversation.exchange(frames, answers=0)
    offsets = []
    for conversation in conversations:
        answers = conversation.exchange([], answers=40)
        assert [int.from_bytes(payload[:4], "big") for payload in answers] == list(range(40))
        mine = [answer_of(payload).base_offset for payload in answers]
        assert mine == sorted(mine)
        offsets += mine
        conversation.close()
    assert sorted(offsets) == list(range(4, 164))


def test_while_a_worker_writes_the_loop_writes_what_else_there_is(
    kafka: KafkaliteServer, slow_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Conversation(kafka), Conversation(kafka)
    for partition, conversation in enumerate((first, second)):
        conversation.exchange([produce_frame(batch_of(b"known"), 0, partition=partition)])
    is_writing, may_write, write = Event(), Event(), UnfinishedAppend.write

    def wait_and_write(append: UnfinishedAppend) -> None:
        is_writing.set()
        assert may_write.wait(10)
        write(append)

    monkeypatch.setattr(UnfinishedAppend, "write", wait_and_write)
    first.exchange([produce_frame(batch_of(b"slow"), 1)], answers=0)
    assert is_writing.wait(10)
    [payload] = second.exchange([produce_frame(batch_of(b"other"), 1, partition=1)])
    assert answer_of(payload).base_offset == 1
    may_write.set()
    [payload] = first.exchange([], answers=1)
    assert answer_of(payload).base_offset == 1
    first.close()
    second.close()


def test_without_acks_nothing_is_answered_but_everything_appended(conversation: Conversation) -> None:
    conversation.exchange([produce_frame(batch_of(b"silent"), number, acks=0) for number in range(50)], answers=0)
    [payload] = conversation.exchange([produce_frame(batch_of(b"loud"), 1)])
    assert answer_of(payload).base_offset == 50


def test_an_oversize_frame_ends_the_connection_although_its_beginning_is_known(tmp_path: Path) -> None:
    with KafkaliteServer(tmp_path / "data", config={"socket.request.max.bytes": 1000}) as kafka:
        create_topics(kafka, ["plain"])
        conversation = Conversation(kafka)
        conversation.exchange([produce_frame(batch_of(b"small"), 1)])
        with pytest.raises((ConnectionError, struct.error)):
            conversation.exchange([produce_frame(batch_of(b"x" * 2000), 2)])
        conversation.close()


class Dice:
    """Frames such as producers send, and such as they should not."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.producer_id: int | None = None
        self.sequences: dict[tuple[str, int, int], tuple[int, int]] = {}
        """The epoch and the sequence number that a producer goes on with."""

    def frames(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """So many, most of them for the same partition as the one before; each with what its frame is made of."""
        random = self.random
        frames: list[tuple[str, dict[str, Any]]] = []
        options: dict[str, Any] = {}
        for number in range(count):
            if not options or random.random() < 0.2:
                options = {
                    "topic": random.choice(list(TOPICS)),
                    "partition": random.choice((0, 0, 0, 1, 2)),
                    "version": random.choice((7, 9, 9, 11, 13)),
                    "acks": random.choice((-1, -1, 1)),
                    "client_id": random.choice(("producer", "producer", "", None)),
                }
            if random.random() < 0.05:
                frames.append(("other", {"correlation_id": number}))
            else:
                records = self.records(options["topic"], options["partition"])
                frames.append(("produce", {**options, "records": records, "correlation_id": number}))
        return frames

    def records(self, topic: str, partition: int) -> bytes | None:
        random = self.random
        values = [random.randbytes(random.choice((0, 10, 100, 300))) for _ in range(random.choice((1, 1, 2, 10)))]
        compression = random.choice((CompressionType.NONE,) * 5 + (CompressionType.GZIP, CompressionType.ZSTD))
        timestamp = NOW_MS + random.choice((0,) * 8 + (-10_000, 500, 2_000, 7_200_000))
        if random.random() < 0.1:
            self.producer_id = random.choice((None, None, 1000, 1001))
        producer = {} if self.producer_id is None else self.next_of(topic, partition, self.producer_id, len(values))
        batch = bytearray(batch_of(*values, timestamp=timestamp, compression=compression, **producer))
        damage = random.random()
        if damage < 0.02:
            batch[random.randrange(len(batch))] ^= 1 << random.randrange(8)
        elif damage < 0.04:
            del batch[random.randrange(len(batch)) :]
        elif damage < 0.05:
            batch *= 2
        elif damage < 0.06:
            return None
        return bytes(batch)

    def next_of(self, topic: str, partition: int, producer_id: int, records: int) -> dict[str, int]:
        """What an idempotent producer says of itself: once in a while it is wrong, and begins anew after errors."""
        random = self.random
        where = (topic, partition, producer_id)
        epoch, sequence = self.sequences.get(where, (0, 0 if producer_id == 1000 else MAX_SEQUENCE - 50))
        if random.random() < 0.05:
            epoch, sequence = epoch + 1, random.choice((0, 0, 0, 5))
        self.sequences[where] = (epoch, (sequence + records) & MAX_SEQUENCE)
        if random.random() < 0.05:
            sequence = max(0, sequence + random.choice((-1, 1)) * records)
        if random.random() < 0.03:
            epoch = max(0, epoch + random.choice((-1, 1)))
        return {"producer_id": producer_id, "producer_epoch": epoch, "base_sequence": sequence}


@pytest.mark.parametrize("seed", range(4))
def test_all_answers_and_files_are_those_of_requests_that_are_decoded(
    tmp_path: Path, seed: int, recognised: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = Dice(seed).frames(900)
    outcomes = []
    for way in ("together", "put off", "alone"):
        directory = tmp_path / way
        monkeypatch.setattr("kafkalite.storage.write_pace.SLOW_NS", -1 if way == "put off" else 10**12)
        with KafkaliteServer(directory, clock=StillClock()) as kafka:
            ids = create_topics(kafka, list(TOPICS))
            made = []
            for kind, options in frames:
                if kind == "other":
                    made.append(frame_of(ApiVersionsRequest(), 0, **options))
                else:
                    made.append(produce_frame(topic_id=ids[options["topic"]], **options))
            answers = []
            if way != "alone":
                conversation = Conversation(kafka)
                for start in range(0, len(made), 30):
                    answers += conversation.exchange(made[start : start + 30])
                conversation.close()
                assert sum(recognised) > 100
                del recognised[:]
            else:  # on a connection of its own no request was seen before
                for frame in made:
                    conversation = Conversation(kafka)
                    answers += conversation.exchange([frame])
                    conversation.close()
                assert not recognised
        for name, topic_id in ids.items():
            answers = [payload.replace(bytes(topic_id), name.encode().ljust(16)) for payload in answers]
        files = {
            str(path.relative_to(directory)): path.read_bytes()
            for name in TOPICS
            for path in sorted(directory.glob(f"{name}-*/*"))
            if path.suffix in (".log", ".index", ".timeindex", ".snapshot")
        }
        outcomes.append((answers, files))
    *recognised_ones, (alone, files_alone) = outcomes
    for answers, files in recognised_ones:
        for (_, options), answer, expected in zip(frames, answers, alone, strict=True):
            assert answer == expected, options
        assert files.keys() == files_alone.keys()
        for path, data in files_alone.items():
            assert files[path] == data, path
