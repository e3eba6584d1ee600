"""What a produced batch must fulfil before it may be appended, as Apache Kafka's LogValidator and UnifiedLog ask it.

`validate_client_batch` reads the header, the bytes once for the CRC, and the lengths of the records, decompressing them
where need be: what no consumer could decompress is refused. It answers for everything that the log, its indexes and the
producer state take from a batch: sizes, magic, codec, offset range and count, sequence, no control records. It does not
look into records, so it believes a client's max timestamp and offset deltas; record_validation does not.
"""

from __future__ import annotations

from typing import Final

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import (
    Buffer,
    CompressionType,
    ScratchBuffer,
)
from kafkalite.records.crc32c import crc32c
from kafkalite.records.record import invalid_record, read_varint
from kafkalite.records.record_batch import (
    ATTRIBUTES_POSITION,
    COMPRESSION_MASK,
    CONTROL_MASK,
    LOG_OVERHEAD,
    MAGIC_POSITION,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    corrupt_record,
    is_valid,
    iter_batches,
    read_header,
)

_CODEC_AND_CONTROL: Final = COMPRESSION_MASK | CONTROL_MASK
_scratch_buffers: Final[list[ScratchBuffer]] = []


def validate_client_batch(
    records: Buffer,
    topic_partition: object,
    *,
    max_message_bytes: int,
    produce_version: int = 13,
    header: BatchHeader | None = None,
) -> BatchHeader:
    """The header of the one batch that a producer may send for a partition, or the KafkaError that refuses it.

    Codes, texts and their order are Apache Kafka's (ProduceRequest, UnifiedLog, LogValidator). An incomplete second
    batch is not looked at: what is appended is `header.size_in_bytes` bytes. Of the records only their number is
    checked, after decompression where they are compressed. `header`: of a batch of format 2 whose header has been read.
    """
    if header is None and len(records) >= RECORD_BATCH_OVERHEAD and records[MAGIC_POSITION] == 2:
        header = read_header(records)
    if header is not None:
        length, crc, attributes, last_offset_delta = header[1], header[4], header[5], header[6]
        count = header[12]
        codec = attributes & _CODEC_AND_CONTROL
        if (
            length + LOG_OVERHEAD == len(records) <= max_message_bytes
            and header[0] == 0
            and count == last_offset_delta + 1 > 0
            and codec <= 4
            and (header[9] < 0 or header[11] >= 0)
            and (codec != 4 or produce_version >= 7)
            and crc32c((records if type(records) is memoryview else memoryview(records))[ATTRIBUTES_POSITION:]) == crc
        ):
            if not codec:
                if count == 1 and len(records) > RECORD_BATCH_OVERHEAD + 1:  # as is usual without lingering
                    size, second = records[RECORD_BATCH_OVERHEAD], records[RECORD_BATCH_OVERHEAD + 1]
                    if size < 0x80:
                        end = RECORD_BATCH_OVERHEAD + 1 + (size >> 1)
                    elif second < 0x80:
                        end = RECORD_BATCH_OVERHEAD + 2 + (size >> 1 & 0x3F) + (second << 6)
                    else:
                        end = 0
                    if end == len(records) and not size & 1:
                        return header
                check_records_count(records, count, RECORD_BATCH_OVERHEAD)
            else:
                _check_compressed_records_count(records, header)
            return header
    return _validate_slowly(records, topic_partition, max_message_bytes, produce_version)


def _check_compressed_records_count(records: Buffer, header: BatchHeader) -> None:
    # Each has its own while it is at work: there may be several brokers in a process, each with its thread.
    scratch = _scratch_buffers.pop() if _scratch_buffers else ScratchBuffer()
    try:
        body = memoryview(records)[RECORD_BATCH_OVERHEAD : header[1] + LOG_OVERHEAD]
        check_records_count(scratch.decompress(header[5] & COMPRESSION_MASK, body), header[12])
    finally:
        _scratch_buffers.append(scratch)


