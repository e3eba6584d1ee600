"""ShareAcknowledge: what a share group member says of records that it has got (KIP-932).

Version 2 can renew the locks of records, and tells how long a lock lasts (KIP-1222).
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.share_acknowledgements import RENEW_MIN_VERSION, acknowledge_all, is_member_id_valid
from kafkalite.broker.share_sessions import FINAL_EPOCH, INITIAL_EPOCH
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.share_acknowledge import (
    LeaderIdAndEpoch,
    PartitionData,
    ShareAcknowledgeRequest,
    ShareAcknowledgeResponse,
    ShareAcknowledgeTopicResponse,
)


@serves(ShareAcknowledgeRequest)
def share_acknowledge(context: RequestContext, request: ShareAcknowledgeRequest) -> ShareAcknowledgeResponse:
    broker = context.broker
    if not broker.share_groups.is_enabled:
        return ShareAcknowledgeResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    group_id, member_id, epoch = request.group_id, request.member_id, request.share_session_epoch
    if group_id is None or member_id is None or not is_member_id_valid(member_id):
        return ShareAcknowledgeResponse(error_code=ErrorCode.INVALID_REQUEST)
    sessions = broker.share_partitions.sessions
    key = (group_id, member_id)
    try:
        if epoch == INITIAL_EPOCH:
            raise KafkaError(ErrorCode.INVALID_SHARE_SESSION_EPOCH)
        if epoch == FINAL_EPOCH:
            if sessions.get(key) is None:
                raise KafkaError(ErrorCode.SHARE_SESSION_NOT_FOUND)
        else:
            sessions.find(key, epoch).advance()
    except KafkaError as error:
        return ShareAcknowledgeResponse(error_code=error.error)
    outcomes = acknowledge_all(
        broker,
        key,
        request.topics,
        supports_renew=context.api_version >= RENEW_MIN_VERSION,
        is_renew_ack=request.is_renew_ack,
    )
    if epoch == FINAL_EPOCH:
        broker.share_partitions.release_session(key)
    topics: dict[Uuid, ShareAcknowledgeTopicResponse] = {}
    for (topic_id, index), outcome in outcomes.items():
        answer = PartitionData(partition_index=index, error_code=outcome.error, error_message=outcome.message)
        if outcome.error is ErrorCode.NOT_LEADER_OR_FOLLOWER:
            answer.current_leader = LeaderIdAndEpoch(leader_id=context.node_id, leader_epoch=0)
        topics.setdefault(topic_id, ShareAcknowledgeTopicResponse(topic_id=topic_id)).partitions.append(answer)
    return ShareAcknowledgeResponse(
        acquisition_lock_timeout_ms=broker.share_partitions.group_config(group_id).share_record_lock_duration_ms,
        responses=list(topics.values()),
    )
