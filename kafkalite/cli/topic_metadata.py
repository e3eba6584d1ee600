"""What a producer waits for before it sends to a topic: that it knows the topic's partitions.

The Java producer asks for them at its first record and blocks each record for max.block.ms at most; librdkafka queues
the records meanwhile.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.librdkafka_properties import confluent_kafka

_REQUEST_TIMEOUT_S: Final = 5.0
_MAX_BACKOFF_S: Final = 1.0  # the Java clients' retry.backoff.max.ms


class TopicMetadata:
    """A topic's metadata, asked for in the background from the first time on that it is waited for."""

    def __init__(self, client: Any, topic: str, *, retry_backoff_ms: int) -> None:
        self._client = client
        self._topic = topic
        self._backoff_s = min(retry_backoff_ms / 1000, _MAX_BACKOFF_S)
        self._has_changed = threading.Condition()
        self._is_known = False
        self._refusal: ToolError | None = None
        # It may be waiting in librdkafka when the tool ends, and is not waited for.
        self._thread = threading.Thread(target=self._ask_until_known, daemon=True)

    def wait(self, max_block_ms: int) -> None:
        """Returns when the topic's partitions are known. Raises ToolError, with Java's class, if that does not come."""
        if self._is_known:
            return
        if self._thread.ident is None:
            self._thread.start()
        with self._has_changed:
            self._has_changed.wait_for(
                lambda: self._is_known or self._refusal is not None, min(max_block_ms / 1000, threading.TIMEOUT_MAX)
            )
            if self._is_known:
                return
            if self._refusal is not None:
                raise self._refusal
        text = f"Topic {self._topic} not present in metadata after {max_block_ms} ms."
        raise ToolError(text, "org.apache.kafka.common.errors.TimeoutException")

    def _ask_until_known(self) -> None:
        backoff_s = self._backoff_s
        while not self._ask():
            time.sleep(backoff_s)
            backoff_s = min(max(2 * backoff_s, 0.001), _MAX_BACKOFF_S)

    def _ask(self) -> bool:
        kafka = confluent_kafka()
        try:
            answer = self._client.list_topics(self._topic, timeout=_REQUEST_TIMEOUT_S).topics[self._topic]
        except kafka.KafkaException:  # no broker: the client's error callback says why
            return False
        refusal = None
        if answer.error is not None and answer.error.code() == kafka.KafkaError.TOPIC_EXCEPTION:
            text = f"Invalid topics: [{self._topic}]"
            refusal = ToolError(text, "org.apache.kafka.common.errors.InvalidTopicException")
        elif answer.error is not None and answer.error.code() == kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED:
            text = f"Not authorized to access topics: [{self._topic}]"
            refusal = ToolError(text, "org.apache.kafka.common.errors.TopicAuthorizationException")
        with self._has_changed:
            self._is_known = answer.error is None and bool(answer.partitions)
            self._refusal = refusal
            self._has_changed.notify_all()
            return self._is_known
