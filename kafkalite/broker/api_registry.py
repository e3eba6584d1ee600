"""Which APIs are served, and by whom: the modules in `apis`, each named like its API, register their handlers.

A module is imported with the first request for its API: few of them are ever asked for in the life of a broker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from kafkalite.protocol.api_keys import ApiKey
from kafkalite.protocol.schema import Request, Response, VersionRange

if TYPE_CHECKING:
    from kafkalite.broker.request_context import RequestContext

Answer: TypeAlias = "Response | Awaitable[Response | None] | None"
Handler: TypeAlias = "Callable[[RequestContext, Any], Answer]"
Observer: TypeAlias = "Callable[[RequestContext, Any, memoryview, Answer], None]"
H = TypeVar("H", bound=Callable[..., Any])


class Api:
    """An API that is served: its versions, its handler, and who sees each request with its frame and answer."""

    __slots__ = ("api_key", "handler", "is_served_while_loading", "observer", "request_class", "versions")

    def __init__(
        self, request_class: type[Request], handler: Handler, observer: Observer | None, is_served_while_loading: bool
    ) -> None:
        lowest, highest = request_class.valid_versions
        if request_class.latest_version_unstable:
            highest -= 1
        self.request_class = request_class
        self.api_key = request_class.api_key
        self.handler = handler
        self.is_served_while_loading = is_served_while_loading
        self.observer = observer
        self.versions = VersionRange(lowest, highest)


_APIS: dict[int, Api] = {}


def serves(
    request_class: type[Request], *, observer: Observer | None = None, while_loading: bool = False
) -> Callable[[H], H]:
    """Registers a function as the handler of an API, in all its stable versions.

    A handler gets the request's context and the request, and returns its response, None where the client wants none,
    or an awaitable of either when it has to wait. It is called on the event loop's thread. The observer is given the
    request, the frame that it came in, and what the handler returned. `while_loading`: the handler has an answer also
    while the broker loads its logs (from the metadata, or an error after which clients try again); other requests wait
    until they are loaded.
    """

    def register(handler: H) -> H:
        if request_class.api_key in _APIS:
            raise ValueError(f"{request_class.__name__} is served twice")
        _APIS[request_class.api_key] = Api(request_class, handler, observer, while_loading)
        return handler

    return register


@cache
def served_api(api_key: int) -> Api | None:
    """An API by its number; None for one that is not served."""
    try:
        module = f"kafkalite.apis.{ApiKey(api_key).name.lower()}"
    except ValueError:
        return None
    if find_spec(module) is None:
        return None
    import_module(module)
    return _APIS[api_key]


def served_apis() -> dict[int, Api]:
    """All served APIs by number; imports them all."""
    return {api_key: api for api_key in ApiKey if (api := served_api(api_key)) is not None}
