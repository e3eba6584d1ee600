"""Streams groups over time: who gets which task when, and what becomes of members that fall silent."""

from __future__ import annotations

import pytest

from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.streams.configured_topology import Status
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.streams_group_heartbeat import StreamsGroupHeartbeatResponse
from streams_group_simulation import WITH_STATE, StreamsGroupSimulation, durable_state


@pytest.fixture
def simulation() -> StreamsGroupSimulation:
    simulation = StreamsGroupSimulation()
    simulation.topic("in", 4)
    return simulation


def told(response: StreamsGroupHeartbeatResponse) -> list[Status]:
    return [Status(status.status_code) for status in response.status or ()]


def test_a_first_member_runs_everything(simulation: StreamsGroupSimulation) -> None:
    thread = simulation.thread("a")
    assert thread.active == {"0": {0, 1, 2, 3}}
    assert simulation.streams_group().state_name == "Stable"


def test_a_task_is_given_up_before_another_member_runs_it(simulation: StreamsGroupSimulation) -> None:
    first = simulation.thread("a")
    second = simulation.thread("b")
    assert second.active == {}
    # It says nothing of what it owns: it may still own everything.
    first.take(simulation.streams_beat("a", first.epoch).response)
    assert simulation.thread_goes_on(second) == 0
    assert second.active == {}
    assert simulation.streams_group().state_name == "Reconciling"
    assert set(simulation.task_runners().values()) == {"a"}
    simulation.threads_settle(first, second)
    assert (first.active, second.active) == ({"0": {0, 1}}, {"0": {2, 3}})
    assert simulation.streams_group().state_name == "Stable"


def test_a_member_that_does_not_give_up_its_tasks_in_time_is_out(simulation: StreamsGroupSimulation) -> None:
    first = simulation.thread("a")
    second = simulation.thread("b")
    simulation.streams_beat("a", first.epoch)
    for _ in range(31):
        simulation.advance(1_000)
        assert simulation.thread_goes_on(second) == 0
    assert set(simulation.streams_group().members) == {"b"}
    assert second.active == {"0": {0, 1, 2, 3}}
    assert simulation.thread_goes_on(first) == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_silent_member_is_out_after_its_session(simulation: StreamsGroupSimulation) -> None:
    simulation.thread("a")
    simulation.advance(44_999)
    assert set(simulation.streams_group().members) == {"a"}
    simulation.advance(1)
    assert simulation.streams_group().state_name == "Empty"


def test_the_first_assignment_waits_for_members_that_start_together() -> None:
    simulation = StreamsGroupSimulation(group_overrides={"streams.initial.rebalance.delay.ms": "3000"})
    simulation.topic("in", 4)
    first, second = simulation.thread("a"), simulation.thread("b")
    response = simulation.streams_beat("a", first.epoch).response
    assert told(response) == [Status.ASSIGNMENT_DELAYED]
    assert first.active == second.active == {}
    simulation.advance(3_000)
    simulation.threads_settle(first, second)
    assert (first.active, second.active) == ({"0": {1, 3}}, {"0": {0, 2}})
    assert simulation.streams_group().assignment_epoch == 3, "one assignment was enough"


def test_assignments_keep_a_distance_of_time() -> None:
    simulation = StreamsGroupSimulation(group_overrides={"streams.assignment.interval.ms": "5000"})
    simulation.topic("in", 4)
    first = simulation.thread("a")
    second = simulation.thread("b")
    assert told(simulation.streams_beat("b", second.epoch).response) == [Status.ASSIGNMENT_DELAYED]
    simulation.threads_settle(first, second)
    assert second.active == {}
    simulation.advance(5_000)
    simulation.threads_settle(first, second)
    assert second.active == {"0": {2, 3}}


def test_missing_internal_topics_are_asked_for_until_they_are_there(simulation: StreamsGroupSimulation) -> None:
    thread = simulation.thread("a", WITH_STATE)
    assert simulation.streams_group().state_name == "NotReady"
    result = simulation.streams_beat("a", thread.epoch)
    assert told(result.response) == [Status.MISSING_INTERNAL_TOPICS]
    assert {name: topic.num_partitions for name, topic in result.missing_internal_topics.items()} == {"changelog": 4}
    simulation.topic("changelog", 4)
    simulation.threads_settle(thread)
    assert simulation.streams_group().state_name == "Stable"
    assert thread.active == {"0": {0, 1, 2, 3}}


def test_tasks_are_taken_away_when_a_source_topic_is_deleted(simulation: StreamsGroupSimulation) -> None:
    thread = simulation.thread("a")
    simulation.remove_topic("in")
    response = simulation.streams_beat("a", thread.epoch).response
    assert told(response) == [Status.MISSING_SOURCE_TOPICS]
    assert response.active_tasks == []
    assert simulation.streams_group().state_name == "NotReady"


def test_a_source_topic_that_grows_brings_more_tasks(simulation: StreamsGroupSimulation) -> None:
    thread = simulation.thread("a")
    simulation.more_partitions("in", 6)
    simulation.threads_settle(thread)
    assert thread.active == {"0": set(range(6))}


