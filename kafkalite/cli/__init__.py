"""The command-line tools, named as Apache Kafka's scripts."""
