"""Records of `__transaction_state`."""

from __future__ import annotations

from typing import Final

from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, RecordType
from kafkalite.protocol.schema import Struct, array, int8, int16, int32, int64, string


class TransactionLogKey(CoordinatorKey, record_type=0, versions="0"):
    transactional_id: str = string(versions="0")


class PartitionsSchema(Struct):
    topic: str = string()
    partition_ids: list[int] = array(int32)


class TransactionLogValue(CoordinatorValue, record_type=0, versions="0-1", flexible="1+"):
    producer_id: int = int64()
    previous_producer_id: int = int64(default=-1, tag=0, versions="1+")
    next_producer_id: int = int64(default=-1, tag=1, versions="1+")
    producer_epoch: int = int16()
    next_producer_epoch: int = int16(default=-1, tag=3, versions="1+")
    transaction_timeout_ms: int = int32()
    transaction_status: int = int8()
    transaction_partitions: list[PartitionsSchema] | None = array(PartitionsSchema, nullable="0+")
    transaction_last_update_timestamp_ms: int = int64()
    transaction_start_timestamp_ms: int = int64()
    client_transaction_version: int = int16(tag=2, versions="1+")


RECORD_TYPES: Final[tuple[RecordType, ...]] = ((TransactionLogKey, TransactionLogValue),)
