"""The byte language of the wire and of the durable records: no I/O."""
