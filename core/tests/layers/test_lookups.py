"""Imports point down only, and so do look-ups by name: no module finds one above it through a string."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import coco

SOURCES = Path(coco.__file__).parent
SETTINGS = SOURCES.parents[2] / "pyproject.toml"
PATH = re.compile(r"coco(\.[a-zA-Z_]\w*)+(:\w+)?")
"""The path of a module or of a name in it, and nothing else."""
DATA = {"_builtin"}
"""Manifests: the paths in them are data for the loader of plugins, as those of any plugin are."""


@cache
def ranks() -> dict[str, int]:
    """Height of each module of the package by the layers in pyproject.toml; the lowest layer is 0."""
    (contract,) = [
        item
        for item in tomllib.loads(SETTINGS.read_text())["tool"]["importlinter"]["contracts"]
        if item["type"] == "layers"
    ]
    layers = list(reversed(contract["layers"]))
    return {name: height for height, layer in enumerate(layers) for name in re.findall(r"\w+", layer)}


def is_module(path: str) -> bool:
    place = SOURCES.joinpath(*path.split(".")[1:])
    return place.is_dir() or place.with_suffix(".py").is_file()


def lookups(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Paths of modules that stand in the source as text: (line, path). Of ``f"coco.x.{name}"`` the part before ``{``.

    Names of loggers and keys of dictionaries look nothing up.
    """
    others: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            others.update(id(key) for key in node.keys)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "getLogger"
        ):
            others.update(id(inner) for item in node.args for inner in ast.walk(item))
    beginnings = {
        id(node.values[0]) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) and node.values
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in others:
            continue
        if id(node) in beginnings and node.value.startswith("coco."):
            yield node.lineno, node.value
        elif PATH.fullmatch(node.value):
            module = node.value.partition(":")[0]
            if is_module(module) or (module.count(".") > 1 and is_module(module.rpartition(".")[0])):
                yield node.lineno, module


def upward(name: str, source: str) -> list[str]:
    """Look-ups in a module of ``coco`` (its name within the package) of what lies above it."""
    height = ranks()[name]
    found = []
    for line, path in lookups(ast.parse(source)):
        module = path.split(".")[1]
        if module not in ranks() or ranks()[module] > height:  # f"coco.{name}": it may be anything
            found.append(f"{line}: {path}")
    return found


def test_no_module_looks_up_one_above_it() -> None:
    found = {}
    for file in SOURCES.rglob("*.py"):
        parts = file.relative_to(SOURCES).with_suffix("").parts
        if parts[0] == "__init__" or parts[0] in DATA or "templates" in parts:
            continue  # the package itself is above all
        source = file.read_text()
        where = upward(parts[0], source) if re.search(r"""['"]coco\.""", source) else []
        if where:
            found["/".join(parts)] = where
    assert found == {}


def test_coco_itself_does_not_use_the_former_runtime() -> None:
    users = [file for file in SOURCES.rglob("*.py") if "environment.runtime" in file.read_text()]
    assert users == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("flow", 'DEFAULT_RUNTIME = "coco.environment.runtime:RUNTIME"'),
        ("spec", 'DEFAULT_EXECUTE = "coco.api.execute_spec:execute_spec"'),
        ("flow", 'MODULES["RowError"] = "coco.engine.stats"'),
        ("engine", 'sys.modules.get("coco.environment.environment")'),
        ("plugins", 'importlib.import_module(f"coco.{name}")'),
        ("state", 'importlib.import_module(f"coco.cli.{name}")'),
    ],
)
def test_look_ups_of_a_higher_layer_are_found(module: str, source: str) -> None:
    assert upward(module, source) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("flow", 'importlib.import_module(f"coco.flow.{module}")'),
        ("cli", 'sys.modules.get("coco.environment.environment")'),
        ("api", 'LOG = logging.getLogger("coco.flow")'),
        ("kit", 'LOG = logging.getLogger("coco.retries")'),
        ("engine", 'LOG = logging.getLogger(f"coco.{flow}")'),
        ("types", '"""The text says coco.environment.environment and more."""'),
    ],
)
def test_look_ups_of_a_lower_layer_are_not_reported(module: str, source: str) -> None:
    assert upward(module, source) == []
