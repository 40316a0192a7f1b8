"""The names at the root of the package: one table, and what type checkers see, in agreement."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

import coco


def names_for_type_checkers() -> dict[str, str]:
    tree = ast.parse(Path(coco.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, "a re-export says `as` and its own name"
            found[alias.name] = str(node.module)
    return found


def test_table_equals_what_type_checkers_see() -> None:
    assert {name: f"coco.{module}" for name, module in coco._WHERE.items()} == names_for_type_checkers()


@pytest.mark.parametrize("module", sorted(coco._NAMES))
def test_modules_have_the_names(module: str) -> None:
    if importlib.util.find_spec(f"coco.{module}") is None:
        pytest.skip(f"coco.{module} is not there yet")
    loaded = importlib.import_module(f"coco.{module}")
    assert [name for name in coco._NAMES[module] if not hasattr(loaded, name)] == []
    for name in coco._NAMES[module]:
        assert getattr(coco, name) is getattr(loaded, name)


def test_used_as_cocoindex() -> None:
    import coco as cocoindex

    assert cocoindex.index.VectorSimilarityMetric is cocoindex.VectorSimilarityMetric
    assert cocoindex.auth_registry.__name__ == "coco.auth_registry"


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'coco' has no attribute 'flow_deff'"):
        _ = coco.flow_deff
    assert not hasattr(coco, "flow_deff")


def test_dir_and_version() -> None:
    assert {"flow_def", "targets", "op", "__version__"} <= set(dir(coco))
    assert set(coco.__all__) <= set(dir(coco))
    assert coco.__version__.split(".")[0].isdigit()
