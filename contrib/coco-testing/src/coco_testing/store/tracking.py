"""Tracking of source rows: staging, committing, removing."""

from __future__ import annotations

from coco.state import CollapseRow, Head, StageRow, StateStore, TargetKeys, unfinished
from coco_testing.store.base import BIG, MANY, SMALL, StoreBase, committed, failure, fp, key, target_keys
from coco_testing.suite import check


class TrackingChecks(StoreBase, kit=True):
    """Tracking."""

    @check()
    def test_empty_store(self, store: StateStore) -> None:
        """An empty store returns empty results. Queries for unknown or no keys raise no error."""
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
        """A staged row is tracked as unfinished, with the keys that may be written and no committed keys."""
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
        """``stage`` refuses each row that another run has staged meanwhile, and does not change it."""
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
        """The next attempt raises the counter. The store keeps the keys that earlier attempts may have written.

        If two attempts planned different contents for one target row, its fingerprint is unknown (``b""``).
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
        """The store refuses an attempt that is not newer than the last one."""
        self.stage(store, 1, ordinal=5)
        for attempt in (4, 5):
            assert store.stage(1, [StageRow(key(1), 5, attempt, {})]) == [False]
        assert store.stage(1, [StageRow(key(1), 5, 6, {})]) == [True]

    @check()
    def test_committing(self, store: StateStore) -> None:
        """A commit stores all fields of a row exactly, and clears its staged keys."""
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
        """The newest attempt of a row wins, in any order of commits."""
        self.stage(store, 1)
        self.stage(store, 1, expected=1, ordinal=2)
        store.commit(1, [committed(1, 2, ordinal=7)])
        store.commit(1, [committed(1, 1, ordinal=6, targets={}), committed(2, 1)])
        store.commit(1, [committed(1, 2, ordinal=5, targets={})])
        found = store.get_many(1, [key(1), key(2)])
        assert found[key(1)].head.ordinal == 7
        assert found[key(1)].targets == {1: target_keys(1)}
        assert key(2) in found, "a row was not committed because another row of the commit was old"

    @check()
    def test_a_commit_leaves_a_newer_attempt_open(self, store: StateStore) -> None:
        """A commit of an older attempt keeps the row unfinished, and keeps the keys that the newer attempt staged.

        If it fails: when the newer attempt crashes, coco has no record of the rows that it wrote.
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
        """Removing rows deletes their records and failures. Other rows, also of other sources, stay.

        The store ignores a removal that is older than the committed attempt.
        """
        store.commit(1, [committed(1), committed(2), committed(3, 5)])
        store.commit(2, [committed(1)])
        store.put_failures([failure(1), failure(2)])
        store.commit(1, [committed(4)], removed=[(key(1), 2), (key(3), 4), (key(9), 1)])
        assert set(store.get_heads(1, [key(item) for item in range(10)])) == {key(2), key(3), key(4)}
        assert store.get_many(1, [key(1)]) == {}
        assert set(store.get_failures(1)) == {key(2)}
        assert set(store.get_heads(2, [key(1)])) == {key(1)}
        assert self.stage(store, 1) == [True], "a removed row must count as untracked"

    @check()
    def test_removing_while_a_newer_attempt_is_open(self, store: StateStore) -> None:
        """The row stays, unfinished and without committed keys, with the keys that the newer attempt staged."""
        store.commit(1, [committed(1)])
        assert self.stage(store, 1, expected=1, ordinal=3) == [True]
        store.commit(1, [], removed=[(key(1), 2)])
        found = store.get_many(1, [key(1)])[key(1)]
        assert unfinished(found.head)
        assert found.targets == {}
        assert found.staged == {1: target_keys(1)}

    @check()
    def test_collapsing(self, store: StateStore) -> None:
        """``collapse`` stores a new ordinal only if the row is still at the given attempt. It returns the row count."""
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
        """``scan`` gives every row once, in byte order of its key, in lists of at most ``batch`` rows."""
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
        """A call may have thousands of keys and repeated keys. Numbers may have 64 bits."""
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
        """Dropping sources deletes their rows, failures and cursors. Other sources stay."""
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
