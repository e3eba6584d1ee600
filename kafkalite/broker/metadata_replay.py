"""Reading the metadata: the newest snapshot and the log behind it become an image; transactions count when they end."""

from __future__ import annotations

from collections.abc import Iterable

from kafkalite.broker.metadata_batches import read_control_records, read_metadata_records
from kafkalite.broker.metadata_log import LoggedBatch, MetadataLog, MetadataLogError
from kafkalite.broker.metadata_snapshot import (
    BOOTSTRAP_CHECKPOINT_FILE,
    ZERO_SNAPSHOT_ID,
    SnapshotId,
    read_snapshot,
)
from kafkalite.errors import KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.bootstrap_metadata import bootstrap_records
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.protocol.control_records import KRaftVersionRecord, VotersRecord
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.control import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
)
from kafkalite.protocol.metadata_records.topics import RemoveTopicRecord
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.storage.filesystem import FileSystem


class MetadataReplay:
    """The image as far as it has been replayed, and what raft's control records say of the quorum."""

    def __init__(self) -> None:
        self.image = MetadataImage()
        self.kraft_version = 0
        self.voters: VotersRecord | None = None
        """The members of a quorum of the dynamic kind."""
        self.has_voters_in_log = False
        """Whether the voters stand in the log or a later snapshot, not only in the zero checkpoint."""
        self.transaction: list[MetadataRecord] | None = None
        """The records of the open metadata transaction, which the image does not show yet."""
        self.removed_topics: set[Uuid] = set()
        """The topics that went in the part of the log that `load` has read."""

    def load(self, filesystem: FileSystem, log: MetadataLog) -> int:
        """Replays the newest snapshot and what follows it; returns the bytes that follow. Raises MetadataLogError."""
        if log.has_zero_checkpoint:
            self._load_snapshot(filesystem, log, ZERO_SNAPSHOT_ID)
        newest = log.latest_snapshot
        if newest is not None:
            self._load_snapshot(filesystem, log, newest)
        size = 0
        try:
            for batch in log.batches_to_replay():
                self._load_batch(batch)
                size += batch.header.size_in_bytes
        except (KafkaError, ProtocolError, ValueError) as error:
            raise MetadataLogError(f"Cannot read the metadata in {log.directory}: {error}") from error
        return size

    def _load_snapshot(self, filesystem: FileSystem, log: MetadataLog, snapshot_id: SnapshotId) -> None:
        path = log.path(snapshot_id.file_name)
        try:
            snapshot = read_snapshot(filesystem, path)
            if snapshot_id != ZERO_SNAPSHOT_ID:  # the zero checkpoint's are for an empty log: `read_bootstrap_records`
                for record in snapshot.records:
                    self.image.replay(record)
        except (KafkaError, ProtocolError, ValueError) as error:
            raise MetadataLogError(f"The snapshot {path} is damaged: {error}") from error
        if snapshot.kraft_version is not None:
            self.kraft_version = snapshot.kraft_version
        if snapshot.voters is not None:
            self.voters = snapshot.voters
            self.has_voters_in_log = snapshot_id != ZERO_SNAPSHOT_ID

    def _load_batch(self, batch: LoggedBatch) -> None:
        if not batch.header.is_control:
            for record in read_metadata_records(*batch):
                for visible in self.replay(record):
                    if type(visible) is RemoveTopicRecord:
                        self.removed_topics.add(visible.topic_id)
            return
        for control in read_control_records(*batch):
            if isinstance(control, KRaftVersionRecord):
                self.kraft_version = control.k_raft_version
            elif isinstance(control, VotersRecord):
                self.voters = control
                self.has_voters_in_log = True

    def replay(self, record: MetadataRecord) -> list[MetadataRecord]:
        """Applies a record, or holds it back while a transaction is open; returns what has become visible.

        Raises ValueError where the record contradicts those before it.
        """
        transaction = self.transaction
        if isinstance(record, BeginTransactionRecord):
            if transaction is not None:
                raise ValueError("a metadata transaction begins before the last one has ended")
            self.transaction = []
        elif isinstance(record, (EndTransactionRecord, AbortTransactionRecord)):
            if transaction is None:
                raise ValueError("a metadata transaction ends that has not begun")
            self.transaction = None
            if isinstance(record, EndTransactionRecord):
                for held in transaction:
                    self.image.replay(held)
                return transaction
        elif transaction is not None:
            transaction.append(record)
        else:
            self.image.replay(record)
            return [record]
        return []

    def check_is_alone(self, log: MetadataLog, node_id: int) -> None:
        """Raises MetadataLogError where the quorum has other voters, or other nodes have replicas."""
        if self.voters is not None:
            others = [voter.voter_id for voter in self.voters.voters if voter.voter_id != node_id]
            if others:
                raise MetadataLogError(
                    f"{log.directory} belongs to a quorum with other controllers ({_list(others)}); this broker can "
                    f"only be the one node ({node_id}) of its cluster"
                )
        for topic in self.image.topics.by_name.values():
            for partition_id, partition in topic.partitions.items():
                if partition.replicas != (node_id,):
                    raise MetadataLogError(
                        f"Partition {topic.name}-{partition_id} has its replicas on the nodes "
                        f"{_list(partition.replicas)}; this broker can only be the one node ({node_id}) of its cluster"
                    )


def read_bootstrap_records(filesystem: FileSystem, log_directory: str, log: MetadataLog) -> list[MetadataRecord]:
    """The records for an empty log: those of the zero checkpoint (from 4.4 on), else of bootstrap.checkpoint.

    A directory without either begins at the default levels. Raises MetadataLogError.
    """
    candidates = [f"{log_directory}/{BOOTSTRAP_CHECKPOINT_FILE}"]
    if log.has_zero_checkpoint:
        candidates.insert(0, log.path(ZERO_SNAPSHOT_ID.file_name))
    for path in candidates:
        try:
            records = read_snapshot(filesystem, path).records
        except FileNotFoundError:
            continue
        except (KafkaError, ProtocolError, ValueError) as error:
            raise MetadataLogError(f"The bootstrap metadata in {path} is damaged: {error}") from error
        if records:
            return records
    return bootstrap_records()


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
