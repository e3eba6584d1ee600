"""kafka-console-share-consumer: writes the records that a member of a share group is given to its output (KIP-932)."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import BinaryIO, Final

from kafkalite.cli.admin_options import open_admin
from kafkalite.cli.command_line import run_command
from kafkalite.cli.console_consumption import consume
from kafkalite.cli.console_log import log
from kafkalite.cli.console_share_consumer_options import ConsoleShareConsumerOptions
from kafkalite.cli.java_exceptions import CALL_ERRORS, ToolError, described
from kafkalite.cli.message_formatter import ConsumerRecord, MessageFormatter
from kafkalite.cli.stop_request import StopRequest
from kafkalite.client.admin import Admin
from kafkalite.client.share_consumer import ShareConsumer, SharedRecord
from kafkalite.client.share_session import AcknowledgeType

_LOGGER: Final = "org.apache.kafka.tools.consumer.ConsoleShareConsumer"
_CLIENT_LOGGER: Final = "org.apache.kafka.clients.NetworkClient"
_POLL_S: Final = 0.5
"""How long a signal may go unnoticed."""


class ConsoleShareConsumer:
    """A member of a share group whose records go to a formatter."""

    def __init__(
        self,
        command_line: ConsoleShareConsumerOptions,
        formatter: MessageFormatter,
        consumer: ShareConsumer,
        stop: StopRequest,
    ) -> None:
        options = command_line.options
        self._timeout_s = command_line.consumption.timeout_s(options)
        self._max_messages = command_line.consumption.max_messages(options)
        self._acknowledge_type = command_line.acknowledge_type
        self._rejects_on_error = options.has(command_line.reject_message_on_error)
        self._formatter = formatter
        self._consumer = consumer
        self._stop = stop
        self._acquired: deque[SharedRecord] = deque()
        self.message_count = 0

    def run(self, output: BinaryIO) -> int:
        """Reads until the records asked for have come, none comes any more, or a stop is asked for.

        A record is acknowledged once it has been written.
        """
        self._read(output)
        return self._stop.exit_code

    def _read(self, output: BinaryIO) -> None:
        while self._max_messages == -1 or self.message_count < self._max_messages:
            try:
                acquired = self._receive()
            except (TimeoutError, *CALL_ERRORS) as error:
                log("ERROR", "Error processing message, terminating consumer process: ", _LOGGER)
                is_timeout = isinstance(error, TimeoutError)
                print(
                    "org.apache.kafka.common.errors.TimeoutException" if is_timeout else described(error),
                    file=sys.stderr,
                )
                return
            if acquired is None:
                return
            self.message_count += 1
            try:
                self._formatter.write_to(_as_formatted(acquired), output)
            except ValueError as error:
                if not self._rejects_on_error:
                    raise
                log("ERROR", f"Error processing message, rejecting this message: {error}", _LOGGER)
                self._consumer.acknowledge(acquired, AcknowledgeType.REJECT)
                continue
            output.flush()
            self._consumer.acknowledge(acquired, self._acknowledge_type)

    def _receive(self) -> SharedRecord | None:
        """The next record, None when a stop is asked for; raises TimeoutError."""
        deadline_s = time.monotonic() + self._timeout_s
        while not self._stop:
            if self._acquired:
                return self._acquired.popleft()
            remaining_s = deadline_s - time.monotonic()
            if remaining_s < 0:
                raise TimeoutError
            self._acquired.extend(self._consumer.poll(min(_POLL_S, remaining_s)))
        return None

    def close(self) -> None:
        """Leaves the group."""
        self._consumer.close()


def _as_formatted(acquired: SharedRecord) -> ConsumerRecord:
    record = acquired.record
    return ConsumerRecord(
        acquired.topic,
        acquired.partition,
        record.offset,
        acquired.timestamp_type,
        record.timestamp,
        record.key,
        record.value,
        record.headers,
        acquired.delivery_count,
    )


def _new_consumer(command_line: ConsoleShareConsumerOptions) -> tuple[Admin, ShareConsumer]:
    """Raises ToolError for properties that a share consumer does not take."""
    properties = command_line.properties
    limits = command_line.limits()
    admin = open_admin(properties["bootstrap.servers"], properties, client="ShareConsumer")
    prefix = f"[ShareConsumer clientId={properties['client.id']}, groupId={properties['group.id']}]"
    consumer = ShareConsumer(
        admin,
        properties["group.id"],
        [command_line.options.value(command_line.topic)],
        rack_id=properties.get("client.rack") or None,
        allows_auto_topic_creation=properties.get("allow.auto.create.topics", "true").strip().lower() == "true",
        warn=lambda message: log("WARN", f"{prefix} {message}", _CLIENT_LOGGER),
        limits=limits,
    )
    return admin, consumer


def execute(arguments: list[str]) -> int:
    command_line = ConsoleShareConsumerOptions()
    formatter = command_line.parse(arguments)
    try:
        admin, consumer = _new_consumer(command_line)
    except ToolError as error:
        log("ERROR", "Unknown error when running consumer: ", _LOGGER)
        print(described(error), file=sys.stderr)
        return 1
    with admin, StopRequest() as stop:
        code = consume(ConsoleShareConsumer(command_line, formatter, consumer, stop), _LOGGER)
    command_line.consumption.tell_end(command_line.options)
    return code


def main(argv: list[str] | None = None) -> int:
    return run_command(execute, argv)


if __name__ == "__main__":
    sys.exit(main())
