"""Records of `__consumer_offsets` about classic groups."""

from __future__ import annotations

from typing import Final

from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue, RecordType
from kafkalite.protocol.schema import Struct, array, bytes_, int32, int64, string


class GroupMetadataKey(CoordinatorKey, record_type=2, versions="0"):
    group: str = string(versions="0")


class MemberMetadata(Struct):
    member_id: str = string()
    group_instance_id: str | None = string(versions="3+", default=None, nullable="3+", ignorable=True)
    client_id: str = string()
    client_host: str = string()
    rebalance_timeout: int = int32(versions="1+", default=-1, ignorable=True)
    session_timeout: int = int32()
    subscription: bytes = bytes_()
    assignment: bytes = bytes_()


class GroupMetadataValue(CoordinatorValue, record_type=2, versions="0-4", flexible="4+"):
    protocol_type: str = string()
    generation: int = int32()
    protocol: str | None = string(nullable="0+")
    leader: str | None = string(nullable="0+")
    current_state_timestamp: int = int64(versions="2+", default=-1, ignorable=True)
    members: list[MemberMetadata] = array(MemberMetadata)


RECORD_TYPES: Final[tuple[RecordType, ...]] = ((GroupMetadataKey, GroupMetadataValue),)
