"""Headers that no client sends, beside Apache Kafka: what is answered all the same, and what ends the connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kafkalite.client.wire_client import DisconnectedError
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]

_LIST_GROUPS, _API_VERSIONS, _FIND_COORDINATOR = 16, 18, 10
_NAME_AND_VERSION = b"\x02a\x021"
_TAGS = [
    b"",
    b"\0",
    b"\1\0\0",
    b"\1\5\2ab",
    b"\2\5\1a\6\1b",
    b"\2\5\1a\5\1b",
    b"\2\6\1a\5\1b",
    b"\1\5\x7fab",
    b"\1",
    b"\1\5",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\0",
    b"\x80\x80\x80\x80\x80\0",
    b"\x80\x80\x80\x80\x80\x80\0",
    b"\1\xff\xff\xff\xff\x0f\0",
    b"\1\5\xff\xff\xff\xff\x0f",
    b"\2\0\0\0\0",
]


def header(key: int, version: int, client_id: bytes | None = b"c", tags: bytes = b"") -> bytes:
    name = b"\xff\xff" if client_id is None else len(client_id).to_bytes(2) + client_id
    return key.to_bytes(2, signed=True) + version.to_bytes(2, signed=True) + (5).to_bytes(4) + name + tags


def ask(side: Side, frame: bytes, label: str) -> None:
    """Notes how a frame is answered: how the answer begins, or that the connection is closed."""
    try:
        answer = side.client.send_frame(frame, timeout_s=10)
    except DisconnectedError:
        side.client.close()
        side.note(label, "<connection closed>")
        return
    side.note(label, (answer[:6], len(answer) if len(answer) < 40 else "long"))


@pytest.mark.parametrize("version", [-32768, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 100, 32767])
def test_versions_of_api_versions(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        for tags in _TAGS:
            for body in (b"", _NAME_AND_VERSION + b"\0", b"abc", _NAME_AND_VERSION + b"\0\xff\xff\xff\xff\0"):
                ask(side, header(_API_VERSIONS, version, tags=tags) + body, f"tags {tags!r}, body {body!r}")
        for client_id in (None, b"", b"\xff\xfe\x80", b"x" * 1000):
            for tags in (b"", b"\0"):
                ask(side, header(_API_VERSIONS, version, client_id, tags), f"client id {client_id!r:.20}, {tags!r}")
        whole = header(_API_VERSIONS, version)
        for size in (4, 5, 8, 9, 10):
            ask(side, whole[:size], f"{size} bytes of it")
        for client_id_size in (b"\xff\xfe", b"\x80\0", b"\0\x10"):
            for rest in (b"", b"\0", b"abc"):
                ask(side, whole[:8] + client_id_size + rest, f"client id of size {client_id_size!r}, {rest!r}")

    compare(scenario)


@pytest.mark.parametrize("version", [3, 4, 5])
def test_names_of_software(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        for name in (b"", b"a\0", b"a\n", b"\n", b"a_b", b".", b"a.", b"a\xff", b"\xff", b" a", b"a ", b"a" * 100):
            for other in (b"1", b"", b"1_", b"1.0.0-SNAPSHOT"):
                told = bytes([len(name) + 1]) + name + bytes([len(other) + 1]) + other
                body = told + (b"\0\xff\xff\xff\xff\0" if version >= 5 else b"\0")
                ask(side, header(_API_VERSIONS, version, tags=b"\0") + body, f"{name!r:.20} {other!r}")
        for body in (b"\0\x021\0", b"\x02a\0\0"):
            ask(side, header(_API_VERSIONS, version, tags=b"\0") + body, f"null in {body!r}")

    compare(scenario)


def test_tagged_fields_that_nobody_knows(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        for tags in _TAGS:
            ask(side, header(_LIST_GROUPS, 5, tags=tags) + b"\1\1\0", f"header {tags!r}")
            ask(side, header(_LIST_GROUPS, 5, tags=b"\0") + b"\2\2x\1" + tags, f"body {tags!r}")
            ask(side, header(_FIND_COORDINATOR, 4, tags=tags) + b"\x07\1\0", f"header of another {tags!r}")

    compare(scenario)


def test_apis_and_versions_that_do_not_exist(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        for key in (-32768, -1, 4, 5, 6, 7, 52, 58, 59, 62, 63, 64, 67, 70, 73, 82, 93, 200, 32767):
            for version in (-1, 0, 1, 99):
                ask(side, header(key, version), f"API {key}, version {version}")
        for key in (1, 2, 3, 8, 10, 11, 22, 60, 68, 75, 80):
            for version in (-1, 99, 32767):
                ask(side, header(key, version, tags=b"\0"), f"API {key}, version {version}")

    compare(scenario)
