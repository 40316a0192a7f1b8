"""Sources that give back something else than they should: the message says what, and no foreign error comes through."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.engine.source_shapes import Shapes
from coco.errors import DefinitionError, SourceError, SourceReadError
from coco.op import NO_ORDINAL, NON_EXISTENCE, PartialSourceRow, PartialSourceRowData, SourceSpec

GIVES: dict[str, Callable[[], Any]] = {}
"""What the methods of ``WildConnector`` return."""


class Wild(SourceSpec):
    """Rows as ``GIVES`` has them. ``batches``: they are listed in lists."""

    batches: bool = False


@dataclasses.dataclass
class WildDocument:
    content: str


class WildConnector:
    @staticmethod
    def create(spec: Wild) -> Any:
        if "create" in GIVES:
            return GIVES["create"]()
        return WildBatches() if spec.batches else WildConnector()

    def list(self) -> Any:
        return GIVES["list"]()

    def get_value(self, key: Any) -> Any:
        return GIVES["value"]()

    async def provides_ordinal(self) -> bool:
        await asyncio.sleep(0)
        return bool(GIVES.get("ordinals", bool)())


class WildBatches(WildConnector):
    def list_batches(self, options: Any) -> Any:
        return GIVES["list"]()


op.source_connector(spec_cls=Wild, key_type=str, value_type=WildDocument)(WildConnector)


def data(**fields: Any) -> PartialSourceRowData[Any]:
    return PartialSourceRowData(**fields)


def row(key: Any = "a", **fields: Any) -> PartialSourceRow[Any, Any]:
    return PartialSourceRow(key, data(**fields))


def flow_of(name: str = "Wild", **options: Any) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(Wild(**options))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], said=doc["content"])
        out.export("out", RowTable(name="wild"), primary_key_fields=["file"])

    table("wild")
    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    GIVES.clear()
    GIVES.update(list=lambda: [row()], value=lambda: data(value=WildDocument("text")))
    yield
    GIVES.clear()


async def forgotten() -> list[Any]:
    return []


LISTINGS: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, "list() must return or yield PartialSourceRow(key=..., data=PartialSourceRowData(...)), "
     "one for each key; it returned None (is a `return` missing?)"),
    "text": (lambda: "abc", "it returned str 'abc'"),
    "mapping": (lambda: {"a": 1}, "it returned a dict"),
    "number": (lambda: 3, "it returned int 3"),
    "class": (lambda: list, "it returned the class list and no instance of it"),
    "function": (lambda: forgotten, "it returned the function forgotten (is a call missing?)"),
    "keys": (lambda: ["a"], "must list PartialSourceRow(key=..., data=PartialSourceRowData(...)); it listed str 'a'"),
    "pairs": (lambda: [("a", data())], "it listed a tuple; give a key and its data by name"),
    "none among them": (lambda: iter([row(), None]), "it listed None"),
    "coroutines": (lambda: (forgotten() for _ in range(1)), "it listed a coroutine (is an `await` missing?)"),
    "a value as data": (lambda: [PartialSourceRow("a", WildDocument("x"))], "data of the listed row str 'a' must be"),  # type: ignore[arg-type]
    "no data": (lambda: [PartialSourceRow("a", None)], "it is None"),  # type: ignore[arg-type]
    "time as ordinal": (lambda: [row(ordinal=datetime.datetime.now(datetime.UTC))], "ordinal of the listed row str 'a'"),
    "huge ordinal": (lambda: [row(ordinal=1 << 70)], "must be an int of 64 bits"),
    "text as fingerprint": (lambda: [row(content_version_fp="etag")], "must be bytes or None; it is str 'etag'"),
    "text as size": (lambda: [row(size="10")], "must be a number of bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTINGS)
def test_wrong_listings(name: str) -> None:
    GIVES["list"], words = LISTINGS[name]
    flow = flow_of()
    with pytest.raises(SourceError) as failed:
        flow.update()
    text = str(failed.value)
    assert "source 'docs' of flow 'Wild'" in text and "WildConnector" in text and words in text


def test_wrong_batches() -> None:
    flow = flow_of(batches=True)
    for given_, words in (
        (
            [row()],
            "list_batches() must yield lists of PartialSourceRow(key=..., data=PartialSourceRowData(...)); it yielded",
        ),
        (None, "WildConnector.list_batches() must return or yield lists of PartialSourceRow"),
        ([["a"]], "it listed str 'a'"),
    ):
        GIVES["list"] = lambda given_=given_: given_  # type: ignore[misc]
        with pytest.raises(SourceError) as failed:
            flow.update()
        assert words in str(failed.value)
    GIVES["list"] = lambda: iter([(item for item in [row()])])
    assert flow.update()["docs"].num_insertions == 1


READS: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, "get_value() must return PartialSourceRowData(value=...), or "
     "PartialSourceRowData(value=NON_EXISTENCE) for a row that does not exist; it returned None (is a `return` missing?)"),
    "the bare value": (lambda: WildDocument("text"), "it returned a WildDocument"),
    "the bare mark": (lambda: NON_EXISTENCE, "must return PartialSourceRowData(value=...)"),
    "text": (lambda: "text", "it returned str 'text'"),
    "pair": (lambda: (1, 2), "it returned a tuple"),
    "function": (lambda: forgotten, "it returned the function forgotten"),
    "no value": (lambda: data(), "returned no value although one was asked for"),
    "another value": (lambda: data(value=7), "expected"),
    "fields of another type": (lambda: data(value=WildDocument(7)), "expected Str"),  # type: ignore[arg-type]
    "text as ordinal": (lambda: data(value=WildDocument("x"), ordinal="7"), "ordinal in what WildConnector.get_value()"),
    "text as fingerprint": (lambda: data(value=WildDocument("x"), content_version_fp="7"), "must be bytes or None"),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_wrong_values(name: str) -> None:
    GIVES["value"], words = READS[name]
    GIVES["list"] = lambda: [row("a"), row("b", value=WildDocument("fine"), content_version_fp=b"1")]
    flow = flow_of()
    flow.update()
    (error, *others) = flow.errors()
    assert (error.key, error.phase, others) == ("a", "read", [])
    assert words in error.message and "AttributeError" not in error.message + error.error_type
    assert TABLES["wild"].rows == {("b",): {"said": "fine"}}


@pytest.mark.parametrize("made", [None, "text", WildDocument("x"), WildConnector], ids=str)
def test_wrong_instances(made: Any) -> None:
    GIVES["create"] = lambda: made
    flow = flow_of()
    with pytest.raises(
        SourceError, match=r"cannot be opened: WildConnector\.create\(\) must return an instance"
    ) as failed:
        flow.update()
    assert "no list" in str(failed.value)


def test_provides_ordinal_may_be_async() -> None:
    GIVES["ordinals"] = lambda: True
    GIVES["list"] = lambda: [row(ordinal=1)]
    flow = flow_of()
    flow.update()
    GIVES["value"] = lambda: data(value=WildDocument("changed"))
    assert flow.update()["docs"].num_no_change == 1, "the ordinal says that nothing changed"


SHAPES = Shapes(WildConnector)


def test_wrong_answers_about_a_listing() -> None:
    assert SHAPES.texts("incomplete_prefixes", None) == []
    assert SHAPES.texts("incomplete_prefixes", (item for item in ["a", ("b", 1)])) == ["a", "b"]
    for wrong in ("abc", 7, [7], [None], {"a": 1}):
        with pytest.raises(SourceError, match=r"listing_errors\(\) must return a list of strings"):
            SHAPES.texts("listing_errors", wrong)


def test_wrong_streams() -> None:
    for wrong in (None, [], "abc", forgotten()):
        with pytest.raises(SourceError, match=r"change_stream\(\) must be an async generator"):
            SHAPES.stream(wrong)
    assert SHAPES.changes([("a", None, None)]) == [("a", None, None)] and SHAPES.changes(iter([])) == []
    for wrong in (None, "abc", ("a", None, None), [("a", None)], ["abc"[:2]], [7]):
        with pytest.raises(SourceError, match=r"must yield lists of \(key, data or None, ack\)"):
            SHAPES.changes(wrong)


def test_a_stream_that_yields_something_else_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Odd(SourceSpec):
        pass

    told = threading.Event()

    class OddConnector:
        @staticmethod
        def create(spec: Odd) -> OddConnector:
            return OddConnector()

        def list(self) -> list[Any]:
            return []

        def get_value(self, key: str) -> Any: ...

        async def change_stream(self) -> Any:
            yield ["a"]

        def close(self) -> None:
            told.set()

    op.source_connector(spec_cls=Odd, key_type=str, value_type=WildDocument)(OddConnector)

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(Odd())
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], said=doc["content"])
        out.export("out", RowTable(name="wild"), primary_key_fields=["file"])

    table("wild")
    flow = coco.open_flow("Odd", define)
    flow.setup()
    with coco.FlowLiveUpdater(flow) as updater:
        assert told.wait(30)
        updater.abort()
    assert "OddConnector.change_stream() must yield lists of (key, data or None, ack)" in caplog.text


# -- anything -----------------------------------------------------------------------------------------
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from([NO_ORDINAL, NON_EXISTENCE, object(), WildDocument, WildDocument("fine"), Ellipsis])
)
WILD_DATA = SCALARS | st.builds(
    PartialSourceRowData, value=SCALARS, ordinal=SCALARS, content_version_fp=SCALARS, size=SCALARS
)
WILD_ROWS = SCALARS | st.builds(PartialSourceRow, SCALARS, WILD_DATA) | st.tuples(SCALARS, WILD_DATA)
WILD_LISTS = (
    SCALARS | st.lists(WILD_ROWS, max_size=3) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
)
FOREIGN = ("AttributeError", "TypeError", "OverflowError", "KeyError", "StructError", "ValueError")


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(WILD_LISTS, WILD_DATA, st.booleans(), st.booleans())
@example([row(["unhashable"])], data(), False, False)
@example([row(float("nan"))], data(), False, False)
@example([row("\ud800")], data(value=WildDocument("\ud800")), False, False)
def test_any_wrong_value_of_a_source_raises_an_error_of_coco(
    listed: Any, value: Any, generated: bool, batches: bool
) -> None:
    GIVES["list"] = lambda: (item for item in listed) if generated and isinstance(listed, list) else listed
    GIVES["value"] = lambda: value
    flow = flow_of(batches=batches)
    try:
        flow.update()
        errors = flow.errors()
        assert not [error for error in errors if error.error_type in FOREIGN], errors
    except SourceError as error:
        text = str(error)
        assert not any(f"{name}:" in text for name in FOREIGN), text
    finally:
        flow.close()


# -- definitions --------------------------------------------------------------------------------------
def test_a_types_hook_that_returns_something_else() -> None:
    class Typeless(SourceSpec):
        pass

    class TypelessConnector(WildConnector):
        @staticmethod
        def types(spec: Typeless) -> Any:
            return None

    op.source_connector(spec_cls=Typeless)(TypelessConnector)

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(Typeless())

    with pytest.raises(
        DefinitionError, match=r"types\(spec\) must return \(key_type, value_type\); it returned None"
    ):
        coco.open_flow("Typeless", define).setup()


def transforming(name: str, function: Any) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(Wild())
        with scope["docs"].row() as doc:
            doc["said"] = doc["content"].transform(function)

    return coco.open_flow(name, define)


def test_a_closure_without_identity_says_what_to_do() -> None:
    opened = io.StringIO()

    @op.function()
    def uses(text: str) -> str:
        return f"{text}{opened.getvalue()}"

    with pytest.raises(DefinitionError, match="StringIO") as failed:
        transforming("Closed", uses).setup()
    text = str(failed.value)
    assert "behavior_version=" in text and "test_wrong_shapes.py:" in text, text


class TwoPartError(DefinitionError):
    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what = what


class OwnTextError(DefinitionError):
    def __init__(self, *, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"code {self.code}"


@pytest.mark.parametrize(
    "error", [TwoPartError("model", "unknown"), OwnTextError(code=7)], ids=["two", "own"]
)
def test_a_definition_error_of_user_code_keeps_its_text(error: DefinitionError) -> None:
    class Picky(SourceSpec):
        pass

    class PickyConnector(WildConnector):
        @staticmethod
        def types(spec: Picky) -> Any:
            raise error

    op.source_connector(spec_cls=Picky)(PickyConnector)

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(Picky())

    before = str(error)
    with pytest.raises(DefinitionError) as failed:
        coco.open_flow("Picky", define).setup()
    assert str(failed.value).startswith(before) and "test_wrong_shapes.py:" in str(failed.value)
    assert isinstance(failed.value, TwoPartError) or failed.value.__cause__ is error


def test_an_error_while_reading_is_a_source_read_error() -> None:
    with pytest.raises(SourceReadError):
        SHAPES.data(None, "get_value")
