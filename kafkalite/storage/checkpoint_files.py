"""The checkpoint files: plain text, one entry a line under a version and a count.

    0                        version
    2                        number of entries
    topic 0 1234             topic, partition, offset:   recovery-point-offset-checkpoint, log-start-offset-checkpoint,
    topic 1 99                                           replication-offset-checkpoint, cleaner-offset-checkpoint
    0 0                      or epoch, start offset:     leader-epoch-checkpoint of a partition

An empty or missing file holds no entries. Written to `.tmp` and renamed, so that there is never half of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from kafkalite.identifiers import TopicPartition
from kafkalite.storage.filesystem import FileSystem, write_file_atomically

_VERSION: Final = 0
_INT32: Final = 1 << 31
_INT64: Final = 1 << 63


class CorruptCheckpointError(Exception):
    """A checkpoint file that is not what it should be."""


class EpochEntry(NamedTuple):
    epoch: int
    start_offset: int


def _encode(lines: list[str]) -> bytes:
    return "\n".join([str(_VERSION), str(len(lines)), *lines, ""]).encode()


def _decode(path: str, data: bytes, columns: int) -> list[list[str]]:
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise CorruptCheckpointError(f"{path} is not text") from None
    if len(lines) < 2:
        if lines and lines[0] != str(_VERSION):
            raise CorruptCheckpointError(f"Unrecognised version in checkpoint file {path}: {lines[0][:40]!r}")
        return []
    if lines[0] != str(_VERSION):
        raise CorruptCheckpointError(f"Unrecognised version in checkpoint file {path}: {lines[0][:40]!r}")
    if not data.endswith(b"\n"):  # the last number may be cut
        raise CorruptCheckpointError(f"Checkpoint file {path} ends within a line")
    entries = [line.split() for line in lines[2:]]
    for line, entry in zip(lines[2:], entries, strict=True):
        if len(entry) != columns:
            raise CorruptCheckpointError(f"Malformed line in checkpoint file {path}: {line[:200]!r}")
    if lines[1] != str(len(entries)):
        raise CorruptCheckpointError(
            f"Expected {lines[1][:20]} entries in checkpoint file {path}, found {len(entries)}"
        )
    return entries


def _read(filesystem: FileSystem, path: str) -> bytes:
    try:
        return filesystem.read_bytes(path)
    except FileNotFoundError:
        return b""


def _number(text: str, limit: int) -> int:
    """What Java takes for a number of its type, which `limit` is the first one beyond of. Raises ValueError."""
    if not text.isascii() or "_" in text or not -limit <= (number := int(text)) < limit:
        raise ValueError(text)
    return number


def read_offset_checkpoint(filesystem: FileSystem, path: str) -> dict[TopicPartition, int]:
    """Raises CorruptCheckpointError, OSError; a missing file is an empty one."""
    offsets = {}
    for topic, partition, offset in _decode(path, _read(filesystem, path), 3):
        try:
            offsets[TopicPartition(topic, _number(partition, _INT32))] = _number(offset, _INT64)
        except ValueError:
            raise CorruptCheckpointError(f"Malformed line in checkpoint file {path}: {topic} {partition}") from None
    return offsets


def encode_offset_checkpoint(offsets: Mapping[TopicPartition, int]) -> bytes:
    return _encode([f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items()])


def write_offset_checkpoint(filesystem: FileSystem, path: str, offsets: Mapping[TopicPartition, int]) -> None:
    write_file_atomically(filesystem, path, encode_offset_checkpoint(offsets))


def read_epoch_checkpoint(filesystem: FileSystem, path: str) -> list[EpochEntry]:
    """Raises CorruptCheckpointError, OSError; a missing file is an empty one."""
    entries = []
    for epoch, start_offset in _decode(path, _read(filesystem, path), 2):
        try:
            entries.append(EpochEntry(_number(epoch, _INT32), _number(start_offset, _INT64)))
        except ValueError:
            raise CorruptCheckpointError(f"Malformed line in checkpoint file {path}: {epoch} {start_offset}") from None
    return entries


def write_epoch_checkpoint(
    filesystem: FileSystem, path: str, entries: Iterable[EpochEntry], *, sync: bool = True
) -> None:
    data = _encode([f"{entry.epoch} {entry.start_offset}" for entry in entries])
    write_file_atomically(filesystem, path, data, sync=sync)
