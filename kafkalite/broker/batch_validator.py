"""Large batches in gzip are looked into by worker threads: the loop goes on with what others want meanwhile.

A megabyte of gzip takes seven milliseconds to decompress, and one that was made for it a third of a second. The
interpreter's lock is not held for that. Small batches are looked into at once, and those of the other codecs, which
take a third of the time or less: while the loop is busy, a thread waits for that lock about as long. Threads took a
third less of what a producer sent in lz4, and half of what came in zstd.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kafkalite.errors import KafkaError
from kafkalite.records.compression import Buffer, CompressionType
from kafkalite.records.log_validator import validate_client_batch
from kafkalite.records.record_batch import COMPRESSION_MASK, BatchHeader

LARGE_GZIP_BATCH: Final = 64 * 1024
"""Bytes from which a batch in gzip is worth a thread."""
LARGE_GZIP_RECORDS: Final = 512 * 1024
"""Bytes from which the records in a batch in gzip are, by the size that stands at its end."""
_MAX_WORKERS: Final = 4


def is_slow_to_validate(header: BatchHeader, records: Buffer) -> bool:
    """Whether a batch, given with its header, takes so long to decompress that a thread should do it."""
    return header[5] & COMPRESSION_MASK == CompressionType.GZIP and (
        header[1] >= LARGE_GZIP_BATCH or int.from_bytes(records[-4:], "little") >= LARGE_GZIP_RECORDS
    )


class BatchValidator:
    """Validates clients' batches in threads of its own."""

    def __init__(self) -> None:
        self._workers: ThreadPoolExecutor | None = None

    def validate(
        self, records: memoryview, topic_partition: object, max_message_bytes: int, header: BatchHeader
    ) -> asyncio.Future[KafkaError | None]:
        """Its result is the error that refuses the batch (see `validate_client_batch`), None for a sound one. The bytes
        may not change before it is done."""
        if self._workers is None:
            workers = min(_MAX_WORKERS, os.cpu_count() or 1)
            self._workers = ThreadPoolExecutor(workers, thread_name_prefix="kafkalite-validate")
        return asyncio.get_running_loop().run_in_executor(
            self._workers, _validate, records, topic_partition, max_message_bytes, header
        )

    def close(self) -> None:
        """Waits for what is being looked into; the rest is given up."""
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)


def _validate(
    records: memoryview, topic_partition: object, max_message_bytes: int, header: BatchHeader
) -> KafkaError | None:
    try:
        validate_client_batch(records, topic_partition, max_message_bytes=max_message_bytes, header=header)
    except KafkaError as error:
        return error
    return None
