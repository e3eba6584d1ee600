"""The properties of brokers, topics and groups: names, types, defaults, validation."""
