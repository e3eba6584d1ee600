"""Leader epochs of a partition: what contradicts goes, where epochs end, what truncation leaves."""

from __future__ import annotations

import pytest

from kafkalite.storage.leader_epoch_cache import LeaderEpochFileCache
from kafkalite.storage.memory_filesystem import MemoryFileSystem


@pytest.fixture
def cache() -> LeaderEpochFileCache:
    filesystem = MemoryFileSystem()
    cache = LeaderEpochFileCache(filesystem, "/leader-epoch-checkpoint")
    for epoch, offset in ((2, 0), (3, 10), (6, 25)):
        cache.assign(epoch, offset)
    return cache


def test_an_epoch_ends_where_the_next_one_begins(cache: LeaderEpochFileCache) -> None:
    found = {epoch: tuple(cache.end_offset_for(epoch, 40)) for epoch in (-1, 0, 2, 3, 4, 6, 7)}
    assert found == {-1: (-1, -1), 0: (0, 0), 2: (2, 10), 3: (3, 25), 4: (3, 25), 6: (6, 40), 7: (-1, -1)}


def test_an_offset_belongs_to_the_epoch_that_began_last(cache: LeaderEpochFileCache) -> None:
    cache.truncate_from_start(5)
    assert [cache.epoch_for_offset(offset) for offset in (4, 5, 9, 10, 24, 25, 99)] == [None, 2, 2, 3, 3, 6, 6]


def test_entries_that_contradict_a_new_one_go(cache: LeaderEpochFileCache) -> None:
    cache.assign(6, 30)
    assert cache.entries() == [(2, 0), (3, 10), (6, 25)]
    cache.assign(7, 10)
    assert cache.entries() == [(2, 0), (7, 10)]
    cache.assign(1, 5)
    assert cache.entries() == [(1, 5)]
    assert cache.latest_epoch == 1


def test_truncation_at_the_end_and_at_the_start(cache: LeaderEpochFileCache) -> None:
    cache.truncate_from_end(25)
    assert cache.entries() == [(2, 0), (3, 10)]
    cache.truncate_from_start(4)
    assert cache.entries() == [(2, 4), (3, 10)]
    cache.truncate_from_start(12)
    assert cache.entries() == [(3, 12)]
    cache.clear()
    assert (cache.entries(), cache.latest_epoch) == ([], -1)


def test_the_file_waits_to_be_written_and_is_read_again(cache: LeaderEpochFileCache) -> None:
    filesystem = cache._filesystem
    assert cache.is_dirty
    assert not filesystem.exists(cache.path)
    cache.write()
    assert filesystem.read_bytes(cache.path) == b"0\n3\n2 0\n3 10\n6 25\n"
    cache.truncate_from_end(11)
    cache.write()
    assert LeaderEpochFileCache.load(filesystem, cache.path).entries() == [(2, 0), (3, 10)]
    filesystem.write_bytes(cache.path, b"0\n1\nbroken\n")
    assert LeaderEpochFileCache.load(filesystem, cache.path).entries() == []


def test_an_epoch_that_begins_is_known_at_once_and_written_with_its_first_record(cache: LeaderEpochFileCache) -> None:
    filesystem = cache._filesystem
    cache.write()
    cache.begin(8, 50)
    assert (cache.latest_epoch, cache.written_epoch) == (8, 6)
    cache.write()
    assert filesystem.read_bytes(cache.path) == b"0\n3\n2 0\n3 10\n6 25\n"
    cache.assign(8, 50)
    assert (cache.latest_epoch, cache.written_epoch) == (8, 8)
    cache.write()
    assert filesystem.read_bytes(cache.path) == b"0\n4\n2 0\n3 10\n6 25\n8 50\n"


def test_negative_epochs_and_offsets_are_refused(cache: LeaderEpochFileCache) -> None:
    for epoch, offset in ((-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="invalid leader epoch entry"):
            cache.assign(epoch, offset)
