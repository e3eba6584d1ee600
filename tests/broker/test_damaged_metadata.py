"""Whatever happens to the metadata's files, a start works or ends with one clear line; what was valid is kept."""

from __future__ import annotations

import random

import pytest

from damage import damage
from kafkalite.broker.metadata_log import MetadataLogError
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from store_life import StoreLife

_SMALL = 40


@pytest.fixture
def files(memory_life: StoreLife) -> dict[str, bytes]:
    """The metadata's files of a broker that was started twice, with topics before and after a snapshot."""
    life = memory_life
    store = life.start()
    for index in range(_SMALL):
        store.append(life.new_topic(f"before-{index}"))
    store.write_snapshot()
    store.append(life.new_topic("between"))
    store = life.restart(store)
    store.append(life.new_topic("after"))
    store.stop()
    store.close()
    filesystem = life.filesystem
    return {
        f"{directory}/{name}": filesystem.read_bytes(f"{directory}/{name}")
        for directory in (life.directory, life.log_directory)
        for name in filesystem.list_directory(directory)
        if not filesystem.is_directory(f"{directory}/{name}") and name != "meta.properties"
    } | {f"{life.directory}/meta.properties": filesystem.read_bytes(f"{life.directory}/meta.properties")}


@pytest.mark.parametrize("seed", [*range(30), pytest.param(range(30, 180), marks=pytest.mark.stress)])
def test_a_start_works_or_says_why_not(memory_life: StoreLife, files: dict[str, bytes], seed: int | range) -> None:
    chance = random.Random(str(seed))
    life = memory_life
    names = sorted(name for name in files if not name.endswith("meta.properties"))
    for _ in range(20 if isinstance(seed, int) else 20 * len(seed)):
        life.filesystem = MemoryFileSystem()
        life.filesystem.make_directories(life.log_directory)
        for name, data in files.items():
            life.filesystem.write_bytes(name, data)
        for name in chance.sample(names, chance.choice((1, 1, 1, 2, 3))):
            if chance.randrange(6):
                life.filesystem.write_bytes(name, damage(chance, files[name]))
            else:
                life.filesystem.remove(name)
        try:
            store = life.start()
        except MetadataLogError as error:
            assert "\n" not in str(error)
            continue
        topics = set(store.image.topics.by_name)
        store.append(life.new_topic("new"))
        store.stop()
        store.close()
        assert set(life.start().image.topics.by_name) == topics | {"new"}
