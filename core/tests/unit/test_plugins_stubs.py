"""coco stubs: what type checkers are told of the names that plugins provide."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import coco
from coco.cli.group import cli
from coco.plugins.loader import PluginHost, temporary_host
from coco.plugins.metadata import Candidate
from coco.plugins.stubs import HEADER, stub_files

PLUGIN = """
from coco.plugins import OpManifest, hookimpl
COCO_API = 1
@hookimpl
def coco_ops():
    return [
        OpManifest("target", "Pond", "stubs_test_ops:Pond", also=("Reed", "stubs_test_shared:Lily")),
        OpManifest("target_attachment", "Frog", "stubs_test_ops:Bank.Frog"),
        OpManifest("declaration", "Shore", "stubs_test_ops:Beach"),
        OpManifest("source", "Pond", "stubs_test_ops:Spring"),
        OpManifest("source", "Rain", "stubs_test_ops:Rain"),
    ]
"""
RIVAL = """
from coco.plugins import OpManifest, hookimpl
COCO_API = 1
@hookimpl
def coco_ops():
    return [OpManifest("source", "Rain", "stubs_test_rival:Rain")]
"""
OPS = """
class Pond: pass
class Reed: pass
class Beach: pass
class Spring: pass
class Rain: pass
class Bank:
    class Frog: pass
"""
MODULES = ("stubs_test_plugin", "stubs_test_rival_plugin", "stubs_test_ops", "stubs_test_shared")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginHost]:
    folder = tmp_path / "installed"
    folder.mkdir()
    for name, text in zip(MODULES, (PLUGIN, RIVAL, OPS, "class Lily: pass"), strict=True):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    candidates = [
        Candidate("target-pond", "stubs_test_plugin", lambda: ("coco-target-pond", "1")),
        Candidate("source-rain", "stubs_test_rival_plugin", lambda: ("coco-source-rain", "1")),
    ]
    host = PluginHost(lambda: candidates, {})
    with temporary_host(host):
        yield host
    for name in MODULES:
        sys.modules.pop(name, None)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["stubs", *map(str, arguments)])


def test_each_name_is_imported_from_its_plugin(host: PluginHost) -> None:
    files, _ = stub_files(host)
    assert set(files) == {"py.typed", "sources.pyi", "functions.pyi", "targets.pyi"}
    assert files["py.typed"] == "partial\n"
    assert "from stubs_test_ops import Spring as Pond" in files["sources.pyi"]
    assert "stubs_test_ops" not in sys.modules, "manifests say enough"


def test_stubs_hold_what_the_modules_hold(host: PluginHost) -> None:
    files, _ = stub_files(host)
    found: dict[str, object] = {}
    exec(files["targets.pyi"], found)  # a stub of plain imports is Python
    assert found["__all__"] == dir(coco.targets) == ["Frog", "Lily", "Pond", "Reed", "Shore"]
    for name in dir(coco.targets):
        assert found[name] is getattr(coco.targets, name)
    assert ast.literal_eval(files["functions.pyi"].partition("=")[2].strip()) == []


def test_a_name_of_two_plugins_is_left_out(host: PluginHost) -> None:
    files, remarks = stub_files(host)
    assert "Rain" not in files["sources.pyi"]
    (remark,) = remarks
    assert remark.startswith("coco.sources.Rain is left out: source:Rain is provided by 2 plugins")


def test_command_writes_and_checks(host: PluginHost, tmp_path: Path) -> None:
    out = tmp_path / "typings"
    assert run("--out", out, "--check").exit_code == 1
    assert not out.exists()
    written = run("--out", out)
    assert written.exit_code == 0
    assert written.stdout == f"{out / 'coco-stubs'}\n"
    assert "WARNING: coco.sources.Rain is left out" in written.stderr
    assert run("--out", out, "--check").exit_code == 0

    stub = out / "coco-stubs" / "targets.pyi"
    stub.write_text(stub.read_text().replace("Frog", "Toad"))
    stale = run("--out", out, "--check")
    assert (stale.exit_code, "coco stubs --out" in stale.stderr) == (1, True)
    assert run("--out", out).exit_code == 0
    assert "Frog" in stub.read_text()


def test_command_leaves_the_stubs_of_others_alone(host: PluginHost, tmp_path: Path) -> None:
    other = tmp_path / "coco-stubs"
    other.mkdir()
    (other / "sources.pyi").write_text("class Feed: ...\n")
    refused = run("--out", tmp_path)
    assert refused.exit_code == 1
    assert "was not written by coco stubs" in refused.stderr
    assert [path.name for path in other.iterdir()] == ["sources.pyi"]


def test_command_says_what_it_cannot_write(host: PluginHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run("--out", tmp_path / "file" / "below")
    assert refused.exit_code == 1
    assert f"cannot write {tmp_path / 'file' / 'below'}" in refused.stderr
    assert "Name another folder: coco stubs --out FOLDER" in refused.stderr


def test_default_is_beside_the_metadata_of_coco(
    host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "coco_core-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: coco-core\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert run().exit_code == 0
    assert (tmp_path / "site" / "coco-stubs" / "sources.pyi").read_text().startswith(HEADER)
