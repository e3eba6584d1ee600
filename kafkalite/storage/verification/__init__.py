"""Checking a data directory without opening it: every file is read, none is changed (see `repair` for that)."""
