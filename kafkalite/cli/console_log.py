"""Lines on stderr in the form in which Apache Kafka's tools log: [time] LEVEL message (logger)."""

from __future__ import annotations

import sys
import time


def log(level: str, message: str, logger: str) -> None:
    """Writes one line, in local time; `logger` is the class that logs in Apache Kafka."""
    now_s = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now_s))
    sys.stdout.flush()
    print(f"[{stamp},{int(now_s * 1000) % 1000:03d}] {level} {message} ({logger})", file=sys.stderr, flush=True)
