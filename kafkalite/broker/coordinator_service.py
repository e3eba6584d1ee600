"""What the three coordinators of a broker have in common: an internal topic, whose partitions are their shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic

from kafkalite.broker.coordinator_runtime import CoordinatorRuntime, S
from kafkalite.broker.internal_topics import ensure_internal_topic
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.records.compression import CompressionType

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker


class CoordinatorService(Generic[S]):
    """A coordinator. Everything happens on the event loop's thread."""

    def __init__(
        self,
        broker: Broker,
        topic: str,
        *,
        load_buffer_size: int,
        compression: CompressionType = CompressionType.NONE,
    ) -> None:
        self._broker = broker
        self._topic = topic
        self.runtime: CoordinatorRuntime[S] = CoordinatorRuntime(
            topic,
            clock=broker.clock,
            logs=lambda: broker.logs,
            ensure_topic=lambda: ensure_internal_topic(broker, topic),
            new_shard=self._new_shard,
            load_buffer_size=load_buffer_size,
            compression=compression,
        )

    def _new_shard(self, timers: CoordinatorTimers) -> S:
        raise NotImplementedError

    def start(self) -> None:
        """The metadata is known: what has been kept is loaded, and follows its changes."""
        topic = self._broker.metadata.image.topics.topic(self._topic)
        if topic is not None:
            self.runtime.start(len(topic.partitions))
        self._broker.metadata.add_listener(self._on_metadata_change)

    @property
    def _has_topic(self) -> bool:
        return self._broker.metadata.image.topics.topic(self._topic) is not None

    def _on_metadata_change(self, records: Sequence[MetadataRecord]) -> None:
        raise NotImplementedError

    def resign_offline(self) -> None:
        """Partitions whose log directory has failed have no coordinator any more."""
        self.runtime.resign_offline()

    def close(self) -> None:
        """The broker stops; whoever waits is answered, so that connections can end."""
        self.runtime.close()
