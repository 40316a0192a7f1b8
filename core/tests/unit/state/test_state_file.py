"""The file: made, opened again, and every way in which that can fail (T4)."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coco.errors import Recovery, StateStoreError
from coco.plugins.loader import load_provided
from coco.state.memory import MemoryStore
from coco.state.protocol import CommitRow, StageRow, StateStore, TargetKeys
from coco.state.schema import APPLICATION_ID
from coco.state.sqlite import SqliteStore

S, T = 1, 10
LOGIC = b"l" * 16


def commit_row(number: int, weight: int = 0) -> CommitRow:
    keys = TargetKeys(LOGIC, ((b"t%d" % number, bytes(16 + weight)),))
    return CommitRow(b"%06d" % number, 5, 1, LOGIC, LOGIC, 1, 1, {T: keys})


def opened(path: Path) -> SqliteStore:
    store = SqliteStore(str(path))
    store.open()
    return store


def change_file(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


# -- life -----------------------------------------------------------------------------------------
def test_contents_outlive_the_store(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "state.db"
    store = opened(path)
    store.commit(S, [commit_row(1)])
    store.close()
    again = opened(path)
    assert list(again.get_heads(S, [b"000001"])) == [b"000001"]
    again.close()


def test_open_and_close_may_be_repeated(store: StateStore) -> None:
    store.open()
    store.open()
    store.close()
    store.close()
    store.open()
    assert list(store.scan(S)) == []


def test_the_first_call_opens(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.db"))
    assert store.setup_version("f") == 0
    store.close()


def test_a_closed_store_raises(store: StateStore) -> None:
    store.close()
    with pytest.raises(StateStoreError, match="is closed"):
        store.memo_stats()
    with pytest.raises(StateStoreError, match="is closed"):
        store.commit(S, [commit_row(1)])


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = opened(tmp_path / "state.db")
    store.commit(S, [commit_row(1)])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"], "closing leaves one file"


def test_wide_permissions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).close()
    path.chmod(0o640)
    opened(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_file_is_marked_as_ours(tmp_path: Path) -> None:
    opened(tmp_path / "state.db").close()
    assert (tmp_path / "state.db").read_bytes()[68:72] == APPLICATION_ID.to_bytes(4, "big") == b"coco"


def test_urls(tmp_path: Path) -> None:
    store = load_provided("store:sqlite")(f"sqlite:///{tmp_path / 'x.db'}")
    assert isinstance(store, SqliteStore) and store.location == str(tmp_path / "x.db")
    assert not store.exists()
    store.open()
    assert store.exists()
    store.close()
    assert isinstance(load_provided("store:memory")("memory://"), MemoryStore)
    with pytest.raises(StateStoreError, match="its form is sqlite:///PATH"):
        load_provided("store:sqlite")("sqlite:x.db")


def test_memory_stores_share_nothing() -> None:
    one, two = MemoryStore(), MemoryStore()
    one.memo_put_many([(LOGIC, b"x")])
    assert (one.memo_stats(), two.memo_stats()) == ((1, 1), (0, 0))
    one.close()
    two.close()


def test_calls_from_several_threads_take_turns(store: StateStore) -> None:
    errors: list[BaseException] = []

    def work(source_id: int) -> None:
        try:
            for n in range(20):
                store.commit(source_id, [commit_row(n)], row_counts={T: 1})
                store.memo_put_many([(source_id.to_bytes(8, "big") + n.to_bytes(8, "big"), b"x")])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(source_id,)) for source_id in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.row_counts([T]) == {T: 80} and store.memo_stats() == (80, 80)


# -- files that are refused -----------------------------------------------------------------------
def refused(path: Path, match: str) -> StateStoreError:
    """Opening fails and leaves the file as it is."""
    before = path.read_bytes()
    with pytest.raises(StateStoreError, match=match) as caught:
        SqliteStore(str(path)).open()
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    return caught.value


def test_a_newer_file_is_refused_with_the_release_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).close()
    change_file(path, "UPDATE header SET value='77' WHERE key='schema_version'")
    change_file(path, "UPDATE header SET value='9.8.7' WHERE key='release'")
    error = refused(
        path, r"schema version 77, written by coco-core 9\.8\.7.*install coco-core 9\.8\.7 or newer"
    )
    assert error.recovery is Recovery.FATAL
    change_file(path, "DELETE FROM header WHERE key='release'")
    refused(path, r"schema version 77; .*install the release of coco-core that wrote it")


@pytest.mark.parametrize("value", ["", "two", "0", "-1"])
def test_an_invalid_version_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "state.db"
    opened(path).close()
    change_file(path, f"UPDATE header SET value='{value}' WHERE key='schema_version'")
    refused(path, "is corrupt .its schema version is")


def test_another_digest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).close()
    change_file(path, "UPDATE header SET value='md5' WHERE key='digest'")
    refused(path, "'md5'")


@pytest.mark.parametrize("table", ["users(id)", "header(title)"])
def test_an_sqlite_file_of_something_else_is_not_touched(tmp_path: Path, table: str) -> None:
    path = tmp_path / "app.db"
    change_file(path, f"CREATE TABLE {table}")
    refused(path, "not one of coco's.*COCO_STATE_URL")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"The quick brown fox jumps over the lazy dog. " * 100)
    refused(path, r"is corrupt .*has not changed it.*restore a backup")


def test_a_file_cut_off_in_its_first_page(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).close()
    path.write_bytes(path.read_bytes()[:1_000])
    refused(path, "is corrupt")


@pytest.mark.parametrize(
    ("size", "match"), [(0, "it is empty"), (1, "it has 1 bytes"), (99, "it has 99 bytes")]
)
def test_a_file_that_was_emptied(size: int, match: str, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).close()
    path.write_bytes(path.read_bytes()[:size])
    refused(path, rf"state.db is corrupt \({match}\).*has not changed it.*restore a backup")
    assert path.stat().st_size == size


def test_a_file_that_is_deleted_or_replaced_while_in_use(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = opened(path)
    store.commit(S, [commit_row(1)])
    store.close()
    store.open()
    path.rename(tmp_path / "elsewhere.db")
    for _ in range(2):
        with pytest.raises(StateStoreError, match=f"{path} was deleted or moved while coco worked with it"):
            store.commit(S, [commit_row(2)])
    opened(path).close()
    with pytest.raises(StateStoreError, match=f"{path} was replaced by another file while coco worked"):
        store.get_heads(S, [b"000001"])
    store.close()
    (tmp_path / "elsewhere.db").replace(path)
    store = opened(path)
    assert set(store.get_heads(S, [b"000001", b"000002"])) == {b"000001"}
    store.close()


def test_a_process_that_was_killed_while_it_made_the_file(tmp_path: Path) -> None:
    """Between making the file and its first page there is a mark beside it."""
    script = (
        "import os, sqlite3, sys\nfrom coco.state.sqlite import SqliteStore\n"
        "sqlite3.connect = lambda *args, **kwargs: os.kill(os.getpid(), 9)\nSqliteStore(sys.argv[1]).open()"
    )
    path = tmp_path / "state.db"
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL and path.read_bytes() == b""
    store = opened(path)
    assert store.setup_records() == []
    store.close()
    assert list(tmp_path.iterdir()) == [path]


def test_damage_inside_is_reported_when_met(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = opened(path)
    store.commit(S, [commit_row(n, weight=400) for n in range(2_000)])
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(20, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xee" * 64
    path.write_bytes(data)
    store = opened(path)
    with pytest.raises(StateStoreError, match="is corrupt"):
        store.get_many(S, [b"%06d" % n for n in range(2_000)])
    store.close()


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE tracked_rows SET targets=x'c1'", "tracked target keys"),
        ("UPDATE tracked_rows SET memo=x'0102'", "references to cached calls"),
        ("INSERT INTO attempts SELECT row_id, x'c1' FROM tracking", "staged target keys"),
        ("INSERT INTO setup VALUES('f', 't', 'k', '{', '[]')", "setup metadata"),
    ],
)
def test_values_that_do_not_read(tmp_path: Path, statement: str, match: str) -> None:
    path = tmp_path / "state.db"
    store = opened(path)
    store.commit(S, [commit_row(1)])
    store.close()
    change_file(path, statement)
    store = opened(path)
    with pytest.raises(StateStoreError, match=f"{path} is corrupt .{match}.*restore a backup"):
        [store.get_many(S, [b"000001"]), store.setup_records()]
    store.close()


# -- places that cannot be used -------------------------------------------------------------------
def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(StateStoreError, match=f"{tmp_path} cannot be written"):
        SqliteStore(str(tmp_path)).open()


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(StateStoreError, match=r"cannot be created or opened: .*COCO_STATE_URL"):
        SqliteStore(str(tmp_path / "x" / "state.db")).open()


def test_a_full_disk_loses_only_the_transaction(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(str(path), pragmas={"max_page_count": 60})
    store.open()
    done = 0

    def fill() -> None:
        nonlocal done
        while done < 10_000:
            store.commit(S, [commit_row(n, weight=300) for n in range(done, done + 20)])
            done += 20

    with pytest.raises(StateStoreError, match=r"disk is full. Free some room") as caught:
        fill()
    assert str(path) in str(caught.value) and done > 0
    assert len(list(store.get_heads(S, [b"%06d" % n for n in range(10_000)]))) == done
    with pytest.raises(StateStoreError, match="disk is full"):
        store.memo_put_many([(LOGIC, bytes(300_000))])
    assert store.memo_stats() == (0, 0)
    store.close()
    store = opened(path)  # there is room again
    store.commit(S, [commit_row(n, weight=300) for n in range(done, done + 20)])
    assert sum(map(len, store.scan(S))) == done + 20
    store.close()


def test_a_full_disk_at_the_first_open(tmp_path: Path) -> None:
    with pytest.raises(StateStoreError, match="disk is full"):
        SqliteStore(str(tmp_path / "state.db"), pragmas={"max_page_count": 3}).open()
    opened(tmp_path / "state.db").close()


# -- locks ----------------------------------------------------------------------------------------
def test_a_locked_file_is_waited_for_and_then_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    holder = opened(path)
    holder.acquire_lease("app.docs", "host/42/token", 600)
    store = SqliteStore(str(path), busy_timeout_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.open()
    assert list(store.scan(S)) == [], "readers need not wait"
    assert store.acquire_lease("app.docs", "me", 60) is not None, "nor does who waits for a lease"
    with pytest.raises(
        StateStoreError, match=r"is locked by another process .*waited 0.05 s.*try again"
    ) as caught:
        store.commit(S, [commit_row(1)])
    assert str(path) in str(caught.value)
    assert "process 42 on host works on flow 'app.docs'" in str(caught.value)
    assert caught.value.recovery is Recovery.RETRIABLE
    other.execute("ROLLBACK")
    store.commit(S, [commit_row(1)])
    assert sum(map(len, store.scan(S))) == 1
    other.close()
    store.close()
    holder.close()


def test_a_file_locked_at_the_first_open(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    (tmp_path / "state.db-new").touch()  # another process makes the file just now
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StateStoreError, match="is locked") as caught:
        SqliteStore(str(path), busy_timeout_seconds=0.05).open()
    assert caught.value.recovery is Recovery.RETRIABLE
    other.execute("ROLLBACK")
    other.close()
    opened(path).close()


def test_two_stores_of_one_process_see_each_other(tmp_path: Path) -> None:
    one, two = opened(tmp_path / "state.db"), opened(tmp_path / "state.db")
    assert one.stage(S, [StageRow(b"a", -1, 1, {})]) == [True]
    assert two.stage(S, [StageRow(b"a", -1, 2, {})]) == [False]
    one.close()
    assert list(two.get_heads(S, [b"a"])) == [b"a"]
    two.close()
