"""Failures, owners of shared target rows, and row counts."""

from __future__ import annotations

from msgspec import structs

from coco.state.protocol import CommitRow, Failure, Owner, OwnerChange, StageRow, StateStore

S, T = 1, 10
FP = b"f" * 16


def failure(key: bytes, attempts: int = 1, quarantined: bool = False) -> Failure:
    return Failure(
        S, key, "evaluate", "split", "ValueError", "no \x00 way ü", attempts, 5, 9, b"\x01", FP, quarantined
    )


def commit(store: StateStore, *keys: bytes, ordinal: int = 5, owners: tuple[OwnerChange, ...] = ()) -> None:
    rows = [CommitRow(key, ordinal, 7, FP, FP, 1, 1, {}) for key in keys]
    store.commit(S, rows, owners=owners)


def failed(store: StateStore, key: bytes) -> bool:
    return store.get_heads(S, [key])[key].failed


def test_failures_are_kept_and_replaced(store: StateStore) -> None:
    store.put_failures([failure(b"b"), failure(b"a")])
    assert list(store.get_failures(S).items()) == [(b"a", failure(b"a")), (b"b", failure(b"b"))]
    worse = failure(b"a", 2, quarantined=True)
    store.put_failures([worse])
    found = store.get_failures(S)
    assert found == {b"a": worse, b"b": failure(b"b")} and found[b"a"].quarantined is True
    assert store.get_failures(2) == {}


def test_failures_of_some_keys(store: StateStore) -> None:
    keys = [b"%04d" % n for n in range(1_200)]
    store.put_failures([failure(key) for key in keys])
    wanted = [*keys[::-2], b"unknown", keys[0], keys[0]]
    assert list(store.get_failures(S, wanted)) == sorted({*keys[::-2], keys[0]})
    assert store.get_failures(S, []) == {}
    assert list(store.get_failures(S)) == keys


def test_the_mark_of_a_tracked_row_follows(store: StateStore) -> None:
    commit(store, b"a", b"b")
    store.put_failures([failure(b"a")])
    assert failed(store, b"a") and not failed(store, b"b")
    ((_, scanned), _) = next(iter(store.scan(S)))
    assert scanned.failed is True
    store.clear_failures(S, [b"a", b"unknown"])
    assert not failed(store, b"a") and store.get_failures(S) == {}


def test_a_failure_before_the_first_attempt_marks_the_row_when_it_comes(store: StateStore) -> None:
    store.put_failures([failure(b"a")])
    assert store.get_heads(S, [b"a"]) == {}, "a failure tracks nothing"
    store.stage(S, [StageRow(b"a", -1, 5, {}), StageRow(b"b", -1, 5, {})])
    assert failed(store, b"a") and not failed(store, b"b")


def test_success_clears_failures(store: StateStore) -> None:
    commit(store, b"a", b"b", b"c", b"d")
    store.put_failures([failure(key) for key in (b"a", b"b", b"c", b"d", b"untracked")])
    commit(store, b"a", ordinal=6)
    commit(store, b"c", ordinal=4)  # older than what is stored: no success
    store.commit(S, [], removed=[(b"b", 6), (b"d", 5), (b"untracked", 6)])
    assert list(store.get_failures(S)) == [b"c", b"d"]
    assert not failed(store, b"a") and failed(store, b"c") and failed(store, b"d")


def owner(key: bytes, source_key: bytes, fp: bytes | None, ordinal: int = 5, source: int = S) -> OwnerChange:
    return OwnerChange(T, key, source, source_key, fp, ordinal)


def test_owners_come_and_go_with_commits(store: StateStore) -> None:
    commit(
        store, b"a", b"b", owners=(owner(b"k", b"b", FP), owner(b"k", b"a", FP), owner(b"other", b"a", FP))
    )
    assert store.get_owners(T, [b"k", b"none"]) == {b"k": [Owner(S, b"a", FP, 5), Owner(S, b"b", FP, 5)]}
    commit(store, b"a", ordinal=6, owners=(owner(b"k", b"a", None, 6), owner(b"other", b"a", b"g" * 16, 6)))
    assert store.get_owners(T, [b"k", b"other"]) == {
        b"k": [Owner(S, b"b", FP, 5)],
        b"other": [Owner(S, b"a", b"g" * 16, 6)],
    }
    assert store.get_owners(T + 1, [b"k"]) == {}


def test_of_several_changes_of_one_owner_the_last_counts(store: StateStore) -> None:
    commit(store, b"a", owners=(owner(b"k", b"a", FP), owner(b"k", b"a", None)))
    assert store.get_owners(T, [b"k"]) == {}
    commit(store, b"a", ordinal=6, owners=(owner(b"k", b"a", None, 6), owner(b"k", b"a", FP, 6)))
    assert store.get_owners(T, [b"k"]) == {b"k": [Owner(S, b"a", FP, 6)]}


def test_owners_are_forgotten_with_source_or_target(store: StateStore) -> None:
    changes = [owner(b"k", b"a", FP), owner(b"k", b"a", FP, source=2)]
    changes += [structs.replace(item, target_id=T + 1) for item in changes]
    store.commit(S, [], owners=changes, row_counts={T: 3, T + 1: 4})
    store.drop_sources([2])
    assert [item.source_id for item in store.get_owners(T, [b"k"])[b"k"]] == [S]
    store.drop_target_keys([T])
    assert store.get_owners(T, [b"k"]) == {} and list(store.get_owners(T + 1, [b"k"])) == [b"k"]
    assert store.row_counts([T, T + 1]) == {T: 0, T + 1: 4}


def test_row_counts_add_up(store: StateStore) -> None:
    assert store.row_counts([T, 99]) == {T: 0, 99: 0}
    store.commit(S, [], row_counts={T: 5, 11: 2})
    store.commit(S, [], row_counts={T: -2})
    assert store.row_counts([T, 11]) == {T: 3, 11: 2}
    store.set_row_counts({T: 100, 12: 1})
    assert store.row_counts([T, 11, 12]) == {T: 100, 11: 2, 12: 1}
    assert store.row_counts([]) == {}
