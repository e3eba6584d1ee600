"""A broker inside a test's own process, ready in milliseconds.

    from kafkalite.testing import KafkaliteServer

    with KafkaliteServer() as kafka:
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})

It is the same broker as the command's, on a free port of the loopback interface, in a thread with an event loop of its
own; any client of any language can use it. Its data is kept in memory unless it is given a directory. docs/testing.md
says more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakSet

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.server import Server
from kafkalite.storage.filesystem import FileSystem, LocalFileSystem
from kafkalite.storage.memory_filesystem import MemoryFileSystem

if TYPE_CHECKING:
    from kafkalite.broker.clock import Clock

MEMORY_DIRECTORY: Final = "/kafkalite"
"""The log directory of a broker whose data is in memory."""
_running: Final[WeakSet[KafkaliteServer]] = WeakSet()


class KafkaliteServer:
    """A broker for tests; usable as a context manager, plain or asynchronous, or by `start` and `stop`."""

    def __init__(
        self,
        directory: str | PathLike[str] | None = None,
        *,
        config: Mapping[str, object] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        filesystem: FileSystem | None = None,
    ) -> None:
        """`config` holds properties of the broker by name; `directory` keeps the data on disk.

        `clock` and `filesystem` stand in for the system's, for tests of what depends on time or on faults.
        """
        if filesystem is None:
            filesystem = MemoryFileSystem() if directory is None else LocalFileSystem()
        self._filesystem = filesystem
        self._clock = clock
        self.host = host
        self._properties = {
            "log.dirs": MEMORY_DIRECTORY if directory is None else str(directory),
            **{name: _text(value) for name, value in (config or {}).items()},
        }
        self.port = port
        """The port that it listens on, once it is started; a restart keeps it."""
        self.config = self._broker_config()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._server: Server | None = None

    def _broker_config(self) -> BrokerConfig:
        return BrokerConfig({"listeners": f"PLAINTEXT://{self.host}:{self.port}", **self._properties})

    @property
    def bootstrap_servers(self) -> str:
        """What clients take as `bootstrap.servers`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    def start(self) -> Self:
        """Returns when clients can connect; raises what kept the broker from starting.

        After a `stop` it is the same broker again: at the same address, with what was written before.
        """
        if self._thread is not None:
            raise RuntimeError("the broker runs already")
        self.config = self._broker_config()
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="kafkalite", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            self._thread = None
            raise self._failure
        _running.add(self)
        return self

    def stop(self) -> None:
        """Stops cleanly and returns when everything is closed. What was written is there at the next `start`.

        Raises what made the broker end before, or what its end has failed with.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        _running.discard(self)
        with contextlib.suppress(RuntimeError):  # it has ended before
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        if self._failure is not None:
            raise self._failure

    def _forget_after_fork(self) -> None:
        """In a child process: the thread is not there, and the sockets are the parent's."""
        self._thread = None
        if self._server is not None:
            self._server.let_go_after_fork()

    def _run(self) -> None:
        self._loop = _new_event_loop()
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = Server(self.config, clock=self._clock, filesystem=self._filesystem)
        await server.start()
        self._server = server
        self.port = server.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await server.stop()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


def _forget_all_after_fork() -> None:
    for server in _running:
        server._forget_after_fork()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all_after_fork)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
