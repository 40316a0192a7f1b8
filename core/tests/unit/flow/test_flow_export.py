"""Exports: keys, indexes, attachments, connectors' own checks, identity."""

import pytest

from coco.errors import DefinitionError
from coco.index import FtsIndexDef, HnswVectorIndexMethod, VectorIndexDef, VectorSimilarityMetric
from coco.naming import default_name, namespace_of

COSINE = VectorSimilarityMetric.COSINE_SIMILARITY
L2 = VectorSimilarityMetric.L2_DISTANCE


@pytest.fixture
def export(build, ops):
    """Builds a flow that exports one collector with the given arguments; gives the graph."""

    def run(*args, collect=None, **kwargs):
        def flow(builder, root):
            root["documents"] = builder.add_source(ops.Files())
            entries = root.add_collector("entries")
            with root["documents"].row() as doc:
                doc["v"] = doc["content"].transform(ops.embed)
                doc["open_v"] = doc["content"].transform(ops.embed_any)
                doc["words"] = doc["content"].transform(ops.words)
                if collect is not None:
                    collect(doc, entries)
                else:
                    names = ("filename", "content", "editor", "size", "score", "v", "open_v", "words")
                    entries.collect(**{name: doc[name] for name in names})
            kwargs.setdefault("primary_key_fields", ["filename"])
            entries.export(*(args or ("rows", ops.Rows())), **kwargs)

        return build(flow)

    return run


def test_an_export(export, ops):
    index = VectorIndexDef("v", COSINE, HnswVectorIndexMethod(m=4))
    graph = export(
        "rows",
        ops.Rows(table="t"),
        primary_key_fields=["filename", "size"],
        vector_indexes=[index, VectorIndexDef("v", L2)],
        fts_indexes=[FtsIndexDef("content")],
        attachments=[ops.RowsTrigger(name="a"), ops.RowsTrigger(name="b")],
        setup_by_user=True,
    )
    (step,) = graph.exports
    assert (step.name, step.spec, step.target.kind) == ("rows", ops.Rows(table="t"), "Rows")
    assert [item.name for item in step.key_fields] == ["filename", "size"]
    assert [item.name for item in step.value_fields] == ["content", "editor", "score", "v", "open_v", "words"]
    schema = graph.collectors[step.collector].schema
    assert tuple(schema[position] for position in step.key_positions) == step.key_fields
    assert tuple(schema[position] for position in step.value_positions) == step.value_fields
    assert step.index_options.vector_indexes == (index, VectorIndexDef("v", L2))
    assert step.index_options.fts_indexes == (FtsIndexDef("content"),)
    assert [item.name for item in step.attachments] == ["a", "b"]
    assert step.setup_by_user is True


@pytest.mark.parametrize(
    ("keys", "cls", "pattern"),
    [
        ([], ValueError, "must name at least one"),
        ("filename", TypeError, "must be a sequence, got str"),
        (None, TypeError, "must be a sequence, got NoneType"),
        ([1], TypeError, "must hold names of collected fields, got 1"),
        (["filename", "filename"], ValueError, "names 'filename' twice"),
        (["nope"], ValueError, "'nope' is not collected; collected fields are: filename, content"),
        (["score"], ValueError, "'score' has the type Float64, which cannot be a key"),
        (["v"], ValueError, "which cannot be a key"),
        (["editor"], ValueError, "a key must not be null"),
    ],
)
def test_primary_keys(export, keys, cls, pattern):
    with pytest.raises(cls, match=pattern) as caught:
        export(primary_key_fields=keys)
    assert "(flow Demo, " in str(caught.value) and "target rows, at test_flow_export.py" in str(caught.value)


def test_keys_are_in_every_call(export, ops):
    def collect(doc, entries):
        entries.collect(filename=doc["filename"], x=doc["size"])
        entries.collect(x=doc["size"])

    with pytest.raises(
        ValueError, match=r"'filename' must be in every collect call; it is not in the one in line \d+"
    ):
        export(collect=collect)


