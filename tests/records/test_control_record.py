"""Control records: the Java client's bytes, both ways; unknown types and damage.

tests/golden/records/java_client_control_batches.txt was written by the Java client's MemoryRecords: per line a kind of
control record and a batch in hexadecimal.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.control_records import (
    Endpoint,
    KRaftVersionFeature,
    KRaftVersionRecord,
    LeaderChangeMessage,
    LeaderChangeMessageVoter,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    VotersRecord,
    VotersRecordVoter,
)
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.records.control_record import (
    ControlRecordType,
    EndTransactionMarker,
    KraftMessage,
    build_end_transaction_marker,
    build_kraft_control_batch,
    control_record_key,
    read_control_record_type,
    read_control_record_type_id,
    read_end_transaction_marker,
    read_kraft_message,
)
from kafkalite.records.record import Record
from kafkalite.records.record_batch import check_crc, decode_records, read_header

GOLDEN = Path(__file__).parent.parent / "golden" / "records" / "java_client_control_batches.txt"
JAVA = {kind: bytes.fromhex(raw) for kind, raw in (line.split() for line in GOLDEN.read_text().splitlines())}
NOW = 1_700_000_000_000

MARKERS = {
    "commit": (EndTransactionMarker(ControlRecordType.COMMIT, 7), 50, 4000, 2),
    "abort": (EndTransactionMarker(ControlRecordType.ABORT, 0), 51, 4001, 0),
}
MESSAGES: dict[str, tuple[KraftMessage, int, int]] = {
    "leader_change": (
        LeaderChangeMessage(
            version=0,
            leader_id=1,
            voters=[LeaderChangeMessageVoter(voter_id=1)],
            granting_voters=[LeaderChangeMessageVoter(voter_id=1)],
        ),
        0,
        5,
    ),
    "snapshot_header": (SnapshotHeaderRecord(version=0, last_contained_log_timestamp=NOW - 1), 0, 5),
    "snapshot_footer": (SnapshotFooterRecord(version=0), 9, 5),
    "kraft_version": (KRaftVersionRecord(version=0, k_raft_version=1), 1, 0),
    "kraft_voters": (
        VotersRecord(
            version=0,
            voters=[
                VotersRecordVoter(
                    voter_id=1,
                    voter_directory_id=Uuid.ONE,
                    endpoints=[Endpoint(name="CONTROLLER", host="localhost", port=49093)],
                    k_raft_version_feature=KRaftVersionFeature(min_supported_version=0, max_supported_version=1),
                )
            ],
        ),
        2,
        0,
    ),
}


def test_every_kind_is_among_the_java_clients_batches() -> None:
    assert sorted(JAVA) == sorted([*MARKERS, *MESSAGES])


@pytest.mark.parametrize("kind", sorted(MARKERS))
def test_the_end_of_a_transaction_has_the_java_clients_bytes_both_ways(kind: str) -> None:
    marker, offset, producer_id, producer_epoch = MARKERS[kind]
    built = build_end_transaction_marker(
        marker,
        timestamp_ms=NOW,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_offset=offset,
        partition_leader_epoch=3,
    )
    assert built == JAVA[kind]
    header = read_header(built)
    check_crc(built, 0, header)
    assert header.is_control and header.is_transactional and not header.is_idempotent
    (record,) = decode_records(built)
    assert record.offset == offset
    assert read_control_record_type(record.key).name == kind.upper()
    assert read_end_transaction_marker(record) == marker
    assert read_kraft_message(record) is None


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_a_quorums_control_record_has_the_java_clients_bytes_both_ways(kind: str) -> None:
    message, offset, epoch = MESSAGES[kind]
    built = build_kraft_control_batch([message], timestamp_ms=NOW, base_offset=offset, partition_leader_epoch=epoch)
    assert built == JAVA[kind]
    assert read_header(built).is_control and not read_header(built).is_transactional
    (record,) = decode_records(built)
    assert read_control_record_type(record.key).name == kind.upper()
    assert read_kraft_message(record) == message


def test_several_control_messages_share_a_batch() -> None:
    messages = [message for message, _, _ in MESSAGES.values()]
    built = build_kraft_control_batch(messages, timestamp_ms=NOW, base_offset=10, partition_leader_epoch=1)
    records = decode_records(built)
    assert [record.offset for record in records] == [10, 11, 12, 13, 14]
    assert [read_kraft_message(record) for record in records] == messages


def test_a_type_of_the_future_is_unknown_and_carries_nothing() -> None:
    key = bytes.fromhex("00000063")
    assert read_control_record_type_id(key) == 99
    assert read_control_record_type(key) is ControlRecordType.UNKNOWN
    assert read_kraft_message(Record(0, 0, key, b"whatever")) is None


def test_a_newer_version_of_key_and_marker_is_read_as_the_one_we_know() -> None:
    record = Record(0, 0, bytes.fromhex("00050001ffff"), bytes.fromhex("00090000002affff"))
    assert read_end_transaction_marker(record) == EndTransactionMarker(ControlRecordType.COMMIT, 42)


COMMIT = control_record_key(ControlRecordType.COMMIT)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        (None, b"", "at least 4 bytes, but found only 0"),
        (b"\x00\x00\x00", b"", "at least 4 bytes, but found only 3"),
        (b"\xff\xff\x00\x01", b"", "Invalid version found for control record: -1"),
        (control_record_key(ControlRecordType.LEADER_CHANGE), b"", "end transaction marker LEADER_CHANGE"),
        (COMMIT, None, "without a coordinator epoch"),
        (COMMIT, b"\x00\x00\x00", "without a coordinator epoch"),
        (COMMIT, b"\xff\xfe\x00\x00\x00\x00", "Invalid version found for end transaction marker: -2"),
    ],
)
def test_damaged_markers_are_invalid_records(key: bytes | None, value: bytes | None, text: str) -> None:
    with pytest.raises(KafkaError, match=text) as raised:
        read_end_transaction_marker(Record(0, 0, key, value))
    assert raised.value.error == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("value", [None, b"\0", b"\0\0\xff\xff"])
def test_a_damaged_quorum_message_is_a_protocol_error(value: bytes | None) -> None:
    with pytest.raises(ProtocolError):
        read_kraft_message(Record(0, 0, control_record_key(ControlRecordType.KRAFT_VOTERS), value))


def test_a_quorum_message_of_a_newer_version_is_read_as_the_newest_we_know() -> None:
    key = control_record_key(ControlRecordType.KRAFT_VERSION)
    message = KRaftVersionRecord(version=9, k_raft_version=1)
    assert read_kraft_message(Record(0, 0, key, message.encode(0) + b"more")) == message


def test_only_commit_and_abort_end_a_transaction() -> None:
    with pytest.raises(ValueError, match="KRAFT_VERSION"):
        build_end_transaction_marker(
            EndTransactionMarker(ControlRecordType.KRAFT_VERSION, 0), timestamp_ms=0, producer_id=1, producer_epoch=0
        )
