"""State files of earlier releases open, move forward, and hold what they held."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from coco.errors import StateStoreError
from coco.state import migrations
from coco.state.protocol import (
    CommitRow,
    Failure,
    Lease,
    Owner,
    SetupRecord,
    StageRow,
    TargetKeys,
    unfinished,
)
from coco.state.schema import SCHEMA_VERSION
from coco.state.sqlite import SqliteStore

FILES = Path(__file__).parent / "files"


def load_maker(version: int) -> ModuleType:
    name = f"make_state_v{version}"
    spec = importlib.util.spec_from_file_location(name, FILES.parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = load_maker(1)
SOURCE, TARGET, ROWS = MAKER.SOURCE, MAKER.TARGET, MAKER.ROWS


VERSIONS = range(migrations.OLDEST, SCHEMA_VERSION + 1)


def copy_of(version: int, folder: Path) -> Path:
    return Path(shutil.copyfile(FILES / f"state-v{version}.db", folder / "state.db"))


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    return copy_of(1, tmp_path)


@pytest.fixture(params=VERSIONS, ids="v{}".format)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Of each version that a release wrote, the present one included."""
    return copy_of(request.param, tmp_path)


def tables(path: Path) -> dict[str, str]:
    db = sqlite3.connect(path)
    try:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {name: "".join(sql.split()) for name, sql in rows}
    finally:
        db.close()


def version(path: Path) -> str:
    db = sqlite3.connect(path)
    try:
        return str(db.execute("SELECT value FROM header WHERE key='schema_version'").fetchone()[0])
    finally:
        db.close()


def check_contents(store: SqliteStore) -> None:
    keys = [MAKER.key(n) for n in range(ROWS)]
    scanned = [item for batch in store.scan(SOURCE, 7) for item in batch]
    assert [key for key, _ in scanned] == sorted(keys)
    found = store.get_many(SOURCE, keys)
    assert {key: item.head for key, item in found.items()} == dict(scanned)
    for n, key in enumerate(keys):
        item = found[key]
        committed, staged = n < 30, n >= 20
        assert item.head.ordinal == (1_000 + n if committed else None)
        assert item.head.content_fp == (MAKER.fp("content", n) if committed else None)
        assert item.head.process_ordinal == (100 if committed else 0)
        assert item.head.max_process_ordinal == (200 if staged else 100)
        assert item.head.size == (10 * n if committed else None)
        assert unfinished(item.head) is staged
        assert item.head.failed is (n in (25, 35))
        assert item.memo == ((MAKER.fp("call", n), MAKER.fp("call", n, 2)) if committed else ())
        for held, given, there in ((item.targets, "old", committed), (item.staged, "new", staged)):
            rows = tuple(MAKER.target_rows(n, given))
            assert held == ({TARGET: TargetKeys(MAKER.fp("logic"), rows)} if rows and there else {})
    assert store.get_failures(SOURCE)[MAKER.key(99)] == Failure(
        SOURCE,
        MAKER.key(99),
        "evaluate",
        "split",
        "ValueError",
        "too long",
        3,
        5,
        9,
        b"\x01",
        MAKER.fp("logic"),
        True,
    )
    (shared,) = store.get_owners(TARGET, [MAKER.msgspec.msgpack.encode(("shared",))]).values()
    assert shared == [Owner(SOURCE, MAKER.key(n), MAKER.fp("shared"), 100 + n) for n in (1, 2)]
    assert store.row_counts([TARGET]) == {TARGET: 44}
    calls = [MAKER.fp("call", n) for n in range(60)]
    assert store.memo_get_many(calls) == {MAKER.fp("call", n): b"result %d" % n for n in range(50)}
    assert store.memo_stats() == (50, sum(len(b"result %d" % n) for n in range(50)))
    assert store.setup_records() == [
        SetupRecord("app.docs", "Target:Sqlite", '"rows"', {"target_id": TARGET, "schema_version": 1}),
        SetupRecord("app.docs", "flow", "", None, (1,)),
    ]
    assert (store.setup_version("app.docs"), store.setup_version("app.gone")) == (3, 8)
    assert store.get_cursor(SOURCE, "changes") == b"cursor"


def test_a_file_moves_forward_with_all_it_holds(file: Path) -> None:
    store = SqliteStore(str(file))
    store.open()
    check_contents(store)
    assert store.allocate_ids(2) == [7, 8]
    store.close()
    assert version(file) == str(SCHEMA_VERSION)


def test_a_migrated_file_has_the_tables_of_a_new_one(file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path / "new.db"):
        store = SqliteStore(str(path))
        store.open()
        store.close()
    assert tables(file) == tables(tmp_path / "new.db")


