"""What the connections of an SSL listener share: certificates, rules for principals, buffers. SslChannelBuilder."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from kafkalite.broker.request_context import ANONYMOUS
from kafkalite.config.config_value import ConfigException
from kafkalite.network.tls_connection import SEAL_SIZE, TlsConnection
from kafkalite.security.ssl_principal_mapper import SslPrincipalMapper
from kafkalite.tls.certificate import subject_name
from kafkalite.tls.ssl_config import SslConfig
from kafkalite.tls.ssl_context import server_context

if TYPE_CHECKING:
    import asyncio

    from kafkalite.config.broker_config import BrokerConfig
    from kafkalite.network.listener import Listener
    from kafkalite.network.request_dispatcher import RequestDispatcher

READ_SIZE: Final = 256 * 1024
"""Bytes of TLS records that one read of a socket takes at most."""


class SslChannelBuilder:
    """Makes the connections of one listener, by the ssl.* properties that hold for it."""

    def __init__(self, config: BrokerConfig, listener_name: str) -> None:
        """Raises ConfigException."""
        self._listener_name = listener_name
        self.sealed_buffer = memoryview(bytearray(READ_SIZE))
        """What a read brings."""
        self.plain_buffer = memoryview(bytearray(SEAL_SIZE))
        """Records of a log, on their way from the file into TLS records."""
        self._config = SslConfig.of_listener(config, listener_name)
        try:
            self.context = server_context(self._config)
            self._mapper = SslPrincipalMapper(config.listener_value(listener_name, "ssl.principal.mapping.rules"))
        except ConfigException as error:
            raise ConfigException(f"Listener {listener_name}: {error}") from None

    def new_connection(
        self, listener: Listener, dispatcher: RequestDispatcher, loop: asyncio.AbstractEventLoop
    ) -> TlsConnection:
        """A connection that has just been accepted."""
        return TlsConnection(listener, dispatcher, loop, self)

    def principal(self, tls: ssl.SSLObject) -> str:
        """Who the client is, by its certificate; raises ValueError where no rule says who that is."""
        certificate = tls.getpeercert(binary_form=True)
        return ANONYMOUS if certificate is None else f"User:{self._mapper.name_of(subject_name(certificate))}"
