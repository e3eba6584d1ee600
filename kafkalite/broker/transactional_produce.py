"""The transactional part of Produce: whether a producer's transaction has the partition that it writes to (KIP-890)."""

from __future__ import annotations

from typing import Final

from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.write_support import WriteSupport
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import ProducerIdAndEpoch
from kafkalite.protocol.messages.produce import PartitionProduceResponse, ProduceRequest
from kafkalite.records.record_batch import read_header
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import VerificationState

FIRST_ABORTABLE_VERSION: Final = 11
FIRST_ADDING_VERSION: Final = 12
_UNVERIFIED: Final = frozenset(
    {
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    }
)


def start_transactional_write(
    context: RequestContext, request: ProduceRequest, log: PartitionLog, records: memoryview
) -> VerificationState | None:
    """Whether the producer's transaction has this partition; from version 12 on the write itself adds it (KIP-890)."""
    header = read_header(records)
    if not header.is_transactional or not header.has_producer_id:
        return None
    return context.broker.transaction_coordinator.start_write(
        log,
        request.transactional_id,
        ProducerIdAndEpoch(header.producer_id, header.producer_epoch),
        header.base_sequence,
        _write_support(context.api_version),
    )


def _write_support(version: int) -> WriteSupport:
    if version >= FIRST_ADDING_VERSION:
        return WriteSupport.ADD_PARTITION
    return WriteSupport.GENERIC_ERROR if version >= FIRST_ABORTABLE_VERSION else WriteSupport.DEFAULT_ERROR


def refusal_of_transaction(version: int, index: int, error: KafkaError) -> PartitionProduceResponse:
    """What the transaction coordinator refused, as producers of this version can go on from."""
    answer = PartitionProduceResponse(index=index, error_code=error.error, base_offset=-1)
    if error.error is ErrorCode.INVALID_TXN_STATE:
        answer.error_message = "Partition was not added to the transaction"
    elif error.error in _UNVERIFIED or (
        error.error is ErrorCode.CONCURRENT_TRANSACTIONS and version < FIRST_ADDING_VERSION
    ):
        answer.error_code = ErrorCode.NOT_ENOUGH_REPLICAS
        answer.error_message = (
            f"Unable to verify the partition has been added to the transaction. Underlying error: {error.error.name}"
        )
    return answer
