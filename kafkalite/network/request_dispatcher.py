"""From a frame to its answer: header, version, decoding, the API's handler, encoding.

    request frame    size int32 | api key int16, api version int16, correlation id int32, client id string,
                     flexible versions: tagged fields | body
    response frame   size int32 | correlation id int32, flexible versions: tagged fields (never in ApiVersions) | body

A frame that Apache Kafka would answer by closing the connection raises ProtocolError.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from kafkalite.broker.api_registry import Api, Handler, Observer, served_api
from kafkalite.errors import ErrorCode
from kafkalite.protocol.api_keys import ApiKey
from kafkalite.protocol.codec import Decoder, Encoder, compile_decoder, compile_encoder
from kafkalite.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from kafkalite.protocol.primitives import ProtocolError, read_unsigned_varint
from kafkalite.protocol.schema import Request, Response

if TYPE_CHECKING:
    from kafkalite.broker.request_context import RequestContext
    from kafkalite.network.response_buffer import ResponseBuffer

_unpack_request_header: Final = struct.Struct(">iih").unpack_from
"""API key and version are taken as one number: what there is to know of a request is found under it."""
_KEY_AND_VERSION: Final = struct.Struct(">hh")
_UNKNOWN_HEADER: Final = struct.Struct(">xxhxxxxh")
_RESPONSE_HEADER: Final = struct.Struct(">ii").pack
_FLEXIBLE_RESPONSE_HEADER: Final = struct.Struct(">iix").pack
_pack_size_into: Final = struct.Struct(">i").pack_into


class Route(NamedTuple):
    """How the requests of one API and version are read, handled and answered."""

    api_key: int
    version: int
    is_flexible: bool
    decode: Decoder
    handler: Handler
    encode: Encoder
    pack_header: Callable[[int, int], bytes]
    """Of a response: its size, to be filled in, and the correlation id."""
    observer: Observer | None


class PendingAnswer:
    """An answer that its handler still waits for, and how it is to be encoded."""

    __slots__ = ("_correlation_id", "_route", "awaitable")

    def __init__(self, route: Route, correlation_id: int, awaitable: Awaitable[Response | None]) -> None:
        self._route = route
        self._correlation_id = correlation_id
        self.awaitable = awaitable

    def encode(self, response: Response | None, out: ResponseBuffer) -> None:
        """Appends the frame that answers, once `awaitable` has given the response."""
        if response is not None:
            _encode(self._route, self._correlation_id, response, out)


class RequestDispatcher:
    """Knows the served APIs, and whether the broker's logs are loaded; all connections share one."""

    def __init__(self, *, is_loading: bool = False) -> None:
        self._routes: dict[int, Route] = {}
        self._is_loading = is_loading

    def end_loading(self) -> None:
        """The logs are loaded: from the next request on none waits for them."""
        self._is_loading = False
        self._routes.clear()

    def dispatch(
        self, context: RequestContext, view: memoryview, position: int, end: int, out: ResponseBuffer
    ) -> PendingAnswer | None:
        """Answers the request in `view[position:end]`, behind its size: into `out`, or later where the handler has to
        wait."""
        try:
            key_and_version, correlation_id, client_id_size = _unpack_request_header(view, position)
            route = self._routes.get(key_and_version)
            if route is None:
                context.api_key, context.api_version = _KEY_AND_VERSION.unpack_from(view, position)
                route = self._new_route(context.api_key, context.api_version)
                if route is None:
                    _check_unknown_header(view, position, end)
                    self._refuse_version(correlation_id, out)
                    return None
            context.api_key, context.api_version, is_flexible, decode, handler, _, _, observer = route
            context.correlation_id = correlation_id
            body = position + 10
            if client_id_size >= 0:
                start = body
                body += client_id_size
                context.client_id = str(view[start:body], "utf-8", "replace")
            else:
                context.client_id = None
            if is_flexible:
                body = body + 1 if view[body] == 0 else _skip_tags(view, body)
            request, body = decode(view, body, end)
        except (struct.error, IndexError) as error:
            raise ProtocolError(f"the request ends too early: {describe_frame(view, position, end)}") from error
        if body > end:
            raise ProtocolError(f"the request ends too early: {describe_frame(view, position, end)}")
        answer = handler(context, request)
        if observer is not None:
            observer(context, request, view[position - 4 : end], answer)
        if isinstance(answer, Response):
            _encode(route, correlation_id, answer, out)
        elif answer is not None:
            return PendingAnswer(route, correlation_id, answer)
        return None

    def _new_route(self, api_key: int, version: int) -> Route | None:
        """The route of requests that are met for the first time; None for a version that is refused with an answer.

        Only ApiVersions has an answer for a version that is unknown."""
        api = served_api(api_key)
        if api is None:
            raise ProtocolError(f"API key {api_key} is not served here")
        if version not in api.versions:
            if api_key == ApiKey.API_VERSIONS:
                return None
            raise ProtocolError(f"version {version} of {ApiKey(api_key).name} is not served (only {api.versions})")
        route = self._routes[api_key << 16 | version] = self._route(api, version)
        return route

    def _route(self, api: Api, version: int) -> Route:
        request_class = api.request_class
        is_flexible = version in request_class.flexible_versions
        has_tags = is_flexible and api.api_key != ApiKey.API_VERSIONS
        waits = self._is_loading and not api.is_served_while_loading
        return Route(
            api.api_key,
            version,
            is_flexible,
            compile_decoder(request_class, version),
            _when_loaded(api.handler) if waits else api.handler,
            compile_encoder(request_class.response_type, version),
            _FLEXIBLE_RESPONSE_HEADER if has_tags else _RESPONSE_HEADER,
            api.observer,
        )

    def _refuse_version(self, correlation_id: int, out: ResponseBuffer) -> None:
        """Answers ApiVersions in an unknown version: its own range, in the oldest form (KIP-511)."""
        api = served_api(ApiKey.API_VERSIONS)
        assert api is not None
        lowest, highest = api.versions
        response = ApiVersionsResponse(
            error_code=ErrorCode.UNSUPPORTED_VERSION,
            api_keys=[ApiVersion(api_key=api.api_key, min_version=lowest, max_version=highest)],
        )
        _encode(self._route(api, 0), correlation_id, response, out)


