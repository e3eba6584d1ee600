"""The scripts in bin/, used as on a fresh machine: they make their own environment, once, and mend it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
ZOOKEEPER_ANSWER = (
    "There is no ZooKeeper to start: kafkalite, like Apache Kafka since 4.0, works without it.\n"
    "Start the broker at once: bin/kafka-server-start.sh config/server.properties\n"
)
SETTING_UP = "setting up"


def run(script: Path, *arguments: str, cwd: Path = Path("/"), **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KAFKALITE"))}
    return subprocess.run(
        [script, *arguments],
        cwd=cwd,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def copy_of_repository(folder: Path) -> Path:
    """What git would check out, as far as installing needs it, without environment and bytecode."""
    folder.mkdir()
    for name in ("bin", "kafkalite"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


def fake_python(folder: Path, *, fails_on: str) -> Path:
    """A Python that fails whenever its program mentions `fails_on`."""
    script = folder / "python3"
    script.write_text(f'#!/bin/sh\ncase "$2" in *{fails_on}*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh checkout in which two first starts have run side by side."""
    folder = copy_of_repository(tmp_path_factory.mktemp("fresh machine") / "kafkalite")
    script = folder / "bin" / "zookeeper-server-start.sh"
    starts = [
        subprocess.Popen(script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    results = [(*start.communicate(timeout=300), start.returncode) for start in starts]
    for output, errors, code in results:
        assert (output, code) == (ZOOKEEPER_ANSWER, 0), errors
    assert sum(SETTING_UP in errors for _, errors, _ in results) == 1, "one of them sets up, the other waits for it"
    yield folder
    shutil.rmtree(folder / ".venv")


def test_a_second_start_sets_nothing_up(checkout: Path) -> None:
    result = run(checkout / "bin" / "zookeeper-server-start.sh")
    assert (result.stdout, result.stderr, result.returncode) == (ZOOKEEPER_ANSWER, "", 0)


def test_a_prepared_environment_needs_no_other_python_and_no_pip(checkout: Path, tmp_path: Path) -> None:
    broken = fake_python(tmp_path, fails_on="import")
    result = run(checkout / "bin" / "zookeeper-server-start.sh", KAFKALITE_PYTHON=str(broken))
    assert (result.stdout, result.stderr) == (ZOOKEEPER_ANSWER, "")


def test_scripts_work_through_symbolic_links_from_any_folder(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "start"
    link.symlink_to(checkout / "bin" / "zookeeper-server-start.sh")
    second_link = tmp_path / "start-again"
    second_link.symlink_to("start")
    (tmp_path / "kafkalite.py").write_text("raise SystemExit('the current folder is not searched for modules')")
    assert run(second_link, cwd=tmp_path).stdout == ZOOKEEPER_ANSWER


def test_bytecode_is_kept_below_the_environment_and_never_in_the_sources(checkout: Path) -> None:
    run(checkout / "bin" / "zookeeper-server-start.sh", PYTHONDONTWRITEBYTECODE="1")
    compiled = {path.name.split(".")[0] for path in (checkout / ".venv" / "bytecode").rglob("kafkalite/**/*.pyc")}
    sources = {path.stem for path in (checkout / "kafkalite").rglob("*.py")}
    assert compiled == sources
    assert not list((checkout / "kafkalite").rglob("__pycache__"))


def test_changed_requirements_are_installed_at_the_next_start(checkout: Path) -> None:
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    first, second = (run(checkout / "bin" / "zookeeper-server-start.sh") for _ in range(2))
    assert (first.stdout, SETTING_UP in first.stderr) == (ZOOKEEPER_ANSWER, True)
    assert (second.stdout, second.stderr) == (ZOOKEEPER_ANSWER, "")


def test_an_interrupted_set_up_is_begun_again_from_nothing(checkout: Path) -> None:
    environment = checkout / ".venv"
    shutil.rmtree(environment / "installed")
    (checkout / ".venv.lock").write_text("begun\n")
    left_over = environment / "left-over"
    left_over.touch()
    for package in (environment / "lib").glob("python*/site-packages/yaml"):
        (package / "__init__.py").write_text("this file was only half written (")
    result = run(checkout / "bin" / "zookeeper-server-start.sh")
    assert (result.stdout, SETTING_UP in result.stderr) == (ZOOKEEPER_ANSWER, True)
    assert not left_over.exists()
    assert (checkout / ".venv.lock").read_text() == ""
    imported = subprocess.run(
        [environment / "bin" / "python", "-c", "import yaml; print(yaml.safe_load('1'))"],
        capture_output=True,
        text=True,
    )
    assert imported.stdout == "1\n"


def test_a_python_that_cannot_make_environments_is_answered_with_the_command_that_mends_it(tmp_path: Path) -> None:
    checkout = copy_of_repository(tmp_path / "checkout")
    python = fake_python(tmp_path, fails_on="ensurepip")
    result = run(checkout / "bin" / "kafkalite-server", "server.properties", KAFKALITE_PYTHON=str(python))
    assert (result.stdout, result.returncode) == ("", 1)
    *_, advice = result.stderr.splitlines()
    if shutil.which("apt-get"):
        assert advice.split()[-4:-1] == ["apt-get", "install", "-y"]
        assert advice.endswith("-venv")
    else:
        assert "ensurepip" in advice
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_too_old_is_named_as_the_reason(tmp_path: Path) -> None:
    checkout = copy_of_repository(tmp_path / "checkout")
    python = fake_python(tmp_path, fails_on="version_info")
    result = run(checkout / "bin" / "kafka-topics.sh", "--list", KAFKALITE_PYTHON=str(python))
    assert (result.stdout, result.returncode) == ("", 1)
    assert result.stderr == f"kafkalite needs Python 3.11 or newer, and found none (KAFKALITE_PYTHON is {python}).\n"
