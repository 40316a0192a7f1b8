"""What ``coco verify`` found, for people and programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from coco.deprecated import renamed
from coco.printable import printable

EXAMPLES = 5


@dataclass
class SourceCheck:
    """One source against state. ``behind``: keys that an update would take up; ``hidden``: edited without a trace.

    A hidden change is one that the source's ordinals do not show: content differs, ordinal and key do not.
    """

    source: str
    listed: int = 0
    checked: int = 0
    behind: int = 0
    hidden: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.behind or self.hidden or self.problems)


@dataclass
class TargetCheck:
    """One target: keys that are missing, differ, or should not be there. ``checked``: rows compared by value.

    ``unclear``: rows whose values come back altered and that cannot be computed without calling functions.
    ``recreated``: it was missing or altered, and has been recreated.
    """

    target: str
    expected: int = 0
    actual: int = 0
    checked: int = 0
    unclear: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    skipped: str = ""
    problem: str = ""
    recreated: bool = False

    restored = renamed("restored", "recreated")

    @property
    def ok(self) -> bool:
        return not (self.missing or self.different or self.extra or self.problem)


@dataclass
class VerifyReport:
    """Outcome of ``verify``. ``repaired``: source rows exported again; ``removed``: target rows taken away.

    ``remaining``: something is wrong (still).
    """

    targets: list[TargetCheck]
    sources: list[SourceCheck] = field(default_factory=list)
    repaired: int = 0
    removed: int = 0
    calls: int = 0
    remaining: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong (any more)."""
        return not self.remaining

    def to_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "repaired": self.repaired,
            "removed": self.removed,
            "calls": self.calls,
            "sources": [asdict(item) for item in self.sources],
            "targets": [{**asdict(item), "restored": item.recreated} for item in self.targets],
        }

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
                text += f", {len(source.hidden)} edited without a sign of it"
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
                text += (
                    f"; {item.unclear} come back altered and cannot be computed from the memo to compare them"
                )
            lines.append(text)
            lines += _examples(
                (("missing", item.missing), ("different", item.different), ("too many", item.extra))
            )
        if self.repaired or self.removed:
            lines.append(
                f"repaired: {self.repaired} source rows exported again with {self.calls} function calls, "
                f"{self.removed} rows removed; compared again: {'all is well' if self.ok else 'something still differs'}"
            )
        return "\n".join(lines)


def _examples(kinds: Iterable[tuple[str, list[str]]]) -> list[str]:
    return [f"  {word}: {printable(key)}" for word, keys in kinds for key in keys[:EXAMPLES]]
