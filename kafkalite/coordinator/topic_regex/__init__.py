"""Regular expressions over topic names, in RE2's syntax and in linear time, as Apache Kafka's brokers match them."""
