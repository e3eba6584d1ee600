from __future__ import annotations

import socket
from typing import Any

import pytest

from kafkalite.client.endpoint import Endpoint
from kafkalite.client.wire_client import (
    BrokerUnreachableError,
    DisconnectedError,
    NoCommonVersionError,
    RequestTimedOutError,
    UnexpectedResponseError,
    WireClient,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.headers import RequestHeader, ResponseHeader
from kafkalite.protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from kafkalite.protocol.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataResponse
from kafkalite.protocol.messages.produce import ProduceRequest
from kafkalite.protocol.schema import NO_VERSIONS, Response


def answer(response: Response, version: int, *, header_version: int = 1) -> Any:
    """A reply that carries the request's correlation id."""

    def reply(payload: bytes) -> bytes:
        header = ResponseHeader(correlation_id=int.from_bytes(payload[4:8]))
        body = header.encode(header_version) + response.encode(version)
        return len(body).to_bytes(4) + body

    return reply


def served(**ranges: tuple[int, int]) -> ApiVersionsResponse:
    keys = {"metadata": 3, "list_offsets": 2, "api_versions": 18, "produce": 0}
    return ApiVersionsResponse(
        api_keys=[ApiVersion(api_key=keys[n], min_version=r[0], max_version=r[1]) for n, r in ranges.items()]
    )


def negotiated(**ranges: tuple[int, int]) -> Any:
    return answer(served(**ranges), 5, header_version=0)


def test_the_highest_common_version_is_chosen_and_negotiated_once(scripted_broker: Any) -> None:
    response = MetadataResponse(cluster_id="c")
    scripted_broker.replies = [negotiated(metadata=(0, 9)), answer(response, 9), answer(response, 9)]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        assert client.send(MetadataRequest(topics=None)) == response
        assert client.send(MetadataRequest(topics=None)) == response
    headers = [RequestHeader.decode(payload, 2) for payload in scripted_broker.requests]
    assert [(h.request_api_key, h.request_api_version) for h in headers] == [(18, 5), (3, 9), (3, 9)]
    assert len({h.correlation_id for h in headers}) == 3
    assert {h.client_id for h in headers} == {"kafkalite"}


def test_versions_before_the_flexible_ones_use_the_old_headers(scripted_broker: Any) -> None:
    response = MetadataResponse(cluster_id="c")
    scripted_broker.replies = [answer(response, 8, header_version=0)]
    with WireClient("127.0.0.1", scripted_broker.port, client_id=None) as client:
        assert client.send(MetadataRequest(topics=None), 8) == response
    (payload,) = scripted_broker.requests
    header, position = RequestHeader.decode_from(payload, 0, 1)
    assert header.client_id is None
    assert MetadataRequest.decode_from(payload, position, 8)[1] == len(payload)


def test_a_broker_that_knows_no_api_versions_5_is_asked_again_in_its_version(scripted_broker: Any) -> None:
    refusal = served(api_versions=(0, 3))
    refusal.error_code = ErrorCode.UNSUPPORTED_VERSION
    scripted_broker.replies = [
        answer(refusal, 0, header_version=0),
        answer(served(metadata=(0, 12)), 3, header_version=0),
    ]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        assert client.version_for(MetadataRequest) == 12
    assert [int.from_bytes(payload[2:4]) for payload in scripted_broker.requests] == [5, 3]


def test_a_broker_that_refuses_without_naming_a_version_is_asked_in_version_0(scripted_broker: Any) -> None:
    refusal = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    scripted_broker.replies = [
        answer(refusal, 0, header_version=0),
        answer(served(metadata=(0, 1)), 0, header_version=0),
    ]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        assert client.version_for(MetadataRequest) == 1


def test_another_error_of_the_negotiation_is_raised(scripted_broker: Any) -> None:
    refusal = ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    scripted_broker.replies = [answer(refusal, 5, header_version=0)]
    with WireClient("127.0.0.1", scripted_broker.port) as client, pytest.raises(KafkaError) as caught:
        client.api_versions()
    assert caught.value.error is ErrorCode.INVALID_REQUEST


def test_no_common_version_is_a_clear_error_and_keeps_the_connection(scripted_broker: Any) -> None:
    scripted_broker.replies = [negotiated(metadata=(0, 9), list_offsets=(40, 41)), answer(MetadataResponse(), 9)]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        with pytest.raises(NoCommonVersionError, match=r"^The node does not support Produce$"):
            client.send(ProduceRequest())
        with pytest.raises(NoCommonVersionError) as caught:
            client.send(ListOffsetsRequest())
        assert str(caught.value) == (
            "The node does not support ListOffsets with version in range [1,11]. The supported range is [40,41]."
        )
        assert client.version_for(MetadataRequest, highest=4) == 4
        assert client.served_versions(0) == NO_VERSIONS
        assert client.send(MetadataRequest()) == MetadataResponse()
    assert scripted_broker.connections == 1


def test_another_correlation_id_is_an_error_and_closes_the_connection(scripted_broker: Any) -> None:
    def someone_elses(payload: bytes) -> bytes:
        body = ResponseHeader(correlation_id=77).encode(0) + ListOffsetsResponse().encode(1)
        return len(body).to_bytes(4) + body

    scripted_broker.replies = [someone_elses]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        with pytest.raises(UnexpectedResponseError, match=r"\(77\) does not match request \(1\)"):
            client.send(ListOffsetsRequest(), 1)
        assert not client.is_connected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x00\x00\x00", "ListOffsetsResponse version 1"),
        (b"\x00\x00\x00\x00\xff", "ListOffsetsResponse version 1 ends at byte 8 of 9"),
    ],
)
def test_a_response_that_cannot_be_read_to_its_end_is_an_error(scripted_broker: Any, body: bytes, message: str) -> None:
    scripted_broker.replies = [lambda payload: (4 + len(body)).to_bytes(4) + payload[4:8] + body]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        with pytest.raises(UnexpectedResponseError, match=message):
            client.send(ListOffsetsRequest(), 1)
        assert not client.is_connected


