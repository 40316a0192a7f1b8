"""Statements about constraints and indexes, as text: the server of these tests has no vector indexes."""

from __future__ import annotations

import dataclasses

import pytest
from neo4j_test_support import PREFIX, Export, Graph, field, rows_of

import coco
from coco.errors import DefinitionError, TargetError
from coco.index import HnswVectorIndexMethod, IndexOptions, VectorIndexDef
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, VectorTypeSchema
from coco_kit_graph import analysis
from coco_kit_graph.catalog import Entry
from coco_kit_graph.mapping import NodeFromFields, Nodes, Relationships, TargetFieldMapping
from coco_kit_graph.schema import GraphState, VectorIndex, properties
from coco_target_neo4j import schema
from coco_target_neo4j.settings import Neo4jConnection
from coco_target_neo4j.spec import Neo4jConnector
from coco_target_neo4j.vector import check_vector_indexes

COSINE, L2 = coco.VectorSimilarityMetric.COSINE_SIMILARITY, coco.VectorSimilarityMetric.L2_DISTANCE
LABEL = f"{PREFIX}Image"
EMBEDDING = FieldSchema(
    "embedding",
    EnrichedValueType(BasicValueType("Vector", vector=VectorTypeSchema(BasicValueType("Float32"), 3))),
)


def node(name: str, *keys: FieldSchema) -> Entry:
    return Entry("node", name, GraphState("flow", properties(keys)))


def test_keys_are_unique() -> None:
    assert schema.create_constraint(node("Person", field("name", "Str"))) == (
        "CREATE CONSTRAINT coco_person_name_e166d41c2151 IF NOT EXISTS FOR (x:`Person`) REQUIRE (x.`name`) IS UNIQUE"
    )


def test_keys_of_several_parts_are_unique_together() -> None:
    text = schema.create_constraint(node("A b`c", field("x", "Str"), field("of y", "Int64")))
    assert text.endswith("FOR (x:`A b``c`) REQUIRE (x.`x`, x.`of y`) IS UNIQUE")


def test_relationships_have_one_property_that_is_unique() -> None:
    state = GraphState("flow", properties([field("a", "Str"), field("b", "Str")]))
    entry = Entry("relationship", "KNOWS", state)
    assert schema.create_constraint(entry).endswith("FOR ()-[x:`KNOWS`]-() REQUIRE (x.`_coco_key`) IS UNIQUE")
    assert schema.create_key_index(entry).endswith("FOR ()-[x:`KNOWS`]-() ON (x.`_coco_key`)")


def test_names_are_the_same_on_every_run_and_apart() -> None:
    names = [
        schema.constraint_name(item)
        for item in (
            node("Person", field("name", "Str")),
            node("person", field("name", "Str")),
            node("Person", field("Name", "Str")),
            node("Person", field("a", "Str"), field("b", "Str")),
            Entry("relationship", "Person", GraphState("flow", properties([field("name", "Str")]))),
            node("\u65e5\u672c", field("name", "Str")),
        )
    ]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and name.isidentifier() for name in names)
    assert names[0] == schema.constraint_name(node("Person", field("name", "Str")))


@pytest.mark.parametrize(
    ("index", "options"),
    [
        (
            VectorIndex("embedding", COSINE.value, 384),
            "{`vector.dimensions`: 384, `vector.similarity_function`: 'cosine'}",
        ),
        (
            VectorIndex("embedding", L2.value, 3, m=32, ef_construction=200),
            "{`vector.dimensions`: 3, `vector.similarity_function`: 'euclidean', `vector.hnsw.m`: 32, "
            "`vector.hnsw.ef_construction`: 200}",
        ),
    ],
)
def test_vector_indexes(index: VectorIndex, options: str) -> None:
    entry = node("Image", field("id", "Str"))
    name = schema.index_name(entry, index)
    assert schema.create_vector_index(entry, index) == (
        f"CREATE VECTOR INDEX {name} IF NOT EXISTS FOR (x:`Image`) ON (x.`embedding`) "
        f"OPTIONS {{indexConfig: {options}}}"
    )
    assert schema.drop_vector_index(entry, index) == f"DROP INDEX {name} IF EXISTS"


def images(graph: Graph) -> Export:
    return Export(graph, Nodes(LABEL), [field("id", "Str")], [EMBEDDING])


def with_index(export: Export, *indexes: VectorIndexDef) -> GraphState:
    return Neo4jConnector.get_setup_state(
        export.spec, export.key, export.values, IndexOptions(["id"], list(indexes))
    )


def test_a_vector_index_on_a_server(graph: Graph, place: Neo4jConnection) -> None:
    """On a Neo4j it is made, altered and dropped; a server that has none says so, and setup fails."""
    export = images(graph)
    Export.set_up_all([export])
    key = Neo4jConnector.get_persistent_key(export.spec, "")
    plain, cosine = export.state, with_index(export, VectorIndexDef("embedding", COSINE))
    wide = with_index(export, VectorIndexDef("embedding", L2, HnswVectorIndexMethod(m=8, ef_construction=40)))
    try:
        rows_of(
            place,
            schema.create_vector_index(
                node(f"{PREFIX}Try", field("id", "Str")), VectorIndex("v", COSINE.value, 3)
            ),
        )
    except Exception:
        with pytest.raises(TargetError, match=r"VECTOR INDEX|SyntaxError"):
            Neo4jConnector.apply_setup_change(key, plain, cosine)
        return
    query = (
        f"SHOW VECTOR INDEXES YIELD labelsOrTypes, properties, options WHERE labelsOrTypes = ['{LABEL}'] "
        "RETURN properties, options.indexConfig['vector.similarity_function']"
    )
    Neo4jConnector.apply_setup_change(key, plain, cosine)
    assert [[names, how.lower()] for names, how in rows_of(place, query)] == [[["embedding"], "cosine"]]
    Neo4jConnector.apply_setup_change(key, cosine, wide)
    assert [[names, how.lower()] for names, how in rows_of(place, query)] == [[["embedding"], "euclidean"]]
    Neo4jConnector.apply_setup_change(key, wide, plain)
    assert rows_of(place, query) == []


def test_one_index_for_a_property() -> None:
    with pytest.raises(DefinitionError, match="one for a property"):
        check_vector_indexes([VectorIndexDef("embedding", COSINE), VectorIndexDef("embedding", L2)])
    check_vector_indexes([VectorIndexDef("embedding", COSINE), VectorIndexDef("other", L2)])


def test_a_declared_label_takes_vectors_from_relationships() -> None:
    image = NodeFromFields(LABEL, [TargetFieldMapping("id"), TargetFieldMapping("embedding")])
    mapping = Relationships("SHOWS", NodeFromFields("Page", [TargetFieldMapping("page")]), image)
    assert analysis.own_values(mapping, [EMBEDDING]) == []
    index = analysis.vector_index(VectorIndexDef("embedding", COSINE), EMBEDDING)
    assert dataclasses.astuple(index) == ("embedding", COSINE.value, 3, None, None)
