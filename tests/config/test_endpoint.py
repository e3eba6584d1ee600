"""Listeners as they are written."""

from __future__ import annotations

import pytest

from kafkalite.config.config_value import ConfigException
from kafkalite.config.endpoint import Endpoint, parse_csv_map, parse_endpoints, parse_security_protocol_map

PROTOCOLS = {"PLAINTEXT": "PLAINTEXT", "EXTERNAL": "SASL_SSL", "OTHER": "PLAINTEXT"}


def test_a_listener_has_a_name_a_protocol_a_host_and_a_port() -> None:
    (endpoint,) = parse_endpoints(["external://[::1]:9094"], PROTOCOLS)
    assert endpoint == Endpoint("EXTERNAL", "SASL_SSL", "::1", 9094)
    assert (endpoint.uses_tls, endpoint.uses_sasl, str(endpoint)) == (True, True, "EXTERNAL://[::1]:9094")


def test_an_empty_host_stands_for_all_addresses_and_port_0_for_any() -> None:
    (endpoint,) = parse_endpoints(["PLAINTEXT://:0"], PROTOCOLS)
    assert (endpoint.host, endpoint.port, endpoint.uses_tls, endpoint.uses_sasl) == ("", 0, False, False)


def test_an_ipv4_and_an_ipv6_address_may_share_a_port() -> None:
    endpoints = parse_endpoints(["PLAINTEXT://127.0.0.1:9092", "OTHER://[::1]:9092"], PROTOCOLS)
    assert [endpoint.host for endpoint in endpoints] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("listeners", "reason"),
    [
        (["PLAINTEXT:9092"], "Unable to parse PLAINTEXT:9092 to a broker endpoint"),
        (["STRANGE://:1"], "No security protocol defined for listener STRANGE"),
        (["PLAINTEXT://:70000"], "Port 70000 of PLAINTEXT://:70000 is not between 0 and 65535"),
        (
            ["PLAINTEXT://:1", "plaintext://:2"],
            "Each listener must have a different name, listeners: [PLAINTEXT://:1, plaintext://:2]",
        ),
        (
            ["PLAINTEXT://a:1", "OTHER://b:1"],
            "Each listener must have a different port, listeners: [PLAINTEXT://a:1, OTHER://b:1]",
        ),
        (
            ["PLAINTEXT://127.0.0.1:1", "OTHER://127.0.0.2:1"],
            "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, "
            "listeners: [PLAINTEXT://127.0.0.1:1, OTHER://127.0.0.2:1], port: 1",
        ),
    ],
)
def test_listeners_that_cannot_be_are_refused(listeners: list[str], reason: str) -> None:
    with pytest.raises(ConfigException) as refusal:
        parse_endpoints(listeners, PROTOCOLS)
    assert str(refusal.value) == f"Error creating broker listeners from '[{', '.join(listeners)}]': {reason}"


def test_advertised_listeners_may_share_a_port() -> None:
    listeners = ["PLAINTEXT://proxy:9092", "OTHER://proxy:9092"]
    assert len(parse_endpoints(listeners, PROTOCOLS, require_distinct_ports=False)) == 2


def test_the_protocol_map_is_in_capitals_and_knows_four_protocols() -> None:
    assert parse_security_protocol_map("external:sasl_ssl, A:PLAINTEXT") == {"EXTERNAL": "SASL_SSL", "A": "PLAINTEXT"}
    with pytest.raises(ConfigException, match=r"Invalid security protocol `HTTP` defined in listener\.security"):
        parse_security_protocol_map("A:HTTP")


def test_the_last_colon_divides_a_map_entry() -> None:
    assert parse_csv_map("max", "::1:5, a:6") == {"::1": "5", "a": "6"}
