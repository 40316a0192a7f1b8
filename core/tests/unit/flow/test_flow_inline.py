"""Transform flows: parameters, evaluation, and use inside other flows."""

import asyncio
from typing import Any

import numpy
import pytest

from coco.errors import CallShapeError, DefinitionError, LifecycleError
from coco.flow import DataSlice, Flow, TransformFlow, transform_flow
from coco.flow.graph import ROOT_SCOPE, Constant, TableRef


@pytest.fixture
def louder(ops):
    @transform_flow()
    def louder(text: DataSlice[str], suffix: DataSlice[str] = "!") -> DataSlice[str]:
        """Louder."""
        return text.transform(ops.shout).transform(ops.pair, suffix)

    return louder


def joined(inline, columns):
    return ["".join(values) for values in zip(*columns, strict=True)]


# definition


def test_names():
    def function(text: DataSlice[str]) -> DataSlice[str]:
        return text

    first, second = TransformFlow(function), TransformFlow(function)
    prefix, _, number = first.name.rpartition("_")
    assert prefix == "_transform_flow" and second.name == f"_transform_flow_{int(number) + 1}"
    assert transform_flow("mine")(function).name == TransformFlow(function, name="mine").name == "mine"
    assert first.__name__ == "function"
    with pytest.raises(ValueError, match="invalid transform flow name"):
        TransformFlow(function, "not a name")


def test_params(louder):
    text, suffix = louder.params
    assert (text.name, text.type_hint, text.has_default) == ("text", str, False)
    assert (suffix.default, suffix.encoder("x")) == ("!", "x")
    assert louder.__doc__ == "Louder."


def test_annotations_may_be_text():
    def function(text: "DataSlice[str | None]") -> "DataSlice[str]":
        return text

    assert TransformFlow(function).params[0].type.nullable


def test_parentheses():
    with pytest.raises(TypeError, match="transform_flow needs parentheses"):
        transform_flow(lambda text: text)
    with pytest.raises(TypeError, match="made from a function, got str"):
        TransformFlow("x")


def test_unusable_parameters():
    def var(*texts: DataSlice[str]): ...
    def var_named(**texts: DataSlice[str]): ...
    def by_position(text: DataSlice[str], /): ...
    def bare(text): ...
    def no_argument(text: DataSlice): ...
    def plain(text: str): ...
    def unsupported(text: DataSlice[Any]): ...
    def unsupported_too(text: DataSlice[object]): ...
    def unknown(text: "DataSlice[Nowhere]"): ...  # noqa: F821
    async def later(text: DataSlice[str]): ...

    for function, pattern in (
        (var, r"'texts' of .*var\(\) cannot be passed by name"),
        (var_named, "cannot be passed by name"),
        (by_position, "cannot be passed by name"),
        (bare, r"parameter 'text' of .*bare\(\) has no annotation; use DataSlice\[T\]"),
        (no_argument, r"annotated with DataSlice; use DataSlice\[T\]"),
        (plain, r"annotated with str; use DataSlice\[T\]"),
        (unsupported, r"parameter 'text' of .*unsupported\(\): "),
        (unsupported_too, r"parameter 'text' of .*unsupported_too\(\): "),
        (unknown, "cannot resolve the annotation of text"),
        (later, "must be a plain def"),
    ):
        with pytest.raises(ValueError, match=pattern):
            TransformFlow(function)


# building


def test_the_inline_graph(louder):
    inline = louder.inline
    assert louder.inline is inline
    assert inline.name == inline.graph.name == louder.name
    assert [inline.graph.slots[slot].name for slot in inline.params] == ["text", "suffix"]
    assert [step.scope for step in inline.graph.transforms] == [ROOT_SCOPE, ROOT_SCOPE]
    assert inline.result.slot == inline.graph.transforms[1].slot
    assert inline.graph.sources == () and inline.graph.collectors == ()


def test_unused_parts_are_dropped_and_parameters_kept(ops):
    @transform_flow()
    def flow(a: DataSlice[str], b: DataSlice[int]) -> DataSlice[str]:
        a.transform(ops.shout)
        return a.transform(ops.pair, "x")

    graph = flow.inline.graph
    assert [step.function.kind for step in graph.transforms] == ["Pair"]
    assert [slot.name for slot in graph.slots] == ["a", "b", "pair_0"]


