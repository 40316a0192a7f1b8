"""Edited code reruns what depends on it, and nothing else: real files, real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HELPERS = """
SUFFIX = "!"

def decorate(text):
    return text.upper() + SUFFIX

def unused(text):
    return text
"""

APP = """
import json, sys
import coco
from coco import op
from coco.events import FunctionCalled, TargetMutated
from edit_helpers import decorate

@op.function(cache=True)
def edit_loud(text: str) -> str:
    return decorate(text)

@op.function(cache=True)
def edit_length(text: str) -> int:
    return len(text)

@coco.flow_def(name="Edits")
def edits(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    loud, size = scope.add_collector(), scope.add_collector()
    with scope["docs"].row() as doc:
        doc["loud"] = doc["content"].transform(edit_loud)
        doc["size"] = doc["content"].transform(edit_length)
        loud.collect(filename=doc["filename"], loud=doc["loud"])
        size.collect(filename=doc["filename"], size=doc["size"])
    loud.export("loud", coco.targets.Sqlite(path="out.db", table="loud"), primary_key_fields=["filename"])
    size.export("size", coco.targets.Sqlite(path="out.db", table="size"), primary_key_fields=["filename"])

if __name__ == "__main__":
    events = []
    coco.add_event_listener(events.append)
    edits.setup()
    edits.update()
    calls, writes = {}, {}
    for event in events:
        if isinstance(event, FunctionCalled) and event.calls:
            name = event.op.partition(" ")[0]
            calls[name] = calls.get(name, 0) + event.calls
        if isinstance(event, TargetMutated):
            writes[event.target] = writes.get(event.target, 0) + event.upserts + event.deletes
    print(json.dumps({"calls": calls, "writes": writes}))
    coco.stop()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name in ("a", "b", "c"):
        path = tmp_path / "docs" / f"{name}.md"
        path.write_text(f"text of {name}")
        os.utime(path, (1_600_000_000, 1_600_000_000))
    (tmp_path / "edit_helpers.py").write_text(HELPERS)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def run(project: Path) -> Any:
    environment = {name: value for name, value in os.environ.items() if name != "COCO_STATE_URL"}
    done = subprocess.run(
        [sys.executable, "-B", "app.py"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def edit(project: Path, name: str, old: str, new: str) -> None:
    path = project / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_edits_of_code(project: Path) -> None:
    assert run(project) == {
        "calls": {"EditLoud": 3, "EditLength": 3},
        "writes": {"loud": 3, "size": 3},
    }
    assert run(project) == {"calls": {}, "writes": {}}

    edit(project, "edit_helpers.py", "    return text\n", "    return text + text  # nobody calls this\n")
    edit(project, "app.py", "    return len(text)", "    # how long it is\n    return len( text )")
    assert run(project) == {"calls": {}, "writes": {}}

    edit(project, "edit_helpers.py", "text.upper() + SUFFIX", "text.title() + SUFFIX")
    assert run(project) == {"calls": {"EditLoud": 3}, "writes": {"loud": 3}}

    edit(project, "edit_helpers.py", 'SUFFIX = "!"', 'SUFFIX = "?"')
    assert run(project) == {"calls": {"EditLoud": 3}, "writes": {"loud": 3}}

    edit(project, "app.py", "    return len( text )", "    return len(text) + 0 * 2")
    assert run(project) == {"calls": {"EditLength": 3}, "writes": {}}

    # Back to what it was: all results are still known.
    edit(project, "edit_helpers.py", 'SUFFIX = "?"', 'SUFFIX = "!"')
    assert run(project) == {"calls": {}, "writes": {"loud": 3}}
