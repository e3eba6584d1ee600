"""Listeners that are added and taken away while the broker runs, beside Apache Kafka."""

from __future__ import annotations

import socket
from collections.abc import Callable

from kafkalite.client.wire_client import (
    BrokerUnreachableError,
    DisconnectedError,
    RequestTimedOutError,
    WireClient,
)
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]

BROKER = 4
SET, DELETE = 0, 1
LISTENERS, PROTOCOLS = "listeners", "listener.security.protocol.map"


class Listeners:
    """The listeners of one broker: its own and one more that comes and goes."""

    def __init__(self, side: Side) -> None:
        self.side = side
        with socket.create_server(("localhost", 0)) as sock:
            self.port = sock.getsockname()[1]
        self.own = self.value(LISTENERS)
        names = [listener.partition(":")[0] for listener in self.own.split(",")]
        self.protocols = ",".join(f"{name}:PLAINTEXT" for name in names)
        self.extra = f"EXTRA://localhost:{self.port}"

    def value(self, name: str) -> str:
        resource = DescribeConfigsResource(resource_type=BROKER, resource_name="1", configuration_keys=[name])
        [result] = self.side.send(DescribeConfigsRequest(resources=[resource]), 4).results
        value: str = result.configs[0].value
        return value

    def alter(self, *, broker: str = "1", validate_only: bool = False, label: str = "", **values: str | None) -> None:
        """Notes the answer; `listeners` and `protocols` are set, or deleted where they are None."""
        names = {"listeners": LISTENERS, "protocols": PROTOCOLS}
        configs = [
            AlterableConfig(name=names[name], config_operation=DELETE if value is None else SET, value=value)
            for name, value in values.items()
        ]
        resource = AlterConfigsResource(resource_type=BROKER, resource_name=broker, configs=configs)
        request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=validate_only)
        [answer] = self.side.send(request, 1).responses
        text = answer.error_message or ""
        for own in (self.own, self.own.replace(",", ", ")):
            text = text.replace(own, "<own>")
        self.side.note(label or str(sorted(values)), [answer.error_code, text.replace(str(self.port), "<port>")])

    def answers(self) -> bool:
        """A listener that goes away may reset a connection that the system has taken but not yet handed over."""
        try:
            with WireClient("localhost", self.port, timeout_s=2) as client:
                request = ApiVersionsRequest(client_software_name="a", client_software_version="1")
                return bool(client.send(request, 3).error_code == 0)
        except (BrokerUnreachableError, DisconnectedError, RequestTimedOutError):
            return False


def test_what_a_running_broker_does_not_take_over(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        listeners = Listeners(side)
        own, extra, protocols = listeners.own, listeners.extra, listeners.protocols
        known = f"{protocols},EXTRA:PLAINTEXT"
        wrong: dict[str, dict[str, str | None]] = {
            "no protocol": {"listeners": f"{own},{extra}"},
            "good protocols": {"protocols": known},
            "other protocols": {"protocols": protocols.replace("PLAINTEXT:PLAINTEXT", "PLAINTEXT:SSL")},
            "good": {"listeners": f"{own},{extra}", "protocols": known},
            "nothing": {"listeners": ""},
            "no listener": {"listeners": "x"},
            "one name": {"listeners": f"{own},PLAINTEXT://localhost:{listeners.port}"},
            "one port": {"listeners": f"{own},{extra},MORE://localhost:{listeners.port}",
                         "protocols": f"{known},MORE:PLAINTEXT"},
            "away": {"listeners": None},
        }  # fmt: skip
        for broker in ("1", ""):
            for label, values in wrong.items():
                listeners.alter(broker=broker, validate_only=True, label=f"{label} {broker!r}", **values)

    compare(scenario)


def test_a_listener_comes_and_goes(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        listeners = Listeners(side)
        own, extra = listeners.own, listeners.extra
        try:
            listeners.alter(protocols=f"{listeners.protocols},EXTRA:PLAINTEXT")
            side.note("not yet", listeners.answers())
            side.eventually(lambda: "EXTRA" in listeners.value(PROTOCOLS))
            listeners.alter(listeners=f"{own},{extra}")
            side.eventually(listeners.answers)
            side.note("described", listeners.value(LISTENERS) == f"{own},{extra}")
            listeners.alter(protocols=listeners.protocols, label="its protocol away")
            listeners.alter(listeners=own)
            side.eventually(lambda: not listeners.answers())
        finally:
            listeners.alter(listeners=None, protocols=None)
        side.eventually(lambda: listeners.value(LISTENERS) == own)
        side.note("as before", listeners.answers())

    compare(scenario)
