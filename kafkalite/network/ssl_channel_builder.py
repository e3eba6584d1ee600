"""What the connections of an SSL listener share: certificates, rules for principals, buffers. SslChannelBuilder."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Final

from kafkalite.broker.request_context import ANONYMOUS
from kafkalite.config.config_value import ConfigException
from kafkalite.network.tls_connection import SEAL_SIZE, TlsConnection
from kafkalite.security.ssl_principal_mapper import SslPrincipalMapper
from kafkalite.tls.certificate import subject_name
from kafkalite.tls.ssl_config import SslConfig
from kafkalite.tls.ssl_factory import SslFactory

if TYPE_CHECKING:
    import asyncio

    from kafkalite.config.broker_config import BrokerConfig
    from kafkalite.network.listener import Listener
    from kafkalite.network.request_dispatcher import RequestDispatcher

logger = logging.getLogger("kafkalite.network")

READ_SIZE: Final = 512 * 1024
"""Bytes of TLS records that one read of a socket takes at most: more than its receive buffer usually holds
(`listener`). Who fills this would be read from again before others get their turn."""


class SslChannelBuilder:
    """Makes the connections of one listener, by the ssl.* properties that hold for it."""

    def __init__(self, config: BrokerConfig, listener_name: str) -> None:
        """Raises ConfigException."""
        self._listener_name = listener_name
        self.sealed_buffer = memoryview(bytearray(READ_SIZE))
        """What a read brings."""
        self.plain_buffer = memoryview(bytearray(SEAL_SIZE))
        """Records of a log, on their way from the file into TLS records."""
        try:
            self._factory = SslFactory(SslConfig.of_listener(config, listener_name))
            self._mapper = SslPrincipalMapper(config.listener_value(listener_name, "ssl.principal.mapping.rules"))
        except ConfigException as error:
            raise ConfigException(f"Listener {listener_name}: {error}") from None
        self._broker_config = config
        config.reconfigurables.append(self)

    def close(self) -> None:
        """The listener has ended: its stores are not read any more."""
        if self in self._broker_config.reconfigurables:
            self._broker_config.reconfigurables.remove(self)

    @property
    def context(self) -> ssl.SSLContext:
        """That of new connections."""
        return self._factory.context

    def validate_reconfiguration(self, candidate: BrokerConfig) -> None:
        """Raises ConfigException where the listener could not go on with the stores of `candidate`."""
        self._factory.reconfigured(SslConfig.of_listener(candidate, self._listener_name))

    def reconfigure(self, config: BrokerConfig) -> None:
        """Reads the stores again where their properties or their files have changed; the old ones stay if it cannot."""
        try:
            factory = self._factory.reconfigured(SslConfig.of_listener(config, self._listener_name))
        except ConfigException as error:
            logger.error("Listener %s keeps its certificates: %s", self._listener_name, error)
            return
        if factory is not self._factory:
            self._factory = factory
            logger.info("Listener %s has new certificates", self._listener_name)

    def new_connection(
        self, listener: Listener, dispatcher: RequestDispatcher, loop: asyncio.AbstractEventLoop
    ) -> TlsConnection:
        """A connection that has just been accepted."""
        return TlsConnection(listener, dispatcher, loop, self)

    def principal(self, tls: ssl.SSLObject) -> str:
        """Who the client is, by its certificate; raises ValueError where no rule says who that is."""
        certificate = tls.getpeercert(binary_form=True)
        return ANONYMOUS if certificate is None else f"User:{self._mapper.name_of(subject_name(certificate))}"
