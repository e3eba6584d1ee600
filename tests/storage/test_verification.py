"""What a check of a log directory says: nothing of a sound one, and of each kind of damage what and where it is."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.record_batch import BatchHeader, iter_batches
from kafkalite.storage.checkpoint_files import EpochEntry, write_epoch_checkpoint, write_offset_checkpoint
from kafkalite.storage.filesystem import File
from kafkalite.storage.leader_epoch_cache import LeaderEpochFileCache
from kafkalite.storage.meta_properties import MetaProperties, write_meta_properties
from kafkalite.storage.producer_snapshot import decode_snapshot, encode_snapshot
from kafkalite.storage.producer_state import AppendOrigin
from kafkalite.storage.verification.finding import Finding, Report, Severity
from kafkalite.storage.verification.log_directory_verification import VerifiedLogDirectory
from kafkalite.storage.verification.repair import repair_log
from log_disk import BatchMaker, Disk, EndMarkerMaker, log_of

NOW_MS = 1_700_000_000_000
SMALL_SEGMENTS = {"internal_segment_bytes": 2000, "index_interval_bytes": 200}
CONFIG = TopicConfig({name.replace("_", "."): str(value) for name, value in SMALL_SEGMENTS.items()})
FIRST = "00000000000000000000"
TOPIC = TopicPartition("topic", 0)


def verify(disk: Disk, *, is_deep: bool = True) -> tuple[VerifiedLogDirectory, list[Finding]]:
    """The checked directory, and what was found but for notes."""
    findings: list[Finding] = []
    if not disk.filesystem.exists(f"{disk.path}/meta.properties"):
        write_meta_properties(disk.filesystem, disk.path, MetaProperties("cluster", 1, Uuid(bytes(range(16)))))
    directory = VerifiedLogDirectory(disk.filesystem, disk.path, Report(findings.append))
    directory.verify_logs(is_deep=is_deep)
    return directory, [finding for finding in findings if finding.severity is not Severity.NOTE]


def findings_of(disk: Disk) -> list[Finding]:
    return verify(disk)[1]


def only_finding(disk: Disk) -> Finding:
    (finding,) = findings_of(disk)
    return finding


def fill(disk: Disk, batch: BatchMaker, end_marker: EndMarkerMaker) -> list[str]:
    """A log with several segments, producers, epochs and transactions; returns its files' names."""
    log = disk.open_log(**SMALL_SEGMENTS)
    log.context.is_transaction_verification_enabled = False
    log.producer_state.is_verification_enabled = False
    for number in range(60):
        if number % 20 == 0:
            log.begin_leader_epoch(number // 20)
        log.append(
            batch(b"%d" % number, bytes(40), producer_id=1, epoch=0, sequence=2 * number, timestamp=NOW_MS + number),
            now_ms=NOW_MS,
        )
        if number % 10 == 5:
            log.append(batch(b"in it", producer_id=number, epoch=0, sequence=0, is_transactional=True), now_ms=NOW_MS)
            log.append(
                end_marker(number, 0, is_commit=number % 20 == 5), now_ms=NOW_MS, origin=AppendOrigin.COORDINATOR
            )
    log.append(batch(b"open", producer_id=99, epoch=3, sequence=0, is_transactional=True), now_ms=NOW_MS)
    assert len(log.segments) > 2
    return disk.files()


@pytest.fixture
def closed(disk: Disk, batch: BatchMaker, end_marker: EndMarkerMaker) -> Disk:
    fill(disk, batch, end_marker)
    disk.close()
    return disk


@pytest.fixture
def killed(disk: Disk, batch: BatchMaker, end_marker: EndMarkerMaker) -> Disk:
    fill(disk, batch, end_marker)
    disk.kill()
    return disk


@pytest.fixture(params=["closed", "killed"])
def left(request: pytest.FixtureRequest, disk: Disk, batch: BatchMaker, end_marker: EndMarkerMaker) -> Disk:
    """As `closed`, then as `killed` after a flush, with which leader epochs are written."""
    fill(disk, batch, end_marker)
    log_of(disk.manager, TOPIC).flush(NOW_MS)
    (disk.close if request.param == "closed" else disk.kill)()
    return disk


def log_files(disk: Disk) -> list[str]:
    return [name for name in disk.files() if name.endswith(".log")]


def flip(disk: Disk, name: str, position: int) -> None:
    data = bytearray(disk.read(name))
    data[position] ^= 0x10
    disk.write(name, bytes(data))


def batches_in(disk: Disk, name: str) -> list[tuple[int, BatchHeader]]:
    return list(iter_batches(disk.read(name)))


# --- sound directories ---


def test_a_log_that_was_closed_is_sound(closed: Disk) -> None:
    directory, findings = verify(closed)
    assert findings == []
    assert directory.had_clean_shutdown
    log = directory.logs[TOPIC]
    assert (log.log_start_offset, log.latest_epoch) == (0, 2)
    last = batches_in(closed, log_files(closed)[-1])[-1][1]
    assert log.log_end_offset == last.next_offset


def test_a_log_whose_broker_was_killed_is_sound(killed: Disk) -> None:
    directory, findings = verify(killed)
    assert [finding for finding in findings if finding.severity is Severity.DAMAGED] == []
    assert not directory.had_clean_shutdown


def test_a_log_that_was_recovered_and_closed_is_sound(killed: Disk) -> None:
    killed.open_log(**SMALL_SEGMENTS)
    killed.close()
    assert findings_of(killed) == []


def test_a_log_whose_beginning_was_deleted_is_sound(disk: Disk, batch: BatchMaker, end_marker: EndMarkerMaker) -> None:
    fill(disk, batch, end_marker)
    log_of(disk.manager, TOPIC).delete_records(50)
    disk.close()
    assert findings_of(disk) == []
    log = disk.open_log(**SMALL_SEGMENTS)
    assert log.log_start_offset == 50
    disk.close()
    assert findings_of(disk) == []


def test_the_whole_log_is_read_as_progress(closed: Disk) -> None:
    sizes: list[int] = []
    directory = VerifiedLogDirectory(closed.filesystem, closed.path, Report(on_progress=sizes.append))
    directory.verify_logs()
    assert sum(sizes) == directory.size() == sum(len(closed.read(name)) for name in log_files(closed))


def test_producers_that_have_expired_may_be_missing_from_a_snapshot(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    log.append(batch(b"old", producer_id=7, epoch=0, sequence=0, timestamp=NOW_MS - 3 * 86_400_000), now_ms=NOW_MS)
    disk.manager.remove_expired_producers(NOW_MS)
    disk.close()
    assert decode_snapshot(disk.read("00000000000000000001.snapshot")) == []
    assert findings_of(disk) == []


# --- the log ---


def test_a_flipped_bit_is_found_at_its_batch_and_the_batches_behind_it_are_read(closed: Disk) -> None:
    name = log_files(closed)[1]
    position, header = batches_in(closed, name)[3]
    flip(closed, name, position + 70)
    directory, findings = verify(closed)
    finding = findings[0]
    assert (finding.severity, finding.path) == (Severity.DAMAGED, f"{closed.directory}/{name}")
    assert (finding.position, finding.offset) == (position, header.base_offset)
    assert f"{header.size_in_bytes} bytes are damaged" in finding.message
    assert directory.logs[TOPIC].has_lost_batches
    assert directory.logs[TOPIC].log_end_offset == batches_in(closed, log_files(closed)[-1])[-1][1].next_offset


def test_batches_are_found_again_behind_a_damaged_length(closed: Disk) -> None:
    name = log_files(closed)[1]
    batches = batches_in(closed, name)
    flip(closed, name, batches[3][0] + 9)
    findings = findings_of(closed)
    assert (findings[0].position, findings[0].offset) == (batches[3][0], batches[3][1].base_offset)
    assert f"{batches[4][0] - batches[3][0]} bytes are damaged" in findings[0].message


def test_a_batch_whose_offset_has_changed_is_out_of_place(closed: Disk) -> None:
    name = log_files(closed)[0]
    position, header = batches_in(closed, name)[4]
    flip(closed, name, position + 1)  # not under the checksum
    finding = findings_of(closed)[0]
    assert (finding.severity, finding.position) == (Severity.DAMAGED, position)
    assert f"offsets {header.base_offset + (0x10 << 48)} to" in finding.message


def test_a_torn_tail_is_damage_after_a_clean_stop(closed: Disk) -> None:
    name = log_files(closed)[-1]
    position = batches_in(closed, name)[-1][0]
    closed.write(name, closed.read(name)[:-5])
    finding = findings_of(closed)[0]
    assert (finding.severity, finding.position, finding.path) == (
        Severity.DAMAGED,
        position,
        f"{closed.directory}/{name}",
    )
    assert "hold no batch" in finding.message


def test_a_torn_tail_is_recoverable_after_a_kill(killed: Disk) -> None:
    name = log_files(killed)[-1]
    position = batches_in(killed, name)[-1][0]
    killed.write(name, killed.read(name)[:-5])
    (finding,) = [finding for finding in findings_of(killed) if finding.path.endswith(".log")]
    assert (finding.severity, finding.position) == (Severity.RECOVERABLE, position)


def test_zeros_behind_the_last_batch_are_recoverable_after_a_kill(killed: Disk) -> None:
    name = log_files(killed)[-1]
    killed.write(name, killed.read(name) + bytes(3000))
    (finding,) = [finding for finding in findings_of(killed) if finding.path.endswith(".log")]
    assert finding.severity is Severity.RECOVERABLE
    assert "the last 3000 bytes hold no batch" in finding.message


def test_damage_with_batches_behind_it_is_no_torn_tail_even_after_a_kill(killed: Disk) -> None:
    name = log_files(killed)[-1]
    batches = batches_in(killed, name)
    flip(killed, name, batches[-2][0] + 70)
    (finding,) = [finding for finding in findings_of(killed) if finding.path.endswith(".log")]
    assert (finding.severity, finding.position) == (Severity.DAMAGED, batches[-2][0])


def test_a_segment_that_ends_early_is_damage_where_others_follow(killed: Disk) -> None:
    name = log_files(killed)[0]
    killed.write(name, killed.read(name)[:-5])
    (finding,) = [finding for finding in findings_of(killed) if finding.path.endswith(f"{FIRST}.log")]
    assert finding.severity is Severity.DAMAGED


def test_a_lost_segment_leaves_a_gap(closed: Disk) -> None:
    _, lost, follower = log_files(closed)[:3]
    for suffix in (".log", ".index", ".timeindex", ".txnindex", ".snapshot"):
        name = lost.replace(".log", suffix)
        if name in closed.files():
            closed.filesystem.remove(f"{closed.directory}/{name}")
    gap = next(finding for finding in findings_of(closed) if "missing" in finding.message)
    begin, end = int(lost.removesuffix(".log")), int(follower.removesuffix(".log"))
    assert (gap.severity, gap.path) == (Severity.DAMAGED, f"{closed.directory}/{follower}")
    assert gap.message == f"offsets {begin} to {end - 1} are missing"


def test_records_are_held_against_their_header_on_request(disk: Disk, batch: BatchMaker) -> None:
    from kafkalite.records.record_batch import compute_crc

    log = disk.open_log()
    log.append(batch(b"one", timestamp=NOW_MS), now_ms=NOW_MS)
    log.append(batch(b"two", timestamp=NOW_MS), now_ms=NOW_MS)
    disk.close()
    data = bytearray(disk.read(f"{FIRST}.log"))
    _, (position, second) = iter_batches(bytes(data))
    earlier = (second.max_timestamp - 5).to_bytes(8, "big")
    data[position + 35 : position + 43] = earlier
    data[position + 17 : position + 21] = compute_crc(data, position, second.size_in_bytes).to_bytes(4, "big")
    disk.write(f"{FIRST}.log", bytes(data))
    assert verify(disk, is_deep=False)[1] == []
    finding = only_finding(disk)
    assert (finding.position, finding.offset) == (position, 1)
    assert finding.message == f"its largest timestamp is {NOW_MS}, its header says {NOW_MS - 5}"


# --- what follows from the log ---


@pytest.mark.parametrize(
    ("suffix", "position", "message"),
    [
        (".index", 7, "entry"),
        (".index", 11, "entry"),
        (".timeindex", 7, "entry"),
        (".timeindex", 22, "entry"),
        (".txnindex", 17, "AbortedTxn"),
        (".txnindex", 33, "AbortedTxn"),
    ],
)
def test_an_entry_that_is_off_is_found_in_its_index(closed: Disk, suffix: str, position: int, message: str) -> None:
    name = next(name for name in closed.files() if name.endswith(suffix) and closed.read(name))
    data = bytearray(closed.read(name))
    data[position] ^= 1
    closed.write(name, bytes(data))
    findings = findings_of(closed)
    assert findings
    assert {(finding.severity, finding.path) for finding in findings} == {
        (Severity.DAMAGED, f"{closed.directory}/{name}")
    }
    assert message in findings[0].message


@pytest.mark.parametrize("suffix", [".index", ".timeindex", ".txnindex"])
def test_half_an_entry_is_found_in_its_index(closed: Disk, suffix: str) -> None:
    name = next(name for name in closed.files() if name.endswith(suffix) and closed.read(name))
    closed.write(name, closed.read(name)[:-3])
    finding = only_finding(closed)
    assert (finding.severity, finding.path) == (Severity.DAMAGED, f"{closed.directory}/{name}")


def test_a_missing_index_is_recoverable(closed: Disk) -> None:
    closed.filesystem.remove(f"{closed.directory}/{FIRST}.index")
    finding = only_finding(closed)
    assert (finding.severity, finding.path) == (Severity.RECOVERABLE, f"{closed.directory}/{FIRST}.index")


def test_a_transaction_missing_from_its_index_is_found(closed: Disk) -> None:
    name = next(name for name in closed.files() if name.endswith(".txnindex"))
    closed.write(name, b"")
    finding = findings_of(closed)[0]
    assert (finding.severity, finding.path) == (Severity.DAMAGED, f"{closed.directory}/{name}")
    assert "is missing" in finding.message


def test_epochs_that_are_not_those_of_the_batches_are_found(closed: Disk) -> None:
    path = f"{closed.directory}/leader-epoch-checkpoint"
    entries = LeaderEpochFileCache.load(closed.filesystem, path).entries()
    second = entries[1]
    write_epoch_checkpoint(
        closed.filesystem, path, [entries[0], EpochEntry(second.epoch, second.start_offset + 10), entries[2]]
    )
    finding = only_finding(closed)
    assert (finding.severity, finding.path, finding.offset) == (Severity.DAMAGED, path, second.start_offset)
    assert finding.message == f"it has epoch 0 for offset {second.start_offset}, whose batch says 1"


def test_a_lost_epoch_file_is_found(closed: Disk) -> None:
    path = f"{closed.directory}/leader-epoch-checkpoint"
    closed.filesystem.remove(path)
    findings = findings_of(closed)
    assert [finding.message[:15] for finding in findings] == [f"it lacks epoch {epoch}"[:15] for epoch in (0, 1, 2)]
    assert {finding.path for finding in findings} == {path}


def last_snapshot(disk: Disk) -> str:
    return [name for name in disk.files() if name.endswith(".snapshot")][-1]


def test_a_producer_snapshot_that_disagrees_with_the_log_is_found(closed: Disk) -> None:
    name = last_snapshot(closed)
    entries = decode_snapshot(closed.read(name))
    changed = next(entry for entry in entries if entry.producer_id == 1)
    changed.batches[-1] = changed.batches[-1]._replace(last_sequence=changed.last_sequence + 1)
    closed.write(name, encode_snapshot(entries))
    finding = only_finding(closed)
    assert (finding.severity, finding.path) == (Severity.DAMAGED, f"{closed.directory}/{name}")
    assert "it has producer 1 at epoch 0, sequence 120" in finding.message
    assert "the log says producer 1 at epoch 0, sequence 119" in finding.message


def test_a_producer_with_an_open_transaction_that_a_snapshot_lacks_is_found(closed: Disk) -> None:
    name = last_snapshot(closed)
    entries = [entry for entry in decode_snapshot(closed.read(name)) if entry.producer_id != 99]
    closed.write(name, encode_snapshot(entries))
    assert only_finding(closed).message == "it lacks producer 99, whose transaction is open"


def test_a_damaged_producer_snapshot_is_found(closed: Disk) -> None:
    name = last_snapshot(closed)
    flip(closed, name, 20)
    finding = only_finding(closed)
    assert finding.path == f"{closed.directory}/{name}"
    assert "CRC" in finding.message


def test_the_snapshot_that_a_clean_stop_leaves_must_be_there(closed: Disk) -> None:
    name = last_snapshot(closed)
    closed.filesystem.remove(f"{closed.directory}/{name}")
    finding = only_finding(closed)
    assert (finding.severity, finding.path) == (Severity.DAMAGED, f"{closed.directory}/{name}")


def test_a_log_without_its_segments_is_found(closed: Disk) -> None:
    for name in log_files(closed):
        closed.filesystem.remove(f"{closed.directory}/{name}")
    findings = findings_of(closed)
    assert (Severity.DAMAGED, closed.directory) in {(finding.severity, finding.path) for finding in findings}
    assert f"{closed.directory}/{FIRST}.index" in {finding.path for finding in findings}


# --- the files of the log directory ---


def test_a_recovery_point_behind_the_logs_end_is_found(closed: Disk) -> None:
    path = f"{closed.path}/recovery-point-offset-checkpoint"
    write_offset_checkpoint(closed.filesystem, path, {TOPIC: 5000})
    finding = only_finding(closed)
    assert (finding.severity, finding.path, finding.offset) == (Severity.DAMAGED, path, 5000)


def test_a_start_behind_the_logs_end_is_found(closed: Disk) -> None:
    path = f"{closed.path}/log-start-offset-checkpoint"
    write_offset_checkpoint(closed.filesystem, path, {TOPIC: 5000})
    assert (only_finding(closed).severity, only_finding(closed).path) == (Severity.DAMAGED, path)


@pytest.mark.parametrize(
    "name",
    ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "cleaner-offset-checkpoint"],
)
def test_a_damaged_checkpoint_is_found(closed: Disk, name: str) -> None:
    closed.filesystem.write_bytes(f"{closed.path}/{name}", b"0\n1\ntopic zero 5\n")
    finding = only_finding(closed)
    assert (finding.severity, finding.path) == (Severity.DAMAGED, f"{closed.path}/{name}")


def test_missing_and_damaged_partition_metadata_are_found(closed: Disk) -> None:
    path = f"{closed.directory}/partition.metadata"
    closed.filesystem.write_bytes(path, b"version: 0\ntopic_id: x")
    assert only_finding(closed).path == path
    closed.filesystem.remove(path)
    assert (only_finding(closed).severity, only_finding(closed).path) == (Severity.DAMAGED, path)


# --- mending ---


def repair(disk: Disk) -> None:
    directory, _ = verify(disk)
    repair_log(disk.filesystem, directory.logs[TOPIC], CONFIG, now_ms=NOW_MS)


@pytest.mark.parametrize("suffix", [".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint"])
@pytest.mark.parametrize("damage", ["flip", "remove", "cut"])
def test_what_follows_from_the_log_is_made_again(left: Disk, suffix: str, damage: str) -> None:
    disk = left
    before = {name: disk.read(name) for name in log_files(disk)}
    name = next(name for name in disk.files() if name.endswith(suffix) and disk.read(name))
    if damage == "flip":
        flip(disk, name, 5)
    elif damage == "cut":
        disk.write(name, disk.read(name)[:-3])
    else:
        disk.filesystem.remove(f"{disk.directory}/{name}")
    repair(disk)
    assert findings_of(disk) == []
    assert {name: disk.read(name) for name in log_files(disk)} == before


def test_a_torn_tail_is_cut_off(left: Disk) -> None:
    disk = left
    name = log_files(disk)[-1]
    position = batches_in(disk, name)[-1][0]
    disk.write(name, disk.read(name)[:-5])
    repair(disk)
    assert findings_of(disk) == []
    assert len(disk.read(name)) == position


def test_damage_in_the_middle_stays_and_is_reported(closed: Disk) -> None:
    name = log_files(closed)[1]
    position, _ = batches_in(closed, name)[3]
    flip(closed, name, position + 70)
    before = {name: closed.read(name) for name in log_files(closed)}
    repair(closed)
    assert {name: closed.read(name) for name in log_files(closed)} == before
    assert (findings_of(closed)[0].position, findings_of(closed)[0].severity) == (position, Severity.DAMAGED)


def test_after_a_kill_the_log_is_cut_at_damage_as_a_start_would_cut_it(killed: Disk) -> None:
    name = log_files(killed)[1]
    position, _ = batches_in(killed, name)[3]
    flip(killed, name, position + 70)
    repair(killed)
    assert findings_of(killed) == []
    assert len(killed.read(name)) == position
    aside = [name for name in killed.filesystem.list_directory(killed.path) if name.endswith("-stray")]
    assert len(aside) == 1


def test_a_length_out_of_nowhere_does_not_make_it_read_the_rest_of_the_segment_at_once(
    disk: Disk, batch: BatchMaker
) -> None:
    log = disk.open_log()
    for number in range(40):
        log.append(batch(bytes(100_000), timestamp=NOW_MS + number), now_ms=NOW_MS)
    disk.close()
    position, header = batches_in(disk, f"{FIRST}.log")[2]
    data = bytearray(disk.read(f"{FIRST}.log"))
    data[position + 8 : position + 12] = (1 << 30).to_bytes(4, "big")
    disk.write(f"{FIRST}.log", bytes(data))
    sizes: list[int] = []

    class NotingFile:
        """Notes how much is read at once."""

        def __init__(self, file: File) -> None:
            self._file = file
            self.size = file.size

        def pread(self, size: int, position: int) -> bytes:
            sizes.append(size)
            return self._file.pread(size, position)

        def close(self) -> None:
            self._file.close()

    class NotingFileSystem:
        def __getattr__(self, name: str) -> Any:
            return getattr(disk.filesystem, name)

        def open(self, path: str, **options: bool) -> NotingFile:
            return NotingFile(disk.filesystem.open(path, **options))

    noting: Any = NotingFileSystem()
    findings: list[Finding] = []
    VerifiedLogDirectory(noting, disk.path, Report(findings.append)).verify_logs()
    (finding,) = [finding for finding in findings if finding.path.endswith(".log")]
    assert (finding.position, finding.offset) == (position, header.base_offset)
    assert max(sizes) <= 2 << 20
