"""ApiVersions: whom a client means by cluster and node, which APIs it is told of, the levels that are finalized."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kafkalite.config.definitions.metrics import CLIENT_TELEMETRY_REPORTER
from kafkalite.errors import ErrorCode
from kafkalite.protocol.api_keys import ApiKey
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from offline_broker import OfflineBroker

OWN = object()


@pytest.mark.parametrize(("cluster_id", "node_id", "expected"), [
    (None, -1, ErrorCode.NONE),
    (OWN, 1, ErrorCode.NONE),
    (OWN, 2, ErrorCode.REBOOTSTRAP_REQUIRED),
    ("another", 1, ErrorCode.REBOOTSTRAP_REQUIRED),
    ("", 0, ErrorCode.REBOOTSTRAP_REQUIRED),
    ("another", -2, ErrorCode.REBOOTSTRAP_REQUIRED),
    (OWN, -1, ErrorCode.INVALID_REQUEST),
    ("", -1, ErrorCode.INVALID_REQUEST),
    (None, 1, ErrorCode.INVALID_REQUEST),
    (None, -2, ErrorCode.INVALID_REQUEST),
])  # fmt: skip
async def test_cluster_and_node_are_named_both_or_neither(
    offline_broker: OfflineBroker, cluster_id: object, node_id: int, expected: ErrorCode
) -> None:
    own = offline_broker.broker.cluster_id
    request = ApiVersionsRequest(
        client_software_name="a",
        client_software_version="1",
        cluster_id=own if cluster_id is OWN else cluster_id,
        node_id=node_id,
    )
    answer = offline_broker.ask(request, 5)
    assert answer.error_code == expected
    assert bool(answer.api_keys) is (expected is ErrorCode.NONE)


@pytest.mark.parametrize(("reporters", "count"), [("", 77), (CLIENT_TELEMETRY_REPORTER, 79)])
async def test_client_telemetry_is_announced_where_somebody_takes_it(
    new_offline_broker: Callable[..., OfflineBroker], reporters: str, count: int
) -> None:
    broker = new_offline_broker({"metric.reporters": reporters})
    request = ApiVersionsRequest(client_software_name="a", client_software_version="1")
    announced = {api.api_key for api in broker.ask(request, 4).api_keys}
    assert len(announced) == count
    assert (ApiKey.PUSH_TELEMETRY in announced) is (reporters != "")


def test_the_level_of_the_quorum_is_listed_as_apache_kafka_does(
    new_offline_broker: Callable[..., OfflineBroker],
) -> None:
    """kraft.version stands in no feature record: it is 1 where the voters stand in the log."""
    broker = new_offline_broker()
    request = ApiVersionsRequest(client_software_name="test", client_software_version="1")
    finalized = {each.name: each.max_version_level for each in broker.ask(request, 3).finalized_features}
    assert finalized["kraft.version"] == broker.broker.metadata.kraft_version == 1
    assert finalized["metadata.version"] == 30
