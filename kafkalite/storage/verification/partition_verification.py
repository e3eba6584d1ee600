"""The directory of one partition: its segments, their indexes, its epochs and its producer snapshots, in one reading.

Every batch is read once, in large pieces. What the start would mend after an end that was not clean is told from
damage by the offset up to which such a start believes what it finds: all of it after a clean stop; else what lies
before the segment of the recovery point, or before a producer snapshot in it (see log_recovery).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.records.record_batch import BatchHeader, TimestampType, decode_batch
from kafkalite.storage.checkpoint_files import CorruptCheckpointError, EpochEntry, read_epoch_checkpoint
from kafkalite.storage.end_transaction_marker import read_end_transaction_marker
from kafkalite.storage.file_names import (
    CLEANED_SUFFIX,
    LEADER_EPOCH_CHECKPOINT_FILE,
    LOG_SUFFIX,
    OFFSET_INDEX_SUFFIX,
    PRODUCER_SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    offset_file_name,
    offset_of_file_name,
)
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_context import DEFAULT_PRODUCER_ID_EXPIRATION_MS
from kafkalite.storage.offset_index import CorruptIndexError, OffsetIndex
from kafkalite.storage.producer_snapshot import CorruptSnapshotError, decode_snapshot
from kafkalite.storage.producer_state import ProducerStateManager
from kafkalite.storage.producer_state_entry import ProducerStateEntry
from kafkalite.storage.time_index import TimeIndex
from kafkalite.storage.transaction_index import AbortedTxn, TransactionIndex
from kafkalite.storage.verification.batch_walk import DamagedBytes, SoundBatch, walk_batches
from kafkalite.storage.verification.finding import Finding, Remedy, Report, Severity
from kafkalite.storage.verification.index_check import OffsetIndexCheck, TimeIndexCheck, compare_aborted_transactions
from kafkalite.storage.verification.leader_epoch_check import LeaderEpochCheck
from kafkalite.storage.verification.producer_snapshot_check import ReplayedProducers, compare_producers

_MAX_SEGMENT_OFFSETS: Final = 1 << 31
_ALL: Final = 1 << 63


@dataclass(slots=True)
class PartitionFacts:
    """What is known of a log before it is read."""

    topic_partition: TopicPartition
    directory: str
    had_clean_shutdown: bool
    recovery_point: int | None = None
    """None where the checkpoint does not have the log."""
    log_start_offset: int = 0
    is_compacted: bool = False
    """Whether records may have been taken out of its middle."""
    is_recovered_at_every_start: bool = False
    """As the metadata log is."""
    is_deep: bool = False
    """Whether records are decoded and held against their batch's header."""
    producer_id_expiration_ms: int = DEFAULT_PRODUCER_ID_EXPIRATION_MS


@dataclass(slots=True)
class VerifiedLog:
    """What reading a log gave."""

    facts: PartitionFacts
    log_start_offset: int = 0
    log_end_offset: int = 0
    latest_epoch: int = -1
    has_lost_batches: bool = False
    """Whether there is damage with sound batches behind it, which a recovery would cut off."""
    findings: list[Finding] = field(default_factory=list)


