"""Metadata stores over a file system of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from store_life import StoreLife


@pytest.fixture(params=["memory", "local"])
def life(request: pytest.FixtureRequest, tmp_path: Path) -> StoreLife:
    """A directory that does not exist yet, in memory and on the disk."""
    if request.param == "memory":
        return StoreLife(MemoryFileSystem(), "/data")
    return StoreLife(LocalFileSystem(), f"{tmp_path}/data")


@pytest.fixture
def memory_life() -> StoreLife:
    return StoreLife(MemoryFileSystem(), "/data")


@pytest.fixture
def life_on_disk(tmp_path: Path) -> StoreLife:
    return StoreLife(LocalFileSystem(), f"{tmp_path}/data")
