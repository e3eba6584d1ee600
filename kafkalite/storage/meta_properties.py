"""meta.properties: which cluster, node and directory a log directory belongs to.

    #
    #Sat Nov 21 13:40:00 UTC 2026
    cluster.id=MkU3OEVBNTcwNTJENDM2Qk
    directory.id=wSgq1Q6aTXCF3r4Kf0nMUg
    node.id=1
    version=1

Version 0 (ZooKeeper's time) has broker.id and no directory.id; it is read, version 1 is written.
"""

from __future__ import annotations

from typing import NamedTuple

from kafkalite.config.properties_file import parse_properties
from kafkalite.identifiers import Uuid
from kafkalite.storage.file_names import META_PROPERTIES_FILE
from kafkalite.storage.filesystem import FileSystem, write_file_atomically


class MetaPropertiesError(Exception):
    """A meta.properties that cannot be used; the text names file and reason."""


class MetaProperties(NamedTuple):
    cluster_id: str | None
    node_id: int | None
    directory_id: Uuid | None
    version: int = 1

    def encode(self) -> bytes:
        properties: dict[str, str] = {}
        if self.cluster_id is not None:
            properties["cluster.id"] = self.cluster_id
        if self.directory_id is not None:
            properties["directory.id"] = str(self.directory_id)
        if self.node_id is not None:
            properties["broker.id" if self.version == 0 else "node.id"] = str(self.node_id)
        properties["version"] = str(self.version)
        return ("#\n" + "".join(f"{key}={value}\n" for key, value in properties.items())).encode()


def decode_meta_properties(path: str, data: bytes) -> MetaProperties:
    """Raises MetaPropertiesError."""
    properties = parse_properties(data.decode("utf-8", errors="replace"))
    try:
        version = int(properties.get("version", "0"))
        if version not in (0, 1):
            raise MetaPropertiesError(f"{path}: unknown version {version}")
        node = properties.get("broker.id" if version == 0 else "node.id")
        node_id = int(node) if node is not None else None
    except ValueError as error:
        raise MetaPropertiesError(f"{path}: {error}") from None
    directory = properties.get("directory.id")
    try:
        directory_id = Uuid.parse(directory) if directory is not None else None
    except ValueError as error:
        raise MetaPropertiesError(f"{path}: Unable to read directory.id as a Uuid: {error}") from None
    cluster_id = properties.get("cluster.id")
    if version == 1:
        if cluster_id is None:
            raise MetaPropertiesError(f"{path}: cluster.id was not found.")
        if node_id is None:
            raise MetaPropertiesError(f"{path}: node.id was not found.")
    return MetaProperties(cluster_id, node_id, directory_id, version)


def read_meta_properties(filesystem: FileSystem, log_directory: str) -> MetaProperties | None:
    """None where the directory has none yet. Raises MetaPropertiesError, OSError."""
    path = f"{log_directory}/{META_PROPERTIES_FILE}"
    try:
        data = filesystem.read_bytes(path)
    except FileNotFoundError:
        return None
    return decode_meta_properties(path, data)


def write_meta_properties(filesystem: FileSystem, log_directory: str, properties: MetaProperties) -> None:
    write_file_atomically(filesystem, f"{log_directory}/{META_PROPERTIES_FILE}", properties.encode())
