"""Results of a test session, as Markdown, as JSON, and for a badge."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

BEGIN = "<!-- coco report -->"
END = "<!-- end of coco report -->"
NOT_DECLARED = "not declared"
HOLDS, REFUSED, FAILS = "holds", "refused", "fails"
"""What a run found about an ability that is not declared."""
WORDS = {HOLDS: "holds", REFUSED: "is refused", FAILS: "neither works nor is refused"}
WORDS_OF_MANY = {HOLDS: "hold", REFUSED: "are refused", FAILS: "neither work nor are refused"}
KIT = "coco-testing"


@dataclass(frozen=True, slots=True)
class Met:
    """The product that a suite ran against. ``product``: its name and version."""

    product: str
    is_real: bool

    def __str__(self) -> str:
        return self.product if self.is_real else f"{self.product}, a stand-in"


def real_server(product: str) -> Met:
    """The product itself, a server or a library, such as ``PostgreSQL 17.2``."""
    return Met(product, True)


def stand_in(product: str) -> Met:
    """A replacement for the product: another product with the same protocol, an emulator or a recording."""
    return Met(product, False)


@dataclass(slots=True)
class Verdict:
    """Result of a check. ``outcome``: empty for an ordinary pass or failure. ``found``: for abilities not declared."""

    check: str = ""
    ability: str | None = None
    outcome: str = ""
    support: str = "full"
    reason: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One check of one suite. ``outcome``: passed, refused, known failure, failed, skipped or not declared.

    found: for an ability that is not declared: holds, refused or fails.
    """

    suite: str
    kind: str
    check: str
    ability: str | None
    support: str
    outcome: str
    reason: str = ""
    found: str = ""


OUTCOMES = ("passed", "refused", "known failure", "failed", "skipped", NOT_DECLARED)


@dataclass(slots=True)
class Report:
    """Results of all suites of a session.

    versions: distribution to version. missing: suite to checks that did not run. met: suite to products that it ran
    against. undeclared: suite to abilities that it must still declare, without those that are new in the kit.
    """

    results: list[Result] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    met: dict[str, list[Met]] = field(default_factory=dict)
    undeclared: dict[str, list[str]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all abilities are declared, every check of every suite ran, and none failed.

        Abilities that are new in the kit need not be declared.
        """
        return (
            bool(self.results)
            and not any(self.missing.values())
            and not any(self.undeclared.values())
            and not any(item.outcome in ("failed", "skipped") for item in self.results)
        )

    @property
    def suites(self) -> list[str]:
        return list(dict.fromkeys(item.suite for item in self.results))

    def abilities(self, suite: str) -> dict[str, str]:
        """Ability to ``holds`` or the reason why not. An ability holds if all of its checks passed."""
        found: dict[str, str] = {}
        for item in self.results:
            if item.suite != suite or item.ability is None:
                continue
            told = "holds" if item.outcome == "passed" else item.outcome
            if item.outcome == "refused":
                told = item.support
            if item.outcome == NOT_DECLARED and item.found:
                told = f"{NOT_DECLARED}, {WORDS[item.found]}"
            before = found.setdefault(item.ability, told)
            if before == "holds":
                found[item.ability] = told
        return found

    def tried_out(self, suite: str) -> dict[str, tuple[str, str]]:
        """Abilities that are not declared -> result and reason. The worst result of their checks counts."""
        order = (HOLDS, REFUSED, FAILS)
        found: dict[str, tuple[str, str]] = {}
        for item in self.results:
            if item.suite == suite and item.ability is not None and item.found:
                before = found.get(item.ability, (HOLDS, ""))
                worse = order.index(item.found) >= order.index(before[0])
                found[item.ability] = (item.found, item.reason) if worse else before
        return found

    def to_json(self) -> str:
        """The report as JSON, with a version number of the format."""
        data = {
            "format": 2,
            "complete": self.complete,
            "versions": self.versions,
            "missing": self.missing,
            "undeclared": self.undeclared,
            "met": {name: [asdict(item) for item in met] for name, met in self.met.items()},
            "abilities": {name: self.abilities(name) for name in self.suites},
            "results": [asdict(item) for item in self.results],
        }
        return json.dumps(data, indent=2, sort_keys=True) + "\n"

    def to_markdown(self) -> str:
        """For a README: per suite the products it ran against, and the abilities that hold or why not."""
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        lines = [f"Conformance ({versions}): {'complete' if self.complete else '**incomplete**'}."]
        for suite in self.suites:
            own = [item for item in self.results if item.suite == suite]
            counts = {name: sum(item.outcome == name for item in own) for name in OUTCOMES}
            told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            met = " and ".join(str(item) for item in self.met.get(suite, ()))
            lines += [
                "",
                f"**{suite}** ({own[0].kind}, against {met or 'an unnamed product'}): {told}.",
            ]
            lines += _ability_table(self.abilities(suite))
            notable = [item for item in own if item.outcome not in ("passed", NOT_DECLARED)]
            left = self.missing.get(suite, [])
            waiting = self.undeclared.get(suite, [])
            if waiting:
                lines += [
                    "",
                    f"Not declared yet: {_cell(', '.join(waiting))}. `coco-testing init` prints the claim.",
                ]
            if notable or left:
                lines += ["", "| check | ability | outcome | |", "|---|---|---|---|"]
            lines += [
                f"| {_cell(item.check)} | {_cell(item.ability or '')} | {item.outcome} | {_cell(item.reason)} |"
                for item in notable
            ]
            lines += [f"| {_cell(name)} | | not run | |" for name in left]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Write JSON into ``*.json``, else Markdown: between the two marks of an existing file, or as a new file.

        Raises ``ValueError`` if the file exists and has no marks.
        """
        if path.suffix == ".json":
            path.write_text(self.to_json(), encoding="utf-8")
            return
        text = self.to_markdown()
        if path.exists():
            before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
            _, end, after = rest.partition(END)
            if not (begin and end):
                raise ValueError(f"{path} has no marks for the report: add the lines {BEGIN} and {END}")
            path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
        else:
            path.write_text(f"{BEGIN}\n{text}{END}\n", encoding="utf-8")


def versions(names: Iterable[str] = ("coco-core", KIT)) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def not_run(expected: Sequence[str], results: Iterable[Result]) -> list[str]:
    """Checks of a suite that have no result."""
    seen = {item.check.partition("[")[0] for item in results}
    return [name for name in expected if name not in seen]


def _ability_table(abilities: Mapping[str, str]) -> list[str]:
    """Table lines: one for each group (the word before the dot or space) and result within the group."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, told in abilities.items():
        head, sign, rest = name.partition(" ") if " " in name else name.partition(".")
        group, title = (head, rest) if sign else ("", name)
        groups.setdefault((group, told), []).append(title)
    if not groups:
        return []
    order = list(dict.fromkeys(group for group, _ in groups))
    lines = ["", "| ability | | |", "|---|---|---|"]
    for group in order:
        for (name, told), titles in groups.items():
            if name == group:
                lines.append(f"| {group} | {_cell(told)} | {_cell(', '.join(titles))} |")
    return lines


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
