"""The names of files and directories of a log directory, as Apache Kafka gives them.

    <log.dir>/meta.properties, .lock, .kafka_cleanshutdown, <four checkpoint files>
    <log.dir>/<topic>-<partition>/00000000000000000042.log     a segment, named after its base offset (20 digits)
                                  00000000000000000042.index .timeindex .txnindex .snapshot
                                  leader-epoch-checkpoint, partition.metadata
    <log.dir>/<topic>-<partition>.<32 hex digits>-delete       a log that waits for its removal
    <log.dir>/<topic>-<partition>.<32 hex digits>-stray        a log that the metadata does not know
    <log.dir>/<topic>-<partition>.<32 hex digits>-future       a log that is moving to this directory

A file on its way out ends in `.deleted`; the log cleaner writes `.cleaned` and renames it to `.swap`, then to its name.
"""

from __future__ import annotations

import os
from typing import Final, Literal, NamedTuple

from kafkalite.identifiers import TopicPartition

META_PROPERTIES_FILE: Final = "meta.properties"
LOCK_FILE: Final = ".lock"
CLEAN_SHUTDOWN_FILE: Final = ".kafka_cleanshutdown"
RECOVERY_POINT_CHECKPOINT_FILE: Final = "recovery-point-offset-checkpoint"
LOG_START_OFFSET_CHECKPOINT_FILE: Final = "log-start-offset-checkpoint"
REPLICATION_OFFSET_CHECKPOINT_FILE: Final = "replication-offset-checkpoint"
CLEANER_OFFSET_CHECKPOINT_FILE: Final = "cleaner-offset-checkpoint"
LEADER_EPOCH_CHECKPOINT_FILE: Final = "leader-epoch-checkpoint"
PARTITION_METADATA_FILE: Final = "partition.metadata"

LOG_SUFFIX: Final = ".log"
OFFSET_INDEX_SUFFIX: Final = ".index"
TIME_INDEX_SUFFIX: Final = ".timeindex"
TRANSACTION_INDEX_SUFFIX: Final = ".txnindex"
PRODUCER_SNAPSHOT_SUFFIX: Final = ".snapshot"
DELETED_SUFFIX: Final = ".deleted"
CLEANED_SUFFIX: Final = ".cleaned"
SWAP_SUFFIX: Final = ".swap"

DELETE_DIRECTORY_SUFFIX: Final = "-delete"
STRAY_DIRECTORY_SUFFIX: Final = "-stray"
FUTURE_DIRECTORY_SUFFIX: Final = "-future"
_MAX_NAME_LENGTH: Final = 255
_MAX_OFFSET: Final = (1 << 63) - 1

DirectoryKind = Literal["current", "delete", "stray", "future"]


class LogDirectoryName(NamedTuple):
    """What the name of a log's directory says."""

    topic_partition: TopicPartition
    kind: DirectoryKind
    name: str


def offset_file_name(offset: int, suffix: str) -> str:
    """The name of a file that belongs to the segment (or snapshot) at `offset`."""
    return f"{offset:020d}{suffix}"


def offset_of_file_name(name: str) -> int | None:
    """The offset before the first dot, None where the name does not begin with one that a log can have."""
    digits = name.partition(".")[0]
    if not (digits.isascii() and digits.isdigit()):
        return None
    offset = int(digits)
    return offset if offset <= _MAX_OFFSET else None


def unique_suffix() -> str:
    """The 32 hex digits between a renamed log directory's name and its kind."""
    return os.urandom(16).hex()


def renamed_directory(topic_partition: TopicPartition, unique_id: str, kind_suffix: str) -> str:
    """The name under which a log waits for its removal or lies astray; a long topic name is cut."""
    suffix = f"-{topic_partition.partition}.{unique_id}{kind_suffix}"
    return topic_partition.topic[: _MAX_NAME_LENGTH - len(suffix)] + suffix


def parse_directory_name(name: str) -> LogDirectoryName | None:
    """Topic, partition and kind of a log's directory; None for a name that is none of them."""
    kind: DirectoryKind = "current"
    whole_name = name
    if name.endswith(DELETE_DIRECTORY_SUFFIX):
        kind = "delete"
    elif name.endswith(STRAY_DIRECTORY_SUFFIX):
        kind = "stray"
    elif name.endswith(FUTURE_DIRECTORY_SUFFIX):
        kind = "future"
    if kind != "current":
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    topic, _, partition = name.rpartition("-")
    if not topic or not (partition.isascii() and partition.isdigit()):
        return None
    return LogDirectoryName(TopicPartition(topic, int(partition)), kind, whole_name)
