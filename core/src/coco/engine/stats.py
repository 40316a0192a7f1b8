"""Statistics of an update: one record per source, printable and comparable (I-66 to I-71, F-176)."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict


class UpdateStats(Struct):
    """Counters of one source. Each listed or deleted row raises exactly one of the six outcome counters.

    ``num_starts`` and ``num_ends``: rows taken up and let go, which excludes those that the listing shows to be
    unchanged. ``num_read``: rows whose content was read. ``num_stale``: late changes, older than what is known.
    """

    num_insertions: int = 0
    num_updates: int = 0
    num_deletions: int = 0
    num_no_change: int = 0
    num_reprocesses: int = 0
    num_errors: int = 0
    num_starts: int = 0
    num_ends: int = 0
    num_read: int = 0
    num_parked: int = 0
    num_function_calls: int = 0
    num_memo_hits: int = 0
    num_target_upserts: int = 0
    num_target_deletes: int = 0
    num_target_unchanged: int = 0
    num_duplicate_keys: int = 0
    num_stale: int = 0

    @property
    def has_any_change(self) -> bool:
        """Whether anything but "no change" happened (I-71)."""
        return bool(
            self.num_insertions
            or self.num_updates
            or self.num_deletions
            or self.num_reprocesses
            or self.num_errors
        )

    @property
    def in_process(self) -> int:
        return self.num_starts - self.num_ends

    def to_dict(self) -> dict[str, int]:
        return asdict(self)

    def add(self, other: UpdateStats) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        text = f"{self.num_insertions} added, {self.num_deletions} removed, {self.num_updates} updated"
        for count, word in (
            (self.num_reprocesses, "reprocessed"),
            (self.num_no_change, "unchanged"),
            (self.num_errors, "error" if self.num_errors == 1 else "errors"),
            (self.num_parked, "parked"),
        ):
            if count:
                text += f", {count} {word}"
        return text


class SourceUpdateInfo(Struct):
    """Statistics of one source by name."""

    source_name: str
    stats: UpdateStats = field(default_factory=UpdateStats)


class IndexUpdateInfo(Struct):
    """Outcome of an update: per source, plus warnings that a user should see (drift, duplicate keys).

    ``str(info)`` has one line per source: ``documents: 3 added, 0 removed, 1 updated``.
    """

    sources: list[SourceUpdateInfo] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)

    def __getitem__(self, source_name: str) -> UpdateStats:
        for item in self.sources:
            if item.source_name == source_name:
                return item.stats
        raise KeyError(source_name)

    @property
    def total(self) -> UpdateStats:
        total = UpdateStats()
        for item in self.sources:
            total.add(item.stats)
        return total

    @property
    def has_errors(self) -> bool:
        """Whether any row failed or is parked, or a target drifted: the command line exits non-zero then."""
        total = self.total
        return bool(total.num_errors or total.num_parked or self.drifted)

    def to_dict(self) -> dict[str, Any]:
        return {
            "sources": {item.source_name: item.stats.to_dict() for item in self.sources},
            "warnings": list(self.warnings),
            "drifted": list(self.drifted),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    def __str__(self) -> str:
        lines = [f"{item.source_name}: {item.stats}" for item in self.sources]
        return "\n".join([*lines, *(f"WARNING: {text}" for text in self.warnings)])
