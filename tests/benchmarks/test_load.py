"""The load generator counts what it sends, sees errors, and moves the numbers that it is told to move."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from load import Counter, Load

pytestmark = pytest.mark.toolchain("go")


class Answering:
    """Answers every frame with four bytes, the frame's first int16 in front."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as received:
            while head := received.read(4):
                frame = received.read(int.from_bytes(head))
                self.frames.append(frame)
                connection.sendall((4).to_bytes(4) + frame[:2] + b"xy")

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def answering() -> Iterator[Answering]:
    server = Answering()
    yield server
    server.close()


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4) + body


def test_every_request_is_sent_and_counted(answering: Answering) -> None:
    wanted = [frame(bytes([0, 0, number])) for number in range(7)]
    with Load(answering.port, wanted, connections=2, in_flight=3, requests=100, seconds=60) as load:
        figures = load.run()
        again = load.run()
    assert (figures.requests, figures.errors, figures.bytes_received) == (100, 0, 800)
    assert again.requests == 100
    assert {body[2] for body in answering.frames} == set(range(7))
    assert len(answering.frames) == 200
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.max_ms


def test_errors_are_seen_where_zeros_are_due_and_in_short_responses(answering: Answering) -> None:
    wanted = [frame(b"\x00\x00"), frame(b"\x00\x07")]
    with Load(answering.port, wanted, requests=10, seconds=60, zero_at=[4]) as load:
        assert load.run(allow_errors=True).errors == 5
        with pytest.raises(RuntimeError, match="5 of 10 requests failed"):
            load.run()
    with Load(answering.port, wanted, requests=10, seconds=60, min_response=9) as load:
        assert load.run(allow_errors=True).errors == 10


def test_counters_grow_with_each_request_of_their_frame(answering: Answering) -> None:
    wanted = [frame(bytes(2) + (254).to_bytes(2)), frame(bytes(2) + b"other")]
    counters = [Counter(position=6, size=2, frame=0)]
    with Load(answering.port, wanted, counters=counters, requests=6, seconds=60) as load:
        load.run()
    assert [int.from_bytes(body[2:]) for body in answering.frames[::2]] == [255, 256, 257]
    assert answering.frames[1::2] == [bytes(2) + b"other"] * 3


def test_a_rate_is_kept(answering: Answering) -> None:
    with Load(answering.port, [frame(bytes(2))], connections=4, requests=50, seconds=60, rate=500) as load:
        figures = load.run()
    assert figures.requests == 50
    assert figures.seconds >= 49 / 500
