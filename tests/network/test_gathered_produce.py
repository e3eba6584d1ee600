"""What many producers send at the same time is appended together, and each gets the answer that he would get alone."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Event

import pytest

from certificates import Certificates
from client_scenarios import wait_until
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.network import gathered_produce
from kafkalite.network.gathered_produce import ProduceGatherer
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite.storage.unfinished_append import UnfinishedAppend
from kafkalite.testing import KafkaliteServer
from log_disk import value_of
from produce_conversation import Conversation, DiskThatFills, answer_of, batch_of, create_topics, produce_frame
from request_frames import frame_of

PRODUCERS = 10


class Crowd:
    """Producers whose requests are known, so that what they send is gathered."""

    def __init__(self, kafka: KafkaliteServer, size: int = PRODUCERS, *, context: ssl.SSLContext | None = None) -> None:
        self._kafka = kafka
        self.producers = [Conversation(kafka, context) for _ in range(size)]
        self.end = 0
        """Of the log, if nobody else writes to it."""
        for producer in self.producers:
            self.speak_alone(producer)
        for _ in range(5):
            self.exchange(*[produce_frame(batch_of(b"together"), 1)] * size)
            self.end += size

    def speak_alone(self, producer: Conversation) -> None:
        [payload] = producer.exchange([produce_frame(batch_of(b"alone"), 1)])
        assert answer_of(payload).base_offset == self.end
        self.end += 1

    def send(self, *frames: bytes) -> None:
        """The first producer sends the first frames, and so on; the broker finds all of them at once."""
        is_held, may_go_on = Event(), Event()

        def hold() -> None:
            is_held.set()
            assert may_go_on.wait(10)

        self._kafka._loop.call_soon_threadsafe(hold)
        assert is_held.wait(10)
        for producer, each in zip(self.producers, frames, strict=False):
            producer.begin(each)
        may_go_on.set()

    def read(self, count: int) -> list[bytes]:
        """One answer to each of the first producers."""
        return [producer.read() for producer in self.producers[:count]]

    def exchange(self, *frames: bytes) -> list[bytes]:
        self.send(*frames)
        return self.read(len(frames))

    def close(self) -> None:
        for producer in self.producers:
            producer.close()


def values_in(kafka: KafkaliteServer, partition: int = 0) -> list[bytes]:
    """All that a partition holds, in order."""
    wanted = FetchPartition(partition=partition, fetch_offset=0, partition_max_bytes=2**30)
    request = FetchRequest(min_bytes=1, topics=[FetchTopic(topic="plain", partitions=[wanted])])
    with WireClient(kafka.bootstrap_servers) as client:
        records = client.send(request, version=12).responses[0].partitions[0].records
    assert records is not None
    return [value_of(record) for at, _ in iter_batches(records) for record in decode_records(records, at)]


@pytest.fixture
def disk() -> DiskThatFills:
    return DiskThatFills()


@pytest.fixture
def kafka(tmp_path: Path, disk: DiskThatFills) -> Iterator[KafkaliteServer]:
    with KafkaliteServer(tmp_path / "data", filesystem=disk) as server:
        create_topics(server, ["plain"])
        yield server


@pytest.fixture
def crowd(kafka: KafkaliteServer) -> Iterator[Crowd]:
    opened = Crowd(kafka)
    yield opened
    opened.close()


@pytest.fixture(params=["fast_memory", "slow_memory"])
def memory(request: pytest.FixtureRequest) -> str:
    """What the loop writes, and what a worker thread does."""
    request.getfixturevalue(request.param)
    return str(request.param)


def test_what_many_producers_send_at_once_is_appended_with_one_write(
    crowd: Crowd, disk: DiskThatFills, kafka: KafkaliteServer, memory: str
) -> None:
    before = disk.appends
    frames = [produce_frame(batch_of(*[b"%d" % n] * (n + 1)), 100 + n) for n in range(PRODUCERS)]
    answers = crowd.exchange(*frames)
    assert disk.appends - before == 1
    assert [int.from_bytes(payload[:4], "big") for payload in answers] == list(range(100, 100 + PRODUCERS))
    found = values_in(kafka)
    for number, payload in enumerate(answers):
        at = answer_of(payload).base_offset
        assert found[at : at + number + 1] == [b"%d" % number] * (number + 1)
    assert len(found) == crowd.end + sum(range(PRODUCERS + 1))


def test_over_tls_too(tmp_path: Path, disk: DiskThatFills, certificates: Certificates) -> None:
    context = certificates.client_context()
    with KafkaliteServer(tmp_path / "data", config=certificates.broker_properties(), filesystem=disk) as kafka:
        create_topics(kafka, ["plain"], context)
        crowd = Crowd(kafka, context=context)
        before = disk.appends
        answers = crowd.exchange(*[produce_frame(batch_of(b"%d" % n), n) for n in range(PRODUCERS)])
        assert disk.appends - before == 1
        assert sorted(answer_of(payload).base_offset for payload in answers) == [
            crowd.end + n for n in range(PRODUCERS)
        ]
        crowd.close()


def test_several_requests_of_each_and_several_partitions_and_versions_are_told_apart(
    crowd: Crowd, kafka: KafkaliteServer, memory: str
) -> None:
    for producer in crowd.producers[5:]:
        producer.exchange([produce_frame(batch_of(b"first"), 1, partition=1, version=12)])
    sent: list[list[bytes]] = []
    for number in range(PRODUCERS):
        kind = {"partition": 1, "version": 12} if number >= 5 else {}
        sent.append([produce_frame(batch_of(b"%d %d" % (number, n)), n, **kind) for n in range(3)])  # type: ignore[arg-type]
    crowd.send(*[b"".join(frames) for frames in sent])
    for number, producer in enumerate(crowd.producers):
        answers = [producer.read() for _ in range(3)]
        assert [int.from_bytes(payload[:4], "big") for payload in answers] == [0, 1, 2]
        offsets = [answer_of(payload, 12 if number >= 5 else 9).base_offset for payload in answers]
        found = values_in(kafka, number // 5)
        assert [found[offset] for offset in offsets] == [b"%d %d" % (number, n) for n in range(3)]


def test_who_sends_a_damaged_batch_is_refused_and_nobody_else(
    crowd: Crowd, kafka: KafkaliteServer, memory: str
) -> None:
    frames = [produce_frame(batch_of(b"good %d" % n), n) for n in range(PRODUCERS)]
    frames[3] = frames[3].replace(b"good 3", b"evil 3")
    answers = [answer_of(payload) for payload in crowd.exchange(*frames)]
    expected = [ErrorCode.CORRUPT_MESSAGE if n == 3 else ErrorCode.NONE for n in range(PRODUCERS)]
    assert [answer.error_code for answer in answers] == expected
    assert sorted(values_in(kafka)[crowd.end :]) == [b"good %d" % n for n in range(PRODUCERS) if n != 3]


def test_idempotent_producers_are_told_apart_and_find_their_duplicates(crowd: Crowd, disk: DiskThatFills) -> None:
    def frame(number: int, sequence: int) -> bytes:
        batch = batch_of(b"%d" % number, producer_id=number, producer_epoch=0, base_sequence=sequence)
        return produce_frame(batch, sequence)

    first = [answer_of(payload) for payload in crowd.exchange(*[frame(n, 0) for n in range(PRODUCERS)])]
    assert sorted(answer.base_offset for answer in first) == [crowd.end + n for n in range(PRODUCERS)]
    before = disk.appends
    second = [answer_of(payload) for payload in crowd.exchange(*[frame(n, 1) for n in range(PRODUCERS)])]
    assert sorted(answer.base_offset for answer in second) == [crowd.end + PRODUCERS + n for n in range(PRODUCERS)]
    assert disk.appends - before == 1
    third = [answer_of(payload) for payload in crowd.exchange(*[frame(n, (1, 2, 9)[n % 3]) for n in range(PRODUCERS)])]
    for number, answer in enumerate(third):
        if number % 3 == 0:
            assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, second[number].base_offset)
        elif number % 3 == 1:
            assert answer.error_code == ErrorCode.NONE
            assert answer.base_offset >= crowd.end + 2 * PRODUCERS
        else:
            assert answer.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_on_a_full_disk_none_of_them_is_acknowledged(
    crowd: Crowd, kafka: KafkaliteServer, disk: DiskThatFills, memory: str
) -> None:
    disk.is_full = True
    answers = crowd.exchange(*[produce_frame(batch_of(b"more"), n) for n in range(PRODUCERS)])
    assert {answer_of(payload).error_code for payload in answers} == {ErrorCode.KAFKA_STORAGE_ERROR}
    disk.is_full = False  # a stop that cannot write its last records is an error


def test_to_a_topic_that_was_deleted_nobody_writes(crowd: Crowd, kafka: KafkaliteServer) -> None:
    with WireClient(kafka.bootstrap_servers) as client:
        deletion = DeleteTopicsRequest(topics=[DeleteTopicState(name="plain")], timeout_ms=10_000)
        assert not client.send(deletion).responses[0].error_code
    answers = crowd.exchange(*[produce_frame(batch_of(b"late"), n) for n in range(PRODUCERS)])
    assert {answer_of(payload).error_code for payload in answers} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}


def test_what_the_gone_have_sent_is_appended_and_the_others_are_answered(crowd: Crowd, kafka: KafkaliteServer) -> None:
    crowd.send(*[produce_frame(batch_of(b"%d" % n), n) for n in range(PRODUCERS)])
    for producer in crowd.producers[:3]:
        producer.close()
    for producer in crowd.producers[3:]:
        assert answer_of(producer.read()).error_code == ErrorCode.NONE
    assert sorted(values_in(kafka)[crowd.end :]) == [b"%d" % n for n in range(PRODUCERS)]


def test_what_follows_is_answered_behind_it(crowd: Crowd, monkeypatch: pytest.MonkeyPatch, slow_memory: None) -> None:
    is_writing, may_write, write = Event(), Event(), UnfinishedAppend.write

    def wait_and_write(append: UnfinishedAppend) -> None:
        is_writing.set()
        assert may_write.wait(10)
        write(append)

    monkeypatch.setattr(UnfinishedAppend, "write", wait_and_write)
    crowd.send(*[produce_frame(batch_of(b"%d" % n), n) for n in range(PRODUCERS)])
    assert is_writing.wait(10)
    for producer in crowd.producers:
        producer.begin(frame_of(ApiVersionsRequest(), 0, 50))
        producer.begin(frame_of(ApiVersionsRequest(), 0, 51))
    may_write.set()
    for number, producer in enumerate(crowd.producers):
        assert [int.from_bytes(producer.read()[:4], "big") for _ in range(3)] == [number, 50, 51]


def test_a_frame_that_is_not_whole_or_another_request_behind_is_not_gathered(crowd: Crowd) -> None:
    frame = produce_frame(batch_of(b"value"), 7)
    crowd.send(frame[:50], frame + frame_of(ApiVersionsRequest(), 0, 8), frame, frame)
    crowd.producers[0].begin(frame[50:])
    assert [int.from_bytes(payload[:4], "big") for payload in crowd.read(4)] == [7] * 4
    assert int.from_bytes(crowd.producers[1].read()[:4], "big") == 8


def test_more_than_may_be_gathered_is_appended_in_parts(
    crowd: Crowd, disk: DiskThatFills, monkeypatch: pytest.MonkeyPatch, fast_memory: None
) -> None:
    frames = [produce_frame(batch_of(b"%d" % n), n) for n in range(PRODUCERS)]
    monkeypatch.setattr(gathered_produce, "_MAX_SIZE", 4 * len(frames[0]))
    before = disk.appends
    answers = crowd.exchange(*frames)
    assert sorted(answer_of(payload).base_offset for payload in answers) == [crowd.end + n for n in range(PRODUCERS)]
    assert disk.appends - before == 3


def test_a_consumer_that_waits_gets_what_was_gathered(crowd: Crowd, kafka: KafkaliteServer) -> None:
    reader = Conversation(kafka)
    rest = FetchPartition(partition=0, fetch_offset=crowd.end, partition_max_bytes=100_000)
    fetch = FetchRequest(max_wait_ms=60_000, min_bytes=1, topics=[FetchTopic(topic="plain", partitions=[rest])])
    reader.begin(frame_of(fetch, 12, 1))
    server = kafka._server
    assert server is not None
    wait_until(lambda: server.broker.fetch_purgatory.size == 1)
    crowd.exchange(*[produce_frame(batch_of(b"%d" % n), n) for n in range(PRODUCERS)])
    found = reader.read()
    assert all(b"%d" % n in found for n in range(PRODUCERS))
    reader.close()


def test_where_hardly_more_than_one_is_there_at_a_time_nothing_is_gathered_for_long(
    kafka: KafkaliteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    end_round: Callable[[ProduceGatherer], None] = ProduceGatherer._end_round

    def counting(self: ProduceGatherer) -> None:
        rounds.append(self._reads_in_round)
        end_round(self)

    crowd = Crowd(kafka, 2)
    monkeypatch.setattr(ProduceGatherer, "_end_round", counting)
    for _ in range(300):
        for producer in crowd.producers:
            crowd.speak_alone(producer)
    assert set(rounds) == {1}
    assert 3 < len(rounds) < 10
    alone, only_one = len(rounds), crowd.producers[0]
    for _ in range(300):
        crowd.speak_alone(only_one)
    assert len(rounds) <= alone + 1
    crowd.close()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_they_send_each_gets_the_answer_that_he_would_get_alone(
    crowd: Crowd, kafka: KafkaliteServer, memory: str, seed: int
) -> None:
    random = Random(seed)
    sequences = [0] * PRODUCERS
    written: dict[tuple[int, int], bytes] = {}
    for turn in range(60):
        frames: list[bytes] = []
        expected: list[list[tuple[int, int, bytes, ErrorCode]]] = []
        for producer in range(PRODUCERS):
            is_idempotent = producer % 2 == 0
            partition = producer % 3 // 2
            requests = []
            expected.append([])
            for number in range(random.choice((0, 1, 1, 1, 3))):
                value = b"%d %d %d" % (turn, producer, number)
                error = ErrorCode.NONE
                sequence = sequences[producer]
                if is_idempotent and random.random() < 0.1:
                    sequence, error = sequence + 5, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
                    if not sequences[producer]:
                        error, sequence = ErrorCode.NONE, 0
                options = {"producer_id": producer, "producer_epoch": 0, "base_sequence": sequence}
                batch = batch_of(value, **(options if is_idempotent else {}))
                if random.random() < 0.05:
                    batch, error = batch[:-2] + b"?" + batch[-1:], ErrorCode.CORRUPT_MESSAGE
                if is_idempotent and error is ErrorCode.NONE:
                    sequences[producer] = sequence + 1
                requests.append(produce_frame(batch, number, partition=partition))
                expected[-1].append((number, partition, value, error))
            frames.append(b"".join(requests))
        crowd.send(*frames)
        for producer, requests_of_one in enumerate(expected):
            for number, partition, value, error in requests_of_one:
                payload = crowd.producers[producer].read()
                answer = answer_of(payload)
                assert (int.from_bytes(payload[:4], "big"), answer.error_code) == (number, error)
                if error is ErrorCode.NONE:
                    assert (partition, answer.base_offset) not in written
                    written[partition, answer.base_offset] = value
    for partition, begin in ((0, crowd.end), (1, 0)):
        found = values_in(kafka, partition)
        assert dict(enumerate(found[begin:], begin)) == {
            at: value for (p, at), value in written.items() if p == partition
        }
