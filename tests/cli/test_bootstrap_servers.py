from __future__ import annotations

import pytest

from kafkalite.cli.bootstrap_servers import BootstrapServers, brokers_next_to_zookeeper
from kafkalite.cli.command_line import CommandExit, OptionParser


def servers(*arguments: str) -> str:
    parser = OptionParser()
    bootstrap = BootstrapServers(parser, "The servers.")
    return bootstrap.of(parser.parse(arguments))


def test_bootstrap_servers_are_taken_as_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert servers("--bootstrap-server", "a:9092,[::1]:9093") == "a:9092,[::1]:9093"
    assert capsys.readouterr().err == ""


def test_a_broker_list_is_taken_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert servers("--broker-list", "a:1") == "a:1"
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (
        "",
        "Warning: --broker-list is deprecated. Use --bootstrap-server instead.\n",
    )


def test_a_zookeeper_is_taken_as_the_broker_on_the_same_host_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert servers("--zookeeper", "localhost:2181") == "localhost:9092"
    assert "localhost:9092" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("connect_string", "brokers"),
    [
        ("host:2181/chroot/path", "host:9092"),
        ("a:2181, b:2182,c", "a:9092,b:9092,c:9092"),
        ("[::1]:2181", "[::1]:9092"),
    ],
)
def test_zookeepers_connect_strings_name_hosts(connect_string: str, brokers: str) -> None:
    assert brokers_next_to_zookeeper(connect_string) == brokers


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], 'Missing required argument "[bootstrap-server]"'),
        (["--bootstrap-server", " "], "Error while validating the bootstrap address"),
        (["--bootstrap-server", "host"], "Please provide valid host:port like host1:9091,host2:9092"),
        (["--bootstrap-server", "a:1,b:x"], "Please provide valid host:port like host1:9091,host2:9092"),
    ],
)
def test_what_is_no_address_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandExit) as end:
        servers(*arguments)
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith(complaint)
