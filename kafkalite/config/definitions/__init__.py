"""The properties of Apache Kafka 4.4.0's broker, one table a topic, with its defaults."""
