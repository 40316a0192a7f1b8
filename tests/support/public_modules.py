"""What a plugin may import: the list in docs/authors/versioning.md, and who imports something else."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import coco

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "authors" / "versioning.md"
SCRIPT = re.compile(r"^\s*(?:from|import) (coco(?:\.\w+)*)\b(?!\.)", re.MULTILINE)
"""An import in a program that stands in a string."""


@cache
def listed() -> tuple[str, ...]:
    """The list as it stands on the page: names of modules, ``.*`` for those below."""
    found = re.search(r"^```text public-modules\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, "docs/authors/versioning.md has no list of public modules"
    return tuple(line.split()[0] for line in found[1].splitlines())


@cache
def public_modules() -> frozenset[str]:
    """All public modules by full name."""
    found = set()
    for name in listed():
        if not name.endswith(".*"):
            found.add(name)
            continue
        package = importlib.import_module(name.removesuffix(".*"))
        found |= {
            package.__name__,
            *(f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__)),
        }
    return frozenset(found)


@cache
def names_of(module: str) -> frozenset[str]:
    """The public names of a public module."""
    loaded = importlib.import_module(module)
    names = set(getattr(loaded, "__all__", ()) or _defined(loaded))
    below = {item for item in public_modules() if item.rpartition(".")[0] == module}
    return frozenset(names | {item.rpartition(".")[2] for item in below})


def _defined(module: ModuleType) -> set[str]:
    if "__getattr__" in vars(module):  # operations, which plugins bring
        return set(dir(module))
    found: set[str] = set()
    for node in ast.parse(Path(str(module.__file__)).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_")}


def private_uses(source: str) -> Iterator[str]:
    """What a program takes from coco that is not public, as ``module`` or ``module.name``."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a template, of which only the imports are sure to be Python
        for name in SCRIPT.findall(source):
            yield from _module(name)
        return
    here = set()
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            for item in node.names:
                if _is_ours(item.name):
                    if item.name == "coco" or item.asname is None:
                        here.add((item.asname or "coco").partition(".")[0])
                    yield from _module(item.name)
        elif isinstance(node, ast.ImportFrom) and not node.level and _is_ours(node.module or ""):
            module = str(node.module)
            wrong = list(_module(module))
            yield from wrong
            if not wrong:
                yield from (
                    f"{module}.{item.name}" for item in node.names if item.name not in names_of(module)
                )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if re.fullmatch(r"coco(?:\.[a-z_]+)+", text) and importlib.util.find_spec(
                text.rpartition(".")[0]
            ):
                yield from _module(text) if _exists(text) else ()
            elif "coco" in text and "import" in text:
                for name in SCRIPT.findall(text):
                    yield from _module(name)
    for node in nodes:
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id in here and node.attr not in names_of("coco") and not node.attr.startswith("__"):
            yield f"coco.{node.attr}"


def _is_ours(module: str) -> bool:
    return module == "coco" or module.startswith("coco.")


def _module(name: str) -> Iterator[str]:
    if name not in public_modules():
        yield name


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def private_modules() -> list[str]:
    """For import-linter: the least number of patterns that cover all modules of coco that are not public."""
    top = {f"coco.{item.name}" for item in pkgutil.iter_modules(coco.__path__)}
    packages = {f"coco.{item.name}" for item in pkgutil.iter_modules(coco.__path__) if item.ispkg}
    whole = {name.removesuffix(".*") for name in listed() if name.endswith(".*")}
    below = {f"{name}.*" for name in packages & public_modules() - whole}
    return sorted((top - public_modules()) | below)
