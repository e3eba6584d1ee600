"""partition.metadata: the topic id to which a partition's directory belongs.

version: 0
topic_id: 5dGTkBqOTKmkRUyBRhtD8A        (no newline at the end)
"""

from __future__ import annotations

import re
from typing import Final

from kafkalite.identifiers import Uuid
from kafkalite.storage.filesystem import FileSystem, write_file_atomically

_VERSION: Final = 0
_SEPARATOR: Final = re.compile(r":\s+")


class CorruptPartitionMetadataError(Exception):
    """A partition.metadata that names no topic id."""


def decode_partition_metadata(path: str, data: bytes) -> Uuid:
    """The topic id; raises CorruptPartitionMetadataError."""
    fields = [_SEPARATOR.split(line, maxsplit=1) for line in data.decode(errors="replace").splitlines()[:2]]
    if len(fields) != 2 or any(len(field) != 2 for field in fields) or not fields[0][1].isdigit():
        raise CorruptPartitionMetadataError(f"Malformed line in partition metadata file {path}")
    try:
        topic_id = Uuid.parse(fields[1][1].strip())
    except ValueError as error:
        raise CorruptPartitionMetadataError(f"Invalid topic ID in partition metadata file {path}: {error}") from None
    if topic_id == Uuid.ZERO:
        raise CorruptPartitionMetadataError(f"Invalid topic ID in partition metadata file {path}")
    return topic_id


def encode_partition_metadata(topic_id: Uuid) -> bytes:
    return f"version: {_VERSION}\ntopic_id: {topic_id}".encode()


def write_partition_metadata(filesystem: FileSystem, path: str, topic_id: Uuid, *, sync: bool = True) -> None:
    write_file_atomically(filesystem, path, encode_partition_metadata(topic_id), sync=sync)
