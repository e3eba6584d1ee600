"""What consumers of classic groups say in JoinGroup and are told in SyncGroup, opaque to the coordinator."""

from __future__ import annotations

from kafkalite.protocol.schema import Message, Struct, array, bytes_, int32, string


class SubscriptionTopicPartition(Struct):
    topic: str = string(versions="1+")
    partitions: list[int] = array(int32, versions="1+")


class ConsumerProtocolSubscription(Message, versions="0-3"):
    topics: list[str] = array(string)
    user_data: bytes | None = bytes_(default=None, nullable="0+")
    owned_partitions: list[SubscriptionTopicPartition] = array(
        SubscriptionTopicPartition, versions="1+", ignorable=True
    )
    generation_id: int = int32(versions="2+", default=-1, ignorable=True)
    rack_id: str | None = string(versions="3+", default=None, nullable="3+", ignorable=True)


class AssignmentTopicPartition(Struct):
    topic: str = string()
    partitions: list[int] = array(int32)


class ConsumerProtocolAssignment(Message, versions="0-3"):
    assigned_partitions: list[AssignmentTopicPartition] = array(AssignmentTopicPartition)
    user_data: bytes | None = bytes_(default=None, nullable="0+")
