"""Makes the repository's virtual environment, .venv, and installs kafkalite there with one of its extras.

    python3 bin/set_up_environment.py cli|dev

The scripts of this folder call it when .venv/installed/EXTRA.toml is not a copy of pyproject.toml; that copy is the
last thing written, so whatever was interrupted is done again. Starts side by side wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENT = REPOSITORY / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
INSTALLED = ENVIRONMENT / "installed"
LOCATION = INSTALLED / "location"
# The dev extra contains the cli extra.
EXTRAS = {"cli": ["cli"], "dev": ["cli", "dev"]}

# Whatever the broker and the tools import, also from elsewhere, later or under conditions.
_IMPORT_EVERYTHING = """
import importlib, pkgutil, kafkalite.cli
names = [f"kafkalite.cli.{module.name}" for module in pkgutil.iter_modules(kafkalite.cli.__path__)]
for name in [*names, "kafkalite.server", "confluent_kafka", "cramjam", "crc32c", "logging.config", "uvloop", "yaml"]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
"""


def is_usable(python: Path) -> bool:
    """Whether the environment's interpreter runs, is new enough and has pip."""
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_environment() -> None:
    """An empty .venv, made by the real file of the interpreter: a link to it would break when the system's moves on."""
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    subprocess.run([interpreter, "-m", "venv", "--clear", ENVIRONMENT], check=True, stdout=sys.stderr)


def install(extra: str) -> None:
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    target = f"{REPOSITORY}[{extra}]"
    subprocess.run([*command, "--editable", target], check=True, stdout=sys.stderr)


def compile_bytecode() -> None:
    """Compiles kafkalite and whatever its tools import, so that the first start is already a fast one."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(ENVIRONMENT / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for arguments in (["-m", "compileall", "-q", str(REPOSITORY / "kafkalite")], ["-c", _IMPORT_EVERYTHING]):
        subprocess.run([PYTHON, "-P", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)


def set_up(extra: str, lock: TextIO) -> None:
    """Brings .venv up to date for `extra`; at once when it is already. `lock` says "begun" from begin to end."""
    project = (REPOSITORY / "pyproject.toml").read_bytes()
    location = f"{REPOSITORY}\n"
    stamps = [INSTALLED / f"{name}.toml" for name in EXTRAS[extra]]
    is_moved = LOCATION.exists() and LOCATION.read_text() != location
    was_interrupted = bool(lock.read())
    if PYTHON.exists() and not is_moved and all(stamp.exists() and stamp.read_bytes() == project for stamp in stamps):
        return
    started = time.monotonic()
    if ENVIRONMENT.is_symlink():
        # What it leads to may be another checkout's, which making this one anew would empty.
        print(
            f"kafkalite: {ENVIRONMENT} was a link to {os.readlink(ENVIRONMENT)}, which is left alone.", file=sys.stderr
        )
        ENVIRONMENT.unlink()
    print(f"kafkalite: setting up {ENVIRONMENT} (once, some seconds) ...", file=sys.stderr, flush=True)
    print("begun", file=lock, flush=True)
    if was_interrupted or is_moved or not is_usable(PYTHON):
        make_environment()
    shutil.rmtree(INSTALLED, ignore_errors=True)
    try:
        install(extra)
    except subprocess.CalledProcessError:
        lock.truncate(0)  # pip has put back what it found
        raise
    compile_bytecode()
    INSTALLED.mkdir()
    LOCATION.write_text(location)
    for stamp in stamps:
        stamp.write_bytes(project)
    lock.truncate(0)
    print(f"kafkalite: done in {time.monotonic() - started:.0f} s.", file=sys.stderr, flush=True)


def main() -> int:
    if sys.argv[1:] not in (["cli"], ["dev"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with (REPOSITORY / ".venv.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            set_up(sys.argv[1], lock)
    except subprocess.CalledProcessError as error:
        command = " ".join(str(word) for word in error.cmd)
        print(f"kafkalite: could not set up {ENVIRONMENT}: '{command}' failed, see above.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"kafkalite: could not set up {ENVIRONMENT}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kafkalite: interrupted; the next start begins the set-up again.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
