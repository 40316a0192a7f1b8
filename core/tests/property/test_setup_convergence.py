"""Laws of setup: from any crash point, and any edits in between, it reaches what is wanted."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco import op
from coco.engine_object import dump_engine_object
from coco.errors import SetupConflictError
from coco.events import ignore_event
from coco.ops.registry import registry
from coco.setup.apply import Applier
from coco.setup.changes import ChangeKind, FlowChange
from coco.setup.desired import DesiredTarget
from coco.setup.diff import diff_drop, diff_flow
from coco.setup.states import TARGET_PREFIX, encode_key
from coco.spec import OpCategory
from coco.state.protocol import SetupRecord, SetupWrite


class LawTable(op.TargetSpec):
    """A table: columns can be altered, a comment changed, an engine only by building it anew."""

    columns: tuple[str, ...]
    comment: str = ""
    engine: str = "row"


class LawIndex(op.TargetAttachmentSpec):
    name: str
    definition: str


@dataclasses.dataclass
class Table:
    columns: set[str]
    comment: str
    engine: str
    indexes: dict[str, str] = dataclasses.field(default_factory=dict)


class Crash(Exception):
    """The process ends here."""


class Refused(Exception):
    """A step fails, and changes nothing; the process goes on."""


class Backend:
    """Tables by name; ``left``: how many more steps the process lives; ``willing``: how many more calls it takes.

    ``attached``: what came (+1) and went (-1), by table and attachment.
    """

    def __init__(self) -> None:
        self.willing: int | None = None
        self.attached: list[tuple[str, str, str, int]] = []
        self.tables: dict[str, Table] = {}
        self.calls = 0
        self.left: int | None = None

    def call(self) -> None:
        self.calls += 1
        if self.willing is not None:
            if self.willing == 0:
                raise Refused
            self.willing -= 1
        self.step()

    def step(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Crash
            self.left -= 1


BACKEND = Backend()


@op.target_connector(spec_cls=LawTable, persistent_key_type=str)
class LawTableConnector:
    """Every change is made in small steps, any of which may be the last one."""

    @staticmethod
    def get_persistent_key(spec: LawTable, target_name: str) -> str:
        return target_name

    @staticmethod
    def check_state_compatibility(desired: LawTable, existing: LawTable) -> op.TargetStateCompatibility:
        if desired.engine != existing.engine:
            return op.TargetStateCompatibility.NOT_COMPATIBLE
        if desired.columns != existing.columns:
            return op.TargetStateCompatibility.PARTIALLY_COMPATIBLE
        return op.TargetStateCompatibility.COMPATIBLE

    @staticmethod
    def apply_setup_change(key: str, previous: LawTable | None, current: LawTable | None) -> None:
        BACKEND.call()
        if current is None:
            BACKEND.tables.pop(key, None)
        elif previous is None:
            BACKEND.tables.setdefault(key, Table(set(current.columns), current.comment, current.engine))
        else:
            table = BACKEND.tables[key]
            for column in sorted(set(previous.columns) - set(current.columns)):
                BACKEND.step()
                table.columns.discard(column)
            for column in sorted(set(current.columns) - set(previous.columns)):
                BACKEND.step()
                table.columns.add(column)
            BACKEND.step()
            table.comment = current.comment
        BACKEND.step()

    @staticmethod
    def mutate(*batches: Any) -> None:
        raise AssertionError("setup writes no rows")


@op.attachment_connector(spec_cls=LawIndex, target_kinds=["LawTable"])
class LawIndexConnector:
    @staticmethod
    def apply(target_key: str, spec: LawIndex) -> None:
        BACKEND.call()
        BACKEND.tables[target_key].indexes[spec.name] = spec.definition
        BACKEND.attached.append((target_key, spec.name, spec.definition, 1))
        BACKEND.step()

    @staticmethod
    def teardown(target_key: str, saved_spec: LawIndex) -> None:
        BACKEND.call()
        table = BACKEND.tables.get(target_key)
        if table is not None:
            table.indexes.pop(saved_spec.name, None)
        BACKEND.attached.append((target_key, saved_spec.name, saved_spec.definition, -1))
        BACKEND.step()


class Records:
    """The setup part of a state store; a write happens whole or not at all."""

    def __init__(self) -> None:
        self.version = 0
        self.records: dict[tuple[str, str], SetupRecord] = {}
        self.next_id = 1

    def setup_version(self, flow: str) -> int:
        return self.version

    def setup_records(self, flow: str) -> list[SetupRecord]:
        return list(self.records.values())

    def setup_write(self, flow: str, expected_version: int, writes: Sequence[SetupWrite]) -> int:
        BACKEND.step()
        if expected_version != self.version:
            raise SetupConflictError("moved")
        for item in writes:
            key = (item.resource_type, item.key)
            self.records.pop(key, None)
            if item.state is not None or item.staging:
                self.records[key] = SetupRecord(flow, item.resource_type, item.key, item.state, item.staging)
        self.version += 1
        BACKEND.step()
        return self.version

    def allocate_ids(self, count: int) -> list[int]:
        BACKEND.step()
        self.next_id += count
        return list(range(self.next_id - count, self.next_id))

    def drop_target_keys(self, ids: Sequence[int]) -> None:
        BACKEND.step()

    def drop_sources(self, ids: Sequence[int]) -> None:
        BACKEND.step()


@dataclasses.dataclass(frozen=True)
class Wanted:
    columns: frozenset[str]
    comment: str
    engine: str
    key: str
    indexes: tuple[tuple[str, str], ...]

    def table(self) -> Table:
        return Table(set(self.columns), self.comment, self.engine, dict(self.indexes))

    def desired(self, name: str) -> DesiredTarget:
        spec = LawTable(tuple(sorted(self.columns)), self.comment, self.engine)
        specs = {index: LawIndex(index, definition) for index, definition in self.indexes}
        record = registry.get(OpCategory.TARGET, "LawTable")
        return DesiredTarget(
            TARGET_PREFIX + "LawTable",
            encode_key(name),
            name,
            name,
            record,
            spec,
            spec,
            dump_engine_object(spec),
            [{"name": "k", "type": self.key}],
            [{"name": "v", "type": "Str"}],
            False,
            {index: ["LawIndex", dump_engine_object(item)] for index, item in specs.items()},
            dict(specs),
        )


wanted = st.builds(
    Wanted,
    columns=st.frozensets(st.sampled_from("abc"), min_size=1),
    comment=st.sampled_from(["", "x"]),
    engine=st.sampled_from(["row", "row", "column"]),
    key=st.sampled_from(["Str", "Str", "Int64"]),
    indexes=st.dictionaries(st.sampled_from("ij"), st.sampled_from("12"), max_size=2).map(
        lambda items: tuple(sorted(items.items()))
    ),
)
definitions = st.dictionaries(st.sampled_from(["t", "u"]), wanted, max_size=2)
one_table = wanted.map(lambda item: {"t": dataclasses.replace(item, engine="row", key="Str")})
moves = st.one_of(
    st.lists(st.tuples(definitions, st.integers(0, 40)), min_size=1, max_size=4),
    # Alterations of one table, the first of which comes to its end.
    st.tuples(one_table, st.lists(st.tuples(one_table, st.integers(1, 10)), min_size=1, max_size=4)).map(
        lambda item: [(item[0], 99), *item[1]]
    ),
)


async def call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def plan(records: Any, definition: dict[str, Wanted]) -> FlowChange:
    targets = [item.desired(name) for name, item in definition.items()]
    return diff_flow("law", records.version, records.setup_records("law"), targets, [], {})


def carry_out(records: Any, change: FlowChange, lives: int | None) -> bool:
    """Whether it came to its end."""
    BACKEND.left = lives
    try:
        # Nothing here ever waits, so no event loop is needed.
        Applier(records, call, call, ignore_event, lambda text: None).apply(change).send(None)
    except StopIteration:
        return True
    except (Crash, Refused):
        return False
    finally:
        BACKEND.left = BACKEND.willing = None
    raise AssertionError("it waited for something")


def start() -> Records:
    BACKEND.tables.clear()
    BACKEND.attached.clear()
    return Records()


@pytest.mark.parametrize("second", range(5))
@pytest.mark.parametrize("first", range(12))
def test_an_attachment_that_is_wanted_again_is_attached_after_a_crash(first: int, second: int) -> None:
    """Its removal may have happened without a record: the setup that wants it again must not trust the last record."""
    plain = Wanted(frozenset("a"), "", "row", "Str", ())
    indexed = dataclasses.replace(plain, indexes=(("i", "1"),))
    records = start()
    assert carry_out(records, plan(records, {"t": indexed}), None)
    carry_out(records, plan(records, {"t": plain}), first)
    carry_out(records, plan(records, {"t": indexed}), second)
    assert carry_out(records, plan(records, {"t": indexed}), None)
    assert BACKEND.tables == {"t": indexed.table()}


@settings(max_examples=examples(200))
@given(moves)
def test_setup_resumes_from_every_crash_point(steps: list[tuple[dict[str, Wanted], int]]) -> None:
    """Whatever was begun before, the last definition is reached, and then nothing is left to do."""
    records = start()
    for definition, lives in steps:
        carry_out(records, plan(records, definition), lives)
    final = steps[-1][0]
    assert carry_out(records, plan(records, final), None)
    assert BACKEND.tables == {name: item.table() for name, item in final.items()}
    after = plan(records, final)
    assert after.up_to_date
    assert not after.silent
    assert all(item.kind is ChangeKind.NONE for item in after.resources)
    assert not any(item.staging for item in records.records.values())
    BACKEND.calls = 0
    assert carry_out(records, after, None)
    assert BACKEND.calls == 0


@pytest.mark.parametrize("after", ["first", "changed", "gone", "table gone"])
def test_a_crash_at_any_step_of_an_attachment(after: str) -> None:
    """Whether it is attached or not, the next setup brings it to what is wanted."""
    table = Wanted(frozenset("a"), "", "row", "Str", (("i", "1"),))
    wanted = {
        "first": {"t": table},
        "changed": {"t": dataclasses.replace(table, indexes=(("i", "2"),))},
        "gone": {"t": dataclasses.replace(table, indexes=())},
        "table gone": {},
    }[after]
    begun = {"t": table} if after == "first" else wanted
    for lives in range(60):
        for taken_back in (False, True):
            records = start()
            if after != "first":
                assert carry_out(records, plan(records, {"t": table}), None)
            ended = carry_out(records, plan(records, begun), lives)
            final = {"t": dataclasses.replace(table, indexes=())} if taken_back else wanted
            assert carry_out(records, plan(records, final), None)
            assert BACKEND.tables == {name: item.table() for name, item in final.items()}
            assert plan(records, final).up_to_date
        if ended:
            return
    raise AssertionError("it never came to its end")


@settings(max_examples=examples(100))
@given(moves, st.lists(st.integers(0, 6), max_size=2))
def test_attachments_come_and_go_once_per_success(
    steps: list[tuple[dict[str, Wanted], int]], refusals: list[int]
) -> None:
    """Whatever fails, as long as the process lives: what is torn down was set up since it was last torn down."""
    records = start()
    for definition, calls in steps:
        BACKEND.willing = calls
        carry_out(records, plan(records, definition), None)
    for willing in [*refusals, None]:
        BACKEND.willing = willing
        carry_out(records, diff_drop("law", records.version, records.setup_records("law"), {}), None)
    there: dict[tuple[str, str], set[str]] = {}
    for table, name, definition, change in BACKEND.attached:
        present = there.setdefault((table, name), set())
        if change > 0:
            assert definition not in present
            present.clear()  # it takes the place of an older version
            present.add(definition)
        else:
            assert definition in present
            present.remove(definition)
    assert not any(there.values())


@settings(max_examples=examples(80))
@given(moves, st.lists(st.integers(0, 20), max_size=3))
def test_drop_resumes_from_every_crash_point(
    steps: list[tuple[dict[str, Wanted], int]], interruptions: list[int]
) -> None:
    """Nothing of the flow is left, neither resources nor records."""
    records = start()
    for definition, lives in steps:
        carry_out(records, plan(records, definition), lives)
    last: list[int | None] = [*interruptions, None]
    for left in last:
        carry_out(records, diff_drop("law", records.version, records.setup_records("law"), {}), left)
    assert BACKEND.tables == {}
    assert records.records == {}


@settings(max_examples=examples(80))
@given(moves)
def test_data_is_lost_only_with_a_mark(steps: list[tuple[dict[str, Wanted], int]]) -> None:
    """A table that was there and goes, or is made anew, stands as destructive in the plan."""
    records = start()
    for definition, lives in steps:
        change = plan(records, definition)
        before = dict(BACKEND.tables)
        ids = {
            item.key: item.existing.states()[0].target_id for item in change.resources if item.existing.known
        }
        carry_out(records, change, lives)
        for item in change.resources:
            table = before.get(item.key.strip('"'))
            lost = table is not None and BACKEND.tables.get(item.key.strip('"')) is not table
            if lost:
                assert item.destructive
            if not item.destructive and item.existing.current is not None and item.state is not None:
                assert item.state.target_id == ids[item.key]


@settings(max_examples=examples(80))
@given(moves)
def test_ids_are_never_used_twice(steps: list[tuple[dict[str, Wanted], int]]) -> None:
    """One id is one resource with one key; a rebuilt one has a fresh id."""
    records = start()
    owners: dict[int, tuple[str, str]] = {}
    for definition, lives in steps:
        carry_out(records, plan(records, definition), lives)
        for record in records.records.values():
            states = [record.state, *(item.get("upsert") for item in record.staging)]
            for state in states:
                if state is not None and "target_id" in state:
                    owner = (record.key, str(state["key_fields"]))
                    assert owners.setdefault(state["target_id"], owner) == owner


@given(definitions)
def test_the_plan_in_words_names_every_change(definition: dict[str, Wanted]) -> None:
    """A line per resource, and per change a TODO."""
    from coco.setup.describe import describe_changes

    records = start()
    text = describe_changes([plan(records, definition)])
    assert text.count("[ TO CREATE ]") == len(definition)
    assert text.count("TODO: create") == len(definition)
    carry_out(records, plan(records, definition), None)
    text = describe_changes([plan(records, definition)])
    assert text.count("[ READY ]") == len(definition)
    assert "TODO" not in text
