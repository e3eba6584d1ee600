"""One blocking connection to a broker: a request out, its response in. Works on kafkalite and on Apache Kafka.

On the wire, both ways: int32 size, then a header, then the message.

    request header   int16 api key, int16 version, int32 correlation id, nullable client id, tags where flexible
    response header  int32 correlation id, tags where flexible (never for ApiVersions)

`send` chooses the highest version that both sides know, asked for once per connection through ApiVersions. Tests that
mean to be wrong use `send_frame`, `send_bytes` and `receive_frame`. Not to be shared between threads.
"""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from kafkalite.client.endpoint import Endpoint, parse_bootstrap_servers
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.headers import RequestHeader, ResponseHeader
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.protocol.schema import NO_VERSIONS, Request, Response, VersionRange

if TYPE_CHECKING:
    import ssl

R = TypeVar("R", bound=Response)

API_VERSIONS: Final = 18
_SOFTWARE_NAME: Final = "kafkalite"
_SOFTWARE_VERSION: Final = "0.1.0"
_RECEIVE_SIZE: Final = 65536


class WireClientError(Exception):
    """A request got no response, or none that can be understood; the connection is closed."""


class BrokerUnreachableError(WireClientError):
    """No connection could be made: nobody listens, the name does not resolve, or nothing answers in time."""

    def __init__(self, endpoint: Endpoint, reason: str) -> None:
        super().__init__(
            f"Connection to {endpoint} could not be established. Node may not be available. ({reason})",
        )
        self.endpoint = endpoint
        self.reason = reason


class SslHandshakeError(WireClientError):
    """The broker or this client did not accept the other's certificate, or they have no TLS in common."""

    def __init__(self, endpoint: Endpoint, reason: str) -> None:
        super().__init__(f"SSL handshake failed: {reason}")
        self.endpoint = endpoint


class DisconnectedError(WireClientError):
    """The broker closed the connection before its response was complete."""


class RequestTimedOutError(WireClientError):
    """The response did not arrive within the timeout."""


class UnexpectedResponseError(WireClientError):
    """What arrived is not the response to what was sent."""


class NoCommonVersionError(WireClientError):
    """The broker does not serve this API in any version known here; the connection stays usable."""


