"""Whatever happens to any files of a whole directory, the broker starts, or refuses with one clear line.

Two log directories with topics of every cleanup policy, transactions, offsets, a move that is under way and what a
compaction and a deletion left behind, after a clean stop and after a kill. What is served after the damage is a valid
prefix of what was there (a whole one where no log was hit), and the broker works: it writes, stops and starts again.
"""

from __future__ import annotations

import logging
import os
import random

import pytest

from damage import damage
from kafkalite.broker.metadata_log import MetadataLogError
from kafkalite.errors import KafkaError
from kafkalite.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.records.record_batch import check_crc, decode_records, iter_batches
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.meta_properties import MetaPropertiesError
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin
from log_disk import make_batch, make_end_marker
from offline_broker import OfflineBroker

PROPERTIES = {
    "log.dirs": "one,two",
    "log.segment.bytes": "1048576",
    "metadata.log.max.record.bytes.between.snapshots": "2000",
    "offsets.topic.num.partitions": "2",
    "transaction.partition.verification.enable": "false",
}
TOPICS = ("plain", "committed", "moved")
CASES = int(os.environ.get("KAFKALITE_FUZZ_CASES", "3000"))
SEED = int(os.environ.get("KAFKALITE_FUZZ_SEED", "1"))
Files = dict[str, bytes]
Records = dict[int, tuple[bytes | None, bytes | None]]


def contents(log: PartitionLog) -> Records:
    """By offset; up to where something cannot be read."""
    found: Records = {}
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        try:
            data = log.read(offset, 1 << 20).records.read()
            for position, header in iter_batches(data):
                check_crc(data, position, header)  # as clients do
                found |= {record.offset: (record.key, record.value) for record in decode_records(data, position)}
                offset = header.next_offset
        except KafkaError:
            break
        if not data:
            break
    return found


def fill() -> tuple[OfflineBroker, dict[str, Records]]:
    """A broker, and all that was ever in its logs."""
    broker = OfflineBroker(PROPERTIES)
    for topic in TOPICS:
        broker.create_topic(topic, 2)
    now_ms = broker.clock.now_ms()
    logs = {str(log.topic_partition): log for log in broker.broker.logs.logs()}
    for number in range(60):
        for name in ("plain-0", "plain-1", "moved-0"):
            value = b"%d" % number + bytes(400)
            logs[name].append(make_batch(value, key=b"k", producer_id=9, epoch=0, sequence=number), now_ms=now_ms)
        if number in (20, 40):
            logs["plain-0"].roll(now_ms)
    for number in range(8):
        batch = make_batch(b"t%d" % number, producer_id=5, epoch=0, sequence=number, is_transactional=True)
        logs["committed-0"].append(batch, now_ms=now_ms)
        marker = make_end_marker(5, 0, is_commit=number % 2 == 0)
        logs["committed-0"].append(marker, now_ms=now_ms, origin=AppendOrigin.COORDINATOR)
    wanted = OffsetCommitRequestPartition(partition_index=0, committed_offset=7, committed_metadata="here")
    broker.ask(
        OffsetCommitRequest(
            group_id="g",
            generation_id_or_member_epoch=-1,
            topics=[OffsetCommitRequestTopic(name="plain", partitions=[wanted])],
        ),
        8,
    )
    written = {name: contents(log) for name, log in logs.items()}
    logs["plain-1"].delete_records(10)
    source = logs["moved-0"]
    [destination] = [each for each in broker.broker.logs.directories if each.path != source.log_directory]
    to = AlterReplicaLogDir(path=destination.path, topics=[AlterReplicaLogDirTopic(name="moved", partitions=[0])])
    assert broker.ask(AlterReplicaLogDirsRequest(dirs=[to])).results[0].partitions[0].error_code == 0
    return broker, written


def files_of(filesystem: MemoryFileSystem, directory: str) -> Files:
    found: Files = {}
    for name in filesystem.list_directory(directory):
        path = f"{directory}/{name}"
        if filesystem.is_directory(path):
            found |= files_of(filesystem, path)
        elif name != ".lock":
            found[path] = filesystem.read_bytes(path)
    return found