class PartitionVerification:
    """The reading of one log; `on_batch` is shown every sound batch."""

    def __init__(self, filesystem: FileSystem, facts: PartitionFacts, report: Report) -> None:
        self._filesystem = filesystem
        self.facts = facts
        self._report = report
        self._directory = facts.directory
        self._result = VerifiedLog(facts)
        self._is_compacted = facts.is_compacted
        self._gaps: list[Finding] = []
        self._tails: list[Finding] = []
        self._follows_damage = False

    def on_batch(self, path: str, batch: SoundBatch) -> None:
        """For whoever wants more of a batch than its header."""

    # --- the partition ---

    def verify(self) -> VerifiedLog:
        """Reads it all. Raises OSError."""
        sizes = {entry.name: entry.size for entry in self._filesystem.scan_directory(self._directory)}
        self._sizes = sizes
        self._base_offsets = sorted(
            offset
            for name in sizes
            if (offset := offset_of_file_name(name)) is not None and name == offset_file_name(offset, LOG_SUFFIX)
        )
        self._snapshots = sorted(
            offset
            for name in sizes
            if name.endswith(PRODUCER_SNAPSHOT_SUFFIX) and (offset := offset_of_file_name(name)) is not None
        )
        self._check_names()
        first = self._base_offsets[0] if self._base_offsets else self.facts.log_start_offset
        self._result.log_start_offset = max(self.facts.log_start_offset, first)
        self._trusted_offset = self._find_trusted_offset()
        self._epochs = self._begin_epochs()
        self._state = self._begin_producers(first)
        self._next_offset = first
        for slot, base_offset in enumerate(self._base_offsets):
            following = self._base_offsets[slot + 1] if slot + 1 < len(self._base_offsets) else None
            self._verify_segment(base_offset, following)
        self._settle_tails(None)
        has_last_snapshot = self._next_offset in self._snapshots
        self._check_snapshots(_ALL)
        self._check_last_snapshot(has_last_snapshot)
        for gap in self._gaps if not self._is_compacted else []:
            self._note(gap)
        self._result.log_end_offset = self._next_offset
        self._report.partitions += 1
        return self._result

    def _check_names(self) -> None:
        for name in sorted(self._sizes):
            path = f"{self._directory}/{name}"
            if name.endswith((CLEANED_SUFFIX, SWAP_SUFFIX)):
                self._note(
                    Finding(
                        Severity.RECOVERABLE,
                        path,
                        "compaction was interrupted: it is completed or undone",
                        remedy=Remedy.RECOVER,
                    )
                )
            elif name.endswith((OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)):
                offset = offset_of_file_name(name)
                if offset is None or offset not in self._base_offsets:
                    severity = Severity.DAMAGED if self.facts.had_clean_shutdown else Severity.RECOVERABLE
                    self._note(Finding(severity, path, "its segment is not there", remedy=Remedy.RECOVER))
        if not self._base_offsets:
            is_new = not self.facts.had_clean_shutdown and not self.facts.recovery_point
            severity = Severity.RECOVERABLE if is_new else Severity.DAMAGED
            self._note(Finding(severity, self._directory, "it has no segment", remedy=Remedy.RECOVER))

    def _find_trusted_offset(self) -> int:
        if self.facts.is_recovered_at_every_start:
            return 0
        if self.facts.had_clean_shutdown:
            return _ALL
        recovery_point = self.facts.recovery_point or 0
        base_offset = max((offset for offset in self._base_offsets if offset <= recovery_point), default=0)
        return max(
            (offset for offset in self._snapshots if base_offset < offset <= recovery_point), default=base_offset
        )

    def _note(self, finding: Finding) -> None:
        self._result.findings.append(finding)
        self._report.add(finding)

    def _severity(self, offset: int) -> Severity:
        return Severity.DAMAGED if offset < self._trusted_offset else Severity.RECOVERABLE

    def _note_aid(self, path: str, message: str, offset: int | None, segment_offset: int) -> None:
        """A file that follows from the log and is wrong."""
        severity = self._severity(segment_offset if offset is None else offset)
        self._note(Finding(severity, path, message, offset=offset, remedy=Remedy.REBUILD))

    # --- leader epochs ---

    def _begin_epochs(self) -> LeaderEpochCheck:
        path = f"{self._directory}/{LEADER_EPOCH_CHECKPOINT_FILE}"
        start = self._result.log_start_offset
        entries: list[EpochEntry] = []
        try:
            entries = read_epoch_checkpoint(self._filesystem, path)
        except CorruptCheckpointError as error:
            self._note(Finding(Severity.DAMAGED, path, str(error), remedy=Remedy.REBUILD))
            return LeaderEpochCheck([], start, lambda message, offset: None)
        return LeaderEpochCheck(
            entries,
            start,
            lambda message, offset: self._note_aid(path, message, offset, start),
            is_start_certain=self.facts.had_clean_shutdown,
        )

    # --- segments ---

    def _verify_segment(self, base_offset: int, following: int | None) -> None:
        limit = base_offset + _MAX_SEGMENT_OFFSETS
        behind = limit if following is None else min(limit, following)
        path = self._path(base_offset, LOG_SUFFIX)
        size = self._sizes[offset_file_name(base_offset, LOG_SUFFIX)]
        offset_index = self._open_offset_index(base_offset, size)
        time_index = self._open_time_index(base_offset, size)
        self._aborted: list[AbortedTxn] = []
        self._note_gap(path, 0, base_offset)
        self._next_offset = max(self._next_offset, base_offset)
        has_damage = False
        read = 0
        file = self._filesystem.open(path, read_only=True)
        try:
            for piece in walk_batches(file, size, base_offset, behind):
                if isinstance(piece, DamagedBytes):
                    has_damage = self._follows_damage = True
                    end = size if piece.end is None else piece.end
                    self._note_damage(path, piece, size)
                    if offset_index is not None:
                        offset_index.skip(end)
                    self._report.on_progress(end - read)
                    read = end
                    continue
                end = piece.position + piece.header.size_in_bytes
                if not self._take_in(path, piece, behind):
                    has_damage = self._follows_damage = True
                    if offset_index is not None:
                        offset_index.skip(end)
                    continue
                self._follows_damage = False
                if offset_index is not None:
                    offset_index.take_in(piece.position, piece.header)
                if time_index is not None:
                    time_index.take_in(piece.header)
                if end - read >= 1 << 20:
                    self._report.on_progress(end - read)
                    read = end
        finally:
            file.close()
        self._report.on_progress(size - read)
        if offset_index is not None and not has_damage:
            offset_index.finish()
        if time_index is not None and not has_damage:
            time_index.finish(is_complete=following is not None)
        self._check_transaction_index(base_offset, has_damage)

    def _path(self, offset: int, suffix: str) -> str:
        return f"{self._directory}/{offset_file_name(offset, suffix)}"

    def _note_gap(self, path: str, position: int, offset: int) -> None:
        if offset > self._next_offset >= self._result.log_start_offset and not self._follows_damage:
            message = f"offsets {self._next_offset} to {offset - 1} are missing"
            self._gaps.append(Finding(Severity.DAMAGED, path, message, position, offset))

    def _note_damage(self, path: str, piece: DamagedBytes, size: int) -> None:
        offset = self._next_offset if piece.offset is None else piece.offset
        if piece.end is not None:
            self._settle_tails("sound batches follow")
            self._result.has_lost_batches = True
            message = f"{piece.reason}; {piece.end - piece.position} bytes are damaged"
            self._note(Finding(Severity.DAMAGED, path, message, piece.position, offset, Remedy.RECOVER))
        else:
            message = f"{piece.reason}; the last {size - piece.position} bytes hold no batch"
            self._tails.append(Finding(Severity.DAMAGED, path, message, piece.position, offset, Remedy.RECOVER))

    def _settle_tails(self, follower: str | None) -> None:
        """Decides on segments that end in what is no batch: an interrupted write can only be at the very end."""
        for tail in self._tails:
            offset = self._next_offset if tail.offset is None else tail.offset
            if follower is None and self._is_cut_off(offset):
                self._note(tail._replace(severity=Severity.RECOVERABLE, message=f"{tail.message}, and are cut off"))
            else:
                self._result.has_lost_batches |= follower is not None
                self._note(tail)
        self._tails.clear()

    def _is_cut_off(self, offset: int) -> bool:
        return not self.facts.had_clean_shutdown and offset >= self._trusted_offset

    def _take_in(self, path: str, batch: SoundBatch, behind: int) -> bool:
        """Checks a batch whose checksum is right against those before it; False if its offsets are out of place."""
        header = batch.header
        base_offset, last_offset = header.base_offset, header.last_offset
        if self._tails:
            self._settle_tails("sound batches follow")
        self._report.batches += 1
        is_legacy = header.magic < 2
        if (base_offset < self._next_offset and not is_legacy) or last_offset < base_offset or last_offset >= behind:
            self._note(
                Finding(
                    Severity.DAMAGED,
                    path,
                    f"the batch has offsets {base_offset} to {last_offset}, which are not in "
                    f"[{self._next_offset}, {behind})",
                    batch.position,
                    base_offset,
                    Remedy.RECOVER,
                )
            )
            self._result.has_lost_batches = True
            return False
        if base_offset > self._next_offset and not is_legacy:
            self._note_gap(path, batch.position, base_offset)
        while self._snapshots and self._snapshots[0] <= base_offset:
            self._check_snapshots(base_offset)
        problem = self._check_header(header)
        epoch_problem = self._epochs.take_in(header)
        for text in (problem, epoch_problem):
            if text is not None:
                self._note(Finding(Severity.DAMAGED, path, text, batch.position, base_offset))
        if self.facts.is_deep:
            self._check_records(path, batch)
        if header.partition_leader_epoch > self._result.latest_epoch:
            self._result.latest_epoch = header.partition_leader_epoch
        if header.producer_id >= 0:
            marker = read_end_transaction_marker(batch.buffer, batch.relative, header) if header.is_control else None
            aborted = self._state.add_batch(header, marker)
            if aborted is not None:
                self._aborted.append(aborted)
        self.on_batch(path, batch)
        self._next_offset = last_offset + 1
        return True

    def _check_header(self, header: BatchHeader) -> str | None:
        if header.attributes & 0x07 > 4:
            return f"it is compressed with codec {header.attributes & 0x07}, which is unknown"
        if header.magic == 2:
            offsets = header.last_offset_delta + 1
            if header.records_count < 0 or header.records_count > offsets:
                return f"its header counts {header.records_count} records for {offsets} offsets"
            if header.records_count < offsets or header.has_delete_horizon:
                self._is_compacted = True
        return None

    def _check_records(self, path: str, batch: SoundBatch) -> None:
        header = batch.header
        problem = None
        try:
            records = decode_batch(batch.buffer, batch.relative, header)
        except KafkaError as error:
            problem = f"its records cannot be read: {error.message}"
        else:
            offsets = [record.offset for record in records]
            if header.magic == 2 and len(records) != header.records_count:
                problem = f"it holds {len(records)} records, its header counts {header.records_count}"
            elif (
                header.magic == 2
                and offsets
                and not header.base_offset <= offsets[0] <= offsets[-1] <= header.last_offset
            ):
                problem = f"its records have offsets {offsets[0]} to {offsets[-1]}"
            elif any(offset >= later for offset, later in pairwise(offsets)):
                problem = "the offsets of its records do not rise"
            elif header.magic == 2 and records and header.timestamp_type is TimestampType.CREATE_TIME:
                largest = max(record.timestamp for record in records)
                if largest > header.max_timestamp:  # a client may have said too much
                    problem = f"its largest timestamp is {largest}, its header says {header.max_timestamp}"
        if problem is not None:
            self._note(Finding(Severity.DAMAGED, path, problem, batch.position, header.base_offset))

    # --- indexes ---

    def _open_offset_index(self, base_offset: int, log_size: int) -> OffsetIndexCheck | None:
        path = self._path(base_offset, OFFSET_INDEX_SUFFIX)
        data = self._read_index(path, base_offset, log_size)
        if data is None:
            return None
        try:
            index = OffsetIndex.decode(data, base_offset, 0, max(log_size, 1))
        except CorruptIndexError as error:
            self._note_aid(path, str(error), None, base_offset)
            return None
        return OffsetIndexCheck(
            index.entries(), lambda message, offset: self._note_aid(path, message, offset, base_offset)
        )

    def _open_time_index(self, base_offset: int, log_size: int) -> TimeIndexCheck | None:
        path = self._path(base_offset, TIME_INDEX_SUFFIX)
        data = self._read_index(path, base_offset, log_size)
        if data is None or not log_size:
            return None
        try:
            index = TimeIndex.decode(data, base_offset, 0)
        except CorruptIndexError as error:
            self._note_aid(path, str(error), None, base_offset)
            return None
        return TimeIndexCheck(
            index.entries(), lambda message, offset: self._note_aid(path, message, offset, base_offset)
        )

    def _read_index(self, path: str, base_offset: int, log_size: int) -> bytes | None:
        try:
            return self._filesystem.read_bytes(path)
        except FileNotFoundError:
            if log_size:
                self._note(Finding(Severity.RECOVERABLE, path, "it is missing, and built again", remedy=Remedy.RECOVER))
            return None

    def _check_transaction_index(self, base_offset: int, has_damage: bool) -> None:
        path = self._path(base_offset, TRANSACTION_INDEX_SUFFIX)
        entries: list[AbortedTxn] = []
        if path.rpartition("/")[2] in self._sizes:
            try:
                entries = TransactionIndex.decode(self._filesystem.read_bytes(path), base_offset).aborted_transactions
            except CorruptIndexError as error:
                self._note_aid(path, str(error), None, base_offset)
                return
        if has_damage or self._is_compacted or not self._has_known_start:
            for entry in entries:
                if not entry.first_offset <= entry.last_offset < self._next_offset:
                    self._note_aid(path, f"{entry} lies outside of the log", entry.last_offset, base_offset)
            return
        compare_aborted_transactions(
            entries, self._aborted, lambda message, offset: self._note_aid(path, message, offset, base_offset)
        )

    # --- producers ---

    def _begin_producers(self, first: int) -> ProducerStateManager:
        """The producers at the log's beginning; nothing stands against a snapshot there but its checksum."""
        state = ProducerStateManager(
            self.facts.topic_partition,
            expiration_ms=_ALL,
            is_verification_enabled=False,
        )
        self._has_known_start = first == 0
        while self._snapshots and self._snapshots[0] <= first:
            offset = self._snapshots.pop(0)
            entries = self._read_snapshot(offset)
            if entries is not None and offset == first:
                state.load(entries, first, 0)
                self._has_known_start = True
        return state

    def _check_last_snapshot(self, is_there: bool) -> None:
        """A clean stop leaves a snapshot at the log's end; who reads no batches then knows the producers from it."""
        if is_there or not self.facts.had_clean_shutdown or self.facts.is_recovered_at_every_start:
            return
        if self._state.producers and self._next_offset > self._result.log_start_offset:
            message = "it is missing: Apache Kafka forgets the producers, kafkalite reads the log for them"
            path = self._path(self._next_offset, PRODUCER_SNAPSHOT_SUFFIX)
            self._note(Finding(Severity.DAMAGED, path, message, remedy=Remedy.RECOVER))

    def _read_snapshot(self, offset: int) -> list[ProducerStateEntry] | None:
        path = self._path(offset, PRODUCER_SNAPSHOT_SUFFIX)
        try:
            return decode_snapshot(self._filesystem.read_bytes(path))
        except CorruptSnapshotError as error:
            self._note_aid(path, str(error), None, offset - 1)
            return None

    def _check_snapshots(self, up_to: int) -> None:
        while self._snapshots and self._snapshots[0] <= up_to:
            offset = self._snapshots.pop(0)
            path = self._path(offset, PRODUCER_SNAPSHOT_SUFFIX)
            if offset > self._next_offset and up_to == _ALL:
                self._note(
                    Finding(
                        self._severity(self._next_offset),
                        path,
                        f"it lies behind the log's end, {self._next_offset}",
                        remedy=Remedy.REBUILD,
                    )
                )
                continue
            entries = self._read_snapshot(offset)
            if entries is None or self._result.has_lost_batches:
                continue
            replayed = ReplayedProducers(
                self._state.producers,
                self._has_known_start and not self._is_compacted,
                self._filesystem.modified_ms(path) - self.facts.producer_id_expiration_ms,
            )
            for problem in compare_producers(entries, replayed):
                self._note_aid(path, problem, None, offset - 1)
