"""The pytest plugin that comes with the package: brokers as fixtures.

    kafkalite          a broker of the test's own: fresh, empty, gone with the test
    kafkalite_server   one broker for the whole session, shared by the tests that ask for it
    kafkalite_config   the brokers' properties by name, {} unless overridden: in a conftest.py, a module or a class

        @pytest.fixture(scope="session")
        def kafkalite_config():
            return {"num.partitions": 3, "auto.create.topics.enable": False}

Both brokers are `kafkalite.testing.KafkaliteServer`s: `bootstrap_servers` is what clients need, data is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

# What a broker is made of is imported when a test asks for one: pytest loads this module in every project.
if TYPE_CHECKING:
    from kafkalite.testing import KafkaliteServer


@pytest.fixture(scope="session")
def kafkalite_config() -> Mapping[str, object]:
    """The brokers' properties by name; override it (with scope="session", where `kafkalite_server` is used)."""
    return {}


@pytest.fixture(scope="session")
def kafkalite_server(kafkalite_config: Mapping[str, object]) -> Iterator[KafkaliteServer]:
    """A Kafka broker in memory that all tests of the session share."""
    from kafkalite.testing import KafkaliteServer

    with KafkaliteServer(config=kafkalite_config) as server:
        yield server


@pytest.fixture
def kafkalite(kafkalite_config: Mapping[str, object]) -> Iterator[KafkaliteServer]:
    """A Kafka broker in memory of this test's own, empty at its start."""
    from kafkalite.testing import KafkaliteServer

    with KafkaliteServer(config=kafkalite_config) as server:
        yield server
