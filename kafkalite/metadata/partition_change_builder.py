"""What changes in a partition when a broker comes, goes or is told to lead: ISR, ELR and leader.

The rules of PartitionChangeBuilder. One node keeps one replica of each partition, but they are written for any number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kafkalite.identifiers import Uuid
from kafkalite.metadata.partition_registration import (
    NO_LEADER,
    NO_LEADER_CHANGE,
    NO_RECOVERY_CHANGE,
    RECOVERED,
    RECOVERING,
    PartitionRegistration,
)
from kafkalite.protocol.metadata_records.topics import PartitionChangeRecord


class PartitionChangeBuilder:
    """Collects the wanted state of one partition; `build` elects a leader and gives the record, or None if all stays.

    `is_acceptable_leader` says of a broker whether it could lead now; `min_isr` is the topic's effective
    min.insync.replicas: below it replicas that leave the ISR stay eligible (KIP-966).
    """

    def __init__(
        self,
        partition: PartitionRegistration,
        topic_id: Uuid,
        partition_id: int,
        *,
        is_acceptable_leader: Callable[[int], bool],
        min_isr: int,
        is_elr_enabled: bool,
        is_unclean_election_allowed: bool = False,
        is_preferred_election: bool = False,
    ) -> None:
        self.partition = partition
        self.topic_id = topic_id
        self.partition_id = partition_id
        self.target_isr: tuple[int, ...] = partition.isr
        self.unclean_shutdown_replicas: tuple[int, ...] = ()
        self.target_directories: tuple[Uuid, ...] = partition.directories
        self.target_leader_recovery_state = partition.leader_recovery_state
        self._target_elr = partition.elr
        self._is_acceptable_leader = is_acceptable_leader
        self._min_isr = min_isr
        self._is_elr_enabled = is_elr_enabled
        self._is_unclean_election_allowed = is_unclean_election_allowed
        self._is_preferred_election = is_preferred_election

    def without_from_isr(self, brokers: Iterable[int]) -> None:
        """Takes brokers out of the ISR that is aimed at."""
        leaving = set(brokers)
        self.target_isr = tuple(replica for replica in self.partition.isr if replica not in leaving)

    def build(self) -> PartitionChangeRecord | None:
        partition = self.partition
        record = PartitionChangeRecord(topic_id=self.topic_id, partition_id=self.partition_id)
        if self._is_elr_enabled:
            self._populate_target_elr()
        self._try_election(record)
        if record.isr is not None or not self._is_elr_enabled:
            self._target_elr = ()
        if self._target_elr != partition.elr:
            record.eligible_leader_replicas = list(self._target_elr)
        if (
            record.isr is None
            and self.target_isr != partition.isr
            and (self.target_isr or self._is_elr_enabled)  # without ELR the last in-sync replica stays named
        ):
            record.isr = list(self.target_isr)
        if self._is_elr_enabled:
            self._update_last_known_leader(record)
        if self.target_directories != partition.directories:
            record.directories = list(self.target_directories)
        if self.target_leader_recovery_state != partition.leader_recovery_state:
            record.leader_recovery_state = self.target_leader_recovery_state
        return None if _is_no_op(record) else record

    def _populate_target_elr(self) -> None:
        if len(self.target_isr) >= self._min_isr:
            self._target_elr = ()
            return
        candidates = dict.fromkeys(self._target_elr + self.partition.isr)
        self._target_elr = tuple(
            sorted(
                replica
                for replica in candidates
                if replica not in self.target_isr and replica not in self.unclean_shutdown_replicas
            )
        )

    def _try_election(self, record: PartitionChangeRecord) -> None:
        leader, is_unclean = self._elect_leader()
        if leader == self.partition.leader:
            return
        if leader in self._target_elr:
            self.target_isr = (leader,)
            self._target_elr = tuple(replica for replica in self._target_elr if replica != leader)
        record.leader = leader
        if is_unclean:
            record.isr = [leader]
            if self.partition.leader_recovery_state != RECOVERING:
                record.leader_recovery_state = RECOVERING

    def _elect_leader(self) -> tuple[int, bool]:
        """Who leads, and whether that may lose records."""
        partition = self.partition
        preferred = partition.replicas[:1]
        candidates = (preferred if self._is_preferred_election else ()) + (partition.leader,) + partition.replicas
        for replica in candidates:
            if self._is_valid_new_leader(replica):
                return replica, False
        if self._can_elect_last_known_leader():
            return partition.last_known_elr[0], True
        if self._is_unclean_election_allowed and not self._is_preferred_election:
            for replica in partition.replicas:
                if self._is_acceptable_leader(replica):
                    return replica, True
        return NO_LEADER, False

    def _is_valid_new_leader(self, replica: int) -> bool:
        eligible = self.target_isr or self._target_elr
        return replica in eligible and self._is_acceptable_leader(replica)

    def _can_elect_last_known_leader(self) -> bool:
        return (
            self._is_elr_enabled
            and not self._target_elr
            and not self.target_isr
            and len(self.partition.last_known_elr) == 1
            and self._is_acceptable_leader(self.partition.last_known_elr[0])
        )

    def _update_last_known_leader(self, record: PartitionChangeRecord) -> None:
        if record.leader == NO_LEADER and not self.partition.last_known_elr:
            record.last_known_elr = [self.partition.leader]
        elif record.leader >= 0 and self.partition.last_known_elr:
            record.last_known_elr = []


def recovered(partition: PartitionRegistration, topic_id: Uuid, partition_id: int) -> PartitionChangeRecord | None:
    """The record by which a leader that came up by an unclean election says that it has recovered (AlterPartition)."""
    if partition.leader_recovery_state == RECOVERED:
        return None
    return PartitionChangeRecord(topic_id=topic_id, partition_id=partition_id, leader_recovery_state=RECOVERED)


def _is_no_op(record: PartitionChangeRecord) -> bool:
    return (
        record.isr is None
        and record.leader == NO_LEADER_CHANGE
        and record.eligible_leader_replicas is None
        and record.last_known_elr is None
        and record.leader_recovery_state == NO_RECOVERY_CHANGE
        and record.directories is None
        and record.replicas is None
        and record.removing_replicas is None
        and record.adding_replicas is None
    )
