"""Entry points of installed distributions, seen from a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SHOW = """
import json
from coco.plugins import plugin_host
from coco.plugins.report import plugin_report
print(json.dumps(plugin_report(plugin_host())))
"""


def install(folder: Path, name: str, version: str, entry: str, module: str, source: str) -> None:
    """What a wheel leaves behind, as far as it matters here."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[coco.plugins]\n{entry} = {module}\n")
    (folder / f"{module}.py").write_text(source)


def test_installed_plugins_are_found(tmp_path: Path) -> None:
    good = (
        "from coco.plugins import OpManifest, hookimpl\nCOCO_API = 1\n"
        "@hookimpl\ndef coco_ops(): return [OpManifest('source', 'Moon', 'moon:Moon')]\n"
    )
    install(tmp_path, "coco-source-moon", "0.7", "source-moon", "moon_plugin", good)
    install(tmp_path, "coco-source-void", "9", "source-void", "void_plugin", "import nothing_at_all")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environ = {**os.environ, "PYTHONPATH": path, "COCO_PLUGINS": "source-moon source-void"}
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], env=environ, capture_output=True, text=True, check=True
    )
    plugins = {plugin["name"]: plugin for plugin in json.loads(shown.stdout)["plugins"]}
    moon, void = plugins["source-moon"], plugins["source-void"]
    assert (moon["distribution"], moon["version"], moon["status"]) == ("coco-source-moon", "0.7", "loaded")
    assert [op["name"] for op in moon["ops"]] == ["Moon"]
    assert void["status"] == "disabled"
    assert "nothing_at_all" in void["reason"]
    assert plugins["core"]["built_in"]
    others = {
        plugin["status"]
        for name, plugin in plugins.items()
        if name not in ("core", "source-moon", "source-void")
    }
    assert others <= {"skipped"}