def test_tables_inside(ops):
    @transform_flow()
    def flow(text: DataSlice[str]):
        chunks = text.transform(ops.split)
        with chunks.row() as chunk:
            chunk["loud"] = chunk["text"].transform(ops.shout)
        return chunks

    inline = flow.inline
    assert isinstance(inline.result, TableRef)
    assert [item.name for item in inline.result.type.type.row.fields] == ["text", "start", "loud"]
    assert inline.graph.scopes[1].source is None


def test_the_result_belongs_to_the_flow_itself(ops):
    @transform_flow("mine")
    def flow(text: DataSlice[str]):
        return text.transform(ops.split).row()["text"]

    with pytest.raises(DefinitionError, match=r"one value per row of split_0.*transform flow mine") as caught:
        flow.eval("x")
    assert "while defining transform flow mine" in caught.value.__notes__


def test_a_transform_flow_returns_a_slice(ops, build):
    @transform_flow("mine")
    def flow(text: DataSlice[str]):
        return "constant"

    with pytest.raises(
        ValueError, match=r"transform flow mine must return a DataSlice, but .*flow\(\) returned str"
    ):
        flow.eval("x")
    with pytest.raises(ValueError, match="must return a DataSlice"):
        build(lambda builder, root: flow(builder.transform(ops.shout, "x")))


def test_a_wrong_return_annotation_fails_at_build(ops):
    @transform_flow("mine")
    def flow(text: DataSlice[str]) -> DataSlice[int]:
        return text.transform(ops.shout)

    with pytest.raises(ValueError, match=r"mine is declared to return DataSlice\[int\], but gives Str"):
        flow.eval("x")


def test_a_failed_build_can_be_repeated(ops):
    attempts = []

    @transform_flow()
    def flow(text: DataSlice[str]):
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("no model")
        return text

    with pytest.raises(OSError, match="no model"):
        flow.eval("x")
    assert flow.eval("x") == "x"
    flow.eval("y")
    assert len(attempts) == 2


def test_a_transform_flow_cannot_need_itself():
    flow = TransformFlow(lambda: flow.eval(), "mine")
    with pytest.raises(LifecycleError, match="transform flow mine is needed by its own definition"):
        flow.eval()


# evaluation


@pytest.mark.parametrize("twin", [False, True])
def test_eval(louder, recording, twin):
    recording.evaluate = joined

    def evaluate(*args, **kwargs):
        return asyncio.run(louder.eval_async(*args, **kwargs)) if twin else louder.eval(*args, **kwargs)

    assert evaluate("a") == "a!"
    assert evaluate("a", "b") == "ab"
    assert evaluate(suffix="c", text="a") == "ac"
    assert recording.calls[0] == ("evaluate_values", louder.inline, [["a"], ["!"]])


@pytest.mark.parametrize("twin", [False, True])
def test_evaluate(louder, recording, twin):
    recording.evaluate = joined

    def evaluate(**kwargs):
        return asyncio.run(louder.evaluate_async(**kwargs)) if twin else louder.evaluate(**kwargs)

    assert evaluate(text=["a", "b"]) == ["a!", "b!"]
    assert evaluate(text=("a", "b"), suffix=["1", "2"]) == ["a1", "b2"]
    calls = len(recording.calls)
    assert evaluate(text=[]) == []
    assert len(recording.calls) == calls


def test_arguments_of_eval(louder):
    with pytest.raises(ValueError, match="Missing input: text"):
        louder.eval()
    with pytest.raises(ValueError, match="Missing input: text"):
        louder.evaluate(suffix=["x"])
    for call in (louder.eval, louder.evaluate):
        with pytest.raises(TypeError, match="no parameter 'txt'; parameters are: text, suffix"):
            call(txt="x")
    with pytest.raises(TypeError, match="too many positional arguments; parameters are: text, suffix"):
        louder.eval("a", "b", "c")
    with pytest.raises(TypeError, match="multiple values for argument 'text'"):
        louder.eval("a", text="b")
    with pytest.raises(TypeError, match="takes a sequence of values for text, got str"):
        louder.evaluate(text="abc")
    with pytest.raises(ValueError, match="must be of one length, got text: 2, suffix: 1"):
        louder.evaluate(text=["a", "b"], suffix=["x"])


