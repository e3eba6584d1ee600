"""The broker: its configuration, time, files, metadata, logs and what waits, put together; no sockets and no APIs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from kafkalite.broker.batch_validator import BatchValidator
from kafkalite.broker.clock import Clock, Timer
from kafkalite.broker.fetch_sessions import FetchSessionCache
from kafkalite.broker.load_progress import LoadProgress
from kafkalite.broker.log_appender import LogAppender
from kafkalite.broker.log_dir_failure_handler import LogDirFailureHandler
from kafkalite.broker.log_flusher import LogFlusher
from kafkalite.broker.metadata_publisher import MetadataPublisher
from kafkalite.broker.metadata_store import MetadataLogSettings, MetadataStore
from kafkalite.broker.node_directories import NodeDirectories
from kafkalite.broker.producer_ids import ProducerIdBlocks, ProducerIds
from kafkalite.broker.purgatory import Purgatory
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.repeated_produce import KnownRequests
from kafkalite.broker.replica_alter_log_dirs import ReplicaAlterLogDirs
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import (
    GROUP_METADATA_TOPIC,
    SHARE_GROUP_STATE_TOPIC,
    TRANSACTION_STATE_TOPIC,
    TopicPartition,
    Uuid,
)
from kafkalite.metadata.cluster_control import NodeRegistration
from kafkalite.metadata.cluster_image import Endpoint
from kafkalite.metadata.partition_elections import assign_directories, changes_after_unfencing
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_checkpoints import CheckpointWrite
from kafkalite.storage.log_directory import LogDirectory, LogDirectoryError
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog

if TYPE_CHECKING:
    from kafkalite.broker.client_metrics_manager import ClientMetricsManager
    from kafkalite.broker.group_coordinator import GroupCoordinator
    from kafkalite.broker.share_coordinator import ShareCoordinator
    from kafkalite.broker.share_groups import ShareGroups
    from kafkalite.broker.share_partitions import SharePartitions
    from kafkalite.broker.streams_groups import StreamsGroups
    from kafkalite.broker.transaction_coordinator import TransactionCoordinator

logger = logging.getLogger("kafkalite.broker")

ROOM_CHECK_INTERVAL_MS: Final = 1_000
DEFAULT_CONTROLLER_PORT: Final = 9093
"""Where Apache Kafka's stock configuration has its controller. Nothing listens there: it stands in the metadata."""


class Coordinator(Protocol):
    """What the broker tells those that work for it."""

    def start(self) -> None:
        """The metadata is known, and the logs are served."""

    def resign_offline(self) -> None:
        """Some log directories have failed: what lies in them is let go of."""

    def close(self) -> None:
        """The broker stops."""


C = TypeVar("C", bound=Coordinator)


