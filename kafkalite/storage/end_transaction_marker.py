"""The record in a transaction's control batch.

key    version int16, type int16 (0 abort, 1 commit; higher ones are no business of transactions)
value  version int16, coordinator epoch int32
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kafkalite.errors import KafkaError
from kafkalite.records.compression import Buffer
from kafkalite.records.record_batch import BatchHeader, decode_batch

_KEY: Final = struct.Struct(">hh")
_VALUE: Final = struct.Struct(">hi")
_COMMIT: Final = 1


class EndTransactionMarker(NamedTuple):
    is_commit: bool
    coordinator_epoch: int


def read_end_transaction_marker(buffer: Buffer, position: int, header: BatchHeader) -> EndTransactionMarker | None:
    """The marker in the control batch at `position`; None where it holds none (an empty one, or Raft's records)."""
    try:
        records = decode_batch(buffer, position, header)
        if not records or records[0].key is None or records[0].value is None:
            return None
        _, kind = _KEY.unpack_from(records[0].key)
        if kind > _COMMIT or kind < 0:
            return None
        _, coordinator_epoch = _VALUE.unpack_from(records[0].value)
    except (KafkaError, struct.error):
        return None
    return EndTransactionMarker(kind == _COMMIT, coordinator_epoch)
