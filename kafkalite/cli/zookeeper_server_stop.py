"""zookeeper-server-stop: for tutorials from the days of ZooKeeper; says what to stop instead."""

from __future__ import annotations

import sys


def main() -> int:
    """There is nothing to stop, so that this always succeeds."""
    stop = "bin/kafka-server-stop.sh" if sys.argv[0] == "-c" else "kafka-server-stop"
    print("There is no ZooKeeper to stop: kafkalite, like Apache Kafka since 4.0, works without it.")
    print(f"Stop the broker: {stop}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
