"""Comparing one resource with what is on record."""

from typing import Any

import pytest
from msgspec import structs

from coco import op
from coco.engine_object import dump_engine_object
from coco.errors import CocoError
from coco.ops.registry import registry
from coco.setup.apply import connector_steps
from coco.setup.changes import ChangeKind, ResourceChange
from coco.setup.desired import DesiredSource, DesiredTarget
from coco.setup.diff import diff_deleted, diff_flow_state, diff_target, worst_compatibility
from coco.setup.states import (
    TARGET_PREFIX,
    CombinedState,
    FlowState,
    SourceRecord,
    Staged,
    TargetState,
    encode_key,
)
from coco.spec import OpCategory
from coco.state.protocol import SetupRecord

Answer = op.TargetStateCompatibility


class DiffTarget(op.TargetSpec):
    """Compatible as its ``mark`` says."""

    mark: str
    added_later: int = 7


@op.target_connector(spec_cls=DiffTarget, persistent_key_type=str)
class DiffTargetConnector:
    @staticmethod
    def get_persistent_key(spec: DiffTarget) -> str:
        return "it"

    @staticmethod
    def check_state_compatibility(desired: DiffTarget, existing: DiffTarget) -> Any:
        found = {"c": Answer.COMPATIBLE, "p": Answer.PARTIALLY_COMPATIBLE, "n": Answer.NOT_COMPATIBLE}
        if existing.mark == "bug":
            raise ValueError("a fault of the connector")
        return found.get(existing.mark, "no answer")

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None: ...

    @staticmethod
    def mutate(*batches: Any) -> None: ...


class PlainTarget(op.TargetSpec):
    """No check: equal is compatible, all else partly."""

    mark: str


@op.target_connector(spec_cls=PlainTarget, persistent_key_type=str)
class PlainTargetConnector:
    @staticmethod
    def get_persistent_key(spec: PlainTarget) -> str:
        return "it"

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None: ...

    @staticmethod
    def mutate(*batches: Any) -> None: ...


def wanted(spec: op.TargetSpec, *, by_user: bool = False, fields: str = "Str") -> DesiredTarget:
    kind = type(spec).__name__
    return DesiredTarget(
        TARGET_PREFIX + kind,
        encode_key("it"),
        "it",
        "rows",
        registry.get(OpCategory.TARGET, kind),
        spec,
        spec,
        dump_engine_object(spec),
        [{"name": "k", "type": "Str"}],
        [{"name": "v", "type": fields}],
        by_user,
        {},
        {},
    )


def state(mark: str, *, identity: int = 1, version: int = 1, by_user: bool = False) -> TargetState:
    connector = dump_engine_object(DiffTarget(mark))
    return TargetState(
        identity,
        version,
        version,
        by_user,
        "rows",
        [{"name": "k", "type": "Str"}],
        [{"name": "v", "type": "Str"}],
        connector,
    )


def combined(current: TargetState | None, *staged: TargetState | None) -> CombinedState:
    staging = tuple(Staged(None if item is None else item.to_json()) for item in staged)
    return CombinedState(None if current is None else current.to_json(), staging)


GOAL = DiffTarget("goal")


def change_of(existing: CombinedState, *, by_user: bool = False, rows: int = 5) -> ResourceChange:
    return diff_target(wanted(GOAL, by_user=by_user), existing, rows)


def calls(change: ResourceChange) -> list[tuple[str | None, str | None]]:
    """Marks of previous and current, in the order of the calls."""
    return [
        (None if before is None else before.mark, None if after is None else after.mark)
        for _, before, after in connector_steps(change, "it")
    ]


