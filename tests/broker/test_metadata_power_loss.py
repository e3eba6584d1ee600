"""A change of the metadata that was acknowledged survives the loss of power, whenever it comes."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from kafkalite.broker.metadata_store import MetadataLogSettings
from kafkalite.storage.filesystem import File
from store_life import StoreLife
from volatile_filesystem import PowerLoss, VolatileFile, VolatileFileSystem


def run_script(life: StoreLife, acknowledged: list[str]) -> None:
    """A first start, changes with snapshots and new segments between them, a clean stop, a second start, a change."""
    life.settings = MetadataLogSettings(
        segment_bytes=3000, max_record_bytes_between_snapshots=2500, max_retention_bytes=9000
    )
    life.filesystem.make_directories("/data")
    life.filesystem.sync_directory("/")
    store = life.start()
    for index in range(25):
        store.append(life.new_topic(f"topic-{index}"))
        acknowledged.append(f"topic-{index}")
    store = life.restart(store)
    store.append(life.new_topic("at-last"))
    acknowledged.append("at-last")
    store.stop()
    store.close()


class FillingFileSystem(VolatileFileSystem):
    """Has room for so many writes, for any number of them if that is None."""

    writes_left: int | None = None

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        file = super().open(path, create=create, read_only=read_only)
        assert isinstance(file, VolatileFile)
        return FillingFile(self, file)


class FillingFile(VolatileFile):
    __slots__ = ()

    def append(self, *pieces: Any) -> None:
        disk = self._owner
        assert isinstance(disk, FillingFileSystem)
        if disk.writes_left is not None:
            disk.writes_left -= 1
            if disk.writes_left < 0:
                raise OSError(errno.ENOSPC, "No space left on device", self.path)
        super().append(*pieces)


def run_full_disk_script(writes_left: int, life: StoreLife, acknowledged: list[str]) -> None:
    """A first start and a kill, a start that finds room for so many writes, later room for the rest, and a change."""
    disk = life.filesystem
    assert isinstance(disk, FillingFileSystem)
    life.filesystem.make_directories("/data")
    life.filesystem.sync_directory("/")
    store = life.start()
    store.append(life.new_topic("before", partitions=3))
    acknowledged.append("before")
    store.close()
    disk.writes_left = writes_left
    store = life.start()
    assert store.is_held_back
    disk.writes_left = writes_left
    with pytest.raises(OSError, match="No space left on device"):
        store.write_held_back()
    disk.writes_left = None
    store.write_held_back()
    store.append(life.new_topic("when-there-is-room"))
    acknowledged.append("when-there-is-room")
    store.stop()
    store.close()


@pytest.mark.parametrize("seed", [None, 1, 2, 3], ids=str)
def test_no_acknowledged_change_is_lost_at_whatever_operation_the_power_goes(
    memory_life: StoreLife, seed: int | None
) -> None:
    """Everything unsynced is lost (without a seed), or some of it happens to be there, torn or zeroed (with one)."""
    assert try_every_operation(memory_life, VolatileFileSystem, run_script, seed) > 200


@pytest.mark.parametrize("seed", [None, 1], ids=str)
@pytest.mark.parametrize("writes_left", [0, 1, 2])
def test_a_start_that_is_recorded_late_loses_nothing_either(
    memory_life: StoreLife, writes_left: int, seed: int | None
) -> None:
    script = partial(run_full_disk_script, writes_left)
    assert try_every_operation(memory_life, FillingFileSystem, script, seed) > 40


def try_every_operation(
    life: StoreLife,
    disk: Callable[[int], VolatileFileSystem],
    run_script: Callable[[StoreLife, list[str]], None],
    seed: int | None,
) -> int:
    """Has the power go at each operation of a script, and starts again; returns how many operations there are."""
    whole = disk(1 << 30)
    life.filesystem = whole
    run_script(life, [])
    dice = random.Random(seed)
    for operations in range(1, whole.operations + 1):
        life.filesystem = filesystem = disk(operations)
        acknowledged: list[str] = []
        try:
            run_script(life, acknowledged)
        except PowerLoss:
            pass
        life.filesystem = filesystem.after_power_loss(dice, keeps_unsynced=seed is not None)
        try:
            life.filesystem.make_directories("/data")
            store = life.start()
            assert set(acknowledged) <= set(store.image.topics.by_name)
            store.append(life.new_topic("afterwards"))
            store.close()
            assert {*acknowledged, "afterwards"} <= set(life.open().image.topics.by_name)
        except BaseException as error:
            error.add_note(f"the power went at operation {operations} of {whole.operations}")
            raise
    return whole.operations
