"""What docs/testing.md promises: its examples run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_fixtures_serve_a_project_that_copies_the_example(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = [code for code in EXAMPLES if "import pytest" in code]
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(example)
    ran = pytester.runpytest_subprocess("-p", "kafkalite.pytest_plugin", "-p", "no:cacheprovider")
    ran.assert_outcomes(passed=2)


@pytest.mark.parametrize("code", [code for code in EXAMPLES if "import pytest" not in code])
def test_an_example_runs(code: str) -> None:
    exec(compile(code, "docs/testing.md", "exec"), {})


def test_links_lead_to_pages() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    for link in links:
        assert (Path(__file__).parent.parent / "docs" / link).is_file()
