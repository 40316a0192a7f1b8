"""Which kernels there are, which form of them runs, and what the build does without a compiler."""

from __future__ import annotations

import ast
import importlib
import os
import runpy
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

from coco import hot
from coco.hot import _loader, _shim

FOLDER = Path(hot.__file__).parent
CORE = FOLDER.parents[2]
IN_CHECKOUT = (CORE / "setup.py").is_file()
PURE = os.environ.get("COCO_PURE", "") not in ("", "0")

checkout = pytest.mark.skipif(not IN_CHECKOUT, reason="not a checkout")


def build_script() -> dict[str, Any]:
    return runpy.run_path(str(CORE / "setup.py"), run_name="setup_under_test")


def test_list_equals_files_on_disk() -> None:
    assert sorted(_loader.KERNELS) == sorted(path.stem for path in FOLDER.glob("*_cy.py"))


@checkout
def test_list_equals_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COCO_PURE", raising=False)
    assert sorted(build_script()["kernel_sources"]()) == sorted(
        f"coco.hot.{name}" for name in _loader.KERNELS
    )


@pytest.mark.parametrize("name", _loader.KERNELS)
def test_package_gives_all_public_functions(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    public = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} - {"_is_compiled"}
    public |= {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id[0].islower()
    }
    public = {item for item in public if not item.startswith("_")}
    assert public, name
    assert public <= set(hot.__all__)
    module = importlib.import_module(f"coco.hot.{name}")
    for item in public:
        assert getattr(hot, item) is getattr(module, item)


@pytest.mark.skipif(PURE, reason="COCO_PURE is set")
@checkout
def test_compiled_kernels_are_fresh() -> None:
    """A kernel that was edited runs as source until it is built again: then the build would go untested."""
    built = [path for path in FOLDER.iterdir() if path.name.endswith(tuple(EXTENSION_SUFFIXES))]
    if not built and not os.environ.get("COCO_REQUIRE_EXT"):
        pytest.skip("no compiled kernels on this machine")
    assert _loader.stale_kernels() == [], "run: python tools/workspace.py kernels"
    assert hot.compiled_kernels() == dict.fromkeys(_loader.KERNELS, True)
    assert hot.is_compiled()


@pytest.mark.kernels
@pytest.mark.skipif(not PURE, reason="COCO_PURE is not set")
def test_a_pure_build_has_no_extensions() -> None:
    assert hot.compiled_kernels() == dict.fromkeys(_loader.KERNELS, False)


def test_the_run_time_switch_covers_every_import() -> None:
    code = (
        "from coco.hot.merge_cy import _is_compiled\n"
        "from coco.hot import merge_cy, is_compiled, compiled_kernels\n"
        "assert not _is_compiled() and not is_compiled() and not any(compiled_kernels().values())\n"
        "assert merge_cy.__file__.endswith('merge_cy.py') and merge_cy.__name__ == 'coco.hot.merge_cy'\n"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "COCO_PURE": "1"}, check=True)


@checkout
@pytest.mark.skipif(PURE, reason="COCO_PURE is set")
def test_edited_source_wins_over_an_older_extension(tmp_path: Path) -> None:
    if not hot.compiled_kernels()["gather_cy"]:
        pytest.skip("no compiled kernels on this machine")
    shutil.copytree(
        CORE / "src" / "coco", tmp_path / "src" / "coco", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "setup.py").touch()
    folder = tmp_path / "src" / "coco" / "hot"
    for path in folder.iterdir():
        os.utime(path, (1_000, 1_000))
    os.utime(folder / "gather_cy.py", (2_000, 2_000))
    code = "from coco import hot; print(*[k for k, fast in hot.compiled_kernels().items() if not fast])"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.split() == ["gather_cy"]


def test_uncompiled_twin_is_a_module_of_its_own() -> None:
    twin = _loader.load_uncompiled_module("gather_cy")
    assert twin is not importlib.import_module("coco.hot.gather_cy")
    assert not twin._is_compiled()
    assert twin.__name__ not in sys.modules
    with pytest.raises(ImportError, match="no_such_cy is not a kernel"):
        _loader.load_uncompiled_module("no_such_cy")


def test_shim_knows_what_kernels_use() -> None:
    """Every ``cython.x`` in a kernel exists in the shim, for most users run without Cython."""
    used: set[str] = set()
    for name in _loader.KERNELS:
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "cython"
            ):
                used.add(node.attr)
    assert "compiled" in used
    for name in used:
        getattr(_shim.cython, name)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = _shim.cython.no_such_thing


@pytest.mark.slow
@checkout
class TestBuild:
    """The build, in a copy of the source with one kernel."""

    def build(self, folder: Path, **environ: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
        pytest.importorskip("setuptools")
        shutil.copytree(
            CORE, folder, ignore=shutil.ignore_patterns("build", "*.so", "*.egg-info", "__pycache__", "tests")
        )
        kernels = sorted((folder / "src/coco/hot").glob("*_cy.py"), key=lambda path: path.stat().st_size)
        for path in kernels[1:]:  # what is shown is shown by one
            path.unlink()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COCO_")}
        done = subprocess.run(
            [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
            cwd=folder,
            env={**clean, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, {path.name.partition(".")[0] for path in (folder / "src/coco/hot").glob("*.so")}

    def test_a_failing_compiler_gives_a_pure_build(self, tmp_path: Path) -> None:
        pytest.importorskip("Cython")
        done, built = self.build(tmp_path / "core", CC="false")
        assert done.returncode == 0, done.stderr
        assert built == set()
        assert "installing the pure Python kernels" in done.stderr

    def test_a_failing_compiler_is_an_error_where_kernels_are_required(self, tmp_path: Path) -> None:
        done, _ = self.build(tmp_path / "core", CC="false", COCO_REQUIRE_EXT="1")
        assert done.returncode != 0

    def test_pure_is_asked_for(self, tmp_path: Path) -> None:
        done, built = self.build(tmp_path / "core", COCO_PURE="1", COCO_REQUIRE_EXT="1")
        assert done.returncode == 0, done.stderr
        assert built == set()

    def test_no_cython(self, tmp_path: Path) -> None:
        hidden = tmp_path / "hidden" / "Cython"
        hidden.mkdir(parents=True)
        (hidden / "__init__.py").write_text("raise ImportError('hidden by a test')")
        path = str(hidden.parent)
        done, built = self.build(tmp_path / "core", PYTHONPATH=path)
        assert done.returncode == 0, done.stderr
        assert built == set()
        assert "Cython is not installed; installing the pure Python kernels" in done.stderr
        done, _ = self.build(tmp_path / "again", PYTHONPATH=path, COCO_REQUIRE_EXT="1")
        assert done.returncode != 0
