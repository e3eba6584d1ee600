"""What the metadata log says: topics, configs, features, brokers, credentials."""
