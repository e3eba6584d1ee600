"""Requests that are made at random from the message schemas: what is wrong with each is told alike.

Every field of a request is filled by its type and name: with what exists on both sides, with what does not, and with
values at the edges. What is asked for changes nothing that later requests could not undo by being random themselves.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from group_scenarios import GroupOnSide
from kafkalite.identifiers import Uuid
from kafkalite.protocol.api_keys import ApiKey, request_class
from kafkalite.protocol.messages.create_partitions import CreatePartitionsRequest
from kafkalite.protocol.messages.create_topics import CreateTopicsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest
from kafkalite.protocol.schema import Field, Request, Struct
from transaction_scenarios import Transactions
from transcript import Compare, Side

REQUESTS_PER_SEED = 60
APIS = (
    ApiKey.LIST_OFFSETS,
    ApiKey.METADATA,
    ApiKey.OFFSET_COMMIT,
    ApiKey.OFFSET_FETCH,
    ApiKey.HEARTBEAT,
    ApiKey.LEAVE_GROUP,
    ApiKey.SYNC_GROUP,
    ApiKey.DESCRIBE_GROUPS,
    ApiKey.CREATE_TOPICS,
    ApiKey.DELETE_RECORDS,
    ApiKey.OFFSET_FOR_LEADER_EPOCH,
    ApiKey.ADD_OFFSETS_TO_TXN,
    ApiKey.END_TXN,
    ApiKey.TXN_OFFSET_COMMIT,
    ApiKey.DESCRIBE_ACLS,
    ApiKey.CREATE_PARTITIONS,
    ApiKey.DESCRIBE_DELEGATION_TOKEN,
    ApiKey.OFFSET_DELETE,
    ApiKey.DESCRIBE_CLIENT_QUOTAS,
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS,
    ApiKey.DESCRIBE_CLUSTER,
    ApiKey.DESCRIBE_PRODUCERS,
    ApiKey.DESCRIBE_TRANSACTIONS,
    ApiKey.CONSUMER_GROUP_DESCRIBE,
    ApiKey.SHARE_GROUP_DESCRIBE,
    ApiKey.STREAMS_GROUP_DESCRIBE,
    ApiKey.DESCRIBE_TOPIC_PARTITIONS,
    ApiKey.LIST_PARTITION_REASSIGNMENTS,
)
EDGES = {
    "int8": (-1, 0, 1, 2, 5, 127, -128),
    "int16": (-1, 0, 1, 2, 32767, -32768),
    "uint16": (0, 9092, 65535),
    "int32": (-2, -1, 0, 0, 0, 1, 2, 5, 2**31 - 1, -(2**31)),
    "uint32": (0, 1, 2**32 - 1),
    "int64": (-6, -5, -4, -3, -2, -1, 0, 1, 2, 5, 1000, 2**63 - 1, -(2**63)),
    "float64": (0.0, 1.5, -1.0),
    "bytes": (b"", b"\0\1", b"x" * 20),
}
TIMEOUTS = (1000, 30_000)


class Generator:
    """Random requests; drawn alike on both sides, but for the ids that each has given its topics."""

    def __init__(self, side: Side, seed: int) -> None:
        self.side = side
        self.chance = random.Random(seed)
        self.group_id = GroupOnSide(side).group_id
        Transactions(side)
        self.topics = [side.topic(1), side.topic(3)]
        self.ids = [side.topic_id(topic) for topic in self.topics]
        for topic in self.topics:
            side.produce(topic, "a", "b")

    def request(self, api_key: ApiKey) -> tuple[Request, int]:
        kind = request_class(api_key)
        lowest, highest = kind.valid_versions
        version = self.chance.randint(lowest, highest)
        message = kind()
        self._fill(message, version)
        if isinstance(message, CreateTopicsRequest | CreatePartitionsRequest):
            message.validate_only = True
            version = max(version, 2)
        elif isinstance(message, MetadataRequest):
            message.allow_auto_topic_creation = False
            version = max(version, 4)
        return message, version

    def _fill(self, message: Struct, version: int) -> None:
        for field in message.fields:
            if version in field.versions:
                setattr(message, field.name, self._value(field, version))

    def _value(self, field: Field, version: int) -> Any:
        chance = self.chance
        if version in field.nullable and field.name != "topics" and chance.random() < 0.2:
            return None  # all topics are more than those of this test
        if field.kind == "array":
            count = chance.choice((0, 1, 1, 1, 2) if field.name != "topics" else (1, 1, 2))
            return [self._element(field.element, field.name, version) for _ in range(count)]
        return self._element(field.element if field.kind == "struct" else field, field.name, version)

    def _element(self, kind: Any, name: str, version: int) -> Any:
        chance = self.chance
        if isinstance(kind, type) and issubclass(kind, Struct):
            made = kind()
            self._fill(made, version)
            return made
        primitive = kind.kind
        if name.endswith("timeout_ms"):
            return chance.choice(TIMEOUTS)
        if primitive == "string":
            return chance.choice((*self.topics, self.group_id, "", "unknown", "bad name!", "user", "é", "a" * 250))
        if primitive == "uuid":
            return chance.choice((*self.ids, Uuid.ZERO, Uuid.ONE, Uuid(b"unknown-topic-id")))
        if primitive == "bool":
            return chance.random() < 0.5
        return chance.choice(EDGES[primitive])


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 6])
def test_requests_from_schemas_are_answered_alike(compare: Compare, seed: int) -> None:
    def scenario(side: Side) -> None:
        generator = Generator(side, seed)
        for number in range(REQUESTS_PER_SEED):
            request, version = generator.request(generator.chance.choice(APIS))
            side.ask(request, version, label=f"{number}: {type(request).__name__}")

    compare(scenario)
