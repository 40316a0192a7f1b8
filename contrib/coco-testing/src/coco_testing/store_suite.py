"""The laws of state stores (``coco.state.protocol``; DESIGN section 5).

Subclass ``StoreSuite`` as ``TestSomething``, with a fixture ``store``. Each check's docstring says what it catches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import pytest

from coco.errors import SetupConflictError, StateStoreError
from coco.state.protocol import (
    CollapseRow,
    CommitRow,
    Failure,
    Head,
    Owner,
    OwnerChange,
    SetupRecord,
    SetupWrite,
    StageRow,
    StateStore,
    TargetKeys,
    unfinished,
)
from coco_testing.abilities import RefusedError
from coco_testing.suite import Suite, check

STORE_ABILITIES: tuple[str, ...] = ("durable",)
MANY = 3_000
BIG, SMALL = 2**63 - 1, -(2**63)


def fp(number: int) -> bytes:
    """A fingerprint."""
    return number.to_bytes(16, "big")


def key(number: int) -> bytes:
    """A packed key, of any bytes, in numeric order."""
    return b"k\x00\xff" + number.to_bytes(4, "big")


def target_keys(*numbers: int) -> TargetKeys:
    """What a source row has in a target."""
    return TargetKeys(fp(9), tuple((b"t" + key(number), fp(number)) for number in numbers))


def committed(number: int, attempt: int = 1, **changes: Any) -> CommitRow:
    """A row to commit; ``attempt``: the process ordinal."""
    fields: dict[str, Any] = {
        "key": key(number),
        "process_ordinal": attempt,
        "ordinal": 100 + number,
        "content_fp": fp(number),
        "logic_fp": fp(7),
        "read_at": 1_000,
        "size": 5,
        "targets": {1: target_keys(number)},
        "memo": (fp(50), fp(51)),
    }
    return CommitRow(**{**fields, **changes})


def failure(number: int, source: int = 1, attempts: int = 1) -> Failure:
    """A failure to record."""
    return Failure(
        source, key(number), "evaluate", "f", "ValueError", "näh", attempts, 1, 2, b"v", fp(3), attempts > 4
    )


class StoreSuite(Suite, kit=True):
    """Subclass it. Must give: the fixture ``store``. May give: ``reopened``."""

    all_abilities: ClassVar[tuple[str, ...]] = STORE_ABILITIES
    open_names: ClassVar[frozenset[str]] = frozenset({"store", "reopened"})

    @pytest.fixture
    def store(self) -> Any:
        """Must give: an empty store, opened; the fixture closes it."""
        raise NotImplementedError("give the fixture `store`")

    def reopened(self, store: Any) -> StateStore | None:
        """May give: the store as another process would find it after this one ended. None: it is gone."""
        return None

    @staticmethod
    def stage(store: StateStore, *numbers: int, expected: int = -1, ordinal: int = 1) -> list[bool]:
        """Stage rows of source 1, each with one key in target 1."""
        rows = [StageRow(key(item), expected, ordinal, {1: target_keys(item)}) for item in numbers]
        return store.stage(1, rows)

    @staticmethod
    def scanned(store: StateStore, source: int = 1, batch: int = 10_000) -> list[tuple[bytes, Head]]:
        """All rows of a source."""
        return [row for rows in store.scan(source, batch) for row in rows]

    # -- tracking ---------------------------------------------------------------------------------
    @check()
    def test_empty_store(self, store: StateStore) -> None:
        """Nothing is known of anything; being asked for it, or for nothing, is no error."""
        assert isinstance(store, StateStore)
        assert self.scanned(store) == []
        assert store.get_heads(1, [key(1)]) == store.get_heads(1, []) == {}
        assert store.get_many(1, [key(1)]) == store.get_many(1, []) == {}
        assert store.stage(1, []) == []
        assert store.collapse(1, []) == 0
        store.commit(1, [])
        assert store.row_counts([1, 2]) == {1: 0, 2: 0}
        assert store.get_owners(1, [key(1)]) == {}
        assert store.get_failures(1) == {}
        assert store.memo_get_many([fp(1)]) == store.memo_get_many([]) == {}
        assert store.memo_stats() == (0, 0)
        assert store.memo_collect() == 0
        assert (store.setup_version("f"), store.setup_records(), store.flows()) == (0, [], [])
        assert store.get_cursor(1, "c") is None
        assert store.location
        assert store.facts()

    @check()
    def test_staging(self, store: StateStore) -> None:
        """A staged row is tracked, unfinished, and tells what may be written; nothing of it is true yet."""
        assert self.stage(store, 1, 2) == [True, True]
        found = store.get_many(1, [key(1), key(3)])
        assert set(found) == {key(1)}
        assert unfinished(found[key(1)].head)
        assert found[key(1)].staged == {1: target_keys(1)}
        assert found[key(1)].targets == {}
        assert store.get_heads(1, [key(2)])[key(2)].max_process_ordinal == 1
        assert self.scanned(store, 2) == []

    @check()
    def test_staging_checks_each_row(self, store: StateStore) -> None:
        """Rows that somebody else took up meanwhile are refused one by one, and left as they are."""
        self.stage(store, 1)
        rows = [
            StageRow(key(1), -1, 2, {1: target_keys(8)}),  # no longer untracked
            StageRow(key(2), -1, 2, {}),
            StageRow(key(3), 1, 2, {}),  # never tracked
            StageRow(key(4), 0, 2, {}),
        ]
        assert store.stage(1, rows) == [False, True, False, False]
        assert store.get_many(1, [key(1)])[key(1)].staged == {1: target_keys(1)}
        assert set(store.get_heads(1, [key(item) for item in range(5)])) == {key(1), key(2)}

    @check()
    def test_staging_again(self, store: StateStore) -> None:
        """The next attempt raises the counter; what earlier ones may have written stays known beside it.

        Where two attempts meant different things for one target row, nothing can be said of it (``b""``).
        """
        self.stage(store, 1)
        planned = {1: TargetKeys(fp(4), ((b"t1", b""), (b"t2", fp(2)))), 2: target_keys(5)}
        assert store.stage(1, [StageRow(key(1), 1, 2, planned)]) == [True]
        found = store.get_many(1, [key(1)])[key(1)]
        assert found.head.max_process_ordinal == 2
        assert dict(found.staged[1].rows) == {b"t1": b"", b"t2": fp(2), b"t" + key(1): fp(1)}
        assert dict(found.staged[2].rows) == dict(target_keys(5).rows)
        other = {1: TargetKeys(fp(4), ((b"t2", fp(3)),))}
        assert store.stage(1, [StageRow(key(1), 2, 3, other)]) == [True]
        assert dict(store.get_many(1, [key(1)])[key(1)].staged[1].rows)[b"t2"] == b""

    @check()
    def test_attempts_only_grow(self, store: StateStore) -> None:
        """An attempt that is no newer than the last one is refused."""
        self.stage(store, 1, ordinal=5)
        for attempt in (4, 5):
            assert store.stage(1, [StageRow(key(1), 5, attempt, {})]) == [False]
        assert store.stage(1, [StageRow(key(1), 5, 6, {})]) == [True]

    @check()
    def test_committing(self, store: StateStore) -> None:
        """A commit says what is true, to the last bit, and clears what was staged."""
        self.stage(store, 1, 2)
        rows = [
            committed(1, targets={1: target_keys(1, 2), 2: target_keys()}),
            committed(2, content_fp=None, size=None, targets={}, memo=()),
        ]
        store.commit(1, rows)
        found = store.get_many(1, [key(1), key(2)])
        assert found[key(1)].head == Head(101, fp(1), fp(7), 1, 1, 1_000, 5, False)
        assert found[key(1)].targets == {1: target_keys(1, 2), 2: target_keys()}
        assert found[key(1)].staged == {}
        assert found[key(1)].memo == (fp(50), fp(51))
        assert found[key(2)].head == Head(102, None, fp(7), 1, 1, 1_000, None, False)
        assert (found[key(2)].targets, found[key(2)].memo) == ({}, ())
        assert not unfinished(found[key(1)].head)

    @check()
    def test_an_older_commit_is_left_alone(self, store: StateStore) -> None:
        """Who processed last wins, whoever commits last."""
        self.stage(store, 1)
        self.stage(store, 1, expected=1, ordinal=2)
        store.commit(1, [committed(1, 2, ordinal=7)])
        store.commit(1, [committed(1, 1, ordinal=6, targets={}), committed(2, 1)])
        store.commit(1, [committed(1, 2, ordinal=5, targets={})])
        found = store.get_many(1, [key(1), key(2)])
        assert found[key(1)].head.ordinal == 7
        assert found[key(1)].targets == {1: target_keys(1)}
        assert key(2) in found, "a row was lost because its neighbour was old"

    @check()
    def test_a_commit_leaves_a_newer_attempt_open(self, store: StateStore) -> None:
        """While a newer attempt is under way the row stays unfinished, and what that one staged stays known.

        If it fails: the newer attempt dies, and what it wrote is never found again.
        """
        self.stage(store, 1)
        newer = {1: target_keys(1, 8)}
        store.stage(1, [StageRow(key(1), 1, 2, newer)])
        store.commit(1, [committed(1, 1)])
        found = store.get_many(1, [key(1)])[key(1)]
        assert unfinished(found.head)
        assert (found.head.process_ordinal, found.head.max_process_ordinal) == (1, 2)
        assert found.staged == newer
        assert found.targets == {1: target_keys(1)}

    @check()
    def test_removing(self, store: StateStore) -> None:
        """Removed rows are forgotten with their failures; others, and those of other sources, stay.

        A removal that is older than what is committed is left alone.
        """
        store.commit(1, [committed(1), committed(2), committed(3, 5)])
        store.commit(2, [committed(1)])
        store.put_failures([failure(1), failure(2)])
        store.commit(1, [committed(4)], removed=[(key(1), 2), (key(3), 4), (key(9), 1)])
        assert set(store.get_heads(1, [key(item) for item in range(10)])) == {key(2), key(3), key(4)}
        assert store.get_many(1, [key(1)]) == {}
        assert set(store.get_failures(1)) == {key(2)}
        assert set(store.get_heads(2, [key(1)])) == {key(1)}
        assert self.stage(store, 1) == [True], "a forgotten row counts as untracked again"

    @check()
    def test_removing_while_a_newer_attempt_is_open(self, store: StateStore) -> None:
        """The row stays, unfinished and without committed keys; what the newer attempt staged stays known."""
        store.commit(1, [committed(1)])
        assert self.stage(store, 1, expected=1, ordinal=3) == [True]
        store.commit(1, [], removed=[(key(1), 2)])
        found = store.get_many(1, [key(1)])[key(1)]
        assert unfinished(found.head)
        assert found.targets == {}
        assert found.staged == {1: target_keys(1)}

    @check()
    def test_collapsing(self, store: StateStore) -> None:
        """A moved ordinal is noted only where nothing else happened; the answer is how many were."""
        store.commit(1, [committed(1), committed(2), committed(3)])
        self.stage(store, 2, expected=1, ordinal=2)
        rows = [CollapseRow(key(item), 1, 500, fp(5), 2_000, 6) for item in (1, 2, 9)]
        rows.append(CollapseRow(key(3), 2, 500, fp(5), 2_000, 6))
        assert store.collapse(1, rows) == 1
        heads = store.get_heads(1, [key(1), key(2), key(3)])
        assert heads[key(1)] == Head(500, fp(5), fp(7), 1, 1, 2_000, 6, False)
        assert heads[key(2)].ordinal == 102
        assert heads[key(3)].ordinal == 103
        assert store.get_many(1, [key(1)])[key(1)].targets == {1: target_keys(1)}

    @check()
    def test_scanning(self, store: StateStore) -> None:
        """Every row once, in the order of the bytes of its key, in lists no longer than asked for."""
        numbers = list(range(0, MANY, 2)) + list(range(1, MANY, 2))
        store.commit(1, [committed(item) for item in numbers])
        store.commit(2, [committed(7)])
        for batch in (1_000, 999, MANY, MANY * 2):
            parts = list(store.scan(1, batch))
            assert all(0 < len(part) <= batch for part in parts)
            assert [found for part in parts for found, _ in part] == [key(item) for item in range(MANY)]
        assert self.scanned(store)[5][1] == store.get_heads(1, [key(5)])[key(5)]

    @check()
    def test_many_rows_and_large_numbers(self, store: StateStore) -> None:
        """Thousands of keys in one call, repeated keys, 64-bit numbers."""
        store.commit(1, [committed(item) for item in range(MANY)])
        keys = [key(item) for item in range(MANY)]
        assert set(store.get_heads(1, [*keys, *keys])) == set(keys)
        assert len(store.get_many(1, keys)) == MANY
        assert all(self.stage(store, *range(MANY), expected=1, ordinal=2))
        store.commit(1, [], removed=[(item, 3) for item in keys[1:]])
        assert [found for found, _ in self.scanned(store)] == keys[:1]
        store.commit(1, [committed(0, 3, ordinal=BIG, size=BIG), committed(1, 1, ordinal=SMALL)])
        heads = store.get_heads(1, keys[:2])
        assert (heads[key(0)].ordinal, heads[key(0)].size, heads[key(1)].ordinal) == (BIG, BIG, SMALL)

    @check()
    def test_dropping_sources(self, store: StateStore) -> None:
        """All that is known of the sources goes: rows, failures, cursors. Other sources stay."""
        for source in (1, 2):
            store.commit(source, [committed(1)])
            store.put_failures([failure(1, source)])
            store.put_cursor(source, "c", b"x")
        store.drop_sources([1, 99])
        assert (self.scanned(store), store.get_failures(1), store.get_cursor(1, "c")) == ([], {}, None)
        assert store.get_many(1, [key(1)]) == {}
        assert len(self.scanned(store, 2)) == 1
        assert set(store.get_failures(2)) == {key(1)}
        assert store.get_cursor(2, "c") == b"x"

    # -- target rows ------------------------------------------------------------------------------
    @check()
    def test_row_counts(self, store: StateStore) -> None:
        """Counts are added up with commits, set outright, and forgotten with their target."""
        store.commit(1, [committed(1)], row_counts={1: 5, 2: 1})
        store.commit(1, [committed(2)], row_counts={1: -2})
        assert store.row_counts([1, 2, 3]) == {1: 3, 2: 1, 3: 0}
        store.set_row_counts({1: 10, 3: 4})
        assert store.row_counts([1, 2, 3]) == {1: 10, 2: 1, 3: 4}
        store.drop_target_keys([1])
        assert store.row_counts([1, 2]) == {1: 0, 2: 1}

    @check()
    def test_owners(self, store: StateStore) -> None:
        """Owners of shared target rows are added, replaced and removed with commits."""
        rows = [
            OwnerChange(1, b"t", 1, key(1), fp(1), 1),
            OwnerChange(1, b"t", 2, key(1), fp(2), 2),
            OwnerChange(1, b"u", 1, key(1), fp(3), 1),
            OwnerChange(2, b"t", 1, key(1), fp(4), 1),
        ]
        store.commit(1, [committed(1)], owners=rows)
        assert sorted(store.get_owners(1, [b"t"])[b"t"]) == [
            Owner(1, key(1), fp(1), 1),
            Owner(2, key(1), fp(2), 2),
        ]
        changes = [OwnerChange(1, b"t", 1, key(1), None, 3), OwnerChange(1, b"t", 2, key(1), fp(5), 3)]
        store.commit(1, [committed(1, 2)], owners=changes)
        found = store.get_owners(1, [b"t", b"u", b"v"])
        assert found == {b"t": [Owner(2, key(1), fp(5), 3)], b"u": [Owner(1, key(1), fp(3), 1)]}
        late = OwnerChange(1, b"t", 1, key(1), fp(6), 1)
        store.commit(1, [committed(1, 1)], owners=[late])
        assert len(store.get_owners(1, [b"t"])[b"t"]) == 1, (
            "an older commit is left alone, but its owners are not"
        )
        store.drop_target_keys([1])
        assert store.get_owners(1, [b"t", b"u"]) == {}
        assert store.get_owners(2, [b"t"]) == {b"t": [Owner(1, key(1), fp(4), 1)]}

    # -- failures ---------------------------------------------------------------------------------
    @check()
    def test_failures(self, store: StateStore) -> None:
        """Failures are kept as given, replaced, marked in the head, and cleared by name or by a commit."""
        store.commit(1, [committed(1), committed(2)])
        store.put_failures([failure(1), failure(2), failure(3)])
        store.put_failures([failure(1, attempts=5)])
        assert store.get_failures(1) == {
            key(1): failure(1, attempts=5),
            key(2): failure(2),
            key(3): failure(3),
        }
        assert store.get_failures(1, [key(2), key(9)]) == {key(2): failure(2)}
        assert store.get_failures(1, []) == {}
        assert [head.failed for _, head in self.scanned(store)] == [True, True]
        store.clear_failures(1, [key(2), key(3)])
        assert set(store.get_failures(1)) == {key(1)}
        assert not store.get_heads(1, [key(2)])[key(2)].failed
        store.commit(1, [committed(1, 2)])
        assert store.get_failures(1) == {}
        assert not store.get_heads(1, [key(1)])[key(1)].failed

    # -- memo -------------------------------------------------------------------------------------
    @check()
    def test_memo(self, store: StateStore) -> None:
        """Results of calls by fingerprint, replaced when written again, thousands at once."""
        store.memo_put_many([(fp(item), b"v" * item) for item in range(MANY)])
        store.memo_put_many([(fp(1), b""), (fp(2), b"\x00new")])
        found = store.memo_get_many([fp(item) for item in range(MANY + 5)])
        assert len(found) == MANY
        assert (found[fp(0)], found[fp(1)], found[fp(2)], found[fp(3)]) == (b"", b"", b"\x00new", b"vvv")
        assert store.memo_stats() == (MANY, sum(range(3, MANY)) + 4)

    @check()
    def test_collecting_the_memo(self, store: StateStore) -> None:
        """Entries that no tracked row refers to are deleted, all or until the rest fits; others never."""
        store.memo_put_many([(fp(item), b"x" * 100) for item in range(50, 60)])
        store.commit(1, [committed(1)])  # refers to 50 and 51
        assert store.memo_collect(keep_bytes=1_000) == 0
        assert store.memo_collect(keep_bytes=650) == 4
        assert store.memo_stats() == (6, 600)
        assert set(store.memo_get_many([fp(item) for item in range(50, 54)])) == {fp(50), fp(51)}, (
            "not the oldest"
        )
        assert store.memo_collect(keep_bytes=0) == 4
        assert set(store.memo_get_many([fp(item) for item in range(50, 60)])) == {fp(50), fp(51)}
        store.memo_put_many([(fp(60), b"y")])
        assert store.memo_collect() == 1
        store.commit(1, [], removed=[(key(1), 2)])
        assert store.memo_collect() == 2
        assert store.memo_stats() == (0, 0)

    # -- setup ------------------------------------------------------------------------------------
    @check()
    def test_setup(self, store: StateStore) -> None:
        """Records come back as they were; an empty one is a deletion; versions grow by one per write."""
        state = {"b": [1, 2.5, None, True], "a": {"ä": "\u2028'\""}}
        writes = [SetupWrite("T:x", "k1", state), SetupWrite("T:x", "k2", None, ({"upsert": state},))]
        first = store.setup_write("flow", 0, writes)
        assert store.setup_version("flow") == first > 0
        assert store.setup_version("other") == 0
        assert self._sorted(store.setup_records("flow")) == [
            SetupRecord("flow", "T:x", "k1", state),
            SetupRecord("flow", "T:x", "k2", None, ({"upsert": state},)),
        ]
        second = store.setup_write(
            "flow", first, [SetupWrite("T:x", "k1", None), SetupWrite("T:x", "k2", {})]
        )
        assert second > first
        store.setup_write("a.other", 0, [SetupWrite("T:x", "k1", [])])
        assert store.setup_records("flow") == [SetupRecord("flow", "T:x", "k2", {})]
        assert [item.flow for item in self._sorted(store.setup_records())] == ["a.other", "flow"]
        assert store.flows() == ["a.other", "flow"]
        store.setup_write("flow", second, [SetupWrite("T:x", "k2", None)])
        assert store.flows() == ["a.other"]

    @check()
    def test_setup_of_two_processes(self, store: StateStore) -> None:
        """Who comes with an old version is refused, and nothing of what he brought is written."""
        version = store.setup_write("flow", 0, [SetupWrite("T:x", "k", 1)])
        for wrong in (0, version + 1):
            with pytest.raises(SetupConflictError):
                store.setup_write("flow", wrong, [SetupWrite("T:x", "k", 2), SetupWrite("T:x", "l", 3)])
        assert store.setup_version("flow") == version
        assert store.setup_records("flow") == [SetupRecord("flow", "T:x", "k", 1)]

    @staticmethod
    def _sorted(records: Iterable[SetupRecord]) -> list[SetupRecord]:
        return sorted(records, key=lambda item: (item.flow, item.resource_type, item.key))

    @check()
    def test_ids(self, store: StateStore) -> None:
        """Ids are positive and never given twice."""
        found: list[int] = [*store.allocate_ids(3), *store.allocate_ids(0), *store.allocate_ids(2)]
        assert len(found) == len(set(found)) == 5
        assert all(item > 0 for item in found)

    # -- cursors, leases --------------------------------------------------------------------------
    @check()
    def test_cursors(self, store: StateStore) -> None:
        """Cursors by source and name; None deletes."""
        store.put_cursor(1, "a", b"\x00one")
        store.put_cursor(1, "b", b"")
        store.put_cursor(2, "a", b"two")
        store.put_cursor(1, "a", b"three")
        assert [store.get_cursor(1, "a"), store.get_cursor(1, "b"), store.get_cursor(2, "a")] == [
            b"three",
            b"",
            b"two",
        ]
        store.put_cursor(1, "a", None)
        store.put_cursor(1, "never", None)
        assert [store.get_cursor(1, "a"), store.get_cursor(2, "a")] == [None, b"two"]

    @check()
    def test_leases(self, store: StateStore) -> None:
        """One holder at a time; it may renew; the other learns who it is; only the holder gives it back."""
        assert store.acquire_lease("flow", "me", 3_600) is None
        assert store.acquire_lease("flow", "me", 7_200) is None
        blocked = store.acquire_lease("flow", "you", 3_600)
        assert blocked is not None
        assert (blocked.flow, blocked.holder) == ("flow", "me")
        assert store.acquire_lease("other", "you", 3_600) is None
        store.release_lease("flow", "you")
        assert store.acquire_lease("flow", "you", 3_600) is not None
        store.release_lease("flow", "me")
        assert store.acquire_lease("flow", "you", 3_600) is None
        assert store.acquire_lease("ended", "me", -1) is None
        assert store.acquire_lease("ended", "you", 3_600) is None, "a lease that has ended is in the way"

    # -- life -------------------------------------------------------------------------------------
    @check()
    def test_closed(self, store: StateStore) -> None:
        """A closed store says so, and can be closed twice and opened again."""
        store.close()
        store.close()
        for call in (
            lambda: store.get_heads(1, [key(1)]),
            lambda: store.memo_put_many([(fp(1), b"")]),
            lambda: self.stage(store, 1),
        ):
            with pytest.raises(StateStoreError):
                call()
        store.open()
        assert store.get_heads(1, [key(1)]) == {}

    @check("durable")
    def test_survives_a_restart(self, store: StateStore) -> None:
        """All that was written is there for the next process, staged rows and given ids included."""
        self.stage(store, 1)
        store.commit(1, [committed(2)], owners=[OwnerChange(1, b"t", 1, key(2), fp(1), 1)], row_counts={1: 3})
        store.put_failures([failure(2)])
        store.memo_put_many([(fp(1), b"x")])
        store.setup_write("flow", 0, [SetupWrite("T:x", "k", {"a": 1})])
        store.put_cursor(1, "c", b"x")
        ids = store.allocate_ids(2)
        before = self._everything(store)
        again = self.reopened(store)
        if again is None:
            raise RefusedError("the store ends with its process")
        try:
            assert self._everything(again) == before
            assert not set(again.allocate_ids(2)) & set(ids)
        finally:
            again.close()

    def _everything(self, store: StateStore) -> Sequence[Any]:
        keys = [key(1), key(2)]
        return [
            store.get_many(1, keys),
            self.scanned(store),
            store.get_owners(1, [b"t"]),
            store.row_counts([1]),
            store.get_failures(1),
            store.memo_get_many([fp(1)]),
            store.setup_records(),
            store.setup_version("flow"),
            store.get_cursor(1, "c"),
        ]
