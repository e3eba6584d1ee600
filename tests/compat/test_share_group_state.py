"""The share coordinator beside Apache Kafka: what is kept of share partitions, and who may write it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages import (
    delete_share_group_state,
    initialize_share_group_state,
    read_share_group_state,
    read_share_group_state_summary,
    write_share_group_state,
)
from kafkalite.protocol.messages.delete_share_group_state import DeleteShareGroupStateRequest, DeleteStateData
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.initialize_share_group_state import (
    InitializeShareGroupStateRequest,
    InitializeStateData,
)
from kafkalite.protocol.messages.read_share_group_state import ReadShareGroupStateRequest, ReadStateData
from kafkalite.protocol.messages.read_share_group_state_summary import (
    ReadShareGroupStateSummaryRequest,
    ReadStateSummaryData,
)
from kafkalite.protocol.messages.write_share_group_state import (
    StateBatch,
    WriteShareGroupStateRequest,
    WriteStateData,
)
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]
NOT_READY = {ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR}


class ShareState:
    """The state of one group's share partitions on one of the two brokers."""

    def __init__(self, side: Side, partitions: int = 1, group_id: str = "") -> None:
        self.side = side
        self.group_id = group_id or f"{side.namespace}-group"
        self.topic_id = side.topic_id(side.topic(partitions))
        key = f"{self.group_id}:{self.topic_id}:0"
        find = FindCoordinatorRequest(coordinator_keys=[key], key_type=2)
        deadline = time.monotonic() + 60
        while side.send(find, 6).coordinators[0].error_code in NOT_READY or self._is_loading():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def _is_loading(self) -> bool:
        [topic] = self.side.send(self.summary_request([0])).results
        return topic.partitions[0].error_code in NOT_READY

    def initialize_request(
        self, partition: int = 0, state_epoch: int = 0, start_offset: int = -1, topic_id: Uuid | None = None
    ) -> InitializeShareGroupStateRequest:
        data = initialize_share_group_state.PartitionData(
            partition=partition, state_epoch=state_epoch, start_offset=start_offset
        )
        topic = InitializeStateData(topic_id=topic_id or self.topic_id, partitions=[data])
        return InitializeShareGroupStateRequest(group_id=self.group_id, topics=[topic])

    def write_request(
        self,
        *batches: tuple[int, int, int, int],
        partition: int = 0,
        state_epoch: int = 0,
        leader_epoch: int = 0,
        start_offset: int = 0,
        count: int = 0,
    ) -> WriteShareGroupStateRequest:
        """`batches` are first offset, last offset, state and delivery count."""
        data = write_share_group_state.PartitionData(
            partition=partition,
            state_epoch=state_epoch,
            leader_epoch=leader_epoch,
            start_offset=start_offset,
            delivery_complete_count=count,
            state_batches=[
                StateBatch(first_offset=first, last_offset=last, delivery_state=state, delivery_count=deliveries)
                for first, last, state, deliveries in batches
            ],
        )
        topic = WriteStateData(topic_id=self.topic_id, partitions=[data])
        return WriteShareGroupStateRequest(group_id=self.group_id, topics=[topic])

    def read_request(self, partition: int = 0, leader_epoch: int = 0) -> ReadShareGroupStateRequest:
        data = read_share_group_state.PartitionData(partition=partition, leader_epoch=leader_epoch)
        topic = ReadStateData(topic_id=self.topic_id, partitions=[data])
        return ReadShareGroupStateRequest(group_id=self.group_id, topics=[topic])

    def summary_request(self, partitions: list[int]) -> ReadShareGroupStateSummaryRequest:
        data = [read_share_group_state_summary.PartitionData(partition=index, leader_epoch=-1) for index in partitions]
        topic = ReadStateSummaryData(topic_id=self.topic_id, partitions=data)
        return ReadShareGroupStateSummaryRequest(group_id=self.group_id, topics=[topic])

    def delete_request(self, partition: int = 0) -> DeleteShareGroupStateRequest:
        data = delete_share_group_state.PartitionData(partition=partition)
        topic = DeleteStateData(topic_id=self.topic_id, partitions=[data])
        return DeleteShareGroupStateRequest(group_id=self.group_id, topics=[topic])


