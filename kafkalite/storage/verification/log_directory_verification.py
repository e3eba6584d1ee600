"""One of `log.dirs`: its meta.properties, its checkpoints and clean-shutdown file, and every log in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kafkalite.identifiers import CLUSTER_METADATA_TOPIC, TopicPartition, Uuid
from kafkalite.storage.checkpoint_files import CorruptCheckpointError, read_offset_checkpoint
from kafkalite.storage.clean_shutdown_file import read_clean_shutdown_broker_epoch
from kafkalite.storage.file_names import (
    CLEAN_SHUTDOWN_FILE,
    CLEANER_OFFSET_CHECKPOINT_FILE,
    LOG_START_OFFSET_CHECKPOINT_FILE,
    LOG_SUFFIX,
    META_PROPERTIES_FILE,
    PARTITION_METADATA_FILE,
    RECOVERY_POINT_CHECKPOINT_FILE,
    REPLICATION_OFFSET_CHECKPOINT_FILE,
    LogDirectoryName,
    parse_directory_name,
)
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.meta_properties import MetaProperties, MetaPropertiesError, read_meta_properties
from kafkalite.storage.partition_metadata import CorruptPartitionMetadataError, decode_partition_metadata
from kafkalite.storage.verification.finding import Finding, Remedy, Report, Severity
from kafkalite.storage.verification.partition_verification import PartitionFacts, PartitionVerification, VerifiedLog

_REMOTE_INDEX_CACHE: Final = "remote-log-index-cache"


class VerifiedLogDirectory:
    """A log directory as its small files describe it; `verify_logs` reads the logs."""

    def __init__(self, filesystem: FileSystem, path: str, report: Report) -> None:
        """Reads the small files. Raises OSError."""
        self._filesystem = filesystem
        self.path = path.rstrip("/") or "/"
        self._report = report
        self.damaged_checkpoints: list[str] = []
        self.meta_properties = self._read_meta_properties()
        self.had_clean_shutdown = self._read_clean_shutdown_file()
        self._recovery_points = self._read_checkpoint(RECOVERY_POINT_CHECKPOINT_FILE)
        self._start_offsets = self._read_checkpoint(LOG_START_OFFSET_CHECKPOINT_FILE) or {}
        self._cleaned = self._read_checkpoint(CLEANER_OFFSET_CHECKPOINT_FILE) or {}
        self._replicated = self._read_checkpoint(REPLICATION_OFFSET_CHECKPOINT_FILE) or {}
        if self._recovery_points is None:
            self.had_clean_shutdown = False  # as at a start: without recovery points everything is checked
        self.names = self._read_names()
        self.logs: dict[TopicPartition, VerifiedLog] = {}
        self._without_topic_id: set[TopicPartition] = set()
        self.topic_ids: dict[TopicPartition, Uuid | None] = {}
        for name in self.names:
            self.topic_ids[name.topic_partition] = self._read_topic_id(name)

    def has_recovery_point(self, topic_partition: TopicPartition) -> bool:
        """Whether the broker has had a log of this partition here."""
        return topic_partition in (self._recovery_points or {})

    def size(self) -> int:
        """Bytes in the segments of all logs. Raises OSError."""
        return sum(log_size(self._filesystem, f"{self.path}/{name.name}") for name in self.names)

    # --- the small files ---

    def _note(
        self,
        severity: Severity,
        name: str,
        message: str,
        *,
        offset: int | None = None,
        remedy: Remedy = Remedy.NONE,
    ) -> Finding:
        finding = Finding(severity, f"{self.path}/{name}" if name else self.path, message, offset=offset, remedy=remedy)
        self._report.add(finding)
        return finding

    def _read_meta_properties(self) -> MetaProperties | None:
        try:
            properties = read_meta_properties(self._filesystem, self.path)
        except MetaPropertiesError as error:
            self._note(Severity.DAMAGED, META_PROPERTIES_FILE, f"no broker starts with it: {error}")
            return None
        if properties is None:
            self._note(Severity.DAMAGED, META_PROPERTIES_FILE, "it is missing, and no broker starts without it")
        elif properties.directory_id is None:
            self._note(Severity.NOTE, META_PROPERTIES_FILE, "it has no directory.id; the next start adds one")
        return properties

    def _read_clean_shutdown_file(self) -> bool:
        if not self._filesystem.exists(f"{self.path}/{CLEAN_SHUTDOWN_FILE}"):
            self._note(Severity.NOTE, "", "its broker has not stopped cleanly: the next start checks the logs")
            return False
        if read_clean_shutdown_broker_epoch(self._filesystem, self.path) is None:
            self._note(Severity.NOTE, CLEAN_SHUTDOWN_FILE, "it names no broker epoch; it counts all the same")
        return True

    def _read_checkpoint(self, name: str) -> dict[TopicPartition, int] | None:
        """None for a file that is damaged."""
        try:
            return read_offset_checkpoint(self._filesystem, f"{self.path}/{name}")
        except CorruptCheckpointError as error:
            finding = self._note(Severity.DAMAGED, name, str(error), remedy=Remedy.REBUILD)
            self.damaged_checkpoints.append(finding.path)
            return None

    def _read_names(self) -> list[LogDirectoryName]:
        names = []
        for name in sorted(self._filesystem.list_directory(self.path)):
            if not self._filesystem.is_directory(f"{self.path}/{name}"):
                continue
            parsed = parse_directory_name(name)
            if parsed is None:
                if name != _REMOTE_INDEX_CACHE:
                    self._note(Severity.NOTE, name, "it is no log, and keeps Apache Kafka from starting")
            elif parsed.kind == "stray":
                self._note(Severity.NOTE, name, "a log that was set aside; no broker reads it")
            elif parsed.kind == "current" and parsed.topic_partition.topic != CLUSTER_METADATA_TOPIC:
                names.append(parsed)
        return names

    def _read_topic_id(self, name: LogDirectoryName) -> Uuid | None:
        path = f"{self.path}/{name.name}/{PARTITION_METADATA_FILE}"
        try:
            return decode_partition_metadata(path, self._filesystem.read_bytes(path))
        except CorruptPartitionMetadataError as error:
            self._note(
                Severity.DAMAGED, f"{name.name}/{PARTITION_METADATA_FILE}", f"Apache Kafka does not start: {error}"
            )
        except FileNotFoundError:
            self._without_topic_id.add(name.topic_partition)
        return None

    # --- the logs ---

    def verify_logs(
        self,
        *,
        is_compacted: Callable[[str], bool] = lambda topic: False,
        is_deep: bool = False,
        producer_id_expiration_ms: int | None = None,
    ) -> None:
        """Reads every log, and holds the checkpoints against them. Raises OSError."""
        for name in self.names:
            topic_partition = name.topic_partition
            facts = PartitionFacts(
                topic_partition,
                f"{self.path}/{name.name}",
                self.had_clean_shutdown,
                (self._recovery_points or {}).get(topic_partition),
                self._start_offsets.get(topic_partition, 0),
                is_compacted(topic_partition.topic) or topic_partition in self._cleaned,
                is_deep=is_deep,
            )
            if producer_id_expiration_ms is not None:
                facts.producer_id_expiration_ms = producer_id_expiration_ms
            self.verify_log(facts)

    def verify_log(self, facts: PartitionFacts) -> VerifiedLog:
        """Reads one log, and what the checkpoints say of it."""
        log = PartitionVerification(self._filesystem, facts, self._report).verify()
        self.logs[facts.topic_partition] = log
        if facts.topic_partition in self._without_topic_id:
            # Apache Kafka writes the file with the first record.
            is_new = not self.had_clean_shutdown and log.log_end_offset == 0
            self._note(
                Severity.RECOVERABLE if is_new else Severity.DAMAGED,
                f"{facts.topic_partition}/{PARTITION_METADATA_FILE}",
                "it is missing: Apache Kafka sets the log aside as stray, kafkalite writes it again",
            )
        self._check_checkpoints(log)
        return log

    def _check_checkpoints(self, log: VerifiedLog) -> None:
        topic_partition, end = log.facts.topic_partition, log.log_end_offset
        point = (self._recovery_points or {}).get(topic_partition, 0)
        if point > end:
            message = f"{topic_partition} was on the disk up to offset {point}, but its log ends at {end}"
            finding = self._note(
                Severity.DAMAGED, RECOVERY_POINT_CHECKPOINT_FILE, message, offset=point, remedy=Remedy.RECOVER
            )
            log.findings.append(finding)
        start = self._start_offsets.get(topic_partition, 0)
        if start > end:
            message = f"{topic_partition} begins at offset {start}, but its log ends at {end}: it would begin anew"
            self._note(Severity.DAMAGED, LOG_START_OFFSET_CHECKPOINT_FILE, message, offset=start)
        for name, offsets in (
            (CLEANER_OFFSET_CHECKPOINT_FILE, self._cleaned),
            (REPLICATION_OFFSET_CHECKPOINT_FILE, self._replicated),
        ):
            offset = offsets.get(topic_partition, 0)
            if offset > end:
                message = f"it has offset {offset} for {topic_partition}, whose log ends at {end}"
                self._note(Severity.RECOVERABLE, name, message, offset=offset)


def log_size(filesystem: FileSystem, directory: str) -> int:
    """Bytes in the segments of a log. Raises OSError."""
    return sum(entry.size for entry in filesystem.scan_directory(directory) if entry.name.endswith(LOG_SUFFIX))
