"""Apache Kafka's files read by kafkalite's storage and the other way round."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from apache_kafka import ApacheKafka, RunJavaTool, StartApacheKafka
from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.compression import CompressionType
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin
from log_disk import BatchMaker, EndMarkerMaker, log_of

pytestmark = pytest.mark.oracle

NOW_MS = 1_700_000_000_000
SMALL_SEGMENTS = {"internal.segment.bytes": "4000", "index.interval.bytes": "300"}


def records_of(log: PartitionLog, *, with_control: bool = False) -> list[tuple[int, bytes | None, bytes | None]]:
    found = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, 1 << 20).records.read()
        for position, header in iter_batches(data):
            if with_control or not header.is_control:
                found += [(record.offset, record.key, record.value) for record in decode_records(data, position)]
            offset = header.next_offset
    return found


def open_manager(directory: Path, config: TopicConfig | None = None) -> LogManager:
    manager = LogManager(LocalFileSystem(), [str(directory)])
    manager.directories.open()
    manager.read_logs(lambda topic: config or TopicConfig(), now_ms=NOW_MS)
    manager.put_into_service()
    return manager


def write_varied_log(directory: Path, batch: BatchMaker, end_marker: EndMarkerMaker) -> None:
    """A log with all that storage writes: several segments, epochs, codecs, producers, transactions of both ends."""
    manager = LogManager(LocalFileSystem(), [str(directory)], is_transaction_verification_enabled=False)
    manager.directories.open()
    manager.read_logs(lambda topic: TopicConfig(SMALL_SEGMENTS), now_ms=NOW_MS)
    manager.put_into_service()
    log = manager.create(TopicPartition("topic", 0), Uuid(bytes(range(16))), TopicConfig(SMALL_SEGMENTS), NOW_MS)
    codecs = list(CompressionType)
    for number in range(120):
        log.leader_epoch = number // 50
        log.append(
            batch(
                b"plain %d" % number,
                bytes(50),
                timestamps=[NOW_MS + (number * 7919) % 1000, NOW_MS + number],
                compression=codecs[number % len(codecs)],
                producer_id=1,
                epoch=0,
                sequence=2 * number,
            ),
            now_ms=NOW_MS,
        )
        if number % 10 == 0:
            producer_id = 100 + number
            log.append(
                batch(b"in transaction", producer_id=producer_id, epoch=0, sequence=0, is_transactional=True),
                now_ms=NOW_MS,
            )
            log.append(
                end_marker(producer_id, 0, is_commit=number % 20 == 0),
                now_ms=NOW_MS,
                origin=AppendOrigin.COORDINATOR,
                transaction_version=1,
            )
    log.append(batch(b"open", producer_id=99, epoch=3, sequence=0, is_transactional=True), now_ms=NOW_MS)
    stamped = manager.create(
        TopicPartition("stamped", 0),
        Uuid(bytes(range(1, 17))),
        TopicConfig({"message.timestamp.type": "LogAppendTime", "compression.type": "lz4", **SMALL_SEGMENTS}),
        NOW_MS,
    )
    for number in range(100):
        stamped.append(batch(b"%d" % number * 20, b"second"), now_ms=NOW_MS + number)
    assert len(log.segments) > 2 and len(stamped.segments) > 2
    manager.close(now_ms=NOW_MS)


def test_apache_kafka_dumps_our_files_without_complaint(
    tmp_path: Path, batch: BatchMaker, end_marker: EndMarkerMaker, run_java_tool: RunJavaTool
) -> None:
    write_varied_log(tmp_path, batch, end_marker)
    files = sorted(
        str(path)
        for path in tmp_path.glob("*/0*")
        if path.suffix in (".log", ".index", ".timeindex", ".txnindex", ".snapshot")
    )
    assert {Path(path).suffix for path in files} == {".log", ".index", ".timeindex", ".txnindex", ".snapshot"}
    dumped = run_java_tool("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(files))
    assert dumped.returncode == 0
    # The tool expects every file to begin at offset 0, Apache Kafka's own too.
    complaints = [line for line in dumped.stderr.splitlines() if not line.startswith("Non-consecutive offsets in")]
    assert [line for line in complaints if not line.startswith("  -1 is followed by ")] == []
    for complaint in ("Mismatch", "Found", "could not be found", "out of order", "isvalid: false"):
        assert complaint not in dumped.stdout, complaint
    assert dumped.stdout.count("isvalid: true") == dumped.stdout.count("baseOffset:") > 200
    assert dumped.stdout.count("endTxnMarker: ABORT") == 6
    assert "producerId: 99 producerEpoch: 3" in dumped.stdout
    checked = run_java_tool(
        "org.apache.kafka.tools.DumpLogSegments", "--index-sanity-check", "--files", ",".join(files)
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.count("passed sanity check") > 10


def consume(kafka: ApacheKafka, expected: dict[str, int]) -> dict[str, list[bytes]]:
    """What a new read_committed consumer gets, as soon as there are so many values of each topic."""
    from confluent_kafka import Consumer

    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": "".join(expected) + str(sum(expected.values())),
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe(list(expected))
    seen: dict[str, list[bytes]] = {topic: [] for topic in expected}
    deadline = time.monotonic() + 60
    while sum(map(len, seen.values())) < sum(expected.values()) and time.monotonic() < deadline:
        for message in consumer.consume(1000, 0.5):
            assert message.error() is None
            seen[message.topic()].append(message.value())
    consumer.close()
    return seen


@pytest.mark.parametrize("is_clean", [True, False], ids=["both stopped", "both killed"])
def test_a_directory_goes_from_apache_kafka_to_us_and_back(
    start_apache_kafka: StartApacheKafka, batch: BatchMaker, is_clean: bool
) -> None:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    kafka = start_apache_kafka(properties={"log.index.size.max.bytes": "120", "log.index.interval.bytes": "100"})
    servers = {"bootstrap.servers": kafka.bootstrap_servers}
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    admin = AdminClient(servers)
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in [*codecs, "txn"]]).values():
        future.result(30)
    for codec in codecs:
        producer = Producer(
            {**servers, "compression.type": codec, "enable.idempotence": True, "linger.ms": 0, "batch.num.messages": 3}
        )
        for number in range(60):
            producer.produce(codec, key=b"%d" % number, value=b"value %d " % number * 5)
        assert producer.flush(30) == 0
    transactional = Producer({**servers, "transactional.id": "t"})
    transactional.init_transactions(30)
    for commits in (True, False, True):
        transactional.begin_transaction()
        transactional.produce("txn", b"committed" if commits else b"aborted")
        transactional.flush(30)
        (transactional.commit_transaction if commits else transactional.abort_transaction)(30)
    # A commit is answered before its marker is in the log; killed in between, Apache Kafka may never write it.
    assert consume(kafka, {"txn": 2}) == {"txn": [b"committed", b"committed"]}
    if is_clean:
        kafka.stop()
    else:
        kafka.kill()

    manager = open_manager(kafka.data_directory)
    appended = {}
    for codec in codecs:
        log = log_of(manager, TopicPartition(codec, 0))
        assert log.topic_id is not None
        assert [(key, value) for _, key, value in records_of(log)] == [
            (b"%d" % number, b"value %d " % number * 5) for number in range(60)
        ]
        assert log.last_stable_offset == log.log_end_offset == 60
        (state,) = log.active_producers()
        assert state.last_sequence == 59
        first = log.offset_for_timestamp(0)
        assert first is not None and first.offset == 0
        # The producer goes on where it was, and repeats its last batch.
        following = batch(b"from kafkalite", producer_id=state.producer_id, epoch=state.producer_epoch, sequence=60)
        appended[codec] = log.append(following, now_ms=NOW_MS).first_offset
        assert log.append(following, now_ms=NOW_MS).is_duplicate
    log = log_of(manager, TopicPartition("txn", 0))
    assert [value for _, _, value in records_of(log)] == [b"committed", b"aborted", b"committed"]
    fetched = log.read(0, 1 << 20, isolation_level=1)
    assert [entry.first_offset for entry in fetched.aborted_transactions or ()] == [2]
    assert log.last_stable_offset == log.log_end_offset == 6
    if is_clean:
        assert len(log_of(manager, TopicPartition("none", 0)).segments) > 1
    if is_clean:
        manager.close(now_ms=NOW_MS)
    else:
        manager.release_locks()

    kafka.start()
    seen = consume(kafka, {**dict.fromkeys(codecs, 61), "txn": 2})
    for codec in codecs:
        assert len(seen[codec]) == 61 and seen[codec][appended[codec]] == b"from kafkalite"
    assert seen["txn"] == [b"committed", b"committed"]
    kafka.stop()
    complaints = [line for line in kafka.output.splitlines() if " ERROR " in line or "orrupt" in line]
    assert complaints == []