GOAL_STATE = state("goal")
MATRIX = {
    "new": (combined(None), ChangeKind.CREATE, [(None, "goal")]),
    "equal": (combined(GOAL_STATE), ChangeKind.NONE, []),
    "compatible": (combined(state("c")), ChangeKind.UPDATE, [("c", "goal")]),
    "partial": (combined(state("p")), ChangeKind.UPDATE, [("p", "goal")]),
    "not compatible": (combined(state("n")), ChangeKind.REBUILD, [("n", None), (None, "goal")]),
    "create begun": (combined(None, GOAL_STATE), ChangeKind.CREATE, [(None, "goal")]),
    "another create begun": (
        combined(None, state("c")),
        ChangeKind.REBUILD,
        [("c", None), (None, "goal")],
    ),
    "two creates begun": (
        combined(None, state("c"), GOAL_STATE),
        ChangeKind.REBUILD,
        [("c", None), ("goal", None), (None, "goal")],
    ),
    "this change begun": (combined(state("c"), GOAL_STATE), ChangeKind.UPDATE, [("c", "goal")]),
    "another change begun": (
        combined(state("c"), state("p")),
        ChangeKind.UPDATE,
        [("c", "goal"), ("p", "goal")],
    ),
    "a change begun and taken back": (combined(GOAL_STATE, state("c")), ChangeKind.UPDATE, [("c", "goal")]),
    "a bad change begun": (
        combined(state("c"), state("n")),
        ChangeKind.REBUILD,
        [("c", None), ("n", None), (None, "goal")],
    ),
    "delete begun": (combined(GOAL_STATE, None), ChangeKind.REBUILD, [("goal", None), (None, "goal")]),
    "rebuild begun": (
        combined(state("n"), None, state("goal", identity=2)),
        ChangeKind.REBUILD,
        [("n", None), ("goal", None), (None, "goal")],
    ),
    "drop of an unfinished one begun": (
        combined(None, GOAL_STATE, None),
        ChangeKind.REBUILD,
        [("goal", None), (None, "goal")],
    ),
    "the user's": (combined(state("goal", by_user=True)), ChangeKind.CREATE, [(None, "goal")]),
    "taking over begun": (
        combined(state("goal", by_user=True), state("goal", identity=2)),
        ChangeKind.CREATE,
        [(None, "goal")],
    ),
}


@pytest.mark.parametrize("name", MATRIX)
def test_what_is_done_from_every_state_on_record(name: str) -> None:
    existing, kind, expected = MATRIX[name]
    change = change_of(existing)
    assert change.kind is kind
    if kind is not ChangeKind.NONE:
        assert calls(change) == expected
        assert change.actions
    assert change.pending is (kind is not ChangeKind.NONE)
    assert change.destructive is (kind is ChangeKind.REBUILD)
    assert any("5 rows there are deleted" in note for note in change.notes) is change.destructive


@pytest.mark.parametrize("name", MATRIX)
def test_the_users_resource_gets_no_call_from_any_state(name: str) -> None:
    existing, _, _ = MATRIX[name]
    change = change_of(existing, by_user=True)
    assert change.kind is ChangeKind.USER_MANAGED
    assert not change.destructive
    assert change.silent is change.pending
    undecided = existing.undecided or existing.current is None or not existing.states()[0].setup_by_user
    assert change.pending is undecided


@pytest.mark.parametrize("name", [name for name in MATRIX if name != "new"])
def test_removing_it_from_any_state(name: str) -> None:
    """Dropped from every possible version; what may be the user's is forgotten instead."""
    existing, _, _ = MATRIX[name]
    record = SetupRecord(
        "flow",
        TARGET_PREFIX + "DiffTarget",
        encode_key("it"),
        existing.current,
        tuple(item.to_json() for item in existing.staging),
    )
    change = diff_deleted(record, 5)
    if any(item.setup_by_user for item in existing.states()):
        assert change.kind is ChangeKind.USER_MANAGED
        assert change.forget
        assert change.silent
        return
    assert change.kind is ChangeKind.DELETE
    assert change.destructive
    marks = [item.connector["mark"] for item in existing.states()]
    assert calls(change) == [(mark, None) for mark in dict.fromkeys(marks)]
    assert change.final is None


def test_ids_and_versions() -> None:
    """Compatible keeps both, partial raises the version, not compatible gives a new id."""

    def after(mark: str) -> tuple[int, int]:
        final = change_of(combined(state(mark, identity=4, version=2))).final
        assert final is not None
        return final.target_id, final.schema_version

    assert after("c") == (4, 2)
    assert after("p") == (4, 3)
    assert after("n") == (0, 1)  # 0: a fresh one is given when it is staged


def test_versions_never_go_back() -> None:
    """A version that was begun is not given to something else."""
    final = change_of(combined(state("c", version=2), state("p", version=3))).final
    assert final is not None
    assert final.schema_version == 4


