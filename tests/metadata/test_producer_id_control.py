"""Blocks of producer ids: each is claimed by a record before any id of it is given out, and none twice."""

from __future__ import annotations

import pytest

from cluster_image_builder import NewCluster
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.producer_id_control import generate_next_producer_id_block
from kafkalite.protocol.metadata_records.settings import ProducerIdsRecord


def test_blocks_of_a_thousand_follow_each_other(cluster: NewCluster) -> None:
    one = cluster(1)
    for first in (0, 1000, 2000):
        result = generate_next_producer_id_block(one.image, 1)
        assert result.response == range(first, first + 1000)
        assert result.records == [ProducerIdsRecord(broker_id=1, broker_epoch=11, next_producer_id=first + 1000)]
        one.replay(result.records)


def test_a_block_that_was_not_recorded_is_claimed_again(cluster: NewCluster) -> None:
    one = cluster(1)
    assert generate_next_producer_id_block(one.image, 1).response == range(1000)
    assert generate_next_producer_id_block(one.image, 1).response == range(1000)


def test_there_is_an_end_to_all_ids(cluster: NewCluster) -> None:
    one = cluster(1)
    one.replay([ProducerIdsRecord(broker_id=1, next_producer_id=2**63 - 1001)])
    last = generate_next_producer_id_block(one.image, 1)
    assert last.response.stop == 2**63 - 1
    one.replay(last.records)
    with pytest.raises(KafkaError) as refusal:
        generate_next_producer_id_block(one.image, 1)
    assert refusal.value.error == ErrorCode.UNKNOWN_SERVER_ERROR
