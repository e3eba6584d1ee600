"""Dead letter queues of share groups (KIP-1191): records that a group gives up are written to a topic of its choice.

A dead letter says in its headers where the record was and why it was given up; with
errors.deadletterqueue.copy.record.enable it has the record's key and value too. What cannot be written is reported, and
the record is given up all the same. Apache Kafka's DefaultShareGroupDLQManager and ShareGroupDLQStateManager.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from kafkalite.broker.random_uuid import random_uuid
from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.share_coordinator import SharePartitionKey
from kafkalite.coordinator.share_partition import DeadLetters
from kafkalite.errors import KafkaError
from kafkalite.metadata.replication_control import create_topics
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.records.record import Header, Record, encode_record
from kafkalite.records.record_batch import RECORD_BATCH_OVERHEAD, build_batch, decode_batch, iter_batches
from kafkalite.storage.partition_log import PartitionLog

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker

logger = logging.getLogger(__name__)

READ_SIZE: Final = 1 << 20


class ShareGroupDLQManager:
    """Writes dead letters. Everything happens on the event loop's thread."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._creations: set[asyncio.Future[None]] = set()

    def enqueue(
        self, key: SharePartitionKey, config: GroupConfig, log: PartitionLog, letters: DeadLetters,
        on_done: Callable[[], None],
    ) -> None:  # fmt: skip
        """Writes dead letters for records of `log`; `on_done` is called when they are written, or cannot be."""
        topic = config.errors_deadletterqueue_topic_name
        refusal = self._refusal(key.group_id, topic)
        if refusal is not None:
            _report(refusal)
            on_done()
            return

        def write() -> None:
            try:
                self._write(topic, key, log, letters, is_copied=config.errors_deadletterqueue_copy_record_enable)
            except KafkaError as error:
                _report(f"{topic}: {error.message}")
            on_done()

        if topic in self._broker.metadata.image.topics.by_name:
            write()
        else:
            self._create(topic, write, on_done)

    def _refusal(self, group_id: str, topic: str) -> str | None:
        """Why a topic cannot be a group's dead letter queue."""
        config = self._broker.config
        if topic in self._broker.metadata.image.topics.by_name:
            if not self._broker.leader_log(topic, 0).config.errors_deadletterqueue_group_enable:
                return f"DLQ is not enabled on configured DLQ topic for share group: {group_id}, topic: {topic}."
        elif not config["errors.deadletterqueue.auto.create.topics.enable"]:
            return (
                "DLQ topic does not exist and auto create is disabled on cluster for share group: "
                f"{group_id}, topic: {topic}."
            )
        prefix = config["errors.deadletterqueue.topic.name.prefix"]
        if not topic.startswith(prefix):
            return (
                "Configured DLQ topic name does not comply with the DLQ topic prefix in share group: "
                f"{group_id}, topic: {topic}, prefix: {prefix}."
            )
        return None

    def _create(self, topic: str, on_created: Callable[[], None], on_refused: Callable[[], None]) -> None:
        settings = {"errors.deadletterqueue.group.enable": "true", "message.timestamp.type": "CreateTime"}
        wanted = CreatableTopic(
            name=topic,
            num_partitions=-1,
            replication_factor=-1,
            configs=[CreatableTopicConfig(name=name, value=value) for name, value in settings.items()],
        )
        store = self._broker.metadata

        def answer(error: KafkaError | None) -> None:
            if topic in store.image.topics.by_name:
                on_created()
            else:
                _report(f"{topic} cannot be made: {refused if error is None else error.message}")
                on_refused()

        refused: str | None = None
        try:
            result = create_topics(
                store.written_image,
                self._broker.config,
                CreateTopicsRequest(topics=[wanted]),
                describable=(),
                new_topic_id=random_uuid,
            )
            refused = result.response.topics[0].error_message
        except KafkaError as error:
            answer(error)
            return
        committed = store.commit(result.records, answer)
        if inspect.isawaitable(committed):
            creation = asyncio.ensure_future(committed)
            self._creations.add(creation)
            creation.add_done_callback(self._creations.discard)

    def _write(
        self, topic: str, key: SharePartitionKey, log: PartitionLog, letters: DeadLetters, *, is_copied: bool
    ) -> None:
        count = len(self._broker.metadata.image.topics.by_name[topic].partitions)
        queue = self._broker.leader_log(topic, key.partition % count)
        max_size = queue.config.max_message_bytes
        now_ms = self._broker.clock.now_ms()
        batch: list[Record] = []
        size = RECORD_BATCH_OVERHEAD
        for offset, original in _originals(log, letters, max_size if is_copied else 0):
            headers = _headers(log, key, offset, letters)
            value, record_key = (None, None) if original is None else (original.value, original.key)
            record_size = len(encode_record(len(batch), 0, record_key, value, headers))
            if batch and size + record_size > max_size:
                queue.append(build_batch(batch), now_ms=now_ms)
                batch, size = [], RECORD_BATCH_OVERHEAD
            batch.append(Record(len(batch), now_ms, record_key, value, headers))
            size += record_size
        queue.append(build_batch(batch), now_ms=now_ms)


def _originals(log: PartitionLog, letters: DeadLetters, max_size: int) -> Iterator[tuple[int, Record | None]]:
    """The offsets of dead letters, each with the record that it copies: none where it is not there, or too large."""
    known: dict[int, Record] = {}
    read_until = letters.first_offset
    for offset in range(letters.first_offset, letters.last_offset + 1):
        if max_size and offset >= read_until:
            try:
                known, read_until = _read(log, offset)
            except KafkaError as error:
                logger.warning("Dead letters of %s have headers only: %s", log.topic_partition, error)
                known, read_until = {}, letters.last_offset + 1
        original = known.get(offset)
        if original is not None and len(original.key or b"") + len(original.value or b"") > max_size:
            original = None
        yield offset, original


def _read(log: PartitionLog, offset: int) -> tuple[dict[int, Record], int]:
    """Some records from an offset on, and how far they go."""
    data = log.read(offset, READ_SIZE).records.read()
    known: dict[int, Record] = {}
    next_offset = log.log_end_offset
    for position, header in iter_batches(data):
        next_offset = header.next_offset
        if not header.is_control:
            known.update((record.offset, record) for record in decode_batch(data, position, header))
    return known, max(next_offset, offset + 1)


def _headers(log: PartitionLog, key: SharePartitionKey, offset: int, letters: DeadLetters) -> list[Header]:
    texts = {
        "topic": log.topic_partition.topic,
        "partition": str(key.partition),
        "offset": str(offset),
        "group": key.group_id,
        "delivery.count": str(letters.delivery_count),
        "message": letters.cause,
    }
    return [(f"__dlq.errors.{name}", text.encode()) for name, text in texts.items()]


def _report(reason: str) -> None:
    logger.error("Failed to write to DLQ, proceeding to ARCHIVED regardless: %s", reason)
