"""docs/cli.md and the tools' help."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from kafkalite.cli.documentation import cli_page, help_of, tools

ROOT = Path(__file__).parent.parent.parent


def test_the_page_is_what_the_tools_say() -> None:
    expected = "run: python -m kafkalite.cli.documentation > docs/cli.md"
    assert (ROOT / "docs" / "cli.md").read_text() == cli_page(), expected


def test_the_page_has_every_tool_once() -> None:
    sections = re.findall(r"^### (.*)$", cli_page(), re.MULTILINE)
    assert sorted(sections) == sorted(tools())


@pytest.mark.parametrize("module", tools().values())
def test_every_tool_says_in_a_line_what_it_is_for_and_explains_itself(module: str) -> None:
    command = module.replace("_", "-")
    first_line = (importlib.import_module(f"kafkalite.cli.{module}").__doc__ or "").partition("\n")[0]
    assert re.fullmatch(rf"{command}: .+\.", first_line)
    assert len(help_of(module)) > 80