def _validate_slowly(
    records: Buffer, topic_partition: object, max_message_bytes: int, produce_version: int
) -> BatchHeader:
    batches = iter_batches(records)
    first = next(batches, None)
    request = f"Produce requests with version {produce_version}"
    if first is None:
        raise invalid_record(f"{request} must have at least one record batch per partition")
    header = first[1]
    if header.magic != 2:
        raise invalid_record(f"{request} are only allowed to contain record batches with magic version 2")
    if produce_version < 7 and header.compression_type == CompressionType.ZSTD:
        raise KafkaError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"{request} are not allowed to use ZStandard compression"
        )
    if next(batches, None) is not None:
        raise invalid_record(f"{request} are only allowed to contain exactly one record batch per partition")

    if header.base_offset != 0:
        raise invalid_record(
            f"The baseOffset of the record batch in the append to {topic_partition} should be 0, but it is "
            f"{header.base_offset}"
        )
    if header.size_in_bytes > max_message_bytes:
        raise KafkaError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The record batch size in the append to {topic_partition} is {header.size_in_bytes} bytes which exceeds "
            f"the maximum configured value of {max_message_bytes}).",
        )
    if not is_valid(records, 0, header):
        raise corrupt_record(f"Record is corrupt (stored crc = {header.crc}) in topic partition {topic_partition}.")
    _ = header.compression_type  # raises for the numbers that no codec has

    count_from_offsets = header.last_offset_delta + 1
    offsets = f"[{header.base_offset}, {header.last_offset}]"
    if count_from_offsets <= 0:
        raise invalid_record(f"Batch has an invalid offset range: {offsets} in topic partition {topic_partition}")
    if header.records_count <= 0:
        raise invalid_record(
            f"Invalid reported count for record batch: {header.records_count} in topic partition {topic_partition}"
        )
    if count_from_offsets != header.records_count:
        raise invalid_record(
            f"Inconsistent batch offset range {offsets} and count of records {header.records_count} in topic "
            f"partition {topic_partition}"
        )
    if header.is_control:
        raise invalid_record(f"Clients are not allowed to write control records in topic partition {topic_partition}")
    if header.has_producer_id and header.base_sequence < 0:
        raise invalid_record(
            f"Invalid sequence number {header.base_sequence} in record batch with producerId {header.producer_id} in "
            f"topic partition {topic_partition}"
        )
    if not header.is_compressed:
        batch = memoryview(records)[: header.size_in_bytes]
        check_records_count(batch, header.records_count, RECORD_BATCH_OVERHEAD)
    return header


def check_records_count(body: Buffer, records_count: int, position: int = 0) -> None:
    """Raises KafkaError(INVALID_RECORD) unless the records from `position` to the body's end are exactly so many.

    Hops from length to length, and over runs of equally long records, as most producers make them, in one go: between
    a fiftieth and a tenth of the cost of reading the records, and enough that every reader can find the batch's end.
    """
    end = len(body)
    left = records_count
    try:
        while left > 0:
            size = body[position]
            if size < 0x80:
                prefix, stride = 1, 1 + (size >> 1)
            else:
                second = body[position + 1]
                if second < 0x80:
                    prefix, stride = 2, 2 + (size >> 1 & 0x3F) + (second << 6)
                else:
                    length, behind = read_varint(body, position)
                    if length < 0:
                        raise invalid_record("Invalid record size: it is negative")
                    position = behind + length
                    left -= 1
                    continue
            if size & 1:
                raise invalid_record("Invalid record size: it is negative")
            # A record of this length ends where the next one of this length begins: so it is a run of them as long as
            # the same length stands at every such place.
            window = body[position : position + stride * (left if left < _RUN else _RUN)]
            if stride < _DENSE_STRIDE:
                window = bytes(window)
            lengths = bytes(window[::stride])
            run = len(lengths) - len(lengths.lstrip(lengths[:1]))
            if prefix == 2 and run > 1:
                lengths = bytes(window[1::stride])
                second_run = len(lengths) - len(lengths.lstrip(lengths[:1]))
                if second_run < run:
                    run = second_run
            position += stride * run
            left -= run
            if run < 4:
                position, left = _hop(body, position, min(left, _HOPS), left)
    except IndexError:
        raise invalid_record("Incorrect declared batch size, premature EOF reached") from None
    if position < end:
        raise invalid_record("Incorrect declared batch size, records still remaining in file")
    if position > end:
        raise invalid_record("Incorrect declared batch size, premature EOF reached")


_RUN: Final = 256
_DENSE_STRIDE: Final = 256
"""Bytes that are closer to each other are picked faster from a copy than from a view."""
_HOPS: Final = 32
"""So many records are stepped over one by one where lengths differ, before the next attempt at a run."""


def _hop(body: Buffer, position: int, hops: int, left: int) -> tuple[int, int]:
    """Steps over single records; returns where that leads, and how many are left then."""
    for _ in range(hops):
        size = body[position]
        if size < 0x80 and not size & 1:
            position += 1 + (size >> 1)
            continue
        second = body[position + 1]
        if second < 0x80 and not size & 1:
            position += 2 + (size >> 1 & 0x3F) + (second << 6)
            continue
        length, position = read_varint(body, position)
        if length < 0:
            raise invalid_record("Invalid record size: it is negative")
        position += length
    return position, left - hops
