"""Setup and drop through flows: the plan in words, the calls a connector sees, what is on record (SU, CT, ATT)."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import coco
from coco import op
from coco.environment.runtime import RUNTIME
from coco.errors import CocoError, DefinitionError, SetupConflictError, SetupRequiredError
from coco.flow import make_drop_bundle, make_setup_bundle


class LabKey(NamedTuple):
    name: str


@dataclasses.dataclass
class LabRow:
    text: str
    size: int


class LabSource(op.SourceSpec):
    """Two rows."""


@op.source_connector(spec_cls=LabSource, key_type=LabKey, value_type=LabRow)
class LabSourceConnector:
    @staticmethod
    def create(spec: LabSource) -> "LabSourceConnector":
        return LabSourceConnector()

    def list(self) -> list[op.PartialSourceRow[LabKey, LabRow]]:
        data = op.PartialSourceRowData(value=LabRow("text", 4))
        return [op.PartialSourceRow(LabKey(name), data) for name in ("a", "b")]

    def get_value(self, key: LabKey) -> op.PartialSourceRowData[LabRow]:
        return op.PartialSourceRowData(value=LabRow("text", 4))


@dataclasses.dataclass(frozen=True)
class LabState:
    columns: list[str]
    comment: str = ""


class LabTarget(op.TargetSpec):
    """A table in a dictionary."""

    table: str
    comment: str = ""
    secret: coco.AuthEntryReference[str] | None = None


class LabIndex(op.TargetAttachmentSpec):
    name: str
    definition: str = ""
    note: str = ""


class LabExtra(op.DeclarationSpec):
    """Something with no rows."""

    label: str


@dataclasses.dataclass(frozen=True)
class LabTableKey:
    table: str
    secret: coco.AuthEntryReference[str] | None = None


class Lab:
    """The backend, and the calls that reached it."""

    def __init__(self) -> None:
        self.tables: dict[str, Any] = {}
        self.rows: dict[str, dict[Any, Any]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.fail: Callable[[tuple[Any, ...]], bool] = lambda call: False

    def note(self, *call: Any) -> None:
        if self.fail(call):
            raise OSError(f"cannot {call[0]} {call[1]}")
        self.calls.append(call)

    def taken(self) -> list[tuple[Any, ...]]:
        calls, self.calls = self.calls, []
        return calls


LAB = Lab()


@op.target_connector(spec_cls=LabTarget, persistent_key_type=LabTableKey, setup_state_cls=LabState)
class LabTargetConnector:
    @staticmethod
    def get_persistent_key(spec: LabTarget, target_name: str) -> LabTableKey:
        return LabTableKey(spec.table, spec.secret)

    @staticmethod
    async def get_setup_state(spec: LabTarget, keys: Any, values: Any, index_options: Any) -> LabState:
        return LabState([item.name for item in values], spec.comment)

    @staticmethod
    async def check_state_compatibility(desired: LabState, existing: LabState) -> op.TargetStateCompatibility:
        if desired.columns == existing.columns:
            return op.TargetStateCompatibility.COMPATIBLE
        return op.TargetStateCompatibility.PARTIALLY_COMPATIBLE

    @staticmethod
    def describe(key: LabTableKey) -> str:
        return f"table {key.table}"

    @staticmethod
    def describe_change(key: LabTableKey, previous: LabState, current: LabState) -> list[str]:
        return [f"alter {key.table}: {previous.columns} -> {current.columns}"]

    @staticmethod
    def check_existing(key: LabTableKey, desired: LabState) -> str | None:
        found = LAB.tables.get(key.table)
        if found is None or found == desired:
            return None
        return f"table {key.table} exists and has other columns"

    @staticmethod
    def apply_setup_change(key: LabTableKey, previous: LabState | None, current: LabState | None) -> None:
        LAB.note("change", key.table, previous, current)
        if current is None:
            LAB.tables.pop(key.table, None)
            LAB.rows.pop(key.table, None)
        else:
            LAB.tables[key.table] = current
            LAB.rows.setdefault(key.table, {})

    @staticmethod
    def mutate(*batches: tuple[LabTarget, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            for key, value in changes.items():
                if value is None:
                    LAB.rows[spec.table].pop(key, None)
                else:
                    LAB.rows.setdefault(spec.table, {})[key] = value


@op.attachment_connector(spec_cls=LabIndex, target_kinds=["LabTarget"])
class LabIndexConnector:
    @staticmethod
    def apply(target_key: LabTableKey, spec: LabIndex) -> None:
        LAB.note("attach", target_key.table, spec.name, spec.definition)

    @staticmethod
    def teardown(target_key: LabTableKey, saved_spec: LabIndex) -> None:
        LAB.note("detach", target_key.table, saved_spec.name, saved_spec.definition)

    @staticmethod
    def needs_apply(old: LabIndex, new: LabIndex) -> bool:
        return old.definition != new.definition


@op.declaration_connector(spec_cls=LabExtra, persistent_key_type=str)
class LabExtraConnector:
    @staticmethod
    def get_persistent_key(spec: LabExtra) -> str:
        return spec.label

    @staticmethod
    def apply_setup_changes(changes: list[tuple[str, Any, Any]]) -> None:
        LAB.note(
            "extras",
            *(f"{key} {previous is not None}->{current is not None}" for key, previous, current in changes),
        )

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        raise AssertionError("all changes come at once")


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    RUNTIME.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    LAB.__init__()  # type: ignore[misc]
    yield LAB
    for flow in list(coco.flows().values()):
        flow.close()
    RUNTIME.stop()


def define(
    *targets: op.TargetSpec,
    fields: tuple[str, ...] = ("text",),
    key: str = "name",
    attachments: tuple[LabIndex, ...] = (),
    extras: tuple[str, ...] = (),
    setup_by_user: bool = False,
    name: str = "Lab",
) -> coco.Flow:
    """A flow with an export per target spec; one of the same name is closed, as after an edit."""
    known = coco.flows().get(name)
    if known is not None:
        known.close()

    def build(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["rows"] = builder.add_source(LabSource())
        collector = scope.add_collector()
        with scope["rows"].row() as row:
            collector.collect(name=row["name"], other=row["name"], **{field: row[field] for field in fields})
        for label in extras:
            builder.declare(LabExtra(label))
        for position, target in enumerate(targets):
            collector.export(
                f"t{position}",
                target,
                primary_key_fields=[key],
                attachments=attachments,
                setup_by_user=setup_by_user,
            )

    return coco.open_flow(name, build)


def plan_of(flow: coco.Flow) -> tuple[str, bool]:
    return make_setup_bundle([flow]).describe()


TEXT = LabState(["other", "text"])
WIDE = LabState(["other", "text", "size"])
SIZE = LabState(["other", "size"])


def test_create_then_nothing(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """SU-6, SU-8, SU-43: create, up to date, no further call."""
    flow = define(LabTarget("one"))
    text, current = plan_of(flow)
    assert not current
    assert text.splitlines() == [
        "Flow Lab [NEW]",
        "  [ TO CREATE ] table one",
        "    TODO: create table one",
    ]
    flow.setup(report_to_stdout=True)
    shown = capsys.readouterr().out
    assert shown.startswith("Setup status:\n")
    assert "create table one: DONE" in shown
    assert lab.taken() == [("change", "one", None, TEXT)]
    assert plan_of(flow) == ("Flow Lab [EXISTING]\n  [ READY ] table one", True)
    flow.setup(report_to_stdout=True)
    assert "No setup changes to apply." in capsys.readouterr().out
    assert lab.taken() == []


def test_describe_is_read_only(lab: Lab) -> None:
    """SU-6."""
    flow = define(LabTarget("one"))
    before = plan_of(flow)
    assert plan_of(flow) == before
    assert lab.calls == []
    assert RUNTIME.flow_names_with_setup() == []


def test_a_compatible_change_alters_and_exports_nothing_again(lab: Lab) -> None:
    """SU-37, CT-10."""
    define(LabTarget("one")).setup()
    define(LabTarget("one")).update()
    lab.taken()
    flow = define(LabTarget("one", comment="hello"))
    text, _ = plan_of(flow)
    assert "[ TO UPDATE ] table one" in text
    assert "destructive" not in text
    assert "lossy" not in text
    flow.setup()
    assert lab.taken() == [("change", "one", TEXT, LabState(["other", "text"], "hello"))]
    lab.rows["one"].clear()
    flow.update()
    assert lab.rows["one"] == {}


def test_a_partly_compatible_change_is_lossy_and_exports_again(lab: Lab) -> None:
    """SU-38, SU-42: the plan counts the rows; the update writes them again."""
    flow = define(LabTarget("one"))
    flow.setup()
    flow.update()
    lab.taken()
    flow = define(LabTarget("one"), fields=("text", "size"))
    bundle = make_setup_bundle([flow])
    text, current = bundle.describe()
    assert not current
    assert not bundle.destructive  # type: ignore[attr-defined]  # of the real one, not of the port
    assert "    TODO: alter one: ['other', 'text'] -> ['other', 'text', 'size']" in text
    assert "    NOTE: lossy: some of its data is lost until it is written again" in text
    assert "    NOTE: 2 rows there are written again by the next update" in text
    with pytest.raises(SetupRequiredError, match="alter one"):
        flow.update()
    bundle.apply()
    assert lab.taken() == [("change", "one", TEXT, WIDE)]
    flow.update()
    assert lab.rows["one"] == {
        "a": {"other": "a", "text": "text", "size": 4},
        "b": {"other": "b", "text": "text", "size": 4},
    }


def test_another_key_builds_it_anew(lab: Lab) -> None:
    """SU-39, SU-40: destructive, said with the number of rows; drop, then create."""
    flow = define(LabTarget("one"))
    flow.setup()
    flow.update()
    lab.taken()
    flow = define(LabTarget("one"), key="other")
    bundle = make_setup_bundle([flow])
    text, _ = bundle.describe()
    assert bundle.destructive  # type: ignore[attr-defined]  # of the real one, not of the port
    assert "[ TO REBUILD ] table one" in text
    assert "NOTE: destructive: data in the target is deleted" in text
    assert "NOTE: 2 rows there are deleted and written again by the next update" in text
    bundle.apply()
    calls = lab.taken()
    assert [(call[2] is None, call[3] is None) for call in calls] == [(False, True), (True, False)]
    flow.update()
    assert set(lab.rows["one"]) == {"a", "b"}


def test_a_removed_export_is_dropped_by_what_is_on_record(lab: Lab) -> None:
    """SU-29, TG-Common-12: another table is delete and create; the creation comes first."""
    define(LabTarget("one")).setup()
    lab.taken()
    flow = define(LabTarget("two"))
    text, _ = plan_of(flow)
    assert "[ TO CREATE ] table two" in text
    assert "[ TO DELETE ] table one" in text
    flow.setup()
    assert lab.taken() == [("change", "two", None, TEXT), ("change", "one", TEXT, None)]
    assert plan_of(flow)[1]


def test_drop_and_setup_again(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """SU-13, SU-17: targets, then our own state; the flow stays usable."""
    flow = define(LabTarget("one"), LabTarget("two"))
    flow.setup()
    flow.update()
    lab.taken()
    text, current = make_drop_bundle([flow]).describe()
    assert not current
    assert text.splitlines()[-1] == "  [ TO DELETE ] internal state"
    assert text.count("NOTE: 2 rows there are deleted") == 2
    flow.drop()
    assert sorted(lab.taken(), key=str) == [("change", "one", TEXT, None), ("change", "two", TEXT, None)]
    assert RUNTIME.flow_names_with_setup() == []
    flow.drop(report_to_stdout=True)
    assert "No setup changes to apply." in capsys.readouterr().out
    flow.setup()
    flow.update()
    assert set(lab.rows["one"]) == {"a", "b"}


def test_drop_of_a_flow_that_is_no_longer_defined(lab: Lab) -> None:
    """SU-47: by name, from records alone."""
    define(LabTarget("one"), attachments=(LabIndex("i", "saved"),)).setup()
    coco.flows()["Lab"].close()
    lab.taken()
    RUNTIME.make_drop_bundle([], names=["Lab"]).describe_and_apply()
    assert lab.taken() == [("detach", "one", "i", "saved"), ("change", "one", TEXT, None)]


# the user's own resources


def test_a_users_resource_is_never_touched_and_never_pending(lab: Lab) -> None:
    """SU-3, TG-Common-13: a flow is set up once, later changes of it need no setup."""
    lab.rows["mine"] = {}
    flow = define(LabTarget("mine"), setup_by_user=True)
    text, current = plan_of(flow)
    assert current
    assert "[ USER MANAGED ] table mine" in text
    flow.setup()
    flow.update()
    assert set(lab.rows["mine"]) == {"a", "b"}
    flow = define(LabTarget("mine"), fields=("text", "size"), setup_by_user=True)
    assert plan_of(flow)[1]
    flow.update()
    assert lab.rows["mine"]["a"]["size"] == 4
    flow = define(LabTarget("other"), setup_by_user=True)
    text, current = plan_of(flow)
    assert current
    assert "TODO: forget table mine (it is yours and stays as it is)" in text
    lab.rows["other"] = {}
    flow.update()
    flow.drop()
    assert lab.taken() == []
    assert set(lab.rows) == {"mine", "other"}


def test_handing_a_resource_over_to_the_user_leaves_it_alone(lab: Lab) -> None:
    """TG-Common-13."""
    define(LabTarget("one")).setup()
    lab.taken()
    flow = define(LabTarget("one"), setup_by_user=True)
    text, current = plan_of(flow)
    assert current
    assert "NOTE: was managed by coco: it is left alone from now on" in text
    flow.setup()
    flow.drop()
    assert lab.taken() == []
    assert "one" in lab.tables


def test_taking_over_adopts_what_fits_and_refuses_what_does_not(lab: Lab) -> None:
    """TG-Common-13, SU-50: and after a refusal nothing is on record that a later drop could act on."""
    lab.rows["mine"] = {}
    define(LabTarget("mine"), setup_by_user=True).setup()
    lab.tables["mine"] = SIZE
    flow = define(LabTarget("mine"))
    for _ in range(2):
        with pytest.raises(CocoError, match="exists and has other columns; nothing was changed"):
            flow.setup()
    flow.drop()
    assert lab.taken() == []
    assert lab.tables == {"mine": SIZE}
    lab.tables["mine"] = TEXT
    flow.setup()
    assert lab.taken() == [("change", "mine", None, TEXT)]


def test_what_stands_there_already_is_refused_each_time(lab: Lab) -> None:
    """SU-50: not altered by the second try, not dropped by a drop."""
    lab.tables["one"] = SIZE
    flow = define(LabTarget("two"), LabTarget("one"))
    for _ in range(2):
        with pytest.raises(CocoError, match="table one exists"):
            flow.setup()
    flow.drop()
    assert lab.taken() == []
    assert lab.tables == {"one": SIZE}


# attachments and declarations


def test_attachments_come_go_and_change(lab: Lab) -> None:
    """SU-16, ATT-4 to ATT-6."""
    define(LabTarget("one"), attachments=(LabIndex("i", "1"), LabIndex("j", "1"))).setup()
    assert lab.taken() == [
        ("change", "one", None, TEXT),
        ("attach", "one", "i", "1"),
        ("attach", "one", "j", "1"),
    ]
    flow = define(
        LabTarget("one"),
        fields=("text", "size"),
        attachments=(LabIndex("j", "2"), LabIndex("k", "1")),
    )
    text, _ = plan_of(flow)
    assert "TODO: tear down attachment i" in text
    assert "TODO: set up attachment j" in text
    assert "TODO: set up attachment k" in text
    flow.setup()
    assert lab.taken() == [
        ("detach", "one", "i", "1"),
        ("change", "one", TEXT, WIDE),
        ("attach", "one", "j", "2"),
        ("attach", "one", "k", "1"),
    ]
    define(
        LabTarget("one"),
        fields=("text", "size"),
        attachments=(LabIndex("j", "2", "noted"), LabIndex("k", "1")),
    ).setup()
    assert lab.taken() == []  # the saved text only
    coco.flows()["Lab"].drop()
    assert {call[:3] for call in lab.taken()[:2]} == {("detach", "one", "j"), ("detach", "one", "k")}


def test_attachments_return_when_their_resource_is_made_anew(lab: Lab) -> None:
    """ATT-7."""
    define(LabTarget("one"), attachments=(LabIndex("i", "1"),)).setup()
    lab.taken()
    define(LabTarget("one"), key="other", attachments=(LabIndex("i", "1"),)).setup()
    assert [call[0] for call in lab.taken()] == ["detach", "change", "change", "attach"]


def test_changes_of_one_kind_come_at_once_where_the_connector_asks(lab: Lab) -> None:
    """SU-16, CT-16: so that it can order them."""
    define(LabTarget("one"), extras=("x", "y")).setup()
    assert ("extras", "x False->True", "y False->True") in lab.taken()
    define(LabTarget("one"), extras=("y", "z")).setup()
    assert lab.taken() == [("extras", "z False->True", "x True->False")]


# failures and crashes


def test_a_failure_says_what_is_done_and_the_next_setup_goes_on(lab: Lab) -> None:
    """SU-18, TG-Common-16."""
    flow = define(LabTarget("one"), LabTarget("two"), LabTarget("three"))
    lab.fail = lambda call: call[1] == "two"
    with pytest.raises(OSError, match="cannot change two") as caught:
        flow.setup()
    notes = "\n".join(caught.value.__notes__)
    assert "while applying setup of flow 'Lab': table two" in notes
    assert "done: table one; not done: table two, table three; run setup again to continue" in notes
    with pytest.raises(SetupRequiredError):
        flow.update()
    lab.fail = lambda call: False
    lab.taken()
    text, _ = plan_of(flow)
    assert "[ READY ] table one" in text
    assert "create table two (continue after an interrupted setup)" in text
    flow.setup()
    assert lab.taken() == [("change", "two", None, TEXT), ("change", "three", None, TEXT)]
    flow.update()


def test_after_an_interrupted_change_every_possible_state_is_a_previous_one(lab: Lab) -> None:
    """SU-22, SU-26, SU-32."""
    define(LabTarget("one")).setup()
    lab.fail = lambda call: True
    with pytest.raises(OSError, match="cannot change"):
        define(LabTarget("one"), fields=("text", "size")).setup()
    lab.fail = lambda call: False
    lab.taken()
    flow = define(LabTarget("one"), fields=("size",))
    text, _ = plan_of(flow)
    assert "NOTE: continues after an interrupted setup" in text
    flow.setup()
    assert lab.taken() == [("change", "one", TEXT, SIZE), ("change", "one", WIDE, SIZE)]
    assert plan_of(flow)[1]


def test_an_interrupted_change_that_is_taken_back_is_undone(lab: Lab) -> None:
    flow = define(LabTarget("one"), attachments=(LabIndex("i", "1"),))
    flow.setup()
    lab.fail = lambda call: call[0] == "attach"
    with pytest.raises(OSError, match="cannot attach"):
        define(LabTarget("one"), fields=("text", "size"), attachments=(LabIndex("j", "1"),)).setup()
    lab.fail = lambda call: False
    lab.taken()
    flow = define(LabTarget("one"), attachments=(LabIndex("i", "1"),))
    assert not plan_of(flow)[1]
    flow.setup()
    assert lab.taken() == [
        ("detach", "one", "j", "1"),
        ("change", "one", WIDE, TEXT),
        ("attach", "one", "i", "1"),
    ]


def test_an_interrupted_attachment_is_attached_by_the_next_setup(lab: Lab) -> None:
    """ATT-9: also where nothing else is to do."""
    define(LabTarget("one")).setup()
    lab.fail = lambda call: call[0] == "attach"
    flow = define(LabTarget("one"), attachments=(LabIndex("i", "1"),))
    with pytest.raises(OSError, match="cannot attach one"):
        flow.setup()
    lab.fail = lambda call: False
    lab.taken()
    flow.setup()
    assert lab.taken() == [("attach", "one", "i", "1")]


def test_a_drop_that_fails_is_taken_up_or_given_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """SU-17, SU-19: the error names the setting; with it the rest goes and this one is forgotten."""
    flow = define(LabTarget("one"), LabTarget("two"))
    flow.setup()
    lab.taken()
    lab.fail = lambda call: call[1] == "one"
    with pytest.raises(OSError, match="cannot change one") as caught:
        flow.drop()
    assert "COCO_IGNORE_TARGET_DROP_FAILURES=1" in "\n".join(caught.value.__notes__)
    assert RUNTIME.flow_names_with_setup() == ["Lab"]
    RUNTIME.stop()
    monkeypatch.setenv("COCO_IGNORE_TARGET_DROP_FAILURES", "1")
    flow.drop()
    assert lab.taken() == [("change", "two", TEXT, None)]
    assert RUNTIME.flow_names_with_setup() == []
    assert "one" in lab.tables


def test_a_missing_auth_entry_blocks_the_drop_and_nothing_else(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """AU-18, SU-46, AUTH-4: said with the key; the record stays until it is there."""
    from coco.auth_registry import default_registry

    key = "lab-secret"
    define(LabTarget("one", secret=coco.add_auth_entry(key, "value"))).setup()
    lab.taken()
    default_registry().remove([key])
    flow = define(LabTarget("two"))
    text, _ = plan_of(flow)
    assert "[ UNKNOWN ] table one" in text
    assert f"NOTE: cannot be dropped: auth entry '{key}' is not registered" in text
    flow.setup(report_to_stdout=True)
    assert "WARNING: table one: cannot be dropped" in capsys.readouterr().out
    flow.update()
    flow.drop()
    assert [call[1] for call in lab.taken()] == ["two", "two"]
    assert RUNTIME.flow_names_with_setup() == ["Lab"]
    coco.add_auth_entry(key, "value")
    flow.drop()
    assert lab.taken() == [("change", "one", TEXT, None)]
    assert RUNTIME.flow_names_with_setup() == []
    default_registry().remove([key])


def test_a_password_that_changed_is_no_setup_change(lab: Lab) -> None:
    """AU-12, AUTH-3."""
    entry = coco.add_auth_entry("lab-rotated", "old")
    flow = define(LabTarget("one", secret=entry))
    flow.setup()
    coco.add_auth_entry("lab-rotated", "new", replace=True)
    assert plan_of(flow)[1]


def test_a_plan_that_grew_stale_is_refused_where_it_would_do_more(lab: Lab) -> None:
    """SU-14, SU-25: what was not described is not done."""
    flow = define(LabTarget("one"))
    bundle = make_setup_bundle([flow])
    bundle.describe()
    define(LabTarget("two"), name="Lab").setup()  # somebody else, meanwhile
    lab.taken()
    with pytest.raises(SetupConflictError, match="changed by someone else"):
        bundle.apply()
    assert lab.taken() == []


def test_a_plan_that_grew_stale_is_applied_where_it_does_no_more(lab: Lab) -> None:
    """SU-14: the rest of a bundle whose first try failed, say."""
    flow = define(LabTarget("one"), LabTarget("two"))
    bundle = make_setup_bundle([flow])
    bundle.describe()
    lab.fail = lambda call: call[1] == "two"
    with pytest.raises(OSError, match="cannot change two"):
        bundle.apply()
    lab.fail = lambda call: False
    lab.taken()
    bundle.apply()
    assert lab.taken() == [("change", "two", None, TEXT)]
    assert plan_of(flow)[1]


def test_several_flows_stand_on_their_own(lab: Lab) -> None:
    """SU-20: the error names the flow; the one before it is done."""
    first, second = define(LabTarget("one"), name="First"), define(LabTarget("two"), name="Second")
    lab.fail = lambda call: call[1] == "two"
    with pytest.raises(OSError, match="cannot change two") as caught:
        make_setup_bundle([first, second]).describe_and_apply()
    assert any("'Second'" in note for note in caught.value.__notes__)
    assert plan_of(first)[1]
    assert not plan_of(second)[1]


def test_another_source_is_our_own_affair(lab: Lab) -> None:
    """SU-34, SU-45: no decision, applied silently by the update."""
    flow = define(LabTarget("one"))
    flow.setup()
    flow.update()
    coco.flows()["Lab"].close()

    def build(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["renamed"] = builder.add_source(LabSource())
        collector = scope.add_collector()
        with scope["renamed"].row() as row:
            collector.collect(name=row["name"], other=row["name"], text=row["text"])
        collector.export("t0", LabTarget("one"), primary_key_fields=["name"])

    flow = coco.open_flow("Lab", build)
    assert plan_of(flow)[1]
    flow.update()
    assert set(lab.rows["one"]) == {"a", "b"}


def test_two_exports_of_one_resource_are_refused(lab: Lab) -> None:
    """SU-30, CT-6."""
    with pytest.raises(DefinitionError, match=r"t0.*t1|t1.*t0"):
        define(LabTarget("one"), LabTarget("one")).setup()


def test_a_target_whose_plugin_is_gone_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """SU-27, CT-29: it blocks nothing else."""
    from coco.ops.registry import registry
    from coco.spec import OpCategory

    define(LabTarget("one"), extras=("x",)).setup()
    lab.taken()
    monkeypatch.delitem(registry._records, (OpCategory.DECLARATION, "LabExtra"))
    flow = define(LabTarget("two"))
    text, _ = plan_of(flow)
    assert "[ UNKNOWN ] LabExtra" in text
    assert "cannot be dropped: no declaration named 'LabExtra'" in text
    flow.setup()
    assert [call[1] for call in lab.taken()] == ["two", "one"]


def test_namespaces_keep_to_themselves(lab: Lab) -> None:
    """NS-8 to NS-10: listing and dropping in one does not see the other."""
    flow = define(LabTarget("one"))
    flow.setup()
    coco.stop()
    coco.init(coco.Settings(app_namespace="dev"))
    flow = define(LabTarget("two"))
    assert flow.full_name == "dev.Lab"
    flow.setup()
    assert RUNTIME.flow_names_with_setup() == ["Lab"]
    lab.taken()
    flow.drop()
    assert [call[1] for call in lab.taken()] == ["two"]
    assert RUNTIME.flow_names_with_setup() == []
    coco.stop()
    assert RUNTIME.flow_names_with_setup() == ["Lab"]
