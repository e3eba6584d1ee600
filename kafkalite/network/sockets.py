"""The sockets of listeners and of their connections: how they listen, and how much they receive ahead."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Final

SYSTEM_CHOSEN: Final = -1
"""A size that is left to the system."""
WIDE_RECEIVE_BUFFER: Final = 200 * 1024
"""What Linux lets anybody have, if nobody has raised net.core.rmem_max."""


def listening_socket(
    family: int, address: Any, *, backlog: int, send_buffer: int, receive_buffer: int
) -> socket.socket:
    """A bound, listening socket; the connections that it accepts inherit its buffer sizes, if not SYSTEM_CHOSEN."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if send_buffer > 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if receive_buffer > 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def widen_receive_buffer(connected: Any) -> None:
    """Has a connection receive more ahead than it began with."""
    with contextlib.suppress(OSError):  # the client has gone already
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WIDE_RECEIVE_BUFFER)
