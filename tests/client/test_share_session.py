from __future__ import annotations

from kafkalite.client.share_session import AcknowledgeType, ShareFetchLimits, ShareSession
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.share_acknowledge import ShareAcknowledgeRequest
from kafkalite.protocol.messages.share_fetch import ShareFetchRequest

A, B = Uuid(b"a" * 16), Uuid(b"b" * 16)
LIMITS = ShareFetchLimits(7, 2, 3000, 40, 1)
ACCEPT, RELEASE, REJECT, GAP = (
    AcknowledgeType.ACCEPT,
    AcknowledgeType.RELEASE,
    AcknowledgeType.REJECT,
    AcknowledgeType.GAP,
)


def named(request: ShareFetchRequest) -> list[tuple[Uuid, list[int]]]:
    return [(topic.topic_id, [each.partition_index for each in topic.partitions]) for topic in request.topics]


def acknowledged(request: ShareFetchRequest | ShareAcknowledgeRequest) -> list[tuple[int, int, int, list[int]]]:
    return [
        (partition.partition_index, batch.first_offset, batch.last_offset, list(batch.acknowledge_types))
        for topic in request.topics
        for partition in topic.partitions
        for batch in partition.acknowledgement_batches
    ]


def test_the_first_fetch_names_all_partitions_and_the_next_ones_what_changes() -> None:
    session = ShareSession("g", "m")
    first = session.fetch_request({(A, 1), (A, 0), (B, 3)}, LIMITS)
    assert (first.group_id, first.member_id, first.share_session_epoch) == ("g", "m", 0)
    assert (first.max_wait_ms, first.min_bytes, first.max_bytes, first.max_records) == (7, 2, 3000, 40)
    assert (first.batch_size, first.share_acquire_mode) == (40, 1)
    assert named(first) == [(A, [0, 1]), (B, [3])]
    session.advance()
    unchanged = session.fetch_request({(A, 1), (A, 0), (B, 3)}, LIMITS)
    assert (unchanged.share_session_epoch, named(unchanged), unchanged.forgotten_topics_data) == (1, [], [])
    session.advance()
    changed = session.fetch_request({(A, 2), (A, 0)}, LIMITS)
    assert (changed.share_session_epoch, named(changed)) == (2, [(A, [2])])
    assert [(each.topic_id, each.partitions) for each in changed.forgotten_topics_data] == [(A, [1]), (B, [3])]


def test_acknowledgements_go_once_in_runs_of_offsets_with_one_fate() -> None:
    session = ShareSession("g", "m")
    session.fetch_request({(A, 0)}, LIMITS)
    session.advance()
    for offset, how in ((5, ACCEPT), (3, ACCEPT), (4, ACCEPT), (6, REJECT), (9, REJECT), (10, GAP)):
        session.acknowledge((A, 0), offset, how)
    session.acknowledge((B, 7), 0, RELEASE)
    request = session.fetch_request({(A, 0)}, LIMITS)
    assert acknowledged(request) == [
        (0, 3, 5, [ACCEPT]),
        (0, 6, 6, [REJECT]),
        (0, 9, 9, [REJECT]),
        (0, 10, 10, [GAP]),
        (7, 0, 0, [RELEASE]),
    ]
    session.advance()
    assert acknowledged(session.fetch_request({(A, 0)}, LIMITS)) == []


def test_a_session_that_was_lost_begins_anew_without_old_acknowledgements() -> None:
    session = ShareSession("g", "m")
    session.fetch_request({(A, 0)}, LIMITS)
    session.advance()
    session.reset()
    session.acknowledge((A, 0), 5, ACCEPT)
    request = session.fetch_request({(A, 0)}, LIMITS)
    assert (request.share_session_epoch, named(request), acknowledged(request)) == (0, [(A, [0])], [])
    session.advance()
    assert acknowledged(session.fetch_request({(A, 0)}, LIMITS)) == []


def test_epochs_never_come_back_to_that_of_a_new_session() -> None:
    session = ShareSession("g", "m")
    session.epoch = 2**31 - 1
    session.advance()
    assert session.epoch == 1


def test_the_last_request_acknowledges_what_is_left() -> None:
    session = ShareSession("g", "m")
    assert session.final_request() is None
    session.fetch_request({(A, 0)}, LIMITS)
    session.advance()
    assert not session.is_idle
    session.acknowledge((A, 0), 8, ACCEPT)
    request = session.final_request()
    assert request is not None
    assert (request.group_id, request.member_id, request.share_session_epoch) == ("g", "m", -1)
    assert acknowledged(request) == [(0, 8, 8, [ACCEPT])]
    assert session.is_new and session.is_idle
