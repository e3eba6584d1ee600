"""A single-node, Kafka-compatible broker over Apache Kafka's own data directory."""

__version__ = "0.1.0"
