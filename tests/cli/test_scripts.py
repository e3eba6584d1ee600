"""Every tool is there as a console script and as a script in bin/."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from kafkalite.cli.documentation import tools

ROOT = Path(__file__).parent.parent.parent


def test_every_tool_has_its_console_script() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {command: f"kafkalite.cli.{module}:main" for command, module in tools().items()}


def test_every_tool_has_its_script_under_apache_kafkas_name() -> None:
    scripts = {path.name for path in (ROOT / "bin").iterdir() if os.access(path, os.X_OK)}
    missing = {f"{command}.sh" for command in tools() if not command.startswith("kafkalite")} - scripts
    assert missing == set()


def test_our_own_tools_have_scripts_under_their_own_names() -> None:
    for command in tools():
        if command.startswith("kafkalite"):
            assert os.access(ROOT / "bin" / command, os.X_OK)
