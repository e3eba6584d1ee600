"""What an assignor is told, and what it answers. Apache Kafka's PartitionAssignor and GroupSpec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from kafkalite.identifiers import Uuid

Assignment = Mapping[Uuid, tuple[int, ...]]
"""Partitions by topic, ascending; topics without partitions are left out."""


class SubscriptionType(Enum):
    """Whether all members of a group are subscribed to the same topics."""

    HOMOGENEOUS = "homogeneous"
    HETEROGENEOUS = "heterogeneous"


class MemberSpec(NamedTuple):
    """A member: the topics it is subscribed to (those that exist) and what it was to read so far."""

    topic_ids: tuple[Uuid, ...]
    assignment: Assignment
    instance_id: str | None = None


class GroupSpec(NamedTuple):
    """A group; `members` come in the order in which Apache Kafka, which keeps them in a HashMap, goes through them."""

    members: Mapping[str, MemberSpec]
    subscription_type: SubscriptionType
    partition_counts: Mapping[Uuid, int]


PartitionAssignor = Callable[[GroupSpec], dict[str, Assignment]]
"""Gives each member its partitions; members that are left out get none."""
