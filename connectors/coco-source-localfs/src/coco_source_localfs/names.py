"""Names of files: those that are no text, and those of one folder in order, in little memory for folders of any size."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

RUN = 10_000
"""Names that are held as separate objects. Beyond it they are packed, at a third of the memory and twice the time."""


class SortedNames:
    """Collects names, which never contain ``/`` but may end with it, and gives them in ascending order."""

    def __init__(self, run: int = RUN) -> None:
        self._run = run
        self._names: list[str] = []
        self._packed: list[bytes] = []

    def append(self, name: str) -> None:
        self._names.append(name)
        if len(self._names) >= self._run:
            self._pack()

    def _pack(self) -> None:
        self._names.sort()
        # Two separators: a name may end with one, which marks a folder.
        self._packed.append("//".join(self._names).encode("utf-8"))
        self._names = []

    def __iter__(self) -> Iterator[str]:
        if not self._packed:
            self._names.sort()
            return iter(self._names)
        if self._names:
            self._pack()
        return heapq.merge(*map(_unpacked, self._packed))


def is_text(name: str) -> bool:
    """Whether a name is valid text, so that it can be a key. Systems allow any bytes."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    """A name for messages. Bytes that are no text are shown one by one, so that different names stay different."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _unpacked(data: bytes) -> Iterator[str]:
    position = 0
    while True:
        end = data.find(b"//", position)
        if end < 0:
            yield data[position:].decode("utf-8")
            return
        if data[end + 2 : end + 3] == b"/":  # the mark of a folder, then the separator
            end += 1
        yield data[position:end].decode("utf-8")
        position = end + 2
