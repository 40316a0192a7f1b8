"""The one embedding that every system calls: plain Python, 64 dimensions, about 20 µs for 500 characters.

It imports the standard library only, so that it runs in the environment of any peer. Calls are counted in a
memory-mapped file: what a killed process had counted is still there.
"""

import mmap
import os
import signal
import threading
from pathlib import Path
from zlib import crc32

DIMENSION = 64
COUNTER_VARIABLE = "BENCH_CALLS"
SALTS = {1: 0, 2: 0x5EED}
"""Variant of the function -> salt: the second one is "the function was changed"."""


class CallCounter:
    """A number of calls in a file, seen at once by every process that maps it.

    At ``kill_at`` calls, if that is not 0, the process group is killed: a SIGKILL at the same place in every system.
    It is in the file too, because constants and attributes are part of a function's identity for coco, which would
    see one function in the process that is killed and another in the one that resumes.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)
        self._cell = memoryview(self._map).cast("Q")
        self._lock = threading.Lock()

    def add(self, count: int = 1) -> None:
        with self._lock:
            self._cell[0] += count
        if self._cell[0] >= self._cell[1] > 0:
            os.killpg(0, signal.SIGKILL)

    @property
    def value(self) -> int:
        return self._cell[0]

    def reset(self, kill_at: int = 0) -> None:
        self._cell[0] = 0
        self._cell[1] = kill_at


def compute(text: str, salt: int = 0) -> list[float]:
    """The embedding itself: each word adds or subtracts one at a place that its hash gives; length 1."""
    vector = [0.0] * DIMENSION
    for word in text.lower().encode().split():
        code = crc32(word, salt)
        if code & 64:
            vector[code & 63] += 1.0
        else:
            vector[code & 63] -= 1.0
    length = sum([value * value for value in vector]) ** 0.5
    if length:
        return [value / length for value in vector]
    return vector


_PATH = os.environ.get(COUNTER_VARIABLE)
_COUNTER = CallCounter(Path(_PATH)) if _PATH else None


def embed(text: str, salt: int = 0) -> list[float]:
    """``compute``, counted if the environment says where."""
    if _COUNTER is not None:
        _COUNTER.add()
    return compute(text, salt)
