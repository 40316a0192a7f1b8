"""What a user should know about a listing that went well: patterns without a match, files that hold secrets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from coco_source_localfs.glob import compile_filter

_SECRETS = (".env", ".env.local")
_NOISE = ("node_modules", ".git")


class ListingNotes:
    """Collected during one listing; ``messages`` afterwards.

    unmet: included patterns that no file matched so far, each with its test. others: some files that no pattern
    includes, as examples.
    """

    def __init__(self) -> None:
        self.unmet: list[tuple[str, Callable[[str], Any]]] = []
        self.others: list[str] = []
        self._files = 0
        self._environment = ""
        self._folders: dict[str, str] = {}

    def begin(self, patterns: Iterable[str]) -> None:
        """``patterns``: the included ones."""
        self.unmet = [(pattern, compile_filter([pattern], None).included) for pattern in patterns]

    def meet(self, path: str) -> None:
        """A file that some pattern includes was found."""
        self.unmet[:] = [item for item in self.unmet if not item[1](path)]

    def see(self, prefix: str, names: Sequence[str]) -> None:
        """Files that are listed: the start of their keys, and their names in order."""
        self._files += len(names)
        for name in _NOISE:
            if name in prefix and name not in self._folders:
                parts = prefix.split("/")
                if name in parts:
                    self._folders[name] = "/".join(parts[: parts.index(name) + 1])
        if not self._environment:
            for name in _SECRETS:
                place = bisect_left(names, name)
                if names[place : place + 1] == [name]:
                    self._environment = prefix + name

    def messages(self, root: str) -> list[str]:
        """One sentence each."""
        found = [self._without_match(pattern, root) for pattern, _ in self.unmet]
        if self._environment:
            found.append(
                f"{root}{self._environment} is read as a source, and files of this name hold secrets; exclude it by "
                "excluded_patterns=['**/.env*'] unless it is meant"
            )
        for name, place in self._folders.items():
            found.append(
                f"files in {root}{place} are read as a source; exclude them by excluded_patterns=['**/{name}'] or "
                "gitignore=True unless they are meant"
            )
        return found

    def _without_match(self, pattern: str, root: str) -> str:
        text = f"included_patterns: {pattern!r} matches no file below {root}"
        relative = root.rstrip("/").rpartition("/")[2] + "/"
        if pattern.startswith(relative):
            return f"{text}; patterns are relative to path: leave out {relative!r}"
        lower = compile_filter([pattern.lower()], None).included
        for name in self.others:
            if lower(name.lower()):
                return f"{text}; upper and lower case count, there is {name!r}"
        if self.others:
            return f"{text}; there are, for example, {', '.join(map(repr, self.others))}"
        if self._files:
            return f"{text}; the other patterns match {self._files}"
        return f"{text}, which holds no files that could be read"
