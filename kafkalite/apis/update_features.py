"""UpdateFeatures: raises or lowers the levels of the cluster's features, all that are named or none (KIP-584).

Version 0 says with a flag that a level may fall; version 1 brought kinds of downgrades and validation alone. Answers of
version 2 name no single features.
"""

from __future__ import annotations

from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.metadata_store import answer_or_raise
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.string_hash import hash_map_order
from kafkalite.errors import KafkaError
from kafkalite.metadata.feature_control import FeatureUpdate
from kafkalite.metadata.feature_control import update_features as updated_features
from kafkalite.protocol.messages.update_features import (
    UpdatableFeatureResult,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)


@serves(UpdateFeaturesRequest)
def update_features(
    context: RequestContext, request: UpdateFeaturesRequest
) -> UpdateFeaturesResponse | Awaitable[UpdateFeaturesResponse]:
    store = context.broker.metadata
    # Apache Kafka reads the flag of version 0 and does not heed it.
    wanted = {
        update.feature: FeatureUpdate(update.max_version_level, update.upgrade_type)
        for update in request.feature_updates
    }
    # Of several that cannot be, the first is told of: the order is that of Apache Kafka's HashMap.
    updates = {name: wanted[name] for name in hash_map_order(wanted)}
    try:
        records = updated_features(
            store.written_image,
            context.node_id,
            store.kraft_version,
            updates,
            min_insync_replicas=context.broker.config.min_insync_replicas,
        )
    except KafkaError as error:
        return UpdateFeaturesResponse(
            error_code=error.error,
            error_message="The update failed for all features since the following feature had an error: "
            f"{error.message}",
        )
    response = UpdateFeaturesResponse(error_message=None)
    if context.api_version <= 1:
        response.results = [UpdatableFeatureResult(feature=name, error_message="NONE") for name in updates]
    return store.commit([] if request.validate_only else records, answer_or_raise(response))
