"""Our own plugins, kits, benchmarks, examples and documentation use public modules of coco only."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest
import workspace
from public_modules import ROOT, listed, names_of, private_modules, private_uses, public_modules
from tracked_files import tracked_files

FOLDERS = ("connectors", "functions", "targets", "contrib", "benchmarks", "examples")
BLOCK = re.compile(r"^```python[^\n`]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DOTTED = re.compile(r"`coco((?:\.\w+)+)")
OPERATIONS = {"coco.sources", "coco.functions", "coco.targets"}
"""Their names depend on what is installed."""
TOLD_AS_PRIVATE = {"coco.plugins.loader", "coco.utils", "coco.setting"}
PLACE = re.compile(r"\$\{?\w+\}?")

ALLOWED = {
    # It measures coco's own kernels, compiled and from source.
    "benchmarks/kernels": ("coco.hot",),
    # It counts what a start of the program takes.
    "benchmarks/instructions.py": ("coco.cli",),
    # A program for CocoIndex v0, as it was written.
    "targets/coco-target-postgres/tests/test_text_embedding.py": ("coco.utils",),
}


def programs() -> Iterator[tuple[str, str]]:
    """(place, source): modules, templates, and the blocks of pages."""
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("docs/reference/"):
            continue
        if path.suffix == ".py" and name.startswith(FOLDERS):
            yield name, path.read_text()
        elif name.endswith(".py.in"):
            yield name, PLACE.sub("x", path.read_text())
        elif name.endswith((".md", ".md.in")):
            text = path.read_text()
            for found in BLOCK.finditer(text):
                yield f"{name}:{text.count(chr(10), 0, found.start()) + 2}", PLACE.sub("x", found[1])


@cache
def uses() -> list[tuple[str, str]]:
    """(place, what is used there that is not public)."""
    return [(place, use) for place, source in programs() for use in sorted(set(private_uses(source)))]


def is_allowed(place: str, use: str) -> bool:
    return any(
        place.startswith(where) and f"{use}.".startswith(f"{name}.")
        for where, names in ALLOWED.items()
        for name in names
    )


def test_every_import_is_public() -> None:
    assert [f"{place}: {use}" for place, use in uses() if not is_allowed(place, use)] == []


def test_every_listed_exception_is_used() -> None:
    for where in ALLOWED:
        assert any(place.startswith(where) for place, _ in uses()), where


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("from coco.types.schema import FieldSchema", "coco.types.schema"),
        ("import coco.environment.runtime", "coco.environment.runtime"),
        ("def f():\n    from coco.ops import registry", "coco.ops"),
        ("from coco.plugins.loader import PluginHost", "coco.plugins.loader"),
        ("from coco.kit.plain import dump_engine_object", "coco.kit.plain.dump_engine_object"),
        ("importlib.import_module('coco.engine.memo')", "coco.engine.memo"),
        ("import coco as cocoindex\ncocoindex.utils", "coco.utils"),
        ("SCRIPT = '''\nimport coco.hot\n'''", "coco.hot"),
    ],
)
def test_names_that_count_as_private(source: str, use: str) -> None:
    assert list(private_uses(source)) == [use]


def test_names_that_do_not_count_as_private() -> None:
    source = """
import coco
from coco import op, sources
from coco.kit.packed import pack
from coco.kit import plain
LOG = getLogger("coco.target.files")
coco.flow_def, coco.targets.Files, coco.op.function, coco.__version__
"""
    assert list(private_uses(source)) == []


def test_every_listed_module_is_there() -> None:
    assert len(listed()) == len(set(listed()))
    for module in public_modules():
        assert names_of(module), module


def test_public_modules_cost_little() -> None:
    """A plugin's module of specs may import any of them at the top."""
    modules = sorted(
        public_modules() - {"coco.kit.adapters", "coco.kit.retry"}
    )  # they work with an event loop
    heavy = [
        "asyncio",
        "numpy",
        "pydantic",
        "sqlite3",
        "click",
        "coco.engine",
        "coco.environment",
        "coco.flow",
    ]
    code = f"import sys, {', '.join(modules)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_linter_has_the_same_lists() -> None:
    """Contracts hold at each commit what this module reads: settings cannot read a page."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    packages = {path.parent.name for path in ROOT.glob("[cft]*/*/src/*/__init__.py")}
    assert set(settings["root_packages"]) == {"coco", *packages}
    assert len(packages) == len(workspace.members()) - 1
    contract = next(
        item for item in settings["contracts"] if item["name"] == "plugins import public modules only"
    )
    assert set(contract["source_modules"]) == packages
    assert sorted(contract["forbidden_modules"]) == private_modules(), (
        "a new module of coco is public (docs/authors/versioning.md) or forbidden for plugins (pyproject.toml)"
    )


def test_names_in_prose_are_public() -> None:
    """`coco.op.function` on a page for authors or users can be imported."""
    found = []
    for page in [
        *ROOT.glob("docs/authors/*.md"),
        *ROOT.glob("docs/guide/*.md"),
        *ROOT.glob("docs/terms/*.md"),
    ]:
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for match in DOTTED.finditer(text):
            path = f"coco{match[1]}"
            module = max((item for item in public_modules() if f"{path}.".startswith(f"{item}.")), key=len)
            rest = path.removeprefix(module).split(".")
            known = len(rest) == 1 or module in OPERATIONS or rest[1] in names_of(module)
            if not known and path not in TOLD_AS_PRIVATE:
                found.append(f"{page.relative_to(ROOT)}: {path}")
    assert found == []
