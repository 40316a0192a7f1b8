"""What a run has shown, as Markdown for people and JSON for programs."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

BEGIN = "<!-- coco report -->"
END = "<!-- end of coco report -->"


@dataclass(slots=True)
class Verdict:
    """What a check says of itself. ``outcome``: empty for an ordinary pass or failure."""

    check: str = ""
    ability: str | None = None
    outcome: str = ""
    support: str = "full"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One check of one suite. ``outcome``: passed, refused, known failure, failed or skipped."""

    suite: str
    kind: str
    check: str
    ability: str | None
    support: str
    outcome: str
    reason: str = ""


@dataclass(slots=True)
class Report:
    """Everything a session has run. ``versions``: distribution to version."""

    results: list[Result] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every check of every suite ran and none failed."""
        return not any(self.missing.values()) and not any(
            item.outcome in ("failed", "skipped") for item in self.results
        )

    def to_json(self) -> str:
        """All of it, with a version number of the form."""
        data = {
            "format": 1,
            "complete": self.complete,
            "versions": self.versions,
            "missing": self.missing,
            "results": [asdict(item) for item in self.results],
        }
        return json.dumps(data, indent=2, sort_keys=True) + "\n"

    def to_markdown(self) -> str:
        """A table per suite: what is claimed, what is refused and why, what went wrong."""
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        lines = [f"Conformance ({versions}): {'complete' if self.complete else '**incomplete**'}."]
        for suite in dict.fromkeys(item.suite for item in self.results):
            own = [item for item in self.results if item.suite == suite]
            counts = {
                name: sum(item.outcome == name for item in own)
                for name in ("passed", "refused", "known failure", "failed", "skipped")
            }
            told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            lines += ["", f"**{suite}** ({own[0].kind}): {told}."]
            notable = [item for item in own if item.outcome != "passed"]
            left = self.missing.get(suite, [])
            if notable or left:
                lines += ["", "| check | ability | outcome | |", "|---|---|---|---|"]
            lines += [
                f"| {_cell(item.check)} | {_cell(item.ability or '')} | {item.outcome} | {_cell(item.reason)} |"
                for item in notable
            ]
            lines += [f"| {_cell(name)} | | not run | |" for name in left]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """JSON into ``*.json``; Markdown elsewhere: between the two marks if the file has them, else as a new file.

        Raises ``ValueError`` rather than replace a text that has no marks.
        """
        if path.suffix == ".json":
            path.write_text(self.to_json(), encoding="utf-8")
            return
        text = self.to_markdown()
        if path.exists():
            before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
            _, end, after = rest.partition(END)
            if not (begin and end):
                raise ValueError(f"{path} has no place for a report: add the lines {BEGIN} and {END}")
            path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
        else:
            path.write_text(f"{BEGIN}\n{text}{END}\n", encoding="utf-8")


def versions(names: Iterable[str] = ("coco-core", "coco-testing")) -> dict[str, str]:
    """Installed versions of those distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def not_run(expected: Sequence[str], results: Iterable[Result]) -> list[str]:
    """Checks of a suite that have no result at all."""
    seen = {item.check.partition("[")[0] for item in results}
    return [name for name in expected if name not in seen]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
