"""Collectors: entries, their scope, and the union of several calls."""

import datetime
import logging
import uuid

import numpy
import pytest

from coco.errors import CallShapeError, DefinitionError
from coco.flow.collectors import GeneratedField
from coco.flow.graph import ROOT_SCOPE, Constant, GeneratedUuid
from coco.flow.unify import unified
from coco.types.schema import (
    BasicValueType,
    EnrichedValueType,
    FieldSchema,
    StructSchema,
    StructType,
    TableType,
    VectorTypeSchema,
)


def documents(action):
    def make(ops):
        def flow(builder, root):
            root["documents"] = builder.add_source(ops.Files())
            entries = root.add_collector("entries")
            with root["documents"].row() as doc:
                action(ops, root, doc, entries)

        return flow

    return make


def schema_of(build, ops, action):
    collector = build(documents(action)(ops)).collectors[0]
    return {item.name: str(item.value_type) for item in collector.schema}, collector


def test_entries_per_innermost_row(build, ops):
    def action(ops, root, doc, entries):
        doc["chunks"] = doc["content"].transform(ops.split)
        with doc["chunks"].row() as chunk:
            entries.collect(name=doc["filename"], text=doc["content"])  # the block does not multiply entries
            entries.collect(name=doc["filename"], text=chunk["text"])
            entries.collect(name="constant", text="only")

    _, collector = schema_of(build, ops, action)
    assert [step.scope for step in collector.collects] == [1, 2, ROOT_SCOPE]


def test_a_collector_of_a_row_gets_an_entry_per_row(build, ops):
    def action(ops, root, doc, entries):
        inner = doc.add_collector("inner")
        inner.collect(n=1)
        inner.collect(n=2, fixed=root["fixed"])

    def flow(builder, root):
        root["fixed"] = builder.transform(ops.shout, "x")
        documents(action)(ops)(builder, root)

    collector = build(flow).collectors[1]
    assert (collector.name, collector.scope) == ("inner", 1)
    assert [step.scope for step in collector.collects] == [1, 1]


