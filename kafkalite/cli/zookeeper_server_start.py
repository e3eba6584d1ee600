"""zookeeper-server-start: for tutorials from the days of ZooKeeper; says what to start instead."""

from __future__ import annotations

import sys


def main() -> int:
    """There is nothing to start, so that this always succeeds."""
    # The scripts in bin/ run modules with -c; otherwise the console scripts are installed.
    start = "bin/kafka-server-start.sh" if sys.argv[0] == "-c" else "kafka-server-start"
    print("There is no ZooKeeper to start: kafkalite, like Apache Kafka since 4.0, works without it.")
    print(f"Start the broker at once: {start} config/server.properties")
    return 0


if __name__ == "__main__":
    sys.exit(main())
