"""Attempts that did not finish: what a target may hold is never forgotten."""

from __future__ import annotations

from coco.hot import reconcile_row
from coco.state.protocol import CommitRow, StageRow, StateStore, TargetKeys, Tracked, unfinished

S, T, U = 1, 10, 11
LOGIC = b"l" * 16
OLD, ONE, TWO = b"0" * 16, b"1" * 16, b"2" * 16


def keys_of(*pairs: tuple[bytes, bytes], target: int = T) -> dict[int, TargetKeys]:
    return {target: TargetKeys(LOGIC, pairs)}


def stage(store: StateStore, expected: int, ordinal: int, staged: dict[int, TargetKeys]) -> bool:
    (fine,) = store.stage(S, [StageRow(b"a", expected, ordinal, staged)])
    return fine


def commit(store: StateStore, ordinal: int, *pairs: tuple[bytes, bytes]) -> None:
    store.commit(S, [CommitRow(b"a", ordinal, 7, ONE, LOGIC, 1, 1, keys_of(*pairs))])


def get(store: StateStore) -> Tracked:
    return store.get_many(S, [b"a"])[b"a"]


def staged_rows(store: StateStore, target: int = T) -> dict[bytes, bytes]:
    return dict(get(store).staged[target].rows)


def test_keys_of_several_killed_attempts_are_all_tracked(store: StateStore) -> None:
    assert stage(store, -1, 1, keys_of((b"x", ONE)))
    assert stage(store, 1, 2, keys_of((b"y", ONE)))
    assert stage(store, 2, 3, {**keys_of((b"z", ONE)), **keys_of((b"z", TWO), target=U)})
    assert staged_rows(store) == {b"x": ONE, b"y": ONE, b"z": ONE}
    assert staged_rows(store, U) == {b"z": TWO}


def test_an_attempt_that_stages_nothing_forgets_nothing(store: StateStore) -> None:
    assert stage(store, -1, 1, keys_of((b"x", ONE)))
    assert stage(store, 1, 2, {})
    assert staged_rows(store) == {b"x": ONE}


def test_attempts_that_disagree_equal_no_row(store: StateStore) -> None:
    """The target may hold what the first of two dead attempts wrote, although the second went back."""
    commit(store, 1, (b"k", OLD))
    assert stage(store, 1, 2, keys_of((b"k", ONE)))  # written, then killed
    assert stage(store, 2, 3, keys_of((b"k", OLD)))  # killed before it wrote
    found = get(store)
    writes, same, deletes, _ = reconcile_row(
        found.targets[T].rows, found.staged[T].rows, [(b"k", OLD)], False
    )
    assert (writes, same, deletes) == ([0], [], [])


def test_attempts_that_agree_are_one(store: StateStore) -> None:
    for ordinal in (1, 2, 3):
        assert stage(store, ordinal - 1 if ordinal > 1 else -1, ordinal, keys_of((b"k", ONE)))
    assert staged_rows(store) == {b"k": ONE}


def test_a_planned_deletion_and_a_write_disagree(store: StateStore) -> None:
    assert stage(store, -1, 1, keys_of((b"k", b"")))
    assert stage(store, 1, 2, keys_of((b"k", ONE)))
    assert staged_rows(store) == {b"k": b""}
    assert stage(store, 2, 3, keys_of((b"k", ONE)))
    assert staged_rows(store) == {b"k": b""}, "doubt stays until a commit"


def test_commit_clears_the_keys_of_earlier_attempts(store: StateStore) -> None:
    assert stage(store, -1, 1, keys_of((b"x", ONE)))
    assert stage(store, 1, 2, keys_of((b"x", TWO)))
    commit(store, 2, (b"x", TWO))
    assert get(store).staged == {} and not unfinished(get(store).head)
    assert stage(store, 2, 3, keys_of((b"y", ONE)))
    assert staged_rows(store) == {b"y": ONE}


def test_commit_of_an_older_attempt_keeps_what_newer_ones_staged(store: StateStore) -> None:
    assert stage(store, -1, 1, keys_of((b"x", ONE)))
    assert stage(store, 1, 2, keys_of((b"y", TWO)))  # another process, which took over
    commit(store, 1, (b"x", ONE))
    found = get(store)
    assert (found.head.process_ordinal, found.head.max_process_ordinal) == (1, 2)
    assert found.targets == keys_of((b"x", ONE)) and found.staged == keys_of((b"y", TWO))
    commit(store, 2, (b"y", TWO))
    assert get(store).staged == {} and get(store).targets == keys_of((b"y", TWO))


def test_removal_under_a_newer_attempt_leaves_an_unfinished_record(store: StateStore) -> None:
    commit(store, 1, (b"x", ONE))
    assert stage(store, 1, 2, keys_of((b"x", b"")))
    assert stage(store, 2, 3, keys_of((b"y", TWO)))
    store.commit(S, [], removed=[(b"a", 2)])
    found = get(store)
    assert unfinished(found.head) and found.head.content_fp is None and found.head.logic_fp is None
    assert found.targets == {} and found.staged == keys_of((b"y", TWO))
    store.commit(S, [], removed=[(b"a", 3)])
    assert store.get_many(S, [b"a"]) == {}


def test_the_record_of_a_row_that_always_fails_does_not_grow(store: StateStore) -> None:
    for ordinal in range(1, 300):
        row = keys_of((b"k", bytes([ordinal % 200]) * 16), (b"l", ONE))
        assert stage(store, ordinal - 1 if ordinal > 1 else -1, ordinal, row)
    assert staged_rows(store) == {b"k": b"", b"l": ONE}
    commit(store, 150, (b"k", ONE))
    assert staged_rows(store) == {b"k": b"", b"l": ONE}, "the newest attempts are still open"
