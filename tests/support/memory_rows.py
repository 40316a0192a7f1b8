"""A source in memory, whose rows and misfortunes the tests choose."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from coco import op
from coco.op import (
    NO_ORDINAL,
    NON_EXISTENCE,
    PartialSourceRow,
    PartialSourceRowData,
    SourceReadOptions,
    SourceSpec,
)

STYLES = ("ordinal", "bare", "version")
"""What a source tells with its listing: ordinals, nothing, or content versions."""


@dataclasses.dataclass
class Entry:
    content: str
    ordinal: int = 1


@dataclasses.dataclass
class Misfortune:
    """What goes wrong. ``breaks_after``: rows listed before the listing breaks off. ``on_read``: told of each key."""

    breaks_after: int | None = None
    prefixes: Sequence[str] = dataclasses.field(default_factory=list)
    errors: Sequence[str] = dataclasses.field(default_factory=list)
    unreadable: set[str] = dataclasses.field(default_factory=set)
    deleted: set[str] = dataclasses.field(default_factory=set)
    twice: bool = False
    on_read: Callable[[str], Any] = lambda key: None


WORLD: dict[str, dict[str, Entry]] = {}
"""Source name -> key -> row."""

TROUBLE: dict[str, Misfortune] = {}
"""Source name -> what goes wrong there."""

READS: list[tuple[str, str]] = []
"""(source, key) of every value that was asked for."""


class MemoryRows(SourceSpec):
    """Rows of ``WORLD[name]``. ``sizes``: the listing tells them."""

    name: str
    style: str = "ordinal"
    sizes: bool = False


@dataclasses.dataclass
class Document:
    content: str


@op.source_connector(spec_cls=MemoryRows, key_type=str, value_type=Document)
class MemoryRowsConnector:
    def __init__(self, spec: MemoryRows) -> None:
        self._rows = WORLD.setdefault(spec.name, {})
        self._trouble = TROUBLE.get(spec.name, Misfortune())
        self._spec = spec

    @staticmethod
    def create(spec: MemoryRows) -> MemoryRowsConnector:
        return MemoryRowsConnector(spec)

    def provides_ordinal(self) -> bool:
        return self._spec.style == "ordinal"

    def list(self, options: SourceReadOptions) -> Iterator[PartialSourceRow[str, Document]]:
        inline = options.include_value and self._spec.style == "version"
        for position, (key, entry) in enumerate([*self._rows.items()] * (2 if self._trouble.twice else 1)):
            if position == self._trouble.breaks_after:
                raise ConnectionError("the line went dead")
            if any(key.startswith(prefix) for prefix in self._trouble.prefixes):
                continue
            data = self._data(entry, inline)
            if self._spec.sizes:
                data.size = len(entry.content)
            yield PartialSourceRow(key, data)

    def incomplete_prefixes(self) -> Sequence[str]:
        return self._trouble.prefixes

    def listing_errors(self) -> Sequence[str]:
        return self._trouble.errors

    def get_value(self, key: str, options: SourceReadOptions) -> PartialSourceRowData[Document]:
        READS.append((self._spec.name, key))
        self._trouble.on_read(key)
        if key in self._trouble.unreadable:
            raise PermissionError(f"{key} is locked away")
        entry = self._rows.get(key)
        if entry is None or key in self._trouble.deleted:
            return PartialSourceRowData(value=NON_EXISTENCE)
        return self._data(entry, True)

    def _data(self, entry: Entry, value: bool) -> PartialSourceRowData[Document]:
        data: PartialSourceRowData[Any] = PartialSourceRowData()
        data.ordinal = entry.ordinal if self._spec.style == "ordinal" else NO_ORDINAL
        if self._spec.style == "version":
            data.content_version_fp = hashlib.sha256(entry.content.encode()).digest()
        if value:
            data.value = Document(entry.content)
        return data


def fill(name: str, rows: dict[str, str], *, ordinal: int = 1) -> dict[str, Entry]:
    """Replace the rows of a source."""
    WORLD[name] = {key: Entry(content, ordinal) for key, content in rows.items()}
    TROUBLE.pop(name, None)
    READS.clear()
    return WORLD[name]
