"""A start on a real disk that is full or read-only, not formatted yet or so: one clear line, exit code 1, no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from broker_process import HOST, REPOSITORY, free_port
from kafkalite_process import KafkaliteProcess
from small_disk import SmallDisk, mounted


def refusal(data: Path) -> str:
    """What a start prints that ends by itself."""
    configuration = data.parent.parent / "server.properties"
    configuration.write_text(f"listeners=PLAINTEXT://{HOST}:{free_port()}\nlog.dirs={data}\n")
    command = [sys.executable, "-m", "kafkalite.cli.kafkalite_server", str(configuration)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    [line] = (ended.stdout + ended.stderr).splitlines()
    return line.partition("ERROR ")[2]


def start_and_stop(directory: Path) -> None:
    broker = KafkaliteProcess(directory)
    try:
        broker.start()
        assert broker.stop() == 0
    finally:
        broker.kill()


def set_read_only(disk: SmallDisk, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk.path)], check=True, capture_output=True)


def test_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 1) as disk:
        disk.fill()
        data = disk.path / "data"
        assert refusal(data) == f"Cannot start: Cannot format log directory {data}: No space left on device"
        (disk.path / "filler").unlink()
        start_and_stop(disk.path)


@pytest.mark.parametrize("is_formatted", [False, True])
def test_a_read_only_disk(tmp_path: Path, is_formatted: bool) -> None:
    with mounted(tmp_path / "disk", 4) as disk:
        data = disk.path / "data"
        if is_formatted:
            start_and_stop(disk.path)
        set_read_only(disk, "ro")
        assert refusal(data) == f"Cannot start: Cannot use log directory {data}: Read-only file system"
        set_read_only(disk, "rw")
        start_and_stop(disk.path)
