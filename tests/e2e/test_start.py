"""What a process costs before it does anything: counted in classes that are compiled and modules that are imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import dataclasses, json, os, sys

compiled = []
make = dataclasses.dataclass


def watched(cls=None, /, **options):
    def decorate(cls):
        if options.get("init", True):
            compiled.append(f"{cls.__module__}.{cls.__qualname__}")
        return make(cls, **options)

    return decorate if cls is None else decorate(cls)


dataclasses.dataclass = watched

import coco


@coco.flow_def(name="Start")
def flow(builder, scope):
    scope["files"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    rows = scope.add_collector()
    with scope["files"].row() as file:
        file["chunks"] = file["content"].transform(coco.functions.SplitRecursively(), chunk_size=100)
        with file["chunks"].row() as chunk:
            rows.collect(filename=file["filename"], location=chunk["location"], text=chunk["text"])
    rows.export("rows", coco.targets.Sqlite(path="out.db"), primary_key_fields=["filename", "location"])


flow.setup()
stats = flow.update()
print("FOUND" + json.dumps({"compiled": compiled, "modules": sorted(sys.modules), "stats": str(stats)}))
"""

MOST_COMPILED = 36
"""Dataclasses of coco: each takes up to 1 ms. Those stay that users may take apart as such, or that ``coco --help``,
which has no msgspec, makes too; what is a record and no more is a ``msgspec.Struct`` or a named tuple."""
NOT_NEEDED = (
    "coco.cli",
    "coco.engine.live",
    "coco_function_text.hot",
    "coco_function_text.separators",
    "difflib",
    "numpy",
    "psycopg",
    "pydantic",
    "secrets",
    "sysconfig",
)


def run(folder: Path) -> dict[str, list[str]]:
    environ = {**os.environ, "COCO_STATE_URL": f"sqlite:///{folder / 'state.db'}", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={name: value for name, value in environ.items() if not name.startswith("COV")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.rpartition("FOUND")[2])
    return found


def test_an_update_that_finds_nothing_changed_starts_light(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("One. Two. Three.\n" * 20)
    first = run(tmp_path)
    assert "coco_function_text.hot" in first["modules"]
    second = run(tmp_path)
    assert "1 unchanged" in second["stats"]
    compiled = [name for name in second["compiled"] if name.startswith("coco")]
    assert len(compiled) <= MOST_COMPILED, compiled
    assert [name for name in NOT_NEEDED if name in second["modules"]] == []
