"""What requests that write in a transaction can do. Apache Kafka's TransactionSupportedOperation."""

from __future__ import annotations

from enum import Enum


class WriteSupport(Enum):
    """What a request that writes in a transaction can do, by its version (KIP-890)."""

    DEFAULT_ERROR = 0
    GENERIC_ERROR = 1
    ADD_PARTITION = 2

    @property
    def supports_epoch_bump(self) -> bool:
        """Whether the write itself adds its partition to the transaction."""
        return self is WriteSupport.ADD_PARTITION
