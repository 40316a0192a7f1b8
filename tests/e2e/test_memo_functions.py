"""``coco.fn``: what is called again after each kind of change, over real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HELPERS = """
def mark(text):
    return text + "!"

def chosen_at_run_time(text):
    return text.upper()
"""

APP = """
import json, sys
import coco
import memo_helpers
from coco.events import FunctionCalled

MODEL = "small"

@coco.fn(memo=True)
async def memo_code(text: str) -> str:
    return memo_helpers.mark(text)

@coco.fn(memo=True, version=1)
def memo_pinned(text: str) -> str:
    return text + "."

@coco.fn(memo=True, version=1, deps=[MODEL, memo_helpers.chosen_at_run_time])
def memo_declared(text: str) -> str:
    return getattr(memo_helpers, "chosen_at" + "_run_time")(text)

@coco.fn(memo=True, deps="environment")
def memo_library(text: str) -> str:
    import memo_test_library

    return memo_test_library.cut(text)

@coco.fn
def memo_none(text: str) -> str:
    return text

@coco.flow_def(name="Memo")
def memo_flow(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    rows = scope.add_collector()
    with scope["docs"].row() as doc:
        steps = (memo_code, memo_pinned, memo_declared, memo_library, memo_none)
        fields = {function.__name__: doc["content"].transform(function) for function in steps}
        rows.collect(filename=doc["filename"], **fields)
    rows.export("rows", coco.targets.Sqlite(path="out.db", table="rows"), primary_key_fields=["filename"])

if __name__ == "__main__":
    calls = {}
    def listen(event):
        if isinstance(event, FunctionCalled) and event.calls:
            kind = event.op.partition(" ")[0]
            calls[kind] = calls.get(kind, 0) + event.calls
    coco.add_event_listener(listen)
    memo_flow.setup()
    memo_flow.update(full_reprocess="--all" in sys.argv)
    print(json.dumps({"calls": calls, "direct": memo_pinned("a")}))
    coco.stop()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name in ("a", "b"):
        path = tmp_path / "docs" / f"{name}.md"
        path.write_text(f"text of {name}")
        os.utime(path, (1_600_000_000, 1_600_000_000))
    (tmp_path / "memo_helpers.py").write_text(HELPERS)
    (tmp_path / "app.py").write_text(APP)
    install(tmp_path, "1.0")
    return tmp_path


def install(project: Path, version: str) -> None:
    """A library as an installer leaves it behind."""
    info = project / "site-packages" / "memo_test_library.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info.parent / "memo_test_library.py").write_text("def cut(text):\n    return text[:4]\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: memo-test-library\nVersion: {version}\n")
    (info / "RECORD").write_text("memo_test_library.py,,\n")


def run(project: Path, *arguments: str) -> dict[str, int]:
    environment = {name: value for name, value in os.environ.items() if name != "COCO_STATE_URL"}
    done = subprocess.run(
        [sys.executable, "-B", "app.py", *arguments],
        cwd=project,
        env={**environment, "PYTHONPATH": str(project / "site-packages")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: Any = json.loads(done.stdout.splitlines()[-1])
    assert found["direct"].startswith("a"), "called directly it is a function like any other"
    calls: dict[str, int] = found["calls"]
    return calls


def edit(project: Path, name: str, old: str, new: str) -> None:
    path = project / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_what_is_called_again(project: Path) -> None:
    everything = dict.fromkeys(("MemoCode", "MemoPinned", "MemoDeclared", "MemoLibrary", "MemoNone"), 2)
    assert run(project) == everything
    assert run(project) == {}

    edit(project, "app.py", 'MODEL = "small"', '\n\n# a comment\nMODEL = "small"')
    edit(project, "app.py", 'return text + "."', 'return text + ".."')
    assert run(project) == {}, "a comment, moved code, and the body of a function with a version"

    (project / "docs" / "b.md").rename(project / "docs" / "c.md")
    assert run(project) == {"MemoNone": 1}, "content that is known under another name"

    edit(project, "memo_helpers.py", 'text + "!"', 'text + "?"')
    assert run(project) == {"MemoCode": 2, "MemoNone": 2}, "a helper: what is not memoised runs with its row"

    edit(project, "app.py", 'MODEL = "small"', 'MODEL = "large"')
    assert run(project) == {"MemoDeclared": 2, "MemoNone": 2}, "a declared value"

    edit(project, "memo_helpers.py", "text.upper()", "text.title()")
    assert run(project) == {"MemoDeclared": 2, "MemoNone": 2}, "a declared function"

    install(project, "1.1")
    assert run(project) == {"MemoLibrary": 2, "MemoNone": 2}, "an upgraded library"
    assert run(project) == {}

    install(project, "1.0")
    assert run(project) == {"MemoNone": 2}, "the results of the version before are still known"

    assert run(project, "--all") == everything
