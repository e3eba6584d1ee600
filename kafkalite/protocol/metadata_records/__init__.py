"""The records of the metadata log, by what they are about; importing this package makes all of them known."""

from kafkalite.protocol.metadata_records import control, nodes, security, settings, topics

__all__ = ["control", "nodes", "security", "settings", "topics"]
