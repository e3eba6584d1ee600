"""The three indexes of one segment and their files: read when first needed, written behind, forgotten when idle.

    <base offset>.index, .timeindex    beside every segment
    <base offset>.txnindex             only where a transaction has been aborted in it

What cannot be read is built again from the batches by the segment (`LogSegment.rebuild_indexes`).
"""

from __future__ import annotations

from kafkalite.storage.file_names import (
    OFFSET_INDEX_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    offset_file_name,
)
from kafkalite.storage.filesystem import File, remove_if_exists
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_directory import is_want_of_room
from kafkalite.storage.offset_index import OffsetIndex
from kafkalite.storage.time_index import TimeIndex
from kafkalite.storage.transaction_index import TransactionIndex


class SegmentIndexes:
    """The indexes of a segment. Offset and time index are read and forgotten together."""

    __slots__ = (
        "_base_offset",
        "_context",
        "_directory",
        "_has_transaction_file",
        "_max_bytes",
        "is_verified",
        "offset",
        "suffix",
        "time",
        "transaction",
    )

    def __init__(
        self,
        context: LogContext,
        directory: str,
        base_offset: int,
        max_bytes: int,
        suffix: str,
        *,
        has_transaction_file: bool,
    ) -> None:
        self._context = context
        self._directory = directory
        self._base_offset = base_offset
        self._max_bytes = max_bytes
        self._has_transaction_file = has_transaction_file
        self.suffix = suffix
        """What follows the files' names, as in `LogSegment`."""
        self.offset: OffsetIndex | None = None
        self.time: TimeIndex | None = None
        self.transaction: TransactionIndex | None = None
        """These are None until they are read."""
        self.is_verified = False
        """Whether offset and time index were made here from the batches, so that their entries can be believed."""

    def _path(self, kind: str) -> str:
        return f"{self._directory}/{offset_file_name(self._base_offset, kind)}{self.suffix}"

    def create(self) -> None:
        """Empty indexes with their files; what lay there under those names is replaced. Raises OSError."""
        self.reset()
        self.reset_transaction()
        self._context.note_change(self._directory)
        filesystem = self._context.filesystem
        filesystem.write_bytes(self._path(OFFSET_INDEX_SUFFIX), b"")
        filesystem.write_bytes(self._path(TIME_INDEX_SUFFIX), b"")
        remove_if_exists(filesystem, self._path(TRANSACTION_INDEX_SUFFIX))

    def reset(self) -> None:
        """Empties offset and time index, for a scan from the segment's beginning."""
        self.offset = OffsetIndex(self._base_offset, self._max_bytes)
        self.time = TimeIndex(self._base_offset, self._max_bytes)
        self.is_verified = True

    def reset_transaction(self) -> None:
        """Empties the transaction index."""
        self.transaction = TransactionIndex(self._base_offset)

    def read(self, log_size: int) -> None:
        """Reads offset and time index of a segment of this size. Raises CorruptIndexError, OSError."""
        data = self._context.filesystem.read_bytes(self._path(OFFSET_INDEX_SUFFIX))
        offset = OffsetIndex.decode(data, self._base_offset, self._max_bytes, log_size)
        data = self._context.filesystem.read_bytes(self._path(TIME_INDEX_SUFFIX))
        self.time = TimeIndex.decode(data, self._base_offset, self._max_bytes)
        self.offset = offset

    def read_transaction(self) -> TransactionIndex:
        """Reads the transaction index. Raises CorruptIndexError, OSError."""
        if not self._has_transaction_file:
            index = TransactionIndex(self._base_offset)
        else:
            data = self._context.filesystem.read_bytes(self._path(TRANSACTION_INDEX_SUFFIX))
            index = TransactionIndex.decode(data, self._base_offset)
        self.transaction = index
        return index

    def is_loaded(self) -> bool:
        """Whether offset and time index are in memory."""
        return self.offset is not None

    def forget(self) -> None:
        """Lets offset and time index go if they can be read again from their files."""
        if self.offset is not None and self.time is not None and self.offset.is_written() and self.time.is_written():
            self.offset = self.time = None
            self.is_verified = False

    def has_unwritten(self) -> bool:
        """Whether something is in memory only."""
        indexes = (self.offset, self.time, self.transaction)
        return any(index is not None and index.written_entries != len(index) for index in indexes)

    def write(self) -> None:
        """Brings the files up to what is in memory, not to the disk (see `open_files`). Raises OSError."""
        if self.offset is None or self.time is None:
            return  # never read, so never changed
        index = self.transaction
        if index is not None and (index.aborted_transactions or self._has_transaction_file):
            self._write_file(TRANSACTION_INDEX_SUFFIX, index)
            self._has_transaction_file = True
        self._write_file(TIME_INDEX_SUFFIX, self.time)
        self._write_file(OFFSET_INDEX_SUFFIX, self.offset)

    def write_if_there_is_room(self) -> None:
        """As `write`, for indexes that a start has built from the batches. Where there is no room they stay in memory
        until the next flush, and no file is left that another start could take for whole."""
        try:
            self.write()
        except OSError as error:
            if not is_want_of_room(error):
                raise
            for kind, index in ((OFFSET_INDEX_SUFFIX, self.offset), (TIME_INDEX_SUFFIX, self.time)):
                remove_if_exists(self._context.filesystem, self._path(kind))
                if index is not None:
                    index.written_entries = 0

    def _write_file(self, kind: str, index: OffsetIndex | TimeIndex | TransactionIndex) -> None:
        data = index.encode(index.written_entries)
        entry_size = len(data) // (len(index) - index.written_entries) if data else 0
        self._context.note_change(self._directory)
        file = self._context.filesystem.open(self._path(kind), create=True)
        try:
            # A file that Apache Kafka left, or an index that was cut back, may be longer than its entries.
            size = index.written_entries * entry_size if data else len(index.encode())
            if file.size != size:
                file.truncate(size)
            if data:
                file.append(data)
        finally:
            file.close()
        index.written_entries = len(index)

    def open_files(self) -> list[File]:
        """Handles on the files that exist, for whoever syncs them."""
        kinds = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX]
        if self._has_transaction_file:
            kinds.append(TRANSACTION_INDEX_SUFFIX)
        return [self._context.filesystem.open(self._path(kind)) for kind in kinds]
