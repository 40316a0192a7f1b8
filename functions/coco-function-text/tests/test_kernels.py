"""Kernels: the same results compiled and as source, bit for bit; which form runs; what the build does."""

from __future__ import annotations

import ast
import importlib
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_function_text import hot
from coco_function_text.chunk_table import ChunkKey
from coco_function_text.hot import _loader, _shim
from coco_function_text.levels import PLAIN_TEXT
from coco_function_text.positions import Chunk, Span, TextPosition, line_feeds
from coco_function_text.ruler import Ruler

pytestmark = pytest.mark.kernels

FOLDER = Path(hot.__file__).parent
HOME = FOLDER.parents[2]
PURE = os.environ.get("COCO_PURE", "") not in ("", "0")
PAIRS: dict[str, list[ModuleType]] = {
    name: [
        importlib.import_module(f"coco_function_text.hot.{name}"),
        _loader.load_uncompiled_module(name),
    ]
    for name in _loader.KERNELS
}

LINES = st.sampled_from(
    [
        *("# a", "## b", "   ### c", "###### d", "####### e", "#", "#\r", "#\te", "    # f", "===", "---", "-", "=="),
        *("```", "````", "~~~", "  ```py", "    ```", "``` a`b", "title: x", "..."),
        *("", "", "", " ", "\t", "\r", "\u2003", "\x85", "- i", "  - j", " * k", "1) l", "\u0661. m", "> q", "|a|"),
        *("text. And more, of it", "text\twords " * 5, "數據。é e\u0301 👨\u200d👩\u200d👧 ", "x" * 50, "\ud800"),
    ]
)  # fmt: skip
TEXTS = st.lists(LINES, max_size=40).flatmap(
    lambda lines: st.sampled_from(["\n", "\n", "\n\n", "\r\n"]).map(lambda end: end.join(lines))
)


def both(name: str, function: str, *arguments: Any) -> Any:
    """The result that both forms give."""
    results = [getattr(module, function)(*arguments) for module in PAIRS[name]]
    assert repr(results[0]) == repr(results[1])
    return results[0]


@settings(max_examples=examples(300))
@given(TEXTS)
def test_outlines(text: str) -> None:
    headings, fences, _, gaps, blocks = both("outline_cy", "find_outline", text)
    assert set(blocks) <= set(gaps)
    for places in (*headings, gaps, blocks, [start for start, _ in fences]):
        assert places == sorted(set(places))
    for start in headings[0] + headings[1] + gaps:
        assert not any(left < start < right for left, right in fences) or start in gaps


def split(form: int, text: str, most: int, least: int, calls: list[Any] | None) -> Any:
    """Runs and chunks; with ``calls``, those of overlaps are added to it, and each chunk repeats a bit."""

    def overlap_start(chunk: Span, begin: int, first_end: int) -> int:
        assert calls is not None
        calls.append((chunk, begin, first_end))
        return max(chunk[0] + 1, begin - 3) if first_end - begin + 3 <= most // 4 else begin

    outline, pieces, packing = (PAIRS[name][form] for name in ("outline_cy", "pieces_cy", "packing_cy"))
    headings, _, _, gaps, _ = outline.find_outline(text)

    def of_part(text: str, start: int, end: int) -> Sequence[int]:
        return [gap for gap in gaps if start < gap < end]

    strong = [pieces.PlaceLevel(places, True) for places in headings]
    levels = (*strong, pieces.PlaceLevel(gaps, False, of_part), *PLAIN_TEXT)
    ruler, chunks = Ruler(text), list[Span]()
    runs = pieces.take_apart(ruler, most, levels)
    for starts, ends, ranks, joined in runs:
        again = overlap_start if joined and calls is not None else None
        packing.pack(ruler, starts, ends, ranks, most, least, again, chunks)
    return runs, chunks, [level.cuts(text, 0, len(text)) for level in levels if text]


@settings(max_examples=examples(300))
@given(TEXTS, st.integers(1, 120), st.data(), st.booleans())
def test_splits(text: str, most: int, data: st.DataObject, overlap: bool) -> None:
    least = data.draw(st.integers(0, most))
    calls: list[list[Any]] = [[], []]
    installed, source = (split(form, text, most, least, calls[form] if overlap else None) for form in (0, 1))
    assert repr(installed) == repr(source)
    assert calls[0] == calls[1]


@given(TEXTS, st.data())
def test_rows(text: str, data: st.DataObject) -> None:
    points = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(points, points), max_size=6))
    spans = [(min(pair), max(pair)) for pair in pairs]
    both("rows_cy", "locate_rows", text, line_feeds(text), spans, ChunkKey, Chunk, TextPosition)


def test_levels_of_places_ask_about_ranges_that_are_not_trimmed() -> None:
    for module in PAIRS["pieces_cy"]:
        level = module.PlaceLevel([2, 4, 6], False, lambda text, start, end: [start, end])
        assert not level.strong
        assert level.cuts("abcdefgh", 2, 6) == [4]
        assert level.cuts("abcdefgh", 6, 8) == level.cuts("abcdefgh", 0, 2) == []
        assert level.cuts(" bcdefgh", 0, 8) == [0, 8]
        assert level.cuts("abcdefg\n", 0, 8) == [0, 8]
        assert module.PlaceLevel([2], True).cuts(" b c ", 0, 5) == [2]