class Broker:
    """What handlers work on. `open`, `load_logs`, `start`, `begin_shutdown` and `close` are its life, in this order.

    Everything in it belongs to the event loop's thread. `load_logs` alone may run in another one: as long as
    `is_loading`, handlers go by the metadata and find no logs.
    """

    def __init__(self, config: BrokerConfig, *, clock: Clock, filesystem: FileSystem) -> None:
        self.config = config
        self.clock = clock
        self.filesystem = filesystem
        self.node_id: int = config.node_id
        self.cluster_id = ""
        self.is_shutting_down = False
        self.is_loading = True
        """Whether the logs are still being loaded: nothing is led yet, and the metadata cannot be changed."""
        self._loaded = asyncio.Event()
        self._recording: Timer | None = None
        self._has_loaded_logs = False
        self.impossible_topics: set[str] = set()
        """Internal topics that could not be made, and of which the log says why."""
        self.metadata: MetadataStore
        self.producer_ids: ProducerIds
        self.logs: LogManager
        self.log_appender = LogAppender()
        self.batch_validator = BatchValidator()
        self.log_flusher = LogFlusher(clock.now_ms)
        self.fetch_purgatory = Purgatory(clock)
        self.fetch_sessions = FetchSessionCache(config.max_incremental_fetch_session_cache_slots, _random_session_id)
        self.known_produce_requests: defaultdict[int, KnownRequests] = defaultdict(KnownRequests)
        """By version."""
        self._coordinators: list[Coordinator] = []
        self.advertised_listeners: dict[str, tuple[str, int]] = {
            endpoint.listener_name: (endpoint.host, endpoint.port) for endpoint in config.advertised_endpoints or ()
        }
        """Listener name -> the address that clients are told; a listener that is missing tells each client its own."""
        self.on_fatal_failure: Callable[[str], None] | None = None
        """Told why the broker cannot go on; whoever runs it stops it."""

    # --- life ---------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Locks the data directory, formatting it where it is new, and reads the metadata.

        Raises LogDirectoryError, MetaPropertiesError, MetadataLogError, FormatError or OSError, each with a line for
        whoever started the broker.
        """
        config = self.config
        log_dirs = [self.filesystem.absolute_path(path) for path in config.log_dirs]
        self.logs = LogManager(
            self.filesystem,
            log_dirs,
            producer_id_expiration_ms=config.producer_id_expiration_ms,
            is_transaction_verification_enabled=config.transaction_partition_verification_enable,
        )
        metadata_log_dir = self.filesystem.absolute_path(config.metadata_log_dir)
        self._directories = NodeDirectories(self.filesystem, self.logs.directories, metadata_log_dir)
        self._directories.open()
        self.cluster_id = self._directories.format_new(self.node_id, self.controller_listeners(), self.clock.now_ms())
        self._previous_broker_epoch = self.logs.directories.clean_shutdown_broker_epoch()
        self.metadata = MetadataStore(
            self.filesystem,
            metadata_log_dir,
            self.node_id,
            now_ms=self.clock.now_ms,
            settings=self._metadata_settings(),
        )
        blocks = ProducerIdBlocks(self.metadata, self.node_id)
        self.producer_ids = ProducerIds(blocks.reserve, blocks.request)
        self._publisher = MetadataPublisher(
            self.metadata.image,
            config,
            self.logs,
            now_ms=self.clock.now_ms,
            steady_ms=self.clock.steady_ms,
            on_append=lambda log: self.fetch_purgatory.notify(log.topic_partition),
            on_delete=self.fetch_purgatory.notify,
            on_placed=self._note_directories,
        )
        self._publisher.update_broker_config()

    def load_logs(self) -> None:
        """Reads the logs, recovering those that were not left cleanly; none is served before `start`.

        Raises LogDirectoryError, and LoadingInterruptedError after `interrupt_loading`.
        """
        progress = LoadProgress(self.clock.steady_ms)
        self.logs.read_logs(
            self._publisher.topic_config,
            now_ms=self.clock.now_ms(),
            is_stray=lambda topic_partition, topic_id, _: self._is_stray(topic_partition, topic_id),
            is_assigned=self._is_assigned,
            removed_topics=self.metadata.removed_topics,
            on_progress=progress.note_loaded,
            on_recovery=progress.note_recovered,
        )

    def interrupt_loading(self) -> None:
        """Has `load_logs` end soon, which is under way in another thread."""
        self.logs.interrupt_loading()

    async def wait_for_logs(self) -> None:
        """Returns when requests of any kind can be handled."""
        await self._loaded.wait()

    def start(self, listeners: Sequence[Endpoint]) -> None:
        """Takes office: a new leader epoch for all partitions, and `listeners` as this broker's addresses.

        Raises LogDirectoryError where too much has failed while the logs were loaded, OSError, KafkaError.
        """
        self.logs.put_into_service()
        self._has_loaded_logs = True
        self._watch_directories()
        self.metadata.start(
            NodeRegistration(
                self.node_id,
                random_uuid(),
                listeners,
                [
                    directory.directory_id
                    for directory in self.logs.directories.online()
                    if directory.directory_id is not None
                ],
                self.config.broker_rack,
                -1 if self._previous_broker_epoch is None else self._previous_broker_epoch,
            ),
            [Endpoint(name, host, port, 0) for name, host, port in self.controller_listeners()],
        )
        if self.metadata.is_held_back:
            self.logs.context.is_read_only = True
            logger.error("There is no room on the disk to record this start: nothing can be written before there is")
            self._publisher.publish_all()
            self._recording = self.clock.call_later(ROOM_CHECK_INTERVAL_MS, self._record_start)
        else:
            self._bring_logs_in_step()
        self._publisher.attach(self.metadata)
        self.replica_alter_log_dirs = ReplicaAlterLogDirs(self.logs, self.clock, self._publisher.publish_moved)
        self._make_coordinators()
        for coordinator in self._coordinators:
            coordinator.start()
        self.replica_alter_log_dirs.start()
        self.is_loading = False
        self._loaded.set()

    def _bring_logs_in_step(self) -> None:
        """Raises KafkaError."""
        self._publisher.publish_all()
        # Logs that were found in another directory than they were in, which is no more, can have a leader now.
        self.metadata.append(list(changes_after_unfencing(self.metadata.image, self.node_id)))

    def _record_start(self) -> None:
        """Looks whether there is room for what a start writes: only then may anything else be written."""
        self._recording = None
        try:
            self.metadata.write_held_back()
            self.logs.context.is_read_only = False
            self._bring_logs_in_step()
        except (OSError, KafkaError):  # a sync that fails is reported by the store, and ends the broker
            self._recording = self.clock.call_later(ROOM_CHECK_INTERVAL_MS, self._record_start)
        else:
            logger.info("There is room again: this start is recorded, and everything can be written")

    def _watch_directories(self) -> None:
        metadata_log_dir = self.filesystem.absolute_path(self.config.metadata_log_dir)
        self.log_dir_failures = LogDirFailureHandler(
            self.logs,
            self.metadata,
            metadata_log_dir,
            self.clock,
            timeout_ms=self.config.values["log.dir.failure.timeout.ms"],
            resigning=self._coordinators,
            on_offline=self.fetch_purgatory.notify,
            on_fatal=self._end,
        )
        self.logs.on_directory_failure = self.log_dir_failures.on_failure
        self.metadata.on_failure = self.log_dir_failures.on_metadata_failure
        reason = self.log_dir_failures.reason_to_end()
        if reason is not None:
            raise LogDirectoryError(reason[:1].upper() + reason[1:])

    def begin_shutdown(self) -> None:
        """From here on nothing new begins; what waits for data is answered with what there is."""
        self.is_shutting_down = True
        if self._recording is not None:
            self._recording.cancel()
        self.log_dir_failures.close()
        self.fetch_purgatory.complete_all()
        self.replica_alter_log_dirs.close()
        for coordinator in self._coordinators:
            coordinator.close()

    def close(self) -> None:
        """Leaves a cleanly shut down data directory behind. Does nothing the second time.

        Raises KafkaError or OSError where the metadata log could not be left as a clean stop leaves it (its disk is
        full, say); the logs have been closed then all the same.
        """
        self.batch_validator.close()
        self.log_appender.close()
        self.log_flusher.close()
        if not hasattr(self, "logs"):
            return
        broker_epoch = -1
        try:
            if hasattr(self, "metadata"):
                broker_epoch = self.metadata.broker_epoch
                try:
                    if broker_epoch >= 0:
                        self.metadata.stop()
                finally:
                    self.metadata.close()
        finally:
            self._directories.release_metadata_lock()
            if self._has_loaded_logs:
                self.logs.close(now_ms=self.clock.now_ms(), broker_epoch=broker_epoch)
            else:  # a start that failed early must not pass for a clean end, nor replace checkpoints by empty ones
                self.logs.abandon_loading()

    # --- what many a broker is never asked for: half of its code, which is loaded when it is needed -------------------

    @cached_property
    def group_coordinator(self) -> GroupCoordinator:
        from kafkalite.broker.group_coordinator import GroupCoordinator

        return self._appoint(GroupCoordinator(self))

    @cached_property
    def transaction_coordinator(self) -> TransactionCoordinator:
        from kafkalite.broker.transaction_coordinator import TransactionCoordinator

        return self._appoint(TransactionCoordinator(self))

    @cached_property
    def share_coordinator(self) -> ShareCoordinator:
        from kafkalite.broker.share_coordinator import ShareCoordinator

        return self._appoint(ShareCoordinator(self))

    @cached_property
    def share_groups(self) -> ShareGroups:
        from kafkalite.broker.share_groups import ShareGroups

        return ShareGroups(self)

    @cached_property
    def share_partitions(self) -> SharePartitions:
        from kafkalite.broker.share_partitions import SharePartitions

        return self._appoint(SharePartitions(self))

    @cached_property
    def streams_groups(self) -> StreamsGroups:
        from kafkalite.broker.streams_groups import StreamsGroups

        return StreamsGroups(self)

    @cached_property
    def client_metrics(self) -> ClientMetricsManager:
        from kafkalite.broker.client_metrics_manager import ClientMetricsManager

        return ClientMetricsManager(lambda: self.metadata.image.configs)

    def _make_coordinators(self) -> None:
        """At the start, those that have state to load; the others are made when somebody asks for them."""
        by_name = self.metadata.image.topics.by_name
        if GROUP_METADATA_TOPIC in by_name:
            _ = self.group_coordinator
        if TRANSACTION_STATE_TOPIC in by_name:
            _ = self.transaction_coordinator
        if SHARE_GROUP_STATE_TOPIC in by_name:
            _ = self.share_coordinator

    def _appoint(self, coordinator: C) -> C:
        self._coordinators.append(coordinator)
        if self.is_shutting_down:
            coordinator.close()
        elif not self.is_loading:
            coordinator.start()
        return coordinator

    # --- what handlers ask --------------------------------------------------------------------------------------------

    def leader_log(self, topic: str, partition: int) -> PartitionLog:
        """A partition's log; raises UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR where its disk has failed, or
        NOT_LEADER_OR_FOLLOWER while logs are being loaded."""
        # A tuple equals the TopicPartition of the same content, and is made in a fifth of the time.
        log: PartitionLog | None = self.logs.get((topic, partition))  # type: ignore[call-overload]
        if log is not None:
            return log
        if self.metadata.image.topics.partition(TopicPartition(topic, partition)) is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if self.is_loading:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"Partition {topic}-{partition} is in an offline log directory")

    def checkpoint_log_starts(self) -> Awaitable[None] | None:
        """Puts on the disk where logs begin after DeleteRecords; None where it is there already.

        A file that cannot be written is reported as any failure of its log directory, and leaves the others alone.
        """
        writes = self.logs.checkpoints.prepare_start_offsets()
        if not writes:
            return None
        if self.filesystem.is_durable:
            return self._checkpoint(writes)
        self.logs.checkpoints.write_now(writes)
        return None

    async def _checkpoint(self, writes: list[CheckpointWrite]) -> None:
        for write, error in zip(writes, await self.log_flusher.write_checkpoints(writes), strict=True):
            if error is not None:
                self.logs.checkpoints.note_failure(write, error)

    def _end(self, reason: str) -> None:
        logger.critical("The broker ends because %s", reason)
        if self.on_fatal_failure is not None:
            self.on_fatal_failure(reason)

    # --- details ------------------------------------------------------------------------------------------------------

    def controller_listeners(self) -> list[tuple[str, str, int]]:
        """Name, host and port of each controller listener, as they stand in the metadata."""
        found = [(e.listener_name, e.host or "localhost", e.port) for e in self.config.controller_endpoints]
        return found or [(self.config.controller_listener_names[0], "localhost", DEFAULT_CONTROLLER_PORT)]

    def _metadata_settings(self) -> MetadataLogSettings:
        config = self.config
        return MetadataLogSettings(
            segment_bytes=config.metadata_log_segment_bytes,
            segment_ms=config.metadata_log_segment_ms,
            max_record_bytes_between_snapshots=config.metadata_log_max_record_bytes_between_snapshots,
            max_snapshot_interval_ms=config.metadata_log_max_snapshot_interval_ms,
            max_retention_bytes=config.metadata_max_retention_bytes,
            max_retention_ms=config.metadata_max_retention_ms,
            min_insync_replicas=config.min_insync_replicas,
            is_synced=self.filesystem.is_durable,
        )

    def _is_stray(self, topic_partition: TopicPartition, topic_id: Uuid | None) -> bool:
        topics = self.metadata.image.topics
        return topics.partition(topic_partition) is None or (
            topic_id is not None and topics.topic_id(topic_partition.topic) != topic_id
        )

    def _is_assigned(self, topic_partition: TopicPartition, directory: LogDirectory) -> bool:
        partition = self.metadata.image.topics.partition(topic_partition)
        return (
            partition is not None
            and self.node_id in partition.replicas
            and partition.directory(self.node_id) == directory.directory_id
        )

    def _note_directories(self, placed: dict[TopicPartition, Uuid]) -> None:
        """With several log directories the metadata learns here which one a new partition lies in."""
        if self.metadata.is_held_back:  # they are asked for again (`_record_start`)
            return
        self.metadata.submit(assign_directories(self.metadata.written_image, self.node_id, placed))


def _random_session_id() -> int:
    """From 1 to 2^31 - 1."""
    return int.from_bytes(os.urandom(4)) >> 1 or 1


def check_leader_epoch(log: PartitionLog, current_leader_epoch: int) -> None:
    """Whether a client that names a leader epoch means the current one; raises FENCED_ or UNKNOWN_LEADER_EPOCH."""
    if current_leader_epoch != -1 and current_leader_epoch != log.leader_epoch:
        raise KafkaError(
            ErrorCode.FENCED_LEADER_EPOCH if current_leader_epoch < log.leader_epoch else ErrorCode.UNKNOWN_LEADER_EPOCH
        )
