"""``.gitignore`` files as Git reads them, by the package ``pathspec``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILE_NAME = ".gitignore"


class _Rules(NamedTuple):
    """The rules of one file.

    start: length of the start of a key that names the folder of the file. above: for a file above the root, the
    path from its folder to the root.
    """

    start: int
    above: str
    spec: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        return self.spec.check_file(self.above + path[self.start :]).include


class Ignore:
    """What is ignored in one folder: its own rules and those of all folders above it, the nearest deciding first."""

    def __init__(self, rules: tuple[_Rules, ...]) -> None:
        self._rules = rules

    def hides(self, path: str) -> bool:
        """Whether a file, or a folder if it ends with ``/``, is ignored; the folders above it are not."""
        if path == ".git/" or path.endswith("/.git/"):
            return True
        for rules in self._rules:
            found = rules.verdict(path)
            if found is not None:
                return found
        return False

    def within(self, place: str, prefix: str) -> Ignore:
        """The rules for the folder at ``place``, whose keys begin with ``prefix``."""
        spec = _read(os.path.join(place, FILE_NAME))
        return self if spec is None else Ignore((_Rules(len(prefix), "", spec), *self._rules))


def ignore_at_root(root: str) -> Ignore:
    """The rules for the root of a source.

    ``root``: real path, ending with a separator. Inside of a Git repository the files of the folders above it count
    too, and the repository's own ``info/exclude``.
    """
    found = ((above, _read(path)) for above, path in _files_at_root(root))
    return Ignore(tuple(_Rules(0, above, spec) for above, spec in found if spec is not None))


def files_above(root: str) -> list[str]:
    """The files beside the root and above it whose rules count, be they there or not."""
    return [path for _, path in _files_at_root(root)]


def _files_at_root(root: str) -> list[tuple[str, str]]:
    """(path from its folder to the root, file), the nearest first."""
    folder = root.rstrip(os.sep) or root
    found: list[tuple[str, str]] = []
    above = ""
    while True:
        found.append((above, os.path.join(folder, FILE_NAME)))
        if os.path.exists(os.path.join(folder, ".git")):
            return [*found, (above, os.path.join(folder, ".git", "info", "exclude"))]
        parent, name = os.path.split(folder)
        if not name:
            return found[:1]  # no repository: only the root's own file counts
        folder, above = parent, f"{name}/{above}"


def _read(path: str) -> GitIgnoreSpec | None:
    """The patterns of a file; None if there is none. Lines end at LF, with a CR before it or not."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    if not any(line.strip() for line in lines):
        return None
    from pathspec import GitIgnoreSpec  # it imports google-re2 where that is installed; both take 20 ms

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:  # Git skips a line that is no pattern
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
