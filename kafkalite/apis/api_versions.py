"""ApiVersions: which APIs and versions this broker serves, and the features of its cluster.

Version 3 brought the client's software name and version, and features; before version 4 a feature whose lowest
supported level is 0 is left out (KAFKA-17011). Version 5 lets a client say which cluster and node it means (KIP-1242):
both or neither. A request in an unknown version is answered by the dispatcher. Produce is announced from version 0 on,
though served from 3: from that librdkafka concludes what compression it may use (KAFKA-18659). The APIs of client
telemetry are announced only where a reporter takes what clients push.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.served_versions import SERVED_VERSIONS
from kafkalite.errors import ErrorCode
from kafkalite.metadata.features import KRAFT_VERSION_FEATURE, SUPPORTED_FEATURES
from kafkalite.metadata.metadata_version import METADATA_VERSION_FEATURE
from kafkalite.protocol.api_keys import ApiKey
from kafkalite.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from kafkalite.protocol.messages.produce import ProduceRequest

_LOWEST_ANNOUNCED: Final = {ProduceRequest.api_key: 0}
_TELEMETRY: Final = frozenset((ApiKey.GET_TELEMETRY_SUBSCRIPTIONS, ApiKey.PUSH_TELEMETRY))
_SOFTWARE_NAME: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


@serves(ApiVersionsRequest, while_loading=True)
def api_versions(context: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse:
    version = context.api_version
    if version >= 3:
        names = (request.client_software_name, request.client_software_version)
        if not all(_SOFTWARE_NAME.fullmatch(name) for name in names):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
        context.client_software_name, context.client_software_version = names
    if (request.cluster_id is None) is not (request.node_id == -1):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    own = context.broker.cluster_id, context.node_id
    if request.cluster_id is not None and (request.cluster_id, request.node_id) != own:
        return ApiVersionsResponse(error_code=ErrorCode.REBOOTSTRAP_REQUIRED)
    response = ApiVersionsResponse(api_keys=_api_keys(context.broker.config.is_client_telemetry_reported))
    if version >= 3:
        _add_features(context, response)
    return response


@cache
def _api_keys(has_telemetry: bool) -> list[ApiVersion]:
    return [
        ApiVersion(api_key=api_key, min_version=_LOWEST_ANNOUNCED.get(api_key, lowest), max_version=highest)
        for api_key, (lowest, highest) in SERVED_VERSIONS.items()
        if has_telemetry or api_key not in _TELEMETRY
    ]


def _add_features(context: RequestContext, response: ApiVersionsResponse) -> None:
    metadata = context.broker.metadata
    features = metadata.image.features
    response.supported_features = [
        SupportedFeatureKey(name=name, min_version=lowest, max_version=highest)
        for name, (lowest, highest) in SUPPORTED_FEATURES.items()
        if lowest > 0 or context.api_version >= 4
    ]
    levels = features.finalized_versions | {METADATA_VERSION_FEATURE: features.level(METADATA_VERSION_FEATURE)}
    if metadata.kraft_version:
        levels[KRAFT_VERSION_FEATURE] = metadata.kraft_version
    response.finalized_features = [
        FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
        for name, level in levels.items()
    ]
    response.finalized_features_epoch = metadata.last_applied_offset
