"""Results of ``flow.verify()``, as records and as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from coco.deprecated import renamed
from coco.notebook import html_text
from coco.operations.report import Record
from coco.printable import printable

EXAMPLES = 5


@dataclass
class SourceCheck(Record):
    """One source, compared with state."""

    source: str
    """Name of the source field."""
    listed: int = 0
    """Rows that the source lists."""
    checked: int = 0
    """Rows whose contents were compared."""
    behind: int = 0
    """Rows that an update would process."""
    hidden: list[str] = field(default_factory=list)
    """Keys of rows with other content and the same ordinal, so that an update does not notice the change."""
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the state is what the source says."""
        return not (self.behind or self.hidden or self.problems)


@dataclass
class TargetCheck(Record):
    """One target, compared with state."""

    target: str
    """Name of the export."""
    expected: int = 0
    """Rows that state has on record."""
    actual: int = 0
    """Rows that the target holds."""
    checked: int = 0
    """Rows whose values were compared."""
    unclear: int = 0
    """Rows that the target returns with other values, and whose values cannot be computed from the memo."""
    missing: list[str] = field(default_factory=list)
    """Keys that the target lacks."""
    different: list[str] = field(default_factory=list)
    """Keys whose values differ."""
    extra: list[str] = field(default_factory=list)
    """Keys that the target should not hold."""
    skipped: str = ""
    """The reason why the target was not compared; else empty."""
    problem: str = ""
    """The error that prevented the comparison; else empty."""
    recreated: bool = False
    """Whether the target was missing or altered, and has been recreated."""

    restored = renamed("restored", "recreated")

    @property
    def ok(self) -> bool:
        """Whether the target holds what it should."""
        return not (self.missing or self.different or self.extra or self.problem)


@dataclass
class VerifyReport(Record):
    """Result of ``flow.verify()``. ``str(report)`` renders it."""

    targets: list[TargetCheck]
    sources: list[SourceCheck] = field(default_factory=list)
    repaired: int = 0
    """Source rows that were exported again."""
    removed: int = 0
    """Target rows that were deleted."""
    calls: int = 0
    """Function calls that the repair made."""
    remaining: bool = False
    """Whether differences remain."""

    @property
    def ok(self) -> bool:
        """Whether no differences remain."""
        return not self.remaining

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, as `coco verify --json` prints it for each flow."""
        return {
            "ok": self.ok,
            "repaired": self.repaired,
            "removed": self.removed,
            "calls": self.calls,
            "sources": [asdict(item) for item in self.sources],
            "targets": [{**asdict(item), "restored": item.recreated} for item in self.targets],
        }

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        return html_text(self.render())

    def render(self) -> str:
        """One line per source and target, examples below."""
        lines = []
        for source in self.sources:
            state = "ok" if source.ok else "DIFFERS" if source.behind or source.hidden else "PROBLEM"
            text = f"source {source.source}: {state}; {source.listed} listed"
            text += f", {source.checked} compared"
            if source.behind:
                text += f", {source.behind} not yet processed: run `coco update`"
            if source.hidden:
                text += f", {len(source.hidden)} with other content and the same ordinal"
            lines.append(text)
            lines += _examples((("edited", source.hidden), ("problem", source.problems)))
        for item in self.targets:
            if item.recreated:
                lines.append(f"target {item.target}: it was missing or altered, and has been recreated")
            if item.problem or (item.skipped and not item.missing):
                lines.append(f"target {item.target}: {item.problem or f'not checked ({item.skipped})'}")
                continue
            text = (
                f"target {item.target}: {'ok' if item.ok else 'DIFFERS'}; {item.expected} rows expected, "
                f"{item.actual} found, {item.checked} compared, {len(item.missing)} missing, "
                f"{len(item.different)} different, {len(item.extra)} too many"
            )
            if item.unclear:
                text += f"; {item.unclear} are returned with other values and cannot be computed from the memo to compare them"
            lines.append(text)
            lines += _examples(
                (("missing", item.missing), ("different", item.different), ("too many", item.extra))
            )
        if self.repaired or self.removed:
            lines.append(
                f"repaired: {self.repaired} source rows exported again with {self.calls} function calls, "
                f"{self.removed} rows removed; compared again: {'no differences' if self.ok else 'differences remain'}"
            )
        return "\n".join(lines)


def _examples(kinds: Iterable[tuple[str, list[str]]]) -> list[str]:
    return [f"  {word}: {printable(key)}" for word, keys in kinds for key in keys[:EXAMPLES]]
