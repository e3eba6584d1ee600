"""The records of the coordinators' topics, by what they are about."""