def test_a_compatible_change_of_fields_changes_the_record_only() -> None:
    """No call; the record follows, and the plan says that rows are written again."""
    change = diff_target(wanted(GOAL, fields="Int64"), combined(GOAL_STATE), 5)
    assert change.kind is ChangeKind.NONE
    assert change.silent
    assert change.state is not None
    assert change.state.value_fields == [{"name": "v", "type": "Int64"}]
    assert change.notes == ["its fields change: rows are written again by the next update"]


def test_without_a_check_equal_is_compatible_and_all_else_partly() -> None:
    target = wanted(PlainTarget("a"))
    same = structs.replace(state("x"), connector=dump_engine_object(PlainTarget("a")))
    other = structs.replace(state("x"), connector=dump_engine_object(PlainTarget("b")))
    assert worst_compatibility(target.record, target, [same])[0] is Answer.COMPATIBLE
    assert worst_compatibility(target.record, target, [same, other])[0] is Answer.PARTIALLY_COMPATIBLE


def test_a_state_of_an_older_plugin() -> None:
    """Unknown fields are ignored, missing ones take their defaults, the rest builds anew and says why."""
    older = structs.replace(state("c"), connector={"mark": "c", "gone": True})
    change = change_of(combined(older))
    assert change.kind is ChangeKind.UPDATE
    unreadable = structs.replace(state("c"), connector={"mark": 3})
    change = change_of(combined(unreadable))
    assert change.kind is ChangeKind.REBUILD
    assert change.notes[0].startswith("the installed plugin cannot read its record")
    assert calls(change) == [("goal", None), (None, "goal")]


def test_dropping_what_cannot_be_read_says_what_to_do() -> None:
    unreadable = structs.replace(state("c"), connector={"mark": 3})
    record = SetupRecord("flow", TARGET_PREFIX + "DiffTarget", encode_key("it"), unreadable.to_json(), ())
    change = diff_deleted(record, 0)
    with pytest.raises(CocoError, match="install the version that wrote it"):
        connector_steps(change, "it")


def test_an_error_of_the_connector_does_not_drop_data() -> None:
    with pytest.raises(ValueError, match="a fault of the connector"):
        change_of(combined(state("bug")))
    with pytest.raises(CocoError, match="must return a TargetStateCompatibility, got str"):
        change_of(combined(state("unknown")))


# the flow's own record


def source(name: str, key: str = "Str", identity: str = "i") -> DesiredSource:
    return DesiredSource(name, "Kind", [["k", key]], identity)


def test_source_ids_are_kept_while_name_and_key_are() -> None:
    """Otherwise a fresh one, and the old one's rows are cleaned up."""
    first, changed = diff_flow_state([source("a"), source("b")], None, [11, 12])
    assert changed
    assert {name: item.source_id for name, item in first.sources.items()} == {"a": 11, "b": 12}
    same, changed = diff_flow_state([source("b"), source("a")], first)
    assert not changed
    assert same == first
    other, changed = diff_flow_state([source("a", key="Int64"), source("c")], first, [13, 14])
    assert changed
    assert {name: item.source_id for name, item in other.sources.items()} == {"a": 13, "c": 14}
    assert other.removed == (11, 12)
    back, _ = diff_flow_state([source("a"), source("c")], other, [15])
    assert back.sources["a"].source_id == 15
    assert back.removed == (11, 12, 13)


def test_a_changed_spec_is_recorded_after_the_run_only() -> None:
    """Ordinals are distrusted until a pass ended, so setup keeps the identity on record."""
    first, _ = diff_flow_state([source("a")], None, [11])
    again, changed = diff_flow_state([source("a", identity="other")], first)
    assert not changed
    assert again.sources["a"].identity == "i"


def test_the_record_of_a_flow_survives_a_round_trip() -> None:
    record = FlowState({"a": SourceRecord(1, "Kind", [["k", "Str"]], "i")}, (2, 3))
    assert FlowState.from_json(record.to_json()) == record


def test_the_record_of_a_target_survives_a_round_trip_and_allows_unknown_and_missing_fields() -> None:
    full = state("c")
    assert TargetState.from_json(full.to_json()) == full
    data = {**full.to_json(), "from_the_future": 1}
    del data["attachments"]
    assert TargetState.from_json(data) == full
