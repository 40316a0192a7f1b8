"""What users get: each distribution built from its sdist, installed in a clean environment, found there."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import workspace
from clean_venv import announces_plugin, folders, name_of, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REPORT = """
import json
from coco.plugins import plugin_host
from coco.plugins.report import plugin_report
print(json.dumps(plugin_report(plugin_host())))
"""
LOAD = """
import sys
from coco.plugins import plugin_host
host = plugin_host()
for plugin in host.plugins:
    for op in plugin.ops:
        assert host.load(op.key) is not None, op.key
assert "site-packages" in sys.modules["coco"].__file__
"""


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheels_hold_what_they_should(wheels: dict[str, Path]) -> None:
    for folder in folders():
        name = name_of(folder)
        files = contents(wheels[name])
        source = folder / "src"
        wanted = {
            path.relative_to(source).as_posix()
            for path in source.rglob("*")
            if path.is_file()
            and path.suffix not in (".so", ".pyc")
            and not any(part.endswith(".egg-info") for part in path.parts)
        }
        assert wanted - files == set(), name
        rest = {path for path in files - wanted if ".dist-info/" not in path}
        kernels = {path.rpartition("/")[0] for path in wanted if path.endswith("_cy.py")}
        for path in rest:  # compiled kernels, beside their sources
            assert path.rpartition("/")[0] in kernels and Path(path).suffix in (".so", ".pyd"), rest
        assert any(path.endswith("/LICENSE") for path in files), name
        if not kernels:
            assert wheels[name].name.endswith("-py3-none-any.whl")


def test_wheels_are_the_same_when_built_again(
    wheels: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that only holds Python, and one with kernels."""
    monkeypatch.setitem(workspace.REPRODUCIBLE, "CFLAGS", f"{workspace.REPRODUCIBLE['CFLAGS']} -O0")
    for name in ("coco-target-files", "coco-function-text"):
        again = workspace.wheel(workspace.members()[name], tmp_path, tmp_path)
        assert again.name == wheels[name].name
        assert again.read_bytes() == wheels[name].read_bytes(), name


def test_pip_installs_our_wheels_from_the_folder(wheels: dict[str, Path], tmp_path: Path) -> None:
    """Not what others publish under one of the names."""
    report = tmp_path / "report.json"
    links = wheels["coco-core"].parent
    command = ["install", "--dry-run", "--ignore-installed", "--no-deps", f"--report={report}"]
    run(sys.executable, "-m", "pip", *command, "--find-links", links, *wheels, cwd=tmp_path)
    taken = [item["download_info"]["url"] for item in json.loads(report.read_text())["install"]]
    assert sorted(taken) == sorted(path.as_uri() for path in wheels.values())


def test_plugins_are_found(python: Path, wheels: dict[str, Path], tmp_path: Path) -> None:
    report: dict[str, Any] = json.loads(run(python, "-c", REPORT, cwd=tmp_path, COCO_STRICT_PLUGINS="1"))
    found = {plugin["distribution"] for plugin in report["plugins"] if plugin["status"] == "loaded"}
    assert found == {"coco-core", *(name_of(folder) for folder in folders() if announces_plugin(folder))}
    assert report["conflicts"] == {}


def test_every_operation_loads_with_declared_dependencies(python: Path, tmp_path: Path) -> None:
    run(python, "-W", "error", "-c", LOAD, cwd=tmp_path)


@pytest.mark.parametrize(
    ("package", "shown"),
    [
        ("coco", "hot.fingerprint(b'').hex()"),
        ("coco_function_text", "str(hot.find_outline('# A')).replace(' ', '')"),
    ],
)
def test_kernels_are_compiled_or_pure(python: Path, tmp_path: Path, package: str, shown: str) -> None:
    code = f"from {package} import hot; print(hot.is_compiled(), {shown})"
    compiled, fast = run(python, "-c", code, cwd=tmp_path).split()
    pure, slow = run(python, "-c", code, cwd=tmp_path, COCO_PURE="1").split()
    assert (pure, fast) == ("False", slow)
    if os.environ.get("COCO_REQUIRE_EXT"):
        assert compiled == "True"


def test_stubs_name_every_operation(python: Path, tmp_path: Path) -> None:
    """They are written where type checkers look for stubs of installed packages."""
    coco = python.with_name("coco")
    folder = Path(run(coco, "stubs", cwd=tmp_path).strip())
    assert folder.parent.name == "site-packages"
    run(coco, "stubs", "--check", cwd=tmp_path)
    modules = ("sources", "functions", "targets")  # stubs of plain imports, which Python runs too
    code = [f"{(folder / f'{name}.pyi').read_text()}\nassert __all__ == dir(coco.{name})" for name in modules]
    run(python, "-c", "\n".join(["import coco", *code]), cwd=tmp_path)


def test_command_line_lists_plugins(python: Path, wheels: dict[str, Path], tmp_path: Path) -> None:
    if "coco/cli/__init__.py" not in contents(wheels["coco-core"]):
        pytest.skip("coco.cli is not there yet")
    shown = json.loads(run(python.with_name("coco"), "plugins", "--json", cwd=tmp_path))
    names = {plugin["name"] for plugin in shown["plugins"] if not plugin["built_in"]}
    assert names == {name_of(item).removeprefix("coco-") for item in folders() if announces_plugin(item)}
