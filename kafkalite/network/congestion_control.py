"""No pacing on the way from a machine to itself.

BBR, which some systems have for all their connections, sends no faster than it believes the network to be. Where there
is no network this costs a timer for each 64 KiB, more of them where it guesses low. With consumers on the broker's own
machine and the system's send buffers, fetches of 1 MB got 1,900 to 4,900 MB/s with BBR and 5,400 to 5,800 with Reno, of
50 MB 2,000 and 5,600, for 0.43 and 0.05 s of a processor per GB. Connections from elsewhere have what the system is
configured with.

A connection that has begun with pacing keeps to it. So all begin without, and get theirs when it is known where they
come from.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Final

PACING: Final = frozenset({b"bbr"})
WITHOUT_PACING: Final = b"reno"
"""Which every Linux has, and lets everybody choose."""
_TCP_CONGESTION: Final = getattr(socket, "TCP_CONGESTION", None)
_LONGEST_NAME: Final = 16


def remove_pacing(listening: socket.socket) -> bytes | None:
    """Has the connections of a listening socket begin without pacing. The congestion control that they would have had,
    None where that stays: it does not pace, or the system has no choice of them."""
    if _TCP_CONGESTION is None:
        return None
    try:
        configured = congestion_control(listening)
        if configured not in PACING:
            return None
        listening.setsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, WITHOUT_PACING)
    except OSError:
        return None
    return configured


def restore(connected: Any, configured: bytes) -> None:
    """Gives a connection what `remove_pacing` has taken from it."""
    with contextlib.suppress(OSError):  # the client has gone already
        connected.setsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, configured)


def congestion_control(sock: socket.socket) -> bytes:
    """The name of what a socket has. Raises OSError."""
    assert _TCP_CONGESTION is not None
    name = sock.getsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, _LONGEST_NAME)
    return name.rstrip(b"\0")


def is_from_same_machine(peer_host: str, local_host: str) -> bool:
    """Whether a connection between these addresses stays on the machine."""
    return peer_host == local_host or peer_host.startswith("127.")