def test_what_is_written_is_read(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        state = ShareState(side)
        side.ask(state.read_request())
        side.ask(state.write_request((0, 9, 2, 1)), 1)
        side.ask(state.initialize_request())
        side.ask(state.read_request())
        side.ask(state.summary_request([0]), 1)
        side.ask(state.write_request((0, 9, 2, 1), (10, 19, 0, 1), count=10), 1)
        side.ask(state.read_request(leader_epoch=-1))
        side.ask(state.write_request((12, 14, 4, 2), (15, 15, 0, 2), start_offset=5, count=3), 0)
        side.ask(state.read_request())
        for version in (0, 1):
            side.ask(state.summary_request([0]), version)
        side.ask(state.delete_request())
        side.ask(state.delete_request())
        side.ask(state.summary_request([0]), 1)
        side.ask(state.read_request())

    compare(scenario)


def test_later_epochs_fence_earlier_ones(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        state = ShareState(side)
        side.ask(state.initialize_request(state_epoch=5, start_offset=100))
        side.ask(state.summary_request([0]), 1)
        side.ask(state.initialize_request(state_epoch=4))
        side.ask(state.write_request((100, 109, 2, 1), state_epoch=4, start_offset=100), 1)
        side.ask(state.write_request((100, 109, 2, 1), state_epoch=5, start_offset=100), 1)
        side.ask(state.read_request(leader_epoch=3))
        side.ask(state.read_request(leader_epoch=2))
        side.ask(state.write_request((110, 119, 2, 1), state_epoch=5, leader_epoch=2, start_offset=100), 1)
        side.ask(state.write_request((110, 119, 2, 1), state_epoch=6, leader_epoch=3, start_offset=-1), 1)
        side.ask(state.write_request((120, 129, 0, 3), state_epoch=6, leader_epoch=4, start_offset=110), 1)
        side.ask(state.read_request(leader_epoch=3))
        side.ask(state.initialize_request(state_epoch=6, start_offset=7))
        side.ask(state.read_request(leader_epoch=3))
        side.ask(state.summary_request([0]), 1)

    compare(scenario)


def test_epochs_are_not_negative(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        state = ShareState(side)
        side.ask(state.initialize_request(state_epoch=-1))
        side.ask(state.initialize_request(start_offset=-7))
        side.ask(state.summary_request([0]), 1)
        side.ask(state.initialize_request())
        side.ask(state.write_request((0, 9, 2, 1), state_epoch=-1), 1)
        side.ask(state.write_request((0, 9, 2, 1), leader_epoch=-1), 1)
        side.ask(state.write_request((0, 9, 2, 1), start_offset=-2), 1)
        side.ask(state.read_request(leader_epoch=-1))
        side.ask(state.read_request())

    compare(scenario)


def test_partitions_that_do_not_exist(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        state = ShareState(side, partitions=2)
        for partition in (-1, 2):
            side.ask(state.initialize_request(partition))
            side.ask(state.write_request(partition=partition), 1)
            side.ask(state.read_request(partition))
            side.ask(state.summary_request([partition]))
            side.ask(state.delete_request(partition))
        side.ask(state.initialize_request(topic_id=Uuid.ONE))
        side.ask(state.initialize_request(1))
        side.ask(state.summary_request([0, 1, 2]), 1)

    compare(scenario)


@pytest.mark.parametrize("group_id", ["", "group"])
def test_requests_that_ask_for_nothing(compare: Compare, group_id: str) -> None:
    def scenario(side: Side) -> None:
        state = ShareState(side)
        state.group_id = group_id
        for request in (
            state.initialize_request(),
            state.write_request(),
            state.read_request(),
            state.summary_request([0]),
            state.delete_request(),
        ):
            if group_id:
                request.topics[0].partitions = []
            side.ask(request)
            request.topics = []
            side.ask(request)

    compare(scenario)


def test_snapshots_go_on_where_updates_end(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        state = ShareState(side)
        side.ask(state.initialize_request(start_offset=0))
        for offset in range(510):
            side.send(state.write_request((offset, offset, 2, 1), start_offset=max(0, offset - 3), count=offset))
        side.ask(state.read_request())
        side.ask(state.summary_request([0]), 1)

    compare(scenario)
