"""One module per thing on disk, named as Apache Kafka names it."""
