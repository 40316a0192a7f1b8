"""Natural mistakes in flow functions, and what they are told to write instead."""

from __future__ import annotations

import asyncio
import copy
import os
from typing import Any

import pytest

from coco.errors import CallShapeError, DefinitionError
from coco.index import VectorIndexDef, VectorSimilarityMetric

METRIC = VectorSimilarityMetric.L2_DISTANCE


def loud(text: str) -> str:
    return text.upper()


@pytest.fixture
def within(build: Any, ops: Any) -> Any:
    """Runs a mistake with the builder, the root scope, a row of documents, and a collector; gives its error."""

    def run(mistake: Any, kind: type[Exception] = CallShapeError) -> str:
        def flow(builder: Any, root: Any) -> None:
            root["documents"] = builder.add_source(ops.Files())
            entries = root.add_collector("entries")
            with root["documents"].row() as doc:
                mistake(builder, root, doc, entries)

        with pytest.raises(kind) as caught:
            build(flow)
        return str(caught.value)

    return run


USES: dict[str, Any] = {
    "truth": (lambda text: bool(text), "it is neither true nor false"),
    "not": (lambda text: not text, "it is neither true nor false"),
    "loop": (lambda text: list(text), "it cannot be iterated"),
    "length": (lambda text: len(text), "it has no length"),
    "in": (lambda text: "a" in text, "its content is not known yet"),
    "f-string": (lambda text: f"{text}", "it has no text"),
    "format": (lambda text: "{}".format(text), "it has no text"),  # noqa: UP032
    "path": (lambda text: os.fspath(text), "it has no text"),
    "plus": (lambda text: text + "!", "operators do not apply to it"),
    "plus, on the right": (lambda text: "!" + text, "operators do not apply to it"),
    "modulo": (lambda text: text % 2, "operators do not apply to it"),
    "minus": (lambda text: -text, "operators do not apply to it"),
    "equal": (lambda text: text == "a", "it cannot be compared"),
    "unequal": (lambda text: text != "a", "it cannot be compared"),
    "less": (lambda text: text < 3, "it cannot be compared"),
    "number": (lambda text: int(text), "it is not a number"),
    "index": (lambda text: [1, 2][text], "it is not a number"),
    "with": (lambda text: text.__enter__(), "it cannot be opened by `with`"),
    "method": (lambda text: text.upper(), "it has no attribute 'upper'"),
}


@pytest.mark.parametrize("use", USES)
def test_a_slice_used_as_data(within: Any, use: str) -> None:
    mistake, problem = USES[use]
    message = within(lambda builder, root, doc, entries: mistake(doc["content"]))
    assert message.startswith("<DataSlice documents.content: Str> is a reference to data")
    assert f"exists only when the flow runs: {problem}, so" in message
    assert "write slice.transform(function)" in message
    assert "(flow Demo, scope documents, at test_flow_mistakes.py:" in message


def test_with_over_a_table(within: Any) -> None:
    def mistake(builder: Any, root: Any, doc: Any, entries: Any) -> None:
        with root["documents"] as row:
            row["x"] = row["content"]

    assert "work on its rows: with slice.row() as row: ..." in within(mistake)


def test_a_loop_over_a_table_or_its_rows(within: Any) -> None:
    slices = within(lambda builder, root, doc, entries: list(root["documents"]))
    assert "it cannot be iterated" in slices and "with slice.row() as row: ..." in slices
    rows = within(lambda builder, root, doc, entries: list(root["documents"].row()))
    assert "stands for every row at once; write with slice.row() as row: ..." in rows


def test_await(within: Any) -> None:
    async def later(text: Any) -> Any:
        return await text

    message = within(lambda builder, root, doc, entries: asyncio.run(later(doc["content"])))
    assert "it cannot be awaited" in message


def test_a_function_called_with_a_slice(within: Any, ops: Any) -> None:
    message = within(lambda builder, root, doc, entries: ops.shout(doc["content"]))
    assert "shout(slice) calls the function now: write slice.transform(shout)" in message


def test_a_function_that_does_not_look_at_its_argument(within: Any, ops: Any) -> None:
    def mistake(builder: Any, root: Any, doc: Any, entries: Any) -> None:
        doc["x"] = ops.split(doc["content"])

    assert "a field holds a slice, got list; slice.transform(function) gives a slice" in within(mistake)


def test_an_async_function_called_with_a_slice(within: Any) -> None:
    async def ask(text: str) -> str:
        return text

    def mistake(builder: Any, root: Any, doc: Any, entries: Any) -> None:
        doc["x"] = ask(doc["content"])

    assert "write slice.transform(ask), which gives a slice" in within(mistake)


def test_a_spec_called_with_a_slice(within: Any, ops: Any) -> None:
    message = within(lambda builder, root, doc, entries: ops.Repeat()(doc["content"]))
    assert "write slice.transform(Repeat(...)) in a flow, Repeat(...).execute(value) for one value" in message


