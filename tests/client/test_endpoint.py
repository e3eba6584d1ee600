from __future__ import annotations

import pytest

from kafkalite.client.endpoint import BootstrapError, Endpoint, parse_bootstrap_servers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:9092", [("localhost", 9092)]),
        ("a:1,b:2", [("a", 1), ("b", 2)]),
        (" a:1 , ,b:2,", [("a", 1), ("b", 2)]),
        ("[::1]:9092", [("::1", 9092)]),
        ("fe80::1%eth0:9092", [("fe80::1%eth0", 9092)]),
        ("PLAINTEXT://kafka-1.example.com:9092", [("kafka-1.example.com", 9092)]),
    ],
)
def test_a_bootstrap_list_names_hosts_and_ports(text: str, expected: list[tuple[str, int]]) -> None:
    assert parse_bootstrap_servers(text) == [Endpoint(host, port) for host, port in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("localhost", "Invalid url in bootstrap.servers: localhost"),
        ("a:1,b", "Invalid url in bootstrap.servers: b"),
        ("a:x", "Invalid url in bootstrap.servers: a:x"),
        ("a:65536", "Invalid port in bootstrap.servers: a:65536"),
        ("", "No resolvable bootstrap urls given in bootstrap.servers"),
        (" , ", "No resolvable bootstrap urls given in bootstrap.servers"),
    ],
)
def test_a_wrong_bootstrap_list_is_refused_in_apache_kafkas_words(text: str, message: str) -> None:
    with pytest.raises(BootstrapError) as caught:
        parse_bootstrap_servers(text)
    assert str(caught.value) == message


def test_an_ipv6_endpoint_prints_with_brackets() -> None:
    assert str(Endpoint("::1", 9092)) == "[::1]:9092"
    assert str(Endpoint("localhost", 9092)) == "localhost:9092"
