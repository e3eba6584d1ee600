"""The filters of --list that the tools for groups share."""

from __future__ import annotations

from collections.abc import Sequence

from kafkalite.cli.java_exceptions import ToolError


def parse_states(text: str, valid: Sequence[str]) -> list[str]:
    """The states of --state; raises ToolError."""
    return parse_names(text, valid, "Invalid state list '{}'. Valid states are: {}")


def parse_names(text: str, valid: Sequence[str], complaint: str) -> list[str]:
    """Reads a list of names, any case; raises ToolError."""
    if not text:
        return []
    known = {name.lower(): name for name in valid}
    names = [name.strip().lower() for name in text.rstrip(",").split(",")]
    if any(name not in known for name in names):
        raise ToolError(complaint.format(text, ", ".join(valid)))
    return list(dict.fromkeys(known[name] for name in names))