def test_the_schema_is_the_union_in_order_of_appearance(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(a=doc["filename"], b=doc["content"])
        entries.collect(c=doc["size"], a=doc["filename"])

    types, collector = schema_of(build, ops, action)
    assert types == {"a": "Str", "b": "Str?", "c": "Int64?"}
    first, second = collector.collects
    assert first.fields[2] is None
    assert second.fields[1] is None and second.fields[0] == first.fields[0]
    assert [step.id for step in collector.collects] == [0, 1]


def test_nullability_and_dimensions_are_unified(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(a=doc["author"]["name"], v=doc["content"].transform(ops.embed))
        entries.collect(a=doc["editor"]["name"], v=doc["content"].transform(ops.embed_long))

    types, _ = schema_of(build, ops, action)
    assert types == {"a": "Str?", "v": "Vector[Float32]"}


def test_other_differences_are_an_error_that_names_both_calls(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(a=doc["content"])
        entries.collect(a=doc["size"])

    with pytest.raises(
        DefinitionError, match=r"field 'a' is Str in the call in line \d+, but Int64 here"
    ) as caught:
        build(documents(action)(ops))
    assert "collector entries, at test_flow_collect.py" in str(caught.value)


def test_step_numbers_are_unique_over_all_collectors(build, ops):
    def action(ops, root, doc, entries):
        other = root.add_collector("other")
        entries.collect(a=doc["content"])
        other.collect(a=doc["content"])
        entries.collect(a=doc["filename"])

    graph = build(documents(action)(ops))
    ids = [step.id for collector in graph.collectors for step in collector.collects]
    assert sorted(ids) == [0, 1, 2]
    assert [collector.id for collector in graph.collectors] == [0, 1]
    assert {step.collector for step in graph.collectors[1].collects} == {1}


# generated ids


def test_a_generated_id(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(id=GeneratedField.UUID, a=doc["content"])
        entries.collect(a=doc["filename"], id=GeneratedField.UUID)

    types, collector = schema_of(build, ops, action)
    assert types == {"id": "Uuid", "a": "Str"}
    assert [type(step.fields[0]) for step in collector.collects] == [GeneratedUuid, GeneratedUuid]


def test_only_one_generated_id(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(a=GeneratedField.UUID, b=GeneratedField.UUID)

    with pytest.raises(ValueError, match="only one field of an entry can be generated, got a, b"):
        build(documents(action)(ops))


def test_the_generated_id_is_the_same_field_in_every_call(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(a=GeneratedField.UUID, x=doc["content"])
        entries.collect(b=GeneratedField.UUID, x=doc["content"])

    with pytest.raises(ValueError, match=r"field 'a' in the call in line \d+, but field 'b' here"):
        build(documents(action)(ops))


# constants


@pytest.mark.parametrize(
    ("value", "type_", "engine"),
    [
        (True, "Bool", True),
        (3, "Int64", 3),
        (0.5, "Float64", 0.5),
        ("x", "Str", "x"),
        (b"x", "Bytes", b"x"),
        (uuid.UUID(int=5), "Uuid", uuid.UUID(int=5).bytes),
        (datetime.date(2020, 1, 2), "Date", datetime.date(2020, 1, 2).toordinal()),
        (datetime.time(0, 0, 1), "Time", 1_000_000),
        (datetime.timedelta(seconds=2), "TimeDelta", 2_000_000),
        (datetime.datetime(1970, 1, 1, 0, 0, 1), "LocalDateTime", 1_000_000),
        (
            datetime.datetime(1970, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
            "OffsetDateTime",
            (0, 3600),
        ),
        ([1, 2], "Vector[Int64]", numpy.array([1, 2], "<i8").tobytes()),
        (("a", "b"), "Vector[Str]", ("a", "b")),
        (numpy.array([1.0, 2.0], "float32"), "Vector[Float32, 2]", numpy.array([1, 2], "<f4").tobytes()),
        ([1, "a"], "Json", '[1,"a"]'),
        ([], "Json", "[]"),
        ([[1], [2]], "Json", "[[1],[2]]"),
        ({"b": 1, "a": None}, "Json", '{"a":null,"b":1}'),
        (None, "Json?", None),
    ],
)
def test_constants_are_typed_by_their_value(build, ops, value, type_, engine):
    def action(ops, root, doc, entries):
        entries.collect(a=doc["content"], b=value)

    types, collector = schema_of(build, ops, action)
    assert types["b"] == type_
    constant = collector.collects[0].fields[1]
    assert isinstance(constant, Constant)
    assert constant.value == engine and type(constant.value) is type(engine)


def test_struct_constants(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(a=doc["content"], b=ops.Author("x", 1900), c=[ops.Author("y", None)])

    types, collector = schema_of(build, ops, action)
    assert types["b"] == "Struct(name: Str, born: Int64?)"
    assert types["c"] == "LTable(name: Str, born: Int64?)"
    assert [item.value for item in collector.collects[0].fields[1:]] == [("x", 1900), (("y", None),)]


def test_constants_adapt_to_slices_in_other_calls(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(score=0, name=None, v=[0, 0, 0, 1])
        entries.collect(score=doc["score"], name=doc["content"], v=doc["content"].transform(ops.embed))

    types, collector = schema_of(build, ops, action)
    assert types == {"score": "Float64", "name": "Str?", "v": "Vector[Float32, 4]"}
    score, name, vector = collector.collects[0].fields
    assert (score.value, type(score.value)) == (0.0, float)
    assert name == Constant(None, EnrichedValueType(BasicValueType("Str"), nullable=True))
    assert vector.value == numpy.array([0, 0, 0, 1], "<f4").tobytes()


def test_constants_that_do_not_fit_are_an_error(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(score="high")
        entries.collect(score=doc["score"])

    with pytest.raises(DefinitionError, match="constant for 'score' does not fit the type Float64"):
        build(documents(action)(ops))


def test_constants_of_different_types_are_an_error(build, ops):
    def action(ops, root, doc, entries):
        entries.collect(x="high")
        entries.collect(x=1)

    with pytest.raises(DefinitionError, match="field 'x' is Str in the call"):
        build(documents(action)(ops))


# mistakes


def test_collect_needs_fields(build, ops):
    with pytest.raises(ValueError, match="at least one field"):
        build(documents(lambda ops, root, doc, entries: entries.collect())(ops))


def test_collected_fields_have_legal_names(build, ops):
    with pytest.raises(ValueError, match="invalid field name '__x'"):
        build(documents(lambda ops, root, doc, entries: entries.collect(__x=doc["content"]))(ops))


def test_what_cannot_be_collected(build, ops):
    for make in (
        lambda root, doc, entries: doc,
        lambda root, doc, entries: entries,
        lambda root, doc, entries: len,
    ):
        with pytest.raises(CallShapeError, match="field x"):
            build(
                documents(
                    lambda ops, root, doc, entries, make=make: entries.collect(x=make(root, doc, entries))
                )(ops)
            )
    with pytest.raises(DefinitionError, match="constant of type object cannot be part of a flow"):
        build(documents(lambda ops, root, doc, entries: entries.collect(x=object()))(ops))


def test_two_collectors_of_one_scope_have_different_names(build, ops):
    def flow(builder, root):
        root.add_collector("a")
        root.add_collector("a")

    with pytest.raises(ValueError, match="collector named 'a' already"):
        build(flow)


def test_a_collector_has_a_legal_name(build):
    with pytest.raises(ValueError, match="invalid collector name"):
        build(lambda builder, root: root.add_collector("a b"))


def test_collectors_of_different_scopes_may_share_a_name(build, ops):
    def action(ops, root, doc, entries):
        doc.add_collector("entries").collect(a=doc["content"])

    assert [item.name for item in build(documents(action)(ops)).collectors] == ["entries", "entries"]


def test_a_flow_that_exports_nothing_is_legal_but_said(build, ops, caplog):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())

    with caplog.at_level(logging.WARNING, logger="coco.flow"):
        build(flow)
    (message,) = caplog.messages
    assert message.startswith("flow Demo exports nothing")


def test_a_collector_that_is_not_exported_is_legal_but_said(build, ops, caplog):
    with caplog.at_level(logging.WARNING, logger="coco.flow"):
        build(documents(lambda ops, root, doc, entries: entries.collect(a=doc["content"]))(ops))
    (message,) = caplog.messages
    assert message == (
        "flow Demo: collector entries is not exported, so its entries reach no target: call its export()"
    )


# unification of types


def value(kind, nullable=False):
    return EnrichedValueType(BasicValueType(kind), nullable)


def vector(kind, dimension=None):
    return EnrichedValueType(
        BasicValueType("Vector", vector=VectorTypeSchema(BasicValueType(kind), dimension))
    )


def struct(**fields):
    return EnrichedValueType(StructType(tuple(FieldSchema(name, type_) for name, type_ in fields.items())))


def table(kind, parts, **fields):
    row = StructSchema(tuple(FieldSchema(name, type_) for name, type_ in fields.items()))
    return EnrichedValueType(TableType(kind, row, parts))


def test_unified_types():
    assert unified(value("Str"), value("Str", True)) == value("Str", True)
    assert unified(value("Str"), value("Int64")) is None
    assert unified(vector("Float32", 3), vector("Float32", 3)) == vector("Float32", 3)
    assert unified(vector("Float32", 3), vector("Float32")) == vector("Float32")
    assert unified(vector("Float32", 3), vector("Float64", 3)) is None
    assert unified(struct(a=vector("Str", 1)), struct(a=vector("Str", 2))) == struct(a=vector("Str"))
    assert unified(struct(a=value("Str")), struct(b=value("Str"))) is None
    assert unified(struct(a=value("Str")), value("Str")) is None
    left, right = table("LTable", None, a=value("Str")), table("LTable", None, a=value("Str", True))
    assert unified(left, right) == right
    assert unified(left, table("KTable", 1, a=value("Str"))) is None
