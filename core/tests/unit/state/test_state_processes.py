"""Several processes on one file: killed ones, competing ones, forked ones, ones without permission.

Children are killed by themselves at a counted step inside SQLite, or by the test as soon as they have reported a
number of batches: then the blow falls somewhere in the next one.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from coco.state.protocol import Tracked, unfinished
from coco.state.sqlite import SqliteStore

ROWS = 20
S, T = 1, 10

COMMON = """
import os, signal, sqlite3, sys
from coco.errors import StateStoreError
from coco.state.protocol import *
from coco.state.sqlite import SqliteStore
ROWS, S, T = 20, 1, 10
KEYS = [b"%03d" % n for n in range(ROWS)]
def tell(text):
    print(text, flush=True)
"""

WRITER = (
    COMMON
    + """
limit = int(sys.argv[2])
connect, steps = sqlite3.connect, 0
def count():
    global steps
    steps += 1
    if steps == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
def watched(*args, **kwargs):
    db = connect(*args, **kwargs)
    if limit:
        db.set_progress_handler(count, 1)
    return db
sqlite3.connect = watched
def fp(n):
    return n.to_bytes(16, "big")
store = SqliteStore(sys.argv[1], pragmas={"wal_autocheckpoint": 20})
store.open()
tell("open")
for n in range(1, int(sys.argv[3])):
    keys = {T: TargetKeys(fp(n), tuple((b"t%d" % i, fp(n)) for i in range(n % 5 + 1)))}
    store.memo_put_many([(fp(n * 1000 + i), b"x" * (i + 300)) for i in range(ROWS)])
    assert all(store.stage(S, [StageRow(key, n - 1 if n > 1 else -1, n, keys) for key in KEYS]))
    tell(f"staged {n}")
    store.commit(S, [CommitRow(key, n, n, fp(n), fp(n), n, n, keys, (fp(n * 1000),)) for key in KEYS],
        owners=[OwnerChange(T, b"shared", S, key, fp(n), n) for key in KEYS], row_counts={T: 1})
    tell(f"committed {n}")
