"""A process of its own for the copying part of compaction, so that the broker's interpreter keeps its hands free.

    parent -> process    length uint32, pickle of (method, arguments)
    process -> parent    length uint32, pickle of (None, result) or (error class name, message, errno)

The process serves one parent over its standard streams and ends with them. It runs at a lower priority, and a patient
one only while nobody else wants the processor (SCHED_IDLE): the lower priority alone would still have the broker wait
for the rest of a time slice. It stays in the broker's session: one of its own would be a group of its own to Linux's
scheduler (autogroup), and a priority counts within the group alone. A patient process that gets next to no time gives
up (`CleaningStarved`), and the next one should not be patient. Killing it is how a cleaning is ended from outside;
`LogCleaning.discard` takes away what it leaves.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from struct import Struct
from time import monotonic, process_time, sleep
from typing import IO, Any, Final

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.storage.file_records import InvalidBatchError
from kafkalite.storage.segment_cleaner import (
    CleanedGroup,
    CleanerStats,
    CleaningAborted,
    CleaningStarved,
    CleaningTask,
    SegmentCleaner,
)

_LENGTH: Final = Struct(">I")
_NICENESS: Final = 10
_PATIENCE_S: Final = 10.0
_LEAST_SHARE: Final = 0.1
"""A patient process that got less of a processor than that, for so long, gives up."""
_TURN_S: Final = 0.0002
_PAUSE_S: Final = 0.0001
"""A patient process pauses after each such turn. A thread of the broker that waits for one processor behind others only
moves to the other when that one has nothing at all to do, however unimportant its work (Linux's idle balancing)."""
UNLIMITED_RATE: Final = 1e15
"""Rates above this are the default of `log.cleaner.io.max.bytes.per.second`, which stands for none."""


class CleanerProcess:
    """The parent's end: what SegmentCleaner offers, done by the process. Its calls block; make them in a thread."""

    def __init__(self, *, is_patient: bool = True) -> None:
        self.stats = CleanerStats()
        self._is_patient = is_patient and hasattr(os, "SCHED_IDLE")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kafkalite.storage.cleaner_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # a Ctrl-C is the broker's business; not a new session, see above
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        if hasattr(os, "setpriority"):  # from here, so that its start is of no more weight than its work
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)
        if self._is_patient:
            try:
                os.sched_setscheduler(self._process.pid, os.SCHED_IDLE, os.sched_param(0))
            except OSError:  # not allowed here
                self._is_patient = False

    def begin(self, task: CleaningTask, max_bytes_per_second: float) -> None:
        self._ask("begin", task, max_bytes_per_second, self._is_patient)

    def build_offset_map(self) -> int:
        end_offset: int = self._ask("build_offset_map")
        return end_offset

    def clean_next_group(self) -> CleanedGroup | None:
        group: CleanedGroup | None
        group, self.stats = self._ask("clean_next_group")
        return group

    def kill(self) -> None:
        """Ends the process, whatever it is doing; a call that waits for it raises CleaningAborted. From any thread."""
        self._process.kill()

    def close(self) -> None:
        """Ends the process and waits for its end."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # what could not be flushed to a dead process

    def _ask(self, method: str, *arguments: object) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            _write(self._process.stdin, (method, arguments))
            answer = _read(self._process.stdout)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            raise CleaningAborted("the cleaner's process has ended")
        error, result, number = answer
        if error is None:
            return result
        if error == "CleaningAborted":
            raise CleaningAborted(result)
        if error == "CleaningStarved":
            raise CleaningStarved(result)
        if error == "OSError":
            raise OSError(number, result)
        if error == "InvalidBatchError":
            raise InvalidBatchError(number, result)
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, result)


def _write(stream: IO[bytes], message: object) -> None:
    data = pickle.dumps(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    """The next message, None at the stream's end."""
    prefix = stream.read(_LENGTH.size)
    if len(prefix) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(prefix)
    data = stream.read(length)
    return pickle.loads(data) if len(data) == length else None


class _Service:
    """The process's end."""

    def __init__(self) -> None:
        self._cleaner: SegmentCleaner
        self._rate = UNLIMITED_RATE
        self._is_patient = False
        self._noted = 0.0, 0.0
        """When it was last looked how much time of a processor there had been, and how much that was."""
        self._turn_ends_s = 0.0

    def begin(self, task: CleaningTask, max_bytes_per_second: float, is_patient: bool = False) -> None:
        from kafkalite.storage.filesystem import LocalFileSystem

        self._rate = max_bytes_per_second
        self._is_patient = is_patient
        self._noted = monotonic(), process_time()
        self._cleaner = SegmentCleaner(LocalFileSystem(), task, self._check)

    def build_offset_map(self) -> int:
        return self._cleaner.build_offset_map()

    def clean_next_group(self) -> tuple[CleanedGroup | None, CleanerStats]:
        return self._cleaner.clean_next_group(), self._cleaner.stats

    def _check(self, size: int) -> None:
        began_s, used_before_s = self._noted
        if self._rate < UNLIMITED_RATE:
            sleep(size / self._rate)
            began_s += size / self._rate
            self._noted = began_s, used_before_s
        if self._is_patient:
            now_s = monotonic()
            if now_s < self._turn_ends_s:
                return
            sleep(_PAUSE_S)
            now_s, used_s = monotonic(), process_time()
            self._turn_ends_s = now_s + _TURN_S
            passed_s = now_s - began_s
            if passed_s >= _PATIENCE_S:
                self._noted = now_s, used_s
                if used_s - used_before_s < passed_s * _LEAST_SHARE:
                    raise CleaningStarved("the processors are busy with other work")


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers requests until there are no more."""
    service = _Service()
    while (request := _read(requests)) is not None:
        method, arguments = request
        try:
            answer: tuple[str | None, object, int] = (None, getattr(service, method)(*arguments), 0)
        except CleaningAborted as error:
            answer = (type(error).__name__, str(error), 0)
        except InvalidBatchError as error:
            answer = ("InvalidBatchError", error.reason, error.position)
        except OSError as error:
            answer = ("OSError", error.strerror or str(error), error.errno or 0)
        except Exception as error:
            answer = (type(error).__name__, str(error), 0)
        _write(answers, answer)


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr  # nothing else may come between the answers
    try:
        serve(sys.stdin.buffer, answers)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the broker has gone


if __name__ == "__main__":
    main()