def _when_loaded(handler: Handler) -> Handler:
    """Handles a request once the logs are loaded; one whose client has gone by then is never handled.

    What a request holds is its own (but for Produce's records, which does not wait), and its connection takes up no
    other one meanwhile.
    """

    async def handle(context: RequestContext, request: Request) -> Response | None:
        await context.broker.wait_for_logs()
        answer = handler(context, request)
        return answer if answer is None or isinstance(answer, Response) else await answer

    return handle


def _encode(route: Route, correlation_id: int, response: Response, out: ResponseBuffer) -> None:
    """Appends a response frame."""
    start = len(out)
    slices_before = out.slices_size
    out += route.pack_header(0, correlation_id)
    try:
        route.encode(response, out)
    except BaseException:
        out.cut(start)  # no half of a response goes out
        raise
    _pack_size_into(out, start, len(out) - start - 4 + out.slices_size - slices_before)


def describe_frame(view: memoryview, position: int, end: int) -> str:
    """A frame for a log line: its size and first bytes."""
    return f"{end - position} bytes, beginning {bytes(view[position : min(end, position + 16)]).hex(' ')}"


def _check_unknown_header(view: memoryview, position: int, end: int) -> None:
    """Raises ProtocolError, struct.error or IndexError where the header of a request in an unknown version is broken.

    Versions of ApiVersions that are still to come have the newest header, negative ones the oldest.
    """
    version, client_id_size = _UNKNOWN_HEADER.unpack_from(view, position)
    position += _UNKNOWN_HEADER.size + max(0, client_id_size)
    if version >= 0:
        position = _skip_tags(view[:end], position)
    if position > end:
        raise ProtocolError("the header of the request ends too early")


def _skip_tags(view: memoryview, position: int) -> int:
    count, position = read_unsigned_varint(view, position)
    for _ in range(count):
        _, position = read_unsigned_varint(view, position)
        size, position = read_unsigned_varint(view, position)
        position += size
        if position > len(view):
            raise ProtocolError("tagged fields of the header reach beyond the request")
    return position
