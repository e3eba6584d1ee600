"""A listener: its sockets, the connections they accept, and what these share."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from kafkalite.broker.broker import Broker
from kafkalite.broker.request_context import RequestContext
from kafkalite.config.endpoint import Endpoint
from kafkalite.network.busy_poll import busy_poll
from kafkalite.network.congestion_control import is_from_same_machine, remove_pacing, restore
from kafkalite.network.connection import READ_SIZE, Connection
from kafkalite.network.frame_buffers import FrameBuffers
from kafkalite.network.gathered_produce import ProduceGatherer
from kafkalite.network.request_dispatcher import RequestDispatcher
from kafkalite.network.sockets import SYSTEM_CHOSEN, WIDE_RECEIVE_BUFFER, listening_socket

if TYPE_CHECKING:
    from kafkalite.network.ssl_channel_builder import SslChannelBuilder

logger = logging.getLogger("kafkalite.network")

_BACKLOG_KEY: Final = "socket.listen.backlog.size"
_USUAL_BACKLOG: Final = 1_024
_RECEIVE_BUFFER_KEY: Final = "socket.receive.buffer.bytes"
_SEND_BUFFER_KEY: Final = "socket.send.buffer.bytes"


class Listener:
    """Accepts the connections of one entry of `listeners`."""

    def __init__(
        self, broker: Broker, endpoint: Endpoint, dispatcher: RequestDispatcher, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Raises ConfigException where the listener's certificates cannot be used."""
        self.broker = broker
        self.endpoint = endpoint
        self.name = endpoint.listener_name
        self.security_protocol = endpoint.security_protocol
        self.round = 0
        """Grows by one each time idle connections are looked for."""
        self.read_buffer = memoryview(bytearray(READ_SIZE))
        self.max_request_size: int = broker.config.socket_request_max_bytes
        self.frame_buffers = FrameBuffers()
        self.busy_poll = busy_poll(loop)
        self.gatherer = ProduceGatherer(broker, loop, self.busy_poll, self.max_request_size)
        self._dispatcher = dispatcher
        self._loop = loop
        self._servers: list[asyncio.AbstractServer] = []
        self._connections: set[Connection] = set()
        self._connections_by_host: dict[str, int] = {}
        self._sockets: list[socket.socket] = []
        self._congestion_control: bytes | None = None  # what connections from other machines get back
        self.port = 0
        self._ssl: SslChannelBuilder | None = None
        if endpoint.uses_tls:
            from kafkalite.network.ssl_channel_builder import SslChannelBuilder  # only who listens for it has TLS

            self._ssl = SslChannelBuilder(broker.config, self.name)

    async def bind(self) -> None:
        """Binds all addresses of its host (an empty host: every interface); port 0 picks a free one. Raises OSError."""
        host, port = self.endpoint.host, self.endpoint.port
        # As bytes, or else Python loads its tables of international names.
        name = host.encode() if host.isascii() else host
        try:
            found = await self._loop.getaddrinfo(
                name or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE if not host else 0
            )
        except OSError as error:
            raise OSError(error.errno, f"Cannot listen on {host}:{port}: {error.strerror}") from None
        for family, _, _, _, address in dict.fromkeys(found):
            if family not in (socket.AF_INET, socket.AF_INET6):
                continue
            try:
                sock = listening_socket(
                    family,
                    (address[0], port, *address[2:]),
                    backlog=self._backlog,
                    send_buffer=self._send_buffer,
                    receive_buffer=self._receive_buffer,
                )
            except OSError as error:
                if self._sockets and family == socket.AF_INET6:
                    continue  # a machine may name an IPv6 address that it does not have
                raise OSError(error.errno, f"Cannot listen on {host or '*'}:{port}: {error.strerror}") from None
            self.port = port = sock.getsockname()[1]
            self._congestion_control = remove_pacing(sock)
            self._sockets.append(sock)

    async def accept_connections(self) -> None:
        """Lets in who has connected since `bind`, and whoever comes."""
        for sock in self._sockets:
            server = await self._loop.create_server(self._new_connection, sock=sock, backlog=self._backlog)
            self._servers.append(server)

    @property
    def _backlog(self) -> int:
        """How many connections may wait to be accepted: as many as was configured, if anything was.

        Apache Kafka's default of 50 is short where a thousand clients come at once: who finds no room tries again
        after a second.
        """
        config = self.broker.config
        return config.socket_listen_backlog_size if _BACKLOG_KEY in config.static else _USUAL_BACKLOG

    @property
    def _send_buffer(self) -> int:
        """SO_SNDBUF of its connections: as configured, if anything was, or else what the system finds right for each.

        Into Apache Kafka's default of 100 KiB a fetched megabyte goes in ten pieces, and for each the broker and the
        client wait for one another. What waits in the socket are pages of the log, not copies.
        """
        config = self.broker.config
        return config.socket_send_buffer_bytes if _SEND_BUFFER_KEY in config.static else SYSTEM_CHOSEN

    @property
    def _receive_buffer(self) -> int:
        """SO_RCVBUF of its connections as they begin: as configured, if anything was.

        With TLS, Apache Kafka's default of 100 KiB holds up who sends batches of that size: opening them takes a while,
        in which the client fills the socket and stands still. With twice as much it goes on, and a read brings more.
        """
        is_as_configured = self._ssl is None or _RECEIVE_BUFFER_KEY in self.broker.config.static
        return self.broker.config.socket_receive_buffer_bytes if is_as_configured else WIDE_RECEIVE_BUFFER

    @property
    def widens_receive_buffers(self) -> bool:
        """Whether a connection is to have a wide receive buffer once it has sent a large frame: without TLS only these
        gain by it, batches of 100 KB 6% in MB/s and in CPU; with small ones more ahead is more to keep in the caches.
        """
        return self._ssl is None and _RECEIVE_BUFFER_KEY not in self.broker.config.static

    def _new_connection(self) -> Connection:
        if self._ssl is not None:
            return self._ssl.new_connection(self, self._dispatcher, self._loop)
        return Connection(self, self._dispatcher, self._loop)

    # --- what connections ask of their listener -----------------------------------------------------------------------

    def accept(self, connection: Connection, transport: asyncio.BaseTransport) -> RequestContext | None:
        """The context of a new connection's requests, or None where there are too many connections."""
        peer: Any = transport.get_extra_info("peername") or ("unknown", 0)
        local: Any = transport.get_extra_info("sockname") or ("localhost", 0)
        host = peer[0]
        by_host = self._connections_by_host
        config = self.broker.config
        if len(self._connections) >= config.max_connections:
            logger.warning(
                "%s:%d: refused, there are %d connections (max.connections)", *peer[:2], len(self._connections)
            )
            return None
        if by_host.get(host, 0) >= config.max_connections_by_ip.get(host, config.max_connections_per_ip):
            logger.warning("%s:%d: refused, too many connections from there (max.connections.per.ip)", *peer[:2])
            return None
        by_host[host] = by_host.get(host, 0) + 1
        self._connections.add(connection)
        if self._congestion_control is not None and not is_from_same_machine(host, local[0]):
            restore(transport.get_extra_info("socket"), self._congestion_control)
        return RequestContext(
            self.broker,
            listener_name=self.name,
            security_protocol=self.security_protocol,
            client_host=host,
            client_port=peer[1],
            local_host=local[0],
            local_port=local[1],
        )

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        self.gatherer.forget(connection)
        if connection in self._connections:
            self._connections.discard(connection)
            host = connection.client_host
            left = self._connections_by_host.get(host, 1) - 1
            if left:
                self._connections_by_host[host] = left
            else:
                self._connections_by_host.pop(host, None)

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    # --- the server's side --------------------------------------------------------------------------------------------

    def close_idle_connections(self, rounds: int) -> None:
        """Ends the connections that sent nothing in the last `rounds` calls of this function."""
        self.round += 1
        for connection in [c for c in self._connections if c.last_active_round < self.round - rounds and not c.is_busy]:
            logger.info("%s: closed, idle for longer than connections.max.idle.ms", connection)
            connection.close()

    def stop_accepting(self) -> None:
        """No new connections; those that are there go on."""
        if self._ssl is not None:
            self._ssl.close()
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()

    def descriptors(self) -> list[int]:
        """The file descriptors of its sockets and of its connections'."""
        sockets = [sock.fileno() for sock in self._sockets]
        return [fd for fd in (*sockets, *(fd for c in self._connections for fd in c.descriptors())) if fd >= 0]

    def close_connections(self, *, only_idle: bool) -> int:
        """Ends connections, all or those with nothing under way; returns how many are left."""
        for connection in list(self._connections):
            if not (only_idle and connection.is_busy):
                connection.close()
        return sum(1 for connection in self._connections if connection.is_busy)