# --- which form runs


def test_list_equals_files_on_disk_and_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(_loader.KERNELS) == sorted(path.stem for path in FOLDER.glob("*_cy.py"))
    if not (HOME / "setup.py").is_file():
        pytest.skip("not a checkout")
    monkeypatch.delenv("COCO_PURE", raising=False)
    built = runpy.run_path(str(HOME / "setup.py"), run_name="setup_under_test")["kernel_sources"]()
    assert sorted(built) == sorted(f"coco_function_text.hot.{name}" for name in _loader.KERNELS)


@pytest.mark.skipif(PURE, reason="COCO_PURE is set")
def test_compiled_kernels_are_fresh() -> None:
    """A kernel that was edited runs as source until it is built again: then the build would go untested."""
    built = [path for path in FOLDER.iterdir() if path.name.endswith(tuple(EXTENSION_SUFFIXES))]
    if not built and not os.environ.get("COCO_REQUIRE_EXT"):
        pytest.skip("no compiled kernels on this machine")
    assert _loader.stale_kernels() == [], "run: python tools/workspace.py kernels"
    assert hot.is_compiled()


def test_run_time_switch() -> None:
    code = (
        "from coco_function_text.hot.rows_cy import _is_compiled\n"
        "from coco_function_text import hot\n"
        "assert not _is_compiled() and not any(hot.compiled_kernels().values())\n"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "COCO_PURE": "1"}, check=True)
    if PURE:
        assert not any(hot.compiled_kernels().values())


def test_uncompiled_twin_is_a_module_of_its_own() -> None:
    twin = PAIRS["rows_cy"][1]
    assert twin is not importlib.import_module("coco_function_text.hot.rows_cy")
    assert not twin._is_compiled()
    assert twin.__name__ not in sys.modules
    with pytest.raises(ImportError, match="no_such_cy is not a kernel"):
        _loader.load_uncompiled_module("no_such_cy")


def test_shim_knows_what_kernels_use() -> None:
    """Every ``cython.x`` in a kernel exists in the shim, for most users run without Cython."""
    used = {
        node.attr
        for name in _loader.KERNELS
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cython"
    }
    assert "compiled" in used
    assert [name for name in used if not hasattr(_shim, name)] == []


def test_without_cython_and_extensions(tmp_path: Path) -> None:
    (tmp_path / "cython.py").write_text("raise ModuleNotFoundError('hidden by a test', name='cython')")
    code = (
        "from coco_function_text import recursion, markdown\n"
        "text = '# A\\n\\nSome words.\\n\\n' * 3\n"
        "print(recursion.split_text(text, chunk_size=20, levels=markdown.markdown_levels(text)))\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "COCO_PURE": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "[(0, 16), (18, 34), (36, 52)]"


# --- the build


@pytest.mark.slow
@pytest.mark.skipif(not (HOME / "setup.py").is_file(), reason="not a checkout")
class TestBuild:
    """In a copy of the source with one kernel."""

    def build(self, folder: Path, **environ: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
        pytest.importorskip("setuptools")
        ignored = shutil.ignore_patterns("build", "*.so", "*.egg-info", "__pycache__", "tests")
        shutil.copytree(HOME, folder, ignore=ignored)
        kernels = sorted(folder.glob("src/*/hot/*_cy.py"), key=lambda path: path.stat().st_size)
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
        return done, {path.name.partition(".")[0] for path in folder.glob("src/*/hot/*.so")}

    def test_a_failing_compiler_gives_a_pure_build(self, tmp_path: Path) -> None:
        pytest.importorskip("Cython")
        done, built = self.build(tmp_path / "copy", CC="false")
        assert done.returncode == 0, done.stderr
        assert built == set()
        assert "installing the pure Python kernels" in done.stderr

    def test_a_failing_compiler_is_an_error_where_kernels_are_required(self, tmp_path: Path) -> None:
        done, _ = self.build(tmp_path / "copy", CC="false", COCO_REQUIRE_EXT="1")
        assert done.returncode != 0

    def test_pure_is_asked_for(self, tmp_path: Path) -> None:
        done, built = self.build(tmp_path / "copy", COCO_PURE="1", COCO_REQUIRE_EXT="1")
        assert done.returncode == 0, done.stderr
        assert built == set()

    def test_no_cython(self, tmp_path: Path) -> None:
        hidden = tmp_path / "hidden" / "Cython"
        hidden.mkdir(parents=True)
        (hidden / "__init__.py").write_text("raise ImportError('hidden by a test')")
        done, built = self.build(tmp_path / "copy", PYTHONPATH=str(hidden.parent))
        assert done.returncode == 0, done.stderr
        assert built == set()
        assert "Cython is not installed; installing the pure Python kernels" in done.stderr