def test_struct_keys(export, ops):
    def collect(doc, entries):
        entries.collect(who=doc["author"], x=doc["size"])

    with pytest.raises(ValueError, match=r"'who' has the type .* cannot be a key"):
        export(collect=collect, primary_key_fields=["who"])  # Author.born may be null


@pytest.mark.parametrize(
    ("index", "pattern"),
    [
        (VectorIndexDef("nope", COSINE), "vector index: field 'nope' is not collected"),
        (VectorIndexDef("content", COSINE), "'content' has the type Str: it must be a Vector"),
        (VectorIndexDef("open_v", COSINE), "it must have a fixed dimension"),
        (VectorIndexDef("words", COSINE), "its elements must be one of Int64, Float32, Float64"),
    ],
)
def test_vector_indexes(export, index, pattern):
    with pytest.raises(ValueError, match=pattern):
        export(vector_indexes=[index])


def test_an_index_is_not_given_twice(export):
    with pytest.raises(ValueError, match="'v' is indexed twice with COSINE_SIMILARITY"):
        export(vector_indexes=[VectorIndexDef("v", COSINE), VectorIndexDef("v", COSINE)])
    with pytest.raises(ValueError, match="'content' is indexed twice"):
        export(fts_indexes=[FtsIndexDef("content"), FtsIndexDef("content")])


def test_full_text_indexes(export):
    with pytest.raises(ValueError, match="full-text index: field 'nope' is not collected"):
        export(fts_indexes=[FtsIndexDef("nope")])
    with pytest.raises(ValueError, match="'size' has the type Int64; it must be Str"):
        export(fts_indexes=[FtsIndexDef("size")])


def test_lists_hold_what_they_should(export, ops):
    with pytest.raises(TypeError, match="vector_indexes must hold VectorIndexDef objects"):
        export(vector_indexes=[("v", COSINE)])
    with pytest.raises(TypeError, match="fts_indexes must hold FtsIndexDef objects"):
        export(fts_indexes=["content"])
    with pytest.raises(TypeError, match="attachments must be a sequence"):
        export(attachments=ops.RowsTrigger(name="a"))
    with pytest.raises(TypeError, match="setup_by_user must be a bool"):
        export(setup_by_user="yes")


def test_the_deprecated_vector_index(export):
    with pytest.warns(DeprecationWarning, match="vector_index is deprecated") as caught:
        graph = export(vector_index=[("v", COSINE)])
    assert caught[0].filename == __file__
    assert graph.exports[0].index_options.vector_indexes == (VectorIndexDef("v", COSINE),)
    with (
        pytest.warns(DeprecationWarning, match="vector_index"),
        pytest.raises(TypeError, match="must hold pairs"),
    ):
        export(vector_index=["v"])


def test_attachments(export, ops):
    with pytest.raises(ValueError, match="takes a TargetAttachmentSpec, got Rows, which is a TargetSpec"):
        export(attachments=[ops.Rows()])
    with pytest.raises(ValueError, match="two attachments named 'a'"):
        export(attachments=[ops.RowsTrigger(name="a"), ops.RowsTrigger(name="a")])
    with pytest.raises(ValueError, match="RowsTrigger is an attachment of Rows, not of Picky"):
        export("rows", ops.Picky(table="t"), attachments=[ops.RowsTrigger(name="a")])


def test_target_names(export, ops, build):
    with pytest.raises(ValueError, match="invalid target name 'a b'"):
        export("a b", ops.Rows())

    def twice(builder, root):
        entries = root.add_collector()
        entries.collect(a="x")
        entries.export("rows", ops.Rows(), primary_key_fields=["a"])
        entries.export("rows", ops.Rows(table="other"), primary_key_fields=["a"])

    with pytest.raises(ValueError, match="there is a target named 'rows' already"):
        build(twice)


def test_target_specs(export, ops):
    with pytest.raises(ValueError, match="takes a TargetSpec, got Files"):
        export("rows", ops.Files())
    with pytest.raises(ValueError, match=r"got the class Rows: write Rows\(\.\.\.\)"):
        export("rows", ops.Rows)


