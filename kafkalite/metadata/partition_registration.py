"""What the metadata says of one partition, and how a change of it is applied."""

from __future__ import annotations

from typing import Final, NamedTuple

from kafkalite.identifiers import Uuid
from kafkalite.metadata.metadata_version import is_directory_assignment_supported
from kafkalite.protocol.metadata_records.topics import PartitionChangeRecord, PartitionRecord

NO_LEADER: Final = -1
NO_LEADER_CHANGE: Final = -2

RECOVERED: Final = 0
RECOVERING: Final = 1
NO_RECOVERY_CHANGE: Final = -1

MIGRATING_DIRECTORY: Final = Uuid.ZERO
"""One that nobody has told yet, for a replica that has been there since before directories had ids."""
UNASSIGNED_DIRECTORY: Final = Uuid.ONE
"""One that the broker is yet to choose."""
LOST_DIRECTORY: Final = Uuid(bytes(15) + b"\x02")
"""One that is offline, whichever it is."""
_RESERVED_DIRECTORIES: Final = tuple(bytes(15) + bytes((number,)) for number in range(100))


def is_reserved_directory(directory: Uuid) -> bool:
    """Whether an id is one of the first hundred, which name no log directory (DirectoryId)."""
    return bytes(directory) in _RESERVED_DIRECTORIES


class PartitionRegistration(NamedTuple):
    """A partition's replicas, their directories, leadership and epochs; `elr`: who may lead when the ISR is empty."""

    replicas: tuple[int, ...]
    directories: tuple[Uuid, ...]
    isr: tuple[int, ...]
    removing_replicas: tuple[int, ...]
    adding_replicas: tuple[int, ...]
    leader: int
    leader_recovery_state: int
    leader_epoch: int
    partition_epoch: int
    elr: tuple[int, ...]
    last_known_elr: tuple[int, ...]

    @classmethod
    def from_record(cls, record: PartitionRecord) -> PartitionRegistration:
        """Raises ValueError where replicas and directories do not match."""
        return cls(
            tuple(record.replicas),
            _directories(record.directories, len(record.replicas)),
            tuple(record.isr),
            tuple(record.removing_replicas),
            tuple(record.adding_replicas),
            record.leader,
            record.leader_recovery_state,
            record.leader_epoch,
            record.partition_epoch,
            tuple(record.eligible_leader_replicas or ()),
            tuple(record.last_known_elr or ()),
        )

    def directory(self, broker_id: int) -> Uuid:
        """In which log directory a broker, which is one of the replicas, keeps the partition."""
        return self.directories[self.replicas.index(broker_id)]

    def merge(self, change: PartitionChangeRecord) -> PartitionRegistration:
        """The partition after a change: naming a leader, even the same, begins a new leader epoch."""
        replicas = self.replicas if change.replicas is None else tuple(change.replicas)
        directories = self.directories if change.directories is None else change.directories
        has_leader_change = change.leader != NO_LEADER_CHANGE
        elr = change.eligible_leader_replicas
        last_known_elr = change.last_known_elr
        return PartitionRegistration(
            replicas,
            _directories(directories, len(replicas)),
            self.isr if change.isr is None else tuple(change.isr),
            self.removing_replicas if change.removing_replicas is None else tuple(change.removing_replicas),
            self.adding_replicas if change.adding_replicas is None else tuple(change.adding_replicas),
            change.leader if has_leader_change else self.leader,
            (
                self.leader_recovery_state
                if change.leader_recovery_state == NO_RECOVERY_CHANGE
                else change.leader_recovery_state
            ),
            self.leader_epoch + 1 if has_leader_change else self.leader_epoch,
            self.partition_epoch + 1,
            self.elr if elr is None else tuple(elr),
            self.last_known_elr if last_known_elr is None else tuple(last_known_elr),
        )

    def to_record(
        self, topic_id: Uuid, partition_id: int, *, metadata_version: int, is_elr_enabled: bool
    ) -> PartitionRecord:
        """The record that makes this partition, with what the metadata.version knows of, the ELR only if it is used."""
        record = PartitionRecord(
            partition_id=partition_id,
            topic_id=topic_id,
            replicas=list(self.replicas),
            isr=list(self.isr),
            removing_replicas=list(self.removing_replicas),
            adding_replicas=list(self.adding_replicas),
            leader=self.leader,
            leader_recovery_state=self.leader_recovery_state,
            leader_epoch=self.leader_epoch,
            partition_epoch=self.partition_epoch,
        )
        if is_directory_assignment_supported(metadata_version):
            record.directories = list(self.directories)
        if is_elr_enabled:
            if self.elr:
                record.eligible_leader_replicas = list(self.elr)
            if self.last_known_elr:
                record.last_known_elr = list(self.last_known_elr)
        return record


def _directories(directories: tuple[Uuid, ...] | list[Uuid] | None, replica_count: int) -> tuple[Uuid, ...]:
    if not directories or all(directory == MIGRATING_DIRECTORY for directory in directories):
        return (MIGRATING_DIRECTORY,) * replica_count
    if len(directories) != replica_count:
        raise ValueError(f"A partition has {replica_count} replicas but {len(directories)} directories")
    return tuple(directories)
