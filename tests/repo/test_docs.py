"""Documentation holds: links lead somewhere, Python blocks parse, blocks marked ``python run`` run.

On the pages for authors every block is run: here, or as part of examples/third-party by tests/packaging, or, marked
``sh packaging``, by tests/packaging itself.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")])
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    page: Path
    line: int
    label: str
    code: str


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(page, line, match[1].strip(), match[2]))
    return found


def name_of(value: object) -> str:
    if isinstance(value, Block):
        return f"{value.page.relative_to(ROOT)}:{value.line}"
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


BLOCKS = blocks()
PYTHON = [block for block in BLOCKS if block.label.split()[:1] == ["python"]]
RUN = [block for block in PYTHON if block.label == "python run"]
AUTHORS = [block for block in BLOCKS if block.page.parent == DOCS / "authors"]
QUOTED = [block for block in BLOCKS if re.search(r" (file|part)=", block.label)]
OUTSIDE = ROOT / "examples" / "third-party"


def anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        goal = (page.parent / path).resolve() if path else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title\n[a](page.md) [b](#a-title) [c](none.md) [d](#none) [e](https://example.org)\n"
    )
    assert broken_links(page) == ["none.md", "#none"]


@pytest.mark.parametrize("block", PYTHON, ids=name_of)
def test_python_parses(block: Block) -> None:
    ast.parse(block.code, f"{block.page.name}:{block.line}")


def test_every_page_can_be_reached() -> None:
    """From the index of the documentation, over links."""
    seen: set[Path] = set()
    waiting = [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        goals = [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text)]
        waiting += [goal for goal in goals if goal.suffix == ".md" and goal.is_file()]
    assert sorted(set(DOCS.glob("**/*.md")) - seen) == []


@pytest.mark.skipif(not RUN, reason="no block is marked `python run`")
@pytest.mark.parametrize("block", RUN, ids=name_of)
def test_marked_blocks_run(block: Block) -> None:
    """Each alone, in a process and an empty folder of its own; functions in it are read from a real file."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "block.py")
        script.write_text(block.code, encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COCO")}
        done = subprocess.run(
            [sys.executable, script.name],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, f"{name_of(block)}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("block", AUTHORS, ids=name_of)
def test_every_block_for_authors_is_run(block: Block) -> None:
    known = r"python run|sh packaging|text public-modules|(python|toml) (file|part)=\S+"
    assert re.fullmatch(known, block.label), block.label


@pytest.mark.parametrize("block", QUOTED, ids=name_of)
def test_quoted_files_are_as_shown(block: Block) -> None:
    """They are tested where they are, by tests/packaging/test_third_party.py."""
    how, _, path = block.label.split()[1].partition("=")
    text = (OUTSIDE / path).read_text(encoding="utf-8")
    assert block.code == text if how == "file" else block.code in text


@pytest.mark.parametrize(
    ("file", "limit"), [("coco_target_jsonl/__init__.py", 40), ("coco_source_zip/source.py", 60)]
)
def test_tutorial_shows_whole_operations_in_few_lines(file: str, limit: int) -> None:
    tutorial = [block for block in QUOTED if block.page.name == "tutorial.md"]
    [shown] = [block for block in tutorial if block.label.endswith(file)]
    assert len(shown.code.splitlines()) < limit
