"""OffsetCommit, OffsetFetch and OffsetDelete: topics by name and id, what does not exist, old and new shapes."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from offline_broker import OfflineBroker

UNKNOWN_ID = Uuid(b"no such topic id")


def commit(broker: OfflineBroker, version: int, *topics: tuple[dict[str, Any], list[int]], group_id: str = "g") -> Any:
    return broker.ask(
        OffsetCommitRequest(
            group_id=group_id,
            topics=[
                OffsetCommitRequestTopic(
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=index, committed_offset=100 + index, committed_metadata="m"
                        )
                        for index in indexes
                    ],
                    **naming,
                )
                for naming, indexes in topics
            ],
        ),
        version,
    )


def by_topic(response: Any) -> dict[Any, dict[int, int]]:
    return {
        topic.name or topic.topic_id: {p.partition_index: p.error_code for p in topic.partitions}
        for topic in response.topics
    }


@pytest.fixture
def broker(offline_broker: OfflineBroker) -> OfflineBroker:
    offline_broker.create_topic("t", 3)
    offline_broker.create_topic("u")
    return offline_broker


def id_of(broker: OfflineBroker, name: str) -> Uuid:
    topic_id = broker.broker.metadata.image.topics.topic_id(name)
    assert topic_id is not None
    return topic_id


async def test_what_does_not_exist_is_refused_and_the_rest_committed(broker: OfflineBroker) -> None:
    response = commit(broker, 9, ({"name": "t"}, [0, 7, 2]), ({"name": "none"}, [0]), ({"name": "u"}, [0]))
    assert by_topic(response) == {
        "t": {7: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0: 0, 2: 0},
        "none": {0: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION},
        "u": {0: 0},
    }
    assert fetch_all(broker) == {"t": {0: 100, 2: 102}, "u": {0: 100}}


async def test_topics_are_named_by_id_from_version_10_on(broker: OfflineBroker) -> None:
    topic_id = id_of(broker, "t")
    response = commit(broker, 10, ({"topic_id": topic_id}, [0]), ({"topic_id": UNKNOWN_ID}, [0]))
    assert by_topic(response) == {topic_id: {0: 0}, UNKNOWN_ID: {0: ErrorCode.UNKNOWN_TOPIC_ID}}
    wanted = [
        OffsetFetchRequestTopics(topic_id=topic_id, partition_indexes=[0, 1]),
        OffsetFetchRequestTopics(topic_id=UNKNOWN_ID, partition_indexes=[0]),
    ]
    [group] = broker.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=wanted)]), 10).groups
    found = [(t.topic_id, p.committed_offset, p.error_code) for t in group.topics for p in t.partitions]
    assert found == [(topic_id, 100, 0), (topic_id, -1, 0), (UNKNOWN_ID, -1, ErrorCode.UNKNOWN_TOPIC_ID)]
    everything = broker.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)]), 10)
    assert [t.topic_id for t in everything.groups[0].topics] == [topic_id]


async def test_a_refused_commit_is_refused_for_each_partition(broker: OfflineBroker) -> None:
    request = OffsetCommitRequest(
        group_id="g",
        generation_id_or_member_epoch=4,
        member_id="m",
        topics=[
            OffsetCommitRequestTopic(
                name="t",
                partitions=[OffsetCommitRequestPartition(partition_index=i, committed_metadata="") for i in (0, 9)],
            )
        ],
    )
    assert by_topic(broker.ask(request, 8)) == {
        "t": {9: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0: ErrorCode.ILLEGAL_GENERATION}
    }


@pytest.mark.parametrize("version", range(1, 11))
async def test_offsets_are_fetched_in_every_version(broker: OfflineBroker, version: int) -> None:
    commit(broker, 9, ({"name": "t"}, [0]))
    if version < 8:
        topics = [OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1])]
        response = broker.ask(OffsetFetchRequest(group_id="g", topics=topics), version)
        assert response.error_code == 0
        [topic] = response.topics
    else:
        naming = {"topic_id": id_of(broker, "t")} if version >= 10 else {"name": "t"}
        wanted = [OffsetFetchRequestTopics(partition_indexes=[0, 1], **naming)]
        response = broker.ask(
            OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=wanted)]), version
        )
        [topic] = response.groups[0].topics
    assert [(p.committed_offset, p.metadata, p.error_code) for p in topic.partitions] == [(100, "m", 0), (-1, "", 0)]


@pytest.mark.parametrize("version", [1, 2, 8])
async def test_a_fetch_that_fails_says_so_where_its_version_can(broker: OfflineBroker, version: int) -> None:
    broker.broker.group_coordinator.close()
    if version < 8:
        topics = [OffsetFetchRequestTopic(name="t", partition_indexes=[0])]
        response = broker.ask(OffsetFetchRequest(group_id="g", topics=topics), version)
    else:
        response = broker.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)]), version)
        response = response.groups[0]
    if version == 1:
        assert response.topics[0].partitions[0].error_code == ErrorCode.NOT_COORDINATOR
    else:
        assert (response.error_code, response.topics) == (ErrorCode.NOT_COORDINATOR, [])


async def test_several_groups_are_fetched_at_once(broker: OfflineBroker) -> None:
    commit(broker, 9, ({"name": "t"}, [0]))
    commit(broker, 9, ({"name": "u"}, [0]), group_id="h")
    groups = [OffsetFetchRequestGroup(group_id=group_id, topics=None) for group_id in ("g", "none", "h")]
    response = broker.ask(OffsetFetchRequest(groups=groups))
    found = [(group.group_id, [t.topic_id for t in group.topics]) for group in response.groups]
    assert found == [("g", [id_of(broker, "t")]), ("none", []), ("h", [id_of(broker, "u")])]


def fetch_all(broker: OfflineBroker) -> dict[str, dict[int, int]]:
    response = broker.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)]), 9)
    return {t.name: {p.partition_index: p.committed_offset for p in t.partitions} for t in response.groups[0].topics}


async def test_offsets_are_deleted_where_the_partition_exists(broker: OfflineBroker) -> None:
    commit(broker, 9, ({"name": "t"}, [0, 1]), ({"name": "u"}, [0]))

    def delete(wanted: dict[str, list[int]], group_id: str = "g") -> Any:
        topics = [
            OffsetDeleteRequestTopic(
                name=name, partitions=[OffsetDeleteRequestPartition(partition_index=index) for index in indexes]
            )
            for name, indexes in wanted.items()
        ]
        return broker.ask(OffsetDeleteRequest(group_id=group_id, topics=topics), 0)

    response = delete({"t": [0, 9], "none": [0], "u": [0]})
    assert by_topic(response) == {
        "t": {9: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0: 0},
        "none": {0: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION},
        "u": {0: 0},
    }
    assert fetch_all(broker) == {"t": {1: 101}}
    assert delete({"t": [0]}, "no-group").error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert delete({"t": [0]}, "").error_code == ErrorCode.INVALID_GROUP_ID
