"""What an append answers (LogAppendInfo)."""

from __future__ import annotations

from typing import NamedTuple


class LogAppendInfo(NamedTuple):
    """Where an append went. For a batch that was there already: where it is, and nothing was written."""

    first_offset: int
    last_offset: int
    log_append_time_ms: int
    """-1 unless the topic stamps its records (or the batch was a duplicate: its own timestamp then)."""
    log_start_offset: int
    is_duplicate: bool = False
    is_flush_due: bool = False
    """flush.messages are waiting for a sync, and the caller took it upon itself (`defer_flush`)."""
