"""ApiVersions: the levels that are finalized."""

from __future__ import annotations

from collections.abc import Callable

from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from offline_broker import OfflineBroker


def test_the_level_of_the_quorum_is_listed_as_apache_kafka_does(
    new_offline_broker: Callable[..., OfflineBroker],
) -> None:
    """kraft.version stands in no feature record: it is 1 where the voters stand in the log."""
    broker = new_offline_broker()
    request = ApiVersionsRequest(client_software_name="test", client_software_version="1")
    finalized = {each.name: each.max_version_level for each in broker.ask(request, 3).finalized_features}
    assert finalized["kraft.version"] == broker.broker.metadata.kraft_version == 1
    assert finalized["metadata.version"] == 30
