from __future__ import annotations

import io
import json
import struct

import pytest

from kafkalite.cli.message_formatter import ConsumerRecord, DefaultMessageFormatter, new_formatter
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_records.classic_group import GroupMetadataKey
from kafkalite.protocol.coordinator_records.offsets import OffsetCommitKey, OffsetCommitValue
from kafkalite.protocol.coordinator_records.share_group import ShareGroupMetadataKey, ShareGroupMetadataValue
from kafkalite.protocol.coordinator_records.share_state import ShareUpdateKey, ShareUpdateValue
from kafkalite.protocol.remote_log_metadata import RemotePartitionDeleteMetadataRecord, TopicIdPartitionEntry

SERIALIZATION = "org.apache.kafka.common.serialization."
RECORD = ConsumerRecord("topic", 2, 7, "CreateTime", 1000, b"key", b"value", [("h", b"1"), ("none", None)])
BARE = ConsumerRecord("topic", 0, 0, None, -1, None, None, [])


def formatted(record: ConsumerRecord, formatter: str = "DefaultMessageFormatter", **properties: str) -> bytes:
    output = io.BytesIO()
    named = {name.replace("_", "."): value for name, value in properties.items()}
    new_formatter(f"org.apache.kafka.tools.consumer.{formatter}", named).write_to(record, output)
    return output.getvalue()


def test_the_value_alone_is_written_by_default() -> None:
    assert formatted(RECORD) == b"value\n"


def test_columns_come_in_a_fixed_order() -> None:
    columns = ("timestamp", "partition", "offset", "delivery", "epoch", "headers", "key")
    text = formatted(RECORD, **{f"print_{column}": "true" for column in columns})
    assert text == (
        b"CreateTime:1000\tPartition:2\tOffset:7\tDelivery:NOT_PRESENT\tEpoch:NOT_PRESENT\th:1,none:null\tkey\tvalue\n"
    )


def test_what_is_missing_has_its_own_words() -> None:
    text = formatted(BARE, print_timestamp="true", print_headers="true", print_key="true")
    assert text == b"NO_TIMESTAMP\tNO_HEADERS\tnull\tnull\n"


def test_without_any_column_nothing_is_written() -> None:
    assert formatted(RECORD, print_value="false") == b""


def test_separators_and_the_null_literal_can_be_chosen() -> None:
    text = formatted(
        RECORD._replace(key=None),
        print_key="true",
        print_headers="true",
        key_separator=" | ",
        line_separator="#",
        headers_separator="; ",
        null_literal="-",
    )
    assert text == b"h:1; none:- | - | value#"


@pytest.mark.parametrize(
    ("deserializer", "data", "text"),
    [
        ("StringDeserializer", "grün".encode(), "grün".encode()),
        ("IntegerDeserializer", struct.pack(">i", -5), b"-5"),
        ("LongDeserializer", struct.pack(">q", 2**40), b"1099511627776"),
        ("ShortDeserializer", struct.pack(">h", 12), b"12"),
        ("DoubleDeserializer", struct.pack(">d", 1.5), b"1.5"),
        ("BooleanDeserializer", b"\1", b"true"),
        ("UUIDDeserializer", b"123e4567-e89b-12d3-a456-426614174000", b"123e4567-e89b-12d3-a456-426614174000"),
    ],
)
def test_values_are_deserialized_by_javas_class_names(deserializer: str, data: bytes, text: bytes) -> None:
    record = RECORD._replace(value=data)
    assert formatted(record, value_deserializer=SERIALIZATION + deserializer) == text + b"\n"


def test_data_that_a_deserializer_cannot_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="is not 4"):
        formatted(RECORD, value_deserializer=SERIALIZATION + "IntegerDeserializer")


def test_an_unknown_deserializer_is_said_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert formatted(RECORD, key_deserializer="com.example.Avro") == b"value\n"
    assert "Unable to instantiate a deserializer from com.example.Avro" in capsys.readouterr().err


def test_the_logging_formatter_logs_what_it_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert formatted(RECORD, "LoggingMessageFormatter") == b"value\n"
    line = capsys.readouterr().err
    assert "INFO CreateTime:1000, key:key, value:value (LoggingMessageFormatter)" in line


