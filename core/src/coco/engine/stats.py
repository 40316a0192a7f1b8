"""Statistics of an update: one record per source, printable and comparable."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict

from coco.deprecated import renamed
from coco.notebook import html_table, html_text


class UpdateStats(Struct):
    """Counters of one source in one run.

    Each listed or deleted row counts once among insertions, updates, deletions, no change, reprocesses and errors.
    """

    num_insertions: int = 0
    num_updates: int = 0
    num_deletions: int = 0
    num_no_change: int = 0
    num_reprocesses: int = 0
    num_errors: int = 0
    num_starts: int = 0
    """Rows whose processing began; excludes rows that the listing shows to be unchanged."""
    num_ends: int = 0
    """Rows whose processing ended, also with an error."""
    num_read: int = 0
    """Rows whose content was read."""
    num_quarantined: int = 0
    """Rows skipped because they failed too often; see ``RowError.quarantined``."""
    num_function_calls: int = 0
    num_memo_hits: int = 0
    num_target_upserts: int = 0
    num_target_deletes: int = 0
    num_target_unchanged: int = 0
    num_duplicate_keys: int = 0
    num_stale: int = 0
    """Change messages about a version older than the committed one."""

    num_parked = renamed("num_parked", "num_quarantined")

    @property
    def has_any_change(self) -> bool:
        """Whether anything but "no change" happened."""
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
        """Counter by counter, for JSON. ``num_parked`` repeats ``num_quarantined`` under its former name."""
        return {**asdict(self), "num_parked": self.num_quarantined}

    def add(self, other: UpdateStats) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        text = f"{self.num_insertions} added, {self.num_deletions} removed, {self.num_updates} updated"
        for count, word in (
            (self.num_reprocesses, "reprocessed"),
            (self.num_no_change, "unchanged"),
            (self.num_errors, "error" if self.num_errors == 1 else "errors"),
            (self.num_quarantined, "quarantined"),
        ):
            if count:
                text += f", {count} {word}"
        return text


class SourceUpdateInfo(Struct):
    """Statistics of one source by name."""

    source_name: str
    stats: UpdateStats = field(default_factory=UpdateStats)


class RowError(Struct, frozen=True):
    """A source row that failed: the reason, and the place in your code.

    ``str(error)`` is one line with everything except the traceback.
    """

    source: str
    """Name of the source field."""
    key: str
    """The row's key; of a key of several fields, all of them in parentheses."""
    phase: str
    """``read``, ``prepare``, ``evaluate`` or ``apply`` (writing to a target)."""
    op: str
    """What failed: a function with the field that it fills, ``source:NAME``, ``target:NAME`` or ``export:NAME``."""
    error_type: str
    """Name of the exception's class."""
    message: str
    """Type and text of the exception and of its causes, and for each the innermost line of your code that was at work:
    ``ValueError: no heading (at /app/main.py:12 in title: raise ValueError("no heading"))``. For a row of a nested
    table it ends with that row's place and key: ``in chunks[3] (location=[0, 40])``."""
    attempts: int
    """How often this version of the row failed."""
    first_at: int
    """Time of the first of these attempts, in microseconds since 1970-01-01 UTC."""
    last_at: int
    """Time of the last one, in microseconds since 1970-01-01 UTC."""
    quarantined: bool
    """Whether updates skip the row until it changes, since it failed five times; ``flow.retry()`` includes it."""
    traceback: str = ""
    """The whole traceback, without values of variables; empty if an earlier release recorded the failure."""

    parked = renamed("parked", "quarantined")

    def to_dict(self) -> dict[str, Any]:
        """Field by field, for JSON. ``parked`` repeats ``quarantined`` under its former name."""
        return {**asdict(self), "parked": self.quarantined}

    def __str__(self) -> str:
        state = "quarantined" if self.quarantined else "failed"
        where = f"{self.phase} {self.op}".strip()
        text = self.message
        if not text.startswith(self.error_type):
            text = f"{self.error_type}: {text}"
        return f"{self.source} {self.key}: {state} in {where} after {self.attempts} attempt(s): {text}"


class RowErrors(list[RowError]):
    """Failed rows, by source and key: a list that shows itself as a table in a notebook."""

    def to_dict(self) -> dict[str, Any]:
        """``{"errors": [...]}``, each field by field, for JSON."""
        return {"errors": [item.to_dict() for item in self]}

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "No rows failed."

    def _repr_html_(self) -> str:
        return _errors_table(f"{len(self)} failed rows" if self else "No rows failed.", self)


MAX_ERRORS = 20
"""Most errors that the result of an update carries."""


class IndexUpdateInfo(Struct):
    """Result of an update.

    ``str(info)`` has one line per source: ``documents: 3 added, 0 removed, 1 updated``.
    """

    sources: list[SourceUpdateInfo] = field(default_factory=list)
    """Statistics per source."""
    warnings: list[str] = field(default_factory=list)
    """Messages about drift, duplicate keys, and listings that are incomplete."""
    drifted: list[str] = field(default_factory=list)
    """Names of targets that do not hold what state has on record."""
    errors: list[RowError] = field(default_factory=list)
    """The first 20 rows that failed in this update; ``flow.errors()`` lists all rows that are failed now."""
    failed_targets: dict[str, str] = field(default_factory=dict)
    """Targets of which every write failed, each with the first reason."""

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
        """Whether a row failed or is quarantined, or a target drifted. The command line then exits with 1."""
        total = self.total
        return bool(total.num_errors or total.num_quarantined or self.drifted)

    def to_dict(self) -> dict[str, Any]:
        return {
            "sources": {item.source_name: item.stats.to_dict() for item in self.sources},
            "warnings": list(self.warnings),
            "drifted": list(self.drifted),
            "errors": [item.to_dict() for item in self.errors],
            "failed_targets": dict(self.failed_targets),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    def _repr_html_(self) -> str:
        heads = ("source", "added", "removed", "updated", "reprocessed", "unchanged", "errors", "quarantined")
        rows = [
            (
                item.source_name,
                item.stats.num_insertions,
                item.stats.num_deletions,
                item.stats.num_updates,
                item.stats.num_reprocesses,
                item.stats.num_no_change,
                item.stats.num_errors,
                item.stats.num_quarantined,
            )
            for item in self.sources
        ]
        table = html_table("Rows of an update", heads, rows)
        if self.warnings:
            table += html_text("\n".join(f"WARNING: {text}" for text in self.warnings))
        return table + (_errors_table("First errors", self.errors) if self.errors else "")

    def __str__(self) -> str:
        lines = [f"{item.source_name}: {item.stats}" for item in self.sources]
        return "\n".join([*lines, *(f"WARNING: {text}" for text in self.warnings)])


def _errors_table(title: str, errors: Sequence[RowError]) -> str:
    heads = ("source", "key", "in", "attempts", "quarantined", "reason")
    rows = [
        (
            item.source,
            item.key,
            f"{item.phase} {item.op}",
            item.attempts,
            "yes" if item.quarantined else "",
            item.message,
        )
        for item in errors
    ]
    return html_table(title, heads, rows)
