"""What the kit says of a distribution that is not in order."""

from __future__ import annotations

import importlib.metadata
from types import SimpleNamespace
from typing import Any

import pytest
from row_drawer import row_drawer

from coco.plugins import OpManifest, StoreManifest
from coco_testing import packaging
from coco_testing.packaging import packaging_problems

GOOD = OpManifest("target", "RowDrawer", "row_drawer:row_drawer", doc="Rows of a dictionary.")


class Installed:
    """One distribution, as the loader would show it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loads: dict[str, Any] = {GOOD.key: row_drawer}
        self.plugin = SimpleNamespace(
            name="target-drawer",
            loaded=True,
            status="loaded",
            reason="",
            manifests=(GOOD,),
            distribution=lambda: ("coco-target-drawer", "1"),
            slowness=lambda: "",
            summary=lambda: "",
        )
        self.early: set[str] = set()
        self.requires = ["coco-core<1,>=0.1", 'pytest>=8; extra == "test"']
        host = SimpleNamespace(plugins=[self.plugin], load=self.load)
        monkeypatch.setattr(packaging, "plugin_host", lambda: host)
        monkeypatch.setattr(packaging, "_modules_after_discovery", lambda: self.early)
        monkeypatch.setattr(importlib.metadata, "requires", lambda name: self.requires)

    def load(self, key: str) -> Any:
        found = self.loads[key]
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def problems(self) -> list[str]:
        return packaging_problems("coco-target-drawer")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    return Installed(monkeypatch)


def test_an_installed_plugin_without_problems(installed: Installed) -> None:
    assert installed.problems == []


def test_plugin_that_failed(installed: Installed) -> None:
    installed.plugin.loaded = False
    installed.plugin.status, installed.plugin.reason = "disabled", "no COCO_API"
    assert installed.problems == ["the plugin target-drawer is disabled: no COCO_API"]


def test_plugin_that_is_slow(installed: Installed) -> None:
    installed.plugin.slowness = lambda: "its import takes 0.5 s"
    assert installed.problems == ["the plugin target-drawer: its import takes 0.5 s"]


def test_operation_that_discovery_imports(installed: Installed) -> None:
    installed.early = {"row_drawer"}
    assert installed.problems == [
        "finding plugins imports row_drawer, which must be imported only when target:RowDrawer is used"
    ]


def test_operation_that_cannot_be_loaded(installed: Installed) -> None:
    installed.loads[GOOD.key] = ImportError("no client library")
    assert installed.problems == ["target:RowDrawer cannot be loaded: no client library"]


def test_operation_of_another_name_and_category(installed: Installed) -> None:
    announced = OpManifest("source", "Drawer", "row_drawer:row_drawer")
    installed.plugin.manifests = (announced,)
    installed.loads[announced.key] = row_drawer
    assert installed.problems == [
        "source:Drawer has no doc: give its manifest the line that lists show",
        "source:Drawer names a class that is called RowDrawer",
        "source:Drawer names a target",
    ]


def test_store_needs_no_class(installed: Installed) -> None:
    store = StoreManifest("drawer", "row_drawer:rows_in", doc="State in a dictionary.")
    installed.plugin.manifests = (store,)
    installed.loads[store.key] = len
    assert installed.problems == []


@pytest.mark.parametrize(
    ("requires", "problem"),
    [
        (["pytest>=8"], "coco-target-drawer does not require coco-core"),
        (["coco-core==0.1.0"], "require a range, such as coco-core>=0.1,<1"),
        (["coco_core>=0.1"], "require a range, such as coco-core>=0.1,<1"),
    ],
)
def test_requirement_of_core(installed: Installed, requires: list[str], problem: str) -> None:
    installed.requires = requires
    [found] = installed.problems
    assert problem in found


def test_our_own_plugins_have_no_problems() -> None:
    assert packaging_problems("coco-testing") == []
