"""A store behaves as a few dictionaries do, whatever comes in which order and however often it is reopened."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis_profiles import examples

from coco.state.memory import MemoryStore
from coco.state.protocol import (
    CollapseRow,
    CommitRow,
    Failure,
    Head,
    Owner,
    OwnerChange,
    StageRow,
    StateStore,
    TargetKeys,
    Tracked,
)
from coco.state.sqlite import SqliteStore, retention, tracking

SOURCES = (1, 2)
TARGETS = (10, 11)
KEYS = (b"", b"a", b"a\x00")
FPS = tuple(bytes([n]) * 16 for n in range(4))
LOGIC = b"l" * 16

sources = st.sampled_from(SOURCES)
keys = st.sampled_from(KEYS)
fps = st.sampled_from(FPS)
pairs = st.dictionaries(keys, fps | st.just(b""), min_size=1, max_size=3)
plans = st.dictionaries(st.sampled_from(TARGETS), pairs, max_size=2)
real_plans = st.dictionaries(st.sampled_from(TARGETS), pairs, min_size=1, max_size=2)
memo_refs = st.lists(fps, max_size=3, unique=True)


@dataclass
class Row:
    """``attempts``: what each open attempt staged, by ordinal; nothing is ever joined here."""

    head: Head
    targets: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    memo: tuple[bytes, ...] = ()
    attempts: dict[int, dict[int, dict[bytes, bytes]]] = field(default_factory=dict)

    def staged(self) -> dict[int, dict[bytes, bytes]]:
        seen: dict[int, dict[bytes, set[bytes]]] = {}
        for plan in self.attempts.values():
            for target, rows in plan.items():
                for key, fp in rows.items():
                    seen.setdefault(target, {}).setdefault(key, set()).add(fp)
        return {
            target: {key: next(iter(found)) if len(found) == 1 else b"" for key, found in rows.items()}
            for target, rows in seen.items()
        }


def as_targets(plan: dict[int, dict[bytes, bytes]]) -> dict[int, TargetKeys]:
    return {target: TargetKeys(LOGIC, tuple(rows.items())) for target, rows in plan.items()}


def as_plain(targets: dict[int, TargetKeys]) -> dict[int, dict[bytes, bytes]]:
    for keys in targets.values():
        assert keys.logic_fp == LOGIC and len(dict(keys.rows)) == len(keys.rows)
    return {target: dict(keys.rows) for target, keys in targets.items()}


class Model(RuleBasedStateMachine):
    """The file store; a subclass takes the one in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.rows: dict[tuple[int, bytes], Row] = {}
        self.failures: dict[tuple[int, bytes], Failure] = {}
        self.owners: dict[tuple[int, bytes, int, bytes], tuple[bytes, int]] = {}
        self.counts: dict[int, int] = {}
        self.memo: dict[bytes, bytes] = {}
        self.used: dict[tuple[int, bytes], set[bytes]] = {}
        self.released: dict[bytes, int] = {}
        self.clock = 0
        self.store: StateStore = self.make()

    def make(self) -> StateStore:
        return SqliteStore(str(Path(self.folder.name) / "state.db"))

    @initialize()
    def start(self) -> None:
        self.store.open()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.make()
        self.store.open()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    # -- steps ------------------------------------------------------------------------------------
    @rule(source=sources, plans=st.dictionaries(keys, plans, max_size=4), stale=st.sets(keys))
    def stage(
        self, source: int, plans: dict[bytes, dict[int, dict[bytes, bytes]]], stale: set[bytes]
    ) -> None:
        self.clock += 1
        rows, expected = [], []
        for key, plan in plans.items():
            known = self.rows.get((source, key))
            begun = known.head.max_process_ordinal if known is not None else -1
            rows.append(StageRow(key, begun + (7 if key in stale else 0), self.clock, as_targets(plan)))
            expected.append(key not in stale)
            if key in stale:
                continue
            failed = (source, key) in self.failures
            row = self.rows.setdefault((source, key), Row(Head(None, None, None, 0, 0, 0, None, failed)))
            row.head = row.head._replace(max_process_ordinal=self.clock)
            if plan:
                row.attempts[self.clock] = plan
        assert self.store.stage(source, rows) == expected

    @rule(
        source=sources,
        made=st.dictionaries(keys, st.tuples(plans, memo_refs, fps), max_size=4),
        gone=st.sets(keys, max_size=3),
        owned=st.dictionaries(keys, fps | st.none(), max_size=3),
        late=st.sampled_from((0, 0, 1, 2, 3)),
    )
    def commit(
        self,
        source: int,
        made: dict[bytes, tuple[dict[int, dict[bytes, bytes]], list[bytes], bytes]],
        gone: set[bytes],
        owned: dict[bytes, bytes | None],
        late: int,
    ) -> None:
        """``late``: how far behind the newest attempt the committed one is."""
        self.clock += 1
        gone -= made.keys()
        ordinal = max(self.clock - late, 1)
        rows = [
            CommitRow(key, ordinal, self.clock, fp, LOGIC, self.clock, 5, as_targets(plan), tuple(refs))
            for key, (plan, refs, fp) in made.items()
        ]
        changes = [
            OwnerChange(10, target_key, source, key, fp, ordinal)
            for target_key, fp in owned.items()
            for key in sorted({*made, *gone})
        ]
        self.store.commit(
            source, rows, removed=[(key, ordinal) for key in gone], owners=changes, row_counts={10: 3}
        )
        self.counts[10] = self.counts.get(10, 0) + 3
        left = {key for key in {*made, *gone} if self._done(source, key) >= ordinal}
        for key, (plan, refs, fp) in made.items():
            if key not in left:
                self._finish(source, key, ordinal)
                row = self.rows.setdefault((source, key), Row(Head(None, None, None, 0, 0, 0, None, False)))
                begun = max(row.head.max_process_ordinal, ordinal)
                row.head = Head(self.clock, fp, LOGIC, ordinal, begun, self.clock, 5, False)
                row.targets, row.memo = plan, tuple(refs)
        for key in gone - left:
            self._finish(source, key, ordinal)
            found = self.rows.get((source, key))
            if found is not None and found.head.max_process_ordinal > ordinal:
                found.head = found.head._replace(
                    ordinal=None,
                    content_fp=None,
                    logic_fp=None,
                    size=None,
                    process_ordinal=ordinal,
                    failed=False,
                )
                found.targets, found.memo = {}, ()
            else:
                self.rows.pop((source, key), None)
        for item in changes:
            if item.source_key not in left:
                who = (item.target_id, item.target_key, source, item.source_key)
                self.owners.pop(who, None)
                if item.row_fp is not None:
                    self.owners[who] = (item.row_fp, ordinal)

    @rule(source=sources, key=keys, first=plans, second=real_plans, gone=st.booleans())
    def overtake(
        self,
        source: int,
        key: bytes,
        first: dict[int, dict[bytes, bytes]],
        second: dict[int, dict[bytes, bytes]],
        gone: bool,
    ) -> None:
        """A second process takes the row up before the first one commits."""
        self.stage(source, {key: first}, set())
        self.stage(source, {key: second}, set())
        self.commit(source, {} if gone else {key: (first, [], LOGIC)}, {key} if gone else set(), {}, 2)

    def _done(self, source: int, key: bytes) -> int:
        row = self.rows.get((source, key))
        return row.head.process_ordinal if row is not None else -1

    def _finish(self, source: int, key: bytes, ordinal: int) -> None:
        self.failures.pop((source, key), None)
        row = self.rows.get((source, key))
        if row is not None:
            row.attempts = {begun: plan for begun, plan in row.attempts.items() if begun > ordinal}

    @rule(source=sources, key=keys, off=st.booleans())
    def collapse(self, source: int, key: bytes, off: bool) -> None:
        row = self.rows.get((source, key))
        expected = (row.head.process_ordinal if row is not None else 3) + off
        fits = row is not None and not off and row.head.max_process_ordinal == expected
        item = CollapseRow(key, expected, 77, FPS[0], 88, 99)
        assert self.store.collapse(source, [item]) == int(fits)
        if row is not None and fits:
            row.head = row.head._replace(ordinal=77, content_fp=FPS[0], read_at=88, size=99)

    @rule(source=sources, chosen=st.sets(keys, max_size=3), quarantined=st.booleans())
    def fail(self, source: int, chosen: set[bytes], quarantined: bool) -> None:
        self.clock += 1
        records = [
            Failure(
                source, key, "read", "op", "Error", "why", 1, self.clock, self.clock, quarantined=quarantined
            )
            for key in chosen
        ]
        self.store.put_failures(records)
        for item in records:
            self.failures[source, item.key] = item
            self._mark(source, item.key, True)

    @rule(source=sources, chosen=st.sets(keys, max_size=3))
    def clear(self, source: int, chosen: set[bytes]) -> None:
        self.store.clear_failures(source, sorted(chosen))
        for key in chosen:
            self.failures.pop((source, key), None)
            self._mark(source, key, False)

    def _mark(self, source: int, key: bytes, failed: bool) -> None:
        row = self.rows.get((source, key))
        if row is not None:
            row.head = row.head._replace(failed=failed)

    @rule(entries=st.lists(st.tuples(fps, st.binary(max_size=20)), max_size=4))
    def remember(self, entries: list[tuple[bytes, bytes]]) -> None:
        self.store.memo_put_many(entries)
        self.memo.update(entries)

    @rule(keep=st.none() | st.integers(0, 40))
    def collect(self, keep: int | None) -> None:
        """Only what no row refers to goes; with a limit no more than it takes."""
        live = {fp for row in self.rows.values() for fp in row.memo}
        loose = self.memo.keys() - live
        before = sum(map(len, self.memo.values()))
        deleted = self.store.memo_collect(keep)
        left = self.store.memo_get_many(FPS)
        gone = self.memo.keys() - left.keys()
        assert len(gone) == deleted and gone <= loose
        after = sum(map(len, left.values()))
        if keep is None:
            assert gone == loose
            self.released.clear()
        elif before <= keep:
            assert not gone
        else:
            assert after <= keep or gone == loose
            assert all(after + len(self.memo[fp]) > keep for fp in gone) or len(gone) > 1
        self.memo = left

    @rule(alive=st.none() | st.sets(sources))
    def expire(self, alive: set[int] | None) -> None:
        """What rows gave up and none uses goes; what no row has used yet stays."""
        live = {fp for row in self.rows.values() for fp in row.memo}
        released = {fp for fp, source in self.released.items() if alive is None or source not in alive}
        deleted = self.store.memo_expire("f", 1, kept_seconds=0 if alive is None else 1e6, sources=alive)
        gone = (released & self.memo.keys()) - live
        assert deleted == len(gone)
        self.memo = {fp: value for fp, value in self.memo.items() if fp not in gone}
        self.released = {fp: source for fp, source in self.released.items() if fp not in released}

    @invariant()
    def note_what_rows_gave_up(self) -> None:
        now = {key: set(row.memo) for key, row in self.rows.items()}
        for key, before in self.used.items():
            for fp in before - now.get(key, set()):
                self.released[fp] = key[0]
        self.used = now

    @rule(source=sources)
    def drop_source(self, source: int) -> None:
        self.store.drop_sources([source])
        self.rows = {key: row for key, row in self.rows.items() if key[0] != source}
        self.failures = {key: item for key, item in self.failures.items() if key[0] != source}
        self.owners = {key: item for key, item in self.owners.items() if key[2] != source}

    @rule()
    def drop_target(self) -> None:
        self.store.drop_target_keys([10])
        self.owners.clear()
        self.counts.clear()

    # -- what must hold ---------------------------------------------------------------------------
    @invariant()
    def tracking_agrees(self) -> None:
        for source in SOURCES:
            mine = {key: row for (owner, key), row in self.rows.items() if owner == source}
            scanned = [item for batch in self.store.scan(source, 2) for item in batch]
            assert scanned == [(key, mine[key].head) for key in sorted(mine)]
            assert self.store.get_heads(source, KEYS) == {key: row.head for key, row in mine.items()}
            found = self.store.get_many(source, KEYS)
            assert found.keys() == mine.keys()
            for key, item in found.items():
                assert self._plain(item) == (
                    mine[key].head,
                    mine[key].targets,
                    mine[key].staged(),
                    mine[key].memo,
                )

    @staticmethod
    def _plain(item: Tracked) -> tuple[object, ...]:
        return item.head, as_plain(dict(item.targets)), as_plain(dict(item.staged)), item.memo

    @invariant()
    def the_rest_agrees(self) -> None:
        for source in SOURCES:
            assert self.store.get_failures(source) == {
                key: item for (owner, key), item in self.failures.items() if owner == source
            }
        owners: dict[bytes, list[Owner]] = {}
        for (_, target_key, source, key), (fp, ordinal) in sorted(self.owners.items()):
            owners.setdefault(target_key, []).append(Owner(source, key, fp, ordinal))
        assert self.store.get_owners(10, KEYS) == owners
        assert self.store.row_counts([10]) == {10: self.counts.get(10, 0)}
        assert self.store.memo_get_many(FPS) == self.memo
        assert self.store.memo_stats() == (len(self.memo), sum(map(len, self.memo.values())))


