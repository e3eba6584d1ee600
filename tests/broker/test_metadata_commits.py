"""Group commit of the metadata: nothing is visible or acknowledged before its sync, and one sync serves all that wait.

The sync runs in a thread; where a test has to look at the moment before it is over, it holds it up.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import random
import threading
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

import pytest

from kafkalite.broker import snapshot_generator
from kafkalite.broker.metadata_snapshot import SnapshotId, read_snapshot, write_snapshot
from kafkalite.broker.metadata_store import MetadataLogSettings, MetadataStore
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import TopicRecord
from store_life import StoreLife
from volatile_filesystem import PowerLoss, VolatileFileSystem


class HeldSync:
    """A metadata log's sync that waits until it is let go; counts how often it was called."""

    def __init__(self, store: MetadataStore) -> None:
        self._sync = store.log.sync
        self._may_go = threading.Event()
        self.count = 0
        self.error: OSError | None = None
        store.log.sync = self  # type: ignore[method-assign]

    def __call__(self) -> None:
        self.count += 1
        assert self._may_go.wait(10)
        if self.error is not None:
            raise self.error
        self._sync()

    def let_go(self, error: OSError | None = None) -> None:
        self.error = error
        self._may_go.set()

    async def until_called(self) -> None:
        while not self.count:
            await asyncio.sleep(0.001)


def names(store: MetadataStore) -> list[str]:
    return list(store.image.topics.by_name)


def commit(store: MetadataStore, records: Sequence[MetadataRecord]) -> Awaitable[KafkaError | None]:
    answer = store.commit(records, lambda error: error)
    assert isinstance(answer, Awaitable)
    return answer


@pytest.fixture
def store(life: StoreLife) -> Iterator[MetadataStore]:
    store = life.start()
    yield store
    store.close()


async def test_a_change_is_visible_and_answered_when_it_is_on_the_disk(life: StoreLife, store: MetadataStore) -> None:
    sync = HeldSync(store)
    heard: list[MetadataRecord] = []
    store.add_listener(heard.extend)
    offset = store.last_applied_offset
    answer = asyncio.ensure_future(commit(store, life.new_topic("orders")))
    await sync.until_called()
    assert (names(store), heard, store.last_applied_offset, answer.done()) == ([], [], offset, False)
    sync.let_go()
    assert await answer is None
    assert names(store) == ["orders"]
    assert heard == life.new_topic("orders")
    assert store.last_applied_offset == offset + 2


async def test_one_sync_serves_all_that_arrive_together_and_the_next_all_that_arrive_meanwhile(
    life: StoreLife, store: MetadataStore
) -> None:
    sync = HeldSync(store)
    together = [asyncio.ensure_future(commit(store, life.new_topic(f"a{number}"))) for number in range(10)]
    await sync.until_called()
    meanwhile = [asyncio.ensure_future(commit(store, life.new_topic(f"b{number}"))) for number in range(10)]
    await asyncio.sleep(0)
    sync.let_go()
    assert await asyncio.gather(*together, *meanwhile) == [None] * 20
    assert sync.count == 2
    assert names(store) == [f"a{number}" for number in range(10)] + [f"b{number}" for number in range(10)]
    store.close()
    assert names(life.open()) == names(store)


async def test_a_further_change_goes_by_what_is_written_but_not_committed(
    life: StoreLife, store: MetadataStore
) -> None:
    assert store.written_image is store.image
    sync = HeldSync(store)
    first = commit(store, life.new_topic("orders"))
    assert list(store.written_image.topics.by_name) == ["orders"]
    second = commit(store, life.new_topic("others"))
    assert list(store.written_image.topics.by_name) == ["orders", "others"]
    assert names(store) == []
    sync.let_go()
    assert await first is await second is None
    assert list(store.image.to_records()) == list(store.written_image.to_records())


async def test_a_further_change_goes_by_one_that_is_being_carried_out(life: StoreLife, store: MetadataStore) -> None:
    seen: list[tuple[list[str], list[str]]] = []

    def look(records: Sequence[MetadataRecord]) -> Iterator[None]:
        yield
        seen.append((names(store), list(store.written_image.topics.by_name)))
        yield

    store.add_publisher(look, look)
    await commit(store, life.new_topic("orders"))
    assert seen == [([], ["orders"]), (["orders"], ["orders"])]


