"""The metadata store: what is appended is there after every end, and the log is what Apache Kafka would write."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from kafkalite.broker.metadata_batches import build_metadata_batch, read_control_records, read_metadata_records
from kafkalite.broker.metadata_log import MetadataLogError
from kafkalite.broker.metadata_store import MetadataLogSettings, MetadataStore
from kafkalite.broker.quorum_state import read_quorum_state
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.bootstrap_metadata import bootstrap_levels, bootstrap_records
from kafkalite.metadata.partition_registration import RECOVERED, RECOVERING
from kafkalite.protocol.control_records import (
    KRaftVersionRecord,
    LeaderChangeMessage,
    LeaderChangeMessageVoter,
    VotersRecord,
)
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.control import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    NoOpRecord,
)
from kafkalite.protocol.metadata_records.nodes import RegisterBrokerRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import PartitionRecord, TopicRecord
from kafkalite.records.record_batch import check_crc, iter_batches
from kafkalite.storage.checkpoint_files import read_epoch_checkpoint
from store_life import StoreLife


def batches(life: StoreLife) -> list[tuple[int, int, list[Any]]]:
    """Base offset, leader epoch and records of every batch in the log's first segment."""
    data = life.filesystem.read_bytes(life.log_file)
    found = []
    for position, header in iter_batches(data):
        check_crc(data, position, header)
        read = read_control_records if header.is_control else read_metadata_records
        found.append((header.base_offset, header.partition_leader_epoch, list(read(data, position, header))))
    return found


def names(records: list[object]) -> list[str]:
    return [type(record).__name__ for record in records]


class TestFirstStart:
    def test_the_log_begins_as_apache_kafkas(self, life: StoreLife) -> None:
        store = life.start()
        store.close()
        election, bootstrap, registration, unfencing = batches(life)
        assert election[:2] == (0, 1)
        leader_change, kraft_version, voters = election[2]
        assert leader_change == LeaderChangeMessage(
            leader_id=1,
            voters=[LeaderChangeMessageVoter(voter_id=1)],
            granting_voters=[LeaderChangeMessageVoter(voter_id=1)],
        )
        assert kraft_version == KRaftVersionRecord(k_raft_version=1)
        assert isinstance(voters, VotersRecord)
        assert voters.voters[0].voter_directory_id == life.directory_id
        assert bootstrap[0] == 3
        assert bootstrap[2] == [
            BeginTransactionRecord(name="Bootstrap records"),
            *bootstrap_records(),
            ConfigRecord(resource_type=4, resource_name="", name="min.insync.replicas", value="1"),
            EndTransactionRecord(),
        ]
        assert names(registration[2]) == ["RegisterControllerRecord", "RegisterBrokerRecord"]
        assert names(unfencing[2]) == ["BrokerRegistrationChangeRecord"] * 2

    def test_the_broker_is_registered_and_may_lead(self, life: StoreLife) -> None:
        store = life.start()
        broker = store.image.cluster.brokers[1]
        assert broker.is_active
        assert broker.directories == (life.directory_id,)
        assert broker.cordoned_directories == ()
        register = next(
            (base_offset + index, record)
            for base_offset, _, records in batches(life)
            for index, record in enumerate(records)
            if isinstance(record, RegisterBrokerRecord)
        )
        assert register[0] == store.broker_epoch == broker.epoch == register[1].broker_epoch
        assert store.image.features.metadata_version == 30
        store.close()

    def test_the_small_files_stand_beside_the_log(self, life: StoreLife) -> None:
        life.start().close()
        state = read_quorum_state(life.filesystem, life.log_directory)
        assert state is not None
        assert (state.leader_id, state.leader_epoch, state.data_version) == (1, 1, 1)
        epochs = read_epoch_checkpoint(life.filesystem, f"{life.log_directory}/leader-epoch-checkpoint")
        assert epochs == [(1, 0)]
        metadata = life.filesystem.read_bytes(f"{life.log_directory}/partition.metadata")
        assert metadata == b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"

    def test_bootstrap_records_come_from_the_formatted_directory(self, life: StoreLife) -> None:
        life.format(records=bootstrap_records(bootstrap_levels(25, {"group.version": 0})))
        store = life.start()
        assert store.image.features.metadata_version == 25
        assert store.image.features.finalized_versions == {"transaction.version": 2}
        assert not any(isinstance(record, ConfigRecord) for _, _, records in batches(life) for record in records)
        store.close()

    def test_a_level_without_transactions_has_none(self, life: StoreLife) -> None:
        life.format(records=bootstrap_records(bootstrap_levels(7)))
        store = life.start()
        assert names(batches(life)[1][2]) == ["FeatureLevelRecord"]
        assert names(batches(life)[2][2]) == ["RegisterBrokerRecord"]
        topic_id = Uuid(b"\x05" * 16)
        partition = PartitionRecord(partition_id=0, topic_id=topic_id, replicas=[1], isr=[1], leader=1)
        store.append([TopicRecord(name="orders", topic_id=topic_id), partition])
        store.write_snapshot()
        assert life.restart(store).image.topics.by_name["orders"].partitions[0].leader == 1

    def test_the_static_kind_stays_static(self, life: StoreLife) -> None:
        life.format(is_dynamic=False)
        store = life.start()
        assert names(batches(life)[0][2]) == ["LeaderChangeMessage"]
        state = read_quorum_state(life.filesystem, life.log_directory)
        assert state is not None
        assert (state.data_version, state.current_voters) == (0, (1,))
        store.close()


