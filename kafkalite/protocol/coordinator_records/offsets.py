"""Records of `__consumer_offsets` about committed offsets."""

from __future__ import annotations

from typing import Final

from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, RecordType
from kafkalite.protocol.schema import int32, int64, string, uuid


class LegacyOffsetCommitKey(CoordinatorKey, record_type=0, versions="0"):
    group: str = string(versions="0")
    topic: str = string(versions="0")
    partition: int = int32(versions="0")


class LegacyOffsetCommitValue(CoordinatorValue, record_type=0, versions="0"):
    offset: int = int64(versions="0")
    metadata: str = string(versions="0")
    commit_timestamp: int = int64(versions="0")


class OffsetCommitKey(CoordinatorKey, record_type=1, versions="0"):
    group: str = string(versions="0")
    topic: str = string(versions="0")
    partition: int = int32(versions="0")


class OffsetCommitValue(CoordinatorValue, record_type=1, versions="0-4", flexible="4+"):
    offset: int = int64()
    leader_epoch: int = int32(versions="3+", default=-1, ignorable=True)
    metadata: str = string()
    commit_timestamp: int = int64()
    expire_timestamp: int = int64(versions="1", default=-1, ignorable=True)
    topic_id: Uuid = uuid(versions="4+", tag=0, ignorable=True)


RECORD_TYPES: Final[tuple[RecordType, ...]] = (
    (LegacyOffsetCommitKey, LegacyOffsetCommitValue),
    (OffsetCommitKey, OffsetCommitValue),
)