def test_a_run_continues_in_a_migrated_file(file: Path) -> None:
    store = SqliteStore(str(file))
    store.open()
    dead, fresh = MAKER.key(22), b"new"
    rows = TargetKeys(b"l" * 16, ((b"t", b"f" * 16),))
    assert store.stage(
        SOURCE, [StageRow(dead, 200, 300, {TARGET: rows}), StageRow(fresh, -1, 300, {TARGET: rows})]
    ) == [True, True]
    held = store.get_many(SOURCE, [dead])[dead].staged[TARGET].rows
    assert set(held) == {*MAKER.target_rows(22, "new"), (b"t", b"f" * 16)}
    commits = [CommitRow(key, 300, 1, None, b"l" * 16, 1, None, {TARGET: rows}) for key in (dead, fresh)]
    store.commit(SOURCE, commits)
    for item in store.get_many(SOURCE, [dead, fresh]).values():
        assert (item.targets, item.staged) == ({TARGET: rows}, {})
    assert store.get_many(SOURCE, [MAKER.key(21)])[MAKER.key(21)].staged != {}
    # Referred to by rows 0 to 29 but 22, whose references were replaced.
    assert store.memo_collect() == 21
    assert store.leases()[0].holder == "host/1/token"
    assert isinstance(store.acquire_lease("app.docs", "me", 60), Lease), (
        "clocks may differ: it is watched first"
    )
    store.release_lease("app.docs", "host/1/token")
    assert store.acquire_lease("app.docs", "me", 60) is None
    assert isinstance(store.acquire_lease("app.docs", "other", 60), Lease)
    store.close()


def test_every_version_has_its_migration_and_its_file(tmp_path: Path) -> None:
    assert sorted(migrations.MIGRATIONS) == list(range(migrations.OLDEST + 1, SCHEMA_VERSION + 1))
    for number in VERSIONS:
        copy = shutil.copyfile(FILES / f"state-v{number}.db", tmp_path / f"{number}.db")
        assert version(copy) == str(number)


@pytest.mark.parametrize("number", VERSIONS)
def test_the_committed_file_is_what_its_script_writes(number: int, tmp_path: Path) -> None:
    load_maker(number).make(tmp_path / "again.db")

    def dump(path: Path) -> list[str]:
        db = sqlite3.connect(path)
        try:
            return list(db.iterdump())
        finally:
            db.close()

    assert dump(tmp_path / "again.db") == dump(copy_of(number, tmp_path))


def test_an_error_inside_a_migration_leaves_the_old_file(v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(db: sqlite3.Connection) -> None:
        migrations.m0002_row_ids.migrate(db)
        raise sqlite3.OperationalError("stopped on purpose")

    before = tables(v1)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", {2: fail})
        with pytest.raises(StateStoreError, match="stopped on purpose"):
            SqliteStore(str(v1)).open()
    assert version(v1) == "1"
    assert tables(v1) == before
    store = SqliteStore(str(v1))
    store.open()
    check_contents(store)
    store.close()


def test_a_full_disk_during_migration_leaves_the_old_file(v1: Path) -> None:
    pages = v1.stat().st_size // 1024
    with pytest.raises(StateStoreError, match="disk is full"):
        SqliteStore(str(v1), pragmas={"max_page_count": pages + 2}).open()
    assert version(v1) == "1"
    store = SqliteStore(str(v1))
    store.open()
    check_contents(store)
    store.close()


KILLED = """
import os, signal, sqlite3, sys
from coco.state.sqlite import SqliteStore
path, limit = sys.argv[1], int(sys.argv[2])
connect, steps = sqlite3.connect, 0
def count():
    global steps
    steps += 1
    if steps == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
def watched(*args, **kwargs):
    db = connect(*args, **kwargs)
    db.set_progress_handler(count, 1)
    return db
sqlite3.connect = watched
SqliteStore(path).open()
print(steps)
"""


def test_a_kill_at_any_step_of_a_migration_leaves_the_old_file(v1: Path, tmp_path: Path) -> None:
    def run(path: Path, limit: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(limit)], capture_output=True, text=True, timeout=60
        )

    whole = run(shutil.copyfile(v1, tmp_path / "whole.db"), 0)
    steps = int(whole.stdout)
    points = [steps * part // 10 for part in range(3, 10)] + [steps - 1, steps - 20]
    for point in points:
        path = shutil.copyfile(v1, tmp_path / f"killed{point}.db")
        assert run(path, point).returncode == -signal.SIGKILL
        assert version(path) in ("1", str(SCHEMA_VERSION))
        store = SqliteStore(str(path))
        store.open()
        check_contents(store)
        store.close()
        assert tables(path) == tables(tmp_path / "whole.db")
