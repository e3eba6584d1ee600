"""Servers that are no brokers, as limits for what a broker can do: they read requests and answer with bytes at hand.

    python bare_servers.py echo SIZE          each frame is answered with a frame of SIZE bytes, on uvloop
    python bare_servers.py sendfile SIZE      each frame is answered with SIZE bytes of a file, by sendfile on a thread
    python bare_servers.py append DIRECTORY   each frame is written to a file and answered, on a thread for each client

They print the port that they listen on, and end with their standard input.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafkalite.network.congestion_control import remove_pacing

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class BareServer:
    port: int
    pid: int


@contextmanager
def _server(*arguments: str) -> Iterator[BareServer]:
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield BareServer(int(process.stdout.readline()), process.pid)
        finally:
            process.stdin.close()


def echo_server(response_size: int) -> AbstractContextManager[BareServer]:
    return _server("echo", str(response_size))


def sendfile_server(response_size: int) -> AbstractContextManager[BareServer]:
    return _server("sendfile", str(response_size))


def append_server(directory: Path) -> AbstractContextManager[BareServer]:
    return _server("append", str(directory))


class _Echo(asyncio.Protocol):
    """Counts the frames of what arrives and answers them in one write."""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        position = count = 0
        while len(received) - position >= 4:
            end = position + 4 + int.from_bytes(received[position : position + 4])
            if end > len(received):
                break
            position = end
            count += 1
        del received[:position]
        assert self._transport is not None
        self._transport.write(self._response * count)


def _echo(listening: socket.socket, response_size: int) -> None:
    response = (response_size - 4).to_bytes(4) + bytes(response_size - 4)

    async def serve() -> None:
        await asyncio.get_running_loop().create_server(lambda: _Echo(response), sock=listening, backlog=1_000)
        await asyncio.Event().wait()

    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


def _receive(connection: socket.socket, buffer: memoryview) -> int:
    """The next frame into the buffer; its whole size, or 0 at the end."""
    got = 0
    size = 4
    while got < size:
        count = connection.recv_into(buffer[got:size])
        if not count:
            return 0
        got += count
        if got == 4:
            size = 4 + int.from_bytes(buffer[:4])
    return size


def _threads(listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def _sendfile(listening: socket.socket, response_size: int) -> None:
    with tempfile.TemporaryFile() as file:
        file.write((response_size - 4).to_bytes(4))
        for _ in range(response_size // (1 << 20) + 1):
            file.write(os.urandom(1 << 20))
        file.flush()

        def serve(connection: socket.socket) -> None:
            buffer = memoryview(bytearray(1 << 20))
            while _receive(connection, buffer):
                sent = 0
                while sent < response_size:
                    sent += os.sendfile(connection.fileno(), file.fileno(), sent, response_size - sent)

        _threads(listening, serve)


def _append(listening: socket.socket, directory: Path) -> None:
    response = (56).to_bytes(4) + bytes(56)

    def serve(connection: socket.socket) -> None:
        buffer = memoryview(bytearray(4 << 20))
        with (directory / f"{connection.fileno()}.log").open("ab", buffering=0) as file:
            while size := _receive(connection, buffer):
                file.write(buffer[:size])
                connection.sendall(response)

    _threads(listening, serve)


def main() -> None:
    kind, argument = sys.argv[1:]
    with socket.create_server((_HOST, 0), backlog=1_000) as listening:
        remove_pacing(listening)  # as kafkalite does for connections on one machine
        print(listening.getsockname()[1], flush=True)

        def end_with_input() -> None:
            sys.stdin.read()
            os._exit(0)

        threading.Thread(target=end_with_input, daemon=True).start()
        if kind == "echo":
            _echo(listening, int(argument))
        elif kind == "sendfile":
            _sendfile(listening, int(argument))
        else:
            _append(listening, Path(argument))


if __name__ == "__main__":
    main()
