"""kafka-verifiable-producer: sends rising numbers and prints, as JSON, which were acknowledged and which were not."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Final

from kafkalite.cli.command_line import run_command
from kafkalite.cli.librdkafka_properties import ClientErrorLog, confluent_kafka, new_client, producer_properties
from kafkalite.cli.stop_request import StopRequest
from kafkalite.cli.subcommand_parser import SubcommandParser
from kafkalite.cli.verifiable_client import java_error, print_event, properties_of, run_client

_QUEUE_FULL_POLL_S: Final = 0.1
_LONGEST_POLL_S: Final = 0.1


def _parser() -> SubcommandParser:
    parser = SubcommandParser(
        prog="kafka-verifiable-producer",
        description="This tool produces increasing integers to a topic and prints what became of each as JSON.",
    )
    parser.add_argument("--topic", required=True, metavar="TOPIC", help="The topic to produce to.")
    parser.add_argument(
        "--bootstrap-server",
        required=True,
        metavar="HOST1:PORT1[,HOST2:PORT2[...]]",
        help="REQUIRED: the brokers to connect to.",
    )
    parser.add_argument(
        "--max-messages", type=int, default=-1, metavar="MAX-MESSAGES", help="How many to produce; -1 for no end."
    )
    parser.add_argument(
        "--throughput", type=int, default=-1, metavar="THROUGHPUT", help="About how many a second at most; -1 for any."
    )
    parser.add_argument(
        "--acks", type=int, default=-1, choices=(0, 1, -1), help="Which acknowledgement to wait for; -1 for all."
    )
    parser.add_argument("--producer.config", metavar="CONFIG-FILE", help="(DEPRECATED) Use --command-config instead.")
    parser.add_argument(
        "--message-create-time",
        type=int,
        default=-1,
        metavar="CREATE-TIME",
        help="The timestamp of the first message, in milliseconds since 1970.",
    )
    parser.add_argument("--value-prefix", type=int, metavar="VALUE-PREFIX", help="Put this and a dot before values.")
    parser.add_argument(
        "--repeating-keys", type=int, metavar="REPEATING-KEYS", help="Give messages the keys 0, 1, ... below this."
    )
    parser.add_argument("--command-config", metavar="CONFIG-FILE", help="A file with the producer's properties.")
    return parser


class VerifiableProducer:
    """Sends numbers and says what became of them."""

    def __init__(self, client: Any, arguments: argparse.Namespace) -> None:
        self._client = client
        self._arguments = arguments
        self._started_at_s = time.time()
        self._create_time_ms: int = arguments.message_create_time
        self.sent = 0
        self.acked = 0

    def run(self, stop: StopRequest) -> None:
        """Produces until all are sent or a stop is asked for, then waits for the answers."""
        arguments = self._arguments
        print_event("startup_complete")
        number = 0
        while not stop and (arguments.max_messages < 0 or number < arguments.max_messages):
            self._send(number)
            number += 1
            self._client.poll(0)
            while not stop and (pause_s := self._pause_s(number)) > 0:
                self._client.poll(min(pause_s, _LONGEST_POLL_S))
        self._client.flush()
        # Older versions of confluent-kafka end the client when it is forgotten.
        if hasattr(self._client, "close"):
            self._client.close()
        print_event("shutdown_complete")
        elapsed_s = time.time() - self._started_at_s
        print_event(
            "tool_data",
            sent=self.sent,
            acked=self.acked,
            target_throughput=arguments.throughput,
            avg_throughput=self.acked / elapsed_s if elapsed_s > 0 else 0.0,
        )

    def _pause_s(self, number: int) -> float:
        """How long to wait after `number` messages to keep to the throughput."""
        throughput: int = self._arguments.throughput
        if throughput <= 0:
            return 0.0
        return max(0.0, self._started_at_s + number / throughput - time.time())

    def _send(self, number: int) -> None:
        arguments = self._arguments
        prefix = "" if arguments.value_prefix is None else f"{arguments.value_prefix}."
        value = f"{prefix}{number}"
        key = None if not arguments.repeating_keys else str(number % arguments.repeating_keys)
        timing = {}
        if self._create_time_ms != -1:
            timing["timestamp"] = self._create_time_ms
            self._create_time_ms += int((time.time() - self._started_at_s) * 1000)

        def report(error: Any, message: Any) -> None:
            self._report(key, value, error, message)

        self.sent += 1
        while True:
            try:
                self._client.produce(arguments.topic, value=value, key=key, on_delivery=report, **timing)
                return
            except BufferError:
                self._client.poll(_QUEUE_FULL_POLL_S)

    def _report(self, key: str | None, value: str, error: Any, message: Any) -> None:
        topic = self._arguments.topic
        if error is not None:
            name, text = java_error(error)
            print_event(
                "producer_send_error", key=key, value=value, topic=topic, exception=f"class {name}", message=text
            )
            return
        self.acked += 1
        # Without acknowledgements the client does not learn the offset.
        offset = -1 if message.offset() is None or message.offset() < 0 else message.offset()
        print_event(
            "producer_send_success", key=key, value=value, offset=offset, topic=topic, partition=message.partition()
        )


def _properties(parser: SubcommandParser, arguments: argparse.Namespace) -> dict[str, str]:
    old_config = ("--producer.config", getattr(arguments, "producer.config"))
    return {
        "retries": "0",
        "bootstrap.servers": arguments.bootstrap_server,
        "acks": str(arguments.acks),
        **properties_of(parser, old_config, arguments.command_config),
    }


def _new_producer(properties: dict[str, str], arguments: argparse.Namespace) -> VerifiableProducer:
    error_log = ClientErrorLog("org.apache.kafka.tools.VerifiableProducer")
    client = new_client(confluent_kafka().Producer, producer_properties(properties), error_cb=error_log)
    return VerifiableProducer(client, arguments)


def _execute(argv: list[str]) -> int:
    return run_client(argv, _parser(), _properties, _new_producer)


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
