"""Clusters of one or more brokers as images."""

from __future__ import annotations

import pytest

from cluster_image_builder import ClusterImageBuilder, NewCluster


@pytest.fixture
def cluster() -> NewCluster:
    return ClusterImageBuilder
