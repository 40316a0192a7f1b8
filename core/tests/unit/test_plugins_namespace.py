"""coco.sources, coco.functions, coco.targets: names that plugins provide."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coco
from coco.errors import PluginError, UnknownNameError
from coco.plugins.hints import _hints
from coco.plugins.loader import PluginHost, temporary_host
from coco.plugins.manifest import OP_CATEGORIES
from coco.plugins.metadata import Candidate

pytest.importorskip("coco.ops.registry")

PLUGIN = """
from coco.plugins import OpManifest, hookimpl
COCO_API = 1
@hookimpl
def coco_ops():
    return [
        OpManifest("target", "Pond", "namespace_test_ops:Pond", also=("Reed",)),
        OpManifest("target_attachment", "Frog", "namespace_test_ops:Frog"),
        OpManifest("target", "Swamp", "namespace_test_ops:Missing"),
        OpManifest("source", "Pond", "namespace_test_ops:Spring"),
    ]
"""


@pytest.fixture(autouse=True)
def pond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "namespace_test_plugin.py").write_text(PLUGIN)
    (tmp_path / "namespace_test_ops.py").write_text(
        "class Pond: pass\nclass Frog: pass\nclass Spring: pass\nclass Reed: pass"
    )
    (tmp_path / "namespace_test_bad.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    candidates = [
        Candidate("target-pond", "namespace_test_plugin", lambda: ("coco-target-pond", "1")),
        Candidate("target-qdrant", "namespace_test_bad", lambda: ("coco-target-qdrant", "1")),
    ]
    with temporary_host(PluginHost(lambda: candidates, {})):
        yield
    for name in ("namespace_test_plugin", "namespace_test_ops"):
        sys.modules.pop(name, None)


def test_attribute_and_from_import() -> None:
    import coco as cocoindex

    assert "namespace_test_ops" not in sys.modules
    pond = cocoindex.targets.Pond
    from coco.sources import Pond as Spring
    from coco.targets import Frog, Pond

    assert (pond, Frog.__name__, Spring.__name__) == (Pond, "Frog", "Spring")


def test_dir_lists_what_is_installed() -> None:
    assert dir(coco.targets) == ["Frog", "Pond", "Reed", "Swamp"]
    assert dir(coco.sources) == ["Pond"]
    assert dir(coco.functions) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Neo4j", "coco.targets.Neo4j is not installed: pip install coco-target-neo4j"),
        ("LanceDB", "coco.targets.LanceDB is not available yet: no package brings it so far"),
        ("Pnod", "did you mean Pond"),
        ("Xyzzy", "Installed are: Frog, Pond, Reed, Swamp"),
        ("Qdrant", "coco-target-qdrant, which is installed but disabled: ZeroDivisionError"),
    ],
)
def test_missing_name_says_what_to_do(name: str, message: str) -> None:
    assert not hasattr(coco.targets, name)
    with pytest.raises(UnknownNameError) as by_attribute:
        getattr(coco.targets, name)
    assert message in str(by_attribute.value)
    assert isinstance(by_attribute.value, AttributeError)
    with pytest.raises(UnknownNameError) as by_import:
        exec(f"from coco.targets import {name}", {})
    assert message in str(by_import.value)
    assert isinstance(by_import.value, ImportError)


def test_option_classes_stand_beside_their_operation() -> None:
    from coco.targets import Reed

    assert coco.targets.Reed is Reed
    assert Reed.__module__ == "namespace_test_ops"
    assert not hasattr(coco.sources, "Reed")


def test_broken_implementation_is_not_called_missing() -> None:
    with pytest.raises(PluginError, match=r"target:Swamp is provided by the plugin target-pond"):
        _ = coco.targets.Swamp


def test_dunder_names_do_not_look_for_plugins() -> None:
    assert not hasattr(coco.targets, "__path__")
    assert not hasattr(coco.targets, "__wrapped__")


def test_hints_are_well_formed() -> None:
    hints = dict(_hints())
    assert hints.pop("planned").keys() <= {*OP_CATEGORIES, "store"}
    for category, names in hints.items():
        assert category in {*OP_CATEGORIES, "command", "store"}
        for name, distribution in names.items():
            assert distribution.startswith("coco-"), name
