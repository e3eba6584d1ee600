"""The record that claims the next block of producer ids (ProducerIdControlManager)."""

from __future__ import annotations

from typing import Final

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.controller_result import ControllerResult
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.protocol.metadata_records.settings import ProducerIdsRecord

PRODUCER_ID_BLOCK_SIZE: Final = 1000
_MAX_PRODUCER_ID: Final = 2**63 - 1


def generate_next_producer_id_block(image: MetadataImage, broker_id: int) -> ControllerResult[range]:
    """The ids that a broker may give out once the record is appended; raises KafkaError(UNKNOWN_SERVER_ERROR) at the
    end of all ids."""
    first = max(image.producer_ids.next_producer_id, 0)
    if first > _MAX_PRODUCER_ID - PRODUCER_ID_BLOCK_SIZE:
        raise KafkaError(
            ErrorCode.UNKNOWN_SERVER_ERROR,
            "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit",
        )
    following = first + PRODUCER_ID_BLOCK_SIZE
    record = ProducerIdsRecord(
        broker_id=broker_id, broker_epoch=image.cluster.brokers[broker_id].epoch, next_producer_id=following
    )
    return ControllerResult([record], range(first, following))