def test_the_no_op_formatter_writes_nothing() -> None:
    assert formatted(RECORD, "NoOpMessageFormatter", print_key="true") == b""


@pytest.mark.parametrize("name", ["no.such.Formatter", "org.apache.kafka.tools.consumer.Nothing", "Formatter", ""])
def test_an_unknown_formatter_is_refused(name: str) -> None:
    with pytest.raises(LookupError):
        new_formatter(name, {})


def test_names_of_older_releases_are_understood() -> None:
    assert isinstance(new_formatter("kafka.tools.DefaultMessageFormatter", {}), DefaultMessageFormatter)
    older = new_formatter("kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter", {})
    assert type(older).__name__ == "OffsetsMessageFormatter"


def test_committed_offsets_are_written_as_json() -> None:
    key = OffsetCommitKey(group="g", topic="t", partition=3).to_bytes()
    value = OffsetCommitValue(offset=9, leader_epoch=1, metadata="m", commit_timestamp=5).to_bytes(3)
    text = formatted(BARE._replace(key=key, value=value), "OffsetsMessageFormatter")
    assert json.loads(text) == {
        "key": {"type": 1, "data": {"group": "g", "topic": "t", "partition": 3}},
        "value": {"version": 3, "data": {"offset": 9, "leaderEpoch": 1, "metadata": "m", "commitTimestamp": 5}},
    }
    tombstone = formatted(BARE._replace(key=key), "OffsetsMessageFormatter")
    assert json.loads(tombstone)["value"] is None


def test_share_groups_and_their_state_are_written_as_json() -> None:
    member = ShareGroupMetadataKey(group_id="g").to_bytes()
    text = formatted(
        BARE._replace(key=member, value=ShareGroupMetadataValue(epoch=3).to_bytes(0)), "ShareGroupMessageFormatter"
    )
    assert json.loads(text)["key"] == {"type": 11, "data": {"groupId": "g"}}
    assert json.loads(text)["value"]["data"]["epoch"] == 3
    key = ShareUpdateKey(group_id="g", topic_id=Uuid.ONE, partition=2).to_bytes()
    value = ShareUpdateValue(snapshot_epoch=4, leader_epoch=1, start_offset=7).to_bytes(0)
    name = "group.share.ShareGroupStateMessageFormatter"
    document = json.loads(formatted(BARE._replace(key=key, value=value), name))
    assert document["key"] == {"type": 1, "data": {"groupId": "g", "topicId": str(Uuid.ONE), "partition": 2}}
    assert document["value"]["data"]["startOffset"] == 7


def test_records_of_other_kinds_are_left_out() -> None:
    key = GroupMetadataKey(group="g").to_bytes()
    assert formatted(BARE._replace(key=key), "OffsetsMessageFormatter") == b""
    assert formatted(BARE, "OffsetsMessageFormatter") == b""
    assert formatted(BARE._replace(key=key), "GroupMetadataMessageFormatter") == (
        b'{"key":{"type":2,"data":{"group":"g"}},"value":null}'
    )


def test_a_record_that_is_none_of_the_coordinators_is_an_error() -> None:
    with pytest.raises(ValueError, match="Could not read record at offset 0"):
        formatted(BARE._replace(key=b"\0\1\0"), "OffsetsMessageFormatter")


def test_remote_log_metadata_is_written_as_one_line() -> None:
    name = "server.log.remote.metadata.storage.serialization.RemoteLogMetadataSerde$RemoteLogMetadataFormatter"
    partition = TopicIdPartitionEntry(name="t", id=Uuid.ONE, partition=2)
    record = RemotePartitionDeleteMetadataRecord(topic_id_partition=partition, broker_id=1, event_timestamp_ms=5)
    assert (
        formatted(BARE._replace(value=record.to_frame()), name)
        == (
            f"partition: {BARE.partition}, offset: {BARE.offset}, value: RemotePartitionDeleteMetadata{{"
            f"topicPartition={Uuid.ONE}:t-2, state=DELETE_PARTITION_MARKED, eventTimestampMs=5, brokerId=1}}\n"
        ).encode()
    )
    with pytest.raises(ValueError, match="unknown frame version 7"):
        formatted(BARE._replace(value=b"\7"), name)
