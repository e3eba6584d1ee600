"""Calls to a cluster as its administrators make them: to any broker, to one broker, to a group's coordinator.

A call is repeated, with a growing pause, while no broker can be reached, the connection breaks, or the answer says
that another broker or a little patience is needed; it ends with AdminTimeoutError at its deadline. One connection per
broker; on a cluster of one broker the first connection serves everything.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from kafkalite.client.endpoint import Endpoint, parse_bootstrap_servers
from kafkalite.client.wire_client import (
    BrokerUnreachableError,
    DisconnectedError,
    RequestTimedOutError,
    WireClient,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from kafkalite.protocol.schema import Request

if TYPE_CHECKING:
    import ssl

GROUP_COORDINATOR: Final = 0
TRANSACTION_COORDINATOR: Final = 1
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
_LEAST_TIMEOUT_S: Final = 0.001


class AdminTimeoutError(Exception):
    """A call had no success before its deadline."""


def raise_for(error_code: int, message: str | None = None) -> None:
    """Raises KafkaError unless the code is NONE."""
    if error_code:
        raise KafkaError(ErrorCode.for_code(error_code), message)


def is_retriable(error_code: int) -> bool:
    return ErrorCode.for_code(error_code).is_retriable


def check_topic_names(names: Iterable[str]) -> None:
    """Refuses an empty name before it is sent, as Apache Kafka's client does; raises KafkaError."""
    if "" in names:
        raise KafkaError(
            ErrorCode.INVALID_TOPIC_EXCEPTION, "The given topic name '' cannot be represented in a request."
        )


