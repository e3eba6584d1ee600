"""What a process and its children use of the machine, from /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path


def process_tree(pid: int) -> list[int]:
    """A process and all its descendants that still run."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        try:
            for task in Path(f"/proc/{found[-1]}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """What they have used of the processors, in their own code and in the kernel; counted in ticks of 10 ms."""
    ticks = 0
    for each in process_tree(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Their resident memory, in units of 1024 x 1024 bytes."""
    pages = 0
    for each in process_tree(pid):
        try:
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


class OtherWork:
    """How much of the processors others have used since this was made: neither this process nor what it started."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._others = self._others_so_far()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def cores(self) -> float:
        return max(0.0, self._others_so_far() - self._others) / self.seconds

    @staticmethod
    def _others_so_far() -> float:
        """In seconds, among them those that a virtual machine did not get."""
        user, nice, system, _idle, _iowait, irq, softirq, steal = Path("/proc/stat").read_text().split()[1:9]
        ticks = sum(map(int, (user, nice, system, irq, softirq, steal)))
        ended = os.times()
        own = cpu_seconds(os.getpid()) + ended.children_user + ended.children_system
        return ticks / os.sysconf("SC_CLK_TCK") - own
