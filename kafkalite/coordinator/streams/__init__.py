"""Streams groups (KIP-1071): topologies and their internal topics, tasks and who runs them, members and epochs."""