class WireClient:
    """A connection to the first broker of a list that accepts one, opened on first use and again after a failure.

    `host` may be a host name with `port` beside it, "host:port", or a bootstrap list. `timeout_s` bounds connecting
    and, separately, the wait for each response. With an `ssl_context` it speaks TLS.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        client_id: str | None = "kafkalite",
        timeout_s: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.endpoints = parse_bootstrap_servers(host) if port is None else [Endpoint(host, port)]
        self.client_id = client_id
        self.timeout_s = timeout_s
        self._ssl_context = ssl_context
        self._socket: socket.socket | None = None
        self._connected_to: Endpoint | None = None
        self._received = bytearray()
        self._correlation_id = 0
        self._versions: dict[int, VersionRange] = {}
        self._api_versions: ApiVersionsResponse | None = None

    # --- the connection

    @property
    def is_connected(self) -> bool:
        return self._socket is not None

    @property
    def connected_to(self) -> Endpoint:
        """The broker's endpoint; connects if need be."""
        self.connect()
        assert self._connected_to is not None
        return self._connected_to

    def connect(self) -> None:
        """Connects if not connected; raises BrokerUnreachableError of the last endpoint tried.

        With TLS SslHandshakeError too, or DisconnectedError where the broker leaves during the handshake.
        """
        if self._socket is not None:
            return
        failure: BrokerUnreachableError | None = None
        for endpoint in self.endpoints:
            try:
                connection = socket.create_connection(endpoint, timeout=self.timeout_s)
            except OSError as error:
                reason = "Connection timed out" if isinstance(error, TimeoutError) else error.strerror or str(error)
                failure = BrokerUnreachableError(endpoint, reason)
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._ssl_context is not None:
                connection = self._shake_hands(self._ssl_context, connection, endpoint)
            self._socket = connection
            self._connected_to = endpoint
            return
        assert failure is not None
        raise failure

    def _shake_hands(self, context: ssl.SSLContext, connection: socket.socket, endpoint: Endpoint) -> socket.socket:
        import ssl

        try:
            return context.wrap_socket(connection, server_hostname=endpoint.host)
        except (ssl.SSLError, ValueError) as error:  # ValueError: a name that is none in TLS
            connection.close()
            if not isinstance(error, ssl.SSLEOFError):
                raise SslHandshakeError(endpoint, _tls_reason(error)) from None
        except OSError:
            connection.close()
        raise DisconnectedError("The broker closed the connection during the SSL handshake")

    def close(self) -> None:
        """Closes the connection and forgets what was negotiated on it; safe to call twice."""
        connection, self._socket = self._socket, None
        self._connected_to = None
        self._received.clear()
        self._versions = {}
        self._api_versions = None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- versions

    def api_versions(self) -> ApiVersionsResponse:
        """What the broker serves, with its features; asked for once per connection."""
        if self._api_versions is None:
            response = self._negotiate()
            self._versions = {api.api_key: VersionRange(api.min_version, api.max_version) for api in response.api_keys}
            self._api_versions = response
        return self._api_versions

    def served_versions(self, api_key: int) -> VersionRange:
        """The versions of an API that the broker serves; an empty range where it does not."""
        self.api_versions()
        return self._versions.get(api_key, NO_VERSIONS)

    def version_for(self, request: type[Request] | Request, *, highest: int | None = None) -> int:
        """The highest version (not above `highest`) that both sides know; raises NoCommonVersionError."""
        known, served = request.valid_versions, self.served_versions(request.api_key)
        name = (request if isinstance(request, type) else type(request)).__name__.removesuffix("Request")
        if served == NO_VERSIONS:
            raise NoCommonVersionError(f"The node does not support {name}")
        lowest = max(known.lowest, served.lowest)
        version = min(known.highest, served.highest, known.highest if highest is None else highest)
        if version < lowest:
            wanted = known if highest is None else VersionRange(known.lowest, min(highest, known.highest))
            raise NoCommonVersionError(
                f"The node does not support {name} with version in range [{wanted.lowest},{wanted.highest}]. "
                f"The supported range is [{served.lowest},{served.highest}]."
            )
        return version

    def _negotiate(self) -> ApiVersionsResponse:
        request = ApiVersionsRequest(client_software_name=_SOFTWARE_NAME, client_software_version=_SOFTWARE_VERSION)
        version = request.valid_versions.highest
        while True:
            response = self._exchange(request, ApiVersionsResponse, version)
            error = ErrorCode.for_code(response.error_code)
            if error is ErrorCode.NONE:
                return response
            # A broker that does not know the version answers in version 0 and, since Kafka 2.4, names those it does.
            served = {api.api_key: api.max_version for api in response.api_keys}.get(API_VERSIONS, 0)
            if error is not ErrorCode.UNSUPPORTED_VERSION or served >= version:
                raise KafkaError(error)
            version = served

    # --- requests

    def send(self, request: Request, version: int | None = None, *, timeout_s: float | None = None) -> Any:
        """Sends a request and returns its response (a `request.response_type`); None takes the highest common version.

        A given version goes out without asking what the broker serves. Raises WireClientError; error codes inside the
        response are left to the caller.
        """
        if version is None:
            version = self.version_for(request)
        return self._exchange(request, request.response_type, version, timeout_s)

    def send_without_response(self, request: Request, version: int | None = None) -> None:
        """Sends a request that is never answered: Produce with acks=0."""
        self.send_request(request, self.version_for(request) if version is None else version)

    def send_request(self, request: Request, version: int) -> int:
        """Writes a request and returns its correlation id, for `receive_response`: several may be under way."""
        self._correlation_id = (self._correlation_id + 1) & 0x7FFFFFFF
        correlation_id = self._correlation_id
        header = RequestHeader(
            request_api_key=request.api_key,
            request_api_version=version,
            correlation_id=correlation_id,
            client_id=self.client_id,
        )
        frame = bytearray(4)
        header.encode_into(frame, 2 if version in request.flexible_versions else 1)
        request.encode_into(frame, version)
        frame[:4] = (len(frame) - 4).to_bytes(4)
        self.send_bytes(frame)
        return correlation_id

    def receive_response(
        self, response_type: type[R], version: int, correlation_id: int, *, timeout_s: float | None = None
    ) -> R:
        """Reads the next response, which must answer `correlation_id`."""
        frame = self.receive_frame(timeout_s=timeout_s)
        is_api_versions = response_type.api_key == API_VERSIONS
        header_version = 1 if version in response_type.flexible_versions and not is_api_versions else 0
        try:
            header, position = ResponseHeader.decode_from(frame, 0, header_version)
            if header.correlation_id != correlation_id:
                raise UnexpectedResponseError(
                    f"Correlation id for response ({header.correlation_id}) does not match request ({correlation_id})"
                )
            if is_api_versions and frame[position : position + 2] == b"\x00\x23":
                version = 0
            response, end = response_type.decode_from(frame, position, version)
            if end != len(frame):
                raise UnexpectedResponseError(
                    f"{response_type.__name__} version {version} ends at byte {end} of {len(frame)}"
                )
        except UnexpectedResponseError:
            self.close()
            raise
        except ProtocolError as error:
            self.close()
            raise UnexpectedResponseError(f"{response_type.__name__} version {version}: {error}") from error
        return response

    def _exchange(self, request: Request, response_type: type[R], version: int, timeout_s: float | None = None) -> R:
        correlation_id = self.send_request(request, version)
        return self.receive_response(response_type, version, correlation_id, timeout_s=timeout_s)

    # --- bytes

    def send_frame(self, payload: bytes, *, timeout_s: float | None = None) -> bytes:
        """Sends a payload behind its size and returns the payload of the next frame that arrives, headers included."""
        self.send_bytes(len(payload).to_bytes(4) + payload)
        return self.receive_frame(timeout_s=timeout_s)

    def send_bytes(self, data: bytes | bytearray) -> None:
        """Writes bytes as they are, connecting first if need be."""
        self.connect()
        assert self._socket is not None
        self._socket.settimeout(self.timeout_s)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            self.close()
            raise RequestTimedOutError(f"The broker took no request within {self.timeout_s:g} s") from None
        except OSError as error:
            self.close()
            raise DisconnectedError(f"The broker closed the connection ({error.strerror or error})") from None

    def receive_frame(self, *, timeout_s: float | None = None) -> bytes:
        """The payload of the next frame; its memory grows with what arrives, not with what the size promises."""
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        deadline_s = time.monotonic() + limit_s
        self._fill(4, deadline_s, limit_s)
        size = int.from_bytes(self._received[:4], signed=True)
        if size < 0:
            self.close()
            raise UnexpectedResponseError(f"A response of {size} bytes")
        self._fill(4 + size, deadline_s, limit_s)
        frame = bytes(memoryview(self._received)[4 : 4 + size])
        del self._received[: 4 + size]
        return frame

    def _fill(self, size: int, deadline_s: float, limit_s: float) -> None:
        """Receives until `size` bytes are there."""
        received = self._received
        while len(received) < size:
            if self._socket is None:
                raise DisconnectedError("Not connected")
            remaining_s = deadline_s - time.monotonic()
            try:
                if remaining_s <= 0:
                    raise TimeoutError
                self._socket.settimeout(remaining_s)
                data = self._socket.recv(max(_RECEIVE_SIZE, min(size - len(received), 1 << 22)))
            except TimeoutError:
                self.close()
                raise RequestTimedOutError(f"No response within {limit_s:g} s") from None
            except OSError as error:
                endpoint, is_alert = self._connected_to, self._ssl_context is not None and hasattr(error, "reason")
                self.close()
                if is_alert and endpoint is not None:  # what the broker says of a certificate comes after the handshake
                    raise SslHandshakeError(endpoint, _tls_reason(error)) from None
                raise DisconnectedError(
                    f"The broker closed the connection before its response ({error.strerror or error})"
                ) from None
            if not data:
                self.close()
                raise DisconnectedError("The broker closed the connection before its response")
            received += data


def _tls_reason(error: Exception) -> str:
    """Why a handshake failed, in words: that the peer's certificate is not trusted, or what OpenSSL calls it."""
    reason = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error)
