"""``@op.row_target``: what its functions may look like, and what it registers for them."""

import dataclasses
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from coco import op
from coco.engine_object import dump_engine_object, load_engine_object
from coco.errors import CallShapeError, DefinitionError
from coco.index import FtsIndexDef, IndexOptions
from coco.ops.registry import RegisteredTarget, registry
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema

TITLE = (FieldSchema("title", EnrichedValueType(BasicValueType("Str"))),)
TEXT = (FieldSchema("text", EnrichedValueType(BasicValueType("Str"))),)
WRITTEN: list[Any] = []


@dataclasses.dataclass
class Volume:
    text: str


class GivenShelf(op.TargetSpec):
    """Volumes."""

    folder: str


def record_of(kind: str) -> RegisteredTarget:
    record = registry.get(op.OpCategory.TARGET, kind)
    assert isinstance(record, RegisteredTarget)
    return record


@op.row_target()
def made_shelf(upserts: dict[str, Volume], deletes: list[str], folder: str, suffix: str = "") -> None:
    """Volumes as files."""
    WRITTEN.append((upserts, deletes, folder, suffix))


@op.row_target()
def write_given(spec: GivenShelf, upserts: dict[str, Volume], deletes: list[str]) -> None:
    WRITTEN.append((spec, upserts, deletes))


def test_spec_is_made_from_the_parameters() -> None:
    spec: Any = made_shelf(folder="a")
    assert isinstance(spec, op.TargetSpec)
    assert (spec.folder, spec.suffix) == ("a", "")
    assert type(spec).__name__ == "MadeShelf"
    assert type(spec).__doc__ == "Volumes as files."
    with pytest.raises(DefinitionError, match="expected str, got int"):
        made_shelf(folder=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="did you mean 'folder'"):
        made_shelf(folde="a")  # type: ignore[call-arg]


def test_spec_survives_pickle_and_state() -> None:
    spec = made_shelf(folder="a", suffix="b")
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert load_engine_object(type(spec), dump_engine_object(spec)) == spec


def test_function_with_a_spec_stays_as_it_is() -> None:
    WRITTEN.clear()
    write_given(GivenShelf(folder="a"), {}, ["k"])
    assert [(GivenShelf(folder="a"), {}, ["k"])] == WRITTEN
    assert record_of("GivenShelf").spec_cls is GivenShelf


def test_rows_come_as_declared_and_in_one_call_for_a_batch() -> None:
    WRITTEN.clear()
    record = record_of("MadeShelf")
    bound = record.bind(TITLE, TEXT)
    prepare, mutate = record.method("prepare"), record.method("mutate")
    assert prepare is not None and mutate is not None
    opened = prepare(made_shelf(folder="a", suffix="b"), list(TITLE), list(TEXT))
    mutate(
        (opened, {bound.decode_key(("k",)): bound.decode_value(("v",)), bound.decode_key(("gone",)): None})
    )
    assert [({"k": Volume("v")}, ["gone"], "a", "b")] == WRITTEN


def test_nothing_is_called_for_an_empty_batch() -> None:
    WRITTEN.clear()
    record = record_of("MadeShelf")
    prepare, mutate = record.method("prepare"), record.method("mutate")
    assert prepare is not None and mutate is not None
    mutate((prepare(made_shelf(folder="a"), list(TITLE), list(TEXT)), {}))
    mutate()
    assert WRITTEN == []


def test_identity_does_not_change_with_new_and_removed_fields() -> None:
    """Stored keys name their fields; a field that is new counts as if it had always had its default."""
    record = record_of("MadeShelf")
    key_of, upgrade = record.method("get_persistent_key"), record.method("upgrade_key")
    assert key_of is not None and upgrade is not None
    today = key_of(made_shelf(folder="a"), "export")
    assert today == {"folder": "a", "suffix": ""}
    assert upgrade(today) == today
    assert upgrade({"folder": "a"}) == today
    assert upgrade({"folder": "a", "suffix": "", "depth": 3}) == today
    assert upgrade({"suffix": ""}) == {"suffix": ""}  # no folder can be made up


def test_key_names_the_fields_of_the_identity() -> None:
    @op.row_target(key="folder")
    def keyed_shelf(
        upserts: dict[str, Volume], deletes: list[str], folder: str, pause: float = 0
    ) -> None: ...

    key_of, describe = (
        record_of("KeyedShelf").method("get_persistent_key"),
        record_of("KeyedShelf").method("describe"),
    )
    assert key_of is not None and describe is not None
    assert key_of(keyed_shelf(folder="a", pause=3), "export") == {"folder": "a"}
    assert describe({"folder": "a"}) == "KeyedShelf a"