"""
)


def child(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> list[str]:
    out, error = process.communicate(timeout=120)
    assert process.returncode == code, error
    return out.split("\n")[:-1]


def check_whole(path: Path, reported: list[str]) -> None:
    """Every batch is there or not there, and all that was reported is."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    store = SqliteStore(str(path))
    store.open()
    rows = store.get_many(S, [key for batch in store.scan(S) for key, _ in batch])
    counts = store.memo_stats()
    assert counts[0] % ROWS == 0
    found = store.memo_get_many(
        [n.to_bytes(16, "big") for n in range(1_000, 1_000 * (counts[0] // ROWS + 2))]
    )
    assert counts == (len(found), sum(map(len, found.values())))
    staged = [int(line.split()[1]) for line in reported if line.startswith("staged")]
    committed = [int(line.split()[1]) for line in reported if line.startswith("committed")]
    if not rows:
        assert not staged
        store.close()
        return
    assert len(rows) == ROWS
    (head,) = {item.head for item in rows.values()}
    begun, done = head.max_process_ordinal, head.process_ordinal
    assert begun >= max(staged, default=0) and done >= max(committed, default=0)
    assert done in (begun, begun - 1) and unfinished(head) is (done < begun)
    for item in rows.values():
        check_row(item, done, begun)
    assert store.row_counts([T]) == {T: done}
    owners = store.get_owners(T, [b"shared"]).get(b"shared", [])
    assert [item.process_ordinal for item in owners] == ([done] * ROWS if done else [])
    assert counts[0] >= ROWS * begun
    store.close()


def check_row(item: Tracked, done: int, begun: int) -> None:
    for keys, ordinal, there in ((item.targets, done, done > 0), (item.staged, begun, begun > done)):
        fp = ordinal.to_bytes(16, "big")
        rows = tuple((b"t%d" % i, fp) for i in range(ordinal % 5 + 1))
        assert {target: (held.logic_fp, held.rows) for target, held in keys.items()} == (
            {T: (fp, rows)} if there else {}
        )
    assert item.memo == (((done * 1000).to_bytes(16, "big"),) if done else ())
    assert item.head.content_fp == (done.to_bytes(16, "big") if done else None)


@pytest.mark.slow
def test_killed_at_counted_steps(tmp_path: Path) -> None:
    """Steps are instructions of SQLite's machine: making the tables, and the first batches."""
    rng = random.Random(20)
    for run in range(12):
        path = tmp_path / f"{run}.db"
        steps = rng.randrange(1, 300) if run < 4 else rng.randrange(300, 30_000)
        reported = finish(child(WRITER, path, steps, 100), -signal.SIGKILL)
        check_whole(path, reported)


@pytest.mark.slow
def test_killed_from_outside(tmp_path: Path) -> None:
    rng = random.Random(21)
    path = tmp_path / "state.db"
    for _ in range(8):
        path.unlink(missing_ok=True)
        process = child(WRITER, path, 0, 10_000)
        assert process.stdout is not None
        reported = [process.stdout.readline().strip() for _ in range(rng.randrange(1, 60))]
        process.kill()
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        check_whole(path, [*reported, *rest.split("\n")[:-1]])


COUNTER = (
    COMMON
    + """
store = SqliteStore(sys.argv[1], busy_timeout_seconds=60)
name = sys.argv[2]
won = 0
for _ in range(int(sys.argv[3])):
    heads = store.get_heads(S, KEYS)
    rows = []
    for key in KEYS:
        begun = heads[key].max_process_ordinal if key in heads else -1
        keys = {T: TargetKeys(b"l", ((name.encode(), b"%d" % begun),))}
        rows.append(StageRow(key, begun, max(begun, 0) + 1, keys))
    accepted = store.stage(S, rows)
    won += sum(accepted)
    store.commit(S, [CommitRow(r.key, r.process_ordinal, 1, None, b"l", 1, 1, r.staged)
        for r, fine in zip(rows, accepted) if fine], row_counts={T: sum(accepted)})
    store.allocate_ids(1)
    store.memo_put_many([(name.encode() * 16, b"x"), (b"both" * 4, name.encode() * 10)])
tell(won)
"""
)


def test_competing_processes_lose_nothing(tmp_path: Path) -> None:
    """Both begin with no file at all; each accepted stage has raised one row by one."""
    path = tmp_path / "state.db"
    processes = [child(COUNTER, path, name, 60) for name in ("a", "b")]
    won = sum(int(finish(process)[-1]) for process in processes)
    store = SqliteStore(str(path))
    store.open()
    heads = dict(item for batch in store.scan(S) for item in batch)
    assert sum(head.max_process_ordinal for head in heads.values()) == won
    assert store.row_counts([T]) == {T: won}
    assert store.allocate_ids(1) == [121]
    assert store.memo_stats() == (3, 12)
    store.close()


FORKED = (
    COMMON
    + """
store = SqliteStore(sys.argv[1])
store.open()
store.put_cursor(1, "c", b"parent")
if os.fork() == 0:
    for attempt in (lambda: store.get_cursor(1, "c"), lambda: store.open(), SqliteStore(sys.argv[1]).open):
        try:
            attempt()
            tell("allowed")
        except StateStoreError as error:
            tell(error)
    store.close()
    os._exit(0)
os.wait()
store.put_cursor(1, "d", b"parent")
store.close()
if os.fork() == 0:
    own = SqliteStore(sys.argv[1])
    tell([own.get_cursor(1, "c"), own.get_cursor(1, "d")])
    own.close()
    os._exit(0)
os.wait()
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_must_not_use_the_file_its_parent_has_open(tmp_path: Path) -> None:
    lines = finish(child(FORKED, tmp_path / "state.db"))
    assert len(lines) == 4 and lines[3] == "[b'parent', b'parent']"
    for line in lines[:3]:
        assert "from which this one was forked" in line and "coco.stop()" in line and "spawn" in line


READER = (
    COMMON
    + """
if os.getuid() == 0:
    SqliteStore(":memory:").open()  # imports what the other user may not read
    os.setuid(65534)
def attempt(name, call):
    try:
        tell(f"{name}: {call()}")
    except StateStoreError as error:
        tell(f"{name}: {error}")
attempt("new", SqliteStore(sys.argv[1] + "/new.db").open)
store = SqliteStore(sys.argv[1] + "/state.db")
attempt("open", store.open)
attempt("read", lambda: store.get_cursor(1, "c"))
attempt("write", lambda: store.put_cursor(1, "c", b"new"))
"""
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that a process without rights can get into; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        store = SqliteStore(str(path / "state.db"))
        store.put_cursor(1, "c", b"old")
        store.close()
        yield path
        path.chmod(0o755)


def explained(line: str) -> bool:
    return "check the permissions of the file and of its folder" in line or "name another place" in line


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no users here")
def test_a_read_only_folder(folder: Path) -> None:
    (folder / "state.db").chmod(0o644)
    folder.chmod(0o555)
    lines = finish(child(READER, folder))
    assert [line.partition(":")[0] for line in lines] == ["new", "open", "read", "write"]
    assert all(explained(line) for line in lines), lines


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no users here")
def test_a_read_only_file(folder: Path) -> None:
    (folder / "state.db").chmod(0o444)
    folder.chmod(0o777)
    new, opening, reading, writing = finish(child(READER, folder))
    assert (new, opening, reading) == ("new: None", "open: None", "read: b'old'")
    assert explained(writing) and str(folder / "state.db") in writing


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no users here")
def test_a_file_that_may_not_be_read(folder: Path) -> None:
    (folder / "state.db").chmod(0o000)
    folder.chmod(0o777)
    assert explained(finish(child(READER, folder))[1])