def test_exports_stand_at_the_top_level(build, ops):
    def inside(builder, root):
        entries = root.add_collector()
        with builder.add_source(ops.Files()).row() as doc:
            entries.collect(a=doc["filename"])
            entries.export("rows", ops.Rows(), primary_key_fields=["a"])

    def of_a_row(builder, root):
        with builder.add_source(ops.Files()).row() as doc:
            entries = doc.add_collector("inner")
            entries.collect(a=doc["filename"])
        entries.export("rows", ops.Rows(), primary_key_fields=["a"])

    with pytest.raises(DefinitionError, match=r"export\(\) belongs to the top level"):
        build(inside)
    with pytest.raises(DefinitionError, match="collector inner belongs to the rows of"):
        build(of_a_row)


def test_export_may_stand_before_collect(build, ops):
    def flow(builder, root):
        entries = root.add_collector()
        entries.export("rows", ops.Rows(), primary_key_fields=["a"])
        entries.collect(a="x")

    assert build(flow).exports[0].key_fields[0].name == "a"


def test_an_exported_collector_has_entries(build, ops):
    def flow(builder, root):
        root.add_collector().export("rows", ops.Rows(), primary_key_fields=["a"])

    with pytest.raises(ValueError, match="'a' is not collected; collected fields are: none"):
        build(flow)


def test_one_collector_to_several_targets(build, ops):
    def flow(builder, root):
        entries = root.add_collector()
        entries.collect(a="x", b="y")
        entries.export("second", ops.Rows(), primary_key_fields=["b"])
        entries.export("first", ops.Rows(), primary_key_fields=["a"])

    graph = build(flow)
    assert [(step.name, step.key_positions) for step in graph.exports] == [("second", (1,)), ("first", (0,))]


def test_two_exports_into_one_resource(build, ops):
    def flow(builder, root):
        entries = root.add_collector()
        entries.collect(a="x")
        entries.export("one", ops.Rows(table="t"), primary_key_fields=["a"])
        entries.export("two", ops.Rows(table="t"), primary_key_fields=["a"])

    with pytest.raises(ValueError, match=r"targets 'one' and 'two' are the same Rows resource \"t\""):
        build(flow)


def test_different_kinds_may_use_one_key(build, ops):
    def flow(builder, root):
        entries = root.add_collector()
        entries.collect(a="x")
        entries.export("one", ops.Rows(table="t"), primary_key_fields=["a"])
        entries.export("two", ops.Picky(table="t"), primary_key_fields=["a"])

    assert len(build(flow).exports) == 2


def test_connectors_may_object(export, ops):
    ops.picky_calls.clear()
    export("rows", ops.Picky(table="t"))
    ((spec, keys, values, options, attachments),) = ops.picky_calls
    assert spec == ops.Picky(table="t")
    assert [item.name for item in keys] == ["filename"] and values[0].name == "content"
    assert tuple(options.primary_key_fields) == ("filename",) and attachments == []
    with pytest.raises(
        DefinitionError, match=r"Picky has no full-text indexes \(flow Demo, target rows, at test_flow"
    ):
        export("rows", ops.Picky(table="t"), fts_indexes=[FtsIndexDef("content")])


def test_connectors_may_complete_their_spec(export, ops):
    """Where a spec names no resource, the connector may take the default name; all later calls see that."""
    ops.picky_calls.clear()
    (step,) = export("rows", ops.Picky(table="")).exports
    assert step.spec == ops.Picky(table="Demo__rows")
    assert ops.picky_calls[0][0] == step.spec
    (step,) = export("rows", ops.Picky(table="chosen")).exports
    assert step.spec == ops.Picky(table="chosen")


def test_default_names_hold_the_namespace():
    assert default_name("Demo", "rows") == "Demo__rows"
    assert default_name("Demo", "rows", namespace=namespace_of("Staging.Demo")) == "Staging__Demo__rows"
    assert default_name("Demo", "rows", namespace="Staging", delimiter="-") == "Staging-Demo-rows"
    assert namespace_of("Demo") == ""
