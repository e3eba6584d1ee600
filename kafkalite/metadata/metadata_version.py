"""The levels of metadata.version: their names, and what each of them permits.

A cluster's level decides in which versions its records are written. kafkalite reads everything up to `LATEST`, formats
new directories at `FORMAT_VERSION`, and raises a level only when it is told to.
"""

from __future__ import annotations

from typing import Final

METADATA_VERSION_FEATURE: Final = "metadata.version"

_VERSIONS: Final = {
    7: "3.3-IV3",
    8: "3.4-IV0",
    9: "3.5-IV0",
    10: "3.5-IV1",
    11: "3.5-IV2",
    12: "3.6-IV0",
    13: "3.6-IV1",
    14: "3.6-IV2",
    15: "3.7-IV0",
    16: "3.7-IV1",
    17: "3.7-IV2",
    18: "3.7-IV3",
    19: "3.7-IV4",
    20: "3.8-IV0",
    21: "3.9-IV0",
    22: "4.0-IV0",
    23: "4.0-IV1",
    24: "4.0-IV2",
    25: "4.0-IV3",
    26: "4.1-IV0",
    27: "4.1-IV1",
    28: "4.2-IV0",
    29: "4.2-IV1",
    30: "4.3-IV0",
    31: "4.4-IV0",
    32: "4.4-IV1",
    33: "4.4-IV2",
}

MINIMUM: Final = 7
LATEST: Final = 33
FORMAT_VERSION: Final = 30
"""4.3-IV0: the level of new directories, so that every Apache Kafka from 4.3 on opens them."""

_WITH_NEW_RECORDS: Final = (7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33)
_SCRAM: Final = 11
_TRANSACTIONS: Final = 13
_DELEGATION_TOKENS: Final = 14
_CONTROLLER_REGISTRATION: Final = 15
_DIRECTORY_ASSIGNMENT: Final = 17
_ELR: Final = 23
_CORDONED_LOG_DIRS: Final = 30


def version_name(level: int) -> str:
    """The release and its internal version, "4.3-IV0"; raises ValueError for a level that is not known."""
    name = _VERSIONS.get(level)
    if name is None:
        raise ValueError(
            f"No MetadataVersion with feature level {level}. Valid feature levels are from {MINIMUM} to {LATEST}."
        )
    return name


def metadata_version_for(text: str) -> int:
    """The level that "4.3", "4.3.1" or "4.3-IV0" stands for; raises ValueError for any other text."""
    key = ".".join(text.split(".")[:2])
    for level in range(LATEST, MINIMUM - 1, -1):
        name = _VERSIONS[level]
        if key in (name, name.partition("-")[0]):
            return level
    supported = ", ".join(_VERSIONS.values())
    raise ValueError(f"Unknown metadata.version '{text}'. Supported metadata.version are: {supported}")


def has_metadata_changed(lower: int, higher: int) -> bool:
    """Whether a level above `lower`, up to `higher`, brought records or fields that lower ones do not know."""
    return any(lower < level <= higher for level in _WITH_NEW_RECORDS)


def are_transactions_supported(metadata_version: int) -> bool:
    """Whether the metadata log may hold transactions (KIP-868)."""
    return metadata_version >= _TRANSACTIONS


def is_scram_supported(metadata_version: int) -> bool:
    return metadata_version >= _SCRAM


def are_delegation_tokens_supported(metadata_version: int) -> bool:
    return metadata_version >= _DELEGATION_TOKENS


def is_controller_registration_supported(metadata_version: int) -> bool:
    return metadata_version >= _CONTROLLER_REGISTRATION


def is_directory_assignment_supported(metadata_version: int) -> bool:
    """Whether partitions know the log directories of their replicas (KIP-858)."""
    return metadata_version >= _DIRECTORY_ASSIGNMENT


def are_cordoned_log_dirs_supported(metadata_version: int) -> bool:
    """Whether registrations tell which log directories take no new partitions (KIP-1066)."""
    return metadata_version >= _CORDONED_LOG_DIRS


def register_broker_record_version(metadata_version: int) -> int:
    if metadata_version >= _CORDONED_LOG_DIRS:
        return 4
    if metadata_version >= _DIRECTORY_ASSIGNMENT:
        return 3
    return 2 if metadata_version >= 8 else 1


def partition_record_version(metadata_version: int) -> int:
    """The version of PartitionRecord and of PartitionChangeRecord."""
    if metadata_version >= _ELR:
        return 2
    return 1 if metadata_version >= _DIRECTORY_ASSIGNMENT else 0
