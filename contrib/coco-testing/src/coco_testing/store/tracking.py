"""What was staged, what is true, and what is true no more."""

from __future__ import annotations

from coco.state import CollapseRow, Head, StageRow, StateStore, TargetKeys, unfinished
from coco_testing.store.base import BIG, MANY, SMALL, StoreBase, committed, failure, fp, key, target_keys
from coco_testing.suite import check


class TrackingChecks(StoreBase, kit=True):
    """Tracking."""

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
        """Rows that another run staged meanwhile are refused one by one, and stay as they are."""
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
        """The row that was processed last wins, in whatever order the commits come."""
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

        If it fails: the newer attempt crashes, and coco no longer knows what it wrote.
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
