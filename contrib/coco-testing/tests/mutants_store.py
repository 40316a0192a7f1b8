"""Stores that are wrong in one way each. ``kills``: checks that must fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from shared_stores import BelievesAll, LeasesInMemory, LooksThenWrites, ReadsOnce

from coco.state import MemoryStore, SqliteStore, Tracked
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.store_suite import ALL_STORE_ABILITIES, StoreSuite

M: Any = MemoryStore
MEMORY = dict.fromkeys(ALL_STORE_ABILITIES, UNSUPPORTED("it is memory"))


def mutant(name: str, *kills: str, abilities: Any = MEMORY, suite: Any = None, **methods: Any) -> Any:
    store_cls: Any = type(f"{name}Store", (MemoryStore,), methods)

    def make(self: Any) -> Iterator[MemoryStore]:
        store = store_cls()
        store.open()
        yield store
        store.close()

    body = {
        "kills": kills,
        "abilities": claim(ALL_STORE_ABILITIES, abilities),
        "store": pytest.fixture(make, name="store"),
        **(suite or {}),
    }
    return type(f"Test{name}", (StoreSuite,), body)


def _changed(tracked: Any, **changes: Any) -> Any:
    return {key: structs.replace(item, **changes) for key, item in tracked.items()}


def _stages_nothing(self: Any, source: int, rows: Any) -> Any:
    return M.stage(self, source, [structs.replace(row, staged={}) for row in rows])


def _takes_all(self: Any, source: int, rows: Any) -> Any:
    heads = self.get_heads(source, [row.key for row in rows])
    current = {key: head.max_process_ordinal for key, head in heads.items()}
    return M.stage(self, source, [structs.replace(row, expected=current.get(row.key, -1)) for row in rows])


def _any_attempt(self: Any, source: int, rows: Any) -> Any:
    return M.stage(
        self,
        source,
        [structs.replace(row, process_ordinal=max(row.process_ordinal, row.expected + 1)) for row in rows],
    )


def _remembers_the_last(self: Any, source: int, rows: Any) -> Any:
    self.__dict__.setdefault("last", {}).update({(source, row.key): row.staged for row in rows})
    return M.stage(self, source, rows)


def _only_the_last(self: Any, source: int, keys: Any) -> Any:
    last = self.__dict__.get("last", {})
    found = M.get_many(self, source, keys)
    return {
        key: Tracked(item.head, item.targets, last.get((source, key), {}) if item.staged else {}, item.memo)
        for key, item in found.items()
    }


def _no_memo(self: Any, source: int, rows: Any, **more: Any) -> None:
    M.commit(self, source, [structs.replace(row, memo=()) for row in rows], **more)


def _always_newer(self: Any, source: int, rows: Any, **more: Any) -> None:
    heads = self.get_heads(source, [row.key for row in rows])
    newer = [
        structs.replace(row, process_ordinal=max(row.process_ordinal, heads[row.key].process_ordinal + 1))
        if row.key in heads
        else row
        for row in rows
    ]
    M.commit(self, source, newer, **more)


def _clears_staged(self: Any, source: int, keys: Any) -> Any:
    found = M.get_many(self, source, keys)
    return {
        key: item if not item.head.process_ordinal else _changed({key: item}, staged={})[key]
        for key, item in found.items()
    }


def _keeps_removed(self: Any, source: int, rows: Any, *, removed: Any = (), **more: Any) -> None:
    M.commit(self, source, rows, **more)


def _removes_anyway(self: Any, source: int, rows: Any, *, removed: Any = (), **more: Any) -> None:
    M.commit(self, source, rows, removed=[(key, ordinal + 1_000) for key, ordinal in removed], **more)


def _sets_counts(self: Any, source: int, rows: Any, *, row_counts: Any = None, **more: Any) -> None:
    M.commit(self, source, rows, **more)
    self.set_row_counts(row_counts or {})


def _keeps_owners(self: Any, source: int, rows: Any, *, owners: Any = (), **more: Any) -> None:
    M.commit(self, source, rows, owners=[item for item in owners if item.row_fp is not None], **more)


def _backwards(self: Any, source: int, batch_rows: int = 10_000) -> Any:
    for batch in M.scan(self, source, batch_rows):
        yield batch[::-1]


def _no_replacement(self: Any, entries: Any) -> None:
    known = self.memo_get_many([fp for fp, _ in entries])
    M.memo_put_many(self, [(fp, value) for fp, value in entries if fp not in known])


def _keeps_setup(self: Any, flow: str, expected: int, writes: Any) -> int:
    return int(M.setup_write(self, flow, expected, [item for item in writes if item.state or item.staging]))


def _last_wins(self: Any, flow: str, expected: int, writes: Any) -> int:
    return int(M.setup_write(self, flow, self.setup_version(flow), writes))


def _reopens(self: Any, source: int, keys: Any) -> Any:
    self.open()
    return M.get_heads(self, source, keys)


def _keeps_cursors(self: Any, source_ids: Any) -> None:
    kept = {item: self.get_cursor(item, "c") for item in source_ids}
    M.drop_sources(self, source_ids)
    for item, value in kept.items():
        self.put_cursor(item, "c", value)


TestEmptyCursor = mutant(
    "EmptyCursor",
    "test_empty_store",
    get_cursor=lambda self, source, name: M.get_cursor(self, source, name) or b"",
)
TestStagesNothing = mutant("StagesNothing", "test_staging", stage=_stages_nothing)
TestTakesAll = mutant("TakesAll", "test_staging_checks_each_row", stage=_takes_all)
TestAnyAttempt = mutant("AnyAttempt", "test_attempts_only_grow", stage=_any_attempt)
TestOnlyTheLast = mutant(
    "OnlyTheLast", "test_staging_again", stage=_remembers_the_last, get_many=_only_the_last
)
TestNoMemo = mutant("NoMemo", "test_committing", commit=_no_memo)
TestAlwaysNewer = mutant("AlwaysNewer", "test_an_older_commit_is_left_alone", commit=_always_newer)
TestClearsStaged = mutant(
    "ClearsStaged", "test_a_commit_leaves_a_newer_attempt_open", get_many=_clears_staged
)
TestKeepsRemoved = mutant("KeepsRemoved", "test_removing", commit=_keeps_removed)
TestRemovesAnyway = mutant(
    "RemovesAnyway",
    "test_removing",
    "test_removing_while_a_newer_attempt_is_open",
    commit=_removes_anyway,
)
TestCountsWrongly = mutant(
    "CountsWrongly",
    "test_collapsing",
    collapse=lambda self, s, rows: M.collapse(self, s, rows) and len(rows),
)
TestBackwards = mutant("Backwards", "test_scanning", scan=_backwards)
TestFewKeys = mutant(
    "FewKeys",
    "test_many_rows_and_large_numbers",
    get_heads=lambda self, source, keys: M.get_heads(self, source, keys[:999]),
)
TestKeepsCursors = mutant("KeepsCursors", "test_dropping_sources", drop_sources=_keeps_cursors)
TestSetsCounts = mutant("SetsCounts", "test_row_counts", commit=_sets_counts)
TestKeepsOwners = mutant("KeepsOwners", "test_owners", commit=_keeps_owners)
TestNeverClears = mutant("NeverClears", "test_failures", clear_failures=lambda self, source, keys: None)
TestNoReplacement = mutant("NoReplacement", "test_memo", memo_put_many=_no_replacement)
TestCollectsAll = mutant(
    "CollectsAll", "test_collecting_the_memo", memo_collect=lambda self, keep_bytes=None: M.memo_collect(self)
)
TestExpiresAll = mutant(
    "ExpiresAll",
    "test_releasing_results",
    memo_expire=lambda self, flow, source, **more: M.memo_collect(self),
)
TestForgetsRuns = mutant("ForgetsRuns", "test_results_of_runs", memo_begin=lambda self, flow: True)
TestKeepsSetup = mutant("KeepsSetup", "test_setup", setup_write=_keeps_setup)
TestLastWins = mutant("LastWins", "test_setup_of_two_processes", setup_write=_last_wins)
TestSameIds = mutant("SameIds", "test_ids", allocate_ids=lambda self, count: list(range(1, count + 1)))
TestOneCursor = mutant(
    "OneCursor",
    "test_cursors",
    put_cursor=lambda self, source, name, value: M.put_cursor(self, 1, name, value),
    get_cursor=lambda self, source, name: M.get_cursor(self, 1, name),
)
TestLeasesToAll = mutant("LeasesToAll", "test_leases", acquire_lease=lambda self, flow, holder, seconds: None)
TestReopens = mutant("Reopens", "test_closed", get_heads=_reopens)
TestSaysDurable = mutant("SaysDurable", "test_survives_a_restart", abilities=None)


def _fresh(self: Any, store: Any) -> MemoryStore:
    store.close()
    store.open()
    return store  # type: ignore[no-any-return]


TestLosesAll = mutant("LosesAll", "test_survives_a_restart", abilities=None, suite={"reopened": _fresh})


# -- two handles ------------------------------------------------------------------------------------
def shared(store_cls: type[SqliteStore], check: str) -> Any:
    def make(self: Any, tmp_path: Path) -> Iterator[SqliteStore]:
        self.path = str(tmp_path / "state.db")
        store = store_cls(self.path)
        store.open()
        yield store
        store.close()

    body = {
        "kills": (f"{check}[shared.handles]", f"{check}[shared.processes]"),
        "abilities": claim(ALL_STORE_ABILITIES),
        "store": pytest.fixture(make, name="store"),
        "opener": lambda self, store: (store_cls, (self.path,)),
    }
    return type(f"Test{store_cls.__name__}", (StoreSuite,), body)


TestLeasesInMemory = shared(LeasesInMemory, "test_leases_of_two")
TestReadsOnce = shared(ReadsOnce, "test_commits_of_two")
TestBelievesAll = shared(BelievesAll, "test_attempts_of_two")
TestLooksThenWrites = shared(LooksThenWrites, "test_race_of_two")
TestDeniesSharing = mutant(
    "DeniesSharing",
    "test_leases_of_two[shared.handles]",
    abilities={**MEMORY, "shared.handles": NOT_IMPLEMENTED},
    suite={"opener": lambda self, store: (lambda: store, ())},
)
