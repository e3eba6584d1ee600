"""Records of `__share_group_state`."""

from __future__ import annotations

from typing import Final

from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, RecordType
from kafkalite.protocol.schema import Struct, array, int8, int16, int32, int64, string, uuid


class ShareSnapshotKey(CoordinatorKey, record_type=0, versions="0"):
    group_id: str = string(versions="0")
    topic_id: Uuid = uuid(versions="0")
    partition: int = int32(versions="0")


class StateBatch(Struct):
    first_offset: int = int64()
    last_offset: int = int64()
    delivery_state: int = int8()
    delivery_count: int = int16()


class ShareSnapshotValue(CoordinatorValue, record_type=0, versions="0", flexible="0+"):
    snapshot_epoch: int = int32()
    state_epoch: int = int32()
    leader_epoch: int = int32()
    start_offset: int = int64()
    delivery_complete_count: int = int32(default=-1, tag=0)
    create_timestamp: int = int64()
    write_timestamp: int = int64()
    state_batches: list[StateBatch] = array(StateBatch)


class ShareUpdateKey(CoordinatorKey, record_type=1, versions="0"):
    group_id: str = string(versions="0")
    topic_id: Uuid = uuid(versions="0")
    partition: int = int32(versions="0")


class ShareUpdateValue(CoordinatorValue, record_type=1, versions="0", flexible="0+"):
    snapshot_epoch: int = int32()
    leader_epoch: int = int32()
    start_offset: int = int64()
    delivery_complete_count: int = int32(default=-1, tag=0)
    state_batches: list[StateBatch] = array(StateBatch)


RECORD_TYPES: Final[tuple[RecordType, ...]] = (
    (ShareSnapshotKey, ShareSnapshotValue),
    (ShareUpdateKey, ShareUpdateValue),
)
