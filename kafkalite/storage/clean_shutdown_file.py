""".kafka_cleanshutdown: everything in this log directory was on the disk when its broker ended.

    {"version":0,"brokerEpoch":42}

While it stands there a start reads no more of a log than its end, so it is written last, and removed before the next
run changes anything. (Apache Kafka removes it before it reads the logs, and recovers all of them if that start is
interrupted.) An empty one or one with another epoch counts too, as in Apache Kafka.
"""

from __future__ import annotations

from kafkalite.storage.file_names import CLEAN_SHUTDOWN_FILE
from kafkalite.storage.filesystem import FileSystem, remove_if_exists, write_file_atomically


def write_clean_shutdown_file(filesystem: FileSystem, log_directory: str, broker_epoch: int = -1) -> None:
    import json

    content = json.dumps({"version": 0, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()
    write_file_atomically(filesystem, f"{log_directory}/{CLEAN_SHUTDOWN_FILE}", content)


def read_clean_shutdown_broker_epoch(filesystem: FileSystem, log_directory: str) -> int | None:
    """The epoch of the broker that ended cleanly; None where there is no file or none in it."""
    try:
        data = filesystem.read_bytes(f"{log_directory}/{CLEAN_SHUTDOWN_FILE}")
    except OSError:
        return None
    import json  # few starts are someone's first; those have nothing to read

    try:
        content = json.loads(data)
        return int(content["brokerEpoch"])
    except (ValueError, KeyError, TypeError):
        return None


def has_clean_shutdown_file(filesystem: FileSystem, log_directory: str) -> bool:
    return filesystem.exists(f"{log_directory}/{CLEAN_SHUTDOWN_FILE}")


def remove_clean_shutdown_file(filesystem: FileSystem, log_directory: str) -> None:
    """No loss of power brings it back: what is written from here on would pass for whole."""
    if remove_if_exists(filesystem, f"{log_directory}/{CLEAN_SHUTDOWN_FILE}") and filesystem.is_durable:
        filesystem.sync_directory(log_directory)
