"""Drives the load generator: builds it with Go, gives it its plan, waits for its figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from toolchains import build_folder

_SOURCES = Path(__file__).parent / "load_generator"


class NoGoError(Exception):
    """The load generator is written in Go, and there is no Go on the PATH."""


@dataclass(frozen=True)
class Counter:
    """A big-endian number in a request that grows by one whenever the request is sent, the first time too."""

    position: int
    size: int
    frame: int = 0


@dataclass(frozen=True)
class LoadFigures:
    """What a run came to; see Figures in load_generator/main.go."""

    requests: int
    errors: int
    seconds: float
    bytes_received: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    generator_cpu_seconds: float

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds


def _program() -> Path:
    if shutil.which("go") is None:
        raise NoGoError("the load generator needs Go on the PATH")

    def build(folder: Path) -> None:
        subprocess.run(["go", "build", "-o", str(folder / "load_generator"), "."], cwd=_SOURCES, check=True)

    return build_folder(_SOURCES, build) / "load_generator"


class Load:
    """A load generator with open connections; `run` sends what the plan says, as often as it is called.

    Further plan entries are those of the type Plan in load_generator/main.go, in snake_case; `frames`, `fetch` and
    `trigger` are given as bytes.
    """

    def __init__(
        self,
        port: int,
        frames: Sequence[bytes],
        *,
        mode: str = "closed",
        connections: int = 1,
        in_flight: int = 1,
        counters: Sequence[Counter] = (),
        **plan: Any,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="load-generator-"))
        plan |= {"mode": mode, "address": f"127.0.0.1:{port}", "connections": connections, "in_flight": in_flight}
        plan["counters"] = [vars(counter) for counter in counters]
        plan["frames"] = b"".join(frames)
        for name, value in plan.items():
            if isinstance(value, bytes):
                path = self._folder / name
                path.write_bytes(value)
                plan[name] = str(path)
        (self._folder / "plan.json").write_text(json.dumps(plan))
        self._process = subprocess.Popen(
            [str(_program()), str(self._folder / "plan.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.open_seconds: float = self._answer()["open_seconds"]

    def run(self, *, allow_errors: bool = False) -> LoadFigures:
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        figures = LoadFigures(**self._answer())
        if figures.errors and not allow_errors:
            raise RuntimeError(f"{figures.errors} of {figures.requests} requests failed")
        return figures

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load generator ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Closes its connections and ends it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