@pytest.fixture(scope="module", params=["stopped", "killed"])
def left(request: pytest.FixtureRequest) -> tuple[Files, dict[str, Records]]:
    """The files that a broker has left, and what was in its logs."""
    broker, written = fill()
    filesystem = broker.filesystem
    assert isinstance(filesystem, MemoryFileSystem)
    if request.param == "stopped":
        broker.close()
    files = {path: data for directory in ("/one", "/two") for path, data in files_of(filesystem, directory).items()}
    if request.param == "killed":
        broker.close()
    # What a compaction and a deletion leave where they are interrupted.
    directory = next(path for path in files if "/plain-0/" in path).rpartition("/")[0]
    files[f"{directory}/00000000000000000021.log.swap"] = files[f"{directory}/00000000000000000021.log"]
    files[f"{directory}/00000000000000000005.log.deleted"] = b"gone"
    return files, written


def start(files: Files) -> OfflineBroker | None:
    """None where it refuses, with one line."""
    filesystem = MemoryFileSystem()
    for directory in ("/one", "/two"):
        filesystem.make_directories(directory)
    for path, data in files.items():
        filesystem.make_directories(path.rpartition("/")[0])
        filesystem.write_bytes(path, data)
    try:
        return OfflineBroker(PROPERTIES, filesystem=filesystem)
    except (LogDirectoryError, MetaPropertiesError, MetadataLogError, OSError) as error:
        assert str(error) and "\n" not in str(error)
        return None


def check(files: Files, logs: dict[str, Records], hit: set[str]) -> bool:
    """Starts a broker on the files; whether it did not refuse."""
    broker = start(files)
    if broker is None:
        return False
    served = {str(log.topic_partition): log for log in broker.broker.logs.logs()}
    is_metadata_hit = any("__cluster_metadata" in path or path.endswith("meta.properties") for path in hit)
    if not is_metadata_hit:
        assert served.keys() >= {f"{topic}-{index}" for topic in TOPICS for index in (0, 1)} - {
            str(name) for name in broker.broker.logs.offline_partitions
        }
    for name, log in served.items():
        found = contents(log)
        expected = logs.get(name, {})
        # A topic id that is another one, and so valid, has the log put aside as a stray one.
        are_its_logs_hit = any(f"/{name}" in path and (".log" in path or "partition.m" in path) for path in hit)
        if not name.startswith("__"):
            # No checksum covers a base offset: one that is damaged is found where the log is recovered.
            assert set(found.values()) <= set(expected.values()), name
            assert found.items() <= expected.items() or are_its_logs_hit, name
        if not are_its_logs_hit and not is_metadata_hit and not name.startswith("__"):
            first = log.log_start_offset
            assert first == 0 or name == "plain-1"
            assert found == {offset: each for offset, each in expected.items() if offset >= first}, name
        end = log.log_end_offset
        assert log.append(make_batch(b"new", key=b"k"), now_ms=broker.clock.now_ms()).first_offset == end
    broker.clock.advance(1_000)  # the move goes on
    broker.restart()
    broker.close()
    return True


def run(files: Files, logs: dict[str, Records], chance: random.Random) -> bool:
    hit = set(chance.sample(sorted(files), chance.choice((1, 1, 1, 2, 3))))
    damaged = dict(files)
    for path in hit:
        if chance.randrange(6):
            damaged[path] = damage(chance, files[path])
        else:
            del damaged[path]
    try:
        return check(damaged, logs, hit)
    except BaseException as error:
        error.add_note(f"damaged: {sorted(hit)}")
        raise


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "kafkalite")


def test_what_is_not_damaged_is_served(left: tuple[Files, dict[str, Records]]) -> None:
    files, logs = left
    assert check(files, logs, set())
    assert any(path.endswith("-future/00000000000000000000.log") for path in files)


@pytest.mark.parametrize("seed", range(20))
def test_a_start_works_or_says_why_not(left: tuple[Files, dict[str, Records]], seed: int) -> None:
    files, logs = left
    chance = random.Random(f"short {seed}")
    assert sum(run(files, logs, chance) for _ in range(4))


@pytest.mark.stress
def test_a_start_works_or_says_why_not_in_thousands_of_cases(left: tuple[Files, dict[str, Records]]) -> None:
    files, logs = left
    started = 0
    for case in range(CASES):
        try:
            started += run(files, logs, random.Random(f"{SEED} {case}"))
        except BaseException as error:
            error.add_note(f"seed {SEED}, case {case}")
            raise
    assert started > CASES * 0.8
