"""ApiVersions, beside Apache Kafka. (The APIs themselves are compared when all are served.)"""

from __future__ import annotations

import pytest

from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from transcript import Compare, Side


def request(**facts: object) -> ApiVersionsRequest:
    return ApiVersionsRequest(**{"client_software_name": "compat", "client_software_version": "1.0", **facts})


def ask_about_features(side: Side, version: int, **facts: object) -> None:
    response = side.send(request(**facts), version)
    response.api_keys = []
    response.finalized_features = []  # formatted at the levels of different releases
    side.note(f"version {version}", response)


@pytest.mark.parametrize("version", range(6))
def test_each_version_answers_alike(compare: Compare, version: int) -> None:
    compare(lambda side: ask_about_features(side, version))


@pytest.mark.parametrize("name", ["", "a b", "-a", "a-", "a.b-c", "é"])
def test_software_names_are_checked_alike(compare: Compare, name: str) -> None:
    compare(lambda side: ask_about_features(side, 3, client_software_name=name))


@pytest.mark.parametrize(
    "facts",
    [
        {"cluster_id": "bogus"},
        {"node_id": 7},
        {"cluster_id": "bogus", "node_id": 1},
        {"cluster_id": ""},
        {"cluster_id": "", "node_id": 0},
        {"cluster_id": "bogus", "node_id": -2},
        {"node_id": -2},
    ],
    ids=str,
)
def test_a_client_that_means_another_cluster_is_told_alike(compare: Compare, facts: dict[str, object]) -> None:
    compare(lambda side: ask_about_features(side, 5, **facts))


def test_the_right_cluster_and_node_are_accepted_alike(compare: Compare) -> None:
    from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest

    def scenario(side: Side) -> None:
        cluster_id = side.send(DescribeClusterRequest()).cluster_id
        ask_about_features(side, 5, cluster_id=cluster_id, node_id=1)
        ask_about_features(side, 5, cluster_id=cluster_id, node_id=2)

    compare(scenario)
