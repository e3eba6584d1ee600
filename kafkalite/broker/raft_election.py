"""The election that this node wins at each start, being the quorum's only voter: a new raft epoch with it as leader.

It stands in `quorum-state` before the epoch's first batch, which names the leader, is in the metadata log. Where there
is no room for either, both are held back, and written together later.
"""

from __future__ import annotations

from kafkalite.broker.metadata_batches import leader_change
from kafkalite.broker.metadata_log import MetadataLog, MetadataLogError
from kafkalite.broker.metadata_replay import MetadataReplay
from kafkalite.broker.quorum_state import QuorumState, read_quorum_state, write_quorum_state
from kafkalite.protocol.control_records import KRaftVersionRecord
from kafkalite.records.control_record import KraftMessage, build_kraft_control_batch
from kafkalite.records.record_batch import read_header
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_directory import is_want_of_room


class RaftElection:
    """The elections of the quorum whose log this is."""

    def __init__(self, filesystem: FileSystem, log: MetadataLog, node_id: int, *, is_synced: bool) -> None:
        self._filesystem = filesystem
        self._log = log
        self._node_id = node_id
        self._is_synced = is_synced
        self._unwritten: QuorumState | None = None

    def win(self, replay: MetadataReplay, now_ms: int) -> int:
        """Begins an epoch that nobody has seen yet, and returns it. Raises OSError, MetadataLogError."""
        log = self._log
        try:
            state = read_quorum_state(self._filesystem, log.directory)
        except ValueError as error:
            raise MetadataLogError(str(error)) from None
        leader_epoch = max(0 if state is None else state.leader_epoch, log.last_epoch) + 1
        is_dynamic = replay.kraft_version >= 1
        voters = [self._node_id] if replay.voters is None else [voter.voter_id for voter in replay.voters.voters]
        elected = QuorumState(
            leader_id=self._node_id,
            leader_epoch=leader_epoch,
            data_version=1 if is_dynamic else 0,
            current_voters=() if is_dynamic else tuple(voters),
        )
        try:
            self._write(elected)
        except OSError as error:
            if not is_want_of_room(error):
                raise
            self._unwritten = elected
            log.hold_back()
        control: list[KraftMessage] = [leader_change(self._node_id, voters)]
        if is_dynamic and replay.voters is not None and not replay.has_voters_in_log:
            control += [KRaftVersionRecord(k_raft_version=replay.kraft_version), replay.voters]
            replay.has_voters_in_log = True
        batch = build_kraft_control_batch(
            control, timestamp_ms=now_ms, base_offset=log.end_offset, partition_leader_epoch=leader_epoch
        )
        log.begin_epoch(leader_epoch)
        log.append_or_hold_back(batch, read_header(batch), now_ms=now_ms)
        return leader_epoch

    def write_held_back(self) -> None:
        """Writes the election if it was held back; what the log holds back comes after it. Raises OSError."""
        if self._unwritten is not None:
            self._write(self._unwritten)
            self._unwritten = None

    def _write(self, state: QuorumState) -> None:
        write_quorum_state(self._filesystem, self._log.directory, state, sync=self._is_synced)
