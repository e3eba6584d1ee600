"""Style, types and layers are tests like the others: ruff, mypy --strict, import-linter; so is a table of the docs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

CHECKS = {
    "ruff-check": [BIN / "ruff", "check", "kafkalite", "tests"],
    "ruff-format": [BIN / "ruff", "format", "--check", "--diff", "kafkalite", "tests"],
    "mypy-package": [BIN / "mypy", "--strict", "-p", "kafkalite"],
    # Benchmarks are scripts around clients without types.
    "mypy-tests": [BIN / "mypy", "--strict", "--explicit-package-bases", "--exclude", "^tests/benchmarks/", "tests"],
    "layers": [BIN / "lint-imports", "--no-cache"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_source_passes(check: str) -> None:
    command = [str(part) for part in CHECKS[check]]
    environment = {**os.environ, "NO_COLOR": "1"}
    finished = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, f"{' '.join(command)}\n\n{finished.stdout}\n{finished.stderr}"


def test_the_architecture_page_names_every_module_of_storage() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    table = page.partition("## What lies in storage/")[2].partition("\n\nA module")[0]
    modules = {path.stem for path in (REPOSITORY / "kafkalite" / "storage").glob("*.py")} - {"__init__"}
    assert set(re.findall(r"`(\w+)`", table)) == modules
