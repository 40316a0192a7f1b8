"""Statistics of an update: one record per source, printable and comparable."""

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


class RowError(Struct, frozen=True):
    """A source row that could not be brought up to date: why, and where in your code.

    ``str(error)`` is one line with all of it but the traceback.
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
    parked: bool
    """Whether updates leave it alone until it changes; ``flow.retry()`` tries it all the same."""
    traceback: str = ""
    """The whole traceback, without values of variables; empty if an earlier release recorded the failure."""

    def to_dict(self) -> dict[str, Any]:
        """Field by field, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        state = "parked" if self.parked else "failed"
        where = f"{self.phase} {self.op}".strip()
        text = self.message
        if not text.startswith(self.error_type):
            text = f"{self.error_type}: {text}"
        return f"{self.source} {self.key}: {state} in {where} after {self.attempts} attempt(s): {text}"


MAX_ERRORS = 20
"""Errors that the outcome of an update carries."""


class IndexUpdateInfo(Struct):
    """Outcome of an update: per source, plus warnings that a user should see (drift, duplicate keys).

    ``str(info)`` has one line per source: ``documents: 3 added, 0 removed, 1 updated``.

    ``errors``: the first ``MAX_ERRORS`` rows that failed in this update; ``flow.errors()`` has all that are failed now.
    ``failed_targets``: targets of which every write failed, each with the first reason.
    """

    sources: list[SourceUpdateInfo] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    failed_targets: dict[str, str] = field(default_factory=dict)

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
            "errors": [item.to_dict() for item in self.errors],
            "failed_targets": dict(self.failed_targets),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    def __str__(self) -> str:
        lines = [f"{item.source_name}: {item.stats}" for item in self.sources]
        return "\n".join([*lines, *(f"WARNING: {text}" for text in self.warnings)])
