"""A broker of a few lines, for what the client must survive: it plays back what a test gives it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

Reply = bytes | Callable[[bytes], bytes] | None


class ScriptedBroker:
    """Accepts connections one after the other and answers their frames with `replies` in turn; None hangs up.

    A callable gets the request's payload. `requests` keeps every payload received.
    """

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(4):
                    payload = stream.read(int.from_bytes(head))
                    self.requests.append(payload)
                    reply = self.replies.pop(0) if self.replies else None
                    if reply is None:
                        break
                    data = reply if isinstance(reply, bytes) else reply(payload)
                    connection.sendall(data)


@pytest.fixture
def scripted_broker() -> Iterator[ScriptedBroker]:
    broker = ScriptedBroker()
    yield broker
    broker.close()
