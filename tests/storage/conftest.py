"""Log managers on either file system, and batches to put into their logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.storage.filesystem import LocalFileSystem
from log_disk import BatchMaker, Disk, EndMarkerMaker, make_batch, make_end_marker, new_memory_disk


@pytest.fixture
def batch() -> BatchMaker:
    """`batch(b"value", ..., timestamp=..., producer_id=..., sequence=...) -> bytes` of one record batch."""
    return make_batch


@pytest.fixture(params=["memory", "local"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """An empty log directory, in memory and on disk."""
    if request.param == "memory":
        return new_memory_disk()
    return Disk(LocalFileSystem(), str(tmp_path / "data"))


@pytest.fixture
def memory_disk() -> Disk:
    return new_memory_disk()


@pytest.fixture
def end_marker() -> EndMarkerMaker:
    """`end_marker(producer_id, epoch, is_commit=..., coordinator_epoch=...) -> bytes` of a control batch."""
    return make_end_marker
