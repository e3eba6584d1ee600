"""docs/protocol-support.md, and the rule that every API that is served has its tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.broker.api_registry import served_apis
from kafkalite.protocol.api_keys import ApiKey
from kafkalite.protocol_support import protocol_support_page

ROOT = Path(__file__).parent.parent


def test_the_page_is_what_the_registry_generates() -> None:
    assert (ROOT / "docs" / "protocol-support.md").read_text() == protocol_support_page(), (
        "run: python -m kafkalite.protocol_support > docs/protocol-support.md"
    )


@pytest.mark.parametrize("api_key", list(served_apis()), ids=lambda key: ApiKey(key).name)
def test_every_api_that_is_served_is_compared_with_apache_kafka(api_key: int) -> None:
    name = served_apis()[api_key].request_class.__name__
    tests = [*ROOT.glob("tests/compat/test_*.py"), *ROOT.glob("tests/fixtures/*_scenarios.py")]
    assert any(name in test.read_text() for test in tests), name
