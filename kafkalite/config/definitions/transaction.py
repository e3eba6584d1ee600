"""The transaction coordinator and producer state.

Apache Kafka's TransactionLogConfig, TransactionStateManagerConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, HIGH, LOW, ConfigKey
from kafkalite.config.config_value import BOOLEAN, INT, SHORT
from kafkalite.config.units import DAY_MS, HOUR_MS, MIB, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import at_least

KEYS: Final = (
    ConfigKey("transaction.state.log.min.isr", INT, 2, HIGH, at_least(1)),
    ConfigKey("transaction.state.log.load.buffer.size", INT, 5 * MIB, HIGH, at_least(1)),
    ConfigKey("transaction.state.log.replication.factor", SHORT, 3, HIGH, at_least(1)),
    ConfigKey("transaction.state.log.num.partitions", INT, 50, HIGH, at_least(1)),
    ConfigKey("transaction.state.log.segment.bytes", INT, 100 * MIB, HIGH, at_least(1)),
    ConfigKey("transaction.partition.verification.enable", BOOLEAN, True, LOW, mode=CLUSTER_WIDE),
    ConfigKey("producer.id.expiration.ms", INT, DAY_MS, LOW, at_least(1), CLUSTER_WIDE),
    ConfigKey("producer.id.expiration.check.interval.ms", INT, 10 * MINUTE_MS, LOW, at_least(1), internal=True),
    ConfigKey("transactional.id.expiration.ms", INT, 7 * DAY_MS, HIGH, at_least(1)),
    ConfigKey("transaction.max.timeout.ms", INT, 15 * MINUTE_MS, HIGH, at_least(1)),
    ConfigKey("transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, 10 * SECOND_MS, LOW, at_least(1)),
    ConfigKey("transaction.remove.expired.transaction.cleanup.interval.ms", INT, HOUR_MS, LOW, at_least(1)),
    ConfigKey("transaction.two.phase.commit.enable", BOOLEAN, False, LOW),
    ConfigKey("add.partitions.to.txn.retry.backoff.max.ms", INT, 100, HIGH, at_least(0)),
    ConfigKey("add.partitions.to.txn.retry.backoff.ms", INT, 20, HIGH, at_least(1)),
)
