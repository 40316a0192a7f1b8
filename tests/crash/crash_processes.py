"""Real ``coco`` processes on one flow that stop where a test meets them.

With ``APP_MEETS`` set to ``setup``, ``call`` or ``mutate`` a process opens ``started`` and then ``go``, which are pipes,
in the connector's setup, in a function that gets a text with "wait" in it, or before rows are written. ``loop``: in a
coroutine, where it blocks the event loop; ``child``: in a process of the function's own; ``deaf``: a coroutine that
will not be cancelled opens ``started`` only.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

COCO = str(Path(sys.executable).with_name("coco"))
LIMIT = 60

APP = """
import asyncio, os, sqlite3
import coco
from coco import op
from coco.environment import leases

PATIENCE = os.environ.get("APP_PATIENCE")
if PATIENCE:
    lease = leases.lease
    leases.lease = lambda *args, **kwargs: lease(*args, wait_seconds=float(PATIENCE), **kwargs)
leases.LEASE_SECONDS = float(os.environ.get("APP_LEASE", "60"))

def meet():
    open("started", "w").close()
    open("go").read()

@op.function(cache=True, behavior_version=1)
def slow_two(text: str) -> str:
    with open("calls", "a") as calls:
        calls.write(text + "\\n")
    if "wait" in text and os.environ.get("APP_MEETS"):
        meet()
    return text.upper()

@op.function(behavior_version=1)
async def loop_two(text: str) -> str:
    if "wait" in text:
        meet()
    return text.upper()

@op.function(behavior_version=1)
async def deaf_two(text: str) -> str:
    if "wait" in text:
        open("started", "w").close()
    while "wait" in text:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
    return text.upper()

class ChildTwo(op.FunctionSpec):
    pass

@op.executor_class(gpu=True, behavior_version=1)
class ChildTwoExecutor:
    spec: ChildTwo

    def __call__(self, text: str) -> str:
        if "wait" in text:
            meet()
        return text.upper()

FUNCTION = {"loop": loop_two, "deaf": deaf_two, "child": ChildTwo()}.get(os.environ.get("APP_MEETS"), slow_two)

class TwoTable(op.TargetSpec):
    table: str

@op.target_connector(spec_cls=TwoTable, persistent_key_type=str)
class TwoTableConnector:
    @staticmethod
    def get_persistent_key(spec, target_name):
        return spec.table

    @staticmethod
    def apply_setup_change(key, previous, current):
        if os.environ.get("APP_MEETS") == "setup":
            meet()
        db = sqlite3.connect("out.db")
        if current is None:
            db.execute(f"DROP TABLE IF EXISTS {key}")
        else:
            db.execute(f"CREATE TABLE IF NOT EXISTS {key}(file TEXT PRIMARY KEY, loud TEXT)")
        db.commit()
        db.close()

    @staticmethod
    def mutate(*batches):
        for spec, changes in batches:
            if os.environ.get("APP_MEETS") == "mutate":
                meet()
            db = sqlite3.connect("out.db")
            for key, value in changes.items():
                db.execute(f"DELETE FROM {spec.table} WHERE file=?", (key,))
                if value is not None:
                    db.execute(f"INSERT INTO {spec.table} VALUES(?, ?)", (key, value["loud"]))
            db.commit()
            db.close()

@coco.flow_def(name="Two")
def two(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    out = scope.add_collector()
    with scope["docs"].row() as doc:
        out.collect(file=doc["filename"], loud=doc["content"].transform(FUNCTION))
    for name in ["out", *os.environ.get("APP_MORE", "").split()]:
        out.export(name, TwoTable(table=name), primary_key_fields=["file"])
"""


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COCO")}
    return {**kept, "PYTHONUNBUFFERED": "1", "COLUMNS": "100", **more}


def start(
    running: list[subprocess.Popen[str]], folder: Path, *args: str, **more: str
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [COCO, *args],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.append(process)
    return process


def run(folder: Path, *args: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [COCO, *args],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def end(process: subprocess.Popen[str], code: int = 0, *, noise: bool = False) -> str:
    """What it said. ``noise``: Python may complain of a coroutine that could not be ended."""
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == code, out + err
    assert noise or "Traceback" not in err
    return out + err


def met(folder: Path) -> None:
    """Until a process stands where it waits."""
    (folder / "started").read_text()


def let_go(folder: Path) -> None:
    (folder / "go").write_text("")


def heard(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"{text!r} was not said; exit code {process.wait()}")


def rows(folder: Path, table: str = "out") -> dict[str, str]:
    db = sqlite3.connect(folder / "out.db")
    try:
        return dict(db.execute(f"SELECT file, loud FROM {table}").fetchall())
    finally:
        db.close()


def calls(folder: Path) -> list[str]:
    return sorted((folder / "calls").read_text().splitlines())


def check_end(folder: Path, *tables: str) -> None:
    """All is as the sources say, and nothing is left to do."""
    files = {path.name: path.read_text().upper() for path in (folder / "docs").iterdir()}
    for table in ("out", *tables):
        assert rows(folder, table) == files
    before = calls(folder)
    stats = json.loads(run(folder, "update", "--json", "app.py", APP_MORE=" ".join(tables)).stdout)["flows"][
        "Two"
    ]
    assert (stats["sources"]["docs"]["num_target_upserts"], stats["drifted"]) == (0, [])
    assert calls(folder) == before
