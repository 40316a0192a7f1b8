"""The claim of a suite as Python source, from the results of a run, and its insertion into a test file."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coco_testing.abilities import FULL, NOT_IMPLEMENTED, Support
from coco_testing.audit import kit_class
from coco_testing.report import FAILS, REFUSED, Report

if TYPE_CHECKING:
    from coco_testing.suite import Suite

WIDTH = 108


def abilities_name(cls: type[Suite]) -> tuple[str, str]:
    """Module and name of the constant that lists all abilities of a suite."""
    suite = kit_class(cls)
    kind = suite.__name__.removesuffix("Suite").upper()
    module = importlib.import_module(suite.__module__)
    name = f"ALL_{kind}_ABILITIES"
    return module.__name__, name if hasattr(module, name) else f"{kind}_ABILITIES"


def claim_imports(cls: type[Suite], claim: str) -> list[str]:
    """Import lines that a claim requires."""
    module, name = abilities_name(cls)
    suite = kit_class(cls).__name__
    words = [word for word in ("NOT_IMPLEMENTED", "UNSUPPORTED") if f": {word}" in claim]
    return [
        f"from coco_testing.abilities import {', '.join((*words, 'claim'))}",
        f"from {module} import {', '.join(sorted((name, suite)))}",
    ]


def claim_text(cls: type[Suite], report: Report) -> str:
    """``abilities = claim(...)`` for the body of a suite: the present declarations plus what a run found.

    A refused ability becomes NOT_IMPLEMENTED, with the message of the refusal. An ability that neither works nor is
    refused becomes a comment: it counts as FULL, and its check fails until the operation supports or refuses it.
    """
    _, name = abilities_name(cls)
    tried = report.tried_out(cls.__name__)
    lines = []
    failing = []
    for ability in (*kit_class(cls).all_abilities, *kit_class(cls).newer_abilities):
        declared = cls.abilities.get(ability)
        found, reason = tried.get(ability, ("", ""))
        if declared is not None and declared != FULL:
            lines.append(f'        "{ability}": {_support(declared)},')
        elif found == REFUSED:
            lines.append(_commented(f'        "{ability}": NOT_IMPLEMENTED,', reason))
        elif found == FAILS:
            failing.append(_commented(f'        # "{ability}":', reason, ""))
    if failing:
        lines += ["        # These neither work nor are refused. Implement or refuse them:", *failing]
    if not lines:
        return f"abilities = claim({name})\n"
    return "\n".join(("abilities = claim(", f"    {name},", "    {", *lines, "    },", ")")) + "\n"


def claims_json(suites: Mapping[str, type[Suite]], report: Report) -> str:
    """For each suite that ran: the claim, the imports that it requires, and whether it adds declarations."""
    found: dict[str, dict[str, Any]] = {}
    for name, cls in suites.items():
        claim = claim_text(cls, report)
        imports = claim_imports(cls, claim)
        found[name] = {"claim": claim, "imports": imports, "news": bool(report.tried_out(name))}
    return json.dumps({"complete": report.complete, "suites": found})


def _support(support: Support) -> str:
    if support == NOT_IMPLEMENTED:
        return "NOT_IMPLEMENTED"
    text = support.reason.replace("\\", "\\\\").replace('"', '\\"')
    return f'UNSUPPORTED("{text}")'


def _commented(code: str, reason: str, sign: str = "  #") -> str:
    room = WIDTH - 4 - len(code) - len(sign) - 1
    told = " ".join(reason.split())
    if len(told) > room:
        told = told[: max(0, room - 3)] + "..."
    return f"{code}{sign} {told}".rstrip()


def insert_claim(source: str, suite: str, claim: str, imports: Sequence[str]) -> str | None:
    """The test file with the claim in the class ``suite``. None if there is no such class or it has a claim already."""
    tree = ast.parse(source)
    found = next((item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == suite), None)
    if found is None or any("abilities" in _names(item) for item in found.body):
        return None
    lines = _lines(source)
    first = found.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    line = (first.end_lineno or first.lineno) if documented else first.lineno - 1 - _decorators(first)
    indented = "".join(f"    {part}\n" if part else "\n" for part in claim.rstrip("\n").split("\n"))
    before = "\n" if documented else ""
    lines.insert(line, f"{before}{indented}\n" if not documented else f"{before}{indented}")
    return _with_imports("".join(lines), imports)


def _lines(source: str) -> list[str]:
    return [f"{line}\n" for line in source.removesuffix("\n").split("\n")]


def _names(item: ast.stmt) -> list[str]:
    targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _decorators(item: ast.stmt) -> int:
    marks = getattr(item, "decorator_list", [])
    return item.lineno - min((mark.lineno for mark in marks), default=item.lineno)


def _with_imports(source: str, imports: Sequence[str]) -> str:
    """Add missing imports in the order of ruff: beside imports from the same module or package."""
    for wanted in imports:
        module, _, names = wanted.removeprefix("from ").partition(" import ")
        nodes = [item for item in ast.parse(source).body if isinstance(item, (ast.Import, ast.ImportFrom))]
        same = [item for item in nodes if isinstance(item, ast.ImportFrom) and item.module == module]
        known = {alias.name for item in same for alias in item.names}
        needed = {name.strip() for name in names.split(",")}
        if needed <= known:
            continue
        lines = _lines(source)
        if same:
            merged = sorted({*known, *needed}, key=lambda name: (not name.isupper(), name.islower(), name))
            lines[same[0].lineno - 1 : same[0].end_lineno] = [f"from {module} import {', '.join(merged)}\n"]
        else:
            lines.insert(_place(nodes, module), wanted + "\n")
        source = "".join(lines)
    return source


def _place(nodes: Sequence[ast.Import | ast.ImportFrom], module: str) -> int:
    """The line before which an import belongs in sorted order."""
    package = module.partition(".")[0]
    for item in nodes:
        other = item.module if isinstance(item, ast.ImportFrom) else None
        if other is not None and other.partition(".")[0] == package and other > module:
            return item.lineno - 1
    return max((item.end_lineno or 0 for item in nodes), default=0)
