"""Checking whole data directories offline: each log directory by itself, and all of them against the metadata."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from kafkalite.broker.metadata_log import DIRECTORY_NAME, MetadataLog
from kafkalite.broker.metadata_snapshot import BOOTSTRAP_CHECKPOINT_FILE, read_snapshot
from kafkalite.broker.metadata_verification import MetadataLogVerification
from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.metadata.partition_registration import PartitionRegistration, is_reserved_directory
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.storage.checkpoint_files import CorruptCheckpointError, read_offset_checkpoint
from kafkalite.storage.file_names import LOCK_FILE, META_PROPERTIES_FILE, PARTITION_METADATA_FILE
from kafkalite.storage.filesystem import FileSystem, remove_if_exists
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.storage.verification.finding import Finding, Remedy, Report, Severity
from kafkalite.storage.verification.log_directory_verification import VerifiedLogDirectory, log_size
from kafkalite.storage.verification.partition_verification import VerifiedLog
from kafkalite.storage.verification.repair import needs_repair, repair_log

_logger = logging.getLogger(__name__)

_READ_ONLY: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def locked(filesystem: FileSystem, paths: Sequence[str], *, is_written: bool) -> Iterator[None]:
    """Keeps brokers away from the directories meanwhile. Raises LogDirectoryError where one is in use or unusable.

    Directories that cannot be written are read without a lock.
    """
    locks = []
    try:
        for path in paths:
            if not filesystem.is_directory(path):
                raise LogDirectoryError(f"{path} is no directory")
            try:
                lock = filesystem.lock(f"{path}/{LOCK_FILE}")
            except OSError as error:
                if is_written or error.errno not in _READ_ONLY:
                    raise LogDirectoryError(f"Cannot lock {path}: {error.strerror}") from error
                continue
            if lock is None:
                raise LogDirectoryError(f"{path} is in use: a broker holds its {LOCK_FILE} file")
            locks.append(lock)
        yield
    finally:
        for lock in locks:
            lock.release()


class DataDirectoryVerification:
    """All of a node's log directories; `verify` reads them, `repair` mends what that has found."""

    def __init__(self, filesystem: FileSystem, paths: Sequence[str], report: Report, *, is_deep: bool = False) -> None:
        """Reads the directories' small files. Raises OSError."""
        self._filesystem = filesystem
        self._report = report
        self._is_deep = is_deep
        self.directories = [VerifiedLogDirectory(filesystem, path, report) for path in paths]
        self.metadata: MetadataLogVerification | None = None
        self._metadata_log: VerifiedLog | None = None

    def size(self) -> int:
        """Bytes in all segments. Raises OSError."""
        metadata = (f"{directory.path}/{DIRECTORY_NAME}" for directory in self.directories)
        return sum(directory.size() for directory in self.directories) + sum(
            log_size(self._filesystem, path) for path in metadata if self._filesystem.is_directory(path)
        )

    # --- reading ---

    def verify(self) -> None:
        """Reads everything; the findings go to the report. Raises OSError."""
        self._check_meta_properties()
        self._verify_metadata()
        for directory in self.directories:
            directory.verify_logs(is_compacted=self._is_compacted, is_deep=self._is_deep)
        self._check_duplicates()
        if self.metadata is not None and self.metadata.is_image_complete:
            for directory in self.directories:
                self._check_partitions(directory)
            self._check_missing()

    def _note(self, severity: Severity, path: str, message: str, remedy: Remedy = Remedy.NONE) -> None:
        self._report.add(Finding(severity, path, message, remedy=remedy))

    def _check_meta_properties(self) -> None:
        known = [(directory, directory.meta_properties) for directory in self.directories]
        first = next((properties for _, properties in known if properties is not None), None)
        seen: dict[Uuid, str] = {}
        for directory, properties in known:
            if properties is None or first is None:
                continue
            path = f"{directory.path}/{META_PROPERTIES_FILE}"
            if properties.cluster_id != first.cluster_id:
                self._note(Severity.DAMAGED, path, f"cluster.id {properties.cluster_id} is not {first.cluster_id}")
            if properties.node_id != first.node_id:
                self._note(Severity.DAMAGED, path, f"node.id {properties.node_id} is not {first.node_id}")
            directory_id = properties.directory_id
            if directory_id is not None:
                if directory_id in seen:
                    self._note(Severity.DAMAGED, path, f"{seen[directory_id]} has directory.id {directory_id} too")
                seen[directory_id] = directory.path
        self.node_id = 1 if first is None or first.node_id is None else first.node_id

    def _verify_metadata(self) -> None:
        homes = [d for d in self.directories if self._filesystem.is_directory(f"{d.path}/{DIRECTORY_NAME}")]
        for directory in self.directories:
            path = f"{directory.path}/{BOOTSTRAP_CHECKPOINT_FILE}"
            if self._filesystem.exists(path):
                try:
                    read_snapshot(self._filesystem, path)
                except (KafkaError, ProtocolError, ValueError) as error:
                    self._note(Severity.DAMAGED, path, f"it cannot be read: {error}")
        if not homes:
            self._note(
                Severity.NOTE,
                self.directories[0].path,
                f"there is no {DIRECTORY_NAME} in these directories, so nothing is held against the metadata",
            )
            return
        for other in homes[1:]:
            self._note(Severity.DAMAGED, f"{other.path}/{DIRECTORY_NAME}", f"{homes[0].path} has a metadata log too")
        home = homes[0]
        self.metadata = MetadataLogVerification(
            self._filesystem,
            f"{home.path}/{DIRECTORY_NAME}",
            self._report,
            had_clean_shutdown=home.had_clean_shutdown,
            is_deep=self._is_deep,
        )
        self._metadata_log = self.metadata.verify()
        self._check_voters(home)

    def _check_voters(self, home: VerifiedLogDirectory) -> None:
        assert self.metadata is not None
        voters = self.metadata.replay.voters
        own_id = None if home.meta_properties is None else home.meta_properties.directory_id
        if voters is None or own_id is None:
            return
        for voter in voters.voters:
            if voter.voter_id == self.node_id and voter.voter_directory_id != own_id:
                self._note(
                    Severity.DAMAGED,
                    f"{home.path}/{META_PROPERTIES_FILE}",
                    f"directory.id is {own_id}, but node {self.node_id} is a voter of the quorum with directory "
                    f"{voter.voter_directory_id}",
                )

    def topic_config(self, topic: str) -> TopicConfig:
        """A topic's configuration as far as the metadata have it."""
        if self.metadata is None:
            return TopicConfig()
        return TopicConfig.of_stored(self.metadata.replay.image.configs.topic_configs(topic))[0]

    def _is_compacted(self, topic: str) -> bool:
        return self.topic_config(topic).is_compacted

    # --- directories and metadata ---

    def _check_duplicates(self) -> None:
        seen: dict[TopicPartition, str] = {}
        for directory in self.directories:
            for topic_partition in directory.logs:
                if topic_partition in seen:
                    self._note(
                        Severity.DAMAGED,
                        f"{directory.path}/{topic_partition}",
                        f"{seen[topic_partition]} has this log too, and Apache Kafka does not start with both",
                    )
                seen[topic_partition] = directory.path

    def _check_partitions(self, directory: VerifiedLogDirectory) -> None:
        assert self.metadata is not None
        topics = self.metadata.replay.image.topics
        for topic_partition, log in directory.logs.items():
            path = f"{directory.path}/{topic_partition}"
            topic_id = directory.topic_ids[topic_partition]
            partition = topics.partition(topic_partition)
            expected_id = topics.topic_id(topic_partition.topic)
            if topic_id is not None and topic_id in self.metadata.removed_topics:
                severity = Severity.DAMAGED if directory.had_clean_shutdown else Severity.RECOVERABLE
                self._note(severity, path, "its topic was deleted; the next start removes the log")
            elif topic_id is not None and expected_id is not None and topic_id != expected_id:
                self._note(
                    Severity.DAMAGED,
                    f"{path}/{PARTITION_METADATA_FILE}",
                    f"topic id {topic_id} is not {expected_id}, which {topic_partition.topic} has in the metadata: the "
                    "next start sets the log aside as stray and begins an empty one",
                )
            elif partition is None or self.node_id not in partition.replicas:
                self._note(
                    Severity.DAMAGED,
                    path,
                    f"the metadata know no replica of it on node {self.node_id}: the next start sets it aside as stray",
                )
            else:
                self._check_assignment(directory, path, partition, log)

    def _check_assignment(
        self, directory: VerifiedLogDirectory, path: str, partition: PartitionRegistration, log: VerifiedLog
    ) -> None:
        own_id = None if directory.meta_properties is None else directory.meta_properties.directory_id
        assigned = partition.directories[partition.replicas.index(self.node_id)]
        if own_id is not None and assigned != own_id and not is_reserved_directory(assigned):
            severity = Severity.DAMAGED if directory.had_clean_shutdown else Severity.RECOVERABLE
            message = f"the metadata have it in directory {assigned}, not {own_id}; the next start tells them"
            self._note(severity, path, message)
        if log.latest_epoch > partition.leader_epoch:
            self._note(
                Severity.DAMAGED,
                path,
                f"its batches have leader epoch {log.latest_epoch}, the metadata only {partition.leader_epoch}",
            )

    def _check_missing(self) -> None:
        """Partitions of this node that lie in none of the directories, though they should lie in one of these."""
        assert self.metadata is not None
        present = {topic_partition for directory in self.directories for topic_partition in directory.logs}
        own_ids = {d.meta_properties.directory_id: d for d in self.directories if d.meta_properties is not None}
        image = self.metadata.replay.image
        registration = image.cluster.brokers.get(self.node_id)
        registered = set() if registration is None else set(registration.directories)
        unseen = registered - own_ids.keys()
        if unseen:
            names = ", ".join(map(str, sorted(unseen, key=str)))
            self._note(
                Severity.NOTE, self.metadata.facts.directory, f"node {self.node_id} has other directories: {names}"
            )
        for topic in image.topics.by_name.values():
            for index, partition in topic.partitions.items():
                topic_partition = TopicPartition(topic.name, index)
                if topic_partition in present or self.node_id not in partition.replicas:
                    continue
                assigned = partition.directories[partition.replicas.index(self.node_id)]
                if assigned in unseen or (unseen and is_reserved_directory(assigned)):
                    continue
                home = own_ids.get(assigned, self.directories[0])
                is_new = not home.had_clean_shutdown and not home.has_recovery_point(topic_partition)
                self._note(
                    Severity.RECOVERABLE if is_new else Severity.DAMAGED,
                    f"{home.path}/{topic_partition}",
                    "the partition has no log; the next start makes an empty one",
                )

    # --- mending ---

    def repair(self, *, now_ms: int) -> list[str]:
        """Does for every log with findings what its recovery would; says what was done. Raises OSError, KafkaError."""
        done: list[str] = []
        if self._metadata_log is not None and needs_repair(self._metadata_log):
            done += self._repair_metadata_log(self._metadata_log, now_ms)
        for directory in self.directories:
            done += self._repair_checkpoints(directory)
            for topic_partition, log in directory.logs.items():
                if needs_repair(log):
                    config = self.topic_config(topic_partition.topic)
                    removed = repair_log(self._filesystem, log, config, now_ms=now_ms)
                    done += [f"made {path} again" for path in removed]
                    done.append(f"recovered {log.facts.directory}")
        return done

    def _repair_metadata_log(self, log: VerifiedLog, now_ms: int) -> list[str]:
        done = []
        for path in dict.fromkeys(finding.path for finding in log.findings if finding.remedy is Remedy.REBUILD):
            if remove_if_exists(self._filesystem, path):
                done.append(f"made {path} again")
        opened = MetadataLog(self._filesystem, log.facts.directory, now_ms=now_ms)
        opened.close()
        return [*done, f"recovered {log.facts.directory}"]

    def _repair_checkpoints(self, directory: VerifiedLogDirectory) -> list[str]:
        done = []
        for path in directory.damaged_checkpoints:
            try:
                read_offset_checkpoint(self._filesystem, path)
            except CorruptCheckpointError:
                remove_if_exists(self._filesystem, path)
                done.append(f"removed {path}: a broker goes on without it")
        return done