async def test_a_change_of_nothing_is_over_when_those_before_it_are(life: StoreLife, store: MetadataStore) -> None:
    assert store.commit([], lambda error: "at once") == "at once"
    sync = HeldSync(store)
    change = asyncio.ensure_future(commit(store, life.new_topic("orders")))
    nothing = asyncio.ensure_future(commit(store, []))
    await sync.until_called()
    assert not nothing.done()
    sync.let_go()
    await nothing
    assert change.done()


async def test_a_failed_sync_fails_all_that_wait_and_shows_none_of_it(life: StoreLife, store: MetadataStore) -> None:
    sync = HeldSync(store)
    first = asyncio.ensure_future(commit(store, life.new_topic("a")))
    await sync.until_called()
    second = asyncio.ensure_future(commit(store, life.new_topic("b")))
    await asyncio.sleep(0)
    sync.let_go(OSError(errno.EIO, "I/O error"))
    for failed in (await first, await second):
        assert failed is not None and failed.error is ErrorCode.KAFKA_STORAGE_ERROR
    assert names(store) == []
    assert store.written_image is store.image
    refused: Any = store.commit(life.new_topic("c"), lambda error: error)
    assert refused.error is ErrorCode.KAFKA_STORAGE_ERROR
    with pytest.raises(KafkaError):
        store.append(life.new_topic("d"))


async def test_what_cannot_wait_takes_its_turn_behind_what_is_written(life: StoreLife, store: MetadataStore) -> None:
    sync = HeldSync(store)
    before = asyncio.ensure_future(commit(store, life.new_topic("before")))
    await sync.until_called()
    threading.Timer(0.01, sync.let_go).start()
    store.append(life.new_topic("at-once"))
    assert names(store) == ["before", "at-once"]
    assert await before is None


async def test_what_a_change_brings_with_it_is_done_in_steps_before_the_next_change(
    life: StoreLife, store: MetadataStore
) -> None:
    heard: list[str] = []

    def prepare(records: Sequence[MetadataRecord]) -> Iterator[None]:
        for _ in range(3):
            heard.append(f"prepare {names(store)}")
            yield

    def publish(records: Sequence[MetadataRecord]) -> Iterator[None]:
        heard.append(f"publish {names(store)}")
        yield

    async def other_things() -> None:
        while True:
            heard.append("others")
            await asyncio.sleep(0)

    store.add_publisher(prepare, publish)
    store.add_listener(lambda _: heard.append("listener"))
    others = asyncio.ensure_future(other_things())
    await asyncio.gather(commit(store, life.new_topic("a")), commit(store, life.new_topic("b")))
    others.cancel()
    steps = [entry for entry in heard if entry != "others"]
    assert steps == [
        *["prepare []"] * 3,
        "listener",
        "publish ['a']",
        *["prepare ['a']"] * 3,
        "listener",
        "publish ['a', 'b']",
    ]
    first = [index for index, entry in enumerate(heard) if entry.startswith("prepare []")]
    assert all(heard[index + 1 : following] for index, following in itertools.pairwise(first))


async def test_a_listener_may_change_the_metadata_itself(life: StoreLife, store: MetadataStore) -> None:
    def listener(records: Sequence[MetadataRecord]) -> None:
        if names(store) == ["a"]:
            store.append(life.new_topic("because-of-a"))

    store.add_listener(listener)
    await asyncio.gather(commit(store, life.new_topic("a")), commit(store, life.new_topic("b")))
    assert names(store) == ["a", "b", "because-of-a"]
    store.close()
    assert names(life.open()) == ["a", "b", "because-of-a"]


async def test_whoever_fails_to_carry_a_change_out_is_heard_of_and_the_next_change_goes_on(
    life: StoreLife, store: MetadataStore
) -> None:
    def listener(records: Sequence[MetadataRecord]) -> None:
        if names(store) == ["a"]:
            raise RuntimeError("a fault of the program")

    store.add_listener(listener)
    first, second = commit(store, life.new_topic("a")), commit(store, life.new_topic("b"))
    with pytest.raises(RuntimeError):
        await first
    assert await second is None


