"""The metadata of this node: the log `__cluster_metadata-0`, and the image that its records make.

This node is the quorum's only voter and its only broker, so a change is committed when the disk has it: it is written
as one batch, synced, replayed to the image and told to the listeners, in this order. `commit` does so while the loop
goes on, for all that arrives together with one sync (`metadata_commits`); `append` at once. Files and records are those
of Apache Kafka, which may have written what is here and may go on with it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from kafkalite.broker.metadata_batches import build_metadata_batch, frame_records, split_frames
from kafkalite.broker.metadata_commits import MetadataCommits, WrittenChange
from kafkalite.broker.metadata_log import MetadataLog
from kafkalite.broker.metadata_replay import MetadataReplay, read_bootstrap_records
from kafkalite.broker.metadata_snapshot import SnapshotId
from kafkalite.broker.raft_election import RaftElection
from kafkalite.broker.snapshot_generator import SnapshotGenerator, SnapshotSettings, SnapshotSource
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.bootstrap_metadata import activation_records
from kafkalite.metadata.cluster_control import (
    NodeRegistration,
    enter_controlled_shutdown,
    fence_broker,
    register_broker,
    register_controller,
    unfence_broker,
)
from kafkalite.metadata.cluster_image import Endpoint
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.control import (
    BeginTransactionRecord,
    EndTransactionRecord,
)
from kafkalite.records.record_batch import read_header
from kafkalite.storage.filesystem import FileSystem

_logger = logging.getLogger(__name__)

Listener = Callable[[Sequence[MetadataRecord]], None]
Steps = Callable[[Sequence[MetadataRecord]], Iterator[None]]
T = TypeVar("T")


class MetadataLogSettings(NamedTuple):
    """The configuration `metadata.*` that matters here."""

    segment_bytes: int = 1024 * 1024 * 1024
    segment_ms: int = 7 * 24 * 3600 * 1000
    max_record_bytes_between_snapshots: int = 20 * 1024 * 1024
    max_snapshot_interval_ms: int = 3600 * 1000
    max_retention_bytes: int = 100 * 1024 * 1024
    max_retention_ms: int = 7 * 24 * 3600 * 1000
    min_insync_replicas: int = 1
    is_synced: bool = True
    """Whether `append` returns only when the disk has the batch."""


class MetadataStore:
    """The one writer of the metadata. `image` is what all else reads; only `commit` and `append` change it."""

    def __init__(
        self,
        filesystem: FileSystem,
        log_directory: str,
        node_id: int,
        *,
        now_ms: Callable[[], int],
        settings: MetadataLogSettings | None = None,
    ) -> None:
        """Reads newest snapshot and log under `log_directory` (metadata.log.dir), which has been formatted.

        Raises MetadataLogError where they cannot be used: damage to a snapshot, a node that is not the only voter,
        replicas that live on other nodes.
        """
        self._filesystem = filesystem
        self._log_directory = log_directory
        self._now_ms = now_ms
        self._settings = settings or MetadataLogSettings()
        self.node_id = node_id
        self.broker_epoch = -1
        """The epoch of this broker's registration, -1 before `start`."""
        self.leader_epoch = 0
        """The raft epoch in which this node leads."""
        self._listeners: list[Listener] = []
        self._preparations: list[Steps] = []
        self._consequences: list[Steps] = []
        self._failure: OSError | None = None
        self._is_starting = False
        self.on_failure: Callable[[OSError, bool], None] = lambda error, is_sync: None
        """Told of every failed write, and whether it was a sync."""
        self.log = MetadataLog(
            filesystem,
            f"{log_directory}/__cluster_metadata-0",
            now_ms=now_ms(),
            segment_bytes=self._settings.segment_bytes,
            segment_ms=self._settings.segment_ms,
        )
        self._election = RaftElection(filesystem, self.log, node_id, is_synced=self._settings.is_synced)
        self._replay = MetadataReplay()
        self._snapshots = SnapshotGenerator(
            filesystem,
            self.log,
            SnapshotSettings(
                self._settings.max_record_bytes_between_snapshots,
                self._settings.max_snapshot_interval_ms,
                self._settings.max_retention_bytes,
                self._settings.max_retention_ms,
                self._settings.is_synced,
            ),
            now_ms,
        )
        self._snapshots.bytes_since_snapshot = self._replay.load(filesystem, self.log)
        self._replay.check_is_alone(self.log, node_id)
        self.image = self._replay.image
        self.removed_topics = self._replay.removed_topics
        """Topics that were deleted not long before: their logs may be on the disk still."""
        self.last_applied_offset = self.log.end_offset - 1
        """The offset of the last record that is in the image; -1 in an empty log."""
        self._commits = MetadataCommits(lambda: self.log.sync(), self._carry_out, self._note_failed_sync)
        self._written_image: MetadataImage | None = None
        self.log.before_roll = self._commits.wait_for_sync

    @property
    def written_image(self) -> MetadataImage:
        """What the image will be when all that has been written is committed: what a further change has to go by."""
        image = self._written_image
        if image is None:
            written = list(self._commits.invisible())
            if not written:
                return self.image
            image = self._written_image = self.image.copy()
            for change in written:
                for record in change.records:
                    image.replay(record)
        return image

    @property
    def is_in_transaction(self) -> bool:
        """Whether a metadata transaction is open: its records are in the log, but not yet in the image."""
        return self._replay.transaction is not None

    @property
    def kraft_version(self) -> int:
        """1 where the quorum's voters stand in the log, 0 where they stand in the configuration."""
        return self._replay.kraft_version

    @property
    def voter_directory_id(self) -> Uuid:
        """The directory under whose id this node is a voter; zero in a quorum of the static kind."""
        voters = self._replay.voters
        return Uuid.ZERO if voters is None else voters.voters[0].voter_directory_id

    def add_listener(self, listener: Listener) -> None:
        """`listener` is called with the records of each change, after the image has them."""
        self._listeners.append(listener)

    def add_publisher(self, prepare: Steps, publish: Steps) -> None:
        """`prepare` is called with the records of each change that has been committed, before the image has them,
        `publish` after the listeners; both work in steps, between which other things happen."""
        self._preparations.append(prepare)
        self._consequences.append(publish)

    # --- starting and stopping ---

    def start(self, node: NodeRegistration, controller_listeners: Sequence[Endpoint]) -> None:
        """Begins a new raft epoch as its leader, and registers this broker, unfenced and leading all that it may lead.

        The broker is in the metadata with these listeners from here on, so they should be open. Where there is no room
        for all that, it is in the image alone and `is_held_back` until `write_held_back`; nothing else can be changed
        before. Raises OSError, KafkaError where the features of the cluster are not supported.
        """
        self._is_starting = True
        self.leader_epoch = self._election.win(self._replay, self._now_ms())
        self.last_applied_offset = self.log.end_offset - 1
        self._append(self._activation_records(), sync=False)
        controller = node._replace(listeners=controller_listeners)
        registration = register_controller(self.image, controller)
        registration += register_broker(self.image, node, self.log.end_offset + len(registration))
        self._append(registration, sync=False)
        self.broker_epoch = self.image.cluster.brokers[self.node_id].epoch
        self._append(unfence_broker(self.image, self.node_id), sync=False)
        self._is_starting = False
        if not self.is_held_back:
            self._sync()
        self._maybe_snapshot()  # each start adds a record for each partition, and may be all that happens

    @property
    def is_held_back(self) -> bool:
        """Whether the start could not be recorded yet for want of room."""
        return self.log.is_holding_back

    def write_held_back(self) -> None:
        """Records the start. Raises OSError where there still is no room, and may be called again."""
        self._election.write_held_back()
        self.log.write_held_back(self._now_ms())
        self._sync()
        self._maybe_snapshot()

    def stop(self) -> None:
        """Writes what a controlled shutdown leaves: partitions without leaders that this broker may lead again, and a
        fenced broker. The next start, this broker's or Apache Kafka's, waits for no session to expire."""
        self._commits.drain()
        self._snapshots.finish()
        if self.is_held_back:
            self.write_held_back()
        if self.broker_epoch >= 0 and self.image.cluster.is_active(self.node_id):
            self._append(enter_controlled_shutdown(self.image, self.node_id), sync=False)
            self._append(fence_broker(self.image, self.node_id), sync=False)
            self._sync()

    def close(self) -> None:
        """Lets go of the files."""
        self._snapshots.finish()
        self._commits.close()
        self.log.close()

    def _activation_records(self) -> list[MetadataRecord]:
        is_log_empty = self.image.features.metadata_version is None
        return activation_records(
            read_bootstrap_records(self._filesystem, self._log_directory, self.log) if is_log_empty else (),
            is_log_empty=is_log_empty,
            is_in_transaction=self.is_in_transaction,
            min_insync_replicas=self._settings.min_insync_replicas,
        )

    # --- writing ---

    def commit(self, records: Sequence[MetadataRecord], answer: Callable[[KafkaError | None], T]) -> T | Awaitable[T]:
        """Makes a change durable, then visible, while the loop goes on; what `answer` gives is what is returned then.

        All or nothing, as `append`. `answer` is called with the error where the change could not be written. A change
        of nothing is over when those before it are, which it may have gone by (`written_image`).
        """
        if not self._can_wait():
            try:
                self.append(records)
            except KafkaError as error:
                return answer(error)
            return answer(None)
        try:
            self._write_change(records)
        except OSError as error:
            return answer(_storage_error(error))
        if not records and not self._commits:
            return answer(None)
        committed: asyncio.Future[KafkaError | None] = asyncio.get_running_loop().create_future()
        self._commits.add(WrittenChange(records, self.log.end_offset, committed))
        return _answer_when(committed, answer)

    def submit(self, records: Sequence[MetadataRecord]) -> None:
        """As `commit`, for whoever does not wait for it; may be called while a change is carried out."""
        if not self._can_wait():
            self.append(records)
        elif records:
            try:
                self._write_change(records)
            except OSError as error:
                raise _storage_error(error) from error
            self._commits.add(WrittenChange(records, self.log.end_offset))

    def append(self, records: Sequence[MetadataRecord]) -> int:
        """Makes a change durable, then visible, at once; returns the offset of its last record.

        All or nothing: one batch, or where that would be too large several within one metadata transaction. Raises
        KafkaError(KAFKA_STORAGE_ERROR) when it cannot be written; the image is unchanged then. Where it is not known
        what the disk holds (a sync that failed) nothing more can be written before the next start.
        """
        if records:
            self._append(records, sync=True)
            self._maybe_snapshot()
        return self.last_applied_offset

    def _can_wait(self) -> bool:
        """Whether there is something to wait for, and a loop that goes on meanwhile."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return self._settings.is_synced

    def settle(self) -> None:
        """Returns when all that has been written is committed and visible, or has failed."""
        self._commits.drain()

    def _append(self, records: Sequence[MetadataRecord], *, sync: bool) -> None:
        if not records:
            return
        self._commits.drain()
        try:
            self._write_change(records)
            if sync:
                self._sync()
        except OSError as error:
            raise _storage_error(error) from error
        for _ in self._carry_out(WrittenChange(records, self.log.end_offset)):
            pass

    def _carry_out(self, change: WrittenChange) -> Iterator[None]:
        """A change that is committed becomes visible, with what it needs beforehand and what follows from it."""
        for prepare in self._preparations:
            yield from prepare(change.records)
        visible: list[MetadataRecord] = []
        for record in change.records:
            visible += self._replay.replay(record)
        change.is_visible = True
        self.last_applied_offset = change.end_offset - 1
        for listener in self._listeners:
            listener(visible)
        for publish in self._consequences:
            yield from publish(visible)
        if change.committed is not None:
            self._maybe_snapshot()

    def _write_change(self, records: Sequence[MetadataRecord]) -> None:
        if not records:
            return
        if self._failure is not None:
            raise self._failure
        if self.is_held_back and not self._is_starting:
            raise OSError(errno.ENOSPC, "there is no room to record the broker's start")
        append = self.log.append_or_hold_back if self._is_starting else self.log.append
        now_ms = self._now_ms()
        start_offset = self.log.end_offset
        try:
            for frames in self._to_batches(records):
                batch = build_metadata_batch(
                    frames, base_offset=self.log.end_offset, leader_epoch=self.leader_epoch, now_ms=now_ms
                )
                append(batch, read_header(batch), now_ms=now_ms)
                self._snapshots.bytes_since_snapshot += len(batch)
        except OSError as error:
            if self.log.end_offset != start_offset:
                self._give_up(error)
            self.on_failure(error, False)
            raise
        if self._written_image is not None:
            for record in records:
                self._written_image.replay(record)

    def _to_batches(self, records: Sequence[MetadataRecord]) -> list[list[bytes]]:
        """What goes into one batch, or where that would be too large into several within one metadata transaction."""
        image = self.written_image
        batches = list(split_frames(frame_records(records, image.features.metadata_version)))
        if (
            len(batches) > 1
            and not self.is_in_transaction
            and versions.are_transactions_supported(image.features.metadata_version_or_raise())
        ):
            batches[0].insert(0, BeginTransactionRecord().to_frame(0))
            batches[-1].append(EndTransactionRecord().to_frame(0))
        return batches

    def _sync(self) -> None:
        if self._settings.is_synced:
            try:
                self.log.sync()
            except OSError as error:
                self._note_failed_sync(error)
                raise

    def _note_failed_sync(self, error: OSError) -> KafkaError:
        self._give_up(error)
        self.on_failure(error, True)
        return _storage_error(error)

    def _give_up(self, error: OSError) -> None:
        """Nobody knows what the disk holds."""
        _logger.error("The metadata log takes no more changes until the next start: %s", error)
        self._failure = error
        self._written_image = None

    # --- snapshots ---

    def _maybe_snapshot(self) -> None:
        if self._snapshots.is_due_by_size:
            try:
                self._take_snapshot()
            except OSError as error:  # the change itself is safe in the log
                _logger.error("No snapshot of the metadata could be written, the next change tries again: %s", error)

    def run_periodic_tasks(self) -> None:
        """Takes a snapshot when the last one is old, and removes what newer snapshots have made superfluous."""
        if self._snapshots.is_due_by_time:
            self._take_snapshot()
        self._snapshots.clean()

    def _take_snapshot(self) -> None:
        if not self._can_wait():
            self.write_snapshot()
            return
        source = self._snapshot_source()
        if source is not None:
            self._snapshots.begin(source._replace(image=self.image.copy()))

    def write_snapshot(self) -> SnapshotId | None:
        """Writes what the image holds beside the log; None while a transaction is open or where nothing has changed."""
        self._snapshots.finish()
        source = self._snapshot_source()
        if source is None:
            return None
        self._snapshots.write(source)
        return source.snapshot_id

    def _snapshot_source(self) -> SnapshotSource | None:
        snapshot_id = SnapshotId(self.last_applied_offset + 1, self.log.last_epoch)
        if self.is_in_transaction or self.is_held_back or snapshot_id in self.log.snapshots:
            return None
        return SnapshotSource(
            snapshot_id,
            self.image,
            self._replay.kraft_version,
            self._replay.voters,
            self.log.last_timestamp,
            self._now_ms(),
        )


def _storage_error(error: OSError) -> KafkaError:
    return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The metadata log cannot be written: {error.strerror or error}")


def answer_or_raise(response: T) -> Callable[[KafkaError | None], T]:
    """For `MetadataStore.commit`: the response where the change is committed; else its error is raised."""

    def answer(error: KafkaError | None) -> T:
        if error is not None:
            raise error
        return response

    return answer


async def _answer_when(committed: Awaitable[KafkaError | None], answer: Callable[[KafkaError | None], T]) -> T:
    return answer(await committed)
