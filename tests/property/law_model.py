"""What each target must hold: the flow's computation in plain Python, with a memory of rows that failed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from typing import Any

from json_file import plain
from law_flow import LOUD, Shape, measured
from memory_rows import WORLD

Row = tuple[Any, ...]
Rows = dict[Row, Row]
"""Key values -> values, both in the order of the shape's fields."""


class Failed(Exception):
    """The source row fails."""


def yields(shape: Shape, source: str, key: str, content: str) -> dict[str, list[tuple[Row, Row]]]:
    """(key, values) pairs per target, in collection order. Raises ``Failed``."""
    feeds = {target: shape.fed(target, source) for target in shape.targets}
    parts = [(at, line) for at, line in enumerate(content.split("/")) if line]
    size: int | None = None
    loud: list[str] = []
    try:
        if feeds.get("whole") or (feeds.get("lines") and "size" in shape.extra):
            size = measured(content, shape.version)
        if feeds.get("whole") or feeds.get("lines") or feeds.get("loudest"):
            loud = [LOUD[shape.loud][1](line) for _, line in parts]
    except ValueError as error:
        raise Failed from error
    found: dict[str, list[tuple[Row, Row]]] = {}
    if feeds.get("lines"):
        found["lines"] = [
            ((key, at), (loud[i], *((size,) if "size" in shape.extra else ()), "x"))
            for i, (at, _) in enumerate(parts)
        ]
    if feeds.get("loudest"):
        found["loudest"] = [((loud[i],), (key, at)) for i, (at, _) in enumerate(parts)]
    if feeds.get("words"):
        found["words"] = [
            ((word,), (len(word), *((key, at) if "origin" in shape.extra else ())))
            for at, line in parts
            for word in sorted(set(line.split()))
        ]
    if feeds.get("ids"):
        found["ids"] = [((None,), (key, line)) for _, line in parts]
    if feeds.get("whole"):
        tables = [
            {"at": at, "text": line, "loud": loud[i], "words": _words(line)}
            for i, (at, line) in enumerate(parts)
        ]
        more = (_words(content),) if "tables" in shape.extra else ()
        found["whole"] = [((key,), (size, tables, *more))]
    return found


def _words(text: str) -> list[dict[str, Any]]:
    return [{"_key": word, "length": len(word)} for word in sorted(set(text.split()))]


@dataclasses.dataclass
class Known:
    """What one source row has in the targets since it was last brought up to date."""

    versions: dict[str, int]
    epochs: dict[str, int]
    rows: dict[str, list[tuple[Row, Row]]]


class Model:
    """Follows updates. ``failed``: (source, key) of rows that could not be brought up to date by the last one."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Known] = {}
        self.failed: set[tuple[str, str]] = set()
        self._epochs: dict[str, int] = {}
        self._targets: set[str] = set()
        self._fields: dict[str, list[str]] = {}
        self._versions: dict[str, int] = {}
        self._count = 0
        self._owners: dict[tuple[str, int, Row], set[tuple[str, str]]] = {}
        self._tried: dict[tuple[str, str], list[dict[str, list[tuple[Row, Row]]]]] = {}

    def die(self, shape: Shape) -> None:
        """An update that did not end: of each row, what it had or what it was about to have may stand.

        That shows only in rows that fail from then on: all others are brought up to date by the next update.
        """
        for mark, known in self.known.items():
            self._tried.setdefault(mark, []).append(known.rows)
        for source in shape.sources:
            for key, entry in WORLD[source].items():
                with contextlib.suppress(Failed):
                    self._tried.setdefault((source, key), []).append(
                        yields(shape, source, key, entry.content)
                    )
        self._targets &= set(shape.active())

    def update(self, shape: Shape) -> None:
        active = set(shape.active())
        for target in active - self._targets:
            self._count += 1
            self._epochs[target] = self._count
        self._targets = active
        for target in active:
            if self._fields.get(target) != shape.value_fields(target):
                self._fields[target] = shape.value_fields(target)
                self._count += 1
                self._versions[target] = self._count
        self.failed = set()
        listed = {(source, key) for source in shape.sources for key in WORLD[source]}
        for mark in self.known.keys() - listed:
            del self.known[mark]
        for mark in self._tried.keys() - listed:
            del self._tried[mark]
        for source, key in sorted(listed):
            content = WORLD[source][key].content
            try:
                rows = yields(shape, source, key, content)
            except Failed:
                self.failed.add((source, key))
                if (source, key) in self._tried:  # nobody knows what it has
                    self.known.pop((source, key), None)
                continue
            self._tried.pop((source, key), None)
            self.known[(source, key)] = Known(dict(self._versions), dict(self._epochs), rows)
        for mark, known in self.known.items():
            for target, pairs in known.rows.items():
                for row_key, _ in pairs:
                    owners = self._owners.setdefault((target, known.epochs[target], row_key), set())
                    owners.add(mark)

    def check(self, target: str, actual: Rows) -> None:
        """Assert that a target holds what it must. Where source rows meet, the row of any of them may stand."""
        wanted: dict[Row, list[Any]] = {}
        uuids: Counter[str] = Counter()
        loose: set[Row] = set()
        for mark, known in self.known.items():
            if known.epochs.get(target) != self._epochs[target]:
                continue  # a failed row whose target was made anew meanwhile
            same = known.versions.get(target) == self._versions[target]
            own: dict[Row, Any] = {}
            for key, values in known.rows.get(target, ()):
                if target == "ids":
                    uuids[repr(values)] += 1
                    continue
                own[key] = values
            for key, values in own.items():
                owners = self._owners[(target, self._epochs[target], key)]
                # A failed row cannot be had again, should the row that took its place go.
                if not same or (mark in self.failed and len(owners) > 1):
                    loose.add(key)
                wanted.setdefault(key, []).append(plain(values))
        perhaps: set[Row] = set()
        for tries in self._tried.values():
            for rows in tries:
                for key, values in rows.get(target, ()):
                    perhaps.add(key)
                    if target == "ids":
                        uuids[repr(values)] += 0
        if target == "ids":
            found = Counter(repr(values) for values in actual.values())
            assert found == uuids or (perhaps and found >= +uuids and found.keys() <= uuids.keys()), found
            return
        assert wanted.keys() - actual.keys() <= perhaps, (target, "missing", wanted.keys() - actual.keys())
        assert actual.keys() - wanted.keys() <= perhaps, (target, "extra", actual.keys() - wanted.keys())
        for key, values in actual.items():
            sure = key not in loose and key not in perhaps
            assert not sure or values in wanted[key], (target, key, values, wanted[key])
