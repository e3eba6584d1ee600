"""The package as pip installs it: a wheel in a fresh environment, with its commands and its pytest plugin."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker_process import answers_api_versions, free_port
from fresh_checkout import copy_of_repository, plain_environment

REPOSITORY = Path(__file__).parent.parent
SCRIPTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=plain_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = copy_of_repository(tmp_path_factory.mktemp("sources") / "kafkalite")
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "dist", ".", cwd=sources)
    assert built.returncode == 0, built.stderr
    (wheel,) = (sources / "dist").glob("kafkalite-*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh virtual environment with the wheel, its extra `cli`, and pytest."""
    folder = tmp_path_factory.mktemp("installed")
    made = run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    assert made.returncode == 0, made.stderr
    python = folder / "venv" / "bin" / "python"
    installed = run(python, "-m", "pip", "install", "--quiet", f"{wheel}[cli]", "pytest", cwd=folder)
    assert installed.returncode == 0, installed.stderr
    yield folder / "venv"


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"kafkalite"}
    packaged = {name for name in names if name.startswith("kafkalite/")}
    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "kafkalite").rglob("*.py")}
    assert modules | {"kafkalite/py.typed"} <= packaged


@pytest.mark.parametrize("command", sorted(SCRIPTS))
def test_a_command_explains_itself(command: str, environment: Path, tmp_path: Path) -> None:
    answer = run(environment / "bin" / command, "--help", cwd=tmp_path)
    assert "Traceback" not in answer.stderr
    assert len(answer.stdout + answer.stderr) > 80


def test_the_commands_start_a_broker_and_use_it(environment: Path, tmp_path: Path) -> None:
    port = free_port()
    overrides = ["--override", f"listeners=PLAINTEXT://127.0.0.1:{port}", "--override", f"log.dirs={tmp_path / 'data'}"]
    server = subprocess.Popen(
        [environment / "bin" / "kafkalite-server", *overrides], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    try:
        while not answers_api_versions(port):
            assert server.poll() is None, server.stderr and server.stderr.read()
        broker = ("--bootstrap-server", f"127.0.0.1:{port}", "--topic", "sample")
        created = run(environment / "bin" / "kafka-topics", "--create", *broker, cwd=tmp_path)
        assert created.stdout == "Created topic sample.\n"
        producer = [str(environment / "bin" / "kafka-console-producer"), *broker]
        subprocess.run(producer, input=b"installed\n", check=True, timeout=60)
        consumer = (environment / "bin" / "kafka-console-consumer", *broker)
        consumed = run(*consumer, "--from-beginning", "--max-messages", "1", cwd=tmp_path)
        assert (consumed.stdout, consumed.stderr) == ("installed\n", "Processed a total of 1 messages\n")
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert server.returncode == 0


def test_the_console_scripts_of_old_name_the_commands_as_installed(environment: Path, tmp_path: Path) -> None:
    answer = run(environment / "bin" / "zookeeper-server-start", "zookeeper.properties", cwd=tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[1] == "Start the broker at once: kafka-server-start config/server.properties"


def test_pytest_finds_the_plugin_by_itself(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "test_orders.py").write_text(
        """
from confluent_kafka import Producer


def test_send(kafkalite, kafkalite_server):
    delivered = []
    producer = Producer({"bootstrap.servers": kafkalite.bootstrap_servers})
    producer.produce("orders", b"one", on_delivery=lambda error, message: delivered.append((error, message.offset())))
    producer.flush()
    assert delivered == [(None, 0)]
    assert kafkalite_server.port != kafkalite.port
"""
    )
    tested = run(environment / "bin" / "pytest", "-q", cwd=tmp_path)
    assert "1 passed" in tested.stdout, tested.stdout


@pytest.mark.parametrize("module", ["kafka_console_producer", "kafka_console_consumer", "kafka_consumer_perf_test"])
def test_without_the_extra_the_tools_that_need_it_say_what_to_install(
    module: str, environment: Path, tmp_path: Path
) -> None:
    # A module of that name that cannot be imported comes first on the path.
    (tmp_path / "confluent_kafka.py").write_text("raise ImportError('not installed')")
    arguments = ["--bootstrap-server", "localhost:1", "--topic", "t"]
    arguments += ["--num-records", "1"] if "perf" in module else []
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = {arguments!r}; "
        f"from kafkalite.cli.{module} import main; sys.exit(main())"
    )
    answer = run(environment / "bin" / "python", "-c", program, cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "This tool needs the package confluent-kafka: pip install confluent-kafka\n"