def test_abilities_follow_from_what_is_given() -> None:
    def read_all(folder: str) -> Iterator[tuple[str, Volume]]:
        yield "k", Volume("v")

    def clear_all(folder: str) -> None: ...

    @op.row_target(read=read_all, clear=clear_all)
    def able_shelf(upserts: Mapping[str, Volume], deletes: Sequence[str], folder: str) -> None: ...

    able, plain = record_of("AbleShelf"), record_of("MadeShelf")
    for name in ("list_keys", "read_rows"):
        assert able.method(name) is not None and plain.method(name) is None
    assert able.method("delete_rows") is None and plain.method("delete_rows") is not None
    assert able.connector_cls.without_setup is plain.connector_cls.without_setup is True  # type: ignore[attr-defined]


def test_types_and_indexes_that_it_cannot_hold_are_refused() -> None:
    @op.row_target(types=("Str",))
    def text_shelf(upserts: dict[str, dict[str, str]], deletes: list[str], folder: str) -> None: ...

    validate, spec = record_of("TextShelf").method("validate"), text_shelf(folder="a")
    assert validate is not None
    no_index = IndexOptions(["title"])
    nullable = FieldSchema("text", EnrichedValueType(BasicValueType("Str"), nullable=True))
    validate(spec, TITLE, [nullable], no_index, [])
    size = FieldSchema("size", EnrichedValueType(BasicValueType("Int64")))
    with pytest.raises(DefinitionError, match="size: TextShelf cannot hold Int64; it holds Str"):
        validate(spec, TITLE, [size], no_index, [])
    with pytest.raises(DefinitionError, match="TextShelf has no indexes"):
        validate(spec, TITLE, TEXT, IndexOptions(["title"], [], [FtsIndexDef("text")]), [])


Good = dict[str, Volume]


def check(message: str, write: Any, **options: Any) -> None:
    with pytest.raises(DefinitionError) as caught:
        op.row_target(**options)(write)
    assert message in str(caught.value)


def test_signatures_that_are_refused() -> None:
    def no_rows(folder: str) -> None: ...

    def rows_last(folder: str, upserts: Good, deletes: list[str]) -> None: ...

    def bare(upserts, deletes, folder: str) -> None: ...  # type: ignore[no-untyped-def]

    def many(*args: Any, **kwargs: Any) -> None: ...

    def other_keys(upserts: Good, deletes: list[int], folder: str) -> None: ...

    def scalar_rows(upserts: dict[str, str], deletes: list[str], folder: str) -> None: ...

    def deletes_in_rows(upserts: dict[str, Volume | None], deletes: list[str], folder: str) -> None: ...

    def answers(upserts: Good, deletes: list[str], folder: str) -> int:
        return 3

    def streams(upserts: Good, deletes: list[str], folder: str) -> Iterator[None]:
        yield

    def bare_field(upserts: Good, deletes: list[str], folder) -> None: ...  # type: ignore[no-untyped-def]

    def by_name(*, upserts: Good, deletes: list[str], folder: str) -> None: ...

    def by_place(upserts: Good, deletes: list[str], folder: str, /) -> None: ...

    def four(spec: GivenShelf, upserts: Good, deletes: list[str], suffix: str) -> None: ...

    def unhashable(upserts: dict[list[str], Volume], deletes: list[list[str]]) -> None: ...  # type: ignore[type-var]

    contract = "`upserts: dict[Key, Row], deletes: list[Key]`"
    check(f"@row_target no_rows: the first two parameters are {contract}; it has 1 of them", no_rows)
    check(f"the first two parameters are {contract}; it has folder with str", rows_last)
    check("it has upserts with no annotation", bare)
    check("the first two parameters are", by_name)
    check("folder becomes a field of the spec and is given by name", by_place)
    check("it must name its parameters, instead of taking *args", many)
    check("keys of upserts are str, those of deletes int", other_keys)
    check("or dict[str, Any]; got str", scalar_rows)
    check("a row is never None here; keys to delete are in deletes", deletes_in_rows)
    check("it returns <class 'int'>; nothing is done with that: errors are raised", answers)
    check("it is a generator; it writes a batch and returns nothing", streams)
    check("folder becomes a field of the spec and needs an annotation", bare_field)
    check("after the spec, upserts and deletes it takes suffix; make these fields of the spec", four)
    check("@row_target unhashable: key of a row:", unhashable)
    with pytest.raises(CallShapeError, match="takes a function, got int"):
        op.row_target()(3)  # type: ignore[call-overload]


def test_options_that_are_refused() -> None:
    def write(upserts: Good, deletes: list[str], folder: str) -> None: ...

    def read_folders(folders: str) -> list[tuple[str, Volume]]:
        return []

    def read_two(spec: str, more: str) -> None: ...

    def write_spec(spec: GivenShelf, upserts: Good, deletes: list[str]) -> None: ...

    check(
        "key= names 'foldr', which is no field of the spec; it has folder; did you mean 'folder'?",
        write,
        key="foldr",
    )
    check(
        "read= takes what write takes besides rows and keys (folder), got (folders: str)",
        write,
        read=read_folders,
    )
    check("clear= takes a function, got str", write, clear="rm")
    check("types= names 'Sting', which is no type", write, types=("Str", "Sting"))
    check("did you mean 'Json'?", write, types="Jsn")
    check("read= takes the spec alone, got (spec: str, more: str)", write_spec, read=read_two)
