"""Produce beside Apache Kafka: every version, sound and unsound batches, idempotent producers, acks."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, compute_crc
from transcript import Compare, Side


def batch(*values: str, timestamp: int = 1_000, key: bytes | None = b"k", **facts: Any) -> bytes:
    records = [Record(i, timestamp + i, key, value.encode(), []) for i, value in enumerate(values)]
    return build_batch(records, **facts)


def request(topic: str, *batches: bytes, acks: int = -1, topic_id: Uuid = Uuid.ZERO) -> ProduceRequest:
    partitions = [PartitionProduceData(index=i, records=records) for i, records in enumerate(batches)]
    return ProduceRequest(
        acks=acks,
        timeout_ms=30_000,
        topic_data=[TopicProduceData(name=topic, topic_id=topic_id, partition_data=partitions)],
    )


def with_crc(raw: bytearray) -> bytes:
    """The batch with a checksum that fits what has been changed in it."""
    struct.pack_into(">I", raw, 17, compute_crc(raw, 0, len(raw)))
    return bytes(raw)


def changed(position: int, value: bytes, **facts: Any) -> bytes:
    raw = bytearray(batch("a", "b", **facts))
    raw[position : position + len(value)] = value
    return with_crc(raw)


UNSOUND = {
    "nothing": b"",
    "short": b"x" * 30,
    "noise": b"\x00" * 200,
    "two batches": batch("a") + batch("b"),
    "a batch and a half": batch("a") + batch("b")[:-3],
    "cut": batch("a")[:-1],
    "wrong CRC": batch("a")[:-1] + b"?",
    "base offset 5": struct.pack(">q", 5) + batch("a")[8:],
    "magic 1": changed(16, b"\x01"),
    "magic 3": changed(16, b"\x03"),
    "codec 5": changed(21, b"\x00\x05"),
    "control": changed(21, b"\x00\x20"),
    "count too small": changed(57, struct.pack(">i", 1)),
    "count too large": changed(57, struct.pack(">i", 3)),
    "count negative": changed(57, struct.pack(">i", -1)),
    "no records": changed(57, struct.pack(">i", 0)),
    "offset delta negative": changed(23, struct.pack(">i", -2)),
    "offset delta too large": changed(23, struct.pack(">i", 100)),
    "producer without sequence": changed(43, struct.pack(">qhi", 5, 0, -1)),
    "far future": batch("a", timestamp=9_000_000_000_000),
    "no timestamp": batch("a", timestamp=-1),
    "max timestamp unset": changed(35, struct.pack(">q", -1)),
    "zstd": batch("a", compression=CompressionType.ZSTD),
}


def other_count(codec: CompressionType, count: int) -> bytes:
    """A batch of three records that says of itself that it has another number of them."""
    raw = bytearray(batch("a" * 50, "b" * 50, "a" * 50, compression=codec))
    struct.pack_into(">i", raw, 23, count - 1)
    struct.pack_into(">i", raw, 57, count)
    return with_crc(raw)


def other_body(codec: CompressionType, body: bytes) -> bytes:
    """A batch that claims three compressed records and has something else for a body."""
    header = bytearray(batch("a" * 50, "b" * 50, "a" * 50, compression=codec)[:61])
    struct.pack_into(">i", header, 8, 49 + len(body))
    return with_crc(header + body)


COMPRESSED = [codec for codec in CompressionType if codec is not CompressionType.NONE]


@pytest.mark.parametrize("version", range(3, 14))
def test_every_version_answers_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(partitions=2)
        topic_id = side.topic_id(topic)
        for acks in (1, -1):
            side.ask(request(topic, batch("a", "b"), batch("c"), acks=acks, topic_id=topic_id), version)
        side.ask(request(topic, batch("d"), acks=2, topic_id=topic_id), version, label="acks=2")
        side.ask(request("no-such", batch("d"), topic_id=Uuid(b"n" * 16)), version, label="unknown topic")
        side.ask(
            request(topic, batch("x"), batch("y"), batch("d"), topic_id=topic_id), version, label="unknown partition"
        )
        side.ask(ProduceRequest(acks=-1), version, label="nothing at all")

    compare(scenario)


@pytest.mark.parametrize("version", [3, 6, 7, 12])
@pytest.mark.parametrize("kind", UNSOUND)
def test_unsound_batches_are_refused_alike(compare: Compare, kind: str, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        side.ask(request(topic, UNSOUND[kind]), version)
        side.ask(request(topic, batch("after")), version, label="a sound batch afterwards")

    compare(scenario)


@pytest.mark.parametrize("codec", list(CompressionType))
def test_codecs_are_taken_alike(compare: Compare, codec: CompressionType) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        side.ask(request(topic, batch("a" * 1000, "b" * 1000, compression=codec)), 12)

    compare(scenario)


@pytest.mark.parametrize(
    "configs",
    [
        {"message_timestamp_type": "LogAppendTime"},
        {"max_message_bytes": "100"},
        {"cleanup_policy": "compact"},
        {"message_timestamp_before_max_ms": "1000"},
        {"message_timestamp_after_max_ms": "1000"},
        {"compression_type": "gzip"},
        {"compression_type": "uncompressed"},
        {"min_insync_replicas": "2"},
    ],
    ids=str,
)
def test_topic_configurations_matter_alike(compare: Compare, configs: dict[str, Any]) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(**configs)
        side.ask(request(topic, batch("a", "b")), 12, label="small")
        side.ask(request(topic, batch("a" * 500)), 12, label="large")
        side.ask(request(topic, batch("a", key=None)), 12, label="without a key")
        side.ask(request(topic, batch("a", "b", key=None)), 8, label="without keys")
        side.ask(request(topic, batch("a", compression=CompressionType.GZIP, key=None)), 12, label="gzip, no key")
        side.ask(request(topic, batch("a", timestamp=8_000_000_000_000)), 12, label="future")

    compare(scenario)


def test_idempotent_producers_are_kept_in_sequence_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        producer = side.producer_id()

        def produce(label: str, sequence: int, *values: str, epoch: int = 0) -> None:
            facts: dict[str, Any] = {"producer_id": producer, "producer_epoch": epoch, "base_sequence": sequence}
            side.ask(request(topic, batch(*values, **facts)), 12, label=label)

        produce("first", 0, "a", "b")
        produce("second", 2, "c")
        produce("second again", 2, "c")
        produce("first again", 0, "a", "b")
        produce("a gap", 5, "x")
        for sequence in range(3, 9):
            produce(f"number {sequence}", sequence, "v")
        produce("first again, forgotten by now", 0, "a", "b")
        produce("another size of a known one", 8, "v", "w")
        produce("a new epoch that begins in the middle", 7, "x", epoch=1)
        produce("a new epoch", 0, "x", epoch=1)
        produce("the old epoch", 9, "y")
        produce("an unknown sequence in the new epoch", 3, "z", epoch=1)

    compare(scenario)


def test_the_sequence_wraps_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        producer = side.producer_id()
        for label, sequence, values in (
            ("an unknown producer that begins late", 0x7FFFFFFE, "ab"),
            ("wrapped", 0, "c"),
            ("the first again", 0x7FFFFFFE, "ab"),
            ("across", 1, "d"),
        ):
            facts: dict[str, Any] = {"producer_id": producer, "producer_epoch": 0, "base_sequence": sequence}
            side.ask(request(topic, batch(*values, **facts)), 12, label=label)

    compare(scenario)


def test_internal_topics_are_closed_to_clients_alike(compare: Compare) -> None:
    from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest

    def scenario(side: Side) -> None:
        side.send(FindCoordinatorRequest(key_type=0, coordinator_keys=["g"]), 4)
        side.wait_for_leaders("__consumer_offsets", 50)
        side.ask(request("__consumer_offsets", batch("a")), 12)

    compare(scenario)


def test_no_answer_and_no_shift_under_acks_0(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        client = side.client
        version = 9
        for value in ("a", "b"):
            client.send_request(request(topic, batch(value), acks=0), version)
        side.ask(request(topic, batch("c")), version, label="the next answer")
        client.send_request(request("no-such-topic", batch("x"), acks=0), version)
        side.ask(request(topic, batch("d")), version, label="after an error under acks=0")

    compare(scenario)


@pytest.mark.parametrize("codec", COMPRESSED)
def test_compressed_batches_that_are_none_are_refused_alike(compare: Compare, codec: CompressionType) -> None:
    whole = batch("a" * 50, "b" * 50, "a" * 50, compression=codec)

    def scenario(side: Side) -> None:
        topic = side.topic()
        for label, records in {
            "as it should be": whole,
            "fewer records than said": other_count(codec, 5),
            "more records than said": other_count(codec, 2),
            "noise": other_body(codec, b"\x07" * 80),
            "cut": other_body(codec, whole[61:-7]),
            "something behind": other_body(codec, whole[61:] + b"xyz"),
        }.items():
            answer = side.send(request(topic, records), 12).responses[0].partition_responses[0]
            side.note(label, [answer.error_code, answer.base_offset, answer.error_message is None])

    compare(scenario)


def test_a_partition_that_is_named_twice_is_answered_alike(compare: Compare) -> None:
    sound, other, unsound = batch("a", "b"), batch("c"), batch("a")[:-1] + b"?"

    def scenario(side: Side) -> None:
        for version in (3, 9, 12, 13):
            topic = side.topic(partitions=2)
            topic_id = side.topic_id(topic)
            for label, records in {
                "both sound": (sound, other),
                "two batches, then a sound one": (sound + other, sound),
                "a sound one, then two batches": (sound, sound + other),
                "none, then a sound one": (None, other),
                "a sound one, then nothing": (other, b""),
                "a wrong checksum, then a sound one": (unsound, sound),
                "a sound one, then a wrong checksum": (sound, unsound),
                "three": (sound, b"", other),
            }.items():
                for index in (0, 7):
                    partitions = [PartitionProduceData(index=index, records=batches) for batches in records]
                    data = TopicProduceData(name=topic, topic_id=topic_id, partition_data=partitions)
                    side.ask(ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[data]), version, label=label)
                apart = [
                    TopicProduceData(
                        name=topic,
                        topic_id=topic_id,
                        partition_data=[PartitionProduceData(index=1, records=batches)],
                    )
                    for batches in records
                ]
                side.ask(ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=apart), version, label=f"{label}, apart")

    compare(scenario)
