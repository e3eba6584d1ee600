"""The coordinators' own topics, where they cannot be made."""

from __future__ import annotations

import logging

import pytest

from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from offline_broker import OfflineBroker


async def test_the_log_says_once_why_a_coordinators_topic_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    broker = OfflineBroker({"offsets.topic.segment.bytes": "100"})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            response = broker.ask(FindCoordinatorRequest(key_type=0, coordinator_keys=["group"]), 4)
            assert response.coordinators[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    [line] = caplog.messages
    assert line.startswith(
        "The topic __consumer_offsets cannot be made: Invalid value 100 for configuration segment.bytes"
    )
    broker.close()