class MemoryModel(Model):
    """The same rules; nothing outlives closing, so it is not reopened."""

    def make(self) -> StateStore:
        return MemoryStore()

    def reopen(self) -> None:
        """Not a rule here."""


SETTINGS = settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))
HUNTED = 300
"""Histories within which each mutant has to be found, whatever the profile."""


@pytest.mark.parametrize("machine", [Model, MemoryModel])
def test_the_store_agrees_with_the_model(machine: type[Model]) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)


MUTANTS: dict[str, tuple[ModuleType, str, Callable[..., Any]]] = {
    "earlier attempts forgotten": (
        tracking,
        "add_attempt",
        lambda earlier, ordinal, staged: ((ordinal, staged),) if staged else (),
    ),
    "newer attempts forgotten": (tracking, "newer_attempts", lambda attempts, ordinal: ()),
    "attempts joined by the last word": (tracking, "join_attempts", lambda attempts: attempts[-1][1]),
    "references not seen": (retention, "_split_all", lambda memos: []),
    "failures not marked": (tracking, "keys_with_failures", lambda db, source_id, keys: set()),
    "owners kept": (tracking, "change_owners", lambda db, changes: None),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_model_notices_a_store_that_is_wrong_in_one_way(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*MUTANTS[name])
    hunt = settings(
        SETTINGS,
        max_examples=HUNTED,
        stateful_step_count=25,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(MemoryModel, settings=hunt)
    assert Path(caught.traceback[-1].path) == Path(__file__), "the model noticed, nothing else"
