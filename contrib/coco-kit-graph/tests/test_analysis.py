"""What exports and declarations say together, and what does not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from coco.auth_registry import AuthEntryReference
from coco.errors import DefinitionError
from coco.index import FtsIndexDef, IndexOptions, VectorIndexDef, VectorSimilarityMetric
from coco.op import ExportView, FlowView, TargetStateCompatibility
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, VectorTypeSchema
from coco_kit_graph import analysis, schema
from coco_kit_graph.analysis import Links, complete_declaration, complete_export, state_of
from coco_kit_graph.mapping import Mapping, NodeFromFields, Nodes, Relationships, TargetFieldMapping

GRAPH: AuthEntryReference[Any] = AuthEntryReference("graph")
COSINE = VectorSimilarityMetric.COSINE_SIMILARITY


@dataclasses.dataclass(frozen=True)
class Spec:
    mapping: Mapping
    connection: AuthEntryReference[Any] = GRAPH
    links: Links | None = None


@dataclasses.dataclass(frozen=True)
class Declaration:
    nodes_label: str
    primary_key_fields: Sequence[str]
    connection: AuthEntryReference[Any] = GRAPH
    links: Links | None = None


def field(name: str, kind: str = "Str") -> FieldSchema:
    return FieldSchema(name, EnrichedValueType(BasicValueType(kind)))


def export(mapping: Mapping, key: Sequence[FieldSchema], values: Sequence[FieldSchema] = ()) -> ExportView:
    return ExportView(type(mapping).__name__, Spec(mapping), tuple(key), tuple(values), IndexOptions([]))


def end(label: str, **mapped: str) -> NodeFromFields:
    return NodeFromFields(label, [TargetFieldMapping(source, target) for target, source in mapped.items()])


PEOPLE = export(Nodes("Person"), [field("name")], [field("age", "Int64"), field("town")])


def completed(
    mapping: Relationships,
    values: Sequence[FieldSchema],
    *,
    others: Sequence[ExportView] = (PEOPLE,),
    declarations: Sequence[Declaration] = (),
) -> Spec:
    this = export(mapping, [field("id", "Int64")], values)
    spec: Spec = complete_export(
        this.spec, FlowView("flow", (*others, this), tuple(declarations)), Spec, Declaration
    )
    return spec


def test_ends_take_the_key_of_an_export_in_its_order() -> None:
    pairs = export(Nodes("Pair"), [field("a"), field("b", "Int64")])
    mapping = Relationships("R", end("Pair", b="n", a="s"), end("Person", name="s"))
    spec = completed(
        mapping, [field("s"), field("n", "Int64"), field("weight", "Float64")], others=[pairs, PEOPLE]
    )
    assert spec.links is not None
    assert spec.links.source is not None
    assert schema.names(spec.links.source.key) == ["a", "b"]
    state = state_of(
        spec, [field("id", "Int64")], [field("s"), field("n", "Int64"), field("weight", "Float64")]
    )
    assert schema.names(state.values) == ["weight"]
    assert state.owner == "flow"


def test_declared_labels_take_types_from_the_relationships() -> None:
    declared = Declaration("Topic", ["name"])
    mapping = Relationships("R", end("Person", name="who"), end("Topic", name="what", heat="heat"))
    this = export(mapping, [field("id")], [field("who"), field("what"), field("heat", "Float64")])
    view = FlowView("flow", (PEOPLE, this), (declared,))
    found: Declaration = complete_declaration(declared, view, Spec, Declaration)
    assert found.links is not None
    assert found.links.label is not None
    assert [str(item.value_type) for item in found.links.label.key] == ["Str"]
    assert schema.names(found.links.label.values) == ["heat"]
    assert analysis.declared_state(found).declared


def test_a_declaration_that_nothing_maps_has_no_types() -> None:
    found: Declaration = complete_declaration(
        Declaration("Topic", ["name"]), FlowView("flow"), Spec, Declaration
    )
    assert found.links is not None
    assert found.links.label is not None
    assert found.links.label.key[0].type == {}


WHO, WHAT = field("who"), field("what")


@pytest.mark.parametrize(
    ("mapping", "declarations", "words"),
    [
        (
            Relationships("R", end("Person", name="who"), end("Nobody", name="what")),
            [],
            "known labels.*Person",
        ),
        (
            Relationships("R", end("Person", town="who"), end("Person", name="what")),
            [],
            "needs all key properties; name",
        ),
        (
            Relationships("R", end("Person", name="who", town="what"), end("Person", name="what")),
            [],
            "but not age",
        ),
        (
            Relationships("R", end("Person", name="who", x="what"), end("Person", name="what")),
            [],
            "no property",
        ),
        (
            Relationships("R", end("Person", name="gone"), end("Person", name="what")),
            [],
            "which is not collected",
        ),
        (
            Relationships("R", end("Person", name="size"), end("Person", name="what")),
            [],
            "has the type|the type Int64",
        ),
        (
            Relationships("R", end("Person", name="who"), end("Topic", name="what")),
            [Declaration("Topic", ["name"]), Declaration("Person", ["name"])],
            "declared too",
        ),
        (
            Relationships("R", end("Topic", name="who"), end("Topic", name="size")),
            [Declaration("Topic", ["name"])],
            "give it one type",
        ),
        (
            Relationships("R", end("Topic", name="tags"), end("Topic", name="tags")),
            [Declaration("Topic", ["name"])],
            "cannot be a key",
        ),
        (
            Relationships("R", end("Person", name="who", _coco="what"), end("Person", name="what")),
            [],
            "coco's own",
        ),
    ],
)
def test_mappings_that_do_not_fit_are_refused(
    mapping: Relationships, declarations: list[Declaration], words: str
) -> None:
    tags = FieldSchema("tags", EnrichedValueType(BasicValueType("Json")))
    with pytest.raises(DefinitionError, match=words):
        completed(mapping, [WHO, WHAT, field("size", "Int64"), tags], declarations=declarations)


def test_mappings_of_another_graph_are_ignored() -> None:
    other = structs.replace(PEOPLE, spec=Spec(Nodes("Person"), AuthEntryReference("other")))
    mapping = Relationships("R", end("Person", name="who"), end("Person", name="what"))
    with pytest.raises(DefinitionError, match="known labels of this graph are: none"):
        completed(mapping, [WHO, WHAT], others=[other])


@pytest.mark.parametrize(
    ("mapping", "options", "words"),
    [
        (Nodes(""), IndexOptions([]), "cannot be a label"),
        (Nodes("CocoElements"), IndexOptions([]), "cannot be a label"),
        (Nodes("A"), IndexOptions([], fts_indexes=[FtsIndexDef("name")]), "no full-text"),
        (
            Relationships("R", end("A", name="name"), end("A", name="name")),
            IndexOptions([], [VectorIndexDef("v", COSINE)]),
            "for nodes only",
        ),
    ],
)
def test_mappings_that_no_graph_stores_are_refused(
    mapping: Mapping, options: IndexOptions, words: str
) -> None:
    with pytest.raises(DefinitionError, match=words):
        analysis.check_mapping(mapping, [field("name")], kind="Any", options=options)


def test_vector_indexes_need_a_fixed_length() -> None:
    floats = BasicValueType("Vector", vector=VectorTypeSchema(BasicValueType("Float32"), 3))
    index = analysis.vector_index(VectorIndexDef("v", COSINE), FieldSchema("v", EnrichedValueType(floats)))
    assert (index.dimension, index.metric) == (3, "CosineSimilarity")
    with pytest.raises(DefinitionError, match="fixed dimension"):
        analysis.vector_index(VectorIndexDef("name", COSINE), field("name"))


@pytest.mark.parametrize("typed", [True, False])
def test_compatibility_of_setup_changes(typed: bool) -> None:
    base = state_of(Spec(Nodes("A")), [field("id")], [field("x"), field("y")])
    costs = TargetStateCompatibility

    def cost(key: str, values: list[FieldSchema]) -> TargetStateCompatibility:
        return schema.compatibility(state_of(Spec(Nodes("A")), [field(key)], values), base, typed=typed)

    assert cost("id", [field("x")]) is costs.COMPATIBLE
    assert cost("id", [field("x", "Int64"), field("y")]) is costs.PARTIALLY_COMPATIBLE
    added = cost("id", [field("x"), field("y"), field("z")])
    assert added is (costs.PARTIALLY_COMPATIBLE if typed else costs.COMPATIBLE)
    assert cost("other", [field("x"), field("y")]) is costs.NOT_COMPATIBLE
