"""Setup metadata, ids, cursors, leases, facts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from coco.errors import SetupConflictError
from coco.state.protocol import Lease, SetupRecord, SetupWrite, StateStore
from coco.state.schema import SCHEMA_VERSION


def test_setup_is_written_under_a_version(store: StateStore) -> None:
    assert store.setup_version("app.f") == 0 and store.setup_records() == []
    state: Any = {"b": [1, None, "ü"], "a": {"x": 1.5}}
    assert store.setup_write("app.f", 0, [SetupWrite("Target:X", "k", state, ({"s": 1}, [2]))]) == 1
    assert store.setup_write("app.e", 0, [SetupWrite("flow", "", None, (None,))]) == 1
    records = [
        SetupRecord("app.e", "flow", "", None, (None,)),
        SetupRecord("app.f", "Target:X", "k", state, ({"s": 1}, [2])),
    ]
    assert store.setup_records() == records
    assert store.setup_records("app.f") == records[1:]
    assert store.flows() == ["app.e", "app.f"]
    assert store.setup_version("app.f") == 1


@pytest.mark.parametrize("state", [0, "", [], {}, False])
def test_a_state_may_be_empty(store: StateStore, state: Any) -> None:
    store.setup_write("f", 0, [SetupWrite("t", "k", state)])
    assert store.setup_records("f") == [SetupRecord("f", "t", "k", state)]


def test_another_writer_is_noticed_and_nothing_written(store: StateStore) -> None:
    store.setup_write("f", 0, [SetupWrite("t", "k", 1)])
    with pytest.raises(SetupConflictError, match=r"flow 'f'.*version 1, expected 0"):
        store.setup_write("f", 0, [SetupWrite("t", "k", 2)])
    assert store.setup_records("f") == [SetupRecord("f", "t", "k", 1)] and store.setup_version("f") == 1


def test_a_record_with_nothing_in_it_is_deleted_and_the_version_stays(store: StateStore) -> None:
    store.setup_write("f", 0, [SetupWrite("t", "k", 1), SetupWrite("t", "l", 1)])
    store.setup_write("f", 1, [SetupWrite("t", "k", None)])
    assert [item.key for item in store.setup_records("f")] == ["l"]
    store.setup_write("f", 2, [SetupWrite("t", "l", None), SetupWrite("t", "never there", None)])
    assert store.setup_records("f") == [] and store.flows() == [] and store.setup_version("f") == 3


def test_what_cannot_be_written_as_json_changes_nothing(store: StateStore) -> None:
    with pytest.raises(TypeError):
        store.setup_write("f", 0, [SetupWrite("t", "k", 1), SetupWrite("t", "l", object())])
    assert store.setup_version("f") == 0 and store.setup_records() == []


def test_ids_are_never_given_twice(store: StateStore) -> None:
    first = store.allocate_ids(3)
    assert store.allocate_ids(0) == []
    second = store.allocate_ids(2)
    assert len({*first, *second}) == 5 and min(first) > 0 and first + second == sorted(first + second)


def test_cursors(store: StateStore) -> None:
    assert store.get_cursor(1, "c") is None
    store.put_cursor(1, "c", b"")
    assert store.get_cursor(1, "c") == b""
    store.put_cursor(1, "c", b"x")
    store.put_cursor(1, "d", b"y")
    store.put_cursor(1, "c", None)
    assert store.get_cursor(1, "c") is None and store.get_cursor(1, "d") == b"y"


def test_leases(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr("coco.state.sqlite.setup.boot_clock", lambda: now)
    assert store.acquire_lease("f", "me", 60) is None
    assert store.acquire_lease("f", "you", 60) == Lease("f", "me", 1_060.0, 60.0)
    assert store.acquire_lease("g", "you", 60) is None, "leases are per flow"
    assert store.leases() == [Lease("f", "me", 1_060.0, 60.0), Lease("g", "you", 1_060.0, 60.0)]
    now = 1_050.0
    assert store.acquire_lease("f", "me", 60) is None, "a holder renews"
    now = 1_100.0
    assert store.acquire_lease("f", "you", 60) == Lease("f", "me", 1_110.0, 60.0)
    store.release_lease("f", "you")
    assert store.acquire_lease("f", "you", 60) is not None, "only the holder gives back"
    now = 1_110.0
    assert store.acquire_lease("f", "you", 60) is None, "a lease ends by itself"
    store.release_lease("f", "you")
    store.release_lease("f", "you")
    assert store.acquire_lease("f", "me", 60) is None


def test_facts(store: StateStore) -> None:
    store.memo_put_many([(b"f" * 16, b"12345")])
    facts = store.facts()
    assert (
        facts["schema_version"] == str(SCHEMA_VERSION)
        and facts["digest"] == "blake3-16"
        and facts["encoding"] == "1"
    )
    assert (facts["memo_entries"], facts["memo_bytes"]) == (1, 5)
    assert facts["location"] == store.location and facts["file_bytes"] > 0


def test_a_store_is_the_protocol(store: StateStore) -> None:
    assert isinstance(store, StateStore)
