"""A change of the metadata that was acknowledged survives the loss of power, whenever it comes."""

from __future__ import annotations

import random

import pytest

from kafkalite.broker.metadata_store import MetadataLogSettings
from store_life import StoreLife
from volatile_filesystem import PowerLoss, VolatileFileSystem


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


@pytest.mark.parametrize("seed", [None, 1, 2, 3], ids=str)
def test_no_acknowledged_change_is_lost_at_whatever_operation_the_power_goes(
    memory_life: StoreLife, seed: int | None
) -> None:
    """Everything unsynced is lost (without a seed), or some of it happens to be there, torn or zeroed (with one)."""
    life = memory_life
    whole = VolatileFileSystem(1 << 30)
    life.filesystem = whole
    run_script(life, [])
    assert whole.operations > 200
    dice = random.Random(seed)
    for operations in range(1, whole.operations + 1):
        life.filesystem = filesystem = VolatileFileSystem(operations)
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
