"""docs/authors/reference.md says what the code says: hooks, manifests, methods of connectors.

It is the snapshot of the plugin API: what changes here needs a look at docs/authors/versioning.md.
"""

from __future__ import annotations

import builtins
import dataclasses
import inspect
import re
from pathlib import Path

import pytest
from public_modules import names_of, public_modules

from coco.ops import runners
from coco.ops.methods import ATTACHMENT, DECLARATION, EXECUTOR, RUNNER, SOURCE, TARGET, Contract
from coco.plugins import API_NUMBER, CommandManifest, OpManifest, RunnerManifest, StoreManifest, hookspecs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "authors" / "reference.md"
TEXT = PAGE.read_text(encoding="utf-8")
CALL = re.compile(r"^\| `(\w+)\(([^`]*)\)` \|", re.MULTILINE)


def calls(section: str) -> dict[str, list[str]]:
    """Names in the tables of a section, with their arguments."""
    part = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert part, section
    found = CALL.findall(part)
    assert len(found) == len({name for name, _ in found}), "a name is there twice"
    return {name: [item.strip() for item in given.split(",") if item.strip()] for name, given in found}


def test_number() -> None:
    assert f"| `COCO_API` | number of the plugin API that it is written for: {API_NUMBER} |" in TEXT


def test_hooks() -> None:
    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("coco_")}
    assert calls("Hooks") == {name: list(inspect.signature(hook).parameters) for name, hook in hooks.items()}


def test_manifests() -> None:
    kinds = (OpManifest, StoreManifest, RunnerManifest, CommandManifest)
    assert calls("Manifests") == {
        kind.__name__: [field.name for field in dataclasses.fields(kind)] for kind in kinds
    }


def parameters(contract: Contract) -> dict[str, list[str]]:
    return {name: [item for item, _ in method.parameters] for name, method in contract.methods.items()}


@pytest.mark.parametrize(("contract", "section"), [(SOURCE, "Sources"), (TARGET, "Targets")])
def test_methods_of_connectors(contract: Contract, section: str) -> None:
    """Names and parameters; what is required; what must not be async; what belongs to the class; what may be left out."""
    assert calls(section) == parameters(contract)
    rows = {name: (before, line) for name, before, line in described(section)}
    for name, method in contract.methods.items():
        before, line = rows[name]
        assert ("| required |" in before) == (method.required or name == "mutate"), name
        assert ("may be left out" in line) == bool(method.optional), name
        assert ("sync:" in line) == (not method.waits and not method.returns.startswith("AsyncIterable")), (
            name
        )
        if contract is SOURCE:
            assert ("static:" in line or "static, sync:" in line) == method.on_class, name
    part = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for flag in contract.flags:
        assert f"`{flag} = True`" in part, flag


def described(section: str) -> list[tuple[str, str, str]]:
    """(name, the table's head, line) for each method of a section."""
    part = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found, head, last = [], "", ""
    for line in part.split("\n"):
        if line.startswith("|---"):
            head = last
        elif match := CALL.match(line):
            found.append((match[1], head, line))
        last = line
    return found


def test_methods_of_attachments_declarations_and_functions() -> None:
    """Named in prose."""
    for name, given in parameters(ATTACHMENT).items():
        assert f"`{name}({', '.join(given)})`" in TEXT
    for name in EXECUTOR.methods:
        assert re.search(rf"`{name}(\(spec\))?`", TEXT), name
    assert set(DECLARATION.methods) <= set(TARGET.methods)


def methods(protocol: type) -> dict[str, list[str]]:
    found = {name: value for name, value in vars(protocol).items() if inspect.isfunction(value)}
    return {
        name: [*inspect.signature(value).parameters][1:] for name, value in found.items() if name[0] != "_"
    }


def test_methods_of_runners() -> None:
    part = TEXT.partition("\n## Runners\n")[2].partition("\n## ")[0]
    runner, _, executor = part.partition("A `RunnerExecutor`;")
    told = [
        {
            name: [item.strip() for item in given.split(",") if item.strip()]
            for name, given in CALL.findall(text)
        }
        for text in (runner, executor)
    ]
    assert told[0] == parameters(RUNNER)
    assert methods(runners.Runner).items() <= told[0].items()
    assert told[1] == methods(runners.RunnerExecutor)


NO_NAMES_OF_COCO = {
    *("T", "NAME", "HookimplMarker"),
    *("COCO_API", "COCO_STATE_URL", "COCO_STRICT_PLUGINS", "COCO_TRACE_PLUGINS", "COCO_TRACEBACK"),
    "Name",  # of a class of the plugin's
}


def test_names_can_be_imported() -> None:
    """Every class, constant and ``op.name`` that the page names is in a public module."""
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    code = " ".join(re.findall(r"`([^`]+)`", prose))
    text = re.sub(r"\"[^\"]*\"", "", code)
    everywhere = {name for module in public_modules() for name in names_of(module)}
    missing = {
        name
        for name in re.findall(r"(?<![\w.])[A-Z]\w*", text)
        if name not in everywhere | NO_NAMES_OF_COCO and not hasattr(builtins, name)
    }
    of_op = set(re.findall(r"\bop\.(\w+)", text)) - names_of("coco.op")
    assert (missing, of_op) == (set(), set())
    table = TEXT.partition("\n## Errors to raise\n")[2].partition("\n## ")[0]
    errors = {name for name in re.findall(r"`(\w*Error)\b", table) if not hasattr(builtins, name)}
    assert errors and errors <= names_of("coco.errors")
