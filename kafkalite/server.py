"""The composition root: puts clock, files, broker, dispatcher and listeners together, starts them and stops them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from kafkalite.broker.background_tasks import BackgroundTasks
from kafkalite.broker.broker import Broker
from kafkalite.broker.clock import Clock, SystemClock
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException
from kafkalite.config.endpoint import SECURITY_PROTOCOLS
from kafkalite.config.endpoint import Endpoint as ConfiguredEndpoint
from kafkalite.metadata.cluster_image import Endpoint
from kafkalite.network.listener import Listener
from kafkalite.network.request_dispatcher import RequestDispatcher
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.storage.filesystem import FileSystem, LocalFileSystem

logger = logging.getLogger("kafkalite")

QUIET_LOADING_MS: Final = 500
"""Clients that come while logs are loaded wait so long to be let in; then they are told to come again."""
_ROUNDS_OF_CLOSING: Final = 3
"""In so many rounds of the loop connections have ended, and with them what their requests wait for."""
LISTENERS: Final = "listeners"
STOP_TIMEOUT_S: Final = 1.0
"""How long a stop waits for answers that are under way."""
IDLE_CHECK_ROUNDS: Final = 4
"""Idle connections are looked for this often within connections.max.idle.ms."""


class Server:
    """A broker with its listeners. `start` and `stop` are called once each, on the event loop's thread; a `start` that
    takes too long may be cancelled, after which there is nothing to stop."""

    def __init__(
        self, config: BrokerConfig, *, clock: Clock | None = None, filesystem: FileSystem | None = None
    ) -> None:
        self.config = config
        self._clock = clock
        self._filesystem = filesystem or LocalFileSystem()
        self._dispatcher = RequestDispatcher(is_loading=True)
        self._listeners: list[Listener] = []
        self._retired: list[Listener] = []
        """Listeners that `listeners` names no more, whose connections are about to end."""
        self._reconfiguration: asyncio.Task[None] | None = None
        self._has_let_clients_in = False
        self._idle_timer: asyncio.TimerHandle | None = None
        self._background: BackgroundTasks
        self.broker: Broker
        self.failure: str | None = None
        """Why the broker cannot go on, and answers with errors until it is stopped."""
        self.on_failure: Callable[[], None] | None = None
        """Called when `failure` has been set."""

    async def start(self) -> None:
        """Opens the data directory and listens; returns when everything is served. Raises what `Broker.open`,
        `load_logs` and `start` raise, and OSError where it cannot listen, each with a line for the user."""
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        self.broker = Broker(self.config, clock=self._clock or SystemClock(loop), filesystem=self._filesystem)
        self.broker.on_fatal_failure = self._note_failure
        try:
            self.broker.open()
            for endpoint in self.config.broker_endpoints:
                await self._listen(endpoint)
            await self._load_logs(loop)
            self.broker.start(self._registered_endpoints())
            self._dispatcher.end_loading()
            await self._accept_connections()
            self.broker.metadata.add_listener(self._on_metadata_change)
        except BaseException:
            for listener in self._listeners:
                listener.stop_accepting()
                listener.close_connections(only_idle=False)
            for _ in range(_ROUNDS_OF_CLOSING):
                await asyncio.sleep(0)
            self.broker.close()
            raise
        self._background = BackgroundTasks(self.broker)
        self._background.start()
        self._schedule_idle_check()
        logger.info(
            "Started on %s with data in %s: %d topics, %d ms",
            self._addresses_text(),
            ", ".join(self.config.log_dirs),
            len(self.broker.metadata.image.topics),
            (time.monotonic() - began) * 1000,
        )

    async def _load_logs(self, loop: asyncio.AbstractEventLoop) -> None:
        """Loads the logs in a thread of their own; where that takes longer than a moment, clients are let in."""
        if not self.broker.metadata.image.topics:
            self.broker.load_logs()
            return
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafkalite-load")
        loading = loop.run_in_executor(worker, self.broker.load_logs)
        is_late = asyncio.Event()
        timer = self.broker.clock.call_later(QUIET_LOADING_MS, is_late.set)
        lateness = loop.create_task(is_late.wait())
        first: set[asyncio.Future[Any]] = {loading, lateness}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not loading.done():
                await self._accept_connections()
                logger.info("Listening on %s while logs are loaded", self._addresses_text())
            await asyncio.wait({loading})
        except asyncio.CancelledError:
            self.broker.interrupt_loading()
            logger.info("Loading logs is interrupted")
            await asyncio.wait({loading})
            raise
        finally:
            timer.cancel()
            lateness.cancel()
            worker.shutdown(wait=False)
        loading.result()

    async def _accept_connections(self) -> None:
        if not self._has_let_clients_in:
            self._has_let_clients_in = True
            for listener in self._listeners:
                await listener.accept_connections()

    async def _listen(self, endpoint: ConfiguredEndpoint) -> None:
        """Binds one endpoint. Raises OSError or ConfigException, but where it was only added while the broker ran; that
        one is missing then, as Apache Kafka lets it be missing."""
        listener: Listener | None = None
        try:
            listener = Listener(self.broker, endpoint, self._dispatcher, asyncio.get_running_loop())
            self._listeners.append(listener)
            await listener.bind()
        except (OSError, ConfigException) as error:
            if not self._is_dynamic(endpoint):
                raise
            if listener is not None:
                listener.stop_accepting()
                self._listeners.remove(listener)
            logger.error("Listener %s is missing: %s", endpoint, error)

    def _is_dynamic(self, endpoint: ConfiguredEndpoint) -> bool:
        config = self.config
        return LISTENERS in config.dynamic_overrides and endpoint not in BrokerConfig(config.static).broker_endpoints

    def _on_metadata_change(self, records: Sequence[MetadataRecord]) -> None:
        """Has the listeners follow the configuration; one that keeps its name keeps its address too, until a restart
        (Apache Kafka's DynamicListenerConfig)."""
        if not any(isinstance(record, ConfigRecord) for record in records):
            return
        wanted = {endpoint.listener_name for endpoint in self.config.broker_endpoints}
        if self._reconfiguration is not None or wanted != {listener.name for listener in self._listeners}:
            self._reconfiguration = asyncio.get_running_loop().create_task(
                self._reconfigure_listeners(self._reconfiguration)
            )
            self._reconfiguration.add_done_callback(self._reconfigured)

    async def _reconfigure_listeners(self, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        wanted = {endpoint.listener_name: endpoint for endpoint in self.config.broker_endpoints}
        for listener in [listener for listener in self._listeners if listener.name not in wanted]:
            await self._retire(listener)
        names = {listener.name for listener in self._listeners}
        for endpoint in [endpoint for name, endpoint in wanted.items() if name not in names]:
            await self._listen(endpoint)
            if self._listeners and self._listeners[-1].endpoint is endpoint:
                await self._listeners[-1].accept_connections()
                logger.info("Listener %s accepts connections", endpoint)

    async def _retire(self, listener: Listener) -> None:
        """Ends a listener and its connections; what is under way is answered, if that does not take too long."""
        listener.stop_accepting()
        self._listeners.remove(listener)
        self._retired.append(listener)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while listener.close_connections(only_idle=True) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        listener.close_connections(only_idle=False)
        self._retired.remove(listener)
        logger.info("Listener %s has ended", listener.endpoint)

    def _reconfigured(self, task: asyncio.Task[None]) -> None:
        if self._reconfiguration is task:
            self._reconfiguration = None
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("The listeners do not follow the configuration: %s", error)

    def _note_failure(self, reason: str) -> None:
        self.failure = reason
        if self.on_failure is not None:
            self.on_failure()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The name of the host as it was configured, and the port, of each listener."""
        return [(listener.endpoint.host or "*", listener.port) for listener in self._listeners]

    def _addresses_text(self) -> str:
        return ", ".join(sorted({f"{host}:{port}" for host, port in self.addresses}))

    def _registered_endpoints(self) -> list[Endpoint]:
        """The addresses that stand in the metadata: those advertised, else those configured."""
        endpoints = []
        for listener in self._listeners:
            endpoint, name = listener.endpoint, listener.name
            host, port = self.broker.advertised_listeners.get(name) or (endpoint.host or "localhost", listener.port)
            endpoints.append(Endpoint(name, host, port, SECURITY_PROTOCOLS.index(endpoint.security_protocol)))
        return endpoints

    def let_go_after_fork(self) -> None:
        """In a child process: lets go of the sockets, so that they end when the parent closes them.

        The descriptors stay taken, by nothing, because objects that the child has inherited would close them again.
        """
        nothing = os.open(os.devnull, os.O_RDWR)
        for listener in (*self._listeners, *self._retired):
            for descriptor in listener.descriptors():
                os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)

    async def stop(self) -> None:
        """Answers what is under way, ends all connections, and leaves the data directory cleanly shut down."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._reconfiguration is not None:
            self._reconfiguration.cancel()
        for listener in self._listeners:
            listener.stop_accepting()
        self._listeners += self._retired
        self.broker.begin_shutdown()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while sum(listener.close_connections(only_idle=True) for listener in self._listeners):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.01)
        for listener in self._listeners:
            listener.close_connections(only_idle=False)
        await self._background.stop()
        await asyncio.sleep(0)
        self.broker.close()

    def _schedule_idle_check(self) -> None:
        idle_ms = self.config.connections_max_idle_ms
        if idle_ms > 0:
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(idle_ms / 1000 / IDLE_CHECK_ROUNDS, self._check_idle)

    def _check_idle(self) -> None:
        for listener in self._listeners:
            listener.close_idle_connections(IDLE_CHECK_ROUNDS)
        self._schedule_idle_check()
