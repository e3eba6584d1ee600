"""Records of the metadata log about topics and their partitions."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.schema import array, int8, int32, string, uuid


class TopicRecord(MetadataRecord, api_key=2, versions="0", flexible="0+"):
    name: str = string()
    topic_id: Uuid = uuid()


class RemoveTopicRecord(MetadataRecord, api_key=9, versions="0", flexible="0+"):
    topic_id: Uuid = uuid()


class PartitionRecord(MetadataRecord, api_key=3, versions="0-2", flexible="0+"):
    partition_id: int = int32(default=-1)
    topic_id: Uuid = uuid()
    replicas: list[int] = array(int32)
    isr: list[int] = array(int32)
    removing_replicas: list[int] = array(int32)
    adding_replicas: list[int] = array(int32)
    leader: int = int32(default=-1)
    leader_recovery_state: int = int8(tag=0)
    leader_epoch: int = int32(default=-1)
    partition_epoch: int = int32(default=-1)
    directories: list[Uuid] = array(uuid, versions="1+")
    eligible_leader_replicas: list[int] | None = array(int32, versions="2+", default=None, nullable="2+", tag=1)
    last_known_elr: list[int] | None = array(int32, versions="2+", default=None, nullable="2+", tag=2)


class PartitionChangeRecord(MetadataRecord, api_key=5, versions="0-2", flexible="0+"):
    partition_id: int = int32(default=-1)
    topic_id: Uuid = uuid()
    isr: list[int] | None = array(int32, default=None, nullable="0+", tag=0)
    leader: int = int32(default=-2, tag=1)
    replicas: list[int] | None = array(int32, default=None, nullable="0+", tag=2)
    removing_replicas: list[int] | None = array(int32, default=None, nullable="0+", tag=3)
    adding_replicas: list[int] | None = array(int32, default=None, nullable="0+", tag=4)
    leader_recovery_state: int = int8(default=-1, tag=5)
    directories: list[Uuid] | None = array(uuid, versions="1+", default=None, nullable="1+", tag=8)
    eligible_leader_replicas: list[int] | None = array(int32, versions="2+", default=None, nullable="2+", tag=6)
    last_known_elr: list[int] | None = array(int32, versions="2+", default=None, nullable="2+", tag=7)


class ClearElrRecord(MetadataRecord, api_key=28, versions="0", flexible="0+"):
    topic_name: str = string()
