"""The scripts in bin/, used as on a fresh machine: they make their own environment, once, and mend it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from fresh_checkout import REPOSITORY, SETTING_UP, ZOOKEEPER_ANSWER, copy_of_repository, run_script


def fake_python(folder: Path, *, fails_on: str) -> Path:
    """A Python that fails whenever its program mentions `fails_on`."""
    script = folder / "python3"
    script.write_text(f'#!/bin/sh\ncase "$2" in *{fails_on}*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def test_a_second_start_sets_nothing_up(fresh_checkout: Path) -> None:
    result = run_script(fresh_checkout / "bin" / "zookeeper-server-start.sh")
    assert (result.stdout, result.stderr, result.returncode) == (ZOOKEEPER_ANSWER, "", 0)


def test_a_prepared_environment_needs_no_other_python_and_no_pip(fresh_checkout: Path, tmp_path: Path) -> None:
    broken = fake_python(tmp_path, fails_on="import")
    result = run_script(fresh_checkout / "bin" / "zookeeper-server-start.sh", KAFKALITE_PYTHON=str(broken))
    assert (result.stdout, result.stderr) == (ZOOKEEPER_ANSWER, "")


def test_scripts_work_through_symbolic_links_from_any_folder(fresh_checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "start"
    link.symlink_to(fresh_checkout / "bin" / "zookeeper-server-start.sh")
    second_link = tmp_path / "start-again"
    second_link.symlink_to("start")
    (tmp_path / "kafkalite.py").write_text("raise SystemExit('the current folder is not searched for modules')")
    assert run_script(second_link, cwd=tmp_path).stdout == ZOOKEEPER_ANSWER


def test_bytecode_is_kept_below_the_environment_and_never_in_the_sources(fresh_checkout: Path) -> None:
    run_script(fresh_checkout / "bin" / "zookeeper-server-start.sh", PYTHONDONTWRITEBYTECODE="1")
    # The interpreter repeats the whole path of the sources below its bytecode prefix.
    bytecode = fresh_checkout.joinpath(".venv", "bytecode", *fresh_checkout.parts[1:], "kafkalite")
    compiled = {path.relative_to(bytecode).with_name(path.name.split(".")[0]) for path in bytecode.rglob("*.pyc")}
    sources = {path.relative_to(fresh_checkout / "kafkalite") for path in (fresh_checkout / "kafkalite").rglob("*.py")}
    assert compiled == {path.with_suffix("") for path in sources}
    assert not list((fresh_checkout / "kafkalite").rglob("__pycache__"))


def test_changed_requirements_are_installed_at_the_next_start(fresh_checkout: Path) -> None:
    with (fresh_checkout / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    first, second = (run_script(fresh_checkout / "bin" / "zookeeper-server-start.sh") for _ in range(2))
    assert (first.stdout, SETTING_UP in first.stderr) == (ZOOKEEPER_ANSWER, True)
    assert (second.stdout, second.stderr) == (ZOOKEEPER_ANSWER, "")


def test_an_interrupted_set_up_is_begun_again_from_nothing(fresh_checkout: Path) -> None:
    environment = fresh_checkout / ".venv"
    shutil.rmtree(environment / "installed")
    (fresh_checkout / ".venv.lock").write_text("begun\n")
    left_over = environment / "left-over"
    left_over.touch()
    for package in (environment / "lib").glob("python*/site-packages/yaml"):
        (package / "__init__.py").write_text("this file was only half written (")
    result = run_script(fresh_checkout / "bin" / "zookeeper-server-start.sh")
    assert (result.stdout, SETTING_UP in result.stderr) == (ZOOKEEPER_ANSWER, True)
    assert not left_over.exists()
    assert (fresh_checkout / ".venv.lock").read_text() == ""
    imported = subprocess.run(
        [environment / "bin" / "python", "-c", "import yaml; print(yaml.safe_load('1'))"],
        capture_output=True,
        text=True,
    )
    assert imported.stdout == "1\n"


def test_the_environment_of_another_checkout_is_left_alone(fresh_checkout: Path, tmp_path: Path) -> None:
    second = copy_of_repository(tmp_path / "second")
    (second / ".venv").symlink_to(fresh_checkout / ".venv")
    result = run_script(second / "bin" / "zookeeper-server-start.sh")
    assert (result.stdout, SETTING_UP in result.stderr) == (ZOOKEEPER_ANSWER, True)
    assert f"was a link to {fresh_checkout / '.venv'}, which is left alone." in result.stderr
    assert not (second / ".venv").is_symlink()
    first = run_script(fresh_checkout / "bin" / "zookeeper-server-start.sh")
    assert (first.stdout, first.stderr) == (ZOOKEEPER_ANSWER, "")


def test_an_installation_that_fails_ends_the_start_and_the_next_start_goes_on(tmp_path: Path) -> None:
    checkout = copy_of_repository(tmp_path / "checkout")
    (tmp_path / "no-packages").mkdir()
    unreachable: dict[str, Any] = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "no-packages")}
    for _ in range(2):
        result = run_script(checkout / "bin" / "kafkalite-server", "--version", **unreachable)
        assert (result.stdout, result.returncode) == ("", 1)
        assert result.stderr.splitlines()[-1].startswith(f"kafkalite: could not set up {checkout / '.venv'}: ")
        assert "pip install" in result.stderr
    assert (checkout / ".venv" / "bin" / "python").exists(), "what was made is kept"
    assert not (checkout / ".venv" / "installed").exists()


def test_a_python_that_cannot_make_environments_is_answered_with_the_command_that_mends_it(tmp_path: Path) -> None:
    checkout = copy_of_repository(tmp_path / "checkout")
    python = fake_python(tmp_path, fails_on="ensurepip")
    result = run_script(checkout / "bin" / "kafkalite-server", "server.properties", KAFKALITE_PYTHON=str(python))
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
    result = run_script(checkout / "bin" / "kafka-topics.sh", "--list", KAFKALITE_PYTHON=str(python))
    assert (result.stdout, result.returncode) == ("", 1)
    assert result.stderr == f"kafkalite needs Python 3.11 or newer, and found none (KAFKALITE_PYTHON is {python}).\n"


def tools() -> dict[str, str]:
    """The command of every module in kafkalite/cli that is a program, and that module."""
    modules = (path for path in (REPOSITORY / "kafkalite" / "cli").glob("*.py") if "\ndef main(" in path.read_text())
    return {path.stem.replace("_", "-"): path.stem for path in modules}


def test_every_tool_has_a_script_and_a_console_script() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        console_scripts = tomllib.load(file)["project"]["scripts"]
    assert console_scripts == {name: f"kafkalite.cli.{module}:main" for name, module in tools().items()}
    for name, module in tools().items():
        script = REPOSITORY / "bin" / (name if name.startswith("kafkalite") else f"{name}.sh")
        assert os.access(script, os.X_OK), f"{script} is missing or not executable"
        assert f'\nlaunch {module} "$@"\n' in script.read_text()


def test_every_script_has_its_tool() -> None:
    scripts = {path.name.removesuffix(".sh") for path in (REPOSITORY / "bin").iterdir() if path.suffix != ".py"}
    assert scripts - {"launcher", "test"} == set(tools())
