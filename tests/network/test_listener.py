"""Listening sockets are as the configuration says."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from kafkalite.testing import KafkaliteServer

KEY = "socket.listen.backlog.size"


def listening_backlogs(port: int) -> list[int]:
    """How many connections may wait to be accepted on this process's sockets that listen on a port."""
    backlogs: list[int] = []
    for name in os.listdir("/proc/self/fd"):
        try:
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with sock:
            if (
                sock.family == socket.AF_INET
                and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                and sock.getsockname()[1] == port
            ):
                # Of a socket that listens, tcpi_sacked is the length of its queue at most.
                backlogs += struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 28)
    return backlogs


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's tcp_info")
@pytest.mark.parametrize(("config", "size"), [({}, 1_024), ({KEY: 7}, 7), ({KEY: 50}, 50), ({KEY: 300}, 300)])
def test_as_many_connections_may_wait_to_be_accepted_as_configured(
    tmp_path: Path, config: dict[str, int], size: int
) -> None:
    with KafkaliteServer(str(tmp_path / "data"), config=config) as server:
        assert listening_backlogs(server.port) == [size]
