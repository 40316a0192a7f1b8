"""The shape of graphs: scopes, slots, names, aliases, tables with added fields, constants."""

import pytest

from coco.flow.graph import ROOT_SCOPE, Constant, SlotRef, StructRef, TableRef


def nested(ops):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files(path="here"))
        entries = root.add_collector("entries")
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.split, size=500)
            with doc["chunks"].row() as chunk:
                chunk["embedding"] = chunk["text"].transform(ops.embed)
                entries.collect(
                    filename=doc["filename"],
                    start=chunk["start"],
                    text=chunk["text"],
                    embedding=chunk["embedding"],
                )
        entries.export("rows", ops.Rows(), primary_key_fields=["start", "filename"])

    return flow


def test_a_nested_flow(ops, build, read):
    graph = build(nested(ops))
    found = read(graph)
    assert (graph.name, graph.full_name) == ("Demo", "Demo")
    assert [scope.path for scope in graph.scopes] == ["", "documents", "documents.chunks"]
    root, documents, chunks = graph.scopes
    assert (root.parent, documents.parent, chunks.parent) == (None, ROOT_SCOPE, documents.id)
    assert [graph.slots[slot].name for slot in documents.key_slots] == ["filename"]
    names = [graph.slots[slot].name for slot in documents.value_slots]
    assert names == ["content", "author", "editor", "size", "score"]
    assert chunks.key_slots == ()
    assert [graph.slots[slot].name for slot in chunks.value_slots] == ["text", "start"]
    assert chunks.table == found.ref("documents.chunks")
    assert [scope.source for scope in graph.scopes] == [None, "documents", "documents"]
    assert graph.scope_chain(chunks.id) == (chunks.id, documents.id, ROOT_SCOPE)

    (source,) = graph.sources
    assert (source.name, source.spec, source.row_scope) == ("documents", ops.Files(path="here"), documents.id)
    assert graph.slots[source.slot].name == "documents"
    assert source.table.num_key_parts == 1

    assert [(step.id, step.name, step.scope) for step in graph.transforms] == [
        (0, "chunks", documents.id),
        (1, "embedding", chunks.id),
    ]
    assert [slot.id for slot in graph.slots] == list(range(len(graph.slots)))

    (collector,) = graph.collectors
    assert [item.name for item in collector.schema] == ["filename", "start", "text", "embedding"]
    (collect,) = collector.collects
    assert collect.scope == chunks.id
    assert collect.fields[0] == found.ref("documents.filename")

    (export,) = graph.exports
    assert [item.name for item in export.key_fields] == ["start", "filename"]
    assert export.key_positions == (1, 0)
    assert [item.name for item in export.value_fields] == ["text", "embedding"]
    assert export.value_positions == (2, 3)
    assert tuple(export.index_options.primary_key_fields) == ("start", "filename")
    assert export.bound is not None


def test_the_same_function_gives_the_same_graph(ops, build):
    def shape(graph):
        return (graph.slots, graph.scopes, [step.args for step in graph.transforms], graph.fields)

    assert shape(build(nested(ops))) == shape(build(nested(ops)))


def test_steps_know_the_users_line(ops, build):
    graph = build(nested(ops))
    location = graph.transforms[0].location
    assert location.file.endswith("test_flow_graph.py")
    assert "transform(ops.split" in location.text
    assert graph.exports[0].location.line > location.line


def test_keyed_tables_have_key_slots(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.split_keyed)
            with doc["chunks"].row() as chunk:
                chunk["shouted"] = chunk["text"].transform(ops.shout)

    graph = build(flow)
    scope = read(graph).scope("documents.chunks")
    assert [graph.slots[slot].name for slot in scope.key_slots] == ["location"]
    assert [graph.slots[slot].name for slot in scope.value_slots] == ["text", "start"]


def test_nullable_tables_can_be_iterated(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.maybe_split)
            with doc["chunks"].row() as chunk:
                chunk["shouted"] = chunk["text"].transform(ops.shout)

    found = read(build(flow))
    assert found.slot("documents.chunks").type.nullable
    assert not found.slot("documents.chunks.text").type.nullable