def test_a_connection_closed_instead_of_a_response_is_reported_and_opened_anew(scripted_broker: Any) -> None:
    response = MetadataResponse(cluster_id="again")
    scripted_broker.replies = [None, answer(response, 9)]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        with pytest.raises(DisconnectedError, match="closed the connection before its response"):
            client.send(MetadataRequest(topics=None), 9)
        assert client.send(MetadataRequest(topics=None), 9) == response
    assert scripted_broker.connections == 2


def test_a_response_that_does_not_come_times_out(scripted_broker: Any) -> None:
    scripted_broker.replies = [b""]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        with pytest.raises(RequestTimedOutError, match=r"^No response within 0\.05 s$"):
            client.send(MetadataRequest(topics=None), 9, timeout_s=0.05)
        assert not client.is_connected


def test_a_response_may_arrive_in_pieces_or_two_at_a_time(scripted_broker: Any) -> None:
    first, second = MetadataResponse(cluster_id="one"), MetadataResponse(cluster_id="two")
    held = bytearray()

    def hold(payload: bytes) -> bytes:
        held.extend(answer(first, 9)(payload))
        return bytes(held[:7])

    scripted_broker.replies = [hold, lambda payload: bytes(held[7:]) + answer(second, 9)(payload)]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        one = client.send_request(MetadataRequest(topics=None), 9)
        two = client.send_request(MetadataRequest(topics=None), 9)
        assert client.receive_response(MetadataResponse, 9, one) == first
        assert client.receive_response(MetadataResponse, 9, two) == second


def test_raw_frames_and_bytes_go_out_as_they_are(scripted_broker: Any) -> None:
    scripted_broker.replies = [lambda payload: b"\x00\x00\x00\x03" + payload[:3], b"\x00\x00\x00\x01x"]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        assert client.send_frame(b"abcdef") == b"abc"
        client.send_bytes(b"\x00\x00\x00\x02")
        client.send_bytes(b"yz")
        assert client.receive_frame() == b"x"
    assert scripted_broker.requests == [b"abcdef", b"yz"]


def test_a_negative_response_size_is_an_error(scripted_broker: Any) -> None:
    scripted_broker.replies = [b"\xff\xff\xff\xff"]
    with WireClient("127.0.0.1", scripted_broker.port) as client:
        with pytest.raises(UnexpectedResponseError, match="A response of -1 bytes"):
            client.send_frame(b"a")
        assert not client.is_connected


def test_a_bootstrap_list_is_tried_in_order(scripted_broker: Any) -> None:
    nobody = _port_without_listener()
    with WireClient(f"127.0.0.1:{nobody},127.0.0.1:{scripted_broker.port}") as client:
        assert client.connected_to == Endpoint("127.0.0.1", scripted_broker.port)


def test_nobody_listening_is_reported_as_apache_kafkas_tools_do() -> None:
    port = _port_without_listener()
    with WireClient("127.0.0.1", port) as client, pytest.raises(BrokerUnreachableError) as caught:
        client.send(ApiVersionsRequest())
    assert str(caught.value) == (
        f"Connection to 127.0.0.1:{port} could not be established. Node may not be available. (Connection refused)"
    )
    assert caught.value.endpoint == Endpoint("127.0.0.1", port)


def _port_without_listener() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.oracle
def test_apache_kafka_is_understood(apache_kafka: Any) -> None:
    with WireClient(apache_kafka.bootstrap_servers) as client:
        response = client.send(MetadataRequest(topics=None))
        assert [(broker.node_id, broker.port) for broker in response.brokers] == [(1, apache_kafka.port)]
        assert client.version_for(MetadataRequest) == 13
        assert client.send(MetadataRequest(topics=None), 1).brokers[0].port == apache_kafka.port
