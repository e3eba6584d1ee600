"""New ids for topics, directories, clusters and incarnations."""

from __future__ import annotations

import os

from kafkalite.identifiers import Uuid
from kafkalite.metadata.partition_registration import is_reserved_directory


def random_uuid() -> Uuid:
    """A random (version 4) id whose text does not begin with '-', which tools would take for a flag."""
    while True:
        raw = bytearray(os.urandom(16))
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        uuid = Uuid(raw)
        if not is_reserved_directory(uuid) and not str(uuid).startswith("-"):
            return uuid
