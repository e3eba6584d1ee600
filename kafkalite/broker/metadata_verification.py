"""Checking the metadata log without opening it: batches, records, snapshots, quorum-state, and what they add up to."""

from __future__ import annotations

from kafkalite.broker.metadata_batches import read_control_records, read_metadata_records
from kafkalite.broker.metadata_replay import MetadataReplay
from kafkalite.broker.metadata_snapshot import (
    DELETED_SUFFIX,
    PARTIAL_SUFFIX,
    ZERO_SNAPSHOT_ID,
    Snapshot,
    SnapshotId,
    parse_snapshot_file_name,
    read_snapshot,
)
from kafkalite.broker.quorum_state import QUORUM_STATE_FILE, read_quorum_state
from kafkalite.errors import KafkaError
from kafkalite.identifiers import CLUSTER_METADATA_TOPIC, TopicPartition, Uuid
from kafkalite.protocol.control_records import KRaftVersionRecord, VotersRecord
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import RemoveTopicRecord
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.storage.file_names import PARTITION_METADATA_FILE
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.partition_metadata import CorruptPartitionMetadataError, decode_partition_metadata
from kafkalite.storage.verification.batch_walk import SoundBatch
from kafkalite.storage.verification.finding import Finding, Report, Severity
from kafkalite.storage.verification.partition_verification import PartitionFacts, PartitionVerification, VerifiedLog

_DECODING_ERRORS = (KafkaError, ProtocolError, ValueError)


class MetadataLogVerification(PartitionVerification):
    """The reading of `__cluster_metadata-0`; `replay` has the image afterwards, as far as it goes."""

    def __init__(
        self, filesystem: FileSystem, directory: str, report: Report, *, had_clean_shutdown: bool, is_deep: bool
    ) -> None:
        facts = PartitionFacts(
            TopicPartition(CLUSTER_METADATA_TOPIC, 0),
            directory,
            had_clean_shutdown,
            is_recovered_at_every_start=True,
            is_deep=is_deep,
        )
        super().__init__(filesystem, facts, report)
        self.replay = MetadataReplay()
        self.removed_topics: set[Uuid] = set()
        self._replayed_offset = 0
        self._is_replaying = True

    def verify(self) -> VerifiedLog:
        """Reads snapshots, then the log behind the newest one. Raises OSError."""
        snapshot_id = self._read_snapshots()
        self._replayed_offset = snapshot_id.offset
        result = super().verify()
        start = self._base_offsets[0] if self._base_offsets else 0
        if start > snapshot_id.offset:
            self._complain(f"it begins at offset {start}, and there is no snapshot of what came before")
        if snapshot_id.offset > result.log_end_offset:
            self._complain(
                f"it ends at offset {result.log_end_offset}, before its newest snapshot {snapshot_id.file_name}: the "
                "next start continues behind the snapshot"
            )
        if self.replay.transaction is not None:
            self._note(
                Finding(Severity.NOTE, self._directory, "a metadata transaction is open; the next start ends it")
            )
        self._check_quorum_state()
        self._check_topic_id()
        return result

    def _check_quorum_state(self) -> None:
        try:
            state = read_quorum_state(self._filesystem, self._directory)
        except ValueError as error:
            self._note(Finding(Severity.DAMAGED, f"{self._directory}/{QUORUM_STATE_FILE}", str(error)))
            return
        if state is not None and state.data_version == 1 and self.replay.voters is None:
            self._complain("the quorum is of the dynamic kind, but no snapshot or record names its voters")

    def _check_topic_id(self) -> None:
        path = f"{self._directory}/{PARTITION_METADATA_FILE}"
        try:
            topic_id = decode_partition_metadata(path, self._filesystem.read_bytes(path))
        except FileNotFoundError:
            return  # it is written again
        except CorruptPartitionMetadataError as error:
            self._note(Finding(Severity.DAMAGED, path, str(error)))
            return
        if topic_id != Uuid.METADATA_TOPIC_ID:
            message = f"topic id {topic_id} is not {Uuid.METADATA_TOPIC_ID}, which this topic always has"
            self._note(Finding(Severity.DAMAGED, path, message))

    def _complain(self, message: str) -> None:
        self._note(Finding(Severity.DAMAGED, self._directory, message))

    def _read_snapshots(self) -> SnapshotId:
        found: list[SnapshotId] = []
        for name in sorted(self._filesystem.list_directory(self._directory)):
            snapshot_id = parse_snapshot_file_name(name)
            if snapshot_id is not None:
                found.append(snapshot_id)
            elif name.endswith(PARTIAL_SUFFIX):
                message = "a snapshot that was not finished; it is removed"
                self._note(Finding(Severity.RECOVERABLE, f"{self._directory}/{name}", message))
            elif name.endswith(DELETED_SUFFIX):
                continue
        newest = ZERO_SNAPSHOT_ID
        found.sort(key=lambda each: (each.epoch, each.offset))
        for snapshot_id in found:
            path = f"{self._directory}/{snapshot_id.file_name}"
            try:
                snapshot = read_snapshot(self._filesystem, path)
                if snapshot_id is found[-1]:
                    self._load(snapshot_id, snapshot)
                    newest = snapshot_id
            except _DECODING_ERRORS as error:
                self._note(Finding(Severity.DAMAGED, path, f"the snapshot cannot be read: {_text(error)}"))
                self._is_replaying = self._is_replaying and snapshot_id is not found[-1]
                continue
            if snapshot.voters is not None:
                self.replay.voters = snapshot.voters
        return newest

    def _load(self, snapshot_id: SnapshotId, snapshot: Snapshot) -> None:
        if snapshot_id != ZERO_SNAPSHOT_ID:
            for record in snapshot.records:
                self.replay.image.replay(record)

    @property
    def is_image_complete(self) -> bool:
        """Whether the image is what the metadata say: everything could be replayed."""
        return self._is_replaying

    def on_batch(self, path: str, batch: SoundBatch) -> None:
        header = batch.header
        size = header.size_in_bytes
        buffer = batch.buffer[batch.relative : batch.relative + size]
        try:
            if header.is_control:
                for control in read_control_records(buffer, 0, header):
                    if isinstance(control, KRaftVersionRecord):
                        self.replay.kraft_version = control.k_raft_version
                    elif isinstance(control, VotersRecord):
                        self.replay.voters = control
                return
            records = list(read_metadata_records(buffer, 0, header))
        except _DECODING_ERRORS as error:
            self._note_record(path, batch, f"its records cannot be decoded: {_text(error)}")
            return
        if header.last_offset >= self._replayed_offset and self._is_replaying:
            self._replay(path, batch, records)

    def _replay(self, path: str, batch: SoundBatch, records: list[MetadataRecord]) -> None:
        try:
            for record in records:
                for visible in self.replay.replay(record):
                    if isinstance(visible, RemoveTopicRecord):
                        self.removed_topics.add(visible.topic_id)
        except (ValueError, KafkaError, KeyError) as error:
            self._note_record(path, batch, f"a record contradicts those before it: {_text(error)}")

    def _note_record(self, path: str, batch: SoundBatch, message: str) -> None:
        self._is_replaying = False
        self._note(Finding(Severity.DAMAGED, path, message, batch.position, batch.header.base_offset))


def _text(error: Exception) -> str:
    return error.message if isinstance(error, KafkaError) else str(error)
