"""The small values that name things everywhere: topic ids, topic partitions, producers, internal topics."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import ClassVar, Final, NamedTuple


class Uuid(bytes):
    """The sixteen bytes of an id; `str` gives Apache Kafka's form, URL-safe base64 without padding (22 characters)."""

    __slots__ = ()
    ZERO: ClassVar[Uuid]
    ONE: ClassVar[Uuid]
    METADATA_TOPIC_ID: ClassVar[Uuid]

    @classmethod
    def parse(cls, text: str) -> Uuid:
        """Reads the 22-character form; raises ValueError where it does not decode to sixteen bytes."""
        if len(text) > 24:
            raise ValueError(f"Input string with prefix `{text[:24]}` is too long to be decoded as a base64 UUID")
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(raw) != 16:
            raise ValueError(
                f"Input string `{text}` decoded as {len(raw)} bytes, which is not equal to the expected 16 "
                "bytes of a base64-encoded UUID"
            )
        return cls(raw)

    def __str__(self) -> str:
        return urlsafe_b64encode(self)[:22].decode("ascii")

    def __repr__(self) -> str:
        return f"Uuid({str(self)!r})"


Uuid.ZERO = Uuid(16)
Uuid.ONE = Uuid(b"\x00" * 15 + b"\x01")
Uuid.METADATA_TOPIC_ID = Uuid.ONE


class TopicPartition(NamedTuple):
    """A partition of a topic; `str` gives the name of its directory."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class ProducerIdAndEpoch(NamedTuple):
    """Who a producer is."""

    producer_id: int
    producer_epoch: int


CLUSTER_METADATA_TOPIC: Final = "__cluster_metadata"
GROUP_METADATA_TOPIC: Final = "__consumer_offsets"
TRANSACTION_STATE_TOPIC: Final = "__transaction_state"
SHARE_GROUP_STATE_TOPIC: Final = "__share_group_state"
INTERNAL_TOPICS: Final = frozenset({GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC, SHARE_GROUP_STATE_TOPIC})
