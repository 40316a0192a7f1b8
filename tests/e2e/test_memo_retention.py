"""Results of functions leave the state when no row uses them any longer, and their bytes leave its files."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from json_file import JsonFile
from memory_rows import TROUBLE, WORLD, Entry, MemoryRows, Misfortune

import coco
from coco.cli.group import cli
from coco.engine.context import RunOptions
from coco.environment.environment import ENVIRONMENT
from coco.operations.update import run_flow
from coco.types.storage import pack

SOURCE = "kept"
FAILING: set[str] = set()
CALLS: list[str] = []


@coco.op.function(cache=True, behavior_version=1)
def keep_words(text: str) -> list[str]:
    CALLS.append(text)
    return [word + "-kept" for word in text.split()]


@coco.op.function(cache=True, behavior_version=1)
def keep_count(text: str) -> int:
    if text in FAILING:
        raise ValueError("not this one")
    return len(text)


@coco.op.function(cache=True, behavior_version=1)
def keep_root(text: str) -> str:
    CALLS.append(text)
    return text + "-root"


@pytest.fixture(autouse=True)
def world() -> None:
    WORLD[SOURCE] = {}
    TROUBLE[SOURCE] = Misfortune()
    FAILING.clear()
    CALLS.clear()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., coco.Flow]:
    def make_flow(name: str = "Kept", root: str = "") -> coco.Flow:
        @coco.flow_def(name=name)
        def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
            scope["rows"] = builder.add_source(MemoryRows(name=SOURCE))
            if root:
                scope["rooted"] = builder.transform(keep_root, root)
            out = scope.add_collector()
            with scope["rows"].row() as row:
                extra = {"rooted": scope["rooted"]} if root else {}
                out.collect(
                    key=row["_key"],
                    words=row["content"].transform(keep_words),
                    count=row["content"].transform(keep_count),
                    **extra,
                )
            out.export("out", JsonFile(path=str(tmp_path / f"{name}.json")), primary_key_fields=["key"])

        flow.setup()
        return flow

    return make_flow


def use(keep: timedelta = timedelta(), **more: Any) -> None:
    coco.stop()
    coco.init(coco.Settings(memo_keep=keep, **more))


def put(**rows: str) -> None:
    for key, content in rows.items():
        known = WORLD[SOURCE].get(key)
        WORLD[SOURCE][key] = Entry(content, known.ordinal + 1 if known else 1)


def held(tmp_path: Path, text: str) -> list[str]:
    """Files of the state that hold a text."""
    return [path.name for path in tmp_path.glob("state.db*") if text.encode() in path.read_bytes()]


def test_results_without_rows_are_removed_from_the_file_at_the_end_of_the_run(
    make: Callable[..., coco.Flow], tmp_path: Path
) -> None:
    use()
    flow = make()
    put(a="apple secret1", b="banana secret2", c="cherry secret3", d="apple secret1")
    flow.update()
    assert held(tmp_path, "secret2-kept") and held(tmp_path, "secret1-kept")
    put(b="banana changed")
    del WORLD[SOURCE]["c"], WORLD[SOURCE]["d"]
    flow.update(allow_deletes=True)
    for gone in ("secret2", "secret3"):
        assert held(tmp_path, gone) == []
    assert held(tmp_path, "secret1-kept"), "another row uses it"
    assert coco.cache_stats()["unused_entries"] == 0
    CALLS.clear()
    put(a="apple secret1")
    flow.update(reexport_targets=True)
    assert CALLS == []


def test_long_values_and_many_rounds_leave_no_bytes_behind(
    make: Callable[..., coco.Flow], tmp_path: Path
) -> None:
    """Pages are filled, emptied and filled again; what SQLite moves within them must not outlive its row."""
    use()
    flow = make()
    gone: set[str] = set()
    for turn in range(6):
        for number in range(0, 60, 1 + turn % 3):
            old = WORLD[SOURCE].get(f"r{number}")
            gone.update(old.content.split()[-1:] if old else ())
            text = f"secret<{turn}.{number}>"
            put(**{f"r{number}": " ".join([text] * (1 + number * turn % 50))})
        flow.update(allow_deletes=True)
    WORLD[SOURCE] = {key: row for key, row in WORLD[SOURCE].items() if key.endswith("7")}
    flow.update(allow_deletes=True)
    kept = {row.content.split()[-1] for row in WORLD[SOURCE].values()}
    files = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    assert {text for text in gone - kept if text.encode() + b"-kept" in files} == set()
    assert {text for text in kept if text.encode() + b"-kept" not in files} == set()


def test_results_are_kept_as_long_as_memo_keep(
    make: Callable[..., coco.Flow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(timedelta(days=30))
    flow = make()
    put(a="first text", b="other text")
    flow.update()
    put(a="second text")
    flow.update()
    CALLS.clear()
    put(a="first text", b="third text")
    flow.update()
    assert CALLS == ["third text"], "the first text came back within the time"
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 20 * 86_400 * 10**9)
    put(b="fourth text")
    flow.update()
    assert held(tmp_path, "other-kept")
    monkeypatch.setattr(time, "time_ns", lambda: now() + 32 * 86_400 * 10**9)
    flow.update()
    assert held(tmp_path, "other-kept") == held(tmp_path, "second-kept") == []
    assert held(tmp_path, "third-kept"), "not used for 12 days"
    assert held(tmp_path, "first-kept"), "in use"


def test_a_failed_and_deleted_row_leaves_no_results(make: Callable[..., coco.Flow], tmp_path: Path) -> None:
    use()
    flow = make()
    FAILING.add("bad text")
    put(a="bad text")
    flow.update()
    assert held(tmp_path, "bad-kept") == [], "no row has come to use it"
    use(timedelta(days=30))
    flow = coco.flow_by_name("Kept")
    flow.update(full_reprocess=True)
    assert held(tmp_path, "bad-kept"), "the next try finds it"
    del WORLD[SOURCE]["a"]
    use()
    flow.update(allow_deletes=True)
    assert held(tmp_path, "bad-kept") == []


def test_a_killed_run_leaves_no_results(make: Callable[..., coco.Flow], tmp_path: Path) -> None:
    """A process wrote results and was killed before rows used them; by the next run the rows are gone."""
    use()
    flow = make()
    put(a="some text")
    flow.update()
    coco.stop()
    script = (
        "import os, sys\nfrom coco.state.sqlite import SqliteStore\n"
        "store = SqliteStore(sys.argv[1]); store.open(); assert store.memo_begin('Kept')\n"
        "store.memo_put_many([(b'k' * 16, b'killed-kept')]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "state.db")], check=False)
    assert held(tmp_path, "killed-kept")
    use()
    flow.update()
    assert held(tmp_path, "killed-kept") == [] and held(tmp_path, "some-kept")


def test_results_at_the_root_are_in_use(make: Callable[..., coco.Flow], tmp_path: Path) -> None:
    use()
    flow = make(root="prompt")
    put(a="one", b="two")
    flow.update()
    put(a="three")
    flow.update()
    assert CALLS.count("prompt") == 1
    flow.close()
    flow = make(root="another")
    flow.update()
    assert held(tmp_path, "prompt-root") == [] and held(tmp_path, "another-root")


def test_drop_takes_what_only_that_flow_used(make: Callable[..., coco.Flow], tmp_path: Path) -> None:
    use(timedelta(days=30))
    one = make("KeptOne")
    put(a="shared text", b="single text")
    one.update()
    del WORLD[SOURCE]["b"]
    two = make("KeptTwo")
    two.update()
    put(a="newer text")
    one.update()  # the single and the shared text are not used by it any longer
    one.drop()
    assert held(tmp_path, "single-kept") == held(tmp_path, "newer-kept") == []
    assert held(tmp_path, "shared-kept"), "another flow uses it"
    two.drop()
    assert held(tmp_path, "-kept") == []
    assert coco.cache_stats()["entries"] == 0


def test_a_reset_calls_nothing_again(
    make: Callable[..., coco.Flow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(timedelta(days=30))
    flow = make()
    put(a="some text")
    flow.update()
    from coco.cli.pushing import push_drop

    assert push_drop([flow], force=True, quiet=True, keep_results=True)
    flow.setup()
    flow.update()
    assert CALLS == ["some text"]


def test_limits_are_settings(make: Callable[..., coco.Flow]) -> None:
    use(timedelta(days=30), memo_max_entries=10)
    flow = make()
    for turn in range(4):
        put(a=f"text {turn}", b=f"other {turn}")
        flow.update()
    assert coco.cache_stats()["entries"] <= 10
    use(timedelta(days=30), memo_max_bytes=100)
    put(a="x" * 200)
    flow.update()
    found = coco.cache_stats()
    assert found["unused_entries"] == 0 and found["max_bytes"] == 100


def test_the_cache_command_shows_and_prunes(
    make: Callable[..., coco.Flow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(timedelta(days=30))
    flow = make()
    put(a="first secret", b="second text")
    flow.update()
    put(a="third text")
    flow.update()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*args: str) -> str:
        done = CliRunner().invoke(cli, ["cache", *args])
        assert done.exit_code == 0, done.output
        return done.stdout

    found = json.loads(run("stats", "--json"))
    assert (found["entries"], found["unused_entries"], found["keep_seconds"]) == (6, 2, 30 * 86_400)
    assert found["unused_since"] == pytest.approx(time.time(), abs=60)
    assert "Not in use              2" in run("stats")
    assert held(tmp_path, "secret-kept")
    assert json.loads(run("prune", "--json"))["deleted_entries"] == 2
    coco.stop()
    assert held(tmp_path, "secret-kept") == []
    assert asyncio.run(coco.prune_cache_async()) == {"deleted_entries": 0, "deleted_bytes": 0}


def test_the_cache_command_creates_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    done = CliRunner().invoke(cli, ["cache", "stats"])
    assert (done.exit_code, "no state yet" in done.output) == (0, True)
    assert list(tmp_path.iterdir()) == []


def test_references_are_those_of_the_tables(make: Callable[..., coco.Flow], tmp_path: Path) -> None:
    """A pass in which nothing changed notes nothing."""
    use(timedelta(days=30))
    flow = make()
    put(a="one", b="two")
    flow.update()
    flow.update()
    coco.stop()
    db = sqlite3.connect(tmp_path / "state.db")
    try:
        assert db.execute("SELECT count(*) FROM released").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM memo_runs").fetchone() == (0,)
    finally:
        db.close()


def test_a_run_over_single_rows_removes_results_too(make: Callable[..., coco.Flow], tmp_path: Path) -> None:
    """As live updates do for what a change stream names."""
    use()
    flow = make()
    put(a="first secret", b="other text")
    flow.update()
    put(a="second text")
    options = RunOptions(only_keys={"rows": [pack(("a",))]})
    ENVIRONMENT.loop.run(run_flow(ENVIRONMENT, flow.graph, options), "")
    assert held(tmp_path, "secret-kept") == [] and held(tmp_path, "other-kept")