async def test_a_segment_rolls_while_others_wait_for_their_sync(life: StoreLife) -> None:
    life.settings = MetadataLogSettings(segment_bytes=1000)
    store = life.start()
    waiting = []
    for number in range(50):
        waiting.append(asyncio.ensure_future(commit(store, life.new_topic(f"topic-{number}"))))
        await asyncio.sleep(0 if number % 5 else 0.001)
    assert await asyncio.gather(*waiting) == [None] * 50
    store.close()
    assert names(life.open()) == [f"topic-{number}" for number in range(50)]
    assert sum(name.endswith(".log") for name in life.filesystem.list_directory(life.log_directory)) > 5


async def test_a_snapshot_is_written_beside_further_changes(life: StoreLife, monkeypatch: pytest.MonkeyPatch) -> None:
    life.settings = MetadataLogSettings(max_record_bytes_between_snapshots=1000)
    store = life.start()
    may_write = threading.Event()

    def held_write(*arguments: Any, **facts: Any) -> None:
        assert may_write.wait(10)
        write_snapshot(*arguments, **facts)

    monkeypatch.setattr(snapshot_generator, "write_snapshot", held_write)
    while not store._snapshots._writing:
        await commit(store, life.new_topic(f"before-{len(names(store))}"))
    before = names(store)
    offset = store.last_applied_offset
    await commit(store, life.new_topic("meanwhile"))
    assert store.log.latest_snapshot is None
    may_write.set()
    while store._snapshots._writing:
        await asyncio.sleep(0.001)
    latest = store.log.latest_snapshot
    assert latest is not None
    assert latest == SnapshotId(offset + 1, 1)
    snapshot = read_snapshot(life.filesystem, store.log.path(latest.file_name))
    assert [record.name for record in snapshot.records if isinstance(record, TopicRecord)] == before
    store.close()
    assert names(life.open()) == [*before, "meanwhile"]


async def test_a_snapshot_that_cannot_be_written_is_tried_again_with_the_next_change(
    life: StoreLife, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    life.settings = MetadataLogSettings(max_record_bytes_between_snapshots=1000)
    store = life.start()
    with monkeypatch.context() as broken:

        def fail(*arguments: Any, **facts: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        broken.setattr(snapshot_generator, "write_snapshot", fail)
        while "No snapshot of the metadata could be written" not in caplog.text:
            assert await commit(store, life.new_topic(f"topic-{len(names(store))}")) is None
    assert store.log.latest_snapshot is None
    await commit(store, life.new_topic("at-last"))
    store.stop()
    assert store.log.latest_snapshot is not None
    store.close()


@pytest.mark.parametrize("seed", [None, 1, 2], ids=str)
def test_no_acknowledged_change_is_lost_at_whatever_operation_the_power_goes(
    memory_life: StoreLife, seed: int | None
) -> None:
    """Everything unsynced is lost (without a seed), or some of it happens to be there, torn or zeroed (with one)."""
    life = memory_life

    async def script(acknowledged: list[str]) -> None:
        life.settings = MetadataLogSettings(
            segment_bytes=3000, max_record_bytes_between_snapshots=2500, max_retention_bytes=9000
        )
        life.filesystem.make_directories("/data")
        life.filesystem.sync_directory("/")
        store = life.start()

        async def create(name: str) -> None:
            assert await commit(store, life.new_topic(name)) is None
            assert name in store.image.topics.by_name
            acknowledged.append(name)

        for number in range(8):
            names = [f"topic-{number}-{index}" for index in range(3)]
            for outcome in await asyncio.gather(*map(create, names), return_exceptions=True):
                if outcome is not None:
                    raise outcome
        store.stop()
        store.close()

    def run(acknowledged: list[str]) -> None:
        asyncio.run(script(acknowledged))

    whole = life.filesystem = VolatileFileSystem(1 << 30)
    run([])
    assert whole.operations > 80
    dice = random.Random(seed)
    for operations in range(1, whole.operations + 1):
        life.filesystem = filesystem = VolatileFileSystem(operations)
        acknowledged: list[str] = []
        try:
            run(acknowledged)
        except PowerLoss:
            pass
        life.filesystem = filesystem.after_power_loss(dice, keeps_unsynced=seed is not None)
        life.filesystem.make_directories("/data")
        store = life.start()
        assert set(acknowledged) <= set(names(store)), f"the power went at operation {operations}"
        store.append(life.new_topic("afterwards"))
        store.close()
        assert {*acknowledged, "afterwards"} <= set(names(life.open()))
