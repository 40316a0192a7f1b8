"""Row counts, owners, failures and memoised results of calls."""

from __future__ import annotations

from typing import Any

from coco.state import Owner, OwnerChange, StateStore
from coco_testing.store.base import MANY, StoreBase, committed, failure, fp, key
from coco_testing.suite import check


class KeepingChecks(StoreBase, kit=True):
    """Counts, owners, failures, memo."""

    @check()
    def test_row_counts(self, store: StateStore) -> None:
        """Commits add to row counts. ``set_row_counts`` replaces them. Dropping a target deletes them."""
        store.commit(1, [committed(1)], row_counts={1: 5, 2: 1})
        store.commit(1, [committed(2)], row_counts={1: -2})
        assert store.row_counts([1, 2, 3]) == {1: 3, 2: 1, 3: 0}
        store.set_row_counts({1: 10, 3: 4})
        assert store.row_counts([1, 2, 3]) == {1: 10, 2: 1, 3: 4}
        store.drop_target_keys([1])
        assert store.row_counts([1, 2]) == {1: 0, 2: 1}

    @check()
    def test_owners(self, store: StateStore) -> None:
        """Commits add, replace and remove the owners of shared target rows."""
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
            "the store ignored an older commit, but wrote its owners"
        )
        store.drop_target_keys([1])
        assert store.get_owners(1, [b"t", b"u"]) == {}
        assert store.get_owners(2, [b"t"]) == {b"t": [Owner(1, key(1), fp(4), 1)]}

    # -- failures ---------------------------------------------------------------------------------
    @check()
    def test_failures(self, store: StateStore) -> None:
        """Failures come back unchanged and can be replaced. Heads mark them. ``clear_failures`` or a commit clears them."""
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
        long = failure(4, traceback="Traceback ...\n" * 500)
        store.put_failures([long])
        assert store.get_failures(1, [key(4)]) == {key(4): failure(4)}
        assert store.get_failures(1, [key(4)], tracebacks=True) == {key(4): long}
        store.clear_failures(1, [key(4)])
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
        """The memo stores thousands of results by fingerprint at once. A second write replaces a result."""
        store.memo_put_many([(fp(item), b"v" * item) for item in range(MANY)])
        store.memo_put_many([(fp(1), b""), (fp(2), b"\x00new")])
        found = store.memo_get_many([fp(item) for item in range(MANY + 5)])
        assert len(found) == MANY
        assert (found[fp(0)], found[fp(1)], found[fp(2)], found[fp(3)]) == (b"", b"", b"\x00new", b"vvv")
        assert store.memo_stats() == (MANY, sum(range(3, MANY)) + 4)

    @check()
    def test_collecting_the_memo(self, store: StateStore) -> None:
        """``memo_collect`` deletes entries that no tracked row uses: all, or until the rest fits ``keep_bytes``."""
        store.memo_put_many([(fp(item), b"x" * 100) for item in range(50, 60)])
        store.commit(1, [committed(1)])  # refers to 50 and 51
        assert store.memo_collect(keep_bytes=1_000) == 0
        assert store.memo_collect(keep_bytes=650) == 4
        assert store.memo_stats() == (6, 600)
        assert set(store.memo_get_many([fp(item) for item in range(50, 54)])) == {fp(50), fp(51)}, (
            "memo_collect did not delete the oldest entries"
        )
        assert store.memo_collect(keep_bytes=0) == 4
        assert set(store.memo_get_many([fp(item) for item in range(50, 60)])) == {fp(50), fp(51)}
        store.memo_put_many([(fp(60), b"y")])
        assert store.memo_collect() == 1
        store.commit(1, [], removed=[(key(1), 2)])
        assert store.memo_collect() == 2
        assert store.memo_stats() == (0, 0)

    @check()
    def test_releasing_results(self, store: StateStore) -> None:
        """Results expire after the last row that used them is changed, removed or dropped. Other results stay."""

        def expire(**more: Any) -> int:
            return store.memo_expire("flow", 1, **{"kept_seconds": 0, **more})

        def left() -> list[int]:
            found = store.memo_get_many([fp(item) for item in range(50, 60)])
            return [item for item in range(50, 60) if fp(item) in found]

        store.memo_put_many([(fp(item), b"x") for item in range(50, 58)])
        store.commit(1, [committed(1), committed(2, memo=(fp(51), fp(52))), committed(3, memo=(fp(53),))])
        store.commit(2, [committed(1, memo=(fp(52), fp(54)))])
        assert expire() == 0, "a result expired although no row released one"
        store.commit(1, [committed(1, 2, memo=(fp(55),))])
        assert expire(kept_seconds=3_600) == 0
        assert expire() == 1
        assert left() == [51, 52, 53, 54, 55, 56, 57]
        store.commit(1, [], removed=[(key(3), 3)])
        store.drop_sources([2])
        assert expire(kept_seconds=3_600) == 0
        assert expire(kept_seconds=3_600, sources=[1]) == 1, (
            "exactly the result that only the dropped source used must expire"
        )
        assert left() == [51, 52, 53, 55, 56, 57]
        assert expire() == 1
        assert left() == [51, 52, 55, 56, 57]
        store.commit(1, [committed(1, 4, memo=(fp(56),))])
        store.commit(1, [committed(1, 5, memo=(fp(55),))])
        assert expire() == 1, "a result that is used again must not expire"
        assert left() == [51, 52, 55, 57]
        assert store.memo_stats() == (4, 4)
        assert store.memo_use()[:4] == (4, 4, 1, 1)
        store.memo_rewrite(forced=True)
        assert left() == [51, 52, 55, 57]

    @check()
    def test_results_of_runs(self, store: StateStore) -> None:
        """Results of a run that no row uses expire, also after a run that was killed. Held results stay."""

        def expire(flow: str) -> int:
            return store.memo_expire(flow, 1, kept_seconds=0)

        store.memo_put_many([(fp(50), b"before")])
        assert store.memo_begin("flow")
        store.memo_put_many([(fp(item), b"x") for item in (51, 52, 53)])
        store.commit(1, [committed(1, memo=(fp(51),))])
        store.memo_hold(1, [fp(53)])
        store.memo_end("flow", 1, [fp(52), fp(53)], clear=True)
        assert expire("flow") == 1
        assert set(store.memo_get_many([fp(50), fp(52), fp(53)])) == {fp(50), fp(53)}
        store.memo_hold(1, [])
        assert expire("flow") == 1
        assert store.memo_begin("killed")
        store.memo_put_many([(fp(54), b"x"), (fp(55), b"x")])
        store.commit(1, [committed(2, memo=(fp(54),))])
        assert not store.memo_begin("killed"), "memo_begin must report that the previous run did not end"
        store.memo_end("killed", 1, [], clear=False)
        assert expire("flow") == 0, "results of a killed run of another flow must not expire"
        assert expire("killed") == 1
        assert set(store.memo_get_many([fp(item) for item in range(50, 56)])) == {fp(50), fp(51), fp(54)}
        assert store.memo_begin("killed")