def test_a_slice_in_a_spec(within: Any, ops: Any) -> None:
    message = within(
        lambda builder, root, doc, entries: doc["content"].transform(ops.Repeat(times=doc["size"])),
        DefinitionError,
    )
    assert "pass a slice as an argument of transform()" in message


@pytest.mark.parametrize("part", [0, slice(0, 3)])
def test_a_part_of_a_value(within: Any, part: Any) -> None:
    message = within(lambda builder, root, doc, entries: doc["content"][part], DefinitionError)
    assert "use a function to take a part of a value: slice.transform(function)" in message


@pytest.mark.parametrize("make", [lambda text: str(text), "on %s".__mod__], ids=["str", "percent"])
def test_texts_made_of_slices(within: Any, ops: Any, make: Any) -> None:
    for mistake in (
        lambda builder, root, doc, entries: entries.collect(text=make(doc["content"])),
        lambda builder, root, doc, entries: builder.transform(ops.shout, make(doc["content"])),
    ):
        assert "this text holds the name of a slice, not its data" in within(mistake)


def test_a_slice_can_be_shown(build: Any, ops: Any) -> None:
    shown = []

    def flow(builder: Any, root: Any) -> None:
        root["documents"] = builder.add_source(ops.Files())
        shown.append(str(root["documents"]))
        assert not hasattr(root["documents"], "_repr_html_")
        assert not hasattr(root["documents"], "nothing")

    build(flow)
    assert shown[0].startswith("<DataSlice documents: KTable(")


@pytest.mark.parametrize(
    ("mistake", "advice"),
    [
        (
            lambda b, s, doc, c: doc.content,
            "the scope documents has no attribute 'content': write scope['content']",
        ),
        (lambda b, s, doc, c: doc["author"].name, "write slice['name'] for its field"),
        (
            lambda b, s, doc, c: doc["author"].age,
            "its fields are read as slice['name']; there are: name, born",
        ),
        (lambda b, s, doc, c: s["documents"].content, "with slice.row() as row: ... and read row['content']"),
        (
            lambda b, s, doc, c: setattr(doc, "x", doc["content"]),
            r"scope['x'] = slice, not as scope.x = slice",
        ),
        (lambda b, s, doc, c: doc.nothing, "fields are read as scope['name']; there are: filename"),
        (
            lambda b, s, doc, c: s.add_source(None),
            "add_source() is a method of the flow builder, the first parameter",
        ),
        (
            lambda b, s, doc, c: s.transform(loud),
            "transform() is a method of slices: scope['field'].transform(...)",
        ),
        (
            lambda b, s, doc, c: s.collect(a=1),
            "collect() is a method of collectors: collector = scope.add_collector()",
        ),
        (lambda b, s, doc, c: doc["content"].export("x"), "export() is a method of collectors"),
        (lambda b, s, doc, c: b.add_collector(), "add_collector() is a method of scopes"),
        (lambda b, s, doc, c: b.anything, "it has add_source(), transform() and declare()"),
        (lambda b, s, doc, c: c.anything, "it has collect() and export()"),
        (
            lambda b, s, doc, c: b["documents"],
            "fields belong to scopes, such as the root scope, which is the second parameter",
        ),
        (lambda b, s, doc, c: b.__setitem__("x", 1), "fields belong to scopes"),
    ],
)
def test_parts_that_are_mixed_up(within: Any, mistake: Any, advice: str) -> None:
    assert advice in within(mistake)


def test_scopes_and_slices_can_be_copied(build: Any, ops: Any) -> None:
    def flow(builder: Any, root: Any) -> None:
        root["documents"] = builder.add_source(ops.Files())
        copied = copy.copy(root["documents"])
        assert repr(copied) == repr(root["documents"])

    build(flow)


EXPORTS: dict[str, tuple[dict[str, Any], str]] = {
    "both forms": (
        {"vector_index": [("v", METRIC)], "vector_indexes": [VectorIndexDef("v", METRIC)]},
        "vector_index is the old form of vector_indexes: give vector_indexes only",
    ),
    "pairs in the new form": (
        {"vector_indexes": [("v", METRIC)]},
        "write vector_indexes=[VectorIndexDef(...)]",
    ),
    "definitions in the old form": (
        {"vector_index": [VectorIndexDef("v", METRIC)]},
        "these belong in vector_indexes",
    ),
    "one definition": (
        {"vector_indexes": VectorIndexDef("v", METRIC)},
        "vector_indexes must be a sequence, got VectorIndexDef: write [VectorIndexDef(",
    ),
}


@pytest.mark.parametrize("case", EXPORTS)
@pytest.mark.filterwarnings("ignore:vector_index is deprecated")
def test_vector_indexes(build: Any, ops: Any, case: str) -> None:
    options, message = EXPORTS[case]

    def flow(builder: Any, root: Any) -> None:
        entries = root.add_collector("entries")
        entries.collect(k="a", v=builder.transform(ops.embed, "a"))
        entries.export("rows", ops.Rows(), primary_key_fields=["k"], **options)

    with pytest.raises(CallShapeError) as caught:
        build(flow)
    assert message in str(caught.value)
