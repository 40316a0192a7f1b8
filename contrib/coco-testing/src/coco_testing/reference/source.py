"""A source that reads a dictionary of this process."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coco import op
from coco.op import NON_EXISTENCE, PartialSourceRow, PartialSourceRowData, SourceReadOptions


class Version(NamedTuple):
    """One version of a row. ``number`` grows with each change in the folder."""

    text: str
    number: int


FOLDERS: dict[str, dict[str, Version]] = {}
"""The "service": folder to name to newest version."""


@dataclass
class Feed:
    """A queue of changed names. Each name stays until it is acknowledged."""

    pending: dict[int, str] = field(default_factory=dict)
    listeners: list[Callable[[], None]] = field(default_factory=list)
    last: int = 0

    def publish(self, name: str) -> None:
        self.last += 1
        self.pending[self.last] = name
        for listener in list(self.listeners):
            listener()

    def acknowledge(self, number: int) -> None:
        self.pending.pop(number, None)


FEEDS: dict[str, Feed] = {}
"""Folder to the queue of its changes."""


HIDDEN: dict[str, set[str]] = {}
"""Folder -> prefixes of names that listings cannot see at present."""


class ReferenceRows(op.SourceSpec):
    """Rows of a folder in memory."""

    folder: str


class RowKey(NamedTuple):
    """``name``: within the folder."""

    name: str


@dataclass
class RowValue:
    """The value fields of a row."""

    text: str
    length: int


Row = PartialSourceRow[RowKey, RowValue]
Data = PartialSourceRowData[RowValue]
Change = tuple[RowKey, Data | None, Callable[[], None]]


@op.source_connector(spec_cls=ReferenceRows, key_type=RowKey, value_type=RowValue)
class ReferenceRowsConnector:
    """A connector that keeps every rule and has every ability. Mutants derive from this class."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.unseen: builtins.list[str] = []

    @classmethod
    def create(cls, spec: Any) -> ReferenceRowsConnector:
        return cls(spec.folder)

    @staticmethod
    def provides_ordinal() -> bool:
        return True

    @staticmethod
    def data_identity(spec: Any) -> str:
        return str(spec.folder)

    def rows(self) -> dict[str, Version]:
        """All rows at present."""
        return dict(FOLDERS.get(self.folder, {}))

    def data(self, version: Version, options: SourceReadOptions) -> Data:
        """Row data of a version."""
        value = RowValue(version.text, len(version.text)) if options.include_value else None
        digest = hashlib.sha256(version.text.encode()).digest()
        return PartialSourceRowData(value, version.number, digest, len(version.text))

    def list(self, options: SourceReadOptions) -> Iterator[Row]:
        self.unseen = sorted(HIDDEN.get(self.folder, ()))
        for name, version in self.rows().items():
            if name.startswith(tuple(self.unseen)):
                continue
            yield PartialSourceRow(RowKey(name), self.data(version, options))

    def incomplete_prefixes(self) -> builtins.list[str]:
        return self.unseen

    def list_batches(self, options: SourceReadOptions) -> Iterator[builtins.list[Row]]:
        rows = [*self.list(options)]
        for start in range(0, len(rows), 100):
            yield rows[start : start + 100]

    def get_value(self, key: RowKey, options: SourceReadOptions) -> Data:
        version = self.rows().get(key.name)
        return PartialSourceRowData(NON_EXISTENCE) if version is None else self.data(version, options)

    def get_values(self, keys: Sequence[RowKey], options: SourceReadOptions) -> builtins.list[Data]:
        return [self.get_value(key, options) for key in keys]

    async def change_stream(self) -> AsyncIterator[builtins.list[Change]]:
        """Pending changes, then new ones."""
        feed = FEEDS.setdefault(self.folder, Feed())
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def listener() -> None:
            loop.call_soon_threadsafe(changed.set)

        feed.listeners.append(listener)
        sent = 0
        try:
            while True:
                changed.clear()
                fresh = {number: name for number, name in [*feed.pending.items()] if number > sent}
                sent = max(fresh, default=sent)
                if fresh:
                    yield self.batch(feed, fresh)
                else:
                    await changed.wait()
        finally:
            feed.listeners.remove(listener)

    def batch(self, feed: Feed, fresh: dict[int, str]) -> builtins.list[Change]:
        """Changes by number."""
        return [
            (RowKey(name), None, functools.partial(feed.acknowledge, number))
            for number, name in fresh.items()
        ]


class MemoryWorld:
    """A world: the folder, for tests to change."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self._rows = FOLDERS.setdefault(spec.folder, {})
        self._feed = FEEDS.setdefault(spec.folder, Feed())
        self._number = 0

    def put(self, name: str, text: str) -> Any:
        self._number += 1
        self._rows[name] = Version(text, self._number)
        self._feed.publish(name)
        return name

    def remove(self, name: str) -> None:
        del self._rows[name]
        self._feed.publish(name)

    @contextlib.contextmanager
    def hide(self, name: str) -> Iterator[None]:
        hidden = HIDDEN.setdefault(self.spec.folder, set())
        hidden.add(name.rpartition("/")[0] + "/")
        yield
        hidden.clear()

    def value(self, text: str) -> dict[str, Any]:
        return {"text": text, "length": len(text)}

    def missing_key(self) -> Any:
        return "never was"