class Admin:
    """A client of one cluster; not to be shared between threads. With an `ssl_context` it speaks TLS.

    `on_unreachable` hears of every attempt to connect that failed, with the broker's id (-1 for a bootstrap address).
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        client_id: str = "adminclient-1",
        request_timeout_s: float = 30.0,
        api_timeout_s: float = 60.0,
        ssl_context: ssl.SSLContext | None = None,
        on_unreachable: Callable[[int, BrokerUnreachableError], None] | None = None,
        now_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        parse_bootstrap_servers(bootstrap_servers)
        self.request_timeout_s = request_timeout_s
        self.api_timeout_s = api_timeout_s
        self._client_id = client_id
        self._on_unreachable = on_unreachable
        self._now_s = now_s
        self._sleep_s = sleep_s
        self._ssl_context = ssl_context
        self._bootstrap = WireClient(
            bootstrap_servers, client_id=client_id, timeout_s=request_timeout_s, ssl_context=ssl_context
        )
        self._clients: dict[int, WireClient] = {}
        self._brokers: dict[int, Endpoint] | None = None
        self._coordinators: dict[tuple[int, str], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for client in (self._bootstrap, *self._clients.values()):
            client.close()
        self._clients = {}

    @property
    def bootstrap_client(self) -> WireClient:
        return self._bootstrap

    @property
    def api_timeout_ms(self) -> int:
        return int(self.api_timeout_s * 1000)

    # --- brokers

    def brokers(self, *, call: str = "listNodes") -> dict[int, Endpoint]:
        """The brokers by id, asked for once; `call` is what they are asked for on behalf of."""
        if self._brokers is None:
            response = self.send(MetadataRequest(topics=[]), call=call)
            self._brokers = {broker.node_id: Endpoint(broker.host, broker.port) for broker in response.brokers}
        return self._brokers

    def connect(self, *, call: str) -> None:
        """Connects to a bootstrap address, waiting for one that accepts; raises AdminTimeoutError."""
        from kafkalite.protocol.messages.api_versions import ApiVersionsRequest

        self.send(ApiVersionsRequest(client_software_name="kafkalite", client_software_version="0"), call=call)

    def client_of(self, node_id: int) -> WireClient:
        """The connection to a broker; raises KafkaError for an unknown one."""
        return self._client(node_id)

    def _client(self, node_id: int | None) -> WireClient:
        if node_id is None:
            return self._bootstrap
        brokers = self.brokers()
        if len(brokers) == 1 and node_id in brokers:
            return self._bootstrap
        client = self._clients.get(node_id)
        if client is None:
            if node_id not in brokers:
                raise KafkaError(ErrorCode.BROKER_NOT_AVAILABLE)
            client = WireClient(
                *brokers[node_id],
                client_id=self._client_id,
                timeout_s=self.request_timeout_s,
                ssl_context=self._ssl_context,
            )
            self._clients[node_id] = client
        return client

    # --- calls

    def send(
        self,
        request: Request,
        *,
        call: str,
        node_id: int | None = None,
        highest: int | None = None,
        retry_if: Callable[[Any], bool] | None = None,
    ) -> Any:
        """Sends a request to a broker (None: any) and returns its response; `call` names it in AdminTimeoutError.

        `highest` bounds the version. `retry_if` says of a response whether to ask again. Raises NoCommonVersionError.
        """
        deadline_s = self._now_s() + self.api_timeout_s
        backoff_s = _FIRST_BACKOFF_S
        while True:
            failure = "Timed out waiting for a node assignment."
            try:
                client = self._client(node_id)
                client.timeout_s = max(_LEAST_TIMEOUT_S, min(self.request_timeout_s, deadline_s - self._now_s()))
                response = client.send(request, client.version_for(request, highest=highest))
                if retry_if is None or not retry_if(response):
                    return response
                failure = "Timed out waiting for the call to succeed."
            except BrokerUnreachableError as error:
                if self._on_unreachable is not None:
                    self._on_unreachable(-1 if node_id is None else node_id, error)
            except (DisconnectedError, RequestTimedOutError):
                failure = "Timed out waiting to send the call."
            left_s = deadline_s - self._now_s()
            if left_s <= 0:
                raise AdminTimeoutError(f"{failure} Call: {call}")
            # Whoever comes up in the last moment is still asked.
            self._sleep_s(min(backoff_s, left_s))
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    def send_to_coordinator(
        self,
        key: str,
        request: Request,
        *,
        call: str,
        key_type: int = GROUP_COORDINATOR,
        highest: int | None = None,
        errors: Callable[[Any], Iterable[int]] = lambda response: (response.error_code,),
    ) -> Any:
        """Sends a request to the coordinator of a group or transactional id, looking it up again while that helps.

        `errors` finds the error codes in the response that tell of a coordinator that moved or loads.
        """

        def must_look_again(response: Any) -> bool:
            if not any(map(_is_about_the_coordinator, errors(response))):
                return False
            self._coordinators.pop((key_type, key), None)
            return True

        node_id = self.coordinator(key, key_type, call=call)
        return self.send(request, call=call, node_id=node_id, highest=highest, retry_if=must_look_again)

    def coordinator(self, key: str, key_type: int = GROUP_COORDINATOR, *, call: str = "findCoordinator") -> int:
        """The broker that coordinates a group or transactional id; raises KafkaError where there is none."""
        known = self._coordinators.get((key_type, key))
        return self.find_coordinators([key], key_type, call=call)[key] if known is None else known

    def find_coordinators(
        self, keys: Iterable[str], key_type: int = GROUP_COORDINATOR, *, call: str = "findCoordinator"
    ) -> dict[str, int]:
        """The brokers that coordinate groups or transactional ids, asked for all at once; raises KafkaError.

        `call` is what they are looked up for: it names the failure.
        """
        from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest

        found: dict[str, int] = {}
        wanted = list(dict.fromkeys(keys))
        if call != "findCoordinator":
            call += "(api=FIND_COORDINATOR)"
        self.brokers(call=call)
        if self._bootstrap.version_for(FindCoordinatorRequest) < 4:
            for key in wanted:
                response = self.send(
                    FindCoordinatorRequest(key_type=key_type, key=key),
                    call=call,
                    retry_if=lambda response: is_retriable(response.error_code),
                )
                raise_for(response.error_code, _why_not_found(key, response) or response.error_message)
                found[key] = response.node_id
        elif wanted:
            response = self.send(
                FindCoordinatorRequest(key_type=key_type, coordinator_keys=wanted),
                call=call,
                retry_if=lambda response: any(is_retriable(each.error_code) for each in response.coordinators),
            )
            for each in response.coordinators:
                raise_for(each.error_code, _why_not_found(each.key, each) or each.error_message)
                found[each.key] = each.node_id
        for key, node_id in found.items():
            self._coordinators[key_type, key] = node_id
        return found

    # --- topics

    def metadata(self, topics: Iterable[str] | None, *, call: str = "metadata") -> MetadataResponse:
        """Topics (None: all) as the brokers know them; asking creates none."""
        if topics is not None:
            topics = list(topics)
            check_topic_names(topics)
        named = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        request = MetadataRequest(topics=named, allow_auto_topic_creation=False)
        response: MetadataResponse = self.send(request, call=call)
        return response

    def leaders(self, partitions: Iterable[TopicPartition]) -> Mapping[int, list[TopicPartition]]:
        """The partitions by their leader's id; raises KafkaError for a topic or partition that does not exist.

        Waits for partitions whose leader is not known yet.
        """
        wanted = list(partitions)
        names = sorted({partition.topic for partition in wanted})
        check_topic_names(names)
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=name) for name in names], allow_auto_topic_creation=False
        )
        response = self.send(
            request,
            call="metadata",
            retry_if=lambda answer: any(
                partition.error_code == ErrorCode.LEADER_NOT_AVAILABLE
                for topic in answer.topics
                for partition in topic.partitions
            ),
        )
        leader_of: dict[TopicPartition, int] = {}
        for topic in response.topics:
            raise_for(topic.error_code, _why_unknown(wanted, topic))
            for partition in topic.partitions:
                leader_of[TopicPartition(topic.name, partition.partition_index)] = partition.leader_id
        by_leader: defaultdict[int, list[TopicPartition]] = defaultdict(list)
        for partition in wanted:
            if partition not in leader_of:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            by_leader[leader_of[partition]].append(partition)
        return by_leader


def _is_about_the_coordinator(error_code: int) -> bool:
    return error_code in (
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    )


def _why_not_found(key: str, answer: Any) -> str | None:
    """What Apache Kafka's client says to whom a coordinator may not be told."""
    kinds = {
        ErrorCode.GROUP_AUTHORIZATION_FAILED: ("groupId", "GROUP"),
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: ("transactionalId", "TRANSACTION"),
    }
    if answer.error_code not in kinds:
        return None
    field, kind = kinds[answer.error_code]
    coordinator = f"CoordinatorKey(idValue='{key}', type={kind})"
    return f"FindCoordinator request for {field} `{coordinator}` failed due to authorization failure"


def _why_unknown(wanted: Iterable[TopicPartition], topic: MetadataResponseTopic) -> str | None:
    """What Apache Kafka's client says of a topic that it looked up for one of its partitions."""
    partition = next((partition for partition in wanted if partition.topic == topic.name), None)
    if topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        reason = f"because metadata for topic `{topic.name}` could not be found"
    elif topic.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION:
        reason = f"due to invalid topic `{topic.name}`"
    else:
        return None
    return f"Failed to fetch metadata for partition {partition} {reason}"
