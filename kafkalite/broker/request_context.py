"""What a handler may know of the request it answers, beside the request itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kafkalite.broker.broker import Broker
    from kafkalite.broker.repeated_produce import RepeatedProduce

ANONYMOUS = "User:ANONYMOUS"


class RequestContext:
    """One for each connection, with the header of the request that is being answered.

    Requests of a connection are answered one after the other, so this object is valid until the handler has returned
    or its awaitable is done. `local_host` and `local_port` are where this very client reached the broker.
    """

    __slots__ = (
        "api_key",
        "api_version",
        "broker",
        "client_host",
        "client_id",
        "client_port",
        "client_software_name",
        "client_software_version",
        "correlation_id",
        "disconnect_watchers",
        "listener_name",
        "local_host",
        "local_port",
        "principal",
        "repeated_produce",
        "security_protocol",
    )

    def __init__(
        self,
        broker: Broker,
        *,
        listener_name: str = "PLAINTEXT",
        security_protocol: str = "PLAINTEXT",
        client_host: str = "",
        client_port: int = 0,
        local_host: str = "localhost",
        local_port: int = 9092,
    ) -> None:
        self.broker = broker
        self.listener_name = listener_name
        self.security_protocol = security_protocol
        self.client_host = client_host
        self.client_port = client_port
        self.local_host = local_host
        self.local_port = local_port
        self.principal = ANONYMOUS
        self.disconnect_watchers: tuple[Callable[[RequestContext], None], ...] = ()
        self.repeated_produce: RepeatedProduce | None = None
        """Answers the Produce requests that this client is known to make."""
        self.client_software_name = "unknown"
        self.client_software_version = "unknown"
        self.api_key = -1
        self.api_version = 0
        self.correlation_id = 0
        self.client_id: str | None = None

    def watch_disconnect(self, on_disconnect: Callable[[RequestContext], None]) -> None:
        """Calls `on_disconnect` once the connection has gone, once however often it is asked for."""
        if on_disconnect not in self.disconnect_watchers:
            self.disconnect_watchers += (on_disconnect,)

    @property
    def now_ms(self) -> int:
        """The wall clock's milliseconds."""
        return self.broker.clock.now_ms()

    @property
    def node_id(self) -> int:
        """The id of this node, the leader of every partition."""
        return self.broker.node_id

    def advertised_address(self) -> tuple[str, int]:
        """Host and port under which this client shall reach the broker.

        `advertised.listeners` decides where it names this listener; else it is the address that the client used, so
        that a client on the host, in a container or on the network is told what works for it.
        """
        return self.broker.advertised_listeners.get(self.listener_name) or (self.local_host, self.local_port)
