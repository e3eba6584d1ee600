"""The defaults that differ from Apache Kafka's because there is one node, each with its reason.

A file that Apache Kafka accepts means the same here: these count only for what it leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kafkalite.config.config_value import ConfigValue

SINGLE_NODE_DEFAULTS: Final[Mapping[str, tuple[ConfigValue, str]]] = {
    "process.roles": (("broker", "controller"), "One node is both; Apache Kafka has no default."),
    "node.id": (1, "Apache Kafka has no default."),
    "broker.id": (1, "The same as node.id."),
    "controller.listener.names": (("CONTROLLER",), "The name stock files use; Apache Kafka has no default."),
    "log.dir": (("kafkalite-data",), "In the working directory: /tmp is emptied at reboots."),
    "offsets.topic.replication.factor": (1, "There is one broker."),
    "transaction.state.log.replication.factor": (1, "There is one broker."),
    "transaction.state.log.min.isr": (1, "There is one broker."),
    "share.coordinator.state.topic.replication.factor": (1, "There is one broker."),
    "share.coordinator.state.topic.min.isr": (1, "There is one broker."),
    "group.initial.rebalance.delay.ms": (0, "No fleet of consumers is being rolled out: the first need not wait 3 s."),
}