def test_a_member_that_stood_by_takes_over_at_once(simulation: StreamsGroupSimulation) -> None:
    simulation.group_overrides["streams.num.standby.replicas"] = "1"
    simulation.topic("changelog", 4)
    first, second = (simulation.thread(name, WITH_STATE) for name in ("a", "b"))
    simulation.threads_settle(first, second)
    assert first.standby == second.active
    assert second.standby == first.active
    simulation.streams_beat("a", -1)
    assert simulation.thread_goes_on(second) == 0
    assert (second.active, second.standby) == ({"0": {0, 1, 2, 3}}, {})


def test_a_static_member_finds_its_tasks_again(simulation: StreamsGroupSimulation) -> None:
    first = simulation.thread("a", instance_id="i")
    second = simulation.thread("b")
    simulation.threads_settle(first, second)
    had, epoch = first.active, simulation.streams_group().group_epoch
    simulation.streams_beat("a", -2, instance_id="i")
    again = simulation.thread("c", instance_id="i", process_id=first.process_id)
    assert again.active == had
    assert simulation.streams_group().group_epoch == epoch
    assert set(simulation.streams_group().members) == {"b", "c"}


def test_one_member_ends_the_whole_application(simulation: StreamsGroupSimulation) -> None:
    first, second = simulation.thread("a"), simulation.thread("b")
    simulation.streams_beat("a", first.epoch, shutdown_application=True)
    simulation.streams_beat("a", -1)
    assert told(simulation.streams_beat("b", second.epoch).response) == [Status.SHUTDOWN_APPLICATION]
    simulation.streams_beat("b", -1)
    assert simulation.thread("c").epoch > 0
    assert told(simulation.streams_beat("c", simulation.streams_group().members["c"].member_epoch).response) == []


def test_rack_aware_assignment_asks_for_client_tags(simulation: StreamsGroupSimulation) -> None:
    simulation.group_overrides["streams.rack.aware.assignment.tags"] = "zone,cluster"
    thread = simulation.thread("a")
    response = simulation.streams_beat("a", thread.epoch).response
    [status] = response.status or []
    assert status.status_code == Status.MISSING_CLIENT_TAGS
    assert "[zone, cluster]" in status.status_detail
    assert told(simulation.streams_beat("a", thread.epoch, version=0).response) == []


def test_a_full_group_refuses_new_members(simulation: StreamsGroupSimulation) -> None:
    simulation.shard.groups.streams_groups.heartbeats.max_size = 1
    simulation.thread("a")
    simulation.thread("a")
    with pytest.raises(KafkaError) as raised:
        simulation.thread("b")
    assert raised.value.error is ErrorCode.GROUP_MAX_SIZE_REACHED


def test_what_was_not_written_is_tried_again(simulation: StreamsGroupSimulation) -> None:
    thread = simulation.thread("a")
    before = durable_state(simulation.streams_group())
    simulation.more_partitions("in", 6)
    simulation.append_error = KafkaError(ErrorCode.NOT_ENOUGH_REPLICAS)
    assert simulation.thread_goes_on(thread) == ErrorCode.NOT_ENOUGH_REPLICAS
    assert durable_state(simulation.streams_group()) == before
    simulation.append_error = None
    simulation.threads_settle(thread)
    assert thread.active == {"0": set(range(6))}


def test_replay_gives_the_same_group(simulation: StreamsGroupSimulation) -> None:
    first, second = simulation.thread("a", instance_id="i"), simulation.thread("b")
    simulation.threads_settle(first, second)
    simulation.streams_beat("a", -2, instance_id="i")
    before = durable_state(simulation.streams_group())
    again = simulation.restarted()
    assert isinstance(again, StreamsGroupSimulation)
    assert durable_state(again.streams_group()) == before
    assert again.thread_goes_on(second) == 0


def test_an_empty_group_goes_with_all_its_records(simulation: StreamsGroupSimulation) -> None:
    simulation.thread("a")
    with pytest.raises(KafkaError) as raised:
        simulation.streams_group().validate_delete()
    assert raised.value.error is ErrorCode.NON_EMPTY_GROUP
    simulation.streams_beat("a", -1)
    tombstones: list[CoordinatorRecord] = simulation.streams_group().tombstones()
    simulation.append(tombstones)
    assert "g" not in simulation.shard.groups.groups
    assert "g" not in simulation.restarted().shard.groups.groups


@pytest.mark.parametrize(("epoch", "error"), [(0, None), (1, ErrorCode.STALE_MEMBER_EPOCH)])
def test_members_commit_at_their_epoch(simulation: StreamsGroupSimulation, epoch: int, error: ErrorCode | None) -> None:
    thread = simulation.thread("a")
    group = simulation.streams_group()
    if error is None:
        group.validate_offset_commit("a", None, thread.epoch, is_transactional=False, api_version=9)
    else:
        with pytest.raises(KafkaError) as raised:
            group.validate_offset_commit("a", None, thread.epoch + epoch, is_transactional=False, api_version=9)
        assert raised.value.error is error
