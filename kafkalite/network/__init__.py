"""Listeners, connections, the dispatch of requests."""