def test_values_that_do_not_fit(louder):
    with pytest.raises(ValueError, match=r"expected Str, got None - at text$"):
        louder.eval(None)
    with pytest.raises(ValueError, match=r"at text$"):
        louder.eval(3)
    with pytest.raises(ValueError, match=r"at text\[1\]$"):
        louder.evaluate(text=["a", 3])


def test_null_passes_where_it_may():
    @transform_flow()
    def flow(text: DataSlice[str | None]):
        return text

    assert flow.eval(None) is None
    assert flow.evaluate(text=["a", None]) == ["a", None]


def test_results_are_decoded(ops, recording):
    @transform_flow()
    def natural(text: DataSlice[str]):
        return text.transform(ops.embed)

    @transform_flow()
    def declared(text: DataSlice[str]) -> DataSlice[list[float]]:
        return text.transform(ops.embed)

    @transform_flow()
    def author(text: DataSlice[str]) -> DataSlice[ops.Author]:
        return text.transform(ops.author_of)

    packed = numpy.array([1, 2, 3, 4], "<f4").tobytes()
    recording.evaluate = lambda inline, columns: [packed for _ in columns[0]]
    assert isinstance(natural.eval("x"), numpy.ndarray)
    assert natural.eval("x").tolist() == [1.0, 2.0, 3.0, 4.0]
    assert declared.evaluate(text=["x", "y"]) == [[1.0, 2.0, 3.0, 4.0]] * 2
    recording.evaluate = lambda inline, columns: [("x", 3)]
    assert author.eval("x") == ops.Author("x", 3)


# inside flows


def test_inlining(louder, ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["a"] = louder(doc["content"])
            doc["b"] = louder(doc["content"], doc["filename"])
            doc["c"] = doc["content"].call(louder, suffix="?")

    graph = build(flow)
    found = read(graph)
    assert [step.function.kind for step in graph.transforms] == ["Shout", "Pair"] * 3
    assert {step.scope for step in graph.transforms} == {1}
    default, given, constant = (found.step(name).args[1] for name in "abc")
    assert (default.python, given, constant.python) == ("!", found.ref("documents.filename"), "?")
    assert isinstance(default, Constant)


def test_nesting_in_transform_flows(louder, ops):
    @transform_flow()
    def outer(text: DataSlice[str]) -> DataSlice[str]:
        return louder(louder(text))

    assert [step.function.kind for step in outer.inline.graph.transforms] == ["Shout", "Pair"] * 2


def test_constants_in_place_of_slices(louder, ops, build):
    def flow(builder, root):
        root["fixed"] = louder("quiet")

    graph = build(flow)
    shout = graph.transforms[0]
    assert shout.scope == ROOT_SCOPE
    assert (shout.args[0].python, shout.args[0].value) == ("quiet", "quiet")


def test_constants_reach_batching_functions_and_fields(ops, build):
    @transform_flow()
    def flow(who: DataSlice[ops.Author]) -> DataSlice[Any]:
        return who["name"].transform(ops.embed_many)

    def outer(builder, root):
        root["v"] = flow(ops.Author("someone", None))

    (step,) = build(outer).transforms
    (arg,) = step.args
    assert isinstance(arg, Constant) and arg.value == "someone"
    assert not step.function.params[0].constant


def test_constants_that_do_not_fit_a_parameter(louder, build):
    with pytest.raises(ValueError, match=r"at text"):
        build(lambda builder, root: louder(3))


def test_calling_outside_of_a_flow(louder):
    with pytest.raises(CallShapeError, match=r"called outside of a flow; use _transform_flow_\d+\.eval"):
        louder("x")


def test_values_and_slices_are_not_confused(louder, ops):
    def flow(builder, root):
        louder.eval(builder.transform(ops.shout, "x"))

    with pytest.raises(TypeError, match="is not a value; inside a flow call"):
        Flow("Demo", flow).internal_flow()