class TestAppend:
    def test_is_one_batch_replayed_before_listeners_hear_of_it(self, life: StoreLife) -> None:
        store = life.start()
        heard: list[tuple[object, bool]] = []
        store.add_listener(lambda records: heard.extend((r, "orders" in store.image.topics.by_name) for r in records))
        records = life.new_topic("orders", 2)
        end_offset = store.log.end_offset
        assert store.append(records) == end_offset + 2 == store.last_applied_offset
        assert heard == [(record, True) for record in records]
        assert batches(life)[-1] == (end_offset, 1, records)
        store.close()

    def test_of_nothing_does_nothing(self, life: StoreLife) -> None:
        store = life.start()
        offset = store.last_applied_offset
        assert store.append([]) == offset
        store.close()

    def test_what_was_appended_is_there_after_a_clean_stop(self, life: StoreLife) -> None:
        store = life.start()
        store.append(life.new_topic("orders", 2))
        store.append([ConfigRecord(resource_type=2, resource_name="orders", name="retention.ms", value="5")])
        image = life.restart(store).image
        assert list(image.topics.by_name["orders"].partitions) == [0, 1]
        assert image.configs.topic_configs("orders") == {"retention.ms": "5"}

    def test_what_was_appended_is_there_after_a_crash(self, life: StoreLife) -> None:
        life.start().append(life.new_topic("orders"))
        image = life.open().image
        assert list(image.topics.by_name["orders"].partitions) == [0]

    def test_a_change_too_large_for_a_batch_is_one_transaction(self, memory_life: StoreLife) -> None:
        store = memory_life.start()
        value = "x" * 30_000
        records: list[MetadataRecord] = [
            ConfigRecord(resource_type=32, resource_name=f"g{index}", name="n", value=value) for index in range(300)
        ]
        end_offset = store.log.end_offset
        store.append(records)
        appended = [records for base_offset, _, records in batches(memory_life) if base_offset >= end_offset]
        assert names(appended[0][:1]) == ["BeginTransactionRecord"]
        assert names(appended[-1][-1:]) == ["EndTransactionRecord"]
        assert len(appended) == 3
        assert len(memory_life.restart(store).image.configs.by_resource) == 301

    def test_a_change_that_cannot_be_written_changes_nothing(
        self, life: StoreLife, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = life.start()
        end_offset = store.log.end_offset

        def fail(*buffers: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        file = store.log._segments[-1].file
        with monkeypatch.context() as broken:
            broken.setattr(type(file), "append", lambda self, *buffers: fail())
            with pytest.raises(KafkaError) as refusal:
                store.append(life.new_topic("orders"))
        assert refusal.value.error == ErrorCode.KAFKA_STORAGE_ERROR
        assert refusal.value.message == "The metadata log cannot be written: No space left on device"
        assert store.image.topics.topic("orders") is None
        assert store.log.end_offset == end_offset
        store.append(life.new_topic("orders"))
        assert life.restart(store).image.topics.topic("orders") is not None

    def test_after_a_failed_sync_nothing_more_is_written(
        self, life: StoreLife, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = life.start()
        with monkeypatch.context() as broken:
            broken.setattr(store.log, "sync", lambda: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
            with pytest.raises(KafkaError):
                store.append(life.new_topic("orders"))
        with pytest.raises(KafkaError, match="I/O error"):
            store.append(life.new_topic("others"))
        assert len(store.image.topics) == 0


class TestRestart:
    def test_every_start_is_a_new_raft_epoch(self, life: StoreLife) -> None:
        store = life.start()
        second = life.restart(store)
        assert (store.leader_epoch, second.leader_epoch) == (1, 2)
        leader_changes = [
            (base_offset, epoch)
            for base_offset, epoch, records in batches(life)
            if isinstance(records[0], LeaderChangeMessage)
        ]
        assert [epoch for _, epoch in leader_changes] == [1, 2]
        epochs = read_epoch_checkpoint(life.filesystem, f"{life.log_directory}/leader-epoch-checkpoint")
        assert epochs == [(epoch, base_offset) for base_offset, epoch in leader_changes]

    @pytest.mark.parametrize("lost", ["quorum-state", "leader-epoch-checkpoint"])
    def test_the_epoch_rises_without_the_file_that_names_it(self, life: StoreLife, lost: str) -> None:
        store = life.start()
        store.stop()
        store.close()
        life.filesystem.remove(f"{life.log_directory}/{lost}")
        assert life.start().leader_epoch == 2
        assert len(read_epoch_checkpoint(life.filesystem, f"{life.log_directory}/leader-epoch-checkpoint")) == 2

    def test_voters_are_written_once(self, life: StoreLife) -> None:
        store = life.restart(life.start())
        store.close()
        voters = [r for _, _, records in batches(life) for r in records if isinstance(r, VotersRecord)]
        assert len(voters) == 1

    def test_a_clean_stop_leaves_a_fenced_broker_and_partitions_that_it_may_lead(self, life: StoreLife) -> None:
        store = life.start()
        store.append(life.new_topic("orders"))
        store.stop()
        image = store.image
        assert image.cluster.brokers[1].fenced
        assert image.cluster.brokers[1].in_controlled_shutdown
        partition = image.topics.by_name["orders"].partitions[0]
        assert (partition.leader, partition.isr, partition.elr, partition.leader_epoch) == (-1, (), (1,), 1)
        offset = store.last_applied_offset
        store.stop()
        assert store.last_applied_offset == offset
        store.close()
        again = life.start(previous_broker_epoch=store.broker_epoch).image.topics.by_name["orders"].partitions[0]
        assert (again.leader, again.isr, again.leader_epoch) == (1, (1,), 2)
        assert again.leader_recovery_state == RECOVERED

    def test_after_a_crash_the_last_leader_leads_and_recovers(self, life: StoreLife) -> None:
        life.start().append(life.new_topic("orders"))
        partition = life.start().image.topics.by_name["orders"].partitions[0]
        assert (partition.leader, partition.isr, partition.leader_epoch) == (1, (1,), 2)
        assert partition.leader_recovery_state == RECOVERING

    def test_the_broker_epoch_is_new_each_time(self, life: StoreLife) -> None:
        store = life.start()
        second = life.restart(store)
        assert second.broker_epoch > store.broker_epoch
        assert second.image.cluster.brokers[1].epoch == second.broker_epoch

    def test_stopping_before_the_start_writes_nothing(self, life: StoreLife) -> None:
        store = life.open()
        store.stop()
        assert store.log.end_offset == 0


class TestTransactions:
    def append_raw(self, store: MetadataStore, *records: MetadataRecord) -> None:
        store.append(list(records))

    def test_records_become_visible_when_the_transaction_ends(self, life: StoreLife) -> None:
        store = life.start()
        heard: list[object] = []
        store.add_listener(heard.extend)
        topic = life.new_topic("orders")
        self.append_raw(store, BeginTransactionRecord(name="n"), *topic)
        assert store.is_in_transaction
        assert store.image.topics.topic("orders") is None
        assert heard == []
        self.append_raw(store, EndTransactionRecord())
        assert store.image.topics.topic("orders") is not None
        assert heard == topic

    def test_an_aborted_transaction_leaves_nothing(self, life: StoreLife) -> None:
        store = life.start()
        self.append_raw(store, BeginTransactionRecord(), *life.new_topic("orders"), AbortTransactionRecord())
        assert store.image.topics.topic("orders") is None
        assert life.restart(store).image.topics.topic("orders") is None

    def test_an_open_transaction_is_aborted_by_the_next_start(self, life: StoreLife) -> None:
        self.append_raw(life.start(), BeginTransactionRecord(), *life.new_topic("orders"))
        store = life.start()
        assert not store.is_in_transaction
        assert store.image.topics.topic("orders") is None
        assert any(
            record == AbortTransactionRecord(reason="Controller failover")
            for _, _, records in batches(life)
            for record in records
        )
        store.append(life.new_topic("orders"))
        assert life.restart(store).image.topics.topic("orders") is not None

    def test_an_interrupted_bootstrap_begins_again(self, memory_life: StoreLife) -> None:
        life = memory_life
        life.start().close()
        data = life.filesystem.read_bytes(life.log_file)
        positions = [position for position, _ in iter_batches(data)]
        bootstrap = batches(life)[1][2]
        half = build_metadata_batch(
            [record.to_frame(0) for record in bootstrap[:4]], base_offset=3, leader_epoch=1, now_ms=1
        )
        life.filesystem.write_bytes(life.log_file, data[: positions[1]] + half)
        store = life.start()
        assert store.image.features.metadata_version == 30
        assert store.image.features.level("transaction.version") == 2
        assert names(batches(life)[3][2])[:2] == ["AbortTransactionRecord", "BeginTransactionRecord"]


class TestDamage:
    def test_a_log_cut_anywhere_opens_with_the_longest_valid_prefix(self, memory_life: StoreLife) -> None:
        life = memory_life
        store = life.start()
        for index in range(3):
            store.append(life.new_topic(f"topic-{index}"))
        data = life.filesystem.read_bytes(life.log_file)
        starts = [(position, header) for position, header in iter_batches(data)]
        topics_at = [position + header.size_in_bytes for position, header in starts[-3:]]
        for size in range(len(data)):
            life.filesystem.write_bytes(life.log_file, data[:size])
            opened = life.open()
            assert len(opened.image.topics) == sum(end <= size for end in topics_at), size
            opened.close()
            whole = max((p + h.size_in_bytes for p, h in starts if p + h.size_in_bytes <= size), default=0)
            assert life.filesystem.read_bytes(life.log_file) == data[:whole]

    @pytest.mark.parametrize("garbage", [b"\x00" * 100, b"\xff" * 100, b"garbage"])
    def test_garbage_behind_the_log_is_cut_off(
        self, life: StoreLife, garbage: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = life.start()
        store.append(life.new_topic("orders"))
        store.close()
        data = life.filesystem.read_bytes(life.log_file)
        life.filesystem.write_bytes(life.log_file, data + garbage)
        store = life.start()
        assert store.image.topics.topic("orders") is not None
        assert life.filesystem.read_bytes(life.log_file)[: len(data)] == data
        [warning] = [record.getMessage() for record in caplog.records if "Cutting" in record.getMessage()]
        assert warning.startswith(f"Cutting {len(garbage)} bytes off {life.log_file} at position {len(data)}")
        store.append(life.new_topic("others"))
        assert len(life.restart(store).image.topics) == 2

    def test_a_flipped_bit_ends_the_valid_prefix(self, memory_life: StoreLife) -> None:
        life = memory_life
        store = life.start()
        store.append(life.new_topic("first"))
        size = len(life.filesystem.read_bytes(life.log_file))
        store.append(life.new_topic("second"))
        data = bytearray(life.filesystem.read_bytes(life.log_file))
        data[size + 70] ^= 1
        life.filesystem.write_bytes(life.log_file, bytes(data))
        assert list(life.open().image.topics.by_name) == ["first"]

    def test_what_follows_damage_is_kept_aside_but_a_torn_end_is_not(
        self, memory_life: StoreLife, caplog: pytest.LogCaptureFixture
    ) -> None:
        life = memory_life
        store = life.start()
        store.append(life.new_topic("first"))
        size = len(life.filesystem.read_bytes(life.log_file))
        store.append(life.new_topic("second"))
        store.append(life.new_topic("third"))
        data = bytearray(life.filesystem.read_bytes(life.log_file))
        life.filesystem.write_bytes(life.log_file, bytes(data[:-1]))
        life.open().close()
        assert not [name for name in life.filesystem.list_directory(life.log_directory) if "damaged" in name]
        data[size + 70] ^= 1
        life.filesystem.write_bytes(life.log_file, bytes(data))
        assert list(life.open().image.topics.by_name) == ["first"]
        assert life.filesystem.read_bytes(f"{life.log_file}.{size}.damaged") == data[size:]
        assert "Changes of the metadata are lost to damage within the log" in caplog.text

    def test_a_wrong_base_offset_ends_the_valid_prefix(self, memory_life: StoreLife) -> None:
        life = memory_life
        store = life.start()
        store.append(life.new_topic("first"))
        size = len(life.filesystem.read_bytes(life.log_file))
        store.append(life.new_topic("second"))
        data = bytearray(life.filesystem.read_bytes(life.log_file))
        data[size + 3] ^= 1  # not covered by the checksum
        life.filesystem.write_bytes(life.log_file, bytes(data))
        assert list(life.open().image.topics.by_name) == ["first"]

    def test_a_damaged_snapshot_is_named(self, life: StoreLife) -> None:
        store = life.start()
        snapshot_id = store.write_snapshot()
        assert snapshot_id is not None
        path = f"{life.log_directory}/{snapshot_id.file_name}"
        data = bytearray(life.filesystem.read_bytes(path))
        data[-80] ^= 1
        life.filesystem.write_bytes(path, bytes(data))
        with pytest.raises(MetadataLogError, match=rf"The snapshot {path} is damaged"):
            life.open()

    def test_a_damaged_quorum_state_is_named(self, life: StoreLife) -> None:
        life.start().close()
        life.filesystem.write_bytes(f"{life.log_directory}/quorum-state", b"{")
        with pytest.raises(MetadataLogError, match="Error while reading the Quorum status from the file"):
            life.start()


class TestSnapshots:
    def test_a_snapshot_is_read_instead_of_the_log_before_it(self, life: StoreLife) -> None:
        store = life.start()
        store.append(life.new_topic("before"))
        snapshot_id = store.write_snapshot()
        store.append(life.new_topic("after"))
        assert snapshot_id == (store.log.end_offset - 2, 1)
        opened = life.restart(store)
        assert opened.log.latest_snapshot == snapshot_id
        assert sorted(opened.image.topics.by_name) == ["after", "before"]
        assert opened.image.cluster.brokers[1].is_active
        assert opened.leader_epoch == 2

    def test_the_log_before_a_snapshot_is_not_even_looked_at(self, memory_life: StoreLife) -> None:
        life = memory_life
        store = life.start()
        for index in range(100):
            store.append(life.new_topic(f"topic-{index}"))
        store.write_snapshot()
        store.append(life.new_topic("after"))
        store.stop()
        store.close()
        data = bytearray(life.filesystem.read_bytes(life.log_file))
        data[70] ^= 1
        life.filesystem.write_bytes(life.log_file, bytes(data))
        assert len(life.start().image.topics) == 101

    def test_one_is_taken_when_the_log_has_grown_enough(self, life: StoreLife) -> None:
        life.settings = MetadataLogSettings(max_record_bytes_between_snapshots=2000)
        store = life.start()
        taken = []
        for index in range(30):
            store.append(life.new_topic(f"topic-{index}"))
            taken.append(len(store.log.snapshots))
        assert taken[0] == 1  # the zero checkpoint
        assert taken[-1] > 3
        assert len(life.restart(store).image.topics) == 30

    def test_one_is_taken_when_starts_after_crashes_have_made_the_log_grow(self, life: StoreLife) -> None:
        life.settings = MetadataLogSettings(max_record_bytes_between_snapshots=20_000)
        store = life.start()
        for index in range(20):
            store.append(life.new_topic(f"topic-{index}"))
        taken = len(store.log.snapshots)
        for _ in range(20):
            store.close()
            store = life.start()
        assert len(store.log.snapshots) > taken
        assert len(life.restart(store).image.topics) == 20

    def test_one_is_taken_when_the_last_is_old_and_something_has_changed(self, life: StoreLife) -> None:
        store = life.start()
        store.run_periodic_tasks()
        assert store.log.latest_snapshot is None
        life.now_ms += 3600 * 1000
        store.run_periodic_tasks()
        assert store.log.latest_snapshot == (store.log.end_offset, 1)
        life.now_ms += 3600 * 1000
        store.run_periodic_tasks()
        assert len(store.log.snapshots) == 2

    def test_old_ones_go_with_the_segments_that_only_they_need(self, life: StoreLife) -> None:
        life.settings = MetadataLogSettings(
            segment_bytes=2000, max_record_bytes_between_snapshots=3000, max_retention_bytes=8000
        )
        store = life.start()
        for index in range(100):
            store.append(life.new_topic(f"topic-{index}"))
        assert store.log.start_offset > 0
        assert store.log.snapshots[0].offset >= store.log.start_offset
        names = sorted(life.filesystem.list_directory(life.log_directory))
        assert sum(name.endswith(".log") for name in names) < 10
        assert sum(name.endswith(".checkpoint") for name in names) == len(store.log.snapshots)
        opened = life.restart(store)
        assert len(opened.image.topics) == 100
        assert opened.leader_epoch == 2

    def test_those_older_than_the_retention_time_go(self, life: StoreLife) -> None:
        store = life.start()
        store.write_snapshot()
        life.now_ms += 7 * 24 * 3600 * 1000 + 1
        store.append([NoOpRecord()])
        newest = store.write_snapshot()
        assert store.log.snapshots == [newest]

    def test_none_is_taken_twice_or_within_a_transaction(self, life: StoreLife) -> None:
        store = life.start()
        assert store.write_snapshot() is not None
        assert store.write_snapshot() is None
        store.append([BeginTransactionRecord()])
        assert store.write_snapshot() is None

    def test_a_change_stands_even_if_no_snapshot_can_be_written(
        self, life: StoreLife, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        life.settings = MetadataLogSettings(max_record_bytes_between_snapshots=100)
        store = life.start()
        before = store.log.latest_snapshot
        with monkeypatch.context() as broken:
            broken.setattr(type(life.filesystem), "rename", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
            store.append(life.new_topic("orders"))
        assert "No snapshot of the metadata could be written" in caplog.text
        assert store.log.latest_snapshot == before
        store.append(life.new_topic("others"))
        assert store.log.latest_snapshot != before
        assert len(life.restart(store).image.topics) == 2

    def test_one_that_was_not_finished_is_removed(self, life: StoreLife) -> None:
        life.start().close()
        for name in ("1-0.checkpoint.part", "00000000000000000000-0000000000.checkpoint.deleted"):
            life.filesystem.write_bytes(f"{life.log_directory}/{name}", b"half")
        life.start().close()
        names = life.filesystem.list_directory(life.log_directory)
        assert not [name for name in names if name.endswith((".part", ".deleted"))]

    def test_a_log_that_begins_later_needs_a_snapshot(self, memory_life: StoreLife) -> None:
        life = memory_life
        store = life.start()
        store.append(life.new_topic("orders"))
        store.close()
        path = f"{life.log_directory}/00000000000000000005.log"
        life.filesystem.rename(life.log_file, path)
        with pytest.raises(MetadataLogError, match="begins at offset 5, but there is no snapshot"):
            life.open()


class TestOthers:
    def test_replicas_on_other_nodes_are_refused(self, life: StoreLife) -> None:
        store = life.start()
        topic_id = Uuid(b"\x05" * 16)
        partition = PartitionRecord(partition_id=0, topic_id=topic_id, replicas=[1, 2], isr=[1], leader=1)
        store.append([TopicRecord(name="orders", topic_id=topic_id), partition])
        store.close()
        with pytest.raises(MetadataLogError, match=r"Partition orders-0 has its replicas on the nodes 1, 2"):
            life.open()

    def test_a_quorum_with_other_controllers_is_refused(self, life: StoreLife) -> None:
        life.start().close()
        with pytest.raises(MetadataLogError, match=r"belongs to a quorum with other controllers \(1\)"):
            MetadataStore(life.filesystem, life.directory, 2, now_ms=lambda: 0)
