"""Changes of the quorum's voters (KIP-853), of which this node is and remains the only one."""

from __future__ import annotations

from collections.abc import Mapping

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid


def check_cluster_id(given: str | None, cluster_id: str) -> None:
    """Raises KafkaError for a request that is meant for another cluster; one may leave out which it means."""
    if given is not None and given != cluster_id:
        raise KafkaError(
            ErrorCode.INCONSISTENT_CLUSTER_ID, f'The given id "{given}" doesn\'t match the cluster id "{cluster_id}"'
        )


def refuse_to_add(
    voter_id: int,
    directory_id: Uuid,
    listeners: Mapping[str, tuple[str, int]],
    *,
    default_listener: str,
    kraft_version: int,
    this_voter: tuple[int, Uuid],
) -> KafkaError:
    """Why a voter cannot be added, in the order in which Apache Kafka finds out; at last because nobody is there."""
    if voter_id < 0 or directory_id == Uuid.ZERO:
        return KafkaError(ErrorCode.INVALID_REQUEST, "Add voter request didn't include a valid voter")
    if default_listener not in listeners:
        endpoints = ", ".join(
            f"ListenerName({name})={host}/<unresolved>:{port}" for name, (host, port) in listeners.items()
        )
        return KafkaError(
            ErrorCode.INVALID_REQUEST,
            f"Add voter request didn't include the endpoint (Endpoints(endpoints={{{endpoints}}})) for the default "
            f"listener ListenerName({default_listener})",
        )
    if kraft_version == 0:
        return KafkaError(
            ErrorCode.UNSUPPORTED_VERSION, "Cluster doesn't support adding voter because the kraft.version feature is 0"
        )
    if voter_id == this_voter[0]:
        return KafkaError(
            ErrorCode.DUPLICATE_VOTER,
            f"The voter id for {_key(voter_id, directory_id)} is already part of the set of voters "
            f"[{_key(*this_voter)}].",
        )
    return KafkaError(
        ErrorCode.REQUEST_TIMED_OUT, f"New voter {_key(voter_id, directory_id)} is not ready to receive requests"
    )


def refuse_to_remove(
    voter_id: int, directory_id: Uuid, *, kraft_version: int, this_voter: tuple[int, Uuid]
) -> KafkaError:
    """Why a voter cannot be removed: it is none, or the last one."""
    if voter_id < 0 or directory_id == Uuid.ZERO:
        return KafkaError(ErrorCode.INVALID_REQUEST, "Remove voter request didn't include a valid voter")
    if kraft_version == 0:
        return KafkaError(
            ErrorCode.UNSUPPORTED_VERSION,
            "Cluster doesn't support removing voter because the kraft.version feature is 0",
        )
    return KafkaError(
        ErrorCode.VOTER_NOT_FOUND,
        f"Cannot remove voter {_key(voter_id, directory_id)} from the set of voters [{_key(*this_voter)}]",
    )


def _key(voter_id: int, directory_id: Uuid) -> str:
    return f"ReplicaKey(id={voter_id}, directoryId={directory_id})"