def test_row_gives_the_same_scope_again(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row(max_inflight_rows=8) as doc:
            doc["loud"] = doc["content"].transform(ops.shout)
        with root["documents"].row(max_inflight_rows=4, max_inflight_bytes=100) as doc:
            doc["louder"] = doc["loud"].transform(ops.shout)

    graph = build(flow)
    assert len(graph.scopes) == 2
    documents = read(graph).scope("documents")
    assert (documents.max_inflight_rows, documents.max_inflight_bytes) == (4, 100)
    source = graph.sources[0]
    assert (source.max_inflight_rows, source.max_inflight_bytes) == (4, 100)


def test_row_works_without_with(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        doc = root["documents"].row()
        doc["loud"] = doc["content"].transform(ops.shout)
        root.add_collector("seen").collect(loud=doc["loud"])

    assert read(build(flow)).collector("seen").collects[0].scope == 1


def test_for_each_and_call(ops, build, read):
    seen = []

    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())

        def loud(doc):
            doc["loud"] = doc["content"].call(lambda text, suffix: text.transform(ops.pair, suffix), "!")
            seen.append(doc)
            return "ignored"

        assert root["documents"].for_each(loud, max_inflight_rows=2) is None

    found = read(build(flow))
    assert len(seen) == 1
    assert found.scope("documents").max_inflight_rows == 2
    assert found.step("loud").args[1].python == "!"


def test_a_second_name_is_an_alias(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["loud"] = doc["content"].transform(ops.shout)
            doc["copy"] = doc["loud"]
            doc["text"] = doc["content"]
            doc["who"] = doc["author"]["name"]
            doc["pair"] = doc["copy"].transform(ops.pair, doc["text"])

    graph = build(flow)
    found = read(graph)
    assert [step.name for step in graph.transforms] == ["loud", "pair"]
    assert found.step("pair").args == (found.ref("documents.loud"), found.ref("documents.content"))
    fields = {item.name: item.ref for item in graph.fields}
    assert list(fields) == ["documents", "loud", "copy", "text", "who", "pair"]
    assert fields["copy"] == fields["loud"]
    assert fields["who"].slot == found.slot("documents.author").id


def test_a_value_of_an_outer_scope_can_be_named_in_an_inner_one(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        root["prefix"] = builder.transform(ops.pair, "a", "b")
        with root["documents"].row() as doc:
            doc["prefix"] = root["prefix"]
            doc["both"] = doc["prefix"].transform(ops.pair, doc["content"])

    graph = build(flow)
    found = read(graph)
    assert found.step("prefix").scope == ROOT_SCOPE
    assert found.step("both").args[0] == found.ref("prefix")
    assert found.step("both").scope == found.scope("documents").id


def test_scope_is_the_innermost_among_the_arguments(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.split)
            with doc["chunks"].row() as chunk:
                doc["outer"] = doc["content"].transform(ops.shout)  # only the slice counts, not the block
                chunk["both"] = doc["content"].transform(ops.pair, chunk["text"])
                root["fixed"] = builder.transform(ops.shout, "x")

    found = read(build(flow))
    assert found.step("outer").scope == found.scope("documents").id
    assert found.step("both").scope == found.scope("documents.chunks").id
    assert found.step("fixed").scope == ROOT_SCOPE


def test_unused_results_are_dropped_with_what_only_they_need(ops, build):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["content"].transform(ops.shout).transform(ops.shout)
            doc["kept"] = doc["content"].transform(ops.shout)

    graph = build(flow)
    assert [step.name for step in graph.transforms] == ["kept"]
    assert [slot.id for slot in graph.slots] == list(range(len(graph.slots)))
    assert graph.transforms[0].slot == graph.slots[-1].id


def test_middle_results_get_automatic_names(ops, build):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["repeat_0"] = doc["content"].transform(ops.Repeat())
            doc["loud"] = doc["content"].transform(ops.Repeat(times=3)).transform(ops.shout)
            root.add_collector("seen").collect(x=doc["content"].transform(ops.split_keyed))

    graph = build(flow)
    assert [step.name for step in graph.transforms] == ["repeat_0", "repeat_1", "loud", "split_keyed_0"]


def test_a_name_given_after_use_is_an_alias(ops, build):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            loud = doc["content"].transform(ops.shout)
            doc["louder"] = loud.transform(ops.shout)
            doc["loud"] = loud

    graph = build(flow)
    assert [step.name for step in graph.transforms] == ["shout_0", "louder"]
    assert {item.name: item.ref.slot for item in graph.fields}["loud"] == graph.transforms[0].slot


def test_struct_fields_are_paths_and_inherit_null(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["a"] = doc["author"]["name"].transform(ops.shout)
            doc["b"] = doc["editor"]["name"].transform(ops.shout)
            doc["c"] = doc["author"]["born"].transform(ops.count)

    graph = build(flow)
    found = read(graph)
    a, b, c = (found.step(name).args[0] for name in "abc")
    assert a.path == b.path == (0,) and c.path == (1,)
    assert a.slot == found.slot("documents.author").id
    assert [ref.type.nullable for ref in (a, b, c)] == [False, True, True]
    assert not found.slot("documents.a").type.nullable
    assert found.slot("documents.b").type.nullable


def test_tables_inside_structs_can_be_iterated(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["report"] = doc["content"].transform(ops.report)
            with doc["report"]["chunks"].row() as chunk:
                chunk["loud"] = chunk["text"].transform(ops.shout)

    scope = read(build(flow)).scope("documents.report.chunks")
    assert scope.table.path == (1,)


def test_a_table_passed_on_carries_the_added_fields(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        seen = root.add_collector("seen")
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.split)
            doc["before"] = doc["chunks"].transform(ops.count)
            with doc["chunks"].row() as chunk:
                chunk["embedding"] = chunk["text"].transform(ops.embed)
                chunk["file"] = doc["filename"]
            doc["after"] = doc["chunks"].transform(ops.count)
            seen.collect(chunks=doc["chunks"])

    graph = build(flow)
    found = read(graph)
    assert found.step("before").args == (found.ref("documents.chunks"),)
    (table,) = found.step("after").args
    assert isinstance(table, TableRef)
    assert table.slot == found.slot("documents.chunks").id
    assert table.row_scope == found.scope("documents.chunks").id
    assert table.added == (found.ref("documents.chunks.embedding"), found.ref("documents.filename"))
    assert [item.name for item in table.type.type.row.fields] == ["text", "start", "embedding", "file"]
    assert table.type.type.kind == "LTable"
    assert found.slot("documents.chunks").type.type.row.fields[-1].name == "start"
    (collected,) = found.collector("seen").collects[0].fields
    assert collected == table
    assert found.collector("seen").schema[0].value_type == table.type


def test_keyed_and_nullable_tables_keep_their_nature_with_added_fields(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            for name, function in (("keyed", ops.split_keyed), ("maybe", ops.maybe_split)):
                doc[name] = doc["content"].transform(function)
                with doc[name].row() as row:
                    row["loud"] = row["text"].transform(ops.shout)
                doc[f"{name}_count"] = doc[name].transform(ops.count)

    found = read(build(flow))
    keyed, maybe = found.step("keyed_count").args[0], found.step("maybe_count").args[0]
    assert keyed.type.type.kind == "KTable" and keyed.type.type.num_key_parts == 1
    assert [item.name for item in keyed.type.type.row.fields] == ["location", "text", "start", "loud"]
    assert maybe.type.nullable and not keyed.type.nullable


def test_added_tables_carry_their_own_added_fields(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["chunks"] = doc["content"].transform(ops.split)
            with doc["chunks"].row() as chunk:
                chunk["bits"] = chunk["text"].transform(ops.split)
                with chunk["bits"].row() as bit:
                    bit["loud"] = bit["text"].transform(ops.shout)
            doc["n"] = doc["chunks"].transform(ops.count)

    found = read(build(flow))
    (table,) = found.step("n").args
    (inner,) = table.added
    assert isinstance(inner, TableRef)
    assert inner.added == (found.ref("documents.chunks.bits.loud"),)
    assert [item.name for item in inner.type.type.row.fields] == ["text", "start", "loud"]
    assert table.type.type.row.fields[-1].value_type == inner.type


def test_a_struct_carries_what_was_added_inside_it(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["report"] = doc["content"].transform(ops.report)
            doc["before"] = doc["report"].transform(ops.count)
            with doc["report"]["chunks"].row() as chunk:
                chunk["loud"] = chunk["text"].transform(ops.shout)
            doc["whole"] = doc["report"].transform(ops.count)
            doc["part"] = doc["report"]["chunks"].transform(ops.count)

    found = read(build(flow))
    assert found.step("before").args == (found.ref("documents.report"),)
    (whole,), (part,) = found.step("whole").args, found.step("part").args
    assert isinstance(whole, StructRef) and isinstance(part, TableRef)
    assert whole.fields == (None, part) and part.path == (1,)
    assert [item.name for item in part.type.type.row.fields] == ["text", "start", "loud"]
    assert whole.type.type.fields[1].value_type == part.type


def test_a_table_carries_what_was_added_inside_its_rows(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["sections"] = doc["content"].transform(ops.sections)
            with doc["sections"].row() as section:
                with section["parts"].row() as part:
                    part["loud"] = part["text"].transform(ops.shout)
            doc["n"] = doc["sections"].transform(ops.count)

    found = read(build(flow))
    (table,) = found.step("n").args
    none, parts = table.fields
    assert none is None and not table.added
    assert parts.added == (found.ref("documents.sections.parts.loud"),)
    assert table.type.type.row.fields[1].value_type == parts.type


def test_a_value_cannot_be_put_into_itself_through_a_nested_table(ops, build):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["sections"] = doc["content"].transform(ops.sections)
            doc["chunks"] = doc["content"].transform(ops.split)
            with doc["sections"].row() as section, section["parts"].row() as part:
                part["others"] = doc["chunks"]
            with doc["chunks"].row() as chunk:
                chunk["around"] = doc["sections"]

    with pytest.raises(ValueError, match=r"would put the table documents\.chunks into its own rows"):
        build(flow)


def test_nested_tables_without_added_fields_are_plain(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        seen = root.add_collector("seen")
        with root["documents"].row() as doc:
            doc["sections"] = doc["content"].transform(ops.sections)
            with doc["sections"].row() as section:
                with section["parts"].row() as part:
                    seen.collect(text=part["text"])
            doc["n"] = doc["sections"].transform(ops.count)

    found = read(build(flow))
    assert found.step("n").args == (found.ref("documents.sections"),)


def test_constants_take_the_parameters_type(ops, build, read):
    graph = build(nested(ops))
    text, size = read(graph).step("chunks").args
    assert isinstance(text, SlotRef)
    assert isinstance(size, Constant)
    assert (size.python, size.value, type(size.value)) == (500, 500.0, float)
    assert size.type.type.kind == "Float64"


def test_arguments_follow_the_functions_params(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["x"] = builder.transform(ops.pair, right=doc["content"], left=doc["filename"])

    step = read(build(flow)).step("x")
    assert [param.name for param in step.function.params] == ["right", "left"]
    assert len(step.args) == len(step.function.params)
    assert step.function.keywords == ("right", "left")


def test_lineage_says_where_an_argument_comes_from(ops, build, read):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            doc["direct"] = doc["content"].transform(ops.chunk_text)
            doc["field"] = doc["author"]["name"].transform(ops.chunk_text)
            doc["middle"] = doc["content"].transform(ops.shout).transform(ops.chunk_text)
        root["fixed"] = builder.transform(ops.chunk_text, "abc")

    found = read(build(flow))
    key = ops.op.ArgRelationship.CHUNKS_BASE_TEXT.value

    def reference(path):
        return found.slot(path).type.attrs[key]

    assert reference("documents.direct") == {"scope": "documents", "field": "content"}
    assert reference("documents.field") == {"scope": "documents", "field": "author.name"}
    assert reference("documents.middle") == {"scope": "documents", "field": "shout_0"}
    assert reference("fixed") == {"constant": "abc"}


def test_declarations_count_once(ops, build):
    def flow(builder, root):
        assert builder.declare(ops.Label(name="a")) is None
        builder.declare(ops.Label(name="a"))
        builder.add_declaration(ops.Label(name="b"))

    graph = build(flow)
    assert [step.spec.name for step in graph.declarations] == ["a", "b"]
    assert graph.declarations[0].declaration.kind == "Label"


def test_a_flow_without_sources_is_fine(build):
    graph = build(lambda builder, root: None)
    assert graph.sources == () and len(graph.scopes) == 1
